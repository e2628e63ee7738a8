"""``dse linux record``: boots of one kernel, their counts as tables, stored with their origin."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dse import __version__
from dse.common import machine, names, writing
from dse.errors import BadInput, unknown
from dse.linux import adding, booting, fetching, functions, initramfs, records, streams, tools
from dse.linux import image as images
from dse.linux.experiments import EXPERIMENTS
from dse.linux.session import AT_ONCE, Guest, Say, Session

SCRATCH = 192 << 20
"""Bytes of report, archive and programs on the host's disk, besides the swap disk."""


class Sizes(NamedTuple):
    """Sizes of the experiments.

    Attributes
    ----------
    pages : int
        Pages that fill swaps out.
    operations : int
        Single operations of each kind; a power of two.
    background : int
        Pages that are swapped out before single operations begin.
    many : int
        Pages of swapoff and of zswap's writeback.
    repeats : int
        Replays of each trace.
    memory : int
        Memory of the guest [MiB].
    timeout : float
        Longest time of a boot [s].
    """

    pages: int = 65_536
    operations: int = 512
    background: int = 4_096
    many: int = 1_024
    repeats: int = 5
    memory: int = 1_024
    timeout: float = 600.0

    def slots(self) -> int:
        """Pages of the swap disk: twice what is swapped out, at least."""
        return 2 * max(self.pages, 2 * (self.background + self.operations))

    def check(self) -> None:
        """Refuse sizes that the guest cannot hold.

        Raises
        ------
        BadInput
            With the reason.
        """
        if self.operations & (self.operations - 1) or self.operations < 1:
            raise BadInput(f"--operations takes a power of two, not {self.operations}")
        room = (self.memory - 256) * 256
        if max(self.pages * 2, self.background + self.operations) > room * 1.5:
            raise BadInput(f"{self.pages:,} pages do not fit a guest of {self.memory} MiB; raise --memory or lower --pages")


def _digest(*names: str) -> str:
    """SHA-256 of sources of the guest."""
    return hashlib.sha256(b"".join((initramfs.GUEST / name).read_bytes() for name in names)).hexdigest()


def _sources() -> list[str]:
    """Files of the guest's program."""
    return sorted(path.name for path in initramfs.GUEST.iterdir() if path.name != "plugin.c")


def _provenance(image: images.Image, qemu: tools.Qemu, sizes: Sizes, compressor: str, experiments: Sequence[str]) -> dict[str, Any]:
    """Origin of a record, without what only the guest knows."""
    return {
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "swapdse": __version__, "release": image.release,
        "experiments": list(experiments), "image_digest": image.digest, "config_digest": image.config, "qemu": qemu.version,
        "workload_digest": _digest(*_sources()), "plugin_digest": _digest("plugin.c"),
        "groups_digest": images.sha256(functions.PATTERNS), "compressor": compressor,
        **{key: value for key, value in sizes._asdict().items() if key != "timeout"}, "slots": sizes.slots(),
        "machine": " ".join((*booting.MACHINE, *booting.CLOCK)), "options": booting.GUEST_OPTIONS,
    }  # fmt: skip


def _require_room(folder: Path, sizes: Sizes) -> None:
    """Refuse a disk that cannot hold the scratch files.

    Raises
    ------
    BadInput
        It is too full.
    """
    needed, have = SCRATCH + AT_ONCE * sizes.slots() * 4096, machine.disk_available(folder)
    if have < needed:
        raise BadInput(f"no space left on the disk of {folder}: the guest's disks take up to {needed >> 20} MiB, {have >> 20} MiB are free")


