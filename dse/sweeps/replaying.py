"""Replay mode: a stored sweep is itself an objective, so that settings of a search are tried for free.

Examples
--------
>>> recorded = Recorded.load("results", "wide")  # doctest: +SKIP
>>> recorded.search("tpe", trials=250, seed=1)  # doctest: +SKIP
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import BadInput
from dse.storing import studies
from dse.sweeps import objectives as obj
from dse.sweeps import space as spaces
from dse.sweeps.analysing import Trial, hypervolume, nondominated
from dse.sweeps.searching import Search
from dse.sweeps.space import Configuration, Space

Found = dict[str, Any]


class Quality:
    """Hypervolume as a share of that of everything: objectives scaled by their range, reference at the nadir of the front of everything.

    Parameters
    ----------
    every : ndarray
        Objectives ``float64[n, objectives]`` of all configurations.
    """

    def __init__(self, every: NDArray[np.float64]) -> None:
        self._low = every.min(0)
        high = every.max(0)
        self._width = np.where(high > self._low, high - self._low, 1.0)
        front = (every[nondominated(every)] - self._low) / self._width
        self.reference: NDArray[np.float64] = front.max(0)
        self.whole = hypervolume(front, self.reference)
        self.front = len(np.unique(front, axis=0))

    def __call__(self, found: NDArray[np.float64]) -> float:
        """The share that `found` reaches; NaN where the front of everything is flat in one objective and has no volume."""
        if self.whole <= 0:
            return float("nan")
        return hypervolume((found - self._low) / self._width, self.reference) / self.whole if len(found) else 0.0


class Recorded:
    """A stored study whose trials are looked up instead of evaluated.

    Attributes
    ----------
    space : Space
    trials : dict of str to dict
        Objectives and status by the identity of a configuration.
    """

    def __init__(self, space: Space, trials: dict[str, Found]) -> None:
        self.space, self.trials = space, trials

    @classmethod
    def load(cls, results: str | Path, study: str) -> Recorded:
        """Load a study that ended.

        Raises
        ------
        BadInput
            No such study, not ended, or damaged.
        """
        name = studies.find(results, study)
        rows = studies.read_tables(results, name)
        space = spaces.from_document(json.loads(rows["provenance"][0]["document"]))
        trials: dict[int, Found] = {}
        for row in rows["trials"]:
            trial = trials.setdefault(row["number"], {"status": row["status"], "values": {}, "params": {}})
            if not trial["params"]:
                trial["params"] = {**json.loads(row["params"]), **json.loads(row["environment"])}
            trial["values"][row["objective"]] = row["value"]
        found = {}
        for trial in trials.values():
            found[space.configuration(trial["params"]).identity] = {"status": trial["status"], "values": trial["values"]}
        return cls(space, found)

    @classmethod
    def of(cls, space: Space, values: NDArray[np.float64]) -> Recorded:
        """The objectives ``float64[configurations, objectives]`` of every configuration of a space, in their order; NaN: not there."""
        if values.shape != (space.size, len(space.objectives)):
            raise BadInput(f"space {space.name} has {space.size:,} configurations, {len(space.objectives)} objectives, got {values.shape}")
        found = {}
        for configuration, row in zip(space.every(), values.tolist(), strict=True):
            known = {name: None if math.isnan(v) else v for name, v in zip(space.objectives, row, strict=True)}
            found[configuration.identity] = {"status": "ok" if None not in known.values() else "failed", "values": known}
        return cls(space, found)

    def look_up(self, configuration: Configuration) -> Found:
        """The stored trial of a configuration.

        Raises
        ------
        BadInput
            It was not evaluated.
        """
        found = self.trials.get(configuration.identity)
        if found is None:
            raise BadInput(f"{configuration.design} at {configuration.place} is not in the stored study")
        return found

    def search(self, sampler: str, trials: int, seed: int = 1) -> list[Trial]:
        """Run a search on the stored values: the trials that a sweep with these settings would have made.

        Constraints are those of the space as far as they name figures that were stored.
        """
        run = Search(self.space, sampler, seed, trials, self.evaluate, quiet=True, figure=figure)
        return run.run()

    def evaluate(self, batch: Sequence[Configuration]) -> list[Found]:
        """Look a batch up, in its order."""
        return [self.look_up(configuration) for configuration in batch]

    def values(self, trials: Sequence[Trial] | None = None) -> NDArray[np.float64]:
        """Objectives ``float64[n, objectives]`` of trials, default all stored ones; those that failed are left out."""
        rows = [t.values for t in trials] if trials is not None else [t["values"] for t in self.trials.values()]
        names = self.space.objectives
        return np.array([[row[n] for n in names] for row in rows if all(row.get(n) is not None for n in names)], np.float64)

    @functools.cached_property
    def scored(self) -> Quality:
        """Score of searches."""
        return Quality(self.values())

    def quality(self, trials: Sequence[Trial]) -> float:
        """Score a search (:class:`Quality`)."""
        return self.scored(self.values(trials))


def figure(name: str, found: Found) -> float | None:
    """A figure of a stored trial."""
    obj.check(name)
    value: float | None = found["values"].get(name)
    return value
