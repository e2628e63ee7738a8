"""The allocation log: what operations allocate and free, by class of object, filed under what they turned out to be.

Only probes that count keep it (:mod:`kernels.observing.probe`). A row is a pair of words a class: allocated, freed. Sizes, and which
classes wait for an RCU grace period, are ``dse.modelling.allocations``.
"""

from __future__ import annotations

from kernels.compiling.constants import U0
from kernels.compiling.jit import inner, u

NAMES = (
    "xa_node", "zswap_entry", "zsmalloc object", "swap_desc", "continuation page", "swap table", "memcg table", "extend table",
    "virtual cluster with descriptors", "virtual cluster header", "virtual descriptors",
)  # fmt: skip
(A_NODE, A_ZE, A_ZOBJ, A_DESC, A_CONT, A_TABLE, A_MEMCG, A_EXTEND, A_VOBJECT, A_VHEADER, A_VDESCS) = (u(i) for i in range(11))
CLASSES = 16
ROW = 2 * CLASSES  # words


@inner
def file_row(tally, scratch, row):  # type: ignore[no-untyped-def]
    """Add the row of the operation under way, which is empty afterwards, to the one at `row`."""
    for i in range(ROW):
        tally[row + u(i)] += tally[scratch + u(i)]
        tally[scratch + u(i)] = U0
