"""Samplers by name: those of the plain install, and those of extras, which name a missing extra in one line."""

from __future__ import annotations

import importlib.util
import logging
import warnings

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from dse.errors import BadInput, unknown
from dse.sweeps.axes import Axis
from dse.sweeps.space import Configuration, Space

QMC = ("sobol", "halton")
EXTRAS = {**dict.fromkeys(QMC, (("scipy",), "qmc")), "gp": (("torch", "scipy"), "gp")}
"""Modules that a sampler needs, and the extra that installs them."""
EXHAUSTIVE = "exhaustive"
"""The sampler that draws nothing: all of a space, in its order."""
NAMES = (EXHAUSTIVE, "random", "tpe", "nsga2", "nsga3", *EXTRAS)
GENERATION = {EXHAUSTIVE: 64, "random": 32, "tpe": 8, "nsga2": 24, "nsga3": 24, "sobol": 32, "halton": 32, "gp": 8}
"""Trials asked before any of them is told."""
ASKED_AGAIN = 4
"""Most repeated asks of a sampler that names a configuration the study has seen."""

logging.getLogger("optuna").setLevel(logging.WARNING)


def check(name: str) -> str:
    """Check a sampler's name, and that its modules are installed.

    Raises
    ------
    BadInput
        Unknown, or its extra is missing.
    """
    if name not in NAMES:
        raise BadInput(unknown("sampler", name, NAMES))
    modules, extra = EXTRAS.get(name, ((), ""))
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise BadInput(f"sampler {name} needs {' and '.join(missing)}: pip install 'swapdse[{extra}]'")
    return name


def make(name: str, seed: int) -> optuna.samplers.BaseSampler:
    """Make a sampler whose answers depend on `seed`, on the number of asks and on the told trials alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "tpe":
            return optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=16)
        if name == "nsga2":
            return optuna.samplers.NSGAIISampler(seed=seed, population_size=GENERATION[name])
        if name == "nsga3":
            return optuna.samplers.NSGAIIISampler(seed=seed, population_size=GENERATION[name])
        if name == "gp":
            return optuna.samplers.GPSampler(seed=seed, deterministic_objective=True)
        if name in QMC:
            return optuna.samplers.QMCSampler(qmc_type=name, scramble=True, seed=seed, warn_independent_sampling=False)
        return optuna.samplers.RandomSampler(seed=seed)


def distribution(axis: Axis, sampler: str = "") -> BaseDistribution:
    """Distribution of an axis: the number of a point, ordered where points are numbers (low-discrepancy sequences know only these)."""
    last = len(axis.values) - 1
    return IntDistribution(0, last) if axis.ordered or sampler in QMC else CategoricalDistribution(range(last + 1))


class Proposer:
    """Proposer of the configurations of one environment, generation by generation, which is told their values in their order.

    Parameters
    ----------
    space : Space
        One without an axis of the environment, or with one value of each.
    sampler : str
        Any but ``exhaustive``.
    seed : int
    """

    def __init__(self, space: Space, sampler: str, seed: int) -> None:
        self.space, self.name, self.seed = space, check(sampler), seed
        self._distributions = {axis.name: distribution(axis, sampler) for axis in space.axes}
        self._asked = 0
        self._seen: set[str] = set()
        self._pending: list[optuna.Trial] = []
        self._every = iter(space.every() if space.countable else ())
        self._ahead = next(self._every, None)
        self.study = optuna.create_study(directions=["minimize"] * len(space.objectives), sampler=make(sampler, seed % 2**32))

    def ask(self, n: int) -> list[Configuration]:
        """Return the next at most `n` configurations, none of which was asked before; fewer where the space has no more."""
        found = []
        for _ in range(n):
            if self._through():
                break
            found.append(self._one(self._asked))
            self._asked += 1
        return found

    def _through(self) -> bool:
        """Tell whether every configuration was asked: the first one that was not is remembered, so that none is looked at twice."""
        if not self.space.countable:
            return False
        while self._ahead is not None and self._ahead.identity in self._seen:
            self._ahead = next(self._every, None)
        return self._ahead is None

    def _one(self, index: int) -> Configuration:
        """Configuration of trial `index`."""
        for _ in range(ASKED_AGAIN):
            trial = self.study.ask(self._distributions)
            picked = trial.params  # a copy
            found = self.space.again(tuple([picked[axis.name] for axis in self.space.axes]))
            if found.identity not in self._seen:
                return self._taken(trial, found)
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        picks = self._unseen(index)
        self.study.enqueue_trial({axis.name: pick for axis, pick in zip(self.space.axes, picks, strict=True)})
        return self._taken(self.study.ask(self._distributions), self.space.at(picks))

    def _taken(self, trial: optuna.Trial, found: Configuration) -> Configuration:
        self._seen.add(found.identity)
        self._pending.append(trial)
        return found

    def _unseen(self, index: int) -> list[int]:
        """Draw a point at random that was not asked yet."""
        import numpy as np

        rng = np.random.default_rng([self.seed % 2**63, index])
        for _ in range(1000):
            picks = [int(rng.integers(len(axis.values))) for axis in self.space.axes]
            if self.space.at(picks).identity not in self._seen:
                return picks
        return next(list(picks) for picks in self.space.grid() if self.space.at(picks).identity not in self._seen)

    def tell(self, values: list[list[float]], constraints: list[dict[str, float]]) -> None:
        """Report the values of the configurations that :meth:`ask` gave last, in its order."""
        for trial, figures, violations in zip(self._pending, values, constraints, strict=True):
            for name, violation in violations.items():
                trial.set_constraint(name, violation)
            self.study.tell(trial, figures)
        self._pending = []


def auto(space: Space, trials: int | None) -> str:
    """Default sampler: exhaustive where all configurations are wanted, a search where fewer are."""
    few = trials is not None and (not space.countable or trials < space.size)
    return "tpe" if few else EXHAUSTIVE
