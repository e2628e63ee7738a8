"""Steps of a swap device with swap_map, cgroup array, zeromap and xarrays (mm/swapfile.c, mm/swap_state.c of 6.12..6.17).

*direct* consists of these steps, and a layer on it calls them. ``publish`` and
``retire`` are the hooks of a layer; in a design without a layer they compile to
nothing.
"""

from __future__ import annotations

from kernels import codes, control
from kernels.compiling.constants import U0, U1, U2
from kernels.compiling.jit import called, hot, inner, u
from kernels.life import charging, page_io, steps
from kernels.life.steps import FREE_LOCKED, FREE_UNLOCKED, ZERO_LOCKED, ZERO_UNLOCKED, publish, retire
from kernels.memory import BYPASS, CACHED, DIRTY, F_ENTRY, F_VALUE, LOCKED, WRITEBACK, f_clear, f_is, f_set, f_word
from kernels.observing.probe import F_CACHE_CLEAR, F_NONE, R_DEV, R_OWNER, chase, step, wrote
from kernels.observing.shared import mine, shared
from kernels.structures import cluster as cl
from kernels.structures.cluster import D_SLOTS, DEV_WORDS, device_of, slot_of
from kernels.structures.common import table
from kernels.structures.common.steps import common
from kernels.structures.slots import (
    backing_drop,
    cache_clear,
    cache_find,
    cache_insert,
    cache_remove,
    charge,
    collect,
    collects,
    count_down,
    count_of,
    count_read,
    count_up,
    entry_swapped,
    flag_clear,
    flag_set,
    folio_swapped,
    is_cached,
    is_virtual,
    look_after,
    owner_set,
    slot_fetch,
    slot_freed,
    slot_hold,
    unheld,
    zero_set,
)  # fmt: skip

MOVE_RESWAP, MOVE_REWRITE, MOVE_REFUSE = U0, U1, U2  # C_MOVE
REWRITE_SCAN, REWRITE_OWNER = U0, U1  # C_REWRITE


@inner
def owner_record(st, pr, g):  # type: ignore[no-untyped-def]
    """Write the owner record (16 bytes a slot: anon_vma and index) with the slot, where moves find PTEs by it. Only counted."""
    if st.ctl[control.C_REWRITE] == REWRITE_OWNER and st.ctl[control.C_MOVE] == MOVE_REWRITE:
        wrote(pr, R_OWNER, g * U2)


@inner
def slot_free(st, pr, entry, g):  # type: ignore[no-untyped-def]
    """``swap_entry_range_free``: free slot `g` with its zswap entry, zero bit, owner and shadow. Cluster lock held."""
    backing_drop(st, pr, g, U1)
    charging.uncharge_slots(st, pr, forget(st, pr, entry, g), U1, g)
    cache_clear(st, pr, g)
    slot_freed(st, pr, g)
    cl.slot_release(st, pr, device_of(entry), g)


@inner
def slot_leave(st, pr, entry, g):  # type: ignore[no-untyped-def]
    """Free slot `g`, which nothing holds, or leave that to :func:`slots.collect`. Cluster lock held."""
    if collects(st):
        slot_hold(st, g)
    else:
        slot_free(st, pr, entry, g)


@inner
def forget(st, pr, entry, g):  # type: ignore[no-untyped-def]
    """Drop what is kept of slot `g` one by one also where many are freed: owner, zswap entry, zero bit; return the owner."""
    memcg = owner_set(st, pr, g, U0)
    owner_record(st, pr, g)
    if not is_virtual(st, g):
        page_io.drop_zswap(st, pr, entry, g)
    zero_set(st, pr, g, False)
    return memcg


@inner
@hot
def unset_cache(st, pr, value, entry, g):  # type: ignore[no-untyped-def]
    """``put_swap_folio``: take slot `g` from the cache; free it if no PTE holds it. True if it was freed."""
    ci = cl.lock_cluster(st, pr, g)
    flag_clear(st, pr, g)
    last = unheld(st, g)
    if last:
        slot_leave(st, pr, entry, g)
        retire(st, pr, value, entry, FREE_LOCKED)
    cl.unlock_cluster(st, pr, ci)
    if last:
        if collects(st):
            collect(st, pr, entry, g)
        retire(st, pr, value, entry, FREE_UNLOCKED)
    return last


@inner
def cache_add(st, pr, g, f, entry):  # type: ignore[no-untyped-def]
    """``add_to_swap_cache``: enter folio `f` as the cache of slot `g`."""
    cache_insert(st, pr, g, f)
    st.folio[f_word(f, F_ENTRY)] = entry
    f_set(st, f, CACHED)


@inner
@hot
def cache_drop(st, pr, g, f, shadow):  # type: ignore[no-untyped-def]
    """``delete_from_swap_cache``, or with a `shadow` ``__remove_mapping``: remove folio `f` from the cache of slot `g`."""
    cache_remove(st, pr, g, shadow)
    f_clear(st, f, CACHED)
    st.folio[f_word(f, F_ENTRY)] = U0


