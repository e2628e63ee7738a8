"""Answers of a sweep on a toy study that was worked by hand: three designs, two environments."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from dse.errors import BadInput
from dse.sweeps import analysing, breakeven, objectives, overall, sensitivity, space, winning, wording
from dse.sweeps.axes import Axis
from dse.sweeps.measure import Over, aggregated
from dse.sweeps.winning import Span
from tests.sweepdata import trial

NS = "lifetime.ns"
PLACES = ({"moves.rate": 0.0}, {"moves.rate": 1.0})
DELIVERED = (0.0, 0.8)
COUNTS = {  # by design and environment: dependent loads, locked sections, lines, bytes
    "direct": ((10, 6, 12, 20), (30, 16, 30, 20)),
    "swap_table_p4": ((11, 5, 10, 12), (31, 15, 28, 12)),
    "swap_id": ((14, 8, 16, 24), (20, 10, 22, 24)),
}
COST = {"direct": (1650.4, 4942.4), "swap_table_p4": (1808.4, 5100.4), "swap_id": (2308.8, 3292.0)}
"""Nanoseconds: 162.4 a load, 4.4 a locked section."""
AXES = (Axis("design", "choice", tuple(COUNTS)), Axis("moves.rate", "environment", (0.0, 1.0)))


def toy() -> list[analysing.Trial]:
    """Trials of the study."""
    found = []
    for at, place in enumerate(PLACES):
        for design, rows in COUNTS.items():
            loads, locks, lines, nbytes = rows[at]
            one = trial(
                len(found), design, place, **{NS: loads * 162.4 + locks * 2 * 2.2, "lifetime.loads": float(loads),
                "lifetime.locked_sections": float(locks), "lifetime": float(lines), "bytes_per_page": float(nbytes)},
            )  # fmt: skip
            found.append(replace(one, delivered=DELIVERED[at], writeback=DELIVERED[at] / 4))
    return found


def test_the_costs_are_those_worked_by_hand() -> None:
    assert {(t.design, t.configuration.environment["moves.rate"]): t.values[NS] for t in toy()} == {
        (design, rate): pytest.approx(COST[design][int(rate)]) for design in COUNTS for rate in (0.0, 1.0)
    }


def test_winners_with_their_certainty() -> None:
    first, second = winning.winners(toy(), NS)
    assert (first["design"], first["runner_up"], first["kind"]) == ("direct", "swap_table_p4", "modelled")
    assert first["margin"] == pytest.approx(158.0 / 1650.4)
    # one load more and one locked section less: from 12 - 2 * 162.4 to 208.2 - 2 * 2.2
    assert (first["gap"], first["lo"], first["hi"]) == pytest.approx((158.0, -312.8, 203.8))
    assert (first["certain"], first["tied"], first["layer"]) == (False, ["swap_table_p4"], False)
    assert (first["bytes"], first["by_lines"], first["by_locks"], first["by_bytes"]) == (20, *["swap_table_p4"] * 3)
    assert (second["design"], second["runner_up"], second["layer"]) == ("swap_id", "direct", True)
    # direct: 10 loads and 6 sections more; swap_table_p4: 11 and 5
    assert (second["gap"], second["lo"], second["hi"]) == pytest.approx((1650.4, 120 + 26.4, 2082 + 12 * 162.4))
    assert (second["certain"], second["tied"]) == (True, [])
    assert [second[name] for name in ("by_lines", "by_locks", "by_bytes")] == ["swap_id", "swap_id", "swap_table_p4"]


def test_a_counted_objective_is_exact() -> None:
    first = winning.winners(toy(), "lifetime")[0]
    assert (first["design"], first["gap"], first["lo"], first["hi"], first["certain"]) == ("swap_table_p4", 2, 2, 2, True)
    even = [trial(0, "direct", {}, lifetime=5.0), trial(1, "swap_id", {}, lifetime=5.0)]
    assert winning.winners(even, "lifetime")[0]["tied"] == ["swap_id"]


@pytest.mark.parametrize(("span", "certain", "gap"), [((-40, -60, -20), True, (40, 20, 60)), ((-40, -90, 10), False, (40, -10, 90))])
def test_measured_times_come_first(span: tuple[float, float, float], certain: bool, gap: tuple[float, float, float]) -> None:
    timed = {json.dumps(PLACES[0]): {"direct": Span(0, 0, 0), "swap_table_p4": Span(*span)}}
    first, second = winning.winners(toy(), NS, timed)
    assert (first["design"], first["kind"], first["margin"]) == ("swap_table_p4", "measured", None)
    assert (first["gap"], first["lo"], first["hi"]) == pytest.approx(gap)
    assert (first["certain"], first["tied"]) == (certain, [] if certain else ["direct"])
    assert (second["design"], second["kind"]) == ("swap_id", "modelled")
    rival = trial(9, "swap_desc", PLACES[0], **{NS: 2000.0, "lifetime.loads": 12.0, "lifetime.locked_sections": 3.0})
    assert "swap_desc" in winning.winners([*toy(), rival], NS, timed)[0]["tied"]  # not timed: two locks less may outweigh a load
    without_winner = {json.dumps(PLACES[0]): {"swap_id": Span(0, 0, 0), "swap_table_p4": Span(-1, -1, -1)}}
    assert winning.winners(toy(), NS, without_winner)[0]["kind"] == "modelled"


def test_yardsticks_that_order_two_designs_differently() -> None:
    rows = winning.orders(toy(), NS)
    assert [(r["design"], r["other"], r["by"], r["environments"], r["of"]) for r in rows] == [
        ("direct", "swap_table_p4", "lines", 2, 2), ("direct", "swap_table_p4", "locks", 2, 2),
    ]  # fmt: skip
    assert rows[0]["counts"] == [12, 10]
    assert rows[0]["costs"] == pytest.approx([1650.4, 1808.4])
    assert winning.orders([t for t in toy() if t.design != "swap_table_p4"], NS) == []


def test_fronts_never_cross_environments() -> None:
    found = analysing.fronts(toy(), [NS, "bytes_per_page"])
    assert [[t.design for t in front] for front in found.values()] == [
        ["direct", "swap_table_p4"], ["direct", "swap_table_p4", "swap_id"],
    ]  # fmt: skip
    assert len(analysing.front(toy(), [NS, "bytes_per_page"])) == 5  # one front of all would hold two


def test_regrets() -> None:
    rows = {row["design"]: (row["worst"], row["mean"]) for row in analysing.regret(toy(), NS)}
    worst = {"direct": 1650.4 / 3292.0, "swap_table_p4": 1808.4 / 3292.0, "swap_id": 658.4 / 1650.4}
    mean = {"direct": worst["direct"] / 2, "swap_table_p4": (158.0 / 1650.4 + worst["swap_table_p4"]) / 2, "swap_id": worst["swap_id"] / 2}
    assert rows == {design: pytest.approx((worst[design], mean[design])) for design in COUNTS}


def test_breakevens_are_over_delivered_rates_by_time_and_by_lines() -> None:
    rows = {(r["objective"], r["design"], r["against"]): r for r in breakeven.breakeven(toy(), NS, "swap_table_p4")}
    assert set(rows) == {
        (objective, *pair) for objective in (NS, "lifetime")
        for pair in (("any layer", "any without"), ("swap_id", "direct"), ("swap_id", "swap_table_p4"))
    }  # fmt: skip
    assert rows[NS, "swap_id", "direct"]["rate"] == pytest.approx(0.8 * 658.4 / (658.4 + 1650.4))
    assert rows["lifetime", "swap_id", "direct"]["rate"] == pytest.approx(0.8 * 4 / 12)
    assert rows["lifetime", "any layer", "any without"]["rate"] == pytest.approx(0.8 * 6 / 12)
    assert rows[NS, "swap_id", "direct"]["asked"] == [0.0, 1.0]
    assert {row["axis"] for row in rows.values()} == {"delivered"}
    asked = breakeven.breakeven([replace(t, delivered=None) for t in toy()], "lifetime", "direct")
    assert {row["axis"] for row in asked} == {"asked"}
    assert asked[0]["rate"] == pytest.approx(6 / 12)


def test_ways_to_move_are_rivals_of_their_own() -> None:
    trials = [
        trial(n, design, {"moves.rate": rate}, lifetime=cost)
        for n, (design, rate, cost) in enumerate([
            ("direct[move=rewrite]", 0.0, 10.0), ("direct[move=rewrite]", 1.0, 30.0), ("vswap_v6", 0.0, 14.0), ("vswap_v6", 1.0, 18.0),
        ])
    ]  # fmt: skip
    trials = [replace(t, delivered=t.configuration.environment["moves.rate"]) for t in trials]
    rows = {(r["design"], r["against"]): r["rate"] for r in breakeven.breakeven(trials, "lifetime", "direct")}
    assert rows["vswap_v6", "direct, move=rewrite"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("measure", "weights", "best", "value"),
    [
        ("worst", {}, "swap_id", 3292.0), ("mean", {}, "swap_id", (2308.8 + 3292.0) / 2),
        ("mean", {"moves.rate": (3.0, 1.0)}, "direct", (3 * 1650.4 + 4942.4) / 4), ("regret", {}, "swap_id", 658.4 / 1650.4),
    ],
)  # fmt: skip
def test_one_choice_over_all_environments(measure: str, weights: dict[str, Any], best: str, value: float) -> None:
    judged = overall.over(toy(), Over(measure, weights), AXES, NS)
    assert [t.design for t in judged] == list(COUNTS)
    assert all(t.configuration.environment == {} for t in judged)
    row = winning.winners(judged, NS)[0]
    assert (row["design"], row["value"]) == (best, pytest.approx(value))
    if weights:  # against swap_id half a load less: 6 to 104.1 ns, for certain; against swap_table_p4 as in each environment
        assert (row["gap"], row["tied"], row["lo"]) == (pytest.approx(2554.6 - 2473.4), ["swap_table_p4"], pytest.approx(-312.8))
        assert winning.winners([t for t in judged if t.design != "swap_table_p4"], NS)[0]["lo"] == pytest.approx(6.0)
    front = analysing.fronts(judged, [NS, "bytes_per_page"])
    assert list(front) == ["{}"]
    assert len(overall.members(toy(), front["{}"])) == 2 * len(front["{}"])


def test_an_environment_where_a_choice_fails_makes_it_infeasible_over_all() -> None:
    trials = toy()
    trials[5] = replace(trials[5], status="infeasible: full", values=dict.fromkeys(trials[5].values))
    judged = {t.design: t for t in overall.over(trials, Over("worst"), AXES, NS)}
    assert not judged["swap_id"].feasible
    assert judged["direct"].values[NS] == pytest.approx(4942.4)
    nowhere = [*toy(), *(replace(trial(9, d, {"moves.rate": 9.0}, "infeasible: no disk", **{NS: None})) for d in COUNTS)]
    assert overall.over(nowhere, Over("worst"), AXES, NS)[2].values[NS] == pytest.approx(3292.0)
    assert aggregated([2.0], [2.0], [1.0], "regret") == 0.0


def test_importance_is_that_of_an_environment() -> None:
    rows = sensitivity.sensitivity(toy(), [NS], NS)
    by = {(row["axis"], json.dumps(row["environment"])): row for row in rows}
    assert set(by) == {("design", json.dumps(place)) for place in PLACES} | {("moves.rate", "{}")}
    assert all(by["design", json.dumps(place)]["importance"] == pytest.approx(1.0) for place in PLACES)  # nothing else is chosen
    assert (by["moves.rate", "{}"]["importance"], by["moves.rate", "{}"]["flips"]) == (None, 1)


def test_the_first_lines_say_all_that() -> None:
    tables = {
        "winners": winning.winners(toy(), NS), "orders": winning.orders(toy(), NS), "moves": breakeven.moves(toy()),
        "breakeven": breakeven.breakeven(toy(), NS, "direct"),
    }  # fmt: skip
    said = wording.first_lines(tables, {}, NS)
    assert said[0] == (
        "By lifetime.ns (modelled), the cheapest in 2 environments: direct 1, swap_id 1. A layer of indirection wins in 1 of 2; undecided "
        "in 1, where swap_table_p4 may be cheaper."
    )
    assert said[1] == (
        "Yardsticks disagree: of 2 environments, by lines another design wins in 1 (swap_table_p4 1); by locks another design wins in 1 "
        "(swap_table_p4 1); by bytes another design wins in 2 (swap_table_p4 2)."
    )
    assert said[2] == (
        "By lines swap_table_p4 is cheaper than direct in 2 of 2, by lifetime.ns it is dearer: 10 against 12 lines, 1,808 against 1,650 ns "
        "(moves.rate 0)."
    )
    assert said[4].startswith("By lifetime.ns, best layer against best design without, over 1 condition: pays from 0.228 moves")
    assert said[5].startswith("By lifetime, best layer against best design without, over 1 condition: pays from 0.4 moves")
    assert "0 gives 0, 1 gives 0.8" in said[6]
    stored = {name: [{k: json.dumps(v) if isinstance(v, (dict, list)) else v for k, v in row.items()} for row in rows]
              for name, rows in tables.items()}  # fmt: skip
    assert wording.first_lines(stored, {}, NS) == said


def test_writeback_still_moves_at_rate_0() -> None:
    rows = [{"environment": PLACES[0], "asked": 0.0, "delivered": 0.12, "writeback": 0.12}]
    assert "At moves.rate=0 zswap's own writeback still moves pages in 1 environment, up to 0.12 for each" in wording.moving(rows)[1]
    assert len(wording.moving([{**rows[0], "delivered": 0.0}])) == 1


SPACE = """
objectives = ["lifetime.ns", "bytes_per_page"]
[scenario]
workload = { generator = "zipf", pages = 2_048, accesses = 8_192 }
[axes.design]
values = ["direct", "swap_id"]
[axes."moves.rate"]
values = [0.0, 1.0]
[axes."backend.writeback"]
role = "choice"
values = [true, false]
"""


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ('over = "worst"', "over is a table"), ('over = { measure = "wrost" }', "did you mean 'worst'"),
        ('over = { mesure = "worst" }', "did you mean 'measure'"), ('over = { measure = "worst", weights = { x = [1] } }', "to the mea"),
        ('over = { measure = "mean", weights = { "backend.writeback" = [1, 2] } }', "unknown axis of the environment 'backend.writeback'"),
        ('over = { measure = "mean", weights = { "moves.rate" = [1] } }', "weights of moves.rate are 2 numbers"),
        ('over = { measure = "mean", weights = { "moves.rate" = [0, 0] } }', "weights of moves.rate are 2 numbers"),
        ('over = { measure = "mean", weights = { "moves.rate" = [1, -1] } }', "weights of moves.rate are 2 numbers"),
        ('over = { measure = "mean", weights = { "moves.rate" = [1e308, 1e308] } }', "weights of moves.rate are 2 numbers"),
    ],
)  # fmt: skip
def test_measures_that_are_refused(over: str, said: str) -> None:
    with pytest.raises(BadInput, match=r"f\.toml:") as refused:
        space.parse(over + "\n" + SPACE, "f.toml", "f")
    assert said in str(refused.value)


def test_a_measure_is_part_of_the_space() -> None:
    plain = space.parse(SPACE, "f.toml", "f")
    fleet = space.parse('over = { measure = "mean", weights = { "moves.rate" = [3, 1] } }\n' + SPACE, "f.toml", "f")
    assert plain.digest != fleet.digest
    assert "over" not in plain.document  # digests of older spaces hold
    assert space.from_document(json.loads(json.dumps(fleet.document))).over == fleet.over
    assert [fleet.over.weight(fleet.place_at(n), fleet.axes) for n in range(fleet.places)] == [3.0, 1.0]
    assert [fleet.place_at(n) for n in range(2)] == list(PLACES)
    assert plain.inside({"moves.rate": 1.0}).size == 4


def test_a_line_that_was_touched_before_is_no_miss() -> None:
    row = {"n": 2, "lines": 12, "chain": 30, "locked_sections": 4}
    measures = {"status": "ok", "ops": {"swap_in": row, "swap_out": {"n": 2, "lines": 8, "chain": 6, "locked_sections": 2}}}
    assert objectives.value("swap_in.loads", measures) == 6
    assert objectives.value("swap_in.ns", measures) == pytest.approx(6 * 162.4 + 2 * 2 * 2.2)
    assert objectives.value("lifetime.loads", measures) == (12 + 6) / 2
    assert objectives.delivered({"delivered": {"out": 10, "moves": 4}, "moves": 3, "writebacks": 1}) == pytest.approx((0.4, 0.1))
    assert objectives.delivered({"delivered": {"out": 10, "moves": 0}}) == (0.0, 0.0)
    assert objectives.delivered({}) == (None, None)
