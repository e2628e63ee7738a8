"""All schedules of a situation up to so many preemptions, and random ones beyond.

A preemption takes the CPU from a task that could go on. Only those are tried that can matter: before a lock that another task takes too,
and before an access to a word that another task accesses as well, one of the two writing, with no lock that is held at all of these
accesses. What lies between two such steps is of one task alone, or is kept apart by a lock, so that a preemption there has the same
effect as one at the next such step. The words are learned from the runs themselves, until no run shows another one.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dse.testing.schedules.running import CHOICE, LOCK, READ, UNLOCK, WRITE, Event, Key, Scheduler
from dse.testing.schedules.trying import Trial

Plan = tuple[tuple[int, int], ...]


class Shared:
    """Which locks and words tasks share, as far as runs have shown."""

    def __init__(self) -> None:
        self.lockers: dict[Key, int] = {}
        self.users: dict[Key, tuple[int, int, frozenset[Key]]] = {}
        self.known: set[Key] = set()

    def learn(self, trace: list[Event]) -> set[Key]:
        """Add what a run shows; the objects that have become shared by it."""
        fresh = set()
        for event in trace:
            key, bit = event.key, 1 << max(0, event.task)
            if event.what == LOCK:
                mask = self.lockers.get(key, 0) | bit
                self.lockers[key] = mask
                together = mask & mask - 1
            elif event.what in (READ, WRITE):
                readers, writers, locks = self.users.get(key, (0, 0, event.held))
                readers, writers, locks = readers | bit, writers | bit * (event.what == WRITE), locks & event.held
                self.users[key] = readers, writers, locks
                together = writers and readers & readers - 1 and not locks
            else:
                continue
            if together and key not in self.known:
                self.known.add(key)
                fresh.add(key)
        return fresh


@dataclass
class Finding:
    """A schedule that shows something."""

    why: str
    plan: Plan
    preemptions: int


@dataclass
class Explored:
    """Result of a situation.

    Attributes
    ----------
    schedules : int
        Runs.
    complete : bool
        Every schedule within the bound was run, or has the same effect as one that was.
    """

    schedules: int = 0
    complete: bool = True
    findings: dict[str, Finding] = field(default_factory=dict)
    order: dict[tuple[str, str], Plan] = field(default_factory=dict)
    states: int = 0


def explore(trial: Trial, preemptions: int, most: int, findings: int = 1, *, everywhere: bool = False) -> Explored:
    """Run every schedule of `trial` up to so many `preemptions`, at most `most` of them, until so many `findings`.

    With `everywhere` preemptions come at every step, also where they cannot matter: a check of the reduction.
    """
    shared, out = Shared(), Explored()
    levels: list[deque[Plan]] = [deque() for _ in range(preemptions + 1)]
    levels[0].append(())
    waiting: dict[Key, list[tuple[int, Plan]]] = {}
    while any(levels) and len(out.findings) < findings:
        if out.schedules >= most:
            break
        level = next(n for n, queue in enumerate(levels) if queue)
        plan = levels[level].popleft()
        run = trial.run(dict(plan))
        out.schedules += 1
        _note(out, run, plan, level)
        fresh = shared.learn(run.trace)
        last = plan[-1][0] if plan else -1
        seen: set[tuple[int, int]] = set()
        for event in run.trace:
            if event.step <= last or not event.others:
                continue
            for other in event.others:
                longer = (*plan, (event.step, other))
                if event.what == CHOICE:
                    levels[level].append(longer)
                elif level < preemptions and event.what != UNLOCK and (event.step, other) not in seen:
                    if everywhere or event.key in shared.known:
                        seen.add((event.step, other))
                        levels[level + 1].append(longer)
                    else:
                        waiting.setdefault(event.key, []).append((level + 1, longer))
        for key in fresh:
            for at, longer in waiting.pop(key, ()):
                levels[at].append(longer)
    out.states, out.complete = len(trial.known), not any(levels)
    return out


def _note(out: Explored, run: Scheduler, plan: Plan, level: int) -> None:
    for pair in run.order:
        out.order.setdefault(pair, plan)
    if run.wrong and run.wrong not in out.findings:
        out.findings[run.wrong] = Finding(run.wrong, plan, level)


def random_priorities(seed: int, tasks: int, length: int, depth: int) -> Callable[[int, list[int]], int]:
    """A policy with random priorities of tasks and `depth` - 1 random steps at which that of the running one drops (PCT)."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    rank = list(range(depth, depth + tasks))
    rng.shuffle(rank)
    drops = {rng.randrange(max(1, length)): i for i in range(depth - 1)}
    count = 0

    def policy(running: int, able: list[int]) -> int:
        nonlocal count
        if running >= 0:
            if count in drops:
                rank[running] = drops[count]
            count += 1
        return max(able, key=lambda n: rank[n])

    return policy


def random_schedules(trial: Trial, n: int, seed: int, depth: int) -> Iterator[Scheduler]:
    """Runs of random schedules."""
    length = len(trial.run({}).trace)
    for i in range(n):
        yield trial.run({}, random_priorities(seed + i, len(trial.blocks), length, depth))


def shortest(trial: Trial, plan: Plan) -> Plan:
    """Leave out switches of a plan, one after the other, as long as something is wrong with what is left."""
    at = len(plan) - 1
    while at >= 0:
        less = plan[:at] + plan[at + 1 :]
        if trial.run(dict(less)).wrong:
            plan = less
        at -= 1
    return plan
