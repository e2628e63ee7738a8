"""Blocks that belong to a cluster of slots while it needs them: swap table, memcg table, extend table.

A cluster header (kernels/structures/cluster.py) names its blocks by number: word 3 the
table, 5 the memcg table, 7 the extend table. 0 means none. Block 0 of every array is
all zero, so that a lookup need not ask. A block has one element for each slot of the
cluster.
"""

from __future__ import annotations

from kernels.compiling.constants import U0, U1, U2, U3, U4, U7
from kernels.compiling.jit import called, inner, u
from kernels.control import C_CLUSTER_SHIFT, S_TABLE_FREE
from kernels.observing.allocations import A_TABLE
from kernels.observing.probe import R_CLUSTER, allocated, freed, wrote
from kernels.observing.shared import shared
from kernels.structures.cluster import CI_WORDS, ci_of

TABLE, MEMCG, EXTEND = U0, U1, U2  # kinds
CI_TABLE, CI_MEMCG, CI_EXTEND = U3, u(5), U7
HEAD, HIGH, LIVE, PEAK = U0, U1, U2, U3  # control words of a kind, from S_TABLE_FREE + 4 * kind on


@inner
def element(st, g, word):  # type: ignore[no-untyped-def]
    """Index of the element of slot `g` in the block that `word` of its cluster header names."""
    shift = st.ctl[C_CLUSTER_SHIFT]
    return u(st.cluster[ci_of(st, g) + word]) << shift | g & ((U1 << shift) - U1)


@inner
def has(st, g, word):  # type: ignore[no-untyped-def]
    """True if the cluster of slot `g` has the block."""
    return st.cluster[ci_of(st, g) + word] != U0


@called
def number(st, pr, ci, kind, word, most):  # type: ignore[no-untyped-def]
    """Take a free block of `kind` for the header at `ci`; return its number, 0 if `most` are in use. The caller zeroes it.

    Where threads share the state each cluster has blocks of its own number: two of them, under locks of two clusters, take no list.
    """
    ctl, at = st.ctl, S_TABLE_FREE + kind * U4
    n = ctl[at + HEAD]
    if shared(pr):
        n = ci // CI_WORDS + U1
    elif n != U0:
        ctl[at + HEAD] = u(st.blink[n * U3 + kind])
    else:
        n = ctl[at + HIGH] + U1
        if n > most:
            return U0
        ctl[at + HIGH] = n
    ctl[at + LIVE] += U1
    ctl[at + PEAK] = max(ctl[at + PEAK], ctl[at + LIVE])
    st.cluster[ci + word] = n
    wrote(pr, R_CLUSTER, ci >> U1)
    allocated(pr, A_TABLE + kind)
    return n


@called
def drop(st, pr, ci, kind, word):  # type: ignore[no-untyped-def]
    """Free the block of `kind` of the header at `ci`, if it has one."""
    ctl, at, n = st.ctl, S_TABLE_FREE + kind * U4, u(st.cluster[ci + word])
    if n == U0:
        return
    if not shared(pr):
        st.blink[n * U3 + kind] = ctl[at + HEAD]
        ctl[at + HEAD] = n
    ctl[at + LIVE] -= U1
    st.cluster[ci + word] = 0
    wrote(pr, R_CLUSTER, ci >> U1)
    freed(pr, A_TABLE + kind)
