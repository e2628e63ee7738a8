"""The rule ``pays off``: the number of events in a lifetime at which a design is cheaper than another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dse.asking.declaring import Rule, Study
from dse.asking.measuring import Point
from dse.asking.saying import Said, written
from dse.naming import shortened

ALWAYS, NEVER, SAME, UNDECIDED, UNKNOWN = "always", "never", "the same", "undecided", "unknown"
FROM, BELOW, LATEST = "from", "below", "from at most"
WORST = (UNKNOWN, NEVER, UNDECIDED, BELOW, FROM, LATEST, SAME, ALWAYS)
"""Outcomes, worst for the design first; those with a rate by that."""


class Span(NamedTuple):
    """A figure with its interval, which is one point where the figure is exact."""

    value: float
    lo: float
    hi: float

    @property
    def sign(self) -> int | None:
        """1, 0 or -1; None where the interval holds both signs."""
        if self.lo == self.hi == 0.0:
            return 0
        return 1 if self.lo >= 0.0 else -1 if self.hi <= 0.0 else None


class Pays(NamedTuple):
    """Rates at which a design is cheaper: a word, and the rate with its interval where the word needs one."""

    word: str
    rate: float | None = None
    lo: float | None = None
    hi: float | None = None

    def said(self, rule: Rule, unit: str) -> str:
        """Write it out."""
        if self.rate is None:
            return self.word
        return f"{self.word} {written(self.rate, rule, self.lo, self.hi)}{unit}".replace("inf", NEVER)


def pays(extra: Span, saved: Span) -> Pays:
    """Rates of events at which ``extra - rate * saved`` is below zero.

    Parameters
    ----------
    extra : Span
        What a design costs more in a lifetime, without events.
    saved : Span
        What it saves in one event.

    Returns
    -------
    Pays

    Examples
    --------
    A cost of 100 and a saving of 50 an event pay from 2 events on. A design that costs 5 less and loses 1 an event is cheaper below 5.

    >>> pays(Span(100.0, 100.0, 100.0), Span(50.0, 50.0, 50.0))
    Pays(word='from', rate=2.0, lo=2.0, hi=2.0)
    >>> pays(Span(-5.0, -9.0, -1.0), Span(-1.0, -2.0, -0.5))
    Pays(word='below', rate=5.0, lo=0.5, hi=18.0)
    """
    more, less = extra.sign, saved.sign
    if more is None:
        return Pays(LATEST, extra.hi / saved.lo) if less == 1 and saved.lo > 0.0 else Pays(UNDECIDED)
    if less is None:
        return Pays(UNDECIDED)
    if more == less == 1:
        return Pays(FROM, _over(extra.value, saved.value), _over(extra.lo, saved.hi), _over(extra.hi, saved.lo))
    if more == 1:
        return Pays(NEVER)
    if less == -1:
        if more == 0:
            return Pays(NEVER)
        return Pays(BELOW, _over(-extra.value, -saved.value), _over(-extra.hi, -saved.lo), _over(-extra.lo, -saved.hi))
    return Pays(SAME) if more == less == 0 else Pays(ALWAYS)


def _over(cost: float, saved: float) -> float:
    """Rate that pays a cost back."""
    return cost / saved if saved > 0.0 else float("inf")


def pays_off(study: Study, rule: Rule, points: Sequence[Point]) -> Said:
    """Events a lifetime at which each design is cheaper than the baseline, or than each rival by each unit."""
    last = study.values[-1] if study.values else None
    groups = list(dict.fromkeys(p.at for p in points)) if study.rivals else [last]
    found: dict[str, dict[str, Pays]] = {}
    figures: dict[str, str] = {}
    doubtful, table, unit = 0, [], f" {rule.unit}" if rule.unit else ""
    for at in groups:
        here = {p.design: p for p in points if p.at == at}
        against = study.rivals.get(str(at).partition(",")[0], study.designs[0])
        base = here[against]
        for design, p in here.items():
            if design == against:
                continue
            one, noted = _judged(p, base)
            doubtful += one.word in (UNDECIDED, UNKNOWN) or bool(noted)
            found.setdefault(str(at), {})[design] = one
            figures[design] = one.said(rule, unit) + noted
            table.append(_row(str(at) if study.rivals else "", p, base, one.said(rule, "") + noted))
    asked = sum(map(len, found.values()))
    status = "inconclusive" if doubtful and doubtful == asked else "number"
    first = found[str(groups[0])]
    order = (*sorted(first, key=lambda design: _rank(first[design])), study.designs[0])
    text = ""
    if study.rivals:
        parts = (f"against {at.replace(', ', ' by ')}: " + ", ".join(f"{shortened(d)} {one.said(rule, '')}" for d, one in group.items())
                 for at, group in found.items())  # fmt: skip
        text = "; ".join(parts) + unit
    return Said(status, figures | {study.designs[0]: "0"}, order, doubtful, asked, text, tuple(table))


def _judged(p: Point, base: Point) -> tuple[Pays, str]:
    """Outcome of a point, and what its status says against it."""
    noted = "" if p.status == "ok" else f" ({p.status})"
    if p.value is None or p.saving is None or base.saving is None:
        return Pays(UNKNOWN), noted
    extra = Span(p.value, *((p.value if x is None else x) for x in (p.lo, p.hi)))
    cost = [p.saving if x is None else x for x in (p.saving, p.saving_hi, p.saving_lo)]
    return pays(extra, Span(*(base.saving - x for x in cost))), noted


def _rank(one: Pays) -> tuple[int, float]:
    """Order outcomes, worst first."""
    rate = one.rate or 0.0
    return WORST.index(one.word), rate if one.word == BELOW else -rate


def _row(at: str, p: Point, base: Point, said: str) -> dict[str, str]:
    """Row of the answer's table."""
    saved = "-" if p.saving is None or base.saving is None else f"{base.saving - p.saving:+,.1f}"
    more = "-" if p.value is None else f"{p.value:+,.1f}"
    return ({"against": at} if at else {}) | {"design": shortened(p.design), "more": more, "saves": saved, "cheaper": said}
