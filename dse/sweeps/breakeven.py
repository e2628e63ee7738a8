"""Break-even: the rate of moves from which on a layer pays, in each environment, by time and by lines.

Rates are those that were delivered: moves for each page that goes out, the writeback of zswap among them. The rate that is asked for
(``moves.rate``) is not always what happens: zero pages and pages without a further tier do not move.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from dse.naming import STANDS_ON
from dse.sweeps import objectives as obj
from dse.sweeps.analysing import EQUAL, Row, Trial, base_of, is_layer

RATE = "moves.rate"
ANY, WITHOUT = "any layer", "any without"
BASED, MOVING = "{} on {}", "{}, move={}"
Costs = dict[str, dict[float, dict[str, float]]]


def crossing(rates: Sequence[float], gaps: Sequence[float]) -> tuple[float | None, str]:
    """Rate of moves at which a gap (layer minus without) falls to zero.

    Returns
    -------
    tuple
        The rate, interpolated, and ``above`` (it pays above that), ``always``, ``never``, or ``below`` (it stops paying there).

    Examples
    --------
    >>> crossing([0.0, 1.0], [3.0, -1.0]), crossing([0.0, 1.0], [3.0, 1.0])
    ((0.75, 'above'), (None, 'never'))
    """
    if all(gap < -EQUAL for gap in gaps):
        return None, "always"
    if all(gap >= -EQUAL for gap in gaps):
        return None, "never"
    for (r0, g0), (r1, g1) in zip(zip(rates, gaps, strict=True), zip(rates[1:], gaps[1:], strict=True), strict=False):
        if (g0 < -EQUAL) != (g1 < -EQUAL):
            return r0 + (r1 - r0) * g0 / (g0 - g1), "above" if g1 < g0 else "below"
    return None, "never"


def breakeven(trials: Sequence[Trial], winner: str, baseline: str) -> list[Row]:
    """Rate of moves from which on a layer pays, for every other condition of the environment.

    Returns
    -------
    list of dict
        ``objective`` (the deciding one, and lines where that is a time), ``design`` (a layer at its best parameters, on each base, or any
        layer), ``against`` (its base, the baseline, the bases that layers may choose, each with every way to move that was
        tried, or the best design without a layer),
        ``environment``, ``rate`` (delivered), ``status``, the ``curve`` of [delivered rate, layer, without], ``asked`` (the rates asked
        for, in the order of the curve) and ``axis`` (``delivered``, or ``asked`` where trials do not say what was delivered).
    """
    rows = []
    for objective in dict.fromkeys([winner, obj.yardstick(winner, obj.LINES)]):
        rows += _of(trials, objective, baseline)
    return rows


def _of(trials: Sequence[Trial], objective: str, baseline: str) -> list[Row]:
    """Rows of one objective."""
    costs: Costs = defaultdict(lambda: defaultdict(dict))
    against: dict[str, dict[str, None]] = defaultdict(dict)
    delivered: dict[tuple[str, float], float] = {}
    for trial in trials:
        figure, environment = trial.values.get(objective), trial.configuration.environment
        if not trial.feasible or figure is None or RATE not in environment:
            continue
        rest, asked = json.dumps({k: v for k, v in environment.items() if k != RATE}, sort_keys=True), float(environment[RATE])
        if trial.delivered is not None:
            delivered[rest, asked] = trial.delivered
        for name in names(trial):
            at = costs[rest][asked]
            at[name] = min(figure, at.get(name, figure))
        base = base_of(trial.configuration.design)
        if base is not None:
            against[own_name(trial)] |= dict.fromkeys((base, baseline, *STANDS_ON))
    return [row for rest in costs for row in _rows(rest, costs[rest], against, delivered, objective)]


def own_name(trial: Trial) -> str:
    """Name of the design in break-evens: a layer that may choose its base with that base."""
    base = trial.configuration.choice.get("base")
    return BASED.format(trial.design, base) if base is not None else trial.design


def names(trial: Trial) -> list[str]:
    """Names of a trial in break-evens: its design, that with its way to move, all of its kind."""
    layer, choice = is_layer(trial.configuration.design), trial.configuration.choice
    found = [own_name(trial), ANY if layer else WITHOUT, trial.configuration.design]
    if not layer and "move" in choice:
        found.append(MOVING.format(trial.design, choice["move"]))
    return list(dict.fromkeys(found))


def _rows(
    rest: str,
    costs: dict[float, dict[str, float]],
    against: dict[str, dict[str, None]],
    delivered: dict[tuple[str, float], float],
    objective: str,
) -> list[Row]:
    """Rows of one condition."""
    known = all((rest, asked) in delivered for asked in costs)
    points: dict[float, tuple[float, dict[str, float]]] = {}
    for asked, at in sorted(costs.items()):
        points.setdefault(delivered[rest, asked] if known else asked, (asked, at))  # the same moves are the same point
    pairs = [(ANY, WITHOUT)]
    for name, rivals in sorted(against.items()):
        for rival in rivals:
            ways = sorted({n for at in costs.values() for n in at if n.startswith(MOVING.format(rival, ""))})
            pairs += [(name, way) for way in [rival, *ways]]
    rows: list[Row] = []
    for name, rival in pairs:
        shared = [(rate, asked, at) for rate, (asked, at) in sorted(points.items()) if name in at and rival in at]
        if len(shared) < 2:
            continue
        curve = [[rate, at[name], at[rival]] for rate, _, at in shared]
        rate, status = crossing([c[0] for c in curve], [c[1] - c[2] for c in curve])
        rows.append({
            "objective": objective, "design": name, "against": rival, "environment": json.loads(rest), "rate": rate, "status": status,
            "curve": curve, "asked": [asked for _, asked, _ in shared], "axis": "delivered" if known else "asked",
        })  # fmt: skip
    return rows


def moves(trials: Sequence[Trial]) -> list[Row]:
    """Rates of moves, asked for and delivered, of each environment; the part that is zswap's own writeback."""
    seen: dict[str, Row] = {}
    for trial in trials:
        environment: dict[str, Any] = trial.configuration.environment
        if trial.delivered is not None and RATE in environment:
            row = {
                "environment": environment, "asked": float(environment[RATE]), "delivered": trial.delivered, "writeback": trial.writeback,
            }  # fmt: skip
            seen.setdefault(trial.configuration.place, row)
    return list(seen.values())