@inner
def fetch_near(st, pr, entry):  # type: ignore[no-untyped-def]
    """Prefetch the data of the slot."""
    slot_fetch(st, pr, slot_of(st, entry))


@inner
def lookup(st, pr, entry):  # type: ignore[no-untyped-def]
    """``filemap_get_folio`` in the swap cache space of `entry`."""
    chase(pr, R_DEV, device_of(entry) * DEV_WORDS)
    common(pr, st, table.DEVICE, U0)
    return cache_find(st, pr, slot_of(st, entry))


@inner
def home(st, backend):  # type: ignore[no-untyped-def]
    """Device whose slot a page on `backend` takes: zswap sits in front of a disk and still takes a disk slot."""
    return st.ctl[control.C_ZDISK] if backend == codes.ZSWAP else backend


@inner
@hot
def slot_or_reclaim(st, pr, d, cpu):  # type: ignore[no-untyped-def]
    """Slot of device `d`, if need be after dropping one that only the swap cache holds; slot + 1, or 0."""
    if collects(st):
        look_after(st, pr)
    found = cl.slot_alloc(st, pr, d, cpu)
    return found if found != U0 else alloc_after_reclaim(st, pr, d, cpu)


@inner
def misplaced(st, pr, f, d):  # type: ignore[no-untyped-def]
    """Free the entry of a dirty folio if it is not on `d` and no PTE holds it. For zswap with entries of its own."""
    if st.ctl[control.C_ZSLOTS] == U0 or device_of(st.folio[f_word(f, F_ENTRY)]) == d or not f_is(st, f, DIRTY):
        return False
    return free_swap(st, pr, f)


