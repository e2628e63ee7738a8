"""The points of a study: the measure of every design at every value of the axis."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dse import naming
from dse.asking.agreeing import agreed
from dse.asking.casing import cases, chosen
from dse.asking.points import NOISE, Measured, Point
from dse.asking.studies import MORE, RATIO, STATE, TAX, Study, Term
from dse.errors import BadInput, unknown
from dse.measuring.figures import Figures
from dse.storing import Figure


def measure(study: Study) -> Measured:
    """Run a study.

    Parameters
    ----------
    study : Study

    Returns
    -------
    Measured

    Raises
    ------
    BadInput
        A scenario that does not go together, or a measure that no design has.
    """
    found = {"ledger": _ledgers, "predict": _predictions}.get(study.source, _comparisons)(study)
    if all(point.value is None for point in found.points):
        named = ", ".join(f"{term.op} {term.metric}".strip() for term in study.measure)
        raise BadInput(f"no design has the measure {named} in this scenario")
    return found


def _ledgers(study: Study) -> Measured:
    """Points of bytes in closed form."""
    from dse.modelling.bookkeeping import ledger

    points, counted = [], []
    for at in study.values or (None,):
        here = replace(study, **{study.axis: at}) if study.axis else study
        books = {design: ledger(design, int(here.slots), float(here.fill), here.backend) for design in study.designs}
        pages = round(float(here.fill) * int(here.slots))
        counted.append([at, pages, {d: book["allocated_bytes"] for d, book in books.items()}])

        def total(terms: Sequence[Term], book: Mapping[str, Any], pages: int = pages) -> float:
            return sum(term.weight * (pages if term.metric == "pages" else book[term.metric]) for term in terms)

        raw = {}
        for design, book in books.items():
            under = total(study.divide, book) if study.divide else 1.0
            raw[design] = total(study.measure, book) / under if under else None
        points += [Point(at, design, relative(study.against, value, raw[study.designs[0]])) for design, value in raw.items()]
    digest = hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()
    return Measured(tuple(points), digest)


def _predictions(study: Study) -> Measured:
    """Points of a simulation of many CPUs."""
    from dse.predicting import predict

    found = predict(chosen(study), study.designs, [int(at) for at in study.values])
    points = []
    for curve in found.curves:
        for point, base in zip(curve.points, found.curves[0].points, strict=True):
            value, under = (sum(term.weight * one.figures[term.metric] for term in study.measure) for one in (point, base))
            points.append(Point(point.cpus, curve.design, relative(study.against, value, under)))
    digest = hashlib.sha256(json.dumps(found.rows, sort_keys=True).encode()).hexdigest()
    return Measured(tuple(sorted(points, key=lambda point: int(point.at))), digest)


def relative(against: str, value: float | None, base: float | None) -> float | None:
    """Set a measure against the baseline's."""
    if not against or value is None:
        return value
    if base is None or (against == "ratio" and base == 0):
        return None
    return value - base if against == "difference" else value / base


def _comparisons(study: Study) -> Measured:
    """Points of replayed streams."""
    from dse.measuring import cold, comparing, pacing, warming
    from dse.storing import combined_hash

    designs = naming.parse_many(list(study.designs))
    all_cases = cases(study)
    states = sorted({one for _, case in all_cases for one in comparing.states_of(case)})
    probes = (*comparing.PROBES, *cold.probes(states)) if study.timed else comparing.PROBES
    warming.warm([(named.text, kind) for kind in probes for named in designs])
    points: list[Point] = []
    hashes, noise, moved = [], [], []
    for at, case in all_cases:
        stream = comparing.checked_stream(case, designs, not study.timed)
        budget, state = (pacing.Budget(study.seconds), str(at) if study.axis == STATE else None) if study.timed else (None, None)
        found = comparing.run_scenario(stream, designs, budget=budget, state=state)
        figures = Figures(found["rows"])
        hashes.append(found["provenance"]["counters_hash"])
        if study.timed and found["provenance"]["aa_lo"] is not None:
            noise.append((found["provenance"]["aa_lo"], found["provenance"]["aa_hi"]))
        checked(study, figures)
        points += _points(study, figures, at, [named.text for named in designs])
        moved.append(delivered(figures, designs[0].text))
    span = (min(lo for lo, _ in noise), max(hi for _, hi in noise)) if noise else None
    digest = hashes[0] if len(hashes) == 1 else combined_hash(hashes)
    return Measured(agreed(study, points), digest, span, moved[0] if len(moved) == 1 else None)


def delivered(figures: Figures, design: str) -> float | None:
    """Moves for each page that went out, in the aged window; None where nothing moved."""
    moves, out, clean = (figures.value(design, op, "demands", stat="total", age="aged") or 0.0 for op in ("move", "swap_out", "clean_drop"))
    return moves / (out + clean) if moves and out else None


def checked(study: Study, figures: Figures) -> None:
    """Refuse metrics that this comparison does not have, such as those of an object: they would count as never having happened.

    Raises
    ------
    BadInput
        With the nearest name.
    """
    for term in (*study.measure, *study.divide, *study.saving):
        metrics = dict.fromkeys(row["metric"] for row in figures.rows)
        for by in study.by or ("",):
            name = _metric(term, by)
            if name not in metrics:
                raise BadInput(unknown("metric of a measure", name, metrics))


def _metric(term: Term, by: str = "") -> str:
    """Metric that a term is read off."""
    return RATIO if term.metric == MORE else term.metric.replace("*", by)


