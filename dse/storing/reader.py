"""Reader of stored runs: all of them as lazy tables, or one by name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import polars as pl

from dse.common.names import is_name
from dse.errors import BadInput
from dse.storing import files
from dse.storing.finding import pick
from dse.storing.schema import READERS, TABLES, VERSION, Figure, Structure
from dse.storing.writer import schema_of


@dataclass(frozen=True)
class Run:
    """Stored run.

    Attributes
    ----------
    name : str
        Its name.
    ops, ledger : list of Figure, list of Structure
        Its rows.
    provenance : dict
        Its origin.
    """

    name: str
    ops: list[Figure]
    ledger: list[Structure]
    provenance: dict[str, Any]


def run_names(results: str | os.PathLike[str]) -> list[str]:
    """Names of the stored runs, oldest first."""
    runs = Path(results) / "runs"
    if not runs.is_dir():
        return []
    return [p.name for p in sorted((p for p in runs.iterdir() if p.is_dir() and is_name(p.name)), key=_age)]


def _age(path: Path) -> tuple[str, int, int, str]:
    """Order runs by the time in their names, and runs of one second by the number behind the name, then by when they were written."""
    time, _, rest = path.name.partition("-")
    number = rest.rpartition("-")[2] if "-" in rest else "1"
    return time, int(number) if number.isdigit() else 1, path.stat().st_mtime_ns, rest


def copied(results: str | os.PathLike[str], name: str) -> str:
    """Name under which a run was stored, where its folder has another one; else, and where that is damaged, an empty string."""
    found = files.owner(Path(results) / "runs" / name / "provenance.parquet")
    return found if found not in (None, name) else ""


def _why_not(path: Path, table: str) -> str:
    """Say why a file is no table of a run; return an empty string if it is one."""
    why = files.why_not(path, table, VERSION)
    if why:
        return why
    version = files.version_of(path)
    if version < VERSION:
        return "" if version in READERS else f"no reader for schema version {version}"
    return files.mistyped(path, schema_of(table), whole=True)


def _open(path: Path, table: str) -> pl.LazyFrame:
    """Open a checked file as today's table."""
    version = files.version_of(path)
    frame = pl.scan_parquet(path)
    frame = READERS[version](frame) if version != VERSION else frame
    return files.without_secrets(frame) if table == "provenance" else frame


def scan(results: str | os.PathLike[str] = "results") -> dict[str, pl.LazyFrame]:
    """Open every stored run, lazily.

    Parameters
    ----------
    results : path
        Folder of stored results.

    Returns
    -------
    dict of str to polars.LazyFrame
        The tables ops, ledger and provenance over all runs. A run with a foreign or truncated file is named on stderr
        and left out whole, so that the tables always speak of the same runs.
    """
    frames: dict[str, list[pl.LazyFrame]] = {table: [] for table in TABLES}
    for name in run_names(results):
        folder = Path(results) / "runs" / name
        troubles = [(path, why) for table in TABLES if (why := _why_not(path := folder / f"{table}.parquet", table))]
        for path, why in troubles:
            files.skip(path, why)
        if not troubles:
            for table in TABLES:
                frames[table].append(_open(folder / f"{table}.parquet", table))
    return {table: pl.concat(found, how="diagonal") if found else pl.LazyFrame(schema=schema_of(table)) for table, found in frames.items()}


def find_run(results: str | os.PathLike[str], name: str) -> str:
    """Resolve a run's name, a prefix or any part of it that only one has, or ``last``.

    Raises
    ------
    BadInput
        When no run or more than one fits.
    """
    names = run_names(results)
    if not names:
        raise BadInput(f"no runs stored under {Path(results) / 'runs'}")
    return pick(names, name, "run", "runs", lambda found: copied(results, found))


def load_run(results: str | os.PathLike[str], name: str) -> Run:
    """Read one run whole.

    Parameters
    ----------
    results : path
        Folder of stored results.
    name : str
        Its name, a part of it that only one run has, or ``last``.

    Returns
    -------
    Run
        Its rows and provenance.

    Raises
    ------
    BadInput
        When there is no such run or it cannot be read.
    """
    run = find_run(results, name)
    rows: dict[str, list[dict[str, Any]]] = {}
    for table in TABLES:
        path = Path(results) / "runs" / run / f"{table}.parquet"
        why = _why_not(path, table)
        if why:
            raise BadInput(f"{path}: {why}")
        try:
            rows[table] = _open(path, table).collect().to_dicts()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            raise BadInput(f"{path}: damaged Parquet file") from None
    if len(rows["provenance"]) != 1:
        raise BadInput(f"{run}: provenance has {len(rows['provenance'])} rows, not 1")
    return Run(run, cast("list[Figure]", rows["ops"]), cast("list[Structure]", rows["ledger"]), rows["provenance"][0])
