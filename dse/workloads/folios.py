"""Large folios of a scenario: orders that are enabled, and streams that have none."""

from __future__ import annotations

from typing import Any

import numpy as np

from dse.errors import BadInput
from dse.scenario import Scenario
from dse.workloads import generators
from dse.workloads.workload import Workload
from kernels.reclaim import state as s

FEW = 2
"""Least folios of the largest order that the memory limit has room for."""


def largest(scenario: Scenario) -> int:
    """Pages of the largest folio that there may be."""
    return 1 << max((int(order) for order in scenario.folio.orders), default=0)


def refuse(stream: Any) -> None:
    """Refuse a stream that cannot have the folios of its scenario.

    Raises
    ------
    BadInput
        Its workload forks, or its limit is below :data:`FEW` of the largest folios.
    """
    case, pages = stream.scenario, largest(stream.scenario)
    if pages == 1:
        return
    if stream.forks:
        raise BadInput(f"scenario {case.name}: folio.orders needs a workload without forks, and {stream.workload.name} forks")
    if stream.limit < FEW * pages:
        says = f"{stream.limit:,} pages, and folio.orders needs room for {FEW} folios of {pages} pages"
        raise BadInput(f"scenario {case.name}: memory.limit is {says}")


def words(scenario: Scenario, workload: Workload) -> dict[np.uint64, int]:
    """Control words of the stage, none where all folios are single pages.

    The pages of a space that are in use are its first ones; where spaces are of unlike size, as many as the mean.
    """
    orders = {int(order): share for order, share in scenario.folio.orders.items()}
    if not orders:
        return {}
    found = {s.C_FOLIO: max(orders), s.C_FOLIO_KEY: int(generators.scramble(scenario.replay.seed, 6))}
    found[s.C_FOLIO_SPACE] = -(-workload.touched // workload.spaces)
    return found | {s.C_FOLIO_SHARES + np.uint64(order): generators.share(share) for order, share in orders.items()}
