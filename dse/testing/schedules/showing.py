"""A schedule in columns: one for each CPU, a line for each step, with the kernel's function."""

from __future__ import annotations

from collections.abc import Sequence

from dse.testing import conformance, streams
from dse.testing.schedules.running import CHOICE, Scheduler, named
from dse.testing.schedules.trying import Trial
from kernels.life.design import Design
from kernels.own import Lock

WIDTH = 58
RIGHT = "nothing is wrong"
"""Last line of a schedule that shows nothing."""
MISSED = "no CPU could be switched to at"
"""Beginning of the last line where a schedule is not the one that its number names."""


def columns(trial: Trial, run: Scheduler, design: Design, missed: Sequence[str] = ()) -> str:
    """Print a run, and which switches it had no place for."""
    tasks = trial.situation.at_once
    lines = [f"{design.name}, {trial.situation.name}; before: {_demands(trial.situation.before)}"]
    lines.append(" step  " + "".join(f"CPU {i}: {_demands(one)}".ljust(WIDTH) for i, one in enumerate(tasks)).rstrip())
    locks = set(design.own.all(Lock))
    last = -1
    for event, place in zip(run.trace, run.places or (), strict=True):
        if event.what == CHOICE:
            continue
        mark = ">" if event.task != last else " "
        last = event.task
        text = f"{place}: {event.what} {_object(event.key, locks)}"
        lines.append(f"{mark}{event.step:4}  {' ' * WIDTH * event.task}{text}"[: 7 + WIDTH * len(tasks)])
    replies = [", ".join(conformance.reply(code) for code in codes.tolist()) for codes in trial.replies]
    lines += [f"CPU {i} replies: {text}" for i, text in enumerate(replies)]
    right = f"{MISSED} {', '.join(missed)}: the number is not of this source" if missed else RIGHT
    return "\n".join([*lines, run.wrong or right])


def _demands(demands: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(streams.text(record) for record in streams.block(*demands))


def _object(key: tuple[object, ...], locks: set[str]) -> str:
    """Words for what a step is about; the address of a lock's array says nothing."""
    if key and key[0] in locks and len(key) == 3:
        return f"{key[0]} {key[2]}"
    return named(key)
