"""Times in two states of the caches: a finding holds only where both agree, in every rule, on figures worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dse.asking import agreeing, measuring, screens, sharing, verdicts
from dse.asking.points import Measured, Point
from dse.asking.studies import Question, Rule, Study, Term
from dse.measuring.figures import Figures
from dse.modelling import latency
from dse.storing import Figure, figure

Spans = dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]]
Q9 = Study(
    "compare", ("base", "dear", "split", "cheap"), (Term("more_ns", "swap_in"),), timed=True, axis="replay.state",
    values=("cold", "footprint"), unit="ns",
)  # fmt: skip
FIGURES: Spans = {
    "base": ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    "dear": ((558.0, 512.0, 640.0), (196.0, 181.0, 210.0)),
    "split": ((-238.0, -299.0, -176.0), (66.0, 47.0, 76.0)),
    "cheap": ((-90.0, -95.0, -80.0), (-40.0, -50.0, -30.0)),
}
"""Nanoseconds more from cold caches, and in those of the footprint."""
SHARE = Rule("share", "ns", limit=0.01, digits=0, sentence="More than with {base}: {all}.")


def on_axis(figures: Spans = FIGURES) -> tuple[Point, ...]:
    return tuple(Point(at, design, *spans[n]) for n, at in enumerate(("cold", "footprint")) for design, spans in figures.items())


def in_states(figures: Spans = FIGURES) -> tuple[Point, ...]:
    return tuple(
        Point(None, design, *spans[n], state=state) for n, state in ((1, "footprint"), (0, "cold")) for design, spans in figures.items()
    )


def judged(study: Study, rule: Rule, points: tuple[Point, ...]) -> verdicts.Verdict:
    question = Question("Q0", "?", (), "", "", "", study, rule, "0")
    return verdicts.judge(question, Measured(agreeing.agreed(study, points), "0" * 64))


def test_opposite_signs_are_inconclusive_in_both_states() -> None:
    """66 ns more in one state and 238 less in the other is no finding; the same sign in both is one."""
    found = agreeing.agreed(Q9, on_axis())
    assert {(p.design, p.at): p.status for p in found} == {
        (design, at): "inconclusive" if design == "split" else "ok" for design in FIGURES for at in ("cold", "footprint")
    }
    assert {p.why for p in found if p.design == "split"} == {"+66 ns (footprint), -238 ns (cold)"}
    said = judged(Q9, Rule("number", "ns", digits=0), on_axis())
    assert said.answer == "dear +196 [+181, +210], split +66 [+47, +76] (inconclusive), cheap -40 [-50, -30] ns"
    assert said.certainty.startswith(
        "Measured here, 95 % intervals: 1 of 3 figures inconclusive (split: +66 ns (footprint), -238 ns (cold)). "
        "A finding holds only where all states of the caches agree (cold, footprint); the figures told are of footprint."
    )


def test_what_is_open_in_one_state_is_open_in_both() -> None:
    points = tuple(replace(p, status="inconclusive", why="3 pairs") if (p.design, p.at) == ("dear", "cold") else p for p in on_axis())
    found = [p for p in agreeing.agreed(Q9, points) if p.design == "dear"]
    assert [(p.status, p.why) for p in found] == [("inconclusive", "not settled in cold: 3 pairs")] * 2


def test_an_interval_on_both_sides_agrees_with_no_sign() -> None:
    split = FIGURES | {"split": ((50.0, 40.0, 60.0), (1.0, -5.0, 7.0))}
    assert {p.status for p in agreeing.agreed(Q9, on_axis(split)) if p.design == "split"} == {"inconclusive"}


def test_differences_of_plain_times_have_to_agree_as_well() -> None:
    """Sums of ns have no interval and no status of their own; the sign of each difference counts."""
    study = replace(Q9, axis="", values=(), measure=(Term("ns", "swap_in"), Term("ns", "swap_out")), against="difference")
    found = agreeing.agreed(study, in_states())
    assert {p.design for p in found if p.status != "ok"} == {"split"}
    assert all(p.status == "ok" for p in agreeing.agreed(replace(study, against=""), in_states()))


def test_a_limit_is_kept_only_in_both_states() -> None:
    """At most 300: dear keeps it in one state and breaks it in the other, so nothing is settled; 1,000 it keeps in both; 100 in none."""
    study = replace(Q9, axis="", values=(), measure=(Term("ns", "swap_in"),), designs=("base", "dear"), against="difference")
    points = in_states({name: FIGURES[name] for name in ("base", "dear")})
    for limit, status in ((300.0, "inconclusive"), (1000.0, "yes"), (100.0, "no")):
        for asked, at in ((study, points), (replace(study, axis="replay.state", values=("cold", "footprint")), on_axis())):
            kept = tuple(p for p in at if p.design in asked.designs)
            assert judged(asked, Rule("at most", "ns", limit=limit), kept).status == status
    assert judged(study, Rule("at most", "ns", limit=300.0), points).answer.endswith("Limit: at most 300 ns; not settled for dear.")


def test_a_difference_within_the_noise_is_no_finding() -> None:
    """The status is of both states already, so it stays; of a limit it is still on one side. A rate that rests on it is undecided."""
    study = replace(Q9, axis="", values=(), measure=(Term("tax_ns", "lifetime"),))
    why = "the same design against itself -210.0..+190.0 ns (footprint)"
    points = tuple(replace(p, status="noise", why=why) if p.design == "split" else p for p in in_states())
    found = judged(study, Rule("number", "ns", digits=0), points)
    assert found.answer == "dear +196 [+181, +210], split +66 [+47, +76] (noise), cheap -40 [-50, -30] ns"
    assert f"1 of 3 figures inconclusive (split: {why})" in found.certainty
    assert judged(replace(study, against="difference"), Rule("at most", "ns", limit=700.0), points).status == "yes"
    pays = replace(study, saving=(Term("ns", "move"),))
    priced = tuple(replace(p, saving=9.0 if p.design == "base" else 1.0) for p in points)
    assert "split undecided (noise)" in judged(pays, Rule("pays off", "moves"), priced).answer


def test_curves_that_cross_in_one_state_only_are_inconclusive() -> None:
    """Above the baseline throughout in one state, from below to above in the other."""
    study = Study("compare", ("base", "a"), (Term("ns", "swap_in"),), timed=True, axis="memory.limit", values=(0.0, 1.0))
    curves: dict[str, dict[str, tuple[float, float]]] = {
        "footprint": {"base": (10.0, 10.0), "a": (8.0, 12.0)}, "cold": {"base": (10.0, 10.0), "a": (11.0, 12.0)},
    }  # fmt: skip
    points = tuple(Point(float(n), design, y, state=state) for state, both in curves.items() for design, ys in both.items()
                   for n, y in enumerate(ys))  # fmt: skip
    found = judged(study, Rule("crossing", "of it"), points)
    assert (found.status, found.answer) == ("inconclusive", "a 0.5 of it (cheaper below) (inconclusive)")


def test_a_rate_holds_only_where_both_states_have_one() -> None:
    """a: 100 more and 50 saved, 200 more and 400 saved: from 2 and from 0.5 moves. b saves in one state alone: undecided."""
    study = Study("compare", ("r", "a", "b"), (Term("tax_*", "lifetime"),), saving=(Term("*", "move"),), rivals={"reswap": "r"},
                  by=("ns",), timed=True)  # fmt: skip
    costs = {"footprint": {"r": (0.0, 500.0), "a": (100.0, 450.0), "b": (100.0, 450.0)},
             "cold": {"r": (0.0, 900.0), "a": (200.0, 500.0), "b": (200.0, 1000.0)}}  # fmt: skip
    points = tuple(Point("reswap, ns", design, more, more, more, saving, state=state)
                   for state, both in costs.items() for design, (more, saving) in both.items())  # fmt: skip
    found = judged(study, Rule("pays off", "moves"), points)
    assert found.answer == "By time, reswap (r) is beaten by a from 2.0, cold 0.5 moves (undecided: b)"
    assert (found.open, found.asked) == (1, 2)
    assert [(row["in"], row["design"], row["cheaper"]) for row in found.table] == [
        ("ns", "a", "from 2.0"), ("ns, cold", "a", "from 0.5"),
        ("ns", "b", "from 2.0"), ("ns, cold", "b", "never"),
    ]  # fmt: skip


def test_a_share_of_a_read_by_backend() -> None:
    """196 ns is 1 % of 19.6 us: less than that of zswap's 1.7 us read is 17 ns, so no; of an SSD's 80 us it is 0.2 %, so yes. From cold
    caches 558 ns is 0.7 %. What is not dearer in both states has no read and no yes or no."""
    found = judged(Q9, SHARE, on_axis())
    assert found.status == "number"
    assert found.answer == (
        "More than with base: dear +196 [+181, +210] ns, below 1 % where a read takes over 19.6 us (cold +558 ns: 55.8 us): "
        "yes for ssd, hdd, no for zswap, zram; not dearer: cheap -40 [-50, -30] ns, -90 cold; "
        "not settled: split +66 [+47, +76] ns, -238 cold."
    )
    assert found.line.startswith("More than with base: dear +196 ns, below 1 % where a read takes over 19.6 us (cold +558")
    assert found.table[:2] == (
        {"design": "dear", "caches": "footprint", "ns": "+196 [+181, +210]", "1 % of": "19.6 us", "zswap": "no", "zram": "no", "ssd": "yes",
         "hdd": "yes"},
        {"design": "dear", "caches": "cold", "ns": "+558 [+512, +640]", "1 % of": "55.8 us", "zswap": "no", "zram": "no", "ssd": "yes",
         "hdd": "yes"},
    )  # fmt: skip
    assert [(row["ns"], row["1 % of"], row["ssd"]) for row in found.table if row["design"] == "split"] == [
        ("+66 [+47, +76] ?", "-", "-"), ("-238 [-299, -176] ?", "-", "-"),
    ]  # fmt: skip
    assert "ssd 80 us (30 to 100), hdd 10,000 us, without readahead." in found.certainty


@pytest.mark.parametrize(("hi", "said"), [(800.0, "yes"), (801.0, "undecided")])
def test_a_share_is_judged_by_the_whole_interval(hi: float, said: str) -> None:
    """1 % of an SSD's 80 us is 800 ns."""
    assert latency.backend_read("ssd").typical == 80_000
    assert sharing.word(SHARE, [Point(None, "a", 700.0, 600.0, hi)], "ssd") == said
    assert sharing.word(SHARE, [Point(None, "a", 900.0, 801.0, 950.0)], "ssd") == "no"
    assert sharing.word(SHARE, [Point(None, "a", 700.0, 600.0, 750.0), Point(None, "a", 900.0, 801.0, 950.0)], "ssd") == "undecided"


