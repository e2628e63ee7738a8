"""Writer of a run: all three tables or nothing, in one rename."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from dse.common import digests
from dse.common.writing import sync_folder
from dse.errors import BadInput, refusal
from dse.secrets import safe
from dse.storing import leftovers, ordering
from dse.storing.identity import counters_hash, new_run_id
from dse.storing.schema import TABLES, VERSION

TYPES: dict[str, Any] = {"str": pl.String, "f64": pl.Float64, "u64": pl.UInt64, "bool": pl.Boolean}
METADATA_VERSION, METADATA_TABLE, METADATA_SUMS = "swapdse.schema_version", "swapdse.table", "swapdse.digests"
"""Keys in the footer of a file: version of the tables, table, and the file beside it that lists its digest."""


def schema_of(table: str) -> pl.Schema:
    """Polars schema of a table."""
    return pl.Schema({name: TYPES[kind] for name, kind in TABLES[table].items()})


def _frame(table: str, rows: Sequence[Mapping[str, Any]], run: str) -> pl.DataFrame:
    """Make a frame of `rows`, checked against the columns of `table`."""
    columns = TABLES[table]
    for row in rows:
        strange = row.keys() - columns.keys()
        if strange:
            raise ValueError(f"{table} has no columns {', '.join(sorted(strange))}")
    data = {name: [row.get(name) for row in rows] for name in columns}
    data["run"] = [run] * len(rows)
    return pl.DataFrame(data, schema=schema_of(table), strict=True)


def _encoded(table: str, frame: pl.DataFrame) -> bytes:
    """Encode a frame as Parquet, in memory: a run is small, and the file is then written in one go."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, metadata={METADATA_VERSION: str(VERSION), METADATA_TABLE: table, METADATA_SUMS: digests.SUMS})
    return buffer.getvalue()


def _write_file(path: Path, content: bytes) -> None:
    """Write and sync one file."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _provenance_row(provenance: Mapping[str, Any], counters: str) -> dict[str, Any]:
    """Sort provenance into its columns; keys without a column go into ``extra``."""
    columns = TABLES["provenance"]
    row: dict[str, Any] = {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "counters_hash": counters}
    extra: dict[str, Any] = {}
    for name, value in provenance.items():
        if name not in columns:
            extra[name] = value
        elif columns[name] == "str" and value is not None and not isinstance(value, str):
            row[name] = json.dumps(value, sort_keys=True, default=str)
        else:
            row[name] = safe(value) if isinstance(value, str) else value
    row["extra"] = safe(json.dumps(extra, sort_keys=True, default=str))
    return row


def write_run(
    results: str | os.PathLike[str],
    ops: Sequence[Mapping[str, Any]],
    ledger: Sequence[Mapping[str, Any]] = (),
    provenance: Mapping[str, Any] | None = None,
) -> str:
    """Store a run under ``results/runs/<run>``.

    Parameters
    ----------
    results : path
        Folder of stored results, made when missing.
    ops, ledger : sequences of mappings
        Rows with columns of :data:`dse.storing.schema.OPS` and ``LEDGER``; missing columns are null.
    provenance : mapping, optional
        Origin of the run; keys without a column of their own are kept in ``extra``.

    Returns
    -------
    str
        The name of the run.

    Raises
    ------
    BadInput
        When the folder cannot be written or the disk is full. Nothing stored is touched, nothing half-written stays.
    """
    counters = counters_hash(ops)
    stem = new_run_id(counters)
    rows = {"ops": ops, "ledger": ledger, "provenance": [_provenance_row(provenance or {}, counters)]}
    runs = Path(results) / "runs"
    with _reported(runs):
        runs.mkdir(parents=True, exist_ok=True)
        stem = ordering.behind(stem, ordering.newest(runs, stem))
        for attempt in range(1, 1000):
            run = stem if attempt == 1 else f"{stem}-{attempt}"
            if not (runs / run).exists() and _place(runs, run, rows):
                ordering.stamp(results, [runs / run])
                return run
    raise BadInput(f"{runs}: no free name for run {stem}")


def _place(runs: Path, run: str, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> bool:
    """Write the tables into a hidden folder and rename it; False when another run took the name meanwhile."""
    hidden = runs / f".writing-{run}-{os.getpid()}"
    try:
        hidden.mkdir()
        contents = {f"{table}.parquet": _encoded(table, _frame(table, content, run)) for table, content in rows.items()}
        for name, content in {**contents, digests.SUMS: digests.sums(contents)}.items():
            _write_file(hidden / name, content)
        sync_folder(hidden)
        hidden.rename(runs / run)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and (runs / run).exists():
            return False
        raise
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    sync_folder(runs)
    return True


@contextlib.contextmanager
def _reported(runs: Path) -> Any:
    """Turn a refusal by the operating system into one line."""
    try:
        yield
    except OSError as error:
        raise BadInput(f"cannot store the run under {runs}: {refusal(error)}") from error


def check_writable(results: str | os.PathLike[str]) -> None:
    """Fail early, before a long run, when `results` cannot be written.

    Raises
    ------
    BadInput
        In the words that :func:`write_run` would use.
    """
    runs = Path(results) / "runs"
    leftovers.clear(os.fspath(results))
    with _reported(runs):
        runs.mkdir(parents=True, exist_ok=True)
        probe = runs / f".probe-{os.getpid()}"
        try:
            _write_file(probe, b"x")
        finally:
            probe.unlink(missing_ok=True)
