"""``dse linux record``: boots of one kernel, their counts as tables, stored with their origin."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dse import __version__
from dse.common import machine
from dse.errors import BadInput, unknown
from dse.linux import booting, counting, fetching, functions, initramfs, records, tools
from dse.linux import image as images

EXPERIMENTS = ("fill", "operation")
BACKENDS = {"fill": ("zswap", "disk"), "operation": ("zswap", "zero", "disk")}
SCRATCH = 192 << 20
"""Bytes of report, archive and programs on the host's disk, besides the swap disk."""
Say = Callable[[str], None]


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
    memory : int
        Memory of the guest [MiB].
    timeout : float
        Longest time of a boot [s].
    """

    pages: int = 65_536
    operations: int = 512
    background: int = 4_096
    memory: int = 1_024
    timeout: float = 300.0

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


def _provenance(image: images.Image, qemu: tools.Qemu, sizes: Sizes, compressor: str, experiments: Sequence[str]) -> dict[str, Any]:
    """Origin of a record, without what only the guest knows."""
    return {
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "swapdse": __version__, "release": image.release,
        "experiments": list(experiments), "image_digest": image.digest, "config_digest": image.config, "qemu": qemu.version,
        "workload_digest": _digest("workload.c", "init.sh"), "plugin_digest": _digest("plugin.c"),
        "groups_digest": images.sha256(functions.PATTERNS), "compressor": compressor,
        **{key: value for key, value in sizes._asdict().items() if key != "timeout"}, "slots": sizes.slots(),
        "machine": " ".join((*booting.MACHINE, *booting.CLOCK)), "options": booting.GUEST_OPTIONS,
    }  # fmt: skip


class _Session:
    """Boots of one image in one scratch folder."""

    def __init__(
        self, folder: Path, image: images.Image, qemu: tools.Qemu, sizes: Sizes, compressor: str, say: Say, console: Path | None
    ) -> None:
        self.folder, self.image, self.qemu, self.sizes, self.say, self.console = folder, image, qemu, sizes, say, console
        self.settings: dict[str, int | str] = {
            "pages": sizes.pages, "operations": sizes.operations, "background": sizes.background, "compressor": compressor,
        }  # fmt: skip

    def boot(self, steps: Sequence[str], plugin: Sequence[str] = ()) -> list[str]:
        """Boot once; return the guest's report."""
        given = booting.Boot(
            self.qemu, self.image.path, self.folder / "initramfs", self.folder, steps, self.settings, self.sizes.memory,
            self.sizes.slots(), plugin,
        )  # fmt: skip
        return booting.run(given, self.sizes.timeout, self.say, self.console)

    def count(self, listed: Sequence[functions.Function]) -> list[dict[str, Any]]:
        """Boot with the plugin; return rows of the experiment operation."""
        (self.folder / "functions").write_text(functions.table(listed), encoding="ascii")
        tools.plugin(initramfs.GUEST / "plugin.c", self.folder / "plugin.so")
        steps = [f"operation-{backend}" for backend in BACKENDS["operation"]]
        self.boot(steps, ["file=./plugin.so", "functions=functions", "out=counts", f"marks={tools.MARKS:#x}"])
        counts = self.folder / "counts"
        rows = counting.operation_rows(counts.read_text(encoding="ascii").splitlines()) if counts.exists() else []
        if not rows:
            raise BadInput("the plugin counted no operation: this qemu does not load it or was built without plugins")
        return rows


def _require_room(folder: Path, sizes: Sizes) -> None:
    """Refuse a disk that cannot hold the scratch files.

    Raises
    ------
    BadInput
        It is too full.
    """
    needed, have = SCRATCH + sizes.slots() * 4096, machine.disk_available(folder)
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
    strange = next((name for name in experiments if name not in EXPERIMENTS), None)
    if strange is not None:
        raise BadInput(unknown("experiment", strange, EXPERIMENTS))
    sizes.check()
    path = image or fetching.image_of(folder, release)
    if path is None:
        raise BadInput(f"kernel {release} is not fetched: dse linux get {release}" if release else "say --image FILE or --release R")
    known = images.examine(path, modules)
    qemu, busybox = tools.qemu(folder), tools.busybox(folder)
    provenance = {**_provenance(known, qemu, sizes, compressor, experiments), "command": command}
    provenance["package"] = fetching.about(folder, release).get("packages", {}) if image is None else {}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dse-linux-") as scratch:
        inside = Path(scratch)
        _require_room(inside, sizes)
        tools.workload(initramfs.GUEST / "workload.c", inside / "workload")
        (inside / "initramfs").write_bytes(initramfs.build(busybox, inside / "workload", known.modules, compressor))
        tables, report = _run(_Session(inside, known, qemu, sizes, compressor, say, console), experiments)
    provenance |= {"seconds": round(time.monotonic() - began, 1), "version": _said(report, "version"), "lru_gen": _said(report, "lru_gen")}
    provenance["refused"] = [line.removeprefix("refused ") for line in report if line.startswith("refused ")]
    name = records.store(results, release or known.release, tables, provenance)
    return records.load(name, results)


def _run(session: _Session, experiments: Sequence[str]) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Boot once for fill and the list of functions, once more for operation; return tables and the first report."""
    counted = "operation" in experiments
    steps = ["symbols"] if counted else []
    steps += [f"fill-{backend}" for backend in BACKENDS["fill"]] if "fill" in experiments else []
    report = session.boot(steps)
    tables = {}
    if "fill" in experiments:
        tables["fill"] = counting.fill_rows(report, session.sizes.pages)
    if counted:
        tables["operation"] = session.count(functions.read(report))
    return tables, report


def _said(report: Sequence[str], key: str) -> str:
    """Return what the guest said of `key`."""
    return next((line.removeprefix(f"{key} ") for line in report if line.startswith(f"{key} ")), "")