def record(
    results: Path,
    folder: Path,
    *,
    image: Path | None = None,
    release: str = "",
    modules: Path | None = None,
    experiments: Sequence[str] = EXPERIMENTS,
    traces: Sequence[str] = (),
    add: str = "",
    sizes: Sizes = Sizes(),  # noqa: B008 - a tuple
    compressor: str = "lzo",
    console: Path | None = None,
    command: str = "",
    say: Say = lambda _: None,
) -> records.Record:
    """Boot a kernel, count, and store the record.

    Parameters
    ----------
    results, folder : Path
        Folder of stored results, folder of fetched packages.
    image : Path, optional
        The bzImage; default the fetched kernel of `release`.
    release : str
        Release of a fetched kernel, or another name for the record of `image`.
    modules : Path, optional
        Folder of its modules.
    experiments : sequence of str
        Of :data:`EXPERIMENTS`.
    traces : sequence of str
        Traces that are replayed; none: all.
    add : str
        Stored or shipped record that the new tables are added to, as a new record.
    sizes : Sizes
        Sizes.
    compressor : str
        Compressor of zswap.
    console : Path, optional
        File that the guest's console is written to.
    command : str
        Command line, for the origin.
    say : callable
        Called with what is being done.

    Returns
    -------
    Record
        As stored.

    Raises
    ------
    BadInput
        Something is missing, the image is none, or the guest fails. Nothing is left behind.
    """
    _require_known(experiments, traces)
    if console is not None:
        writing.check_target(console)
    sizes.check()
    names.checked(release or "image", "record")
    old = records.load(add, results) if add else None
    path = image or fetching.image_of(folder, release)
    if path is None:
        raise BadInput(f"kernel {release} is not fetched: dse linux get {release}" if release else "say --image FILE or --release R")
    known = images.examine(path, modules)
    qemu, busybox = tools.qemu(folder), tools.busybox(folder)
    provenance = {**_provenance(known, qemu, sizes, compressor, experiments), "command": command}
    if old is not None:
        adding.require_same(old.provenance, provenance, old.name)
    provenance["package"] = fetching.about(folder, release).get("packages", {}) if image is None else {}
    replayed = {name: streams.make(name) for name in traces or streams.specs()} if "trace" in experiments else {}
    provenance["traces"] = {name: stream.digest for name, stream in replayed.items()}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dse-linux-") as scratch:
        inside = Path(scratch)
        _require_room(inside, sizes)
        tools.workload(initramfs.GUEST / "workload.c", inside / "workload")
        content = {name: stream.words.tobytes() for name, stream in replayed.items()}
        (inside / "initramfs").write_bytes(initramfs.build(busybox, inside / "workload", known.modules, compressor, content))
        settings = _settings(sizes, compressor)
        guest = Guest(inside, known, qemu, settings, sizes.memory, sizes.slots(), sizes.timeout, replayed, console)
        tables, report = Session(guest, say).run(experiments)
    provenance |= _heard(report) | {"seconds": round(time.monotonic() - began, 1)}
    if old is not None:
        tables, provenance = adding.added(old, tables, provenance)
    name = records.store(results, release or known.release, tables, provenance)
    return records.load(name, results)


def _require_known(experiments: Sequence[str], traces: Sequence[str]) -> None:
    """Refuse names of experiments and traces that there are not.

    Raises
    ------
    BadInput
        With the nearest one.
    """
    for what, given, known in (("experiment", experiments, EXPERIMENTS), ("trace", traces, tuple(streams.specs()))):
        strange = next((name for name in given if name not in known), None)
        if strange is not None:
            raise BadInput(unknown(what, strange, known))


def _settings(sizes: Sizes, compressor: str) -> dict[str, int | str]:
    """Variables of guest/init.sh."""
    return {
        "pages": sizes.pages, "operations": sizes.operations, "background": sizes.background, "many": sizes.many,
        "repeats": sizes.repeats, "limit": streams.settings()["limit"], "compressor": compressor,
    }  # fmt: skip


def _heard(report: Sequence[str]) -> dict[str, Any]:
    """Part of the origin that only the guest knows."""
    said = {key: _said(report, key) for key in ("version", "lru_gen", "rotational")}
    return {**said, "refused": [line.removeprefix("refused ") for line in report if line.startswith("refused ")]}


def _said(report: Sequence[str], key: str) -> str:
    """Return what the guest said of `key`."""
    return next((line.removeprefix(f"{key} ") for line in report if line.startswith(f"{key} ")), "")
