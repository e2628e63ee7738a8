"""Parquet files of the store: who wrote a file, in which version of its tables."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from dse.common import output
from dse.storing.writer import METADATA_TABLE, METADATA_VERSION


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
    try:
        metadata = pl.read_parquet_metadata(path)
        pl.read_parquet_schema(path)
    except FileNotFoundError:
        return "missing: the run is not whole"
    except OSError as error:
        return str(error.strerror or error)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return "not a readable Parquet file (truncated?)"
    version = metadata.get(METADATA_VERSION, "")
    if metadata.get(METADATA_TABLE) != table or not version.isdigit():
        return "not written by swapdse"
    return "" if int(version) <= newest else f"schema version {version}, this version reads up to {newest}"


def version_of(path: Path) -> int:
    """Version of a file that :func:`why_not` found whole."""
    return int(pl.read_parquet_metadata(path)[METADATA_VERSION])


def skip(path: Path, why: str) -> None:
    """Say on stderr that a file is left out."""
    output.note(f"skipped {path}: {why}")
