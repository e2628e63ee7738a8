"""Zap of many slots of a swap device in one go: ``free_swap_and_cache_nr`` of mm/swapfile.c."""

from __future__ import annotations

from kernels import control
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called, inner, u
from kernels.life import charging, steps, swapfile
from kernels.memory import mapcount
from kernels.observing.probe import R_DEV, chase
from kernels.structures import cluster as cl
from kernels.structures.cluster import device_of, slot_of
from kernels.structures.common import table
from kernels.structures.common.steps import common
from kernels.structures.slots import (
    backing_drop,
    cache_clear_run,
    collects,
    count_down,
    count_of,
    count_read,
    is_cached,
    owner_of,
    slot_freed,
)


@called
def slots_free(st, pr, entry, g, n):  # type: ignore[no-untyped-def]
    """``swap_entries_free``: free `n` slots of one cluster from `g` on; charges, shadows, usage and list in one go. Cluster lock held."""
    owner, charged = U0, U0
    backing_drop(st, pr, g, n)
    for i in range(n):
        memcg = swapfile.forget(st, pr, entry + u(i), g + u(i))
        if memcg != owner:
            charging.uncharge_slots(st, pr, owner, charged, g)
            owner, charged = memcg, U0
        charged += U1
    charging.uncharge_slots(st, pr, owner, charged, g)
    cache_clear_run(st, pr, g, n)
    for i in range(n):
        slot_freed(st, pr, g + u(i))
    cl.slots_release(st, pr, device_of(entry), g, n)


@inner
def run_limit(st, value):  # type: ignore[no-untyped-def]
    """Number of entries from `value` on in its cluster."""
    size = U1 << st.ctl[control.C_CLUSTER_SHIFT]
    return size - (value & (size - U1))


@inner
def held_once(st, g):  # type: ignore[no-untyped-def]
    """True if one PTE holds slot `g`, and the swap cache does not have it."""
    return not is_cached(st, g) and count_of(st, g) == U1


@called
def all_held_once(st, pr, g, n):  # type: ignore[no-untyped-def]
    """``swap_is_last_map``: one PTE holds each of `n` slots from `g` on, and the swap cache has none of them."""
    for i in range(n):
        count_read(st, pr, g + u(i))
        if not held_once(st, g + u(i)):
            return False
    return True


@called
def put_apart(st, pr, entry, first, n):  # type: ignore[no-untyped-def]
    """``__swap_entries_free`` up to 6.14: slots that are alike are freed together under a second lock, others are put one by one."""
    kept, alike = U0, False
    if n > U1:
        ci = cl.lock_cluster(st, pr, first)
        alike = all_held_once(st, pr, first, n)
        for i in range(n if alike else U0):
            count_down(st, pr, first + u(i))
        cl.unlock_cluster(st, pr, ci)
    if alike:
        ci = cl.lock_cluster(st, pr, first)
        slots_free(st, pr, entry, first, n)
        cl.unlock_cluster(st, pr, ci)
    for i in range(U0 if alike else n):
        kept += U1 if swapfile.put(st, pr, entry + u(i), entry + u(i)) == U1 else U0
    return kept


@inner
def put_entries(st, pr, entry, n):  # type: ignore[no-untyped-def]
    """Put `n` slots of one cluster in one locked section; return how many of them only the swap cache still holds.

    The slots are freed together if all are held once and none is cached (``swap_is_last_map``), else one by one in the same section.
    """
    first, kept = slot_of(st, entry), U0
    common(pr, st, table.DEVICE, U0)
    if collects(st):
        chase(pr, R_DEV, device_of(entry) * cl.DEV_WORDS)
        owner_of(st, pr, first)
        return put_apart(st, pr, entry, first, n)
    ci = cl.lock_cluster(st, pr, first)
    alike = n > U1 and all_held_once(st, pr, first, n)
    for i in range(n):
        if count_down(st, pr, first + u(i)):
            if is_cached(st, first + u(i)):
                kept += U1
            elif not alike:
                swapfile.slot_free(st, pr, entry + u(i), first + u(i))
    if alike:
        slots_free(st, pr, entry, first, n)
    cl.unlock_cluster(st, pr, ci)
    return kept


@called
def put_run(st, pr, entry, n):  # type: ignore[no-untyped-def]
    """``free_swap_and_cache_nr`` for `n` slots of one cluster: one locked section, then the folios that only the cache still holds."""
    first, kept = slot_of(st, entry), put_entries(st, pr, entry, n)
    for i in range(n if kept != U0 else U0):
        g = first + u(i)
        if swapfile.only_cached(st, g):
            f = swapfile.lookup(st, pr, entry + u(i))
            if f != U0 and (mapcount(st, f) == U0 or swapfile.swap_full(st, entry) or charging.folio_swap_full(st, pr, f)):
                steps.drop_unused(st, pr, f)
