"""Charges of swap to memory cgroups, and the question whether swap is full (mm/memcontrol.c, cgroup v2).

A swap slot holds the id of its memory cgroup, with a reference to the id (``swap_cgroup_record``), and is charged to memory.swap of it and
of all above it. Slot designs do both when they allocate a slot, also for a page that goes to zswap. The posted series of virtual swap
records the id with the virtual slot, and charges when a physical slot is taken (kernels/designs/vswap).
"""

from __future__ import annotations

from kernels import control
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called, hot, inner, u
from kernels.memory import F_PAGE, f_word
from kernels.observing.counting import counts
from kernels.observing.probe import F_NONE, SAW_FULL, SAW_MEMCG_FULL, bump, step, touch
from kernels.observing.regions import F_SWAP_FULL, R_NR_SWAP
from kernels.structures import cluster as cl
from kernels.structures import page_counter as pc
from kernels.structures.slots import charge, is_virtual, owner_of, owner_set


@inner
def memcg_of(st, page):  # type: ignore[no-untyped-def]
    """Memory cgroup of the space of `page`."""
    return u(st.mm[page >> st.ctl[control.C_SPACE_SHIFT]])


@called
@hot
def try_charge_swap(st, pr, memcg, n):  # type: ignore[no-untyped-def]
    """``__mem_cgroup_try_charge_swap`` up to the record of the id: `n` references to the id and charges; false at the limit."""
    block = pc.block_of(st, memcg)
    pc.id_get(st, pr, block, n)
    if pc.try_charge(st, pr, block, n):
        return True
    pc.id_put(st, pr, block, n)
    return False


@called
def uncharge_swap(st, pr, memcg, n):  # type: ignore[no-untyped-def]
    """``__mem_cgroup_uncharge_swap``: undo the charges and references of `n` slots of `memcg`; nothing where that is 0."""
    if memcg != U0:
        block = pc.from_id(st, pr, memcg)
        pc.uncharge(st, pr, block, n)
        pc.id_put(st, pr, block, n)


@inner
def charge_slots(st, pr, memcg, n, g):  # type: ignore[no-untyped-def]
    """:func:`try_charge_swap` for `n` slots such as `g`. Virtual ones take the references alone (``mem_cgroup_record_swap``)."""
    if is_virtual(st, g):
        pc.id_get(st, pr, pc.block_of(st, memcg), n)
        return True
    return try_charge_swap(st, pr, memcg, n)


@inner
def uncharge_slots(st, pr, memcg, n, g):  # type: ignore[no-untyped-def]
    """:func:`uncharge_swap` for `n` slots such as `g`. Virtual ones give the references back (``mem_cgroup_id_put_swap``)."""
    if not is_virtual(st, g):
        uncharge_swap(st, pr, memcg, n)
    elif memcg != U0:
        pc.id_put(st, pr, pc.from_id(st, pr, memcg), n)


@inner
def owner_find(st, pr, g):  # type: ignore[no-untyped-def]
    """Look up the memory cgroup of slot `g`, to charge the folio that is read to it (``mem_cgroup_swapin_charge_folio``)."""
    pc.from_id(st, pr, owner_of(st, pr, g))


@inner
def charge_whatever(st, pr, memcg):  # type: ignore[no-untyped-def]
    """Take a reference to the id of `memcg` and charge it with one slot, whatever the limit."""
    block = pc.block_of(st, memcg)
    pc.id_get(st, pr, block, U1)
    pc.charge(st, pr, block, U1)


@called
def owner_copy(st, pr, a, b):  # type: ignore[no-untyped-def]
    """Charge slot `b`, to which the page of slot `a` moves, to the owner of `a`, under both locks: `a` is uncharged when it is freed."""
    memcg = owner_of(st, pr, a)
    if owner_set(st, pr, b, memcg) == U0 and memcg != U0:
        charge_whatever(st, pr, memcg)


@called
def owner_inherit(st, pr, a, b):  # type: ignore[no-untyped-def]
    """:func:`owner_copy` for a fresh slot `b`, in the order of a swap-out: charged first, recorded with the lock that the design needs."""
    memcg = owner_of(st, pr, a)
    if memcg != U0:
        charge_whatever(st, pr, memcg)
        charge(st, pr, b, memcg)


@called
@hot
def mem_cgroup_swap_full(st, pr, memcg):  # type: ignore[no-untyped-def]
    """``mem_cgroup_swap_full``: more than half of all slots is used (``vm_swap_full``), or half of what `memcg` may use."""
    step(pr, F_SWAP_FULL)
    touch(pr, R_NR_SWAP, U0)
    full = cl.swap_full(st) or pc.half_full(st, pr, pc.block_of(st, memcg))
    step(pr, F_NONE)
    return full


@inner
def folio_swap_full(st, pr, f):  # type: ignore[no-untyped-def]
    """:func:`mem_cgroup_swap_full` for folio `f`."""
    return mem_cgroup_swap_full(st, pr, memcg_of(st, st.folio[f_word(f, F_PAGE)]))


@inner
def note_full(st, pr, memcg):  # type: ignore[no-untyped-def]
    """Count what a swap-in sees of either half of :func:`mem_cgroup_swap_full`."""
    if counts(pr):
        if cl.swap_full(st):
            bump(pr, SAW_FULL, U1)
        block = pc.block_of(st, memcg)
        if st.memcgs[block + pc.P_USAGE] + st.memcgs[block + pc.P_USAGE] >= st.memcgs[block + pc.P_MAX]:
            bump(pr, SAW_MEMCG_FULL, U1)
