"""Pointers of the swap-table edition: words in the swap table of a disk that name the virtual slot behind which a slot stands."""

from __future__ import annotations

from kernels.compiling.constants import U1, U2, U3
from kernels.compiling.jit import inner, u
from kernels.designs.swap_table.own import R_TABLE
from kernels.designs.swap_table.table import at
from kernels.observing.atomics import atomic_and, atomic_or
from kernels.observing.probe import R_CLUSTER, chase
from kernels.structures.cluster import ci_of

POINTER = U3
HINT = U1 << u(62)


@inner
def point_to(st, g, virtual):  # type: ignore[no-untyped-def]
    """Make the word of fresh slot `g` a pointer. It is part of the section that took the slot, which has counted this write."""
    st.table[at(st, g)] = virtual << U2 | POINTER


@inner
def mark_hint(st, pr, b, only):  # type: ignore[no-untyped-def]
    """Note at slot `b` of a disk whether the swap cache alone holds its page: an atomic, its lock not held."""
    chase(pr, R_CLUSTER, ci_of(st, b) >> U1)
    if only:
        atomic_or(pr, R_TABLE, at(st, b), st.table, at(st, b), HINT)
    else:
        atomic_and(pr, R_TABLE, at(st, b), st.table, at(st, b), ~HINT)
