"""Verdicts: what the points of a study say, how sure, and what would change it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dse.asking.agreeing import grouped, told
from dse.asking.paying import pays_off
from dse.asking.points import NOISE, Measured, Point
from dse.asking.saying import Said, written
from dse.asking.sharing import share
from dse.asking.studies import MORE, STATE, TAX, Question, Rule, Study, middle, relative_to_base
from dse.naming import shortened

OF_EVENTS = ("pays off", "crossing", "share")
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
    line : str
        The answer in one line.
    caption : str
        Units of the table.
    open, asked : int
        Figures that decide nothing, and all of them.
    """

    status: str
    answer: str
    certainty: str
    table: tuple[dict[str, str], ...] = ()
    line: str = ""
    caption: str = ""
    open: int = 0
    asked: int = 0


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
    if rule.kind == "pays off":
        said = pays_off(study, rule, found.points, found.delivered)
    else:
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
    between = ", ..., " if len(asked) > 2 else ", "
    ends_of = between.join(f"{shortened(d)} {_bare(said.figures[d])}" for d in dict.fromkeys((asked[0], asked[-1])))
    least = words | {"all": _bare(said.line).removesuffix(".") or ends_of + unit}
    sentences = [rule.sentence.format_map(words), said.limits]
    line = said.limits or re.split(r"(?<=[.]) ", rule.sentence.format_map(least))[0]
    return Verdict(
        said.status, " ".join(filter(None, sentences)), _certainty(study, rule, said, found), said.table, line, said.caption, said.open,
        said.asked,
    )  # fmt: skip


def _bare(figure: str) -> str:
    """A figure without its interval."""
    return re.sub(r" \[[^][]*\]", "", figure)


def _certainty(study: Study, rule: Rule, said: Said, found: Measured) -> str:
    """Say how sure a verdict is."""
    points = _last(study, found.points)
    if study.source == "predict":
        text = (
            "Modelled: traced operations in a simulation with queued locks, costs of lines and transfers from tables (docs/scaling.md). "
            "It is the same on every machine, and no better than those costs."
        )
    elif not study.timed:
        text = "Counted: exact, the same on every machine."
    else:
        text = f"Measured here, 95 % intervals: {said.open} of {said.asked} figures inconclusive"
        doubt = {p.design: p.why for p in (found.points if study.rivals else points.values()) if p.why}
        text += f" ({'; '.join(f'{shortened(design)}: {why}' for design, why in doubt.items())})" if doubt else ""
        either = sum(p.lo is not None and p.hi is not None and p.lo < 0.0 < p.hi for p in points.values())
        text += f", {either} of either sign" if either and rule.kind == "number" else ""
        text += f"; a design against itself {found.noise[0]:.2f}..{found.noise[1]:.2f} (A/A)." if found.noise else "."
        text += _states(study, found.points)
    if study.saving and not study.rivals and found.delivered:
        text += f" {found.delivered:.2f} moves a page that went out were delivered."
    return " ".join(filter(None, (text, said.note, rule.changes)))


def _states(study: Study, points: Sequence[Point]) -> str:
    """Say that there are two states of the caches, and what that asks of a finding."""
    states = list(dict.fromkeys(str(p.at) if study.axis == STATE else p.state for p in points if p.state or study.axis == STATE))
    first = states[-1:] if study.axis == STATE else states[:1]
    return (
        f" A finding holds only where all states of the caches agree ({', '.join(states)}); the figures told are of {first[0]}."
        if states[1:]
        else ""
    )


def _last(study: Study, points: Sequence[Point]) -> dict[str, Point]:
    """Points at the last value of the axis, by design."""
    at = study.values[-1] if study.values else None
    return {point.design: point for point in told(study, points) if point.at == at}


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
    at = middle(study)
    figures = {d: written(p.value, rule, p.lo, p.hi, signed, at) + ("" if p.status == "ok" else f" ({p.status})") for d, p in here.items()}
    return Said("inconclusive" if doubtful and doubtful == asked else "number", figures, _ordered(here), doubtful, asked)


Holds = Callable[[float, float], bool]
"""Test of an interval."""


