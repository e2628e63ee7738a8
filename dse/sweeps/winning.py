"""Winners: the cheapest design of each environment, how certain that is, and whether other yardsticks say the same.

The deciding objective is a time by default. A modelled time is a sum over dependent
loads and atomics, whose costs lie between two ends (:data:`dse.sweeps.objectives.CORNERS`).
One design is cheaper for certain where it is cheaper at every corner. A measured time
(``--confirm``) has an interval of its own and comes before a modelled one. A counted
objective is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from dse.sweeps import objectives as obj
from dse.sweeps.analysing import EQUAL, Row, Trial, by_place, is_layer
from dse.sweeps.covering import Cover


class Span(NamedTuple):
    """A figure with its interval: a nanosecond difference, or a difference of counts."""

    value: float
    low: float
    high: float


Measured = Mapping[str, Mapping[str, Span]]
"""By environment and design: what a lifetime takes longer than the baseline's, measured; the baseline itself is 0."""


def figure(trial: Trial, name: str) -> float:
    """A figure that is there."""
    return trial.values.get(name) or 0.0


def gap(best: Trial, other: Trial, winner: str) -> Span:
    """Cost of `other` beyond that of `best`: at the typical costs of loads and atomics, and the least and the most of any corner.

    Counted objectives have one value. A time whose loads and locked sections are not known has no corner but the typical one.
    """
    typical = figure(other, winner) - figure(best, winner)
    ends = [theirs - mine for mine, theirs in zip(corners(best, winner), corners(other, winner), strict=False)]
    return Span(typical, min([typical, *ends]), max([typical, *ends]))


def corners(trial: Trial, winner: str) -> tuple[float, ...]:
    """Deciding time at every corner; none for a counted objective."""
    loads, locks, atomics = (trial.values.get(obj.yardstick(winner, metric)) for metric in (obj.LOADS, obj.LOCKS, obj.ATOMICS))
    if trial.corners is not None or obj.metric_of(winner) != obj.TIME or loads is None or locks is None:
        return trial.corners or ()
    return tuple(loads * load + (locks * 2 + (atomics or 0.0)) * atomic for load, atomic in obj.CORNERS)


def winners(
    trials: Sequence[Trial], winner: str, measured: Measured | None = None, covered: Mapping[str, Cover] | None = None
) -> list[Row]:
    """Winner of each environment.

    Parameters
    ----------
    trials : sequence of Trial
    winner : str
        Deciding objective.
    measured : mapping, optional
        Measured lifetimes, where there are any: an environment whose winner was timed beside another design is decided by them.
    covered : mapping, optional
        What of the space was evaluated in each environment. Without it all of it was.

    Returns
    -------
    list of dict
        ``environment``, ``design``, ``params``, ``value``, ``objective``, ``kind`` (what decided), ``margin`` (the share that the best of
        another design costs more; None where a measurement decided), ``gap``, ``lo``, ``hi`` (the same as a difference in the unit of the
        objective, with its interval), ``certain`` (no other design of the space may be cheaper; False also where a configuration was not
        evaluated), ``tied`` (designs that were evaluated and may be), ``runner_up``, ``designs`` (number with a result), ``layer``,
        ``bytes``, ``by_lines``, ``by_locks``, ``by_bytes`` (designs that win by these), and ``tried``, ``of``, ``whole``, ``baseline``
        from :class:`dse.sweeps.covering.Cover`, None where `covered` is not given.
    """
    rows = []
    for place, found in by_place(trials, winner).items():
        timed = (measured or {}).get(place, {})
        decided = _modelled(found, winner)
        if len({design.partition("[")[0] for design in timed}) > 1 and found[0].configuration.design in timed:
            decided = _by_clock(found, timed, winner) or decided
        rows.append(_row(found, winner, decided, (covered or {}).get(place)))
    return rows


def _modelled(found: Sequence[Trial], winner: str) -> Row:
    """Decide by the objective itself; the trials are sorted by it."""
    best = found[0]
    others = [(t, gap(best, t, winner)) for t in found if t.design != best.design]
    low = figure(best, winner)
    if not others:
        return {"best": best, "second": None, "kind": obj.kind(winner), "margin": None, "tied": [], "gap": None, "lo": None, "hi": None}
    second, span = others[0]
    tied = list(dict.fromkeys(t.configuration.design for t, more in others if more.low <= EQUAL))
    return {
        "best": best, "second": second, "kind": obj.kind(winner), "margin": span.value / low if low else 0.0, "tied": tied,
        "gap": span.value, "lo": min(more.low for _, more in others), "hi": span.high,
    }  # fmt: skip


