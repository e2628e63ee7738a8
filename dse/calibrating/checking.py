"""Conditions that `dse calibrate` sets a host before it changes anything, and the kinds of faults that the host can show."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dse.calibrating.journal import HOT_ADD, PAGE_CLUSTER, SWAPS, ZSWAP, Journal, swaps
from dse.calibrating.system import PROGRAMS, System
from dse.common.writing import check_stored
from dse.errors import REFUSED, BadInput, unknown

PAGE = 4096
MIB = 1 << 20
VMSTAT, MEMINFO, LOADAVG = "/proc/vmstat", "/proc/meminfo", "/proc/loadavg"
CGROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
CGROUP_V1 = "/sys/fs/cgroup/memory"
ROOM = 512 * MIB
"""Bytes of memory and of disk that stay free."""
FEWEST_REPEATS, FEWEST_PAGES, MOST_PAGES = 3, 256, 1 << 20
LOAD = 0.5
"""Largest load average of the last minute for each CPU."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes
    ----------
    program : str
        Its name in the program that measures.
    swap : str
        Where its pages go: ``file``, ``zram``, or nowhere.
    out, into : str
        Counter of /proc/vmstat that each page raises when it leaves and when it comes back, if any.
    parameter : str
        Parameter that its time is written as, if any.
    text : str
        Its meaning.
    """

    program: str
    swap: str
    out: str
    into: str
    parameter: str
    text: str


KINDS = {
    "first": Kind("first", "", "", "", "", "first touch of a fresh page: no swap"),
    "hit": Kind("hit", "file", "pswpout", "", "", "page that the swap cache still holds: a minor fault"),
    "zero": Kind("zero", "file", "swpout_zero", "swpin_zero", "fault.frame", "page of zeros: a fault without backend work"),
    "zswap": Kind("half", "file", "zswpout", "zswpin", "fault.zswap", "half of a page random, the rest zeros, from zswap"),
    "zram": Kind("half", "zram", "pswpout", "pswpin", "fault.zram", "half of a page random, the rest zeros, from zram"),
    "disk": Kind("read", "file", "pswpout", "pswpin", "", "half of a page random, the rest zeros, from the swap file"),
}
"""Kinds by name, in the order in which they are measured."""


@dataclass(frozen=True)
class Wanted:
    """Settings of a calibration.

    Attributes
    ----------
    output : Path
        File to write.
    state : Path
        Folder of the journal.
    folder : Path
        Folder of the swap file.
    kinds : sequence of str
        Kinds to measure; empty: all that the host can show.
    pages, repeats : int
        Pages of a repeat, and repeats of each kind.
    load : float
        Largest load average for each CPU.
    """

    output: Path
    state: Path
    folder: Path
    kinds: Sequence[str] = ()
    pages: int = 4096
    repeats: int = 12
    load: float = LOAD

    @property
    def nbytes(self) -> int:
        """Bytes of a swap space: twice the pages, and its header."""
        return 2 * self.pages * PAGE + MIB


def lacking(system: System, kind: str) -> str:
    """Say why the host cannot show a kind; empty if it can."""
    if not system.there(VMSTAT):
        return "this is no Linux"
    if kind == "zero" and "swpin_zero" not in system.read(VMSTAT):
        return "this kernel does not count pages of zeros (swpin_zero in /proc/vmstat, Linux 6.12)"
    if kind == "zswap" and not system.there(f"{ZSWAP}/enabled"):
        return "this kernel has no zswap"
    if kind == "zram" and not system.there(HOT_ADD):
        return "zram is not loaded (modprobe zram num_devices=0)"
    return ""


def chosen(system: System, kinds: Sequence[str]) -> dict[str, str]:
    """Kinds to measure, each with an empty text, and those that are left out with the reason.

    Raises
    ------
    BadInput
        An unknown kind, or one that was asked for and that the host cannot show.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise BadInput(unknown("kind of fault", kind, KINDS))
        if lacking(system, kind):
            raise BadInput(f"{kind} cannot be measured: {lacking(system, kind)}")
    return {kind: lacking(system, kind) for kind in KINDS if not kinds or kind in kinds}


def check_kinds(kinds: Sequence[str]) -> None:
    """Refuse kinds that give no row of the table.

    Raises
    ------
    BadInput
    """
    rows = [name for name, kind in KINDS.items() if kind.parameter]
    if not set(kinds) & set(rows):
        raise BadInput(f"none of {', '.join(kinds)} gives a row of the table: {', '.join(rows)} do")


