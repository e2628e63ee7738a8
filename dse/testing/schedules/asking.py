"""Schedules from a process whose kernels are compiled: another one, with ``NUMBA_DISABLE_JIT=1``, runs them."""

from __future__ import annotations

import json
import subprocess

from dse.naming import processes
from dse.testing import bounds
from dse.testing.schedules import judging
from dse.testing.schedules.judging import Judged
from kernels.compiling.jit import INTERPRETED

SECONDS = 3600
"""Time after which a run that hangs is ended."""


def judged(text: str, total: int, preemptions: int, seed: int) -> Judged | str:
    """:func:`dse.testing.schedules.judging.judge`, here or in a process of its own; its error in words where it fails."""
    if INTERPRETED:
        return judging.judge(text, total, preemptions, seed)
    said = _process(text, str(total), str(preemptions), str(seed))
    try:
        return Judged(**json.loads(said))
    except (ValueError, TypeError):
        return said or "the process that runs schedules ends without a word"


def again(text: str, schedule: str) -> str:
    """Columns of one schedule.

    Raises
    ------
    BadInput
        The schedule has no such number.
    """
    judging.parse(schedule)
    return judging.again(text, schedule) if INTERPRETED else _process(text, schedule)


def _process(*arguments: str) -> str:
    """Run a process; what it says, or the last line of its error."""
    env = processes.environ(NUMBA_DISABLE_JIT="1")
    command = processes.command("dse.testing.schedules", *arguments)
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"schedules of {arguments[0]} take longer than {SECONDS} s"
    said, ended, _ = done.stdout.rpartition(bounds.END)
    if done.returncode == 0 and ended:
        return said.strip("\n")
    return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"ended with status {done.returncode}"
