"""Spaces in which no configuration meets the constraints: said early, with the closest one."""

from __future__ import annotations

from collections.abc import Sequence

from dse.sweeps.analysing import Trial
from dse.sweeps.axes import text_of
from dse.sweeps.objectives import constraint
from dse.sweeps.space import Space

TRIED = 128
"""Configurations of all designs, spread at random, that are tried before a search of more than twice as many with constraints."""


def _best(evaluated: Sequence[Trial]) -> Trial:
    """Trial with the smallest largest violation."""
    return min(evaluated, key=lambda t: (max(t.violations.values()), t.number))


def least_violated(trials: Sequence[Trial]) -> str:
    """Name of the constraint that the closest of some evaluated trials violates most; empty where one meets all, or there is none."""
    evaluated = [t for t in trials if t.violations]
    if not evaluated or any(t.feasible for t in trials):
        return ""
    best = _best(evaluated)
    return max(best.violations, key=lambda n: best.violations[n])


def closest(trials: Sequence[Trial], space: Space) -> str | None:
    """Say which constraint nothing meets, and what comes closest to it.

    The closest trial has the smallest largest violation, as a share of the limit. The constraint that it violates most is named.

    Returns
    -------
    str or None
        None where a trial is feasible, or none could be evaluated.
    """
    evaluated = [t for t in trials if t.ok and t.violations]
    if not evaluated or any(t.feasible for t in trials):
        return None
    best = _best(evaluated)
    name = max(best.violations, key=lambda n: best.violations[n])
    objective, _, relative = constraint(space.constraints[name])
    figure = best.values.get(objective)
    if figure is None:
        return None
    allowed = f", where {figure / (1.0 + best.violations[name]):.4g} is allowed" if relative else ""
    where = ", ".join(f"{axis} {text_of(value)}" for axis, value in best.configuration.environment.items())
    place = f"{best.configuration.design} at {where}" if where else best.configuration.design
    return f"no configuration meets {name}: {space.constraints[name]}; the closest is {figure:.4g}{allowed} ({place})"
