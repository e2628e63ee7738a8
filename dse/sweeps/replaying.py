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
from dse.sweeps.analysing import Trial, by_environment, hypervolume, nondominated
from dse.sweeps.proposing import places_at_a_time
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
        """Share that `found` reaches; NaN where the front of everything is flat in one objective and has no volume."""
        if self.whole <= 0:
            return float("nan")
        return hypervolume((found - self._low) / self._width, self.reference) / self.whole if len(found) else 0.0


class Recorded:
    """Stored study whose trials are looked up instead of evaluated.

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
            one = space.configuration(trial["params"])
            found[one.identity] = {"status": trial["status"], "values": trial["values"], "place": one.place}
        return cls(space, found)

    @classmethod
    def of(cls, space: Space, values: NDArray[np.float64]) -> Recorded:
        """Objectives ``float64[configurations, objectives]`` of every configuration of a space, in their order; NaN: missing."""
        if values.shape != (space.size, len(space.objectives)):
            raise BadInput(f"space {space.name} has {space.size:,} configurations, {len(space.objectives)} objectives, got {values.shape}")
        found = {}
        for configuration, row in zip(space.every(), values.tolist(), strict=True):
            known = {name: None if math.isnan(v) else v for name, v in zip(space.objectives, row, strict=True)}
            status = "ok" if None not in known.values() else "failed"
            found[configuration.identity] = {"status": status, "values": known, "place": configuration.place}
        return cls(space, found)

    def given(self, axis: str) -> Recorded:
        """Return the same values with an axis that is given to us, so that each of its points is an environment."""
        axes = [{**one, "role": "environment" if one["name"] == axis else one["role"]} for one in self.space.document["axes"]]
        where = spaces.from_document({**self.space.document, "axes": axes})
        return Recorded(where, {c.identity: {**self.look_up(c), "place": c.place} for c in where.every()})

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
        """Run a search on the stored values; return the trials of a sweep with these settings.

        Constraints are those of the space as far as they name stored figures.
        """
        at_a_time = places_at_a_time(self.space, sampler, trials)
        run = Search(self.space, sampler, seed, trials, self.evaluate, quiet=True, figure=figure, environments=at_a_time)
        return run.run()

    def evaluate(self, batch: Sequence[Configuration]) -> list[Found]:
        """Look a batch up, in its order."""
        return [self.look_up(configuration) for configuration in batch]

    def values(self, trials: Sequence[Trial] | None = None) -> NDArray[np.float64]:
        """Objectives ``float64[n, objectives]`` of trials, default all stored ones; failed trials are left out."""
        rows = [t.values for t in trials] if trials is not None else [t["values"] for t in self.trials.values()]
        names = self.space.objectives
        return np.array([[row[n] for n in names] for row in rows if all(row.get(n) is not None for n in names)], np.float64)

    @functools.cached_property
    def scored(self) -> dict[str, Quality]:
        """Score of searches in each environment whose front has a volume; hypervolumes of different environments are never mixed."""
        places: dict[str, list[list[float]]] = {}
        for trial in self.trials.values():
            row = [trial["values"].get(name) for name in self.space.objectives]
            if None not in row:
                places.setdefault(trial["place"], []).append(row)
        found = {place: Quality(np.array(rows, np.float64)) for place, rows in places.items()}
        return {place: scored for place, scored in found.items() if scored.whole > 0}

    def qualities(self, trials: Sequence[Trial]) -> dict[str, float]:
        """Score a search in each environment; one that was not searched has 0."""
        found = by_environment(trials)
        return {place: scored(self.values(found.get(place, []))) for place, scored in self.scored.items()}

    def quality(self, trials: Sequence[Trial]) -> float:
        """Score a search: the mean over its environments; NaN where no front has a volume."""
        scores = list(self.qualities(trials).values())
        return float(np.mean(scores)) if scores else float("nan")

    def gains(self, sampler: str, trials: int, seeds: Sequence[int]) -> dict[str, float]:
        """Gain of a sampler over random search in each environment: medians over seeds, the difference of the scores."""
        scores = {name: [self.qualities(self.search(name, trials, seed)) for seed in seeds] for name in dict.fromkeys((sampler, "random"))}
        medians = {name: {place: float(np.median([run[place] for run in runs])) for place in runs[0]} for name, runs in scores.items()}
        return {place: value - medians["random"][place] for place, value in medians[sampler].items()}


def figure(name: str, found: Found) -> float | None:
    """A figure of a stored trial."""
    obj.check(name)
    value: float | None = found["values"].get(name)
    return value