def cgroup(system: System) -> tuple[str, bool]:
    """Folder that a memory cgroup is made in, and whether the controller has to be switched on there first.

    Raises
    ------
    BadInput
        There is no memory controller, neither of version 2 nor of version 1.
    """
    for folder in CGROUPS:
        if system.there(f"{folder}/cgroup.controllers") and "memory" in system.read(f"{folder}/cgroup.controllers").split():
            return folder, "memory" not in system.read(f"{folder}/cgroup.subtree_control").split()
    if system.there(f"{CGROUP_V1}/memory.force_empty"):
        return CGROUP_V1, False
    raise BadInput("there is no memory cgroup under /sys/fs/cgroup: mount cgroup2 there, with the controller memory")


def _field(text: str, name: str) -> int:
    """Bytes of a line of /proc/meminfo."""
    return next((int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith(f"{name}:")), 0)


def check_output(wanted: Wanted) -> None:
    """Refuse a file that cannot be written, that is there, or that `dse compare` would not read.

    Raises
    ------
    BadInput
    """
    path = wanted.output
    if path.suffix != ".toml":
        raise BadInput(f"{path} is no .toml file")
    if path.exists():
        raise BadInput(f"{path} is there and is not overwritten")
    check_stored(path)
    if not path.parent.is_dir():
        raise BadInput(f"{path}: {REFUSED[errno.ENOENT]}: {path.parent}")
    for folder in (path.parent, wanted.state if wanted.state.is_dir() else None):
        if folder is not None and not System().writable(str(folder.absolute())):
            raise BadInput(f"{folder}: cannot be written")


def check_size(wanted: Wanted) -> None:
    """Refuse sizes that give no spread, or too large ones.

    Raises
    ------
    BadInput
    """
    if wanted.repeats < FEWEST_REPEATS:
        raise BadInput(f"{wanted.repeats} repeats give no spread; {FEWEST_REPEATS} are the least")
    if not FEWEST_PAGES <= wanted.pages <= MOST_PAGES:
        raise BadInput(f"pages are from {FEWEST_PAGES} to {MOST_PAGES:,}, got {wanted.pages:,}")


def check_host(system: System, wanted: Wanted) -> None:
    """Refuse a host that must not be changed, or cannot be measured.

    Raises
    ------
    BadInput
        Not root, a calibration that was cut off, other swap, load, little memory or disk, no memory cgroup, settings that cannot be
        written, a missing program.
    """
    if not system.there(SWAPS):
        raise BadInput("dse calibrate needs Linux, with swap (CONFIG_SWAP)")
    if system.user() != 0:
        raise BadInput("dse calibrate needs root: it switches swap on and off")
    if Journal(system, wanted.state).there():
        raise BadInput(f"a calibration was cut off ({Journal(system, wanted.state).path}): dse calibrate --restore first")
    on = swaps(system)
    if on:
        raise BadInput(f"swap is on ({', '.join(on)}): only a host without swap is calibrated (a run that was cut off: --restore)")
    load, cores = float(system.read(LOADAVG).split()[0]), len(system.cores())
    if load > wanted.load * cores:
        raise BadInput(f"the load average is {load:g} on {cores} CPUs, above {wanted.load:g} a CPU: wait, or say --load")
    need = 2 * wanted.nbytes + ROOM
    free = _field(system.read(MEMINFO), "MemAvailable")
    if free < need:
        raise BadInput(f"{free / MIB:,.0f} MiB of memory are available, {need / MIB:,.0f} are needed for {wanted.pages:,} pages")
    cgroup(system)
    for path in (PAGE_CLUSTER, f"{ZSWAP}/enabled"):
        if system.there(path) and not system.writable(path):
            raise BadInput(f"{path} cannot be written: /proc or /sys is read-only here (a container?)")
    for program in (*PROGRAMS, "gcc"):
        if not system.program(program):
            raise BadInput(f"{program} is not installed (package {'gcc' if program == 'gcc' else 'util-linux'})")
    folder = str(wanted.folder.resolve())
    if not system.path(folder).is_dir():
        raise BadInput(f"{wanted.folder}: {REFUSED[errno.ENOENT]}")
    if system.free(folder) < wanted.nbytes + ROOM:
        raise BadInput(f"{wanted.folder}: {REFUSED[errno.ENOSPC]} for a swap file of {wanted.nbytes / MIB:,.0f} MiB")
