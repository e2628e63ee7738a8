"""Counted figures of a comparison that was made before: the same, at once, and only where nothing that decides them differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import dse
from dse import storing
from dse.measuring import comparing, recalling

PAIR = ["direct", "swap_id"]
Given = dict[str, Any]


@pytest.fixture(scope="module")
def made(small: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Folder of results, and what was counted into it."""
    results = tmp_path_factory.mktemp("results")
    return results, dse.compare(str(small), PAIR, counted_only=True, results=results)


def counts(patch: pytest.MonkeyPatch) -> list[str]:
    """Labels of the scenarios that are counted from now on."""
    labels: list[str] = []
    real = comparing.count

    def noted(stream: Any, *given: Any, **more: Any) -> comparing.Counted:
        labels.append(stream.scenario.label)
        return real(stream, *given, **more)

    patch.setattr(comparing, "count", noted)
    return labels


def entries(results: Path) -> list[Path]:
    return sorted((results / "cache").glob("*/*.json"))


def test_the_same_question_is_not_counted_again(
    made: tuple[Path, Any], small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results, found = made
    counted, before = counts(monkeypatch), len(storing.run_names(results))
    again = dse.compare(str(small), PAIR, counted_only=True, results=results)
    assert counted == []
    assert again["rows"] == found["rows"]
    assert again["provenance"]["counters_hash"] == found["provenance"]["counters_hash"]
    assert "counted before, by the same code on the same demands" in capsys.readouterr().err
    first, second = (run["provenance"]["runs"][0] for run in (found, again))
    differ = {key for key in first.keys() | second.keys() if first.get(key) != second.get(key)}
    assert differ <= {"run", "memory_bytes"}
    assert len(storing.run_names(results)) == 2 * before
    assert storing.load_run(results, second["run"]).ops == [
        {**row, "run": second["run"]} for row in storing.load_run(results, first["run"]).ops
    ]
    assert comparing.rerun(second["run"], results)["equal"]
    assert counted


@pytest.mark.parametrize(
    "other",
    [{"seed": 5}, {"designs": ["swap_id", "direct"]}, {"designs": ["direct", "swap_id[policy=cyclic]"]}, {"settings": ["memory.limit=0.4"]},
     {"state": "cold"}, {"results": None}],
)  # fmt: skip
def test_another_question_is_counted(other: Given, made: tuple[Path, Any], small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = counts(monkeypatch)
    given: Given = {"designs": PAIR, "counted_only": True, "results": made[0], **other}
    dse.compare(str(small), **given)
    assert counted


def test_other_code_is_counted(made: tuple[Path, Any], small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = counts(monkeypatch)
    monkeypatch.setattr(recalling, "code_digest", lambda: "other")
    dse.compare(str(small), PAIR, counted_only=True, results=made[0])
    assert counted


@pytest.mark.parametrize(
    "damage", [lambda c: c[: len(c) // 2], lambda c: c.replace(b'"lines"', b'"locks"', 1), lambda c: b"[]", lambda c: b""]
)
def test_a_damaged_entry_is_counted_anew(damage: Any, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = dse.compare(str(small), PAIR, counted_only=True, results=tmp_path)
    whole = {path: path.read_bytes() for path in entries(tmp_path)}
    assert whole
    for path, content in whole.items():
        assert damage(content) != content
        path.write_bytes(damage(content))
    counted = counts(monkeypatch)
    assert dse.compare(str(small), PAIR, counted_only=True, results=tmp_path)["rows"] == found["rows"]
    assert len(counted) == len(whole)
    assert {path: json.loads(path.read_bytes()) for path in whole} == {path: json.loads(content) for path, content in whole.items()}


def test_the_counted_answer_is_told_before_anything_is_counted_again(
    small: Path, tmp_path: Path, quick: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    first = dse.compare(str(small), PAIR, results=tmp_path, counted=told.append, **quick)
    counted = counts(monkeypatch)
    second = dse.compare(str(small), PAIR, results=tmp_path, counted=lambda one: told.append({**one, "before": list(counted)}), **quick)
    assert len(told) == 2
    assert told[1]["before"] == []
    assert told[1]["rows"] == told[0]["rows"]
    assert len(counted) == len(first["provenance"]["runs"])
    assert second["provenance"]["counters_hash"] == first["provenance"]["counters_hash"]
