"""The rule ``pays off``: the number of events in a lifetime at which a design is cheaper than another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dse.asking.agreeing import grouped
from dse.asking.points import Point
from dse.asking.saying import Said, written
from dse.asking.studies import Rule, Study
from dse.naming import shortened

ALWAYS, NEVER, SAME, UNDECIDED, UNKNOWN = "always", "never", "the same", "undecided", "unknown"
WHOLE = 1000.0
"""Figures of the table from here on have no digit behind the point."""
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


class Outcome(NamedTuple):
    """Outcome of a design against another one: in all states of the caches together, what is said against it, and each state's own."""

    joint: Pays
    noted: str
    by_state: dict[str, Pays]

    @property
    def doubtful(self) -> bool:
        """True if it decides nothing."""
        return self.joint.word in (UNDECIDED, UNKNOWN) or bool(self.noted)

    @property
    def wins(self) -> bool:
        """True if it is cheaper at some rate."""
        return self.joint.word not in (NEVER, UNDECIDED, UNKNOWN)

    def beyond(self, delivered: float) -> bool:
        """True if it has a rate, in any state of the caches, above the one that was `delivered`."""
        rates = [one.rate for one in (self.joint, *self.by_state.values()) if one.rate is not None]
        return self.joint.rate is not None and max(rates) > delivered

    def said(self, rule: Rule, unit: str = "") -> str:
        """Write it out, with the rates of other states of the caches behind it."""
        others = [(state, one) for state, one in list(self.by_state.items())[1:] if one.rate is not None]
        more = "".join(f", {state} {written(one.rate, rule)}" for state, one in others) if self.joint.rate is not None else ""
        return self.joint.said(rule, unit) + more.replace("inf", NEVER) + self.noted


_BEGIN = {"ns": "By time, ", "": ""}
Outcomes = dict[str, dict[str, Outcome]]
"""Outcomes by what they are against, then by design."""


def pays_off(study: Study, rule: Rule, points: Sequence[Point], delivered: float | None = None) -> Said:
    """Events a lifetime at which each design is cheaper than the baseline, or than each rival by each unit.

    Parameters
    ----------
    study, rule, points
        What was measured.
    delivered : float, optional
        Events a lifetime that there were in the run. A rate beyond that is extrapolated.
    """
    last = study.values[-1] if study.values else None
    places = list(dict.fromkeys(p.at for p in points)) if study.rivals else [last]
    groups = grouped(study, points)
    found: Outcomes = {}
    table = []
    for at in places:
        against = study.rivals.get(str(at).partition(",")[0], study.designs[0])
        here = {design: group for (place, design), group in groups.items() if place == at}
        for design, group in here.items():
            if design == against:
                continue
            one = found.setdefault(str(at), {})[design] = _outcome(group, here[against])
            for p, base in zip(group, here[against], strict=False):
                where = ", ".join(part for part in (str(at) * bool(study.rivals), p.state if p is not group[0] else "") if part)
                own = one.by_state[p.state] if len(group) > 1 else one.joint
                table.append(_row(where, p, base, own.said(rule, "") + one.noted))
    unit = f" {rule.unit}" if rule.unit else ""
    figures = {design: one.said(rule, unit) for group in found.values() for design, one in group.items()}
    every = [one for group in found.values() for one in group.values()]
    doubtful = sum(one.doubtful for one in every)
    first = found[str(places[0])]
    order = (*sorted(first, key=lambda design: _rank(first[design].joint)), study.designs[0])
    parts = _text(study, rule, found, delivered) if study.rivals else [""]
    status = "inconclusive" if doubtful and doubtful == len(every) else "number"
    states = list(dict.fromkeys(p.state for p in points if p.state))
    return Said(
        status, figures | {study.designs[0]: "0"}, order, doubtful, len(every), " ".join(parts).removesuffix("."), tuple(table),
        line=_line(study, rule, found) if study.rivals else "", caption=_caption(study, rule, states),
    )  # fmt: skip


def _caption(study: Study, rule: Rule, states: Sequence[str]) -> str:
    """Units of the columns."""
    event = study.saving[0].op or "event"
    unit = " or ".join(study.by) or study.unit or study.saving[0].metric
    text = f"more: {unit} a swap-out and return, without a {event}; saves: {unit} a {event}; cheaper: at {rule.unit or 'events'}"
    return text + (f"; times without a state of the caches: {states[0]}" if states[1:] else "")


def _outcome(group: Sequence[Point], bases: Sequence[Point]) -> Outcome:
    """Join the outcomes in several states of the caches: it holds only if all are alike."""
    by_state = {p.state: _judged(p, base) for p, base in zip(group, bases, strict=False)}
    ones = list(by_state.values())
    bad = [p for p in group if p.status != "ok"]
    noted = f" ({bad[0].status})" if bad else ""
    words = {one.word for one in ones}
    if len(ones) < len(group) or UNKNOWN in words:
        return Outcome(Pays(UNKNOWN), noted, by_state)
    if bad:
        return Outcome(Pays(UNDECIDED), noted, by_state)
    if words == {FROM, LATEST}:
        return Outcome(Pays(LATEST, max(one.hi or one.rate or 0.0 for one in ones)), "", dict(list(by_state.items())[:1]))
    return Outcome(ones[0] if len(words) == 1 else Pays(UNDECIDED), "", by_state)


