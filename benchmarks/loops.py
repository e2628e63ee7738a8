"""Loops over single parts of the designs: compiled entries that benchmarks time (more of them in benchmarks/limits/drivers.py)."""

from __future__ import annotations

from kernels.compiling.constants import U0, U1, U2
from kernels.compiling.jit import outer, u
from kernels.designs.swap_id.own import R_ID, R_ID_NODE
from kernels.structures import cluster, swap_map, xarray


@outer
def slots_taken(st, pr, d, n, taken):  # type: ignore[no-untyped-def]
    """Take `n` slots of device `d` into `taken` (uint64[n]); return the number taken."""
    got = U0
    for _ in range(n):
        g = cluster.slot_alloc(st, pr, d, U0)
        if g != U0:
            taken[got] = g - U1
            got += U1
    return got


@outer
def slots_given_back(st, pr, d, taken):  # type: ignore[no-untyped-def]
    """Release the slots in `taken`, each under its cluster's lock."""
    for i in range(len(taken)):
        g = taken[u(i)]
        ci = cluster.lock_cluster(st, pr, g)
        cluster.slot_release(st, pr, d, g)
        cluster.unlock_cluster(st, pr, ci)


@outer
def counted_up_and_down(st, pr, slots, by):  # type: ignore[no-untyped-def]
    """Raise the count of every slot `by` times, then lower it as often."""
    total = U0
    for _ in range(by):
        for i in range(len(slots)):
            total += u(swap_map.count_up(st, pr, slots[u(i)]))
    for _ in range(by):
        for i in range(len(slots)):
            total += u(swap_map.count_down(st, pr, slots[u(i)]))
    return total


@outer
def spread(st, pr, n, stride):  # type: ignore[no-untyped-def]
    """Store a value at the indices 0, `stride`, .. of the tree, `n` in all."""
    for i in range(n):
        xarray.store(st.head, U0, st.pool, pr, R_ID, R_ID_NODE, i * stride, i << U1 | U1)


@outer
def thin(st, pr, n, stride):  # type: ignore[no-untyped-def]
    """Erase every other entry of :func:`spread`."""
    for i in range(n // U2):
        xarray.erase(st.head, U0, st.pool, pr, R_ID, R_ID_NODE, U2 * i * stride)
