"""The machine of a run: processor, caches, clock, free memory and disk."""

from __future__ import annotations

import functools
import os
import platform
import shutil
from importlib import metadata
from pathlib import Path

from dse.errors import BadInput

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("numba", "llvmlite", "numpy", "polars", "optuna", "asv")
CLOCK = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
CGROUP = Path("/sys/fs/cgroup")
GIB = 1 << 30


def _read(path: Path) -> str:
    """Text of a file, empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


@functools.cache
def _cpuinfo() -> dict[str, str]:
    """First processor's fields of /proc/cpuinfo."""
    fields: dict[str, str] = {}
    for line in _read(Path("/proc/cpuinfo")).split("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    return fields


def cpu_model() -> str:
    """Name of the processor."""
    return _cpuinfo().get("model name") or platform.processor() or platform.machine() or "unknown"


def cpu_flags() -> frozenset[str]:
    """Feature flags of the processor, empty where the system does not list them."""
    return frozenset(_cpuinfo().get("flags", "").split())


def last_level_cache() -> int:
    """Bytes of the largest cache of the first CPU; 32 MiB where the system does not say."""
    sizes = [_read(path).removesuffix("K") for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    return max((int(size) << 10 for size in sizes if size.isdigit()), default=32 << 20)


def cores() -> int:
    """CPUs this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def clock_source() -> str:
    """Name the clock of timed runs: the cycle counter where it is constant, and the kernel's own clock source."""
    system = _read(CLOCK) or "unknown"
    steady = {"constant_tsc", "nonstop_tsc"} <= cpu_flags()
    return f"{'cycle counter' if platform.machine() == 'x86_64' and steady else 'clock_gettime'} (system: {system})"


def packages(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Versions of the packages that figures depend on; missing packages are left out."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _cgroup_room() -> int | None:
    """Bytes left under this process's own memory limit, None where there is none."""
    group = next((line[3:] for line in _read(Path("/proc/self/cgroup")).splitlines() if line.startswith("0::")), "")
    rooms = []
    folder = CGROUP / group.strip("/")
    while folder.is_relative_to(CGROUP):
        limit, used = _read(folder / "memory.max"), _read(folder / "memory.current")
        if limit.isdigit() and used.isdigit():
            freeable = sum(
                int(line.split()[1]) for line in _read(folder / "memory.stat").splitlines() if line.split()[0] == "inactive_file"
            )
            rooms.append(max(0, int(limit) - int(used) + freeable))
        folder = folder.parent
    return min(rooms, default=None)


def memory_available() -> int:
    """Bytes that this process can still allocate, by the system and by its memory limit."""
    fields = {line.split(":")[0]: line.split()[1] for line in _read(Path("/proc/meminfo")).splitlines() if ":" in line}
    free = int(fields["MemAvailable"]) * 1024 if "MemAvailable" in fields else 1 << 62
    room = _cgroup_room()
    return free if room is None else min(free, room)


def nearest(folder: str | os.PathLike[str]) -> Path:
    """`folder`, or its nearest parent that exists."""
    path = Path(folder).absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def disk_available(folder: str | os.PathLike[str]) -> int:
    """Bytes free on the disk of `folder`, or of its nearest parent that exists."""
    return shutil.disk_usage(nearest(folder)).free


def require_memory(needed: int, what: str) -> None:
    """Refuse a run that needs more memory than is available.

    Parameters
    ----------
    needed : int
        Bytes.
    what : str
        The thing that needs them, for the message.

    Raises
    ------
    BadInput
        When fewer are available.
    """
    have = memory_available()
    if needed > have:
        raise BadInput(f"{what} needs {needed / GIB:.1f} GiB of memory, {have / GIB:.1f} GiB are available")
