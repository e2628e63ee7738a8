"""``dse doctor``: list the machine's features and missing tools."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dse import __version__
from dse.common import machine, options, output
from dse.errors import BadInput

if TYPE_CHECKING:
    import argparse

GIB = 1 << 30

PROGRAMS = {
    "gcc": "the comparison with C (make limits); dse linux record",
    "valgrind": "dse trace record with lackey; instruction counts",
    "perf": "dse trace record with the page_fault_user tracepoint",
    "qemu-x86_64": "dse trace record with the qemu-user plugin",
    "strace": "mappings of recorded programs",
    "git": "the commit in provenance",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    options.add_format(parser)
    options.add_results(parser, options.sought)


def _row(check: str, status: str, value: Any, note: str = "") -> dict[str, str]:
    """Build one line of the report."""
    return {"check": check, "status": status, "value": str(value), "note": note}


def cache_folder() -> Path:
    """Folder of compiled kernels, chosen as in kernels.compiling.caches but without importing Numba."""
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "swapdse-numba"


def _writable(folder: Path) -> str:
    """Try to write a file under `folder`; return the refusal, empty if it works."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _software() -> list[dict[str, str]]:
    """Python, packages, cache folder."""
    rows = [_row("swapdse", "ok", __version__), _row("python", "ok", platform.python_version())]
    found = machine.packages()
    rows += [_row(name, "ok" if name in found else "missing", found.get(name, "-")) for name in machine.PACKAGES]
    folder = cache_folder()
    trouble = _writable(folder)
    note = f"{trouble}: every run compiles anew; set NUMBA_CACHE_DIR" if trouble else ""
    return [*rows, _row("kernel cache", "limited" if trouble else "ok", folder, note)]


def _hardware() -> list[dict[str, str]]:
    """CPU, clock, kernel."""
    steady = "cycle counter" in machine.clock_source()
    note = "" if steady else "no constant cycle counter: times are read with clock_gettime (about 23 ns a read)"
    virtual = "hypervisor" in machine.cpu_flags()
    return [
        _row("cpu", "ok", machine.cpu_model(), "a virtual machine: expect noise" if virtual else ""),
        _row("cores", "ok" if machine.cores() > 1 else "limited", machine.cores()),
        _row("clock", "ok" if steady else "limited", machine.clock_source(), note),
        _row("system", "ok" if platform.system() == "Linux" else "limited", f"{platform.system()} {platform.release()}"),
    ]


def _room(results: str) -> list[dict[str, str]]:
    """Memory and disk."""
    memory, disk = machine.memory_available(), machine.disk_available(results)
    small = "2^21 pages fit; 2^28 pages need 20 GiB" if memory < 20 * GIB else ""
    folder = Path(results).absolute()
    if folder.exists():
        trouble = _writable(folder)
    else:
        parent = machine.nearest(folder)
        usable = parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)
        trouble = "" if usable else f"it cannot be made in {parent}"
    return [
        _row("memory", "ok" if memory >= 4 * GIB else "limited", f"{memory / GIB:.1f} GiB available", small),
        _row("disk", "ok" if disk >= GIB else "limited", f"{disk / GIB:.1f} GiB available"),
        _row("results", "limited" if trouble else "ok", results, trouble),
    ]


def _programs() -> list[dict[str, str]]:
    """Optional programs."""
    rows = []
    for name, purpose in PROGRAMS.items():
        path = shutil.which(name)
        rows.append(_row(name, "ok" if path else "missing", path or "-", "" if path else f"without it: no {purpose}"))
    return rows


def _guest(results: str) -> list[dict[str, str]]:
    """Programs that boot a kernel, the host's or fetched ones."""
    from dse.linux import tools

    folder = Path(results) / "linux" / "fetched"
    finders: dict[str, Callable[[], str]] = {
        tools.PROGRAM: lambda: tools.qemu(folder).version,
        "busybox": lambda: str(tools.busybox(folder)),
    }
    rows = []
    for name, find in finders.items():
        try:
            rows.append(_row(name, "ok", find()))
        except BadInput as error:
            rows.append(_row(name, "missing", "-", f"without it: no dse linux record; {error}"))
    return rows


def _calibration(results: str) -> list[dict[str, str]]:
    """Kinds of faults that dse calibrate could time here, and what stands against it now."""
    from dse import calibrating

    kinds, why = calibrating.readiness(results)
    known = ", ".join(kind for kind, reason in kinds.items() if not reason)
    reasons = [f"no {kind}: {reason}" for kind, reason in kinds.items() if reason]
    against = [f"now refused: {why}"] if why else []
    return [_row("calibrate", "limited" if why or reasons else "ok", known or "-", "; ".join(against + reasons))]


def examine(results: str = options.RESULTS) -> list[dict[str, str]]:
    """Return what was found, as rows of check, status (ok, limited, missing), value and note."""
    parts: list[Callable[[], list[dict[str, str]]]] = [_software, _hardware, lambda: _room(results), _programs, lambda: _guest(results)]
    parts.append(lambda: _calibration(results))
    return [row for part in parts for row in part()]


def run(args: argparse.Namespace) -> int:
    """Print the report. A missing program limits the tool and is no failure."""
    output.emit(examine(args.results), args.format, columns=["check", "status", "value", "note"])
    return 0
