"""Importance of each choice to each objective, and whether it flips the verdict on layers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from dse.sweeps.analysing import EQUAL, Row, Trial, by_environment, is_layer
from dse.sweeps.axes import text_of


def sensitivity(trials: Sequence[Trial], objectives: Sequence[str], winner: str) -> list[Row]:
    """Rows of how much each axis matters to each objective, and how often it flips the verdict on layers.

    A choice has a row for each environment. Its ``importance`` is the total effect there: the variance that is left when only this axis
    varies, as a share of the variance in that environment, over ``groups`` of trials that differ in nothing else. What is given to us has
    one row without an importance: costs in different environments are not compared. ``flips`` counts the groups in which a layer is
    cheaper than the best without one at one value and dearer at another.
    """
    role = {name: "choice" if name in t.configuration.choice else "environment" for t in trials for name in t.configuration.params}
    rows = []
    for objective in dict.fromkeys([*objectives, winner]):
        known = [t for t in trials if t.ok and t.values.get(objective) is not None]
        base = _baselines(known, objective)
        for axis in sorted(role):
            if role[axis] == "environment":
                groups = _groups(known, axis)
                rows.append(_row(axis, "environment", objective, {}, None, groups, base))
                continue
            for found in by_environment(known).values():
                groups = _groups(found, axis)
                share = _share(found, groups, objective)
                rows.append(_row(axis, "choice", objective, found[0].configuration.environment, share, groups, base))
    return [row for row in rows if row["groups"]]


def _row(
    axis: str,
    role: str,
    objective: str,
    environment: Row,
    importance: float | None,
    groups: Sequence[Sequence[Trial]],
    base: dict[str, float],
) -> Row:
    flips = sum(_flips(group, objective, base) for group in groups)
    return {
        "axis": axis, "role": role, "objective": objective, "groups": len(groups), "flips": flips, "importance": importance,
        "environment": environment,
    }  # fmt: skip


def _share(trials: Sequence[Trial], groups: Sequence[Sequence[Trial]], objective: str) -> float | None:
    """Variance inside the groups as a share of the variance of all trials; None where nothing varies."""
    total = float(np.var([t.values[objective] or 0.0 for t in trials])) if len(trials) > 1 else 0.0
    within = [float(np.var([t.values[objective] or 0.0 for t in group])) for group in groups]
    return float(np.mean(within)) / total if within and total > 0 else None


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
