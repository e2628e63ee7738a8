"""Verdicts of questions: the rules on points worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dse.asking import paying, verdicts
from dse.asking.points import Measured, Point
from dse.asking.studies import Question, Rule, Study, Term

LINES = (Term("lines", "swap_in"),)
STUDY = Study("compare", ("base", "a", "b"), LINES)


def judged(points: list[Point], rule: Rule, study: Study = STUDY) -> verdicts.Verdict:
    question = Question("Q0", "?", (), "", "", "", study, rule, "0")
    return verdicts.judge(question, Measured(tuple(points), "0" * 64))


def test_a_number_names_every_design_worst_first() -> None:
    points = [Point(None, "base", 10.0), Point(None, "a", 12.5), Point(None, "b", 20.0)]
    rule = Rule("number", "lines", sentence="{all}; {base} {base_value}; worst {worst}, best {best}")
    assert judged(points, rule) == verdicts.Verdict(
        "number", "b 20.0, a 12.5 lines; base 10.0 lines; worst b, best a", "Counted: exact, the same on every machine.",
        line="b 20.0, a 12.5 lines; base 10.0 lines; worst b, best a", asked=2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "limit", "values", "status"),
    [
        ("at most", 10.0, [(9.0, 8.0, 10.0), (5.0, 4.0, 6.0)], "yes"),
        ("at most", 10.0, [(9.0, 8.0, 11.0), (5.0, 4.0, 6.0)], "inconclusive"),
        ("at most", 10.0, [(12.0, 11.0, 13.0), (5.0, 4.0, 6.0)], "no"),
        ("at least", 10.0, [(12.0, 11.0, 13.0), (15.0, 14.0, 16.0)], "yes"),
        ("at least", 10.0, [(9.0, 8.0, 9.5), (15.0, 14.0, 16.0)], "no"),
        ("same", 0.5, [(0.1, -0.4, 0.4), (0.0, 0.0, 0.0)], "yes"),
        ("same", 0.5, [(3.0, 2.0, 4.0), (0.0, 0.0, 0.0)], "no"),
        ("same", 0.5, [(0.3, -0.4, 1.4), (0.0, 0.0, 0.0)], "inconclusive"),
    ],
)
def test_a_limit_is_held_by_the_interval(kind: str, limit: float, values: list[tuple[float, float, float]], status: str) -> None:
    points = [Point(None, "base", 0.0), *(Point(None, d, *v) for d, v in zip("ab", values, strict=True))]
    assert judged(points, Rule(kind, limit=limit), replace(STUDY, against="difference")).status == status


def test_a_yes_or_no_says_its_limit_and_who_keeps_it() -> None:
    """At most 10: a is at 12, b at 5."""
    points = [Point(None, "base", 0.0), Point(None, "a", 12.0), Point(None, "b", 5.0)]
    found = judged(points, Rule("at most", "ns", limit=10.0, sentence="It takes {worst}."), replace(STUDY, against="difference"))
    assert (found.status, found.answer) == ("no", "It takes a. Limit: at most 10 ns; kept by b; not by a.")
    assert found.line == "Limit: at most 10 ns; kept by b; not by a."
    points[2] = Point(None, "b", 9.0, 8.0, 11.0)
    assert judged(points, Rule("at most", limit=10.0), STUDY).answer.endswith("kept by base; not by a; not settled for b.")


def test_figures_have_digits_enough() -> None:
    """0.9701 is 3 % less, which "1.0 times" does not say; 1.0004 is 0.04 % more. Digits that are given stay."""
    points = [Point(None, "base", 1.0), Point(None, "a", 0.9701), Point(None, "b", 1.0004)]
    study = replace(STUDY, against="ratio")
    assert judged(points, Rule("number", "times"), study).answer == "b 1.0004, a 0.97 times"
    assert judged(points, Rule("number", "times", digits=1), study).answer == "b 1.0, a 1.0 times"
    assert judged([Point(None, "base", 0.0), Point(None, "a", 0.0031), Point(None, "b", 26.34)], Rule("number"), STUDY).answer == (
        "b 26.3, a 0.003"
    )


def test_a_figure_that_decides_nothing_is_no_yes() -> None:
    points = [Point(None, "base", 0.0), Point(None, "a", 1.0, 1.0, 1.0), Point(None, "b", 1.0, 1.0, 1.0, status="inconclusive")]
    found = judged(points, Rule("at most", limit=10.0), replace(STUDY, against="difference", timed=True))
    assert found.status == "inconclusive"
    assert "1 of 2 figures inconclusive" in found.certainty


def test_a_figure_of_either_sign_is_counted() -> None:
    points = [Point(None, "base", 0.0, 0.0, 0.0), Point(None, "a", 1.0, -1.0, 3.0), Point(None, "b", 5.0, 4.0, 6.0)]
    found = judged(points, Rule("number"), replace(STUDY, against="difference", timed=True))
    assert "0 of 2 figures inconclusive, 1 of either sign" in found.certainty


def test_a_layer_pays_from_the_rate_at_which_moves_repay_it() -> None:
    """a costs 100 ns more a lifetime and saves 400 ns a move: 0.25 moves. b costs nothing more: 0. c saves nothing: never."""
    study = replace(STUDY, designs=("base", "a", "b", "c"), saving=(Term("ns", "move"),), timed=True)
    points = [
        Point(None, "base", 0.0, 0.0, 0.0, 1000.0), Point(None, "a", 100.0, 80.0, 120.0, 600.0), Point(None, "b", -5.0, -9.0, -1.0, 900.0),
        Point(None, "c", 50.0, 40.0, 60.0, 1000.0),
    ]  # fmt: skip
    found = judged(points, Rule("pays off", "moves", digits=2), study)
    assert found.answer == "c never, a from 0.25 [0.20, 0.30] moves, b always"
    assert [row["cheaper"] for row in found.table] == ["from 0.25 [0.20, 0.30]", "always", "never"]


@pytest.mark.parametrize(
    ("extra", "saved", "said"),
    [
        ((-5.0, -5.0, -5.0), (-1.0, -1.0, -1.0), "below 5.00 moves"),  # 5 less a lifetime, 1 more a move: even at 5 moves
        ((-5.0, -9.0, -1.0), (-1.0, -2.0, -0.5), "below 5.00 [0.50, 18.00] moves"),  # 1 / 2 at the least, 9 / 0.5 at the most
        ((5.0, 4.0, 6.0), (-1.0, -1.0, -1.0), "never"),
        ((5.0, 4.0, 6.0), (0.0, 0.0, 0.0), "never"),
        ((-5.0, -6.0, -4.0), (0.0, 0.0, 0.0), "always"),
        ((-5.0, -6.0, -4.0), (1.0, 1.0, 1.0), "always"),
        ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "always"),  # even without a move, cheaper with any
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), "the same"),
        ((0.0, 0.0, 0.0), (-1.0, -1.0, -1.0), "never"),
        ((6.0, 4.0, 8.0), (2.0, 1.0, 4.0), "from 3.00 [1.00, 8.00] moves"),
        ((6.0, 4.0, 8.0), (2.0, -1.0, 4.0), "undecided"),  # a move may cost more
        ((-6.0, -8.0, -4.0), (0.0, -1.0, 1.0), "undecided"),
        ((-1.0, -3.0, 2.0), (4.0, 2.0, 5.0), "from at most 1.00 moves"),  # 2 more at the most, 2 saved at the least
        ((-1.0, -3.0, 2.0), (-4.0, -5.0, -2.0), "undecided"),
        ((6.0, 4.0, 8.0), (2.0, 0.0, 4.0), "from 3.00 [1.00, never] moves"),
    ],
)
def test_rates_at_which_a_design_is_cheaper(extra: tuple[float, ...], saved: tuple[float, ...], said: str) -> None:
    """Costs of a lifetime less the rate times what a move saves: where that is below zero."""
    assert paying.pays(paying.Span(*extra), paying.Span(*saved)).said(Rule("pays off", digits=2), " moves") == said


def test_a_study_with_rivals_has_an_outcome_for_each_and_each_unit() -> None:
    """Lines: 6 more, 2 saved a move against r, 6 against s: 3 moves, 1 move. ns: 5 less, 1 more a move against r: below 5; against s, 6
    less a move: always."""
    study = replace(STUDY, designs=("r", "s", "a"), saving=(Term("*", "move"),), rivals={"first": "r", "second": "s"}, by=("lines", "ns"))
    points = [
        Point("first, lines", "r", 0.0, saving=12.0), Point("first, lines", "a", 6.0, saving=10.0),
        Point("first, ns", "r", 0.0, saving=3.0), Point("first, ns", "a", -5.0, saving=4.0),
        Point("second, lines", "s", 0.0, saving=16.0), Point("second, lines", "a", 6.0, saving=10.0),
        Point("second, ns", "s", 0.0, saving=10.0), Point("second, ns", "a", -5.0, saving=4.0),
    ]  # fmt: skip
    found = judged(points, Rule("pays off", "moves", sentence="{all}."), study)
    assert found.answer == (
        "By time, first (r) is beaten by a below 5.0 moves, and second (s) is beaten by a always. "
        "By lines, first is beaten by a from 3.0 moves, and second is beaten by a from 1.0 moves."
    )
    assert found.line == "By time, first is beaten by a below 5.0, second is beaten by a always moves."
    assert [(row["against"], row["in"], row["design"], row["cheaper"]) for row in found.table] == [
        ("first", "lines", "a", "from 3.0"), ("first", "ns", "a", "below 5.0"),
        ("second", "lines", "a", "from 1.0"), ("second", "ns", "a", "always"),
    ]  # fmt: skip
    assert found.table[0] == {"against": "first", "in": "lines", "design": "a", "more": "+6.0", "saves": "+2.0", "cheaper": "from 3.0"}
    assert found.caption == "more: lines or ns a swap-out and return, without a move; saves: lines or ns a move; cheaper: at moves"


def test_a_rate_beyond_the_runs_is_extrapolated() -> None:
    """100 ns more a lifetime, 50 saved a move: 2 moves, where the run had 0.43. 10 more: 0.2 moves, which it had. c saves nothing."""
    study = replace(STUDY, designs=("r", "a", "b", "c"), saving=(Term("*", "move"),), rivals={"reswap": "r"}, by=("ns",), timed=True)
    points = [Point("reswap, ns", "r", 0.0, saving=500.0), Point("reswap, ns", "a", 100.0, saving=450.0),
              Point("reswap, ns", "b", 10.0, saving=450.0), Point("reswap, ns", "c", 10.0, saving=500.0)]  # fmt: skip
    question = Question("Q0", "?", (), "", "", "", study, Rule("pays off", "moves a return", sentence="{all}."), "0")
    assert verdicts.judge(question, Measured(tuple(points), "0", None, 0.43)).answer == (
        "By time, reswap (r) is beaten by b from 0.2 and a from 2.0 moves a return (never: c). "
        "0.43 moves a return were delivered in the runs, rates beyond that are extrapolated: a against reswap."
    )
    assert "in the runs, no rate lies beyond." in verdicts.judge(question, Measured(tuple(points), "0", None, 3.0)).answer


def test_a_figure_that_is_not_there_is_unknown() -> None:
    study = replace(STUDY, designs=("base", "a"), saving=(Term("ns", "move"),))
    found = judged([Point(None, "base", 0.0, saving=1.0), Point(None, "a", None, status="no such figure")], Rule("pays off"), study)
    assert (found.status, found.answer) == ("inconclusive", "a unknown (no such figure)")


def test_a_cost_that_may_be_a_saving_decides_nothing() -> None:
    """0.5 ns less, from 9 less to 4 more, and nothing saved a move: it may pay from 0 on, or never."""
    study = replace(STUDY, designs=("base", "a"), saving=(Term("ns", "move"),), timed=True)
    points = [Point(None, "base", 0.0, 0.0, 0.0, 100.0), Point(None, "a", -0.5, -9.0, 4.0, 100.0)]
    found = judged(points, Rule("pays off", "moves"), study)
    assert (found.status, found.answer) == ("inconclusive", "a undecided")
    assert "1 of 1 figures inconclusive" in found.certainty


def test_curves_cross_between_two_points() -> None:
    study = replace(STUDY, axis="fill", values=(0.0, 1.0, 2.0))
    base = [Point(x, "base", 10.0) for x in (0.0, 1.0, 2.0)]
    a = [Point(x, "a", y) for x, y in ((0.0, 4.0), (1.0, 8.0), (2.0, 12.0))]
    b = [Point(x, "b", 11.0) for x in (0.0, 1.0, 2.0)]
    found = judged(base + a + b, Rule("crossing", "fill"), study)
    assert found.answer == "b nowhere (dearer throughout), a 1.5 fill (cheaper below)"
    twice = [Point(x, "a", y) for x, y in ((0.0, 8.0), (1.0, 12.0), (2.0, 8.0))]
    level = [Point(x, "b", 10.0 + y) for x, y in ((0.0, 0.0), (1.0, 0.0), (2.0, 1.0))]
    found = judged(base + twice + level, Rule("crossing", "fill"), study)
    assert found.answer == "b nowhere (dearer throughout), a 0.5 and 1.5 fill (cheaper below the first)"
    assert judged(base + [replace(p, design="a") for p in base], Rule("crossing"), replace(study, designs=("base", "a"))).answer == (
        "a nowhere (equal throughout)"
    )


def test_a_curve_says_both_ends() -> None:
    study = replace(STUDY, axis="x", values=(1, 2))
    points = [
        Point(x, d, v) for x, d, v in ((1, "base", 1.0), (2, "base", 2.0), (1, "a", 3.0), (2, "a", 9.0), (1, "b", 4.0), (2, "b", 5.0))
    ]
    assert (
        judged(points, Rule("curve", "B", sentence="from {first} to {last}: {all}"), study).answer
        == "from 1 to 2: a 3.0 to 9.0, b 4.0 to 5.0 B"
    )


def test_a_curve_says_its_peak_and_its_dip() -> None:
    """Both ends of a are 3, and it is 9 between them; b falls to 1.04, which is written as its end is."""
    study = replace(STUDY, axis="x", values=(1, 2, 3))
    curves = {"base": (1.0, 1.0, 1.0), "a": (3.0, 9.0, 3.0), "b": (4.0, 1.04, 1.0)}
    points = [Point(x, design, value) for design, values in curves.items() for x, value in enumerate(values, 1)]
    assert judged(points, Rule("curve"), study).answer == "a 3.0 to 3.0 (up to 9.0 at 2), b 4.0 to 1.0"
    points[7] = Point(2, "b", 0.5)
    assert judged(points, Rule("curve"), study).answer.endswith("b 4.0 to 1.0 (down to 0.5 at 2)")