def timed(design: str, metric: str, value: float, state: str, **more: Any) -> Figure:
    op = more.pop("op", "swap_in")
    return figure(design, op, metric, "measured", "ns", value, stat="mean", age="aged", state=state, **more)


def test_points_are_read_in_both_states() -> None:
    """more_ns is the ratio less 1 of the baseline's time: 0.2 of 500 ns, 0.1 of 2,000 ns. Counted terms are the same in both."""
    rows = [timed("base", "ns", 500.0, "footprint"), timed("base", "ns", 2000.0, "cold"), timed("a", "ns", 610.0, "footprint"),
            timed("a", "ns", 2100.0, "cold"),
            timed("a", "ratio", 1.2, "footprint", lo=1.1, hi=1.3, baseline="base", status="slower: both"),
            timed("a", "ratio", 1.1, "cold", lo=1.05, hi=1.2, baseline="base", status="slower: both"),
            figure("base", "swap_in", "lines", "counted", "lines", 7.0, stat="mean", age="aged", count=None),
            figure("a", "swap_in", "lines", "counted", "lines", 9.0, stat="mean", age="aged", count=None)]  # fmt: skip
    study = Study("compare", ("base", "a"), (Term("more_ns", "swap_in"),), timed=True)
    found = measuring._points(study, Figures(rows), None, ["base", "a"])
    assert [(p.design, p.state) for p in found] == [("base", "footprint"), ("a", "footprint"), ("base", "cold"), ("a", "cold")]
    assert [found[1].value, found[3].value, found[3].lo] == pytest.approx([100.0, 200.0, 100.0])
    both = replace(study, measure=(Term("ns", "swap_in"), Term("lines", "swap_in")), against="difference")
    assert [p.value for p in measuring._points(both, Figures(rows), None, ["base", "a"]) if p.design == "a"] == [112.0, 102.0]
    counted = replace(study, measure=(Term("lines", "swap_in"),))
    assert [(p.value, p.state) for p in measuring._points(counted, Figures(rows), None, ["base", "a"])] == [(7.0, ""), (9.0, "")]


def test_a_table_has_a_column_for_each_state() -> None:
    found = {"points": [vars(p) for p in in_states()], "table": [], "unit": "ns", "axis": ""}
    lines = screens.table(found)
    assert lines[:2] == ["In ns:", "caches     base  dear            split              cheap"]
    assert [line.split()[0] for line in lines[3:]] == ["footprint", "cold"]
