"""A zap of many IDs in one go (parameter ``batch``): IDs of one leaf of the tree whose slots follow each other in one cluster.

With *leaf* the tree is walked once for the IDs of a leaf. Slots in a row that one PTE each holds, and no swap cache, are freed with
their IDs in one locked section of the cluster, the IDs in one of the tree. All other IDs go one by one, as all do with *off*.
"""

from __future__ import annotations

from kernels import control
from kernels.compiling.constants import U0, U1, U63
from kernels.compiling.jit import called, inner, u
from kernels.designs.swap_id import own
from kernels.designs.swap_id.hooks import unlink
from kernels.designs.swap_id.layer import APART, MOVED_BIT, RIDE, lock_ids, unlock_ids
from kernels.designs.swap_id.own import F_ID_ERASE, F_ID_LOAD, R_ID, R_ID_NODE
from kernels.life import runs as zaps
from kernels.life import steps
from kernels.observing.probe import F_NONE, step, touch
from kernels.structures import cluster as cl
from kernels.structures import runs
from kernels.structures import xarray as xa
from kernels.structures.slots import count_down, count_read

one_by_one = steps.put_run.default


@inner
def run_limit(st, value):  # type: ignore[no-untyped-def]
    """One ID, or with *leaf* those from `value` to the end of its leaf."""
    return U1 if st.ctl[own.C_ID_BATCH] == U0 else U63 + U1 - (value & U63)


@called
def put_run(st, pr, value, n):  # type: ignore[no-untyped-def]
    """Put `n` IDs of one leaf: rows of slots in one go, the rest one by one. The leaf stays as long as the run has an ID in it."""
    if n == U1:
        one_by_one(st, pr, value, U1)
        return
    step(pr, F_ID_LOAD)
    slot = xa.find_slot(st.idhead, U0, st.idpool, pr, R_ID, R_ID_NODE, value)
    step(pr, F_NONE)
    end = value + n
    while value < end:
        row = row_at(st, pr, slot, end - value)
        if row > U1:
            put_row(st, pr, value, slot, row)
        else:
            row = U1
            one_by_one(st, pr, value, U1)
        value, slot = value + row, slot + row


@inner
def entry_at(st, pr, slot):  # type: ignore[no-untyped-def]
    """Swap entry in leaf `slot` of the tree."""
    touch(pr, R_ID_NODE, slot)
    return (st.idpool[slot] >> U1) & ~MOVED_BIT


@called
def row_at(st, pr, slot, most):  # type: ignore[no-untyped-def]
    """Number of entries from leaf `slot` on, at most `most`, whose slots are a row: in one cluster, one PTE each, not cached."""
    entry = entry_at(st, pr, slot)
    first, size, n = cl.slot_of(st, entry), U1 << st.ctl[control.C_CLUSTER_SHIFT], U0
    most = min(most, size - (first & (size - U1)))
    while n < most and entry_at(st, pr, slot + n) == entry + n:
        count_read(st, pr, first + n)
        if not zaps.held_once(st, first + n):
            break
        n += U1
    return n


@called
def put_row(st, pr, value, slot, n):  # type: ignore[no-untyped-def]
    """Free a row of `n` slots and the IDs from `value` on, whose entries begin at leaf `slot`."""
    entry = entry_at(st, pr, slot)
    first = cl.slot_of(st, entry)
    ci = cl.lock_cluster(st, pr, first)
    for i in range(n):
        count_down(st, pr, first + u(i))
    unlink(st, pr, entry, n)
    if st.ctl[own.C_UPKEEP] == RIDE:
        free_ids(st, pr, value, slot, n)
    zaps.slots_free(st, pr, entry, first, n)
    cl.unlock_cluster(st, pr, ci)
    if st.ctl[own.C_UPKEEP] == APART:
        free_ids(st, pr, value, slot, n)


@called
def free_ids(st, pr, value, slot, n):  # type: ignore[no-untyped-def]
    """Erase `n` IDs from `value` on, whose entries begin at leaf `slot`, in one locked section (``layer.id_free`` for one)."""
    ctl = st.ctl
    lock_ids(st, pr, F_ID_ERASE)
    for i in range(n):
        ctl[own.S_ID_NEVER_MOVED] += U1 if (st.idpool[slot + u(i)] >> U1) & MOVED_BIT == U0 else U0
    runs.erase(st.idhead, U0, st.idpool, pr, R_ID, R_ID_NODE, value, n)
    unlock_ids(st, pr)
    ctl[own.S_ID_LIVE] -= n
    ctl[own.S_ID_FREED] += n
