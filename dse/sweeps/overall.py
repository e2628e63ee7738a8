"""Choices over all environments: one trial for each, whose figures are those of a declared measure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from dse.sweeps.analysing import Trial, by_environment
from dse.sweeps.axes import Axis
from dse.sweeps.measure import Over, aggregated
from dse.sweeps.winning import corners


def identity(trial: Trial) -> str:
    """Key that tells choices apart: the design with its parameters, and the choices of the system."""
    c = trial.configuration
    return json.dumps([c.design, c.config, {k: v for k, v in c.choice.items() if "." in k}], sort_keys=True)


def over(trials: Sequence[Trial], judged: Over, axes: Sequence[Axis], winner: str) -> list[Trial]:
    """One trial for each choice, whose figures are those over all environments.

    An environment in which nothing could be evaluated, or whose weight is 0, does not count. A choice that is infeasible or lacks a figure
    in one of those that count is infeasible, or lacks the figure. Regrets are against the best of the given trials. `winner` is the
    deciding objective, which is judged at every corner of what loads and atomics cost, too.

    Returns
    -------
    list of Trial
        In the order in which choices first come; number and key of the first trial, an empty environment.
    """
    weights = {place: judged.weight(here[0].configuration.environment, axes) for place, here in by_environment(trials).items()}
    counted = {place for place, here in by_environment(trials).items() if any(t.ok for t in here) and weights[place] > 0}
    groups: dict[str, dict[str, Trial]] = defaultdict(dict)
    for trial in trials:
        if trial.configuration.place in counted:
            groups[identity(trial)][trial.configuration.place] = trial
    best = _bests(trials, counted)
    rows = [_one(list(group.values()), counted, best, weights, judged.measure) for group in groups.values()]
    ends = {(t.configuration.place, t.number): corners(t, winner) for here in groups.values() for t in here.values() if t.feasible}
    least = {p: [min(column) for column in zip(*(ends[k] for k in ends if k[0] == p and ends[k]), strict=True)] for p in counted}
    return [
        replace(row, corners=_corners(list(group.values()), ends, least, weights, judged.measure)) if row.feasible else row
        for row, group in zip(rows, groups.values(), strict=True)
    ]


def _corners(
    group: Sequence[Trial],
    ends: dict[tuple[str, int], tuple[float, ...]],
    least: dict[str, list[float]],
    weights: dict[str, float],
    measure: str,
) -> tuple[float, ...]:
    """Deciding time of one choice over all environments, at every corner."""
    keys = [(t.configuration.place, t.number) for t in group]
    if not all(ends.get(key) for key in keys):
        return ()
    return tuple(
        aggregated([ends[k][i] for k in keys], [least[k[0]][i] for k in keys], [weights[k[0]] for k in keys], measure)
        for i in range(len(ends[keys[0]]))
    )


def _bests(trials: Sequence[Trial], counted: set[str]) -> dict[tuple[str, str], float]:
    """Least figure of each objective in each environment."""
    best: dict[tuple[str, str], float] = {}
    for trial in trials:
        place = trial.configuration.place
        if place in counted and trial.feasible:
            for name, value in trial.values.items():
                if value is not None:
                    best[place, name] = min(value, best.get((place, name), value))
    return best


def _one(group: Sequence[Trial], counted: set[str], best: dict[tuple[str, str], float], weights: dict[str, float], measure: str) -> Trial:
    """Trial of one choice."""
    first, places = group[0], [t.configuration.place for t in group]
    whole = len(group) == len(counted)
    bad = next((t.status for t in group if not t.ok), "ok")
    status = bad if bad != "ok" else "ok" if whole else "infeasible: not evaluated in every environment"
    values: dict[str, float | None] = {}
    for name in first.values:
        figures = [t.values.get(name) for t in group]
        known = [value for value in figures if value is not None]
        bests = [best.get((place, name), value) for place, value in zip(places, known, strict=False)]
        fits = status == "ok" and len(known) == len(figures)
        values[name] = aggregated(known, bests, [weights[p] for p in places], measure) if fits else None
    violations = {name: max(t.violations.get(name, 0.0) for t in group) for name in first.violations}
    lone = replace(first.configuration, environment={})
    return Trial(first.number, lone, first.key, status, values, violations)


def members(trials: Sequence[Trial], chosen: Sequence[Trial]) -> set[int]:
    """Numbers of the trials of the choices that `chosen` (from :func:`over`) stand for."""
    wanted = {identity(trial) for trial in chosen}
    return {trial.number for trial in trials if identity(trial) in wanted}
