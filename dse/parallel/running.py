"""Threads at work: each replays its demands, pinned to a CPU."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.errors import BadInput
from dse.parallel.teams import Team
from kernels.life.registry import Design
from kernels.observing import shared as sh


@dataclass(frozen=True)
class Times:
    """Times of threads: from the first's start to the last's end, of each of them, and the CPU's time that each has had [s]."""

    wall: float
    each: tuple[float, ...]
    cpu: tuple[float, ...]


def cpus() -> list[int]:
    """CPUs that this process may run on."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def run(design: Design, team: Team, demands: Sequence[NDArray[np.uint64]], replies: Sequence[NDArray[np.uint8]]) -> Times:
    """Replay the demands of each thread of `team`, all at once; the state is not settled yet.

    Raises
    ------
    BadInput
        A thread ended with an error, which the line names.
    """
    barrier = threading.Barrier(team.threads)
    marks = [(0.0, 0.0, 0.0)] * team.threads
    problems: list[BaseException] = []
    where = cpus()
    epochs = team.probes[0].epochs
    epochs[:] = 1

    def work(t: int) -> None:
        try:
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, {where[t % len(where)]})
            barrier.wait()
            start, had = time.perf_counter(), time.thread_time()
            design.replay(team.states[t], team.probes[t], demands[t], replies[t])
            marks[t] = start, time.perf_counter(), time.thread_time() - had
        except BaseException as error:  # noqa: BLE001 - told by the caller's thread
            problems.append(error)
            barrier.abort()
        finally:
            epochs[t * 8] = sh.OFFLINE

    threads = [threading.Thread(target=work, args=(t,), daemon=True) for t in range(team.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise BadInput(f"a thread ended: {problems[0]}") from problems[0]
    for one in team.probes:
        one.own[int(sh.CLOCK)] = 0
    wall = max(end for _, end, _ in marks) - min(start for start, _, _ in marks)
    return Times(wall, tuple(end - start for start, end, _ in marks), tuple(spent for _, _, spent in marks))
