"""Readahead of a scenario: what the stage has for it, and streams that have none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import BadInput
from dse.scenario import Scenario
from dse.workloads.workload import Workload
from kernels.reclaim import state as s


def most(scenario: Scenario) -> int:
    """Most pages that a fault reads, 0 without readahead."""
    return 1 << scenario.readahead.page_cluster if scenario.readahead.page_cluster else 0


def words(scenario: Scenario) -> dict[np.uint64, int]:
    """Control words of the stage, none without readahead."""
    return {s.C_AHEAD: most(scenario)} if most(scenario) else {}


def arrays(scenario: Scenario, workload: Workload) -> dict[str, tuple[int, type[np.generic]]]:
    """Length and type of the arrays of the stage, of one row or element without readahead."""
    from kernels.reclaim.readahead import ROW

    there = bool(most(scenario))
    spaces = workload.pages >> workload.space_shift
    return {"ahead": (workload.pages if there else 1, np.uint8), "near": (int(ROW) * (spaces if there else 1), np.uint32)}


def begin(near: NDArray[Any]) -> None:
    """Write what a space begins with: no fault before, and the kernel's first hits, so that the first window is not one page."""
    from kernels.reclaim import readahead

    rows = near.reshape(-1, int(readahead.ROW))
    rows[:, int(readahead.BEFORE)] = int(s.NONE)
    rows[:, int(readahead.HITS)] = readahead.FIRST_HITS


def refuse(stream: Any) -> None:
    """Refuse a stream that cannot read ahead although its scenario says so.

    Raises
    ------
    BadInput
        Its workload forks.
    """
    if most(stream.scenario) and stream.forks:
        says = f"readahead.page_cluster needs a workload without forks, and {stream.workload.name} forks"
        raise BadInput(f"scenario {stream.scenario.name}: {says}")
