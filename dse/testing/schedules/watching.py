"""A probe that makes a step of every lock, atomic and access that kernels announce, and holds writes against their guards."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import numpy as np

from dse.testing import rules
from dse.testing.schedules import running
from dse.testing.schedules.running import READ, WRITE, Key, Scheduler, Task
from kernels.life.design import Design
from kernels.observing import atomics, lock, probe
from kernels.own import ATOMIC, PAGE_TABLE, UNMODELLED, Lock, Region


def where(frame: FrameType | None) -> str:
    """Function, file and line of the kernel that `frame` was called from."""
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(running.AROUND):
        frame = frame.f_back
    return "somewhere" if frame is None else f"{frame.f_code.co_name} ({frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno})"


class Watch:
    """A probe for the tasks of a scheduler.

    Attributes
    ----------
    scheduler : Scheduler, optional
        The run under way; without one nothing is watched.
    names, regions : dict of int to str
        Lock classes and regions by number.
    fields : dict of int to str
        Names of the state's arrays by their addresses: which array a lock is in.
    """

    def __init__(self, design: Design) -> None:
        self.scheduler: Scheduler | None = None
        self.tally = np.zeros(1, np.uint64)
        self.names, self.regions = design.own.names(Lock), design.own.names(Region)
        self.guards = design.own.guards()
        self.by_name = {name: number for number, name in self.names.items()}
        self.shift = 0
        self.fields: dict[int, str] = {}

    def seen(self, what: str, region: Any, word: Any, *, atomic: bool = False) -> None:
        """Take a step at an access to `word` of `region`."""
        run = self.scheduler
        if run is None or run.current is None:
            return
        n = int(region)
        task = run.current
        run.event(what, (self.regions[n], int(word)))
        if what == WRITE and not task.alone:
            self.look(run, task, n, int(word), atomic)

    def look(self, run: Scheduler, task: Task, region: int, word: int, atomic: bool) -> None:
        """Hold a write against the guards of its region: a lock of that class, the page-table lock, an atomic."""
        guards = self.guards.get(region, ())
        if atomic and ATOMIC in guards:
            return
        if PAGE_TABLE in guards:
            if ("page table", word >> self.shift) not in task.set:
                run.note(f"{self.regions[region]} is written without the page-table lock: {where(sys._getframe(1))}")
            return
        if any(one in UNMODELLED for one in guards):
            return
        held = {cls for _, cls, _ in task.held}
        if not held.intersection(guards):
            locks = " or ".join(one for one in guards if one != ATOMIC) or "an atomic"
            run.note(f"{self.regions[region]} is written without {locks}: {where(sys._getframe(1))}")


def _wrote(pr: Watch, region: Any, word: Any) -> None:
    pr.seen(WRITE, region, word)


def _read(pr: Watch, region: Any, word: Any) -> None:
    pr.seen(READ, region, word)


def _atomic(pr: Watch, region: Any, word: Any) -> None:
    pr.seen(WRITE, region, word, atomic=True)


def _alone(pr: Watch, on: bool) -> None:
    if pr.scheduler is not None and pr.scheduler.current is not None:
        pr.scheduler.current.alone = bool(on)


def _key(pr: Watch, words: Any, index: Any, cls: Any) -> Key:
    return pr.names[int(cls)], pr.fields.get(words.ctypes.data, ""), int(index)


def _lock(pr: Watch, words: Any, index: Any, cls: Any) -> None:
    if pr.scheduler is not None:
        pr.scheduler.take(_key(pr, words, index, cls), pr.names[int(cls)])


def _trylock(pr: Watch, words: Any, index: Any, cls: Any) -> bool:
    """Take a lock that the model takes by ``spin_trylock`` and then has: another task's is waited for, as the caller would try again."""
    _lock(pr, words, index, cls)
    return True


def _unlock(pr: Watch, words: Any, index: Any, cls: Any) -> None:
    if pr.scheduler is not None:
        pr.scheduler.drop(_key(pr, words, index, cls))


def _nothing(*_: Any) -> None:
    return


OWN = {
    "chase": _read, "touch": _read, "wrote": _wrote, "alone": _alone, "lock": _lock, "trylock": _trylock, "unlock": _unlock,
    "atomic_seen": _atomic, "begin": _nothing, "finish": _nothing, "step": _nothing,
}  # fmt: skip


def of(design: Design) -> Watch:
    """Build a probe for `design`."""
    if Watch not in probe.wrote.table:
        rules.of(design)  # loads what takes part in a counting probe
        for one in list(rules.operations()):
            if probe.Off in one.table:
                one.register(Watch, one.table[probe.Off])
        for name, does in OWN.items():
            place = next(module for module in (probe, lock, atomics) if hasattr(module, name))
            getattr(place, name).register(Watch, does)
    return Watch(design)