@inner
@hot
def claim(st, pr, f, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """``folio_alloc_swap`` and ``add_to_swap_cache``; a folio that still has its slot keeps it."""
    d = home(st, backend)
    if f_is(st, f, CACHED) and not misplaced(st, pr, f, d):
        return publish(st, pr, f, st.folio[f_word(f, F_ENTRY)], cpu)
    return claim_slot(st, pr, f, d, slot_or_reclaim(st, pr, d, cpu), memcg, cpu)


@inner
@hot
def claim_slot(st, pr, f, d, found, memcg, cpu):  # type: ignore[no-untyped-def]
    """Charge slot `found` - 1 of device `d` and enter folio `f` as its cache; the value for PTEs, 0 if there is none, or no charge."""
    if found == U0:
        return U0
    g = found - U1
    entry = cl.entry_of(st, d, g)
    if not charging.charge_slots(st, pr, memcg, U1, g):
        give_back(st, pr, entry, g)
        return U0
    charge(st, pr, g, memcg)
    owner_record(st, pr, g)
    cache_add(st, pr, g, f, entry)
    st.folio[f_word(f, F_VALUE)] = U0
    value = publish(st, pr, f, entry, cpu)
    if value == U0:
        cache_drop(st, pr, g, f, False)
        give_back(st, pr, entry, g)
    return value


@called
def give_back(st, pr, entry, g):  # type: ignore[no-untyped-def]
    """``put_swap_folio`` of slot `g`, which was allocated for nothing."""
    ci = cl.lock_cluster(st, pr, g)
    slot_leave(st, pr, entry, g)
    cl.unlock_cluster(st, pr, ci)
    if collects(st):
        collect(st, pr, entry, g)


@inner
def only_cached(st, g):  # type: ignore[no-untyped-def]
    """True if the swap cache has slot `g` and no PTE holds it."""
    return is_cached(st, g) and unheld(st, g)


@called
def alloc_after_reclaim(st, pr, d, cpu):  # type: ignore[no-untyped-def]
    """``swap_reclaim_full_clusters``: drop slots that only a swap cache holds, in up to 8 full clusters, and try again."""
    for _ in range(8):
        c = cl.pick_full(st, pr, d)
        if c == U0:
            break
        first = (c - U1) << st.ctl[control.C_CLUSTER_SHIFT]
        end = min(first + (U1 << st.ctl[control.C_CLUSTER_SHIFT]), st.dev[d * DEV_WORDS] + st.dev[d * DEV_WORDS + D_SLOTS])
        dropped = False
        for i in range(first, end):
            g = u(i)
            count_read(st, pr, g)
            if only_cached(st, g):
                f = cache_find(st, pr, g)
                if f != U0 and mine(pr, f) and not f_is(st, f, LOCKED | WRITEBACK):
                    dropped = steps.free_swap(st, pr, f) or dropped
        if dropped:
            return cl.slot_alloc(st, pr, d, cpu)
        if not shared(pr):
            cl.move_to_end(st, pr, d, c - U1, cl.FULL_LIST)
    return U0


@inner
def unclaim(st, pr, f, value):  # type: ignore[no-untyped-def]
    """Keep the entry with the cached folio, as no PTE was written; a layer's value may go."""
    entry = st.folio[f_word(f, F_ENTRY)]
    retire(st, pr, value, entry, ZERO_LOCKED)
    retire(st, pr, value, entry, ZERO_UNLOCKED)


@inner
@hot
def dup(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """``swap_duplicate``."""
    g = slot_of(st, entry)
    common(pr, st, table.DUP, U0)
    ci = cl.lock_cluster(st, pr, g)
    ok = count_up(st, pr, g)
    cl.unlock_cluster(st, pr, ci)
    return ok


@inner
@hot
def put(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """``swap_free``: take one PTE off; the last one frees the slot, unless it is cached."""
    g = slot_of(st, entry)
    left = U0
    ci = cl.lock_cluster(st, pr, g)
    if count_down(st, pr, g):
        left = U1
        retire(st, pr, value, entry, ZERO_LOCKED)
        if not is_cached(st, g):
            left = U2
            slot_leave(st, pr, entry, g)
            retire(st, pr, value, entry, FREE_LOCKED)
    cl.unlock_cluster(st, pr, ci)
    if left != U0:
        retire(st, pr, value, entry, ZERO_UNLOCKED)
    if left == U2:
        if collects(st):
            collect(st, pr, entry, g)
        retire(st, pr, value, entry, FREE_UNLOCKED)
    return left


@inner
def count_is_zero(st, entry):  # type: ignore[no-untyped-def]
    """True if ``swap_swapcount`` is 0."""
    return unheld(st, slot_of(st, entry))


@inner
@hot
def evict(st, pr, f):  # type: ignore[no-untyped-def]
    """``__remove_mapping``: replace the folio by a shadow; free the slot if no PTE holds it."""
    entry, value = st.folio[f_word(f, F_ENTRY)], st.folio[f_word(f, F_VALUE)]
    g = slot_of(st, entry)
    cache_drop(st, pr, g, f, True)
    unset_cache(st, pr, value, entry, g)


@inner
def set_cached(st, pr, g):  # type: ignore[no-untyped-def]
    """``swapcache_prepare``: give slot `g` to the cache. Return its count, 0 if the slot is free or taken."""
    ci = cl.lock_cluster(st, pr, g)
    count = flag_set(st, pr, g)
    cl.unlock_cluster(st, pr, ci)
    return count


@inner
def cache_begin(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """Enter folio `f` into the swap cache for `entry`, never bypassing it. False: the entry is gone or another task was faster."""
    g = slot_of(st, entry)
    entry_swapped(st, pr, g, False)
    ok = set_cached(st, pr, g) != U0
    if ok:
        cache_add(st, pr, g, f, entry)
    return ok


@inner
@hot
def read_begin(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """``swapcache_prepare`` and ``add_to_swap_cache``; a synchronous device with a single user bypasses the cache, and the look before."""
    g = slot_of(st, entry)
    sync = cl.is_synchronous(st, device_of(entry))
    bypass = sync and st.ctl[control.C_SYNC_BYPASS] != U0 and count_of(st, g) == U1
    if not bypass:
        entry_swapped(st, pr, g, sync)
    if set_cached(st, pr, g) == U0:
        return False
    charging.owner_find(st, pr, g)
    if bypass:
        f_set(st, f, BYPASS)
        st.folio[f_word(f, F_ENTRY)] = entry
    else:
        cache_add(st, pr, g, f, entry)
    return True


@inner
@hot
def read_end(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """End a read."""
    page_io.read_data(st, pr, entry, f)


@inner
@hot
def read_done(st, pr, value, entry, f):  # type: ignore[no-untyped-def]
    """``swapcache_clear``: a folio that bypassed the swap cache lets go of the slot when the PTE was seen to hold it still (since 6.8)."""
    if f_is(st, f, BYPASS):
        g = slot_of(st, entry)
        f_clear(st, f, BYPASS)
        f_set(st, f, DIRTY)
        st.folio[f_word(f, F_ENTRY)] = U0
        step(pr, F_CACHE_CLEAR)
        unset_cache(st, pr, value, entry, g)
        step(pr, F_NONE)


@inner
def read_abort(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """Take the folio out of the cache again and let go of the slot."""
    g = slot_of(st, entry)
    if f_is(st, f, BYPASS):
        f_clear(st, f, BYPASS)
    else:
        cache_drop(st, pr, g, f, False)
    unset_cache(st, pr, st.folio[f_word(f, F_VALUE)], entry, g)


@inner
@hot
def free_swap(st, pr, f):  # type: ignore[no-untyped-def]
    """``folio_free_swap``: if only the cache holds the slot, free both; the folio is then dirty."""
    entry, value = st.folio[f_word(f, F_ENTRY)], st.folio[f_word(f, F_VALUE)]
    g = slot_of(st, entry)
    folio_swapped(st, pr, g)
    if not unheld(st, g):
        return False
    cache_drop(st, pr, g, f, False)
    unset_cache(st, pr, value, entry, g)
    f_set(st, f, DIRTY)
    return True


@inner
def swap_full(st, entry):  # type: ignore[no-untyped-def]
    """``mem_cgroup_swap_full``. Since every swap-in goes through the swap cache (7.0), a synchronous device counts as full too."""
    return (st.ctl[control.C_SYNC_BYPASS] == U0 and cl.is_synchronous(st, device_of(entry))) or cl.swap_full(st)
