"""Swap-ins that saw swap full (``vm_swap_full``). Full, a fault drops the cache copy; else the copy and its slot stay.

The settings decide on which side a design lies: one whose zswap pages tie up slots is full where a layer is not. Designs on different
sides do different work for the same demands, so no finding is made of their times.
"""

from __future__ import annotations

from dse.measuring.run import Side, rows_of
from dse.storing import Figure, figure
from kernels import demand
from kernels.observing import probe

METRIC = "swap_ins_seeing_swap_full"
MOST, HARDLY = 0.5, 0.05
"""Shares of the swap-ins above and below which a design lies on one side."""


def share(side: Side, age: str) -> float | None:
    """Share of the swap-ins in the counted chunks of a window that saw swap full; None without a swap-in."""
    row = rows_of(side.count[age])[demand.SWAP_IN]
    return float(row[probe.METRICS.index("saw_full")]) / float(row[0]) if row[0] else None


def rows(side: Side) -> list[Figure]:
    """Rows of the share, one a window."""
    found = []
    for age, pr in side.count.items():
        value, n = share(side, age), int(rows_of(pr)[demand.SWAP_IN][0])
        if value is not None:
            found.append(figure(side.name, "swap_in", METRIC, "counted", "share", value, stat="mean", age=age, n=n, count=None))
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
