"""Swap-ins that saw swap full (``mem_cgroup_swap_full``). Full, a fault drops the cache copy; else the copy and its slot stay.

Swap is full where more than half of all slots is used (``vm_swap_full``), or half of what the memory cgroup may use (its ``swap.max``).
The settings decide on which side a design lies: one whose zswap pages tie up slots, or are charged, is full where a layer is not. Designs
on different sides do different work for the same demands, so no finding is made of their times.
"""

from __future__ import annotations

from dse.measuring.figures import FULL, MEMCG_FULL
from dse.measuring.run import Side, rows_of
from dse.storing import Figure, figure
from kernels import demand
from kernels.observing import probe

METRIC, MEMCG_METRIC = FULL, MEMCG_FULL
HALVES = {METRIC: "saw_full", MEMCG_METRIC: "saw_memcg_full"}
"""Counters of the probe by metric: by device, and by memory cgroup where that has a limit."""
MOST, HARDLY = 0.5, 0.05
"""Shares of the swap-ins above and below which a design lies on one side."""


def halves(side: Side, age: str) -> dict[str, float]:
    """Shares of the swap-ins in the counted chunks of a window that saw swap full, by metric; empty without a swap-in."""
    row = rows_of(side.count[age])[demand.SWAP_IN]
    known = HALVES if side.limited else {METRIC: HALVES[METRIC]}
    return {metric: float(row[probe.METRICS.index(name)]) / float(row[0]) for metric, name in known.items()} if row[0] else {}


def share(side: Side, age: str) -> float | None:
    """The larger of the :func:`halves`; None without a swap-in."""
    return max(halves(side, age).values(), default=None)


def rows(side: Side) -> list[Figure]:
    """Rows of the shares, one a window and half."""
    found = []
    for age, pr in side.count.items():
        n = int(rows_of(pr)[demand.SWAP_IN][0])
        found += [
            figure(side.name, "swap_in", metric, "counted", "share", value, stat="mean", age=age, n=n, count=None)
            for metric, value in halves(side, age).items()
        ]
    return found


def apart(a: float | None, b: float | None) -> str:
    """Reason why designs with shares `a` and `b` are not compared; empty where they are.

    Examples
    --------
    >>> apart(1.0, 0.01), apart(1.0, 0.2)
    ('swap was full for 100 % of the swap-ins of one and 1 % of those of the other', '')
    """
    if a is None or b is None or max(a, b) <= MOST or min(a, b) >= HARDLY:
        return ""
    return f"swap was full for {max(a, b):.0%} of the swap-ins of one and {min(a, b):.0%} of those of the other".replace("%", " %")


def between(side: Side, base: Side, age: str) -> str:
    """Return :func:`apart` of two sides in a window."""
    return apart(share(side, age), share(base, age))