def _judged(p: Point, base: Point) -> Pays:
    """Outcome of a point."""
    if p.value is None or p.saving is None or base.saving is None:
        return Pays(UNKNOWN)
    extra = Span(p.value, *((p.value if x is None else x) for x in (p.lo, p.hi)))
    cost = [p.saving if x is None else x for x in (p.saving, p.saving_hi, p.saving_lo)]
    return pays(extra, Span(*(base.saving - x for x in cost)))


def _rank(one: Pays) -> tuple[int, float]:
    """Order outcomes, worst first."""
    rate = one.rate or 0.0
    return WORST.index(one.word), rate if one.word == BELOW else -rate


def _row(at: str, p: Point, base: Point, said: str) -> dict[str, str]:
    """Row of the answer's table."""
    saved = None if p.saving is None or base.saving is None else base.saving - p.saving
    more, saves = ("-" if x is None else f"{x:+,.0f}" if abs(x) >= WHOLE else f"{x:+,.1f}" for x in (p.value, saved))
    against, _, unit = at.partition(", ")
    where = {"against": against} if against else {}
    return where | ({"in": unit} if unit else {}) | {"design": shortened(p.design), "more": more, "saves": saves, "cheaper": said}


def _text(study: Study, rule: Rule, found: Outcomes, delivered: float | None) -> list[str]:
    """Sentences of a study with rivals: the verdict by time, what of it is extrapolated, and by the other units."""
    units = sorted(study.by, key=lambda by: by != "ns") or [""]
    told = {by: [(word, found[f"{word}, {by}" if by else word]) for word in study.rivals] for by in units}
    named = dict(study.rivals)
    out = [_by(rule, told[units[0]], units[0], named)]
    if delivered is not None:
        out.append(_beyond(rule, told[units[0]], delivered))
    return [*out, *(_by(rule, told[by], by, {}) for by in units[1:])]


def _by(rule: Rule, groups: Sequence[tuple[str, Mapping[str, Outcome]]], by: str, named: Mapping[str, str]) -> str:
    """Sentence on all rivals by one unit; their designs are `named` the first time."""
    parts = []
    for word, group in groups:
        ordered = _best(group)
        beaten = [d for d in ordered if group[d].wins]
        text = f"{word} ({named[word]})" if word in named else word
        text += " is beaten by " + (" and ".join(f"{shortened(d)} {group[d].said(rule)}" for d in beaten) or "no layer")
        text += f" {rule.unit}" * any(group[d].joint.rate is not None for d in beaten)
        rest = {kind: [shortened(d) for d in ordered if group[d].joint.word == kind] for kind in (NEVER, UNDECIDED, UNKNOWN)}
        left = [f"{kind}: {', '.join(names)}" for kind, names in rest.items() if names]
        parts.append(text + (f" ({'; '.join(left)})" if left else ""))
    begin = _BEGIN.get(by, f"By {by}, ")
    text = begin + ", and ".join(parts) + "."
    return text if begin else text[:1].upper() + text[1:]


def _line(study: Study, rule: Rule, found: Outcomes) -> str:
    """The verdict by time in one line: what beats each rival, and from which rate on."""
    by = "ns" if "ns" in study.by else next(iter(study.by), "")
    parts, rated = [], False
    for word in study.rivals:
        group = found[f"{word}, {by}" if by else word]
        beaten = [d for d in _best(group) if group[d].wins]
        parts.append(
            f"{word} is beaten by {' and '.join(f'{shortened(d)} {group[d].joint.said(rule, str())}' for d in beaten) or 'no layer'}"
        )
        rated = rated or any(group[d].joint.rate is not None for d in beaten)
    return f"{_BEGIN.get(by, f'By {by}, ')}{', '.join(parts)}{f' {rule.unit}' * (rated and bool(rule.unit))}"


def _best(group: Mapping[str, Outcome]) -> list[str]:
    """Designs, the best first."""
    return sorted(group, key=lambda design: _rank(group[design].joint), reverse=True)


def _beyond(rule: Rule, groups: Sequence[tuple[str, Mapping[str, Outcome]]], delivered: float) -> str:
    """Say at which rate the run was, and which rates lie beyond it."""
    begin = f"{delivered:.2f} {rule.unit or 'events'} were delivered in the runs"
    beyond = []
    for word, group in groups:
        names = [shortened(design) for design, one in group.items() if one.beyond(delivered)]
        beyond += [f"{', '.join(names)} against {word}"] if names else []
    return f"{begin}, rates beyond that are extrapolated: {'; '.join(beyond)}." if beyond else f"{begin}, no rate lies beyond."
