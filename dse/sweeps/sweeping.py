"""Python call ``dse.sweep``: search a space, store the study, return the front and the winners of the environments."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dse import naming
from dse.common import machine
from dse.common.writing import stored_under
from dse.errors import BadInput
from dse.measuring import warming
from dse.measuring.provenance import commit
from dse.secrets import safe
from dse.storing import studies
from dse.sweeps import analysing, confirming, keeping, objectives, possible
from dse.sweeps import space as spaces
from dse.sweeps.analysing import Trial
from dse.sweeps.axes import text_of
from dse.sweeps.breakeven import breakeven, moves
from dse.sweeps.caching import code_digest
from dse.sweeps.covering import covered, covers, without_result
from dse.sweeps.feasible import closest
from dse.sweeps.overall import members, over
from dse.sweeps.proposing import places_at_a_time
from dse.sweeps.repeating import CALL, Done, first_command, interruptible, repeated
from dse.sweeps.samplers import EXHAUSTIVE, auto, check
from dse.sweeps.searching import Search
from dse.sweeps.sensitivity import sensitivity
from dse.sweeps.setting import on
from dse.sweeps.space import Space
from dse.sweeps.winning import Measured, orders, winners
from dse.sweeps.workers import Evaluator

WORKERS_MAX, TRIALS_MAX = 256, 10**9
Found = dict[str, Any]


class Made(NamedTuple):
    """The outcome of a search: its trials, how many of them were not in the cache, and whether the time was up before the end."""

    trials: list[Trial]
    evaluated: int
    timed_out: bool


def sweep(
    name: str | Path | Space = spaces.DEFAULT,
    *,
    trials: int | None = None,
    sampler: str | None = None,
    seed: int | None = None,
    workers: int = 1,
    timeout: float | None = None,
    objectives_: Sequence[str] | None = None,
    results: str | Path = "results",
    storage: str | None = None,
    resume: str | None = None,
    confirm: int = 0,
    environments: int | None = None,
    trace: str | None = None,
    settings: Sequence[str] = (),
    parameters: str | Path | None = None,
    command: str = CALL,
) -> Found:
    """Search a space of designs, parameters and environments.

    Parameters
    ----------
    name : str, Path or Space
        Built-in space or TOML file.
    trials : int, optional
        Configurations to evaluate, default the whole space.
    sampler : str, optional
        exhaustive, random, tpe, nsga2, nsga3, sobol, halton, gp; default exhaustive where `trials` covers the space, else tpe.
    seed : int, optional
        Of the sampler, default 1. It has no effect on a sampler that draws nothing, and is refused there. That of the scenario is a
        setting, ``replay.seed=N``.
    workers : int
        Processes. The trials do not depend on it.
    timeout : float, optional
        Seconds after which no further generation is begun; the study can be resumed.
    objectives_ : sequence of str, optional
        Instead of the space's.
    results : path
        Folder of stored studies and of the cache.
    storage : str, optional
        Optuna storage that workers elsewhere share (see :mod:`dse.sweeps.distributing`), default a journal file of the study's own.
    resume : str, optional
        Go on with a stored study: its name, a part of it, or ``last``; `trials` may then be raised.
    confirm : int
        Time so many of the front's designs against the baseline afterwards, in interleaved pairs.
    environments : int, optional
        Environments that are searched at a time, default as many as have eight trials each.
    trace : str, optional
        Trace file or shipped trace that replaces the workload of the space.
    settings : sequence of str
        ``section.key=value`` of any scenario key that is no axis.
    parameters : path, optional
        Table of latencies for the modelled figures of the runs of `confirm`, such as `dse calibrate` writes.
    command : str
        Command for the provenance.

    Returns
    -------
    dict
        ``study``, ``trials`` (number evaluated), ``front`` (params, values), ``winners`` (environment, design, params, margin),
        ``patched`` (the winners among designs that exist as patches or in a kernel), ``partial`` (not all of the space was tried),
        ``missing`` (environments without a result, and why), and ``breakeven``, ``sensitivity``, ``regret``,
        ``confirmed``, ``provenance``.

    Raises
    ------
    BadInput
        Error of the space, an option, a folder or a storage, in one line.
    """
    _check_parameters(parameters, confirm)
    if resume is not None:
        about = _resumed(results, resume, trials, command)
        storage = keeping.storage_of(about, storage)
        space = _space_of(about)
        keeping.check_traces(about, space)
    else:
        space = on(name if isinstance(name, Space) else spaces.load(name), trace, settings, timed=confirm > 0)
        if objectives_:
            space = spaces.from_document({**space.document, "objectives": [objectives.check(o) for o in objectives_]})
        about = {**_settings(space, trials, sampler, seed, environments), "command": safe(command)}
        storage = keeping.begun_on(results, about["study"], storage)
        if storage is not None:
            about[keeping.STORAGE] = safe(storage, whole=True)
    if not 1 <= workers <= WORKERS_MAX and not (workers == 0 and storage):
        raise BadInput(f"workers are 1 to {WORKERS_MAX}, got {workers}")
    _check_storage(storage)
    study = str(about["study"])
    began = time.monotonic()
    with stored_under(results), studies.held(results, study), interruptible(results, study, storage) as done:
        before = keeping.earlier(results, study)
        keeping.check_trials(study, about["trials"], before)
        if resume is None or trials is not None or not (studies.folder(results, study) / studies.SETTINGS).exists():
            studies.write_settings(results, study, about)
        done.wanted = space.wanted(about["trials"])
        possible.tell(space if resume is None else None)
        warm(space)
        made, evaluated, timed_out = searched(space, about, workers, timeout, results, storage, probing=resume is None, done=done)
        keeping.check_made(study, len(made), before)
        rows = confirming.confirmed(space, made, confirm, results, command, parameters) if confirm else before.confirmed
        found = {**analyse(space, made, confirming.measured(rows) if rows else None), "confirmed": rows}
        provenance = _provenance(space, about, made, evaluated, round(time.monotonic() - began, 3))
        studies.write_tables(results, study, {**tables(space, made, found), "provenance": [provenance]})
    if made and not any(t.ok for t in made):
        status, n = collections.Counter(t.status for t in made).most_common(1)[0]
        raise BadInput(f"study {study}: none of {len(made):,} configurations could be evaluated; {n:,} of them {status}")
    why = None if timed_out else closest(made, space)
    if why:
        raise BadInput(f"study {study}: {why}; all {len(made):,} configurations that were asked for were evaluated")
    partial = provenance["covered"] < provenance["size"]
    return {"study": study, "trials": len(made), "timed_out": timed_out, "partial": partial, **shown(found), "provenance": provenance}


def _provenance(space: Space, about: Found, made: Sequence[Trial], evaluated: int, seconds: float) -> Found:
    """Provenance of a study: what was asked, of which code, on which machine."""
    return {
        "command": about["command"], "space": space.name, "space_digest": space.digest, "sampler": about["sampler"],
        "seed": about["seed"], "trials": len(made), "wanted": about["trials"] or space.size, "evaluated": evaluated,
        "seconds": seconds, "code_digest": code_digest(), "commit": commit(),
        "host": platform.node(), "packages": machine.packages(), "document": space.document,
        "objectives": list(space.objectives), "winner": space.winner, "baseline": space.baseline,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "over": space.over.document,
        "environments": about.get("environments"), "places": space.places, "size": space.most, "covered": covered(space, made),
    }  # fmt: skip


def _check_parameters(parameters: str | Path | None, confirm: int) -> None:
    """Refuse a table of latencies that cannot be read, or that nothing uses: no trial has a whole fault in it."""
    from dse.modelling import tables

    if parameters is None:
        return
    if not confirm:
        raise BadInput(f"{parameters} has no effect: only the runs of --confirm N use latencies of a fault")
    tables.read(parameters)


def _check_storage(storage: str | None) -> None:
    """Refuse a storage that cannot be one before anything is stored under its name."""
    if storage is not None:
        if not storage.strip():
            raise BadInput("an empty name is no storage")
        from dse.sweeps import storages

        storages.close(storages.opened(storage))


def _space_of(settings: Found) -> Space:
    """Space of a stored study."""
    try:
        return spaces.from_document(settings["space"])
    except (KeyError, TypeError, AttributeError, ValueError):
        raise BadInput(f"the settings of study {settings['study']} are damaged; start it anew") from None


def _settings(space: Space, trials: int | None, sampler: str | None, seed: int | None, environments: int | None = None) -> Found:
    """Settings of a study; its name follows from them."""
    if trials is not None and not 1 <= trials <= TRIALS_MAX:
        raise BadInput(f"trials are 1 to {TRIALS_MAX:,}, got {trials:,}")
    if trials is None and not space.countable:
        raise BadInput(f"the space has some {space.distinct:,} configurations; say how many --trials")
    chosen = check(sampler or auto(space, trials))
    if seed is not None and chosen == EXHAUSTIVE:
        raise BadInput(f"a seed of the sampler has no effect: {EXHAUSTIVE} draws nothing; that of the scenario is --set replay.seed=N")
    seed = 1 if seed is None else seed
    if space.over.robust and space.places > spaces.PLACES_MOST:
        raise BadInput(f"the space has {space.places:,} environments; a choice is judged over {spaces.PLACES_MOST:,} at most")
    if space.over.robust and trials is not None and trials < space.places:
        raise BadInput(f"a choice is judged over {space.places:,} environments: give at least as many --trials, got {trials:,}")
    at_a_time = environments or places_at_a_time(space, chosen, trials)
    traces = keeping.traces(space)
    what = [space.digest, chosen, seed, code_digest(), at_a_time, *([traces] if traces else [])]  # all that a trial depends on
    digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()
    return {
        "version": studies.VERSION, "study": f"{space.name}-{chosen}-s{seed}-{digest[:8]}", "space": space.document, "sampler": chosen,
        "seed": seed, "trials": trials, "code_digest": code_digest(), "environments": at_a_time,
        **({"traces": traces} if traces else {}),
    }  # fmt: skip


def _resumed(results: str | Path, name: str, trials: int | None, command: str) -> Found:
    """Settings of the resumed study; its command is the one that began it, with what `command` changes."""
    study = studies.find(results, name)
    settings = studies.read_settings(results, study)
    if settings["code_digest"] != code_digest():
        raise BadInput(f"study {study} was begun by other code: its trials would not be the same; start it anew")
    first = settings.get("command") or first_command(results, study, command)
    settings["command"] = safe(repeated(str(first), command, trials))
    check(str(settings["sampler"]))
    if trials is not None:
        if settings["trials"] is not None and trials < settings["trials"]:
            raise BadInput(f"study {study} wants {settings['trials']:,} trials already; --trials can only be raised")
        settings["trials"] = trials
    return settings


def warm(space: Space) -> None:
    """Compile the kernels of the space, before workers start."""
    warming.warm([(text, "count") for text in dict.fromkeys([*space.designs, naming.parse(space.baseline).text])])


def searched(
    space: Space,
    settings: Found,
    workers: int,
    timeout: float | None,
    results: str | Path,
    storage: str | None,
    probing: bool = False,
    done: Done | None = None,
) -> Made:
    """Search of a study, with its workers and its storage; `done` is told how far it is."""
    from dse.sweeps import recording

    study = str(settings["study"])
    with contextlib.ExitStack() as stack:
        evaluator = stack.enter_context(Evaluator(results, max(workers, 1)))
        recorder: Any
        if storage is not None:
            from dse.sweeps.distributing import Shared

            recorder = stack.enter_context(Shared(storage, study, space, evaluator, workers, results))
            evaluate = recorder.evaluate
        else:
            journal = studies.folder(results, study) / studies.JOURNAL
            recorder = stack.enter_context(recording.Recorder(journal, study, space))
            evaluate = evaluator

        def record(trials: list[Trial]) -> None:
            recorder.record(trials)
            if done is not None:
                done.trials = len(search.trials)

        def step() -> None:
            at = search.seen()
            if done is not None:
                done.trials = at

        search = Search(
            space, str(settings["sampler"]), int(settings["seed"]), settings["trials"], evaluate, record, timeout, evaluator,
            environments=settings.get("environments"), probing=probing, resuming=studies.resuming(results, study),
        )  # fmt: skip
        evaluator.step = recorder.step = step
        trials = search.run()
        return Made(trials, evaluator.evaluated + getattr(recorder, "evaluated", 0), search.timed_out)


def again(space: Space, settings: Found, trials: int, workers: int, results: str | Path) -> list[Found]:
    """Search once more for so many trials of a study, which may have stopped before it had all that it wanted.

    Parameters
    ----------
    space : Space
        Its space.
    settings : dict
        Its settings.
    trials, workers : int
        How many, in how many processes.
    results : path
        Folder without a cache.

    Returns
    -------
    list of dict
        Rows of the table ``trials``.
    """
    warm(space)
    made = searched(space, {**settings, "trials": trials}, workers, None, results, None).trials
    return tables(space, made, {**analyse(space, made), "confirmed": []})["trials"]


def _patched(design: str) -> bool:
    """Return True for a design that exists as patches or in a kernel."""
    return not naming.proposed(design)


def analyse(space: Space, made: Sequence[Trial], measured: Measured | None = None) -> Found:
    """Compute every result of a study.

    Fronts, winners and importance are those of each environment, or of all of them by the measure of the space. Break-evens and regrets
    are always those of the environments.
    """
    judged = over(made, space.over, space.axes, space.winner) if space.over.robust else list(made)
    return {
        "front": analysing.front(judged, space.objectives),
        "winners": winners(judged, space.winner, measured, covers(space, made)),
        "patched": winners([t for t in judged if _patched(t.configuration.design)], space.winner, measured, covers(space, made, _patched)),
        "missing": without_result(space, made),
        "orders": orders(judged, space.winner),
        "breakeven": breakeven(made, space.winner, naming.parse(space.baseline).text),
        "moves": moves(made),
        "sensitivity": sensitivity(judged, space.objectives, space.winner),
        "regret": analysing.regret(made, space.winner),
        "confirmed": [],
    }


def shown(found: Found) -> Found:
    """Return the same as plain data."""
    front = [
        {
            "number": t.number, "design": t.configuration.design, "params": {"design": t.configuration.design, **t.configuration.params},
            "environment": t.configuration.environment, "values": t.values,
        }
        for t in found["front"]
    ]  # fmt: skip
    return {**found, "front": front}


def tables(space: Space, made: Sequence[Trial], found: Found) -> dict[str, list[Found]]:
    """Rows of the study's tables."""
    front = members(made, found["front"]) if space.over.robust else {t.number for t in found["front"]}
    trials, params = [], []
    for t in made:
        c = t.configuration
        common = {
            "number": t.number, "design": c.design, "environment": c.environment, "params": c.choice, "status": t.status,
            "feasible": t.feasible, "front": t.number in front, "key": t.key, "delivered": t.delivered, "writeback": t.writeback,
        }  # fmt: skip
        trials += [
            {**common, "objective": name, "kind": objectives.kind(name), "unit": objectives.unit(name), "value": t.values[name]}
            for name in space.figures
        ]
        for role, values in (("choice", c.choice), ("environment", c.environment)):
            params += [
                {"number": t.number, "axis": axis, "role": role, "text": text_of(value),
                 "value": float(value) if isinstance(value, (int, float)) else None}
                for axis, value in values.items()
            ]  # fmt: skip
    names = ("winners", "patched", "missing", "orders", "moves", "breakeven", "sensitivity", "regret", "confirmed")
    rest = {name: found[name] for name in names}
    return {"trials": trials, "params": params, **rest}