def _limited(study: Study, rule: Rule, points: Sequence[Point], holds: Holds, fails: Holds, limit: str) -> Said:
    """Yes if `holds` (low, high) of every design in every state of the caches, no if one `fails`, else inconclusive."""
    said = number(study, rule, points)
    last = study.values[-1] if study.values and study.axis != STATE else None
    states = {}
    for (at, design), group in grouped(study, points).items():
        if at == last and not (design == study.designs[0] and relative_to_base(study)):
            words = {_side(p, holds, fails) for p in group}
            states[design] = words.pop() if len(words) == 1 else "open"
    status = "no" if "no" in states.values() else "inconclusive" if "open" in states.values() else "yes"
    by = {"yes": "kept by", "no": "not by", "open": "not settled for"}
    parts = [f"{words} {', '.join(d for d in states if states[d] == word)}" for word, words in by.items() if word in states.values()]
    limits = f"Limit: {limit}{f' {rule.unit}' if rule.unit else ''}; {'; '.join(parts)}."
    return replace(said, status=status, open=list(states.values()).count("open"), asked=len(states), limits=limits)


def _side(p: Point, holds: Holds, fails: Holds) -> str:
    """Side of the limit that a figure lies on with its whole interval."""
    lo, hi = (p.value if x is None else x for x in (p.lo, p.hi))
    if lo is None or hi is None or p.status not in ("ok", NOISE):
        return "open"
    return "yes" if holds(lo, hi) else "no" if fails(lo, hi) else "open"


def at_most(study: Study, rule: Rule, points: Sequence[Point]) -> Said:
    """Yes if every design's figure is at most the limit."""
    return _limited(study, rule, points, lambda _, hi: hi <= rule.limit, lambda lo, _: lo > rule.limit, f"at most {rule.limit:g}")


def at_least(study: Study, rule: Rule, points: Sequence[Point]) -> Said:
    """Yes if every design's figure is at least the limit."""
    return _limited(study, rule, points, lambda lo, _: lo >= rule.limit, lambda _, hi: hi < rule.limit, f"at least {rule.limit:g}")


def same(study: Study, rule: Rule, points: Sequence[Point]) -> Said:
    """Yes if every design's figure equals the baseline's: 0 apart as a difference, 1 as a ratio, up to the limit."""
    low, high = middle(study) - rule.limit, middle(study) + rule.limit
    limit = f"at most {rule.limit:g} apart" if rule.limit else "no difference in"
    return _limited(study, rule, points, lambda lo, hi: low <= lo and hi <= high, lambda lo, hi: lo > high or hi < low, limit)


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
    """Values of the axis at which a design becomes dearer than the baseline, or cheaper. States of the caches must agree on the way."""
    base = study.designs[0]
    states = list(dict.fromkeys(p.state for p in points))
    figures, key = {}, {}
    for design in study.designs[1:]:
        ways = [_way(rule, [p for p in points if p.state == state], design, base) for state in states]
        figures[design] = ways[0][0] + (" (inconclusive)" if len({way[2] for way in ways}) > 1 else "")
        key[design] = ways[0][1]
    order = (*sorted(key, key=lambda d: -key[d]), base)
    doubtful = sum(figure == "unknown" or figure.endswith("(inconclusive)") for figure in figures.values())
    return Said("inconclusive" if doubtful and doubtful == len(figures) else "number", figures | {base: "-"}, order, doubtful, len(figures))


def _way(rule: Rule, points: Sequence[Point], design: str, base: str) -> tuple[str, float, tuple[int, ...]]:
    """Crossings of a design with the baseline in words, the first of them, and its sides in turn."""
    under = {p.at: p.value for p in points if p.design == base}
    mine = []
    for p in points:
        below = under.get(p.at)
        if p.design == design and p.value is not None and below is not None:
            mine.append((float(p.at), p.value - below))
    xs, ys = [x for x, _ in mine], [y for _, y in mine]
    at, signs = crossings(xs, ys), [1 if y > 0 else -1 for y in ys if y]
    turns = tuple(key for key, _ in itertools.groupby(signs))
    if not xs:
        return "unknown", float("inf"), ()
    if not at:
        said = "equal" if not signs else "cheaper" if signs[0] < 0 else "dearer"
        return f"nowhere ({said} throughout)", float("inf"), turns
    places = " and ".join(written(x, rule) for x in at)
    return f"{places} {rule.unit} ({'cheaper' if signs[0] < 0 else 'dearer'} below{' the first' * (len(at) > 1)})", at[0], turns


def curve(study: Study, rule: Rule, points: Sequence[Point]) -> Said:
    """The figures at both ends of the axis, and the peak or the dip between them."""
    last = _last(study, points)
    figures, points = {}, told(study, points)
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
    "number": number, "at most": at_most, "at least": at_least, "same": same, "share": share, "crossing": crossing, "curve": curve,
}  # fmt: skip
