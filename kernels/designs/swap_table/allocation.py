"""Tables of a cluster: allocated with its first slot, freed with its last (``swap_cluster_alloc_table``, ``swap_cluster_free_table``)."""

from __future__ import annotations

from kernels.compiling.constants import ONES, U0, U1, U2, U4
from kernels.compiling.jit import called, u
from kernels.control import C_CLUSTER_SHIFT
from kernels.designs.swap_table.own import C_PHASE, R_MEMCG, R_TABLE
from kernels.observing.probe import wrote
from kernels.structures.blocks import CI_EXTEND, CI_MEMCG, CI_TABLE, EXTEND, MEMCG, TABLE, drop, number
from kernels.structures.cluster import ci_of


@called
def table_new(st, pr, g):  # type: ignore[no-untyped-def]
    """Give the cluster of slot `g` a zeroed table (``swap_cluster_alloc_table``)."""
    size = U1 << st.ctl[C_CLUSTER_SHIFT]
    n = number(st, pr, ci_of(st, g), TABLE, CI_TABLE, ONES)
    for i in range(n * size, n * size + size):
        st.table[u(i)] = U0
        wrote(pr, R_TABLE, u(i))


@called
def blocks_new(st, pr, g):  # type: ignore[no-untyped-def]
    """Give the cluster of slot `g` its blocks with its first slot: a table, in phase 4 a memcg table too."""
    table_new(st, pr, g)
    if st.ctl[C_PHASE] == U4:
        memcg_new(st, pr, g)


@called
def memcg_new(st, pr, g):  # type: ignore[no-untyped-def]
    """Give the cluster of slot `g` a zeroed memcg table."""
    size = U1 << st.ctl[C_CLUSTER_SHIFT]
    n = number(st, pr, ci_of(st, g), MEMCG, CI_MEMCG, ONES)
    for i in range(n * size, n * size + size):
        st.owner[u(i)] = 0
        wrote(pr, R_MEMCG, u(i) >> U2)


@called
def blocks_drop(st, pr, g):  # type: ignore[no-untyped-def]
    """Free the blocks of the cluster of slot `g` with its last slot."""
    ci = ci_of(st, g)
    drop(st, pr, ci, TABLE, CI_TABLE)
    drop(st, pr, ci, MEMCG, CI_MEMCG)
    drop(st, pr, ci, EXTEND, CI_EXTEND)
