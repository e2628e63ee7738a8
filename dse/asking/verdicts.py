"""Verdicts: what the points of a study say, how sure, and what would change it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dse.asking.declaring import TAX, Question, Rule, Study
from dse.asking.measuring import MORE, Measured, Point
from dse.asking.paying import pays_off
from dse.asking.saying import Said, written
from dse.naming import shortened

OF_EVENTS = ("pays off", "crossing")
"""Rules whose figures carry their unit one by one, as some figures are words."""


@dataclass(frozen=True)
class Verdict:
    """The answer to a question.

    Attributes
    ----------
    status : str
        ``yes``, ``no``, ``number``, ``curve``, ``inconclusive``.
    answer : str
        One sentence or two.
    certainty : str
        How sure it is, and what would change it.
    table : tuple of dict
        Rows of its table, where they are not the points themselves.
    """

    status: str
    answer: str
    certainty: str
    table: tuple[dict[str, str], ...] = ()


def judge(question: Question, found: Measured) -> Verdict:
    """Make the verdict.

    Parameters
    ----------
    question : Question
        With a study and a rule.
    found : Measured
        Its points.

    Returns
    -------
    Verdict
    """
    study, rule = question.study, question.rule
    if study is None or rule is None:
        raise ValueError(f"{question.id} has no study")
    said = RULE_OF[rule.kind](study, rule, found.points)
    base = study.designs[0]
    asked = [design for design in said.order if design != base] or list(said.order)
    unit = f" {rule.unit}" if rule.unit and rule.kind not in OF_EVENTS else ""
    ends = study.values or ("",)
    words = {
        "all": said.text or ", ".join(f"{design} {said.figures[design]}" for design in asked) + unit, "base": base,
        "base_value": said.figures.get(base, "-") + unit, "worst": asked[0], "best": asked[-1],
        "high": said.figures[asked[0]] + unit, "low": said.figures[asked[-1]] + unit, "first": ends[0], "last": ends[-1],
        "limit": f"{rule.limit:g}",
    }  # fmt: skip
    return Verdict(said.status, rule.sentence.format_map(_Known(words)), _certainty(study, rule, said, found), said.table)


class _Known(dict[str, Any]):
    """Fields of a sentence; an unknown one stays as it is written."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def _certainty(study: Study, rule: Rule, said: Said, found: Measured) -> str:
    """Say how sure a verdict is."""
    if not study.timed:
        text = "Counted: exact, the same on every machine."
    else:
        text = f"Measured here, 95 % intervals: {said.open} of {said.asked} figures inconclusive"
        doubt = [p for p in _last(study, found.points).values() if p.why] if not study.rivals else [p for p in found.points if p.why]
        text += f" ({shortened(doubt[0].design)}: {doubt[0].why})" if doubt else ""
        either = sum(p.lo is not None and p.hi is not None and p.lo < 0.0 < p.hi for p in _last(study, found.points).values())
        text += f", {either} of either sign" if either and rule.kind == "number" else ""
        text += f"; a design against itself {found.noise[0]:.2f}..{found.noise[1]:.2f} (A/A)." if found.noise else "."
    if study.saving and found.delivered:
        text += f" {found.delivered:.2f} moves a page that went out were delivered."
    return text + (f" {rule.changes}" if rule.changes else "")


def _last(study: Study, points: Sequence[Point]) -> dict[str, Point]:
    """Points at the last value of the axis, by design."""
    at = study.values[-1] if study.values else None
    return {point.design: point for point in points if point.at == at}


def _ordered(points: dict[str, Point]) -> tuple[str, ...]:
    """Designs, the largest value first. Those without one come last."""
    return tuple(sorted(points, key=lambda d: (points[d].value is None, -(points[d].value or 0.0))))


def _doubtful(study: Study, points: Sequence[Point]) -> tuple[int, int]:
    """Points that decide nothing, and all of them, without the baseline."""
    of = [p for p in points if p.design != study.designs[0]] or list(points)
    return sum(p.status != "ok" for p in of), len(of)


def number(study: Study, rule: Rule, points: Sequence[Point]) -> Said:
    """The figure of every design, at the last value of the axis."""
    here = _last(study, points)
    doubtful, asked = _doubtful(study, list(here.values()))
    signed = study.against == "difference" or any(t.metric == MORE or t.metric.startswith(TAX) for t in study.measure)
    figures = {d: written(p.value, rule, p.lo, p.hi, signed) + ("" if p.status == "ok" else f" ({p.status})") for d, p in here.items()}
    return Said("inconclusive" if doubtful and doubtful == asked else "number", figures, _ordered(here), doubtful, asked)


Holds = Callable[[float, float], bool]
"""Test of an interval."""


