"""Sweeps on many machines, through Optuna's own storage: trials wait there, workers take them, the sweep reads their results.

The sweep puts a generation into the storage as waiting trials, each with its index and
its configuration. A worker sets one to running (the storage lets one worker have it),
evaluates it, tells the values and keeps its measures in the trial. A trial whose worker
died comes back: on databases by Optuna's heartbeat, elsewhere by our own sign of life
in the trial and a re-issue of its index. The first finished trial of an index counts,
so that nothing is lost and nothing counts twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from dse.common import digests, output, reading
from dse.common.writing import stored_under
from dse.errors import BadInput
from dse.naming import processes
from dse.sweeps import objectives as obj
from dse.sweeps import storages, urls
from dse.sweeps.analysing import Trial
from dse.sweeps.caching import code_digest, key_of
from dse.sweeps.recording import INDEX, open_study
from dse.sweeps.space import INFEASIBLE, Configuration, Space
from dse.sweeps.workers import Evaluator, Measures, as_json, from_json

CONFIGURATION, MEASURES, SEEN, HOST, CODE, DONE = "configuration", "measures", "seen", "host", "code", "done"
POLL = 0.1
IDLE = 600.0
"""Seconds without a waiting trial after which a worker leaves."""


class Shared:
    """Study in a storage that workers share.

    Parameters
    ----------
    url, study, space
        URL of the storage, name of the study, space to search.
    evaluator : Evaluator
        Evaluator whose cache has the known evaluations.
    workers : int
        Worker processes to start on this machine; with 0 all work is done elsewhere.
    """

    def __init__(self, url: str, study: str, space: Space, evaluator: Evaluator, workers: int, results: str | os.PathLike[str]) -> None:
        self.url, self.name, self.space, self.evaluator = url, study, space, evaluator
        self.evaluated = 0
        self.step: Callable[[], None] = lambda: None
        self._workers, self._results = workers, results
        self._processes: list[subprocess.Popen[bytes]] = []
        self._signs: dict[int, tuple[Any, float]] = {}
        self._refused: dict[int, int] = {}  # trials, and the index of each, whose measures are not those of what was asked for
        self._next = 0

    def __enter__(self) -> Self:
        self.storage = storages.opened(self.url)
        with storages.reported(self.url):
            self.study = open_study(self.storage, self.name, self.space)
            self.study.set_user_attr(CODE, code_digest())
            self.study.set_user_attr("objectives", list(self.space.objectives))
            self.study.set_user_attr(DONE, False)
            self._id = self.storage.get_study_id_from_name(self.name)
            self._finished = self._by_index()
        for _ in range(self._workers):
            self._processes.append(self._start())
        if not self._workers:
            output.note(f"waiting for: dse worker --storage {urls.shown(self.url)} --study {self.name}")
        return self

    def _start(self) -> subprocess.Popen[bytes]:
        """Start a worker; the URL goes through its environment, where others cannot read it."""
        command = processes.command("dse.cli", "worker", "--study", self.name, "--results", str(self._results), "--of", str(os.getpid()))
        return subprocess.Popen(command, env=processes.environ(DSE_STORAGE=self.url), stdout=subprocess.DEVNULL)

    def _by_index(self, wanted: Collection[int] | None = None) -> dict[int, FrozenTrial]:
        """First finished trial of each index, or of those wanted."""
        found: dict[int, FrozenTrial] = {}
        for trial in self.storage.get_all_trials(self._id, deepcopy=False):
            if not trial.state.is_finished() or (wanted is not None and trial.user_attrs.get(INDEX) not in wanted):
                continue
            if trial._trial_id not in self._refused and asked_for(trial) is not None:
                found.setdefault(trial.user_attrs[INDEX], trial)
        return found

    def _refuse(self, trial: FrozenTrial, index: int) -> None:
        """Pass over what is not an evaluation of the configuration that was asked for; give up when it comes again and again."""
        self._refused[trial._trial_id] = index
        if list(self._refused.values()).count(index) == storages.REFUSALS:
            host = trial.user_attrs.get(HOST, "?")
            raise BadInput(
                f"study {self.name}: trial {index} came back {storages.REFUSALS} times as what was not asked for, at last from {host}: "
                "a worker has another trace file of that name, or the storage is damaged"
            )

    def evaluate(self, batch: Sequence[Configuration]) -> list[Measures]:
        """Have a batch evaluated by the workers that are there."""
        cache = self.evaluator.cache
        for trial in self._finished.values():
            known = asked_for(trial)
            if known is not None:
                cache.put(*known)
        numbers = range(self._next, self._next + len(batch))
        self._next += len(batch)
        with storages.reported(self.url):
            self._wait({i: c for i, c in zip(numbers, batch, strict=True) if i not in self._finished})
        return self.evaluator(batch)

    def _wait(self, missing: dict[int, Configuration]) -> None:
        """Put the missing trials into the storage, and wait until they are finished."""
        there = {
            t.user_attrs.get(INDEX)
            for t in self.storage.get_all_trials(self._id, deepcopy=False, states=(TrialState.WAITING, TrialState.RUNNING))
        }
        for index, configuration in missing.items():
            if index not in there:
                self._issue(index, configuration)
        while missing:
            for trial in self.storage.get_all_trials(self._id, deepcopy=False):
                index = trial.user_attrs.get(INDEX)
                done = trial.state.is_finished() and MEASURES in trial.user_attrs and trial._trial_id not in self._refused
                if index not in missing or not done:
                    continue
                key, known = key_of(missing[index]), asked_for(trial)
                if known is None or known[0] != key:
                    self._refuse(trial, index)
                    continue
                del missing[index]
                self._finished[index] = trial
                self.evaluated += self.evaluator.cache.get(key) is None
                self.evaluator.cache.put(*known)
                self.step()
                self._signs.pop(trial._trial_id, None)
            if missing:
                self._bring_back(missing)
                self._replace_workers()
                time.sleep(POLL)

    def _issue(self, index: int, configuration: Configuration) -> None:
        """Put a trial into the storage."""
        about = {INDEX: index, CONFIGURATION: json.dumps(as_json(configuration)), "design": configuration.design}
        self.study.add_trial(create_trial(state=TrialState.WAITING, user_attrs=about))

    def _bring_back(self, missing: dict[int, Configuration]) -> None:
        """Issue the trials of dead workers again."""
        database = isinstance(self.storage, optuna.storages.RDBStorage)
        patience = storages.GRACE * (3 if database else 1)  # a worker may die before its first heartbeat
        if database:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                optuna.storages.fail_stale_trials(self.study)
        now = time.monotonic()
        live = self.storage.get_all_trials(self._id, deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING))
        for trial in live:
            if trial.state == TrialState.WAITING:
                continue
            sign = trial.user_attrs.get(SEEN)
            before = self._signs.get(trial._trial_id)
            if before is None or before[0] != sign:
                self._signs[trial._trial_id] = (sign, now)
            elif now - before[1] > patience:
                try:
                    self.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
                except (RuntimeError, KeyError):
                    continue  # it finished after all
        lost = {t._trial_id for t in live if now - self._signs.get(t._trial_id, ("", now))[1] > patience}
        there = {t.user_attrs.get(INDEX) for t in live if t._trial_id not in lost}
        gone = [index for index in missing if index not in there]
        finished = self._by_index(gone) if gone else {}
        for index in gone:
            if index not in finished:
                self._issue(index, missing[index])

    def _replace_workers(self) -> None:
        """Replace dead workers of this machine."""
        for i, process in enumerate(self._processes):
            status = process.poll()
            if status == 2:
                raise BadInput(f"a worker of study {self.name} gave up (its message is above)")
            if status is not None:
                self._processes[i] = self._start()

    def record(self, trials: Sequence[Trial]) -> None:
        """Do nothing: the workers have told the trials to the storage already."""

    def __exit__(self, *_: object) -> None:
        try:
            self.study.set_user_attr(DONE, True)
        except Exception:  # noqa: BLE001 - the storage went away, and what went wrong is on its way already
            output.note("the storage could not be told that the study ended")
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        storages.close(self.storage)


def asked_for(trial: FrozenTrial) -> tuple[str, Measures] | None:
    """Key and measures of a finished trial; None where they are not those of its configuration, by this code and its trace."""
    try:
        key = key_of(from_json(json.loads(trial.user_attrs[CONFIGURATION])))
        found = json.loads(trial.user_attrs[MEASURES])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return (key, {k: v for k, v in found.items() if k != digests.DIGEST}) if digests.whole(found, key) else None


class Alive:
    """Thread that shows, while a trial is evaluated, that its worker lives."""

    def __init__(self, storage: BaseStorage, trial_id: int) -> None:
        self._storage, self._trial = storage, trial_id
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def _beat(self) -> None:
        n = 0
        while not self._stop.is_set():
            try:
                if isinstance(self._storage, optuna.storages._heartbeat.BaseHeartbeat):
                    self._storage.record_heartbeat(self._trial)
                if n or not isinstance(self._storage, optuna.storages.RDBStorage):  # a database has the heartbeat already
                    self._storage.set_trial_user_attr(self._trial, SEEN, n)
            except Exception:  # noqa: BLE001 - the trial was taken away or the storage is gone: telling will say so
                return
            n += 1
            self._stop.wait(storages.HEARTBEAT)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def work(
    url: str,
    study: str,
    results: str | Path = "results",
    *,
    once: bool = False,
    idle: float = IDLE,
    step: Callable[[], None] = lambda: None,
) -> int:
    """Evaluate waiting trials of a study until it ends.

    Parameters
    ----------
    url, study : str
        Storage, and name of the study in it.
    results : path
        Folder of this machine's cache.
    once : bool
        Leave as soon as nothing waits.
    idle : float
        Seconds without work after which to leave.

    Returns
    -------
    int
        Trials evaluated.

    Raises
    ------
    BadInput
        No such storage or study, or one of other code (its figures would not be comparable).
    """
    storage = storages.opened(url, make=False)
    with storages.reported(url), contextlib.closing(_Closing(storage)):
        try:
            study_id = storage.get_study_id_from_name(study)
        except KeyError:
            raise BadInput(f"no study {study!r} in storage {urls.shown(url)}") from None
        about = storage.get_study_user_attrs(study_id)
        if about.get(CODE) != code_digest():
            raise BadInput(f"study {study} was begun by other code: its trials would not be comparable")
        names = _objectives(study, about)
        done, last = 0, time.monotonic()
        with Evaluator(results) as evaluator:
            while time.monotonic() - last < idle:
                trial = _take(storage, study_id)
                if trial is not None:
                    with stored_under(results):
                        key, measures = _evaluated(storage, trial, evaluator)
                    _tell(storage, trial, key, measures, names)
                    done, last = done + 1, time.monotonic()
                    step()
                elif once or storage.get_study_user_attrs(study_id).get(DONE):
                    break
                else:
                    time.sleep(POLL)
    return done


def _objectives(study: str, about: Mapping[str, Any]) -> list[str]:
    """Objectives of a study.

    Raises
    ------
    BadInput
        The storage has none, or another text.
    """
    given = about.get("objectives")
    try:
        if not given or not isinstance(given, list):
            raise BadInput("none")
        return [obj.check(str(name)) for name in given]
    except BadInput:
        raise BadInput(f"study {study} of the storage is damaged: its objectives are {reading.short(given)}") from None


class _Closing:
    """Context that gives the connections of a storage back."""

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage

    def close(self) -> None:
        """Give them back."""
        storages.close(self._storage)


def _take(storage: BaseStorage, study_id: int) -> FrozenTrial | None:
    """Take a waiting trial, None where there is none; the storage gives it to one worker only."""
    for trial in storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.WAITING,)):
        if CONFIGURATION not in trial.user_attrs:
            continue
        try:
            if storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                return trial
        except (RuntimeError, KeyError):
            continue
    return None


def _configuration(given: Any) -> Configuration:
    """Read a configuration that a storage holds.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        It is none.
    """
    found = from_json(given)
    texts, tables = (found.design, found.scenario_json), (found.choice, found.environment)
    if not all(isinstance(one, str) for one in texts) or not all(isinstance(one, dict) for one in tables):
        raise ValueError
    if not found.scenario_json.startswith(INFEASIBLE) and not all(
        isinstance(options, dict) for options in reading.parsed_json(found.scenario_json).values()
    ):
        raise ValueError
    return found


def _evaluated(storage: BaseStorage, trial: FrozenTrial, evaluator: Evaluator) -> tuple[str, Measures]:
    """Evaluate a trial, and show signs of life meanwhile; return the key of what was evaluated, too."""
    try:
        configuration = _configuration(reading.parsed_json(trial.user_attrs[CONFIGURATION]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadInput(f"trial {trial.number} of the storage is damaged: it holds no configuration") from None
    with Alive(storage, trial._trial_id):
        return key_of(configuration), evaluator([configuration])[0]


def _tell(storage: BaseStorage, trial: FrozenTrial, key: str, measures: Measures, names: Sequence[str]) -> None:
    """Tell the result of a trial, with a digest of it and of what was evaluated."""
    values = [obj.value(name, measures) for name in names]
    told = [float(v) for v in values if v is not None]
    whole = len(told) == len(names)
    try:
        storage.set_trial_user_attr(trial._trial_id, HOST, platform.node())
        storage.set_trial_user_attr(trial._trial_id, MEASURES, json.dumps(digests.sealed(measures, key), sort_keys=True))
        storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE if whole else TrialState.FAIL, told if whole else None)
    except (RuntimeError, KeyError):
        output.note(f"trial {trial.number} had been given to somebody else meanwhile")