def _by_clock(found: Sequence[Trial], timed: Mapping[str, Span], winner: str) -> Row | None:
    """Decide by measured lifetimes among the designs that were timed; one that was not may still be cheaper by its modelled time."""
    ranked = sorted((t for t in found if t.configuration.design in timed), key=lambda t: (timed[t.configuration.design].value, t.number))
    best = ranked[0]
    mine = timed[best.configuration.design]
    others = [t for t in ranked if t.design != best.design]
    if not others:
        return None
    apart = [(t, timed[t.configuration.design].low - mine.high) for t in others]
    second = timed[others[0].configuration.design]
    untimed = [t for t in found if t.configuration.design not in timed and t.design != best.design]
    tied = [t.configuration.design for t, low in apart if low <= 0]
    tied += [t.configuration.design for t in untimed if gap(best, t, winner).low <= EQUAL]
    return {
        "best": best, "second": others[0], "kind": "measured", "margin": None,
        "tied": tied, "gap": second.value - mine.value,
        "lo": min(low for _, low in apart), "hi": second.high - mine.low,
    }  # fmt: skip


def _row(found: Sequence[Trial], winner: str, decided: Row, cover: Cover | None) -> Row:
    """Row of one environment."""
    best, second = decided["best"], decided["second"]
    whole = cover is None or cover.whole
    by = {
        name: _least(found, obj.yardstick(winner, metric)) for name, metric in (("by_lines", obj.LINES), ("by_locks", obj.LOCKS))
    } | {"by_bytes": _least(found, obj.PAGE)}  # fmt: skip
    return {
        "environment": best.configuration.environment, "design": best.configuration.design, "params": best.configuration.choice,
        "margin": decided["margin"], "objective": winner, "value": figure(best, winner),
        "runner_up": second.configuration.design if second else None, "designs": len({t.design for t in found}),
        "layer": is_layer(best.configuration.design), "kind": decided["kind"], "gap": decided["gap"], "lo": decided["lo"],
        "hi": decided["hi"], "certain": None if second is None else not decided["tied"] and whole, "tied": decided["tied"],
        "bytes": best.values.get(obj.PAGE), **by, **(dict.fromkeys(Cover._fields) if cover is None else cover._asdict()),
    }  # fmt: skip


def _least(found: Iterable[Trial], name: str) -> str | None:
    """Design that costs least by an objective; None where it is not known."""
    known = [t for t in found if t.values.get(name) is not None]
    return min(known, key=lambda t: (figure(t, name), t.number)).configuration.design if known else None


def orders(trials: Sequence[Trial], winner: str) -> list[Row]:
    """Pairs of designs that lines or locks order the other way round than the deciding objective does.

    Each design stands for itself in an environment with the variant that is cheapest by the deciding objective.

    Returns
    -------
    list of dict
        ``design`` (cheaper by the deciding objective), ``other`` (cheaper by ``by``), in how many ``environments`` ``of`` those that have
        both, one ``environment`` and the figures there: ``costs`` (deciding, design and other), ``counts`` (by the other yardstick).
    """
    yardsticks = [(name, obj.yardstick(winner, metric)) for name, metric in (("lines", obj.LINES), ("locks", obj.LOCKS))]
    rows: dict[tuple[str, str, str], Row] = {}
    together: dict[frozenset[str], int] = {}
    for found in by_place(trials, winner).values():
        best = {t.design: t for t in reversed(found)}  # the cheapest variant of each design comes last
        for pair in combinations(sorted(best), 2):
            together[frozenset(pair)] = together.get(frozenset(pair), 0) + 1
            one, two = sorted((best[name] for name in pair), key=lambda t: (figure(t, winner), t.number))
            if figure(two, winner) - figure(one, winner) <= EQUAL:
                continue
            for name, count in yardsticks:
                if any(t.values.get(count) is None for t in (one, two)) or figure(one, count) - figure(two, count) <= EQUAL:
                    continue
                row = rows.setdefault((one.design, two.design, name), {
                    "design": one.design, "other": two.design, "by": name, "objective": winner, "environments": 0,
                    "environment": one.configuration.environment, "costs": [figure(one, winner), figure(two, winner)],
                    "counts": [figure(one, count), figure(two, count)],
                })  # fmt: skip
                row["environments"] += 1
    for row in rows.values():
        row["of"] = together[frozenset((row["design"], row["other"]))]
    return sorted(rows.values(), key=lambda row: (-row["environments"], row["design"], row["other"], row["by"]))
