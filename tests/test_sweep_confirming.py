"""Timed confirmation of a front: which designs, one run an environment, hosts recorded, nothing steered."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import pytest

import dse
from dse import storing
from dse.measuring import warming
from dse.sweeps import confirming, space, sweep
from dse.sweeps.analysing import Trial
from dse.sweeps.space import Configuration

SPACE = """
objectives = ["swap_in", "bytes_per_page", "move"]
[scenario]
workload = { generator = "zipf", pages = 2_048, accesses = 8_192 }
memory = { limit = 0.5 }
[axes.design]
values = ["direct", "swap_id"]
[axes."moves.rate"]
values = [0.0, 1.0]
"""


def trial(number: int, design: str, lifetime: float | None, scenario_json: str = "{}", **config: int) -> Trial:
    return Trial(number, Configuration(design, {}, {"place": scenario_json}, scenario_json, config), "k", "ok", {"lifetime": lifetime})


FRONT = [
    trial(0, "direct", 1.0), trial(1, "swap_id", 9.0, "a"), trial(2, "swap_desc", 5.0, "a"), trial(3, "swap_id", 4.0, "b"),
    trial(4, "swap_id_off", None, "a"),
]  # fmt: skip


@pytest.mark.parametrize(("count", "numbers"), [(0, []), (1, [3]), (2, [3, 2]), (9, [3, 2, 4])])
def test_each_design_where_it_does_best(count: int, numbers: list[int]) -> None:
    assert [t.number for t in confirming.candidates(FRONT, "lifetime", "direct", count)] == numbers


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would be timed, without timing it."""
    calls: list[list[str]] = []

    def run_scenario(_: Any, designs: Any, *, timed: bool) -> dict[str, Any]:
        assert timed
        calls.append([named.text for named in designs])
        rows = [
            storing.figure(named.text, "swap_in", "ratio", "measured", "x", 1.5, lo=1.4, hi=1.6, n=16, age=age, status="slower: by far")
            for named in designs[1:] for age in ("fresh", "aged") if named.text != "swap_desc"
        ]  # fmt: skip
        return {"rows": rows, "ledger": [], "provenance": {}}

    monkeypatch.setattr("dse.comparing.run_scenario", run_scenario)
    monkeypatch.setattr("dse.workloads.stream.build", lambda _: None)
    monkeypatch.setattr(warming, "warm", lambda _: 0)
    return calls


def test_designs_of_one_environment_are_timed_together(timed: list[list[str]], tmp_path: Path) -> None:
    base = space.parse(SPACE, "x.toml", "x")
    one, other = base.base.canonical, base.base.but(moves__rate=1.0).canonical
    front = [trial(1, "swap_id", 9.0, one), trial(2, "swap_desc", 5.0, one), trial(3, "swap_id_off", 4.0, other)]
    rows = confirming.confirmed(base, front, 3, tmp_path, "dse sweep x")
    assert sorted(timed) == [["direct", "swap_desc", "swap_id"], ["direct", "swap_id_off"]]
    assert {r["host"] for r in rows} == {platform.node()}
    assert {r["run"] for r in rows} == set(storing.run_names(tmp_path))
    by = {r["design"]: r for r in rows}
    assert (by["swap_id"]["value"], by["swap_id"]["lo"], by["swap_id"]["hi"]) == (1.5, 1.4, 1.6)
    assert by["swap_desc"].get("value") is None
    assert by["swap_desc"]["status"].startswith("inconclusive")


def test_what_cannot_be_timed_says_so(timed: list[list[str]], tmp_path: Path) -> None:
    rows = confirming.confirmed(space.parse(SPACE, "x.toml", "x"), [trial(1, "swap_id", 9.0, "{}", cluster_shift=8)], 3, tmp_path, "c")
    assert not timed
    assert [r["status"].partition(":")[0] for r in rows] == ["not timed"]


def test_a_sweep_with_confirmation(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(f'baseline = "swap_id"\n{SPACE}')  # direct alone is on this front
    plain = sweep(file, results=tmp_path / "a")
    found = sweep(file, results=tmp_path / "b", confirm=1)
    assert found["front"] == plain["front"]
    assert found["confirmed"]
    asked = dse.query("SELECT design, host, kind, run FROM confirmed", results=tmp_path / "b").to_dicts()
    assert {(r["design"], r["host"], r["kind"]) for r in asked} == {("direct", platform.node(), "measured")}
    provenance = storing.load_run(tmp_path / "b", asked[0]["run"]).provenance
    assert json.loads(provenance["extra"])["timed"]
    page = Path(dse.report(found["study"], results=tmp_path / "b")).read_text()
    assert "Confirmed by timing" in page