def _limited(study: Study, rule: Rule, points: Sequence[Point], holds: Holds, fails: Holds) -> Said:
    """Yes if `holds` (low, high) of every design, no if one `fails`, else inconclusive."""
    said = number(study, rule, points)
    states = []
    for p in _last(study, points).values():
        if p.design == study.designs[0] and study.against:
            continue
        lo, hi = (p.value if x is None else x for x in (p.lo, p.hi))
        if lo is None or hi is None:
            states.append("open")
        else:
            states.append("open" if p.status != "ok" else "yes" if holds(lo, hi) else "no" if fails(lo, hi) else "open")
    status = "no" if "no" in states else "inconclusive" if "open" in states else "yes"
    return Said(status, said.figures, said.order, states.count("open"), len(states))


def at_most(study: Study, rule: Rule, points: Sequence[Point]) -> Said:
    """Yes if every design's figure is at most the limit."""
    return _limited(study, rule, points, lambda _, hi: hi <= rule.limit, lambda lo, _: lo > rule.limit)


def at_least(study: Study, rule: Rule, points: Sequence[Point]) -> Said:
    """Yes if every design's figure is at least the limit."""
    return _limited(study, rule, points, lambda lo, _: lo >= rule.limit, lambda _, hi: hi < rule.limit)


def same(study: Study, rule: Rule, points: Sequence[Point]) -> Said:
    """Yes if every design's figure equals the baseline's: 0 apart as a difference, 1 as a ratio, up to the limit."""
    middle = 1.0 if study.against == "ratio" or any(t.metric == "ratio" for t in study.measure) else 0.0
    low, high = middle - rule.limit, middle + rule.limit
    return _limited(study, rule, points, lambda lo, hi: low <= lo and hi <= high, lambda lo, hi: lo > high or hi < low)


def crossings(xs: Sequence[float], ys: Sequence[float]) -> list[float]:
    """Changes of sign of a curve through points, by linear interpolation. Touching zero is no change.

    Examples
    --------
    >>> crossings([0.0, 1.0, 2.0], [-1.0, 1.0, 3.0]), crossings([0.0, 1.0], [1.0, 2.0]), crossings([0.0, 1.0, 2.0], [0.0, 1.0, -1.0])
    ([0.5], [], [1.5])
    >>> crossings([0.0, 1.0, 2.0, 3.0], [-1.0, 0.0, 0.0, 1.0]), crossings([0.0, 1.0, 2.0], [1.0, 0.0, 1.0])
    ([1.5], [])
    """
    out = []
    known = [(x, y) for x, y in zip(xs, ys, strict=True) if y]
    for (x0, y0), (x1, y1) in itertools.pairwise(known):
        if (y0 < 0.0) == (y1 < 0.0):
            continue
        level = [x for x, y in zip(xs, ys, strict=True) if x0 < x < x1 and y == 0.0]
        out.append((level[0] + level[-1]) / 2 if level else x0 + (x1 - x0) * y0 / (y0 - y1))
    return out


def crossing(study: Study, rule: Rule, points: Sequence[Point]) -> Said:
    """Values of the axis at which a design becomes dearer than the baseline, or cheaper."""
    base = study.designs[0]
    under = {p.at: p.value for p in points if p.design == base}
    figures, key = {}, {}
    for design in study.designs[1:]:
        mine = []
        for p in points:
            below = under.get(p.at)
            if p.design == design and p.value is not None and below is not None:
                mine.append((float(p.at), p.value - below))
        xs, ys = [x for x, _ in mine], [y for _, y in mine]
        at = crossings(xs, ys)
        signs = [y for y in ys if y]
        if not xs:
            figures[design] = "unknown"
        elif at:
            places = " and ".join(written(x, rule) for x in at)
            figures[design] = f"{places} {rule.unit} ({'cheaper' if signs[0] < 0 else 'dearer'} below{' the first' * (len(at) > 1)})"
        else:
            figures[design] = f"nowhere ({'equal' if not signs else 'cheaper' if signs[0] < 0 else 'dearer'} throughout)"
        key[design] = at[0] if at else float("inf")
    order = (*sorted(key, key=lambda d: -key[d]), base)
    return Said("number", figures | {base: "-"}, order, sum(f == "unknown" for f in figures.values()), len(figures))


def curve(study: Study, rule: Rule, points: Sequence[Point]) -> Said:
    """The figures at both ends of the axis, and the peak or the dip between them."""
    last = _last(study, points)
    figures = {}
    for design in last:
        mine = [(p.at, p.value) for p in points if p.design == design]
        known = [(at, value) for at, value in mine if value is not None]
        ends = [value for at, value in mine if at in (study.values[0], study.values[-1])]
        figures[design] = " to ".join(written(value, rule) for value in ends)
        within = [value for value in ends if value is not None]
        for word, best in (("up to", max), ("down to", min)):
            at, value = best(known, key=lambda item: item[1], default=(None, None))
            if value is not None and within and written(best(*within, value), rule) != written(best(within), rule):
                figures[design] += f" ({word} {written(value, rule)} at {at})"
    doubtful, asked = _doubtful(study, points)
    return Said("curve", figures, _ordered(last), doubtful, asked)


RULE_OF: dict[str, Callable[[Study, Rule, Sequence[Point]], Said]] = {
    "number": number, "at most": at_most, "at least": at_least, "same": same, "pays off": pays_off, "crossing": crossing, "curve": curve,
}  # fmt: skip
