"""Trials of a sweep: Pareto fronts, one in each environment, hypervolume, regret of a fixed choice."""

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
from dse.sweeps.space import Configuration

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
    delivered: float | None = None
    """Moves for each page that goes out in its environment, zswap's writeback among them; None where that is not known."""
    writeback: float | None = None
    """The part of them that is zswap's own writeback, by its share of the whole stream."""
    corners: tuple[float, ...] | None = None
    """Deciding time at every corner of what loads and atomics cost, where it does not follow from the values."""

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


def by_environment(trials: Iterable[Trial]) -> dict[str, list[Trial]]:
    """Trials of each environment, in their order."""
    places: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        places[trial.configuration.place].append(trial)
    return dict(places)


def fronts(trials: Sequence[Trial], objectives: Sequence[str]) -> dict[str, list[Trial]]:
    """Pareto front of each environment: what a trial costs is compared with trials in the same environment, never across.

    Returns
    -------
    dict of str to list of Trial
        By :attr:`dse.sweeps.space.Configuration.place`: trials that are feasible, have every objective and are not dominated, in the order
        of their numbers. An environment without a feasible trial is left out.
    """
    found = {}
    for place, here in by_environment(trials).items():
        fit = [t for t in here if t.feasible and all(t.values.get(name) is not None for name in objectives)]
        if fit:
            keep = nondominated(np.array([[t.values[name] for name in objectives] for t in fit], np.float64))
            found[place] = [t for t, kept in zip(fit, keep, strict=True) if kept]
    return found


def front(trials: Sequence[Trial], objectives: Sequence[str]) -> list[Trial]:
    """Trials on the front of their environment, environment by environment."""
    return [trial for here in fronts(trials, objectives).values() for trial in here]


def by_place(trials: Iterable[Trial], winner: str) -> dict[str, list[Trial]]:
    """Feasible trials that have the deciding figure, by environment, best first."""
    places: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        if trial.feasible and trial.values.get(winner) is not None:
            places[trial.configuration.place].append(trial)
    return {place: sorted(found, key=lambda t: (t.values[winner] or 0.0, t.number)) for place, found in places.items()}


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