def states_of(study: Study, figures: Figures) -> tuple[str, ...]:
    """States of the caches that the figures of a study were timed in, the one that is told first; an empty one where it is one or none."""
    wanted = {(term.op, _metric(term)) for term in (*study.measure, *study.divide, *study.saving)}
    rows = (row for row in figures.rows if (row["op"], row["metric"]) in wanted)
    found = dict.fromkeys(str(row.get("state") or "") for row in rows)
    found.pop("", None)
    return tuple(found) if study.timed and len(found) > 1 else ("",)


def _points(study: Study, figures: Figures, at: Any, designs: Sequence[str]) -> list[Point]:
    """Points of one comparison. Those of a study with rivals are, instead of at a value of the axis, at a rival and a unit."""
    if not study.rivals:
        return _against(study, figures, at, designs, designs[0])
    out = []
    for word, rival in study.rivals.items():
        layers = [design for design in designs if design not in study.rivals.values()]
        for by in study.by or ("",):
            measure, saving = ([replace(t, metric=t.metric.replace("*", by)) for t in terms] for terms in (study.measure, study.saving))
            mine = replace(study, measure=tuple(measure), saving=tuple(saving))
            out += _against(mine, figures, f"{word}, {by}" if by else word, [rival, *layers], rival)
    return out


def _against(study: Study, figures: Figures, at: Any, designs: Sequence[str], base: str) -> list[Point]:
    """Points of designs against one baseline, in every state of the caches."""
    return [point for state in states_of(study, figures) for point in _in_state(study, figures, at, designs, base, state)]


def _in_state(study: Study, figures: Figures, at: Any, designs: Sequence[str], base: str, state: str) -> list[Point]:
    """Points in one state of the caches."""
    alone = study.measure[0] if len(study.measure) == 1 else None
    if alone is not None and (alone.metric in (RATIO, MORE) or alone.metric.startswith(TAX)):
        found = [_compared(figures, alone, at, design, base, state) for design in designs]
    else:
        raw = {design: _sum(figures, study.measure, design, study.divide, state) for design in designs}
        found = [Point(at, design, relative(study.against, raw[design], raw[base]), state=state) for design in designs]
    return [_with_event(figures, study.saving, point, base) for point in found]


def _with_event(figures: Figures, terms: Sequence[Term], point: Point, base: str) -> Point:
    """Add what one event costs. A measured time is the baseline's times their ratio, with the interval of that."""
    own = _sum(figures, terms, point.design, state=point.state)
    if point.design == base or own is None or len(terms) != 1 or terms[0].metric != "ns":
        return replace(point, saving=own)
    spans = _ratio(figures, terms[0].op, point.design, base, point.state)
    under = _sum(figures, terms, base, state=point.state)
    if under is None or spans is None:
        return replace(point, saving=None)
    value, lo, hi = (under * x for x in spans)
    return replace(point, saving=value, saving_lo=lo, saving_hi=hi)


def _row(figures: Figures, design: str, op: str, metric: str, state: str, **more: str) -> Figure | None:
    """Row in `state`, or without one where it was counted; `more` is what else :meth:`Figures.row` is asked for."""
    row = figures.row(design, op, metric, state=state, **more)
    if row is not None or not state:
        return row
    row = figures.row(design, op, metric, **more)
    return None if row is not None and row.get("state") else row


def _ratio(figures: Figures, op: str, design: str, base: str, state: str) -> tuple[float, float, float] | None:
    """Measured ratio of the times of an operation with its interval, None where there is none."""
    row = _row(figures, design, op, RATIO, state, stat="mean", age="aged", against=base)
    if row is None or row["value"] is None or row["lo"] is None or row["hi"] is None:
        return None
    return row["value"], row["lo"], row["hi"]


def _compared(figures: Figures, term: Term, at: Any, design: str, base: str, state: str) -> Point:
    """A figure that is against the baseline by itself, with its interval where it was measured. The baseline is 0, or 1 as a ratio."""
    if design == base:
        own = 1.0 if term.metric == RATIO else 0.0
        return Point(at, design, own, own, own, state=state)
    row = _row(figures, design, term.op, _metric(term), state, stat=term.stat, age="aged", against=base)
    under = figures.value(base, term.op, "ns", stat=term.stat, age="aged", state=state) if term.metric == MORE else 1.0
    if row is None or row["value"] is None or under is None:
        return Point(at, design, None, status="no such figure", state=state)
    value, lo, hi = row["value"], row["lo"], row["hi"]
    status, _, why = str(row["status"]).partition(": ")
    status = NOISE if status.startswith("no more than") else "ok" if status in ("faster", "slower", "same") else status
    less, factor = (1.0 if term.metric == MORE else 0.0), term.weight * under
    low, high = (factor * ((value if x is None else x) - less) for x in (lo, hi))
    return Point(at, design, factor * (value - less), low, high, status=status, why="" if status == "ok" else why, state=state)


def _sum(figures: Figures, terms: Sequence[Term], design: str, divide: Sequence[Term] = (), state: str = "") -> float | None:
    """Sum of terms: a mean of the aged window, or a total of the run. An operation that never happened adds 0; without a figure: None."""
    if not terms:
        return None

    def one(term: Term) -> float | None:
        ages = ("", "aged") if term.stat == "total" else ("aged", "")
        for stat, age in ((stat, age) for stat in (term.stat, "") for age in ages):
            row = _row(figures, design, term.op, term.metric, state, stat=stat, age=age)
            if row is not None and row["value"] is not None:
                return term.weight * row["value"]
        happened = figures.value(design, term.op, "demands", stat="total", age="aged")
        return None if happened else 0.0

    parts = [one(term) for term in terms]
    if any(part is None for part in parts):
        return None
    whole = sum(part for part in parts if part is not None)
    if not divide:
        return whole
    under = _sum(figures, divide, design, state=state)
    return whole / under if under else None
