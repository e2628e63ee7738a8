"""All situations of a design under all schedules, or as many as are asked for; lock orders over all of them; one schedule again."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from dse import naming
from dse.errors import BadInput, unknown
from dse.testing import subjects
from dse.testing.schedules import exploring, known, showing, situations, trying
from dse.testing.schedules.exploring import Explored, Plan
from dse.testing.schedules.trying import Situation
from kernels.life.registry import REGISTRY

RANDOM_DEPTH = 4
"""Priority changes of a random schedule, and one more."""
RANDOM_SHARE = 4
"""One schedule of so many is random."""


@dataclass
class Judged:
    """Result of a design.

    Attributes
    ----------
    schedules, situations, complete : int
        Runs; situations; those of them in which every schedule within the bound was run.
    new, named : list of str
        Findings, with the number of a schedule that shows each: new ones, and those that the design's page names.
    """

    schedules: int = 0
    situations: int = 0
    complete: int = 0
    new: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)


def number(situation: Situation, plan: Plan) -> str:
    """The number of a schedule: its situation, and the steps at which another CPU goes on.

    Examples
    --------
    >>> number(situations.FAULTS[0], ((12, 1), (30, 0)))
    'fault-fault:12-1,30-0'
    """
    return f"{situation.name}:{','.join(f'{step}-{task}' for step, task in plan)}"


def parse(text: str) -> tuple[Situation, dict[int, int]]:
    """Read the number of a schedule.

    Raises
    ------
    BadInput
        It is none.
    """
    name, _, plan = text.partition(":")
    every = {one.name: one for one in situations.ALL}
    if name not in every:
        raise BadInput(unknown("situation", name, every))
    try:
        steps = {int(step): int(task) for step, task in (pair.split("-") for pair in plan.split(",") if pair)}
    except ValueError:
        raise BadInput(f"schedule {text!r}: after the colon come steps and CPUs, as in 12-1,30-0") from None
    if any(not 0 <= task < len(every[name].at_once) for task in steps.values()):
        raise BadInput(f"schedule {text!r}: situation {name} has {len(every[name].at_once)} CPUs, numbered from 0")
    return every[name], steps


def judge(text: str, total: int, preemptions: int, seed: int) -> Judged:
    """Run up to `total` schedules of a design with its parameters, shared among situations; what a situation leaves goes to the next.

    Parameters
    ----------
    text : str
        The design, as ``dse.naming`` reads it.
    total : int
        Most runs.
    preemptions : int
        Most preemptions of a schedule of the exhaustive part. A quarter of `total`, and what is left of the rest, is random.
    seed : int
        Of the random schedules.
    """
    named = naming.parse(text)
    name, parameters = named.design.name, subjects.control(named)
    out = Judged()
    order: dict[tuple[str, str], str] = {}
    chosen = situations.of(name)
    aside = total // RANDOM_SHARE
    left = total - aside
    for i, situation in enumerate(chosen):
        if left < 1:
            out.situations += 1
            continue
        found = explored(name, situation, parameters, preemptions, max(1, left // (len(chosen) - i)))
        left -= found.schedules
        _add(out, name, situation, found)
        for pair, plan in found.order.items():
            order.setdefault(pair, number(situation, plan))
    _random(out, name, chosen, parameters, max(0, left) + aside, seed)
    out.new += [f"locks are taken in a circle: {one}" for one in circles(order)]
    return out


def explored(name: str, situation: Situation, parameters: dict[str, int], preemptions: int, most: int) -> Explored:
    """Run the schedules of one situation."""
    with trying.trial(name, situation, parameters) as trial:
        return exploring.explore(trial, preemptions, most)


def _add(out: Judged, name: str, situation: Situation, found: Explored) -> None:
    out.schedules += found.schedules
    out.situations += 1
    out.complete += found.complete
    for finding in found.findings.values():
        say(out, name, situation, finding.why, finding.plan)


def say(out: Judged, name: str, situation: Situation, why: str, plan: Plan) -> None:
    """Enter a finding, new or named."""
    place = known.place(name, situation.name, why)
    text = f"{' '.join(why.split())} (schedule {number(situation, plan)})"
    (out.named if place else out.new).append(f"{text}; {place}" if place else text)


def _random(out: Judged, name: str, chosen: Iterable[Situation], parameters: dict[str, int], left: int, seed: int) -> None:
    """Spend what is left on random schedules of the situations that showed nothing."""
    quiet = [one for one in chosen if not any(f"(schedule {one.name}:" in text for text in out.new + out.named)]
    for i, situation in enumerate(quiet):
        share = left // (len(quiet) - i)
        left -= share
        if not share:
            continue
        with trying.trial(name, situation, parameters) as trial:
            for run in exploring.random_schedules(trial, share, seed, RANDOM_DEPTH):
                out.schedules += 1
                if run.wrong:
                    plan = exploring.shortest(trial, tuple(run.switches.items()))
                    say(out, name, situation, trial.run(dict(plan)).wrong, plan)
                    break


def circles(order: dict[tuple[str, str], str]) -> list[str]:
    """Circles of lock classes that are taken while others are held, as lockdep finds them, with a schedule for each link."""
    after: dict[str, set[str]] = {}
    for held, taken in order:
        after.setdefault(held, set()).add(taken)
    found = []
    for start in sorted(after):
        path = _back(after, start, start, (start,))
        if path and start == min(path):
            links = itertools.pairwise(path)
            found.append("; ".join(f"{taken} while {held} is held (schedule {order[held, taken]})" for held, taken in links))
    return found


def _back(after: dict[str, set[str]], at: str, start: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """The way from `at` back to `start`, empty if there is none."""
    for one in sorted(after.get(at, ())):
        if one == start:
            return (*path, one)
        if one not in path:
            further = _back(after, one, start, (*path, one))
            if further:
                return further
    return ()


def again(text: str, schedule: str) -> str:
    """Run one schedule again and print it: a column for each CPU, a line for each step, and what comes of it.

    Where nothing is wrong, steps at which the CPU that is named cannot go on are said: it is not the schedule of the number.
    """
    named = naming.parse(text)
    situation, plan = parse(schedule)
    with trying.trial(named.design.name, situation, subjects.control(named)) as trial:
        run = trial.run(plan, places=True)
        missed = [f"{step}-{task}" for step, task in plan.items() if step in run.unheeded or step >= run.step]
        return showing.columns(trial, run, REGISTRY[named.design.name], missed)
