"""Recorder of a study in Optuna's storage, a generation at a time, so that Optuna's own tools can show it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from dse.errors import BadInput
from dse.sweeps import generations, storages
from dse.sweeps.analysing import Trial
from dse.sweeps.axes import text_of
from dse.sweeps.space import Space

INDEX = "index"
SHARE = "feasible share"
"""Attribute of a study: the share of its trials that meet the constraints, which the dashboard shows."""


def frozen(trial: Trial, space: Space) -> FrozenTrial:
    """Trial as Optuna stores it: every axis that holds by its text, the design with its parameters, named constraints."""
    axes = {axis.name: axis.texts for axis in space.axes}
    params = {name: text_of(value) for name, value in trial.configuration.params.items() if name in axes}
    values = [trial.values[name] for name in space.objectives]
    done = trial.ok and all(value is not None for value in values)
    about = {INDEX: trial.number, "design": trial.configuration.design, "key": trial.key, "status": trial.status,
             "feasible": trial.feasible, "environment": trial.configuration.place}  # fmt: skip
    return create_trial(
        state=TrialState.COMPLETE if done else TrialState.FAIL,
        params=params,
        distributions={name: CategoricalDistribution(axes[name]) for name in params},
        values=[float(v) for v in values if v is not None] if done else None,
        user_attrs=about,
        system_attrs={f"constraints:{name}": value for name, value in trial.violations.items()},
    )


def open_study(storage: optuna.storages.BaseStorage, name: str, space: Space) -> optuna.Study:
    """Open the study in a storage; make it if it is missing."""
    found = optuna.create_study(
        storage=storage, study_name=name, directions=["minimize"] * len(space.objectives), load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(0),
    )  # fmt: skip
    if len(found.directions) != len(space.objectives):
        raise BadInput(f"study {name} in that storage has {len(found.directions)} objectives, not {len(space.objectives)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if found.metric_names is None:
            found.set_metric_names(list(space.objectives))
    return found


class Recorder:
    """Recorder that writes completed generations into a journal file, one write each; it skips those that are there already."""

    def __init__(self, path: Path, name: str, space: Space) -> None:
        self._path, self._name, self._space = path, name, space
        self._feasible: list[bool] = []
        self.step: Callable[[], None] = lambda: None  # that of the evaluator is called

    def __enter__(self) -> Self:
        with storages.reported(str(self._path)), storages.whole(self._path):
            self._journal = generations.Generations(self._path)
            self._study = open_study(optuna.storages.JournalStorage(self._journal), self._name, self._space)
            self._done = {t.user_attrs.get(INDEX) for t in self._study.get_trials(deepcopy=False)}
        self._journal.flush()
        return self

    def record(self, trials: Sequence[Trial]) -> None:
        """Write a generation, and the share of feasible trials so far."""
        with storages.whole(self._path):
            for trial in trials:
                if trial.number not in self._done:
                    self._study.add_trial(frozen(trial, self._space))
                self._feasible.append(trial.feasible)
            self._study.set_user_attr(SHARE, round(sum(self._feasible) / max(len(self._feasible), 1), 4))
        self._journal.flush()

    def __exit__(self, *_: object) -> None:
        self._journal.flush()
