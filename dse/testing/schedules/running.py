"""A deterministic scheduler: demands of several CPUs as tasks of which one runs at a time, and which are switched where a plan says so.

A task is a thread that waits for its baton. Nothing runs but the task that has been given its own, so a plan and a state give one run. A
switch costs 5 us; a step that the plan does not name costs no switch. Every event of a task is a step with a number: the taking of a
lock, its release, an access to shared state. A plan maps numbers of steps to the task that goes on there.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np

from dse.errors import Ended

STEPS = 20000
"""Steps after which a run counts as one that does not end."""
LOCK, UNLOCK, READ, WRITE, CHOICE = "lock", "unlock", "read", "write", "choice"

Key = tuple[Hashable, ...]


class Event(NamedTuple):
    """A step: its number, who took it, what it does to which object, the locks held, and the tasks that could have gone on instead."""

    step: int
    task: int
    what: str
    key: Key
    held: frozenset[Key]
    others: tuple[int, ...]


class Stopped(BaseException):
    """The run is over; a task that still waits unwinds."""


class Task:
    """A CPU with its demands.

    Attributes
    ----------
    waits : tuple, optional
        The lock that it waits for.
    held : list
        Locks that it holds, with their classes, in the order in which it took them.
    quiet : int
        Depth of pieces that are one step: reads inside are noted, but nothing is switched there.
    """

    def __init__(self, number: int, run: Callable[[], None]) -> None:
        self.number, self.run = number, run
        self.baton = threading.Lock()
        self.baton.acquire()
        self.done = False
        self.waits: tuple[Key, bool] | None = None
        self.held: list[tuple[Key, str, bool]] = []
        self.set: frozenset[Key] = frozenset()
        self.quiet = 0
        self.at: tuple[int, int, tuple[int, ...]] = (0, number, ())
        self.walk: Key | None = None
        self.moving = 0
        self.scanning = False
        self.last: tuple[int, int, tuple[int, ...]] = (0, number, ())
        self.page: int | None = None
        self.alone = False
        self.refs: dict[int, int] = {}


class Crew:
    """Threads that run tasks, kept from one run to the next."""

    def __init__(self) -> None:
        self.members: list[Member] = []

    def give(self, number: int, work: Callable[[], None]) -> None:
        """Have thread `number` run `work`; it has to wait for a baton itself."""
        while len(self.members) <= number:
            self.members.append(Member())
        self.members[number].give(work)


class Member:
    """A thread that runs what it is given."""

    def __init__(self) -> None:
        self.work: Callable[[], None] | None = None
        self.ready = threading.Lock()
        self.ready.acquire()
        threading.Thread(target=self._loop, daemon=True).start()

    def give(self, work: Callable[[], None]) -> None:
        self.work = work
        self.ready.release()

    def _loop(self) -> None:
        with np.errstate(over="ignore"):  # unsigned arithmetic wraps in compiled kernels
            while True:
                self.ready.acquire()
                if self.work is not None:
                    self.work()


CREW = Crew()


class Scheduler:
    """One run of some tasks.

    Parameters
    ----------
    plan : dict of int to int
        Numbers of steps, and the task that goes on there. At other steps the running task goes on, or where it cannot, the first that can.
    policy : callable, optional
        Asked at every step instead of the plan: gets the running task's number and those of all that can run, returns one.

    Attributes
    ----------
    trace : list of Event
    switches : dict of int to int
        The plan that repeats this run.
    wrong : str
        A deadlock, an exception, a run that does not end; empty if all went well.
    order : dict
        Pairs of lock classes (held, taken), and the step that showed each first.
    """

    def __init__(self, plan: dict[int, int], policy: Callable[[int, list[int]], int] | None = None) -> None:
        self.plan, self.policy = plan, policy
        self.tasks: list[Task] = []
        self.current: Task | None = None
        self.step = 0
        self.trace: list[Event] = []
        self.switches: dict[int, int] = {}
        self.unheeded: set[int] = set()
        self.owners: dict[Key, dict[int, bool]] = {}
        self.order: dict[tuple[str, str], int] = {}
        self.found: dict[str, int] = {}
        self.wrong = ""
        self.stopped = False
        self.main = threading.Lock()
        self.places: list[str] | None = None
        self.on_switch: Callable[[Task], None] | None = None

    # who can run ----------------------------------------------------------------------------------------------------------------

    def free(self, key: Key, task: int, shared: bool) -> bool:
        """Tell if `task` could take the lock `key` now."""
        owners = self.owners.get(key)
        return not owners or all(other == task or (shared and theirs) for other, theirs in owners.items())

    def can_run(self, task: Task) -> bool:
        return not task.done and (task.waits is None or self.free(task.waits[0], task.number, task.waits[1]))

    def others(self, me: int) -> tuple[int, ...]:
        return tuple(t.number for t in self.tasks if t.number != me and self.can_run(t))

    # steps ----------------------------------------------------------------------------------------------------------------------

    def event(self, what: str, key: Key) -> None:
        """Take a step of the running task, before it does `what` to `key`."""
        task = self.current
        if task is None:
            return
        if self.places is not None:
            self.places.append(place())
        if task.quiet and what in (READ, WRITE):
            self.trace.append(Event(*task.at[:2], what, key, task.set, task.at[2]))
            return
        if self.stopped:
            raise Stopped
        step = self.step
        self.step = step + 1
        others = self.others(task.number)
        task.last = step, task.number, others
        self.trace.append(Event(step, task.number, what, key, task.set, others))
        if step > STEPS:
            self.fail("it does not end")
            raise Stopped
        target = self.plan.get(step) if self.policy is None else self.policy(task.number, [task.number, *others])
        if target is not None and target != task.number:
            if target in others:
                self.switches[step] = target
                self.switch(self.tasks[target])
            else:
                self.unheeded.add(step)

    def switch(self, to: Task) -> None:
        """Let another task go on until this one gets its baton back."""
        me = self.current
        assert me is not None
        self.current = to
        if self.on_switch is not None:
            self.on_switch(to)
        to.baton.release()
        me.baton.acquire()
        if self.stopped:
            raise Stopped

    def choose(self, me: int) -> Task | None:
        """The task that goes on where `me` cannot: a step of its own, at which a plan may name another one."""
        able = [t.number for t in self.tasks if self.can_run(t)]
        if not able:
            return None
        step = self.step
        self.step = step + 1
        pick = able[0]
        if self.policy is not None:
            pick = self.policy(-1, able)
        elif self.plan.get(step, pick) in able:
            pick = self.plan.get(step, pick)
        else:
            self.unheeded.add(step)
        if self.places is not None:
            self.places.append("")
        self.trace.append(Event(step, me, CHOICE, (), frozenset(), tuple(n for n in able if n != pick)))
        if pick != able[0]:
            self.switches[step] = pick
        return self.tasks[pick]

    def enter(self, *, step: bool) -> Task | None:
        """Begin a piece that is one `step` of its own, or else part of the step before."""
        task = self.current
        if task is not None:
            if not task.quiet:
                if step:
                    self.event(READ, ("walk",))
                task.at = task.last
            task.quiet += 1
        return task

    # locks ----------------------------------------------------------------------------------------------------------------------

    def take(self, key: Key, cls: str, *, shared: bool = False, wait: bool = True) -> bool:
        """Take lock `key` of class `cls`; without `wait`, False where another task has it."""
        task = self.current
        if task is None:
            return True
        if key in task.set:
            task.held.append((key, cls, shared))
            return True
        self.event(LOCK, key)
        while not self.free(key, task.number, shared):
            if not wait:
                return False
            task.waits = key, shared
            to = self.choose(task.number)
            if to is None:
                self.fail("deadlock: " + "; ".join(self.waiting(t) for t in self.tasks if not t.done))
                raise Stopped
            if to is not task:
                self.switch(to)
            task.waits = None
        if wait:
            for _, before, _ in task.held:
                self.order.setdefault((before, cls), self.step)
        self.owners.setdefault(key, {})[task.number] = shared
        task.held.append((key, cls, shared))
        task.set = frozenset(k for k, _, _ in task.held)
        return True

    def waiting(self, task: Task) -> str:
        """Say what a task waits for, and what it holds."""
        waits = named(task.waits[0]) if task.waits else "nothing"
        return f"CPU {task.number} waits for {waits} and holds {', '.join(named(k) for k, _, _ in task.held) or 'nothing'}"

    def drop(self, key: Key) -> None:
        """Release lock `key`."""
        task = self.current
        if task is None:
            return
        at = next((i for i in reversed(range(len(task.held))) if task.held[i][0] == key), None)
        if at is None:
            self.note(f"{named(key)} is released by a task that does not hold it")
            return
        del task.held[at]
        task.set = frozenset(k for k, _, _ in task.held)
        if key in task.set:
            return
        del self.owners[key][task.number]
        if not self.stopped:
            self.event(UNLOCK, key)

    def holds(self, key: Key) -> bool:
        """Tell if the running task holds `key`."""
        return self.current is None or key in self.current.set

    # findings -------------------------------------------------------------------------------------------------------------------

    def note(self, what: str) -> None:
        """Note a breach of a rule; the run goes on."""
        self.found.setdefault(what, self.step)

    def fail(self, why: str) -> None:
        """End the run."""
        self.wrong = self.wrong or why
        self.stopped = True

    # the run --------------------------------------------------------------------------------------------------------------------

    def run(self, works: list[Callable[[], None]]) -> None:
        """Run the tasks to their ends."""
        self.tasks = [Task(i, work) for i, work in enumerate(works)]
        self.main.acquire()
        for task in self.tasks:
            CREW.give(task.number, self._of(task))
        first = self.choose(-1)
        assert first is not None
        self.current = first
        if self.on_switch is not None:
            self.on_switch(first)
        first.baton.release()
        self.main.acquire()
        self.current = None

    def _of(self, task: Task) -> Callable[[], None]:
        def body() -> None:
            task.baton.acquire()
            try:
                if not self.stopped:
                    task.run()
                    if task.held:
                        self.note(f"a demand ends with {', '.join(named(k) for k, _, _ in task.held)} held")
            except Stopped:
                pass
            except (Exception, Ended) as error:  # noqa: BLE001 - whatever a kernel does under a schedule
                self.fail(f"{type(error).__name__}: {error}")
            task.done = True
            self._leave(task)

        return body

    def _leave(self, task: Task) -> None:
        """Let the next task go on, or end the run."""
        left = [t for t in self.tasks if not t.done]
        to = (left[0] if left else None) if self.stopped else self.choose(task.number) if left else None
        if to is None and left:
            self.fail("deadlock: " + "; ".join(self.waiting(t) for t in left))
            to = left[0]
        if to is None:
            self.current = None
            self.main.release()
            return
        self.current = to
        if self.on_switch is not None and not self.stopped:
            self.on_switch(to)
        to.baton.release()


AROUND = ("contextlib", "kernels.observing", "kernels.compiling", "kernels.memory", "kernels.structures.xarray", "dse.")
"""Modules whose frames do not tell which kernel function a step belongs to."""


def place() -> str:
    """The function of the kernels that takes the step: the kernel's function that it models, where its docstring names one first."""
    frame = sys._getframe(2)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(AROUND):
        frame = frame.f_back
    code = frame.f_code
    function = frame.f_globals.get(code.co_name)
    text = (code.co_consts[0] if code.co_consts and isinstance(code.co_consts[0], str) else getattr(function, "__doc__", None)) or ""
    named = re.match(r"``([a-z_0-9]+)``", text.strip())
    return named.group(1) if named else code.co_name


def named(key: Key) -> str:
    """A lock or a word, in words."""
    return " ".join(str(part) for part in key)
