"""Results as objects: the JSON contract, rows, answers, charts and the display in notebooks."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

import dse
from dse import cli
from dse.errors import BadInput
from dse.reports import results
from dse.sweeps import space as spaces

SPACE = """
objectives = ["swap_in", "bytes_per_page"]
[scenario]
workload = { generator = "zipf", pages = 2_048, accesses = 8_192 }
[axes.design]
values = ["direct", "swap_table_p4"]
[axes."moves.rate"]
values = [0.0, 0.5]
"""
POINT = {"at": "", "design": "direct", "value": 2.0, "lo": None, "hi": None, "status": "ok", "saving": None}


@pytest.fixture(scope="module")
def compared(small: Path) -> results.Comparison:
    return dse.compare(str(small), ["direct", "swap_table_p4"], counted_only=True)


def test_a_comparison_is_the_contract(
    compared: results.Comparison, small: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert set(compared) == {"rows", "provenance"}
    assert json.loads(json.dumps(compared))["rows"] == json.loads(json.dumps(list(compared["rows"])))
    argv = ["compare", str(small), "--designs", "direct,swap_table_p4", "--counted-only", "--results", str(tmp_path), "--format", "json"]
    assert cli.main(argv) == 0
    printed, ours = json.loads(capsys.readouterr().out), json.loads(compared.json())
    assert printed.keys() == ours.keys()
    assert printed["rows"] == ours["rows"]
    assert printed["provenance"]["kernels"] == ours["provenance"]["kernels"]


def test_rows_answer_and_chart_of_a_comparison(compared: results.Comparison, tmp_path: Path) -> None:
    assert isinstance(compared.rows, pl.DataFrame)
    assert len(compared.rows) == len(compared["rows"])
    assert compared.answer.startswith("What does a design cost")
    assert compared.chart()._repr_svg_().startswith("<?xml")
    assert Path(compared.chart().save(tmp_path / "a.png")).read_bytes().startswith(b"\x89PNG")
    shown = compared._repr_html_()
    assert shown.startswith("<pre>What does a design cost")
    assert shown.count("<svg") == 1
    assert f"{len(compared['rows']):,} rows" in shown
    with pytest.raises(BadInput, match="unknown kind of picture"):
        compared.chart().save(tmp_path / "a.gif")


def test_a_sweep(tmp_path: Path) -> None:
    space = spaces.parse(SPACE, "toy.toml", "toy")
    found = dse.sweep(space, results=tmp_path)
    assert found["trials"] == 4
    assert sorted(found.rows.select("moves_rate", "design").rows()) == [
        (0.0, "direct"), (0.0, "swap_table_p4"), (0.5, "direct"), (0.5, "swap_table_p4"),
    ]  # fmt: skip
    assert found.answer.startswith("By lifetime.ns")
    assert set(json.loads(found.json())) == set(found)
    assert not set(results.LONG) & set(json.loads(found.json())["provenance"])
    assert "<svg" in found._repr_html_()


def test_answers() -> None:
    common = {
        "certainty": "Counted.",
        "needs": "",
        "command": "dse ask",
        "counters_hash": "0",
        "unit": "lines",
        "claim": "",
        "source": "",
        "axis": "",
        "table": [],
    }
    flat = {"id": "A", "question": "How many?", "status": "number", "answer": "Two.", **common, "points": [POINT]}
    curve = {**flat, "id": "B", "points": [{**POINT, "at": x, "value": float(x)} for x in (0.0, 0.5, 1.0)]}
    mixed = {**flat, "id": "C", "points": [{**POINT, "at": x} for x in ("ssd", "hdd")]}
    waiting = {**flat, "id": "D", "needs": "large folios", "points": []}
    found = results.Answers([flat, curve, mixed, waiting])
    assert found.rows["id"].to_list() == ["A", "B", "C", "D"]
    assert len(found.points) == 6
    assert "A: How many?" in found.answer
    assert [type(part).__name__ for section in found.chart().document.sections for part in section.parts] == ["Ranges", "Plot", "Ranges"]
    assert json.loads(found.json())[0] == {name: flat[name] for name in results.ASKED}
    assert json.loads(json.dumps(found)) == [flat, curve, mixed, waiting]
    assert "no figure to draw" in results.Answers([waiting])._repr_html_()


def test_calls_keep_their_signature() -> None:
    import inspect

    assert "counted_only" in inspect.signature(dse.compare).parameters
    assert "environments" in inspect.signature(dse.sweep).parameters
    assert (dse.ask.__doc__ or "").startswith("Answer questions.")
