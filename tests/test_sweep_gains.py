"""Gains of samplers over random search: the table on cases worked by hand, and the space it is measured on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import gaining
from dse.sweeps import space as spaces
from dse.sweeps.replaying import Recorded

TOY = """
objectives = ["swap_in", "bytes_per_page"]
[scenario]
workload = { generator = "zipf" }
[axes.design]
values = ["direct", "swap_id", "swap_table_p4"]
[axes."backend.mix"]
values = [{ zswap = 1.0 }, { zero = 1.0 }]
"""
COSTS = np.array([[1.0, 4.0], [2.0, 2.0], [4.0, 1.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
"""All three designs are on the front in zswap; with zero pages alone the first is the best in both."""


def mix_of(configuration: spaces.Configuration) -> str:
    return gaining.text_of(json.loads(configuration.place)[gaining.MIX])


def recorded() -> Recorded:
    space = spaces.parse(TOY, "toy.toml", "toy")
    where = {"zswap=1": iter(COSTS[:3]), "zero=1": iter(COSTS[3:])}
    return Recorded.of(space, np.array([next(where[mix_of(c)]) for c in space.every()]))


def test_rows_of_two_environments() -> None:
    """Random 0.2, 0.4, 0.6 and the default 0.5, 0.7, 0.9: 0.3 gained, better in 8 of 9 pairs of seeds."""
    table = recorded()
    (place,) = table.scored
    scores = {place: {"random": [0.2, 0.4, 0.6], "tpe": [0.5, 0.7, 0.9], "nsga2": [0.1, 0.1, 0.1]}}
    first, second = sorted(gaining.rows(table, scores), key=lambda row: -row["front"])
    assert first == {
        "mix": "zswap=1", "configurations": 3, "front": 3, "random": "0.400 [0.200, 0.600]", "tpe": "0.700 [0.500, 0.900]",
        "nsga2": "0.100 [0.100, 0.100]", "gain": 0.3, "better": "89%",
    }  # fmt: skip
    assert (second["mix"], second["front"], second["gain"], second["random"]) == ("zero=1", 1, "-", "-")


def test_searches_with_equal_budgets_are_scored_in_each_environment() -> None:
    table = recorded()
    found = gaining.measured(table, 2, 6)
    assert list(found) == list(table.scored)
    assert all(scores == {name: [1.0, 1.0] for name in gaining.SAMPLERS} for scores in found.values())  # six trials see all


def test_the_space_is_a_simplex_with_zero_pages() -> None:
    space = spaces.parse(gaining.SPACE, "gaining.py", "gaining")
    mixes = {mix_of(configuration) for configuration in space.every()}
    assert mixes == {"zswap=1", "ssd=1", "zero=1", "ssd=0.5,zswap=0.5", "zero=0.5,zswap=0.5", "ssd=0.5,zero=0.5"}
    assert space.size >= 6 * 400


def test_section_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "sweeps.md"
    page.write_text(f"before\n{gaining.BEGIN}\noutdated\n{gaining.END}\nafter\n")
    monkeypatch.setattr(gaining, "PAGE", page)
    gaining.store(gaining.section([{"mix": "zero=1", "gain": 0.25}], 60, 10, 600))
    text = page.read_text()
    assert "outdated" not in text
    assert "| zero=1 | 0.25 |" in text
    assert text.endswith(gaining.END + "\nafter\n")


def test_a_gain_below_zero_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    table = recorded()
    (place,) = table.scored
    monkeypatch.setattr(gaining, "exhausted", lambda results: table)
    for tpe, status in ((0.1, 1), (0.4, 0)):
        scores = {place: {"random": [0.2], "tpe": [tpe], "nsga2": [0.3]}}
        monkeypatch.setattr(gaining, "measured", lambda *_, scores=scores: scores)
        assert gaining.main(["--seeds", "1"]) == status
        assert ("finds less than random search with zswap=1" in capsys.readouterr().err) == bool(status)


def test_the_documented_table_is_of_the_space() -> None:
    text = gaining.PAGE.read_text(encoding="utf-8")
    table = text[text.index(gaining.BEGIN) : text.index(gaining.END)]
    space = spaces.parse(gaining.SPACE, "gaining.py", "gaining")
    assert f"{space.size:,} configurations in {space.places} environments" in table
    assert f"{int(space.size * gaining.SHARE):,} in all" in table
    for mix in ("zswap=1", "ssd=1", "zero=1", "ssd=0.5,zswap=0.5", "zero=0.5,zswap=0.5", "ssd=0.5,zero=0.5"):
        assert f"| {mix} | 495 |" in table
