"""Parquet files of the store: who wrote a file, in which version of its tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from dse.common import digests, output, reading
from dse.secrets import safe
from dse.storing.writer import METADATA_SUMS, METADATA_TABLE, METADATA_VERSION

UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""Errors of Polars with a file that is damaged, or no Parquet file."""


def _kind(table: str) -> str:
    """Kind of what a table is of: a study or a run. That is also the name of the column that says which."""
    return "study" if table.startswith("study.") else "run"


def _owners(path: Path, column: str) -> list[str]:
    """Run or study whose table a file is, for each row."""
    return pl.read_parquet(path, columns=[column])[column].to_list()


def why_not(path: Path, table: str, newest: int) -> str:
    """Say why a file is no table of ours; return an empty string if it is one.

    Parameters
    ----------
    path : path
        The file.
    table : str
        The name under which the table was written.
    newest : int
        The newest version that can be read.

    Returns
    -------
    str
        One phrase.
    """
    of = _kind(table)
    why = digests.why_not(path)
    if why:
        return f"missing: the {of} is not whole" if why == "missing" else why
    if (why := reading.why_not(path)) and why != "no such file":
        return why
    try:
        metadata = pl.read_parquet_metadata(path)
        pl.read_parquet_schema(path)
    except FileNotFoundError:
        return f"missing: the {of} is not whole"
    except OSError as error:
        return str(error.strerror or error)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return "not a readable Parquet file (truncated?)"
    version = metadata.get(METADATA_VERSION, "")
    if metadata.get(METADATA_TABLE) != table or not re.fullmatch("[0-9]{1,9}", version):
        return "not written by swapdse"
    if metadata.get(METADATA_SUMS) and not (path.parent / digests.SUMS).exists():
        return f"no {digests.SUMS} beside it: the folder is not whole"
    if int(version) > newest:
        return f"schema version {version}, this version reads up to {newest}"
    return _another(path, of, alone=table.endswith("provenance"))


def _another(path: Path, column: str, *, alone: bool) -> str:
    """Say whose table a file is, if a row is not that of its folder, and how many rows it has that has one; else an empty string."""
    try:
        found = _owners(path, column)
    except UNREADABLE:
        return "damaged Parquet file"
    others = [name for name in found if name != path.parent.name]
    if others:
        return f"stored as {str(others[0])[:80]}: a {column} that was copied or renamed is not read"
    return f"{path.stem} has {len(found)} rows, not 1" if alone and len(found) != 1 else ""


def mistyped(path: Path, columns: Mapping[str, pl.DataType | type[pl.DataType]], *, whole: bool) -> str:
    """Say which columns of a table have another type, or are missing from one that is to be `whole`; else an empty string."""
    schema = pl.read_parquet_schema(path)
    wrong = [name for name, kind in columns.items() if (whole or name in schema) and schema.get(name) != kind]
    return f"columns missing or of another type: {', '.join(wrong)}" if wrong else ""


def owner(path: Path) -> str | None:
    """Run or study whose table a file is; None for an empty or damaged one, and for one that was not written by swapdse."""
    if reading.why_not(path):
        return None
    try:
        table = pl.read_parquet_metadata(path).get(METADATA_TABLE, "")
        return next(iter(_owners(path, _kind(table))), None) if table else None
    except UNREADABLE:
        return None


def version_of(path: Path) -> int:
    """Version of a file that :func:`why_not` found whole."""
    return int(pl.read_parquet_metadata(path)[METADATA_VERSION])


def without_secrets(provenance: pl.LazyFrame) -> pl.LazyFrame:
    """Table of provenance whose commands show no secrets: earlier versions stored some."""
    return provenance.with_columns(pl.col("command").map_elements(safe, return_dtype=pl.String))


def holds_secrets(path: Path) -> bool:
    """Return True if a file of provenance holds a command with a secret, as earlier versions stored it."""
    return any(text and safe(text) != text for text in pl.read_parquet(path, columns=["command"])["command"].to_list())


def skip(path: Path, why: str) -> None:
    """Say on stderr that a file is left out."""
    output.note(f"skipped {path}: {why}")
