"""The points of a study: the measure of every design at every value of the axis."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dse import naming, scenario
from dse.asking.declaring import Study, Term
from dse.errors import BadInput
from dse.measuring.figures import Figures

WITH_INTERVAL = ("tax_ns", "ratio")
"""Metrics that compare with the baseline by themselves and have an interval."""


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
    saving : float or None
        What one event costs.
    status : str
        ``ok``, or why the figure decides nothing.
    """

    at: Any
    design: str
    value: float | None
    lo: float | None = None
    hi: float | None = None
    saving: float | None = None
    status: str = "ok"


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
    """

    points: tuple[Point, ...]
    counters_hash: str
    noise: tuple[float, float] | None = None


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
    hashes, noise = [], []
    for at, case in all_cases:
        stream = comparing.checked_stream(case, designs, not study.timed)
        found = comparing.run_scenario(stream, designs, budget=pacing.Budget(study.seconds) if study.timed else None)
        figures = Figures(found["rows"])
        hashes.append(found["provenance"]["counters_hash"])
        if study.timed and found["provenance"]["aa_lo"] is not None:
            noise.append((found["provenance"]["aa_lo"], found["provenance"]["aa_hi"]))
        points += _points(study, figures, at, [named.text for named in designs])
    span = (min(lo for lo, _ in noise), max(hi for _, hi in noise)) if noise else None
    return Measured(tuple(points), hashes[0] if len(hashes) == 1 else combined_hash(hashes), span)


def _points(study: Study, figures: Figures, at: Any, designs: Sequence[str]) -> list[Point]:
    """Points of one comparison."""
    base = designs[0]
    alone = study.measure[0] if len(study.measure) == 1 and study.measure[0].metric in WITH_INTERVAL else None
    if alone is not None:
        return [_interval(figures, alone, at, design, base, _sum(figures, study.saving, design)) for design in designs]
    raw = {design: _sum(figures, study.measure, design, study.divide) for design in designs}
    return [
        Point(at, design, relative(study.against, raw[design], raw[base]), saving=_sum(figures, study.saving, design)) for design in designs
    ]  # fmt: skip


def _interval(figures: Figures, term: Term, at: Any, design: str, base: str, saving: float | None) -> Point:
    """A figure that has its own interval against the baseline. The baseline is 0 (a difference) or 1 (a ratio)."""
    if design == base:
        own = 0.0 if term.metric == "tax_ns" else 1.0
        return Point(at, design, own, own, own, saving)
    row = figures.row(design, term.op, term.metric, stat=term.stat, age="aged", against=base)
    spans = [] if row is None else [x for key in ("value", "lo", "hi") if (x := row[key]) is not None]
    if row is None or len(spans) < 3:
        return Point(at, design, None, saving=saving, status="no such figure")
    factor, (value, lo, hi) = term.weight, spans
    status = str(row["status"]).partition(":")[0]
    decided = status in ("ok", "faster", "slower", "same") or status.startswith("no more than")
    return Point(at, design, factor * value, factor * lo, factor * hi, saving, "ok" if decided else status)


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
