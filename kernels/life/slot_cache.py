"""Slots that were freed, collected by a cache of each CPU: 64 of them go back to their device together (mm/swap_slots.c up to 6.14).

A slot that nothing holds any more keeps its has-cache flag, its owner, its charge and its shadow in the cache, so that nobody takes it.
Only its zswap entry goes at once. The caches are used while there is room (``check_cache_active``): from more than 320 free slots a CPU
on, until there are fewer than 128. Otherwise a slot is given back alone, still with a second lock of its cluster. What is left out: 6.12
holds the device's lock around all clusters of a batch; here it is taken once before them, as the order of the locks is that of later
kernels. The other half of the cache, for allocation, is among the common steps.
"""

from __future__ import annotations

from kernels import control
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called, inner, u
from kernels.life import charging, page_io, swapfile
from kernels.life.arrays import FREED_WORDS
from kernels.observing.lock import L_DEVICE, lock, unlock
from kernels.structures import cluster as cl
from kernels.structures.cluster import device_of, slot_of
from kernels.structures.common import table
from kernels.structures.common.steps import common
from kernels.structures.slots import cache_clear, owner_set, zero_set
from kernels.structures.swap_map import HAS_CACHE

SIZE, WORDS = u(64), u(FREED_WORDS)  # SWAP_SLOTS_CACHE_SIZE; words of a CPU: how many, and the entries
ACTIVATE, DEACTIVATE = u(5 * 64), u(2 * 64)  # THRESHOLD_ACTIVATE_SWAP_SLOTS_CACHE, THRESHOLD_DEACTIVATE_SWAP_SLOTS_CACHE
STEPS = ("collects", "slot_hold", "collect", "look_after", "collected_drop", "invalidate_erases")


@inner
def on_cpu(st, cpu):  # type: ignore[no-untyped-def]
    """Note the CPU whose cache is meant."""
    st.ctl[control.S_FREES_CPU] = cpu


@inner
def collects(st):  # type: ignore[no-untyped-def]
    """Tell if slots are freed by ``free_swap_slot``, whether its cache is in use or not."""
    return st.ctl[control.C_FREES] != U0


invalidate_erases = collects  # up to 6.12


@inner
def slot_hold(st, g):  # type: ignore[no-untyped-def]
    """``__swap_entry_free_locked``: the has-cache flag is what is left in the map; the same write has set the count to 0."""
    st.smap[g] = HAS_CACHE


@called
def collect(st, pr, entry, g):  # type: ignore[no-untyped-def]
    """``free_swap_slot``: drop the zswap entry, then put the slot into the cache; a full one is emptied first."""
    page_io.drop_zswap(st, pr, entry, g)
    if st.ctl[control.S_COLLECTS] == U0:
        give_back(st, pr, entry, U1)
        return
    common(pr, st, table.SLOT_COLLECT, U0)
    at = st.ctl[control.S_FREES_CPU] * WORDS
    if st.freed[at] == SIZE:
        flush(st, pr, at)
    st.freed[at] += U1
    st.freed[at + st.freed[at]] = entry


@called
def flush(st, pr, at):  # type: ignore[no-untyped-def]
    """``swapcache_free_entries``: give back every slot of the cache at word `at`."""
    n, last = st.freed[at], U0
    st.freed[at] = U0
    for i in range(n):
        entry = st.freed[at + u(i) + U1]
        give_back(st, pr, entry, U1 if i == 0 or device_of(entry) != last else U0)
        last = device_of(entry)


@called
def give_back(st, pr, entry, device):  # type: ignore[no-untyped-def]
    """``swap_entry_range_free``: free the slot of `entry` with owner, charge, zero bit and shadow; with the lock of its `device` before."""
    g, word = slot_of(st, entry), device_of(entry) * cl.DEV_WORDS + cl.D_LOCK
    if device != U0:
        lock(pr, st.dev, word, L_DEVICE)
        unlock(pr, st.dev, word, L_DEVICE)
    ci = cl.lock_cluster(st, pr, g)
    memcg = owner_set(st, pr, g, U0)
    swapfile.owner_record(st, pr, g)
    zero_set(st, pr, g, False)
    charging.uncharge_slots(st, pr, memcg, U1, g)
    cache_clear(st, pr, g)
    cl.slot_release(st, pr, device_of(entry), g)
    cl.unlock_cluster(st, pr, ci)


@called
def look_after(st, pr):  # type: ignore[no-untyped-def]
    """``check_cache_active``."""
    free, cpus = st.ctl[control.S_NR_SWAP_PAGES], st.ctl[control.C_CPUS]
    if st.ctl[control.S_COLLECTS] == U0:
        st.ctl[control.S_COLLECTS] = U1 if free > ACTIVATE * cpus else U0
    elif free < DEACTIVATE * cpus:
        collected_drop(st, pr)


@called
def collected_drop(st, pr):  # type: ignore[no-untyped-def]
    """``__drain_swap_slots_cache``: give back what the caches of all CPUs have; the next allocation looks if they are used again."""
    st.ctl[control.S_COLLECTS] = U0
    for cpu in range(st.ctl[control.C_CPUS]):
        flush(st, pr, u(cpu) * WORDS)
