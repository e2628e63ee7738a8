"""Stored studies: older tables, legends with parameters, what is timed and what that decides."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import dse
from dse.common import digests
from dse.reports import model, reporting
from dse.reports.studies import MOST_VARIANTS, Study
from dse.storing import studies
from dse.storing.writer import METADATA_TABLE, METADATA_VERSION, TYPES
from dse.sweeps import confirming, space
from dse.sweeps.winning import Span
from tests import reportdata
from tests.sweepdata import trial

NEW = {
    "trials": ("delivered", "writeback"), "breakeven": ("objective", "asked", "axis"), "sensitivity": ("environment",),
    "winners": ("kind", "gap", "lo", "hi", "certain", "tied", "bytes", "by_lines", "by_locks", "by_bytes"),
    "provenance": ("over", "environments", "places"),
}  # fmt: skip
"""Columns that version 2 appended."""
NEWER = {"winners": ("tried", "of", "whole", "baseline"), "provenance": ("size", "covered")}
"""Columns that version 3 appended."""


def store_as(results: Path, version: int) -> str:
    """Store a study as version 1 or 2 did."""
    name = reportdata.store_study(results)
    folder = studies.folder(results, name)
    for table, columns in studies.TABLES.items():
        path = folder / f"{table}.parquet"
        if table == "missing" or (version == 1 and table in ("orders", "moves", "patched")):
            path.unlink(missing_ok=True)
            continue
        lacks = [*(NEW.get(table, ()) if version == 1 else ()), *NEWER.get("winners" if table == "patched" else table, ())]
        assert list(columns)[len(columns) - len(lacks) :] == lacks  # appended
        if not path.exists():
            continue
        buffer = io.BytesIO()
        frame = pl.read_parquet(path).drop(lacks)
        frame.write_parquet(buffer, metadata={METADATA_VERSION: str(version), METADATA_TABLE: f"study.{table}"})
        path.write_bytes(buffer.getvalue())
    settings = folder / studies.SETTINGS
    first = {key: value for key, value in json.loads(settings.read_text()).items() if key != digests.DIGEST}
    settings.write_text(json.dumps(digests.sealed(first | {"version": version}, name) if version > 1 else first | {"version": 1}))
    (folder / digests.SUMS).unlink()
    return name


def test_tables_of_version_1_are_read(tmp_path: Path) -> None:
    name = store_as(tmp_path, 1)
    tables = studies.read_tables(tmp_path, name)
    for table, rows in tables.items():
        assert all(list(row) == list(studies.TABLES[table]) for row in rows)
    assert {row["axis"] for row in tables["breakeven"]} == {"asked"}
    assert {row["front"] for row in tables["trials"]} == {None}  # one front over all environments said nothing of any
    assert tables["winners"][0]["certain"] is None
    assert studies.read_settings(tmp_path, name)["version"] == 1
    said = " ".join(reporting.load("study", name, tmp_path).answer)
    assert "By lifetime (counted), the cheapest in 6 environments: direct 5, swap_id 1" in said
    assert "(rates asked for, not delivered)" in said
    assert "no Pareto front of an environment is stored" in said
    reportdata.store_study(tmp_path, "newer")
    found = dse.query(preset="break-even", results=tmp_path)
    assert sorted(set(found["axis"].to_list()), key=str) == [None, "asked"]
    assert dse.query("SELECT COUNT(*) AS n FROM trials WHERE front", results=tmp_path)["n"].item() == 18
    assert set(TYPES) >= {kind for table in studies.TABLES.values() for kind in table.values()}


def test_tables_of_version_2_are_read(tmp_path: Path) -> None:
    """It is not known what was tried: nothing is said of it, and certainty stands as it was stored."""
    name = store_as(tmp_path, 2)
    tables = studies.read_tables(tmp_path, name)
    assert {row["tried"] for row in tables["winners"]} == {row["whole"] for row in tables["winners"]} == {None}
    assert tables["missing"] == []
    assert studies.read_settings(tmp_path, name)["version"] == 2
    said = " ".join(reporting.load("study", name, tmp_path).answer)
    assert "By lifetime (counted), the cheapest in 6 environments: direct 5, swap_id 1" in said
    assert "PARTIAL" not in said
    assert "tried" not in said


BASED = "swap_id[base=swap_table_p4]"


def variants(*more: str) -> dict[str, Any]:
    """Tables of a study with these designs in one environment."""
    rows = [
        {"number": n, "design": design, "environment": "{}", "params": "{}", "status": "ok", "feasible": True, "front": n == 0,
         "objective": "lifetime", "kind": "counted", "unit": "lines/lifetime", "value": float(n), "key": "k"}
        for n, design in enumerate(("direct", "swap_id", BASED, *more))
    ]  # fmt: skip
    return {"trials": rows, "winners": [], "breakeven": [], "provenance": [{"baseline": "direct"}]}


def test_legends_and_ledgers_keep_parameters() -> None:
    few = Study("s", variants("swap_id[zswap=stacked]"))
    assert few.designs == ["direct", "swap_id", BASED, "swap_id[zswap=stacked]"]
    assert len({few.group(text) for text in few.designs}) == 4
    many = [f"swap_id[policy={p},batch={b},id_life={i},base={s}]" for p in ("percpu", "cyclic", "reuse") for b in ("leaf",)
            for i in ("count", "count+cache") for s in ("direct", "swap_table_p4")]  # fmt: skip
    many += [f"swap_desc[stride={s},base={b}]" for s in ("24", "32") for b in ("direct", "swap_table_p4")]
    tables = variants(*many)
    assert len(tables["trials"]) > MOST_VARIANTS
    study = Study("s", tables)
    assert {BASED, "swap_desc[base=swap_table_p4]", "direct"} <= set(study.designs)
    assert study.group(BASED) != study.group("direct")
    assert study.legend("swap_id[policy=cyclic,base=swap_table_p4]") == BASED


def test_the_ledger_of_a_base_is_not_that_of_direct(tmp_path: Path) -> None:
    rows = [{**row, "environment": {}, "params": {}} for row in variants()["trials"]]
    name = reportdata.store_study(tmp_path, trials=rows, winners=[], breakeven=[], sensitivity=[], regret=[], confirmed=[])
    document = reporting.load("study", name, tmp_path)
    curves = [p for s in document.sections for p in s.parts if isinstance(p, model.Plot) and p.title.startswith("Byte ledger")]
    series = {one.name: one.ys for one in curves[0].series}
    assert list(series) == ["direct", "swap_id", BASED]
    assert series[BASED] != series["swap_id"]
    book = dse.ledger(BASED, fill=1.0)
    assert series[BASED][-1] * (1 << 20) == pytest.approx(book["allocated_bytes"], rel=0.2)


SPACE = """
[scenario]
workload = { generator = "zipf", pages = 2_048, accesses = 8_192 }
[axes.design]
values = ["direct", "swap_id", "swap_table_p4"]
[axes."moves.rate"]
values = [0.0, 1.0]
"""
NS = "lifetime.ns"


def test_the_least_certain_environments_are_timed_first() -> None:
    where = space.parse(SPACE, "f.toml", "f")

    def one(number: int, design: str, rate: float, loads: float, locks: float) -> Any:
        values = {NS: loads * 162.4 + locks * 4.4, "lifetime.loads": loads, "lifetime.locked_sections": locks}
        return trial(number, design, {"moves.rate": rate}, **values)

    trials = [one(0, "direct", 0.0, 10, 5), one(1, "swap_id", 0.0, 20, 9), one(2, "swap_table_p4", 0.0, 12, 6),
              one(3, "direct", 1.0, 20, 9), one(4, "swap_id", 1.0, 10, 9), one(5, "swap_table_p4", 1.0, 11, 7)]  # fmt: skip
    chosen = confirming.candidates(where, trials, 8)
    # at rate 1 swap_table_p4 needs a load more and two locks less: undecided; at rate 0 the winner is the baseline itself
    assert [[t.number for t in group] for group in chosen.values()] == [[4, 5], [2]]
    assert [[t.number for t in group] for group in confirming.candidates(where, trials, 1).values()] == [[4]]


def test_a_difference_within_the_noise_is_open() -> None:
    row = {"design": "swap_id", "baseline": "direct", "environment": {"moves.rate": 1.0}, "op": "lifetime", "unit": "ns"}
    place = json.dumps(row["environment"])
    clear = {**row, "value": -40.0, "lo": -60.0, "hi": -20.0, "status": "ok"}
    assert confirming.measured([clear]) == {place: {"direct": Span(0, 0, 0), "swap_id": Span(-40, -60, -20)}}
    noise = {**clear, "status": "no more than the noise: ..."}
    assert confirming.measured([noise])[place]["swap_id"] == Span(-40, -60, 0)
    assert confirming.measured([{**clear, "value": None}, {**clear, "unit": "x"}]) == {}
