"""Tables that carry our own metadata and digests and are not what we wrote: refused in one line, and left out of queries whole."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from dse.cli import BAD, main
from dse.common import digests
from dse.reports import studies as reported
from dse.storing import files, querying, studies, widening
from dse.storing.writer import METADATA_VERSION
from dse.sweeps import wording

TRIAL = {"number": 0, "design": "direct", "environment": "{}", "params": "{}", "objective": "swap_in", "value": 1.0, "front": True}
ORIGIN = {"space": "s", "document": json.dumps({"axes": []}), "command": "dse sweep"}
Change = Callable[[pl.DataFrame], pl.DataFrame]


def study(results: Path, name: str, table: str, change: Change, version: str = str(studies.VERSION)) -> None:
    """Store a study, then one of its tables as somebody else would."""
    settings = {"study": name, "space": {}, "sampler": "grid", "seed": 1, "trials": 1, "code_digest": "c", "version": studies.VERSION}
    studies.write_settings(results, name, settings)
    rows = {"trials": [TRIAL], "provenance": [ORIGIN]}
    studies.write_tables(results, name, {one: rows.get(one, []) for one in studies.TABLES})
    path = studies.folder(results, name) / f"{table}.parquet"
    kept = {key: value for key, value in pl.read_parquet_metadata(path).items() if key.startswith("swapdse")}
    change(pl.read_parquet(path)).write_parquet(path, metadata={**kept, METADATA_VERSION: version})
    contents = {file.name: file.read_bytes() for file in path.parent.glob("*.parquet")}
    (path.parent / digests.SUMS).write_bytes(digests.sums(contents))


@pytest.mark.parametrize(
    ("table", "change", "version", "why"),
    [
        ("trials", lambda f: f.drop("value"), "3", "columns missing or of another type: value"),
        ("trials", lambda f: f.with_columns(value=pl.lit("x")), "3", "columns missing or of another type: value"),
        ("winners", lambda f: f.with_columns(margin=pl.lit("x")), "3", "columns missing or of another type: margin"),
        ("provenance", lambda f: f.with_columns(command=pl.lit(5)), "3", "columns missing or of another type: command"),
        ("trials", lambda f: f.with_columns(objective=pl.lit(None, pl.String)), "3", "column objective has empty cells"),
        ("trials", lambda f: f.drop("objective"), "2", "columns missing"),
        ("trials", lambda f: pl.concat([f, f.with_columns(study=pl.lit("other"))]), "3", "stored as other"),
        ("provenance", lambda f: pl.concat([f, f]), "3", "provenance has 2 rows, not 1"),
        ("provenance", lambda f: f.clear(), "3", "provenance has 0 rows, not 1"),
        ("trials", lambda f: f, "0", "no reader for schema version 0"),
        ("trials", lambda f: f, "\u00b2", "not written by swapdse"),
        ("trials", lambda f: f, "9" * 5000, "not written by swapdse"),
    ],
)  # fmt: skip
def test_a_study_that_is_not_what_was_written(
    table: str, change: Change, version: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Some of these ended queries and reports in tracebacks; rows of another study counted as its own."""
    study(tmp_path, "s-1", table, change, version)
    assert main(["report", "s-1", "--results", str(tmp_path)]) == BAD
    assert re.search(why, capsys.readouterr().err)
    assert querying.query("SELECT COUNT(*) AS n FROM trials", results=tmp_path)["n"].to_list() == [0]


def test_what_is_odd_and_harmless_is_read(tmp_path: Path) -> None:
    """A column of a later version, names of objectives that are those of columns, and documents that are none."""
    study(tmp_path, "s-1", "trials", lambda f: f.with_columns(moves_rate=pl.lit("q"), objective=pl.lit("study")))
    study(tmp_path, "s-2", "provenance", lambda f: f.with_columns(document=pl.lit("[" * 100_000)))
    assert len(querying.query("SELECT * FROM trials_wide", results=tmp_path)) == 2
    assert "moves_rate" not in querying.scan(tmp_path)["trials"].collect_schema()


def test_axes_of_one_column() -> None:
    frame = pl.LazyFrame({"environment": ['{"a.b": 1}'], "params": ["{}"]})
    assert widening.with_axes(frame, {"a.b": pl.Int64, "a_b": pl.Int64}).collect()["a_b"].to_list() == [1]


def test_cells_that_are_nested_too_deeply() -> None:
    assert (wording.parsed("[" * 100_000), reported.parsed("[" * 100_000), reported.parsed_list("[" * 100_000)) == (None, {}, [])
    assert [reported.points_of(text) for text in ("[" * 100_000, "7", "[[1]]", "[[1, 2, null]]")] == [[], [], [], [[1.0, 2.0, None]]]


def test_the_owner_of_an_empty_table(tmp_path: Path) -> None:
    study(tmp_path, "s-1", "moves", lambda f: f)
    assert files.owner(studies.folder(tmp_path, "s-1") / "moves.parquet") is None
