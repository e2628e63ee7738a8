"""Results of a sweep: Pareto front, winners, break-even, sensitivity, regret."""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse import naming
from dse.sweeps import objectives as obj
from dse.sweeps.axes import text_of
from dse.sweeps.space import Configuration

RATE = "moves.rate"
ANY, WITHOUT = "any layer", "any without"
BASED = "{} on {}"
EQUAL = 1e-12
Row = dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """Evaluated configuration of a study."""

    number: int
    configuration: Configuration
    key: str
    status: str
    values: dict[str, float | None]
    violations: dict[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True if the evaluation succeeded."""
        return self.status == "ok"

    @property
    def feasible(self) -> bool:
        """True if the evaluation succeeded and every constraint holds."""
        return self.ok and all(v <= 0 for v in self.violations.values())

    @property
    def design(self) -> str:
        """Name of the design without parameters."""
        return self.configuration.design.partition("[")[0]


is_layer = functools.cache(naming.is_layer)
base_of = functools.cache(naming.base_of)


def nondominated(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mask of the rows of ``float64[n, objectives]`` that no other row dominates (equal rows do not dominate each other)."""
    order = np.lexsort(values.T[::-1])
    keep = np.zeros(len(values), bool)
    front = np.empty_like(values)
    n = 0
    for i in order:
        v = values[i]
        rows = front[:n]
        if not np.any(np.all(rows <= v, 1) & np.any(rows < v, 1)):
            keep[i] = True
            front[n] = v
            n += 1
    return keep


def front(trials: Sequence[Trial], objectives: Sequence[str]) -> list[Trial]:
    """Trials on the Pareto front: feasible, every objective there, not dominated; in the order of their numbers."""
    fit = [t for t in trials if t.feasible and all(t.values.get(name) is not None for name in objectives)]
    if not fit:
        return []
    keep = nondominated(np.array([[t.values[name] for name in objectives] for t in fit], np.float64))
    return [t for t, kept in zip(fit, keep, strict=True) if kept]


def by_place(trials: Iterable[Trial], winner: str) -> dict[str, list[Trial]]:
    """Feasible trials that have the deciding figure, by environment, best first."""
    places: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        if trial.feasible and trial.values.get(winner) is not None:
            places[trial.configuration.place].append(trial)
    return {place: sorted(found, key=lambda t: (t.values[winner] or 0.0, t.number)) for place, found in places.items()}


def winners(trials: Sequence[Trial], winner: str) -> list[Row]:
    """Winner of each environment with its `margin`: the share that the best of another design costs more."""
    rows = []
    for found in by_place(trials, winner).values():
        best = found[0]
        other = next((t for t in found if t.design != best.design), None)
        low = best.values[winner] or 0.0
        margin = None if other is None else ((other.values[winner] or 0.0) - low) / low if low else 0.0
        rows.append({
            "environment": best.configuration.environment, "design": best.configuration.design, "params": best.configuration.choice,
            "margin": margin, "objective": winner, "value": low, "runner_up": other.configuration.design if other else None,
            "designs": len({t.design for t in found}), "layer": is_layer(best.configuration.design),
        })  # fmt: skip
    return rows


def _rest(trial: Trial) -> dict[str, Any]:
    """Environment without the migration rate."""
    return {name: value for name, value in trial.configuration.environment.items() if name != RATE}


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
    """Migration rate from which on a layer pays, for every other condition of the environment.

    Returns
    -------
    list of dict
        ``design`` (a layer at its best parameters, or any layer), ``against`` (its base, or the best design without a layer),
        ``environment``, ``rate``,
        ``status`` and the ``curve`` of [rate, layer, without].
    """
    costs: dict[str, dict[float, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    under: dict[str, str] = {}
    for trial in trials:
        figure = trial.values.get(winner)
        if not trial.feasible or figure is None or RATE not in trial.configuration.environment:
            continue
        at = costs[json.dumps(_rest(trial), sort_keys=True)][float(trial.configuration.environment[RATE])]
        layer = is_layer(trial.configuration.design)
        own = BASED.format(trial.design, trial.configuration.choice["base"]) if "base" in trial.configuration.choice else trial.design
        for name in dict.fromkeys((own, ANY if layer else WITHOUT, trial.configuration.design)):
            at[name] = min(figure, at.get(name, figure))
        if layer:
            under[own] = str(trial.configuration.choice.get("base", baseline))
    rows = []
    for rest, rates in costs.items():
        for name, against in ((ANY, WITHOUT), *sorted(under.items())):
            curve = [[rate, at[name], at[against]] for rate, at in sorted(rates.items()) if name in at and against in at]
            if len(curve) < 2:
                continue
            rate, status = crossing([c[0] for c in curve], [c[1] - c[2] for c in curve])
            rows.append(
                {"design": name, "against": against, "environment": json.loads(rest), "rate": rate, "status": status, "curve": curve}
            )
    return rows


def sensitivity(trials: Sequence[Trial], objectives: Sequence[str], winner: str) -> list[Row]:
    """Rows of how much each axis matters to each objective, and how often it flips the verdict on layers.

    ``importance`` is the total effect: the variance that is left when only this axis
    varies, as a share of the whole variance, over ``groups`` of trials that differ in
    nothing else. ``flips`` counts the groups in which a layer is cheaper than the
    baseline's environment mate at one value and dearer at another.
    """
    axes = sorted({name for t in trials for name in t.configuration.params})
    role = {name: "choice" if name in t.configuration.choice else "environment" for t in trials for name in t.configuration.params}
    rows = []
    for objective in dict.fromkeys([*objectives, winner]):
        known = [t for t in trials if t.ok and t.values.get(objective) is not None]
        if len(known) < 2:
            continue
        total = float(np.var([t.values[objective] or 0.0 for t in known]))
        base = _baselines(known, objective)
        for axis in axes:
            groups = _groups(known, axis)
            within = [float(np.var([t.values[objective] or 0.0 for t in g])) for g in groups]
            flips = sum(_flips(group, objective, base) for group in groups)
            rows.append({
                "axis": axis, "role": role[axis], "objective": objective, "groups": len(groups), "flips": flips,
                "importance": float(np.mean(within)) / total if within and total > 0 else None,
            })  # fmt: skip
    return rows


def _groups(trials: Sequence[Trial], axis: str) -> list[list[Trial]]:
    """Trials that differ in nothing but `axis`."""
    found: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        params = trial.configuration.params
        if axis in params:
            # parameters depend on the design, so that designs are compared at the environment alone, each at its first parameters
            rest = trial.configuration.environment if axis == "design" else {k: v for k, v in params.items() if k != axis}
            found[json.dumps(rest, sort_keys=True)].append(trial)
    if axis == "design":
        found = defaultdict(list, {k: list({t.design: t for t in reversed(g)}.values()) for k, g in found.items()})
    return [group for group in found.values() if len({text_of(t.configuration.params[axis]) for t in group}) > 1]


def _baselines(trials: Sequence[Trial], objective: str) -> dict[str, float]:
    """Best figure without a layer in each environment."""
    best: dict[str, float] = {}
    for trial in trials:
        if not is_layer(trial.configuration.design):
            figure, place = trial.values[objective] or 0.0, trial.configuration.place
            best[place] = min(figure, best.get(place, figure))
    return best


def _flips(group: Sequence[Trial], objective: str, base: dict[str, float]) -> bool:
    """Return True if the verdict (layer against the best without) differs within a group."""
    signs = {
        (t.values[objective] or 0.0) < base[t.configuration.place] - EQUAL
        for t in group if is_layer(t.configuration.design) and t.configuration.place in base
    }  # fmt: skip
    return len(signs) > 1


def regret(trials: Sequence[Trial], winner: str) -> list[Row]:
    """Loss of a fixed choice against the best of each environment (a share), over the environments in which it was evaluated."""
    lost: dict[str, list[tuple[float, dict[str, Any]]]] = defaultdict(list)
    choice: dict[str, tuple[str, dict[str, Any]]] = {}
    places = by_place(trials, winner)
    for found in places.values():
        best = found[0].values[winner] or 0.0
        for trial in found:
            name = json.dumps([trial.configuration.design, trial.configuration.config], sort_keys=True)
            choice[name] = (trial.configuration.design, trial.configuration.choice)
            lost[name].append((((trial.values[winner] or 0.0) - best) / best if best else 0.0, trial.configuration.environment))
    rows = []
    for name, losses in lost.items():
        worst, where = max(losses, key=lambda item: item[0])
        mean = float(np.mean([loss for loss, _ in losses]))
        rows.append({
            "design": choice[name][0], "params": choice[name][1], "environments": len(losses), "of": len(places), "mean": mean,
            "worst": worst, "worst_environment": where, "objective": winner,
        })  # fmt: skip
    return sorted(rows, key=lambda row: (-row["environments"], row["worst"], row["mean"]))


def hypervolume(values: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Volume that ``float64[n, d]`` dominates below `reference` (exact, by slicing along the last objective).

    Examples
    --------
    >>> hypervolume(np.array([[0.0, 0.5], [0.5, 0.0]]), np.array([1.0, 1.0]))
    0.75
    """
    inside = values[np.all(values < reference, 1)]
    if not len(inside):
        return 0.0
    inside = np.unique(inside[nondominated(inside)], axis=0)
    if inside.shape[1] == 1:
        return float(reference[0] - inside[:, 0].min())
    inside = inside[np.argsort(inside[:, -1], kind="stable")]
    ends = [*inside[1:, -1], reference[-1]]
    return float(
        sum(
            (end - low) * hypervolume(inside[: i + 1, :-1], reference[:-1])
            for i, (low, end) in enumerate(zip(inside[:, -1], ends, strict=True)) if end > low
        )
    )  # fmt: skip


def kinds(objectives: Sequence[str]) -> dict[str, str]:
    """Kind of each objective."""
    return {name: obj.kind(name) for name in objectives}
