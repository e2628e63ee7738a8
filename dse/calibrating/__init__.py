"""Times of whole page faults on the host's own kernel, for the rows `fault.*` of the parameter table.

Root alone can do it, and only where it is asked for. Each change of the host is written to a journal before it is made, and undone at the
end, also after an error; :func:`restore` undoes them after a crash.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dse.calibrating import checking, results, session
from dse.calibrating.checking import KINDS, LOAD, LOADAVG, Wanted, chosen
from dse.calibrating.journal import PAGE_CLUSTER, ZSWAP, Journal
from dse.calibrating.system import System
from dse.common.writing import locked, save
from dse.errors import BadInput

__all__ = ["KINDS", "LOAD", "Wanted", "calibrate", "calibrated", "plan", "readiness", "restore"]

Row = dict[str, Any]
BUSY = "another dse calibrate is running"
MIB = 1 << 20


def plan(wanted: Wanted, system: System | None = None) -> list[Row]:
    """List what a calibration would change, and how it is put back, without changing anything.

    Parameters
    ----------
    wanted : Wanted
    system : System, optional

    Returns
    -------
    list of dict
        ``change``, ``now``, ``meanwhile``.
    """
    system = system or System()
    kinds = [kind for kind, reason in chosen(system, wanted.kinds).items() if not reason]
    needed = {KINDS[kind].swap for kind in kinds}
    size = f"{wanted.nbytes / MIB:,.0f} MiB"
    rows = [{"change": "memory cgroup", "now": "-", "meanwhile": "one of its own"}]
    if "file" in needed:
        rows.append({"change": f"swap file in {wanted.folder}", "now": "-", "meanwhile": f"{size}, swap on and off for each repeat"})
    if "zram" in needed:
        rows.append({"change": "zram device", "now": "-", "meanwhile": f"a new one, {size}, swap on and off for each repeat"})
    settings = [(PAGE_CLUSTER, "0"), (f"{ZSWAP}/enabled", "N, and Y for zswap" if "zswap" in kinds else "N")]
    rows += [{"change": path, "now": system.read(path), "meanwhile": value} for path, value in settings if system.there(path)]
    return rows


def readiness(results: str | Path = "results", system: System | None = None) -> tuple[dict[str, str], str]:
    """Tell `dse doctor` what a calibration could do here, without changing anything.

    Returns
    -------
    dict
        Kinds of faults, each with the reason why the host cannot show it, empty if it can.
    str
        Why a calibration would be refused now; empty if it would not.
    """
    system = system or System()
    try:
        checking.check_host(system, Wanted(Path(), Path(results) / "calibrate", Path()))
    except (BadInput, OSError) as error:
        return chosen(system, ()), str(error)
    return chosen(system, ()), ""


def calibrate(
    output: str | Path,
    *,
    folder: str | Path | None = None,
    kinds: Sequence[str] = (),
    pages: int = 4096,
    repeats: int = 12,
    load: float = LOAD,
    results: str | Path = "results",
    command: str = "dse.calibrate",
) -> dict[str, Any]:
    """Time page faults on the running kernel, and write a table of latencies. It needs root and changes the host meanwhile.

    Parameters
    ----------
    output : path
        TOML file to write; it must not be there.
    folder : path, optional
        Folder of the swap file, on the disk to measure. Default: the folder of `output`.
    kinds : sequence of str
        Of first, hit, zero, zswap, zram, disk. Default: all that the host can show.
    pages, repeats : int
        Pages of a repeat, and repeats of each kind.
    load : float
        Largest load average for each CPU.
    results : path
        Folder of results; its folder calibrate holds the journal.
    command : str
        The call that provenance records.

    Returns
    -------
    dict
        ``rows`` (see :func:`dse.calibrating.results.figures`), ``provenance``, ``output``.

    Raises
    ------
    BadInput
        Not root, other swap, load, little memory, no memory cgroup, a folder that cannot be written: nothing was changed.
    CheckFailed
        Too few repeats count, or something could not be put back.
    """
    target = Path(output)
    where = target.parent if folder is None else Path(folder)
    wanted = Wanted(target, Path(results) / "calibrate", where, tuple(kinds), pages, repeats, load)
    return calibrated(wanted, command)


def calibrated(wanted: Wanted, command: str, system: System | None = None) -> dict[str, Any]:
    """Do :func:`calibrate` on a given system."""
    system = system or System()
    checking.check_output(wanted)
    checking.check_size(wanted)
    kinds = chosen(system, wanted.kinds)
    measured = [kind for kind, reason in kinds.items() if not reason]
    checking.check_kinds(measured)
    wanted = replace(wanted, output=wanted.output.absolute())
    with locked(wanted.state / "lock", BUSY):
        checking.check_host(system, wanted)
        about = {**system.about(), **_about(wanted, command, system)}
        samples, facts = session.measure(system, wanted, measured)
        about |= facts
    about["load_after"] = system.read(LOADAVG).split()[0]
    about["left_out"] = "; ".join(f"{kind}: {reason}" for kind, reason in kinds.items() if reason)
    rows = results.figures(samples)
    text = results.document(rows, about)
    save(wanted.output, text.encode())
    return {"rows": rows, "provenance": about, "output": str(wanted.output)}


def _about(wanted: Wanted, command: str, system: System) -> dict[str, Any]:
    """Provenance of a calibration, before it."""
    zswap = f"{ZSWAP}/compressor"
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "command": command, "pages": wanted.pages, "repeats": wanted.repeats,
        "cores": len(system.cores()), "load_before": system.read(LOADAVG).split()[0], "page_cluster": 0,
        "zswap_compressor": system.read(zswap) if system.there(zswap) else "", "disk": system.device(str(wanted.folder.resolve())),
    }  # fmt: skip


def restore(results: str | Path = "results", system: System | None = None) -> list[str]:
    """Undo what a calibration that was cut off left behind.

    Parameters
    ----------
    results : path
        Folder of results that it was given.
    system : System, optional

    Returns
    -------
    list of str
        What was undone, in words; nothing where everything was as before.

    Raises
    ------
    BadInput
        There is no journal, or not root.
    CheckFailed
        Something could not be undone. The journal stays.
    """
    system = system or System()
    journal = Journal(system, Path(results) / "calibrate")
    if not journal.there():
        raise BadInput(f"there is no journal at {journal.path}: nothing to restore")
    if system.user() != 0:
        raise BadInput("dse calibrate --restore needs root")
    with locked(journal.path.parent / "lock", BUSY):
        done = journal.undo()
        system.clean(journal.path.parent)
    return done
