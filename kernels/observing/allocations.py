"""The allocation log: objects that operations allocate and free, by class, filed under the reply of the operation.

Only probes that count keep it (:mod:`kernels.observing.probe`). A row is a pair of words a class: allocated, freed. Sizes and
RCU grace periods of the classes are in ``dse.modelling.allocations``.
"""

from __future__ import annotations

from kernels.compiling.constants import U0
from kernels.compiling.jit import inner, u
from kernels.own import CLASSES, COMMON

A_NODE = COMMON.allocation("xa_node", nbytes=576, rcu=True, source="lib/xarray.c: xa_node_free, call_rcu")
A_ZE = COMMON.allocation("zswap_entry", ("zswap_entry",), source="mm/zswap.c: zswap_entry_cache_free, kmem_cache_free")
A_ZOBJ = COMMON.allocation("zsmalloc object", source="mm/zsmalloc.c: zs_free")
A_CONT = COMMON.allocation("continuation page", nbytes=4096, source="mm/swapfile.c: free_swap_count_continuations, at swapoff")
A_TABLE, A_MEMCG, A_EXTEND = (  # in the order of the kinds of kernels.structures.blocks
    COMMON.allocation("swap table", ("swap table", "reverse table"), rcu=True, source="mm/swapfile.c of 6.18: swap_table_free, call_rcu"),
    COMMON.allocation("memcg table", ("memcg table",), source="mm/swapfile.c of 7.0: kfree with the table of its cluster"),
    COMMON.allocation("extend table", ("extend table",), source="mm/swapfile.c: kfree when no count needs it"),
)
ROW = 2 * CLASSES  # words


@inner
def file_row(tally, scratch, row):  # type: ignore[no-untyped-def]
    """Add the row of the operation under way to the one at `row`, and clear it."""
    for i in range(ROW):
        tally[row + u(i)] += tally[scratch + u(i)]
        tally[scratch + u(i)] = U0
