"""The points of a study: the measure of every design at every value of the axis."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dse import naming, scenario
from dse.asking.declaring import TAX, Study, Term
from dse.errors import BadInput, unknown
from dse.measuring.figures import Figures
from kernels import demand

RATIO, MORE = "ratio", "more_ns"
"""Metrics of times against the baseline: the ratio as it is measured, and what it makes of the baseline's nanoseconds."""
STATE = "replay.state"
"""Axis of the state of the caches: times are then taken in that one alone."""
OF_LIFE = ("lifetime", "page")
"""Names in figures that are no operations."""


@dataclass(frozen=True)
class Point:
    """A figure of a study.

    Attributes
    ----------
    at : object
        Value of the axis, None without one.
    design : str
    value : float or None
        The measure, None where the design has no such figure.
    lo, hi : float or None
        95 % interval, None where it is exact.
    saving, saving_lo, saving_hi : float or None
        What one event costs, with its 95 % interval where it is measured.
    status, why : str
        ``ok``, or a word for a figure that decides nothing, with its reason.
    """

    at: Any
    design: str
    value: float | None
    lo: float | None = None
    hi: float | None = None
    saving: float | None = None
    status: str = "ok"
    saving_lo: float | None = None
    saving_hi: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Measured:
    """All points of a study.

    Attributes
    ----------
    points : tuple of Point
    counters_hash : str
        SHA-256 of the counted figures behind them.
    noise : tuple of float or None
        A/A interval of the timed runs, the widest.
    delivered : float or None
        Moves for each page that went out, as they happened; of one run, None where nothing moved.
    """

    points: tuple[Point, ...]
    counters_hash: str
    noise: tuple[float, float] | None = None
    delivered: float | None = None


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
    found = _ledgers(study) if study.source == "ledger" else _comparisons(study)
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


def relative(against: str, value: float | None, base: float | None) -> float | None:
    """Set a measure against the baseline's."""
    if not against or value is None:
        return value
    if base is None or (against == "ratio" and base == 0):
        return None
    return value - base if against == "difference" else value / base


def cases(study: Study) -> list[tuple[Any, scenario.Scenario]]:
    """Scenarios of a study by value of the axis."""
    given = study.scenario
    chosen = scenario.from_values("study", given) if isinstance(given, dict) else scenario.load(str(given))
    if study.set:
        chosen = chosen.but(**study.set)
    return [(at, chosen.but(**{study.axis: at}) if study.axis else chosen) for at in study.values or (None,)]


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
    return Measured(tuple(points), hashes[0] if len(hashes) == 1 else combined_hash(hashes), span, moved[0] if len(moved) == 1 else None)


def delivered(figures: Figures, design: str) -> float | None:
    """Moves for each page that went out, in the aged window; None where nothing moved."""
    moves, out, clean = (figures.value(design, op, "demands", stat="total", age="aged") or 0.0 for op in ("move", "swap_out", "clean_drop"))
    return moves / (out + clean) if moves and out else None


def checked(study: Study, figures: Figures) -> None:
    """Refuse operations and metrics that no comparison has: a name that is written wrong would count as an operation that never happened.

    Raises
    ------
    BadInput
        With the nearest name.
    """
    known = dict.fromkeys([*demand.OUTCOMES, *demand.REASONS, *OF_LIFE, *(row["op"] for row in figures.rows if row["op"])])
    for term in (*study.measure, *study.divide, *study.saving):
        if term.op not in known:
            raise BadInput(unknown("operation of a measure", term.op, known))
        metrics = dict.fromkeys(row["metric"] for row in figures.rows)
        for by in study.by or ("",):
            name = RATIO if term.metric == MORE else term.metric.replace("*", by)
            if name not in metrics:
                raise BadInput(unknown("metric of a measure", name, metrics))


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
    """Points of designs against one baseline."""
    alone = study.measure[0] if len(study.measure) == 1 else None
    if alone is not None and (alone.metric in (RATIO, MORE) or alone.metric.startswith(TAX)):
        found = [_compared(figures, alone, at, design, base) for design in designs]
    else:
        raw = {design: _sum(figures, study.measure, design, study.divide) for design in designs}
        found = [Point(at, design, relative(study.against, raw[design], raw[base])) for design in designs]
    return [_with_event(figures, study.saving, point, base) for point in found]


def _with_event(figures: Figures, terms: Sequence[Term], point: Point, base: str) -> Point:
    """Add what one event costs. A measured time is the baseline's times their ratio, with the interval of that."""
    own = _sum(figures, terms, point.design)
    if point.design == base or own is None or len(terms) != 1 or terms[0].metric != "ns":
        return replace(point, saving=own)
    spans = _ratio(figures, terms[0].op, point.design, base)
    under = _sum(figures, terms, base)
    if under is None or spans is None:
        return replace(point, saving=None)
    value, lo, hi = (under * x for x in spans)
    return replace(point, saving=value, saving_lo=lo, saving_hi=hi)


def _ratio(figures: Figures, op: str, design: str, base: str) -> tuple[float, float, float] | None:
    """Measured ratio of the times of an operation with its interval, None where there is none."""
    row = figures.row(design, op, RATIO, stat="mean", age="aged", against=base)
    if row is None or row["value"] is None or row["lo"] is None or row["hi"] is None:
        return None
    return row["value"], row["lo"], row["hi"]


def _compared(figures: Figures, term: Term, at: Any, design: str, base: str) -> Point:
    """A figure that is against the baseline by itself, with its interval where it was measured. The baseline is 0, or 1 as a ratio."""
    if design == base:
        own = 1.0 if term.metric == RATIO else 0.0
        return Point(at, design, own, own, own)
    metric = RATIO if term.metric == MORE else term.metric
    row = figures.row(design, term.op, metric, stat=term.stat, age="aged", against=base)
    under = figures.value(base, term.op, "ns", stat=term.stat, age="aged") if term.metric == MORE else 1.0
    if row is None or row["value"] is None or under is None:
        return Point(at, design, None, status="no such figure")
    value, lo, hi = row["value"], row["lo"], row["hi"]
    status, _, why = str(row["status"]).partition(": ")
    decided = status in ("ok", "faster", "slower", "same") or status.startswith("no more than")
    less, factor = (1.0 if term.metric == MORE else 0.0), term.weight * under
    low, high = (factor * ((value if x is None else x) - less) for x in (lo, hi))
    return Point(at, design, factor * (value - less), low, high, status="ok" if decided else status, why="" if decided else why)


def _sum(figures: Figures, terms: Sequence[Term], design: str, divide: Sequence[Term] = ()) -> float | None:
    """Sum of terms: a mean of the aged window, or a total of the run. An operation that never happened adds 0; without a figure: None."""
    if not terms:
        return None

    def one(term: Term) -> float | None:
        for stat, age in ((term.stat, "aged"), (term.stat, ""), ("", "aged"), ("", "")):
            value = figures.value(design, term.op, term.metric, stat=stat, age=age)
            if value is not None:
                return term.weight * value
        happened = figures.value(design, term.op, "demands", stat="total", age="aged")
        return None if happened else 0.0

    parts = [one(term) for term in terms]
    if any(part is None for part in parts):
        return None
    whole = sum(part for part in parts if part is not None)
    if not divide:
        return whole
    under = _sum(figures, divide, design)
    return whole / under if under else None
