"""The measure by which a choice is judged over all environments: the worst case, a mean with the weights of a fleet, the largest regret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dse.errors import BadInput, unknown
from dse.sweeps.axes import Axis, text_of

MOST = 1e12
"""Largest weight of a value."""
EACH, WORST, MEAN, REGRET = "each", "worst", "mean", "regret"
MEASURES = (EACH, WORST, MEAN, REGRET)
SAID = {
    WORST: "the worst of all environments", MEAN: "the weighted mean over all environments",
    REGRET: "the largest regret (share above the best of the environment) over all environments",
}  # fmt: skip


@dataclass(frozen=True)
class Over:
    """Measure by which choices are judged: in each environment by itself, or over all of them.

    Attributes
    ----------
    measure : {"each", "worst", "mean", "regret"}
    weights : dict of str to tuple of float
        For the mean: by axis, the weight of each of its values; that of an environment is their product. Axes that are left out weigh
        their values alike.
    """

    measure: str = EACH
    weights: dict[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def robust(self) -> bool:
        """True if choices are judged over all environments at once."""
        return self.measure != EACH

    @property
    def document(self) -> dict[str, Any]:
        """The same as plain data."""
        return {"measure": self.measure, "weights": {name: list(values) for name, values in self.weights.items()}}

    def weight(self, environment: Mapping[str, Any], axes: Sequence[Axis]) -> float:
        """Weight of an environment."""
        weight = 1.0
        for axis in axes:
            if axis.name in self.weights and axis.name in environment:
                weight *= self.weights[axis.name][axis.texts.index(text_of(environment[axis.name]))]
        return weight


def parsed(given: Any, axes: Sequence[Axis], at: str) -> Over:
    """Read the table ``[over]`` of a space.

    Raises
    ------
    BadInput
        An unknown measure, or weights that do not fit the axes.
    """
    if not isinstance(given, Mapping):
        raise BadInput(f'{at}over is a table: over = {{ measure = "worst" }}')
    for key in given:
        if key not in ("measure", "weights"):
            raise BadInput(at + unknown("key of over", key, ("measure", "weights")))
    measure, weights = str(given.get("measure", EACH)), given.get("weights", {})
    if measure not in MEASURES:
        raise BadInput(at + unknown("measure", measure, MEASURES))
    if weights and measure != MEAN:
        raise BadInput(f"{at}weights belong to the measure mean, not to {measure}")
    if not isinstance(weights, Mapping):
        raise BadInput(f"{at}weights is a table: an axis and a list of numbers")
    known = {axis.name: axis for axis in axes if axis.role == "environment"}
    found = {}
    for name, values in weights.items():
        if name not in known:
            raise BadInput(at + unknown("axis of the environment", name, known))
        numbers = isinstance(values, (list, tuple)) and all(isinstance(v, (int, float)) and 0 <= v <= MOST for v in values)
        if not numbers or len(values) != len(known[name].values) or not sum(values):
            raise BadInput(f"{at}weights of {name} are {len(known[name].values)} numbers from 0 to {MOST:g}, one for each value, not all 0")
        found[name] = tuple(float(v) for v in values)
    return Over(measure, found)


def aggregated(values: Sequence[float], bests: Sequence[float], weights: Sequence[float], measure: str) -> float:
    """One figure for a choice from those of its environments.

    Parameters
    ----------
    values, bests, weights : sequence of float
        By environment: its figure, the least of any choice there, the weight.
    measure : {"worst", "mean", "regret"}

    Examples
    --------
    >>> aggregated([2.0, 3.0], [1.0, 3.0], [3.0, 1.0], "worst"), aggregated([2.0, 3.0], [1.0, 3.0], [3.0, 1.0], "mean")
    (3.0, 2.25)
    >>> aggregated([2.0, 3.0], [1.0, 3.0], [3.0, 1.0], "regret")
    1.0
    """
    if measure == WORST:
        return max(values)
    if measure == MEAN:
        return float(np.average(values, weights=weights))
    return max((value - best) / best if best else 0.0 for value, best in zip(values, bests, strict=True))
