"""The steps of a swap device with swap_map, cgroup array, zeromap and xarrays (mm/swapfile.c, mm/swap_state.c of 6.12..6.17).

This is what *direct* is made of, and what a layer has underneath. Where a layer hooks in, ``publish`` and ``retire`` are called; in
a design without a layer they compile to nothing.
"""

from __future__ import annotations

from kernels import cluster as cl
from kernels import demand, swap_cache, swap_map, zswap
from kernels import world as w
from kernels import xarray as xa
from kernels.cluster import D_SLOTS, D_USED, DEV_SYNC, DEV_WORDS, OFFSET_MASK, device_of, slot_of
from kernels.jit import called, inner, u
from kernels.probe import R_CGROUP, R_DEV, R_MAP, R_ZEROMAP, R_ZRAM, R_ZTREE, chase, touch, wrote
from kernels.steps import FREE_LOCKED, FREE_UNLOCKED, ZERO_LOCKED, ZERO_UNLOCKED, publish, retire
from kernels.swap_map import HAS_CACHE
from kernels.words import LOW32, U0, U1, U2, U3, U6, U14, U63
from kernels.world import BYPASS, CACHED, DIRTY, F_ENTRY, F_TOKEN, F_VALUE, LOCKED, WRITEBACK, f_clear, f_is, f_set, f_word

ZSWAP, ZRAM, REACTIVATED = u(demand.ZSWAP), u(demand.ZRAM), u(demand.REACTIVATED)


@inner
def slot_free(st, pr, entry, g):  # type: ignore[no-untyped-def]
    """``swap_entry_range_free`` for slot `g`: zswap entry, zero bit, owner and shadow go, the slot is free. Cluster lock held."""
    d = device_of(entry)
    st.cgroup[g] = 0
    wrote(pr, R_CGROUP, g >> U2)
    drop_zswap(st, pr, entry, g)
    set_zero(st, pr, g, False)
    swap_cache.clear(st, pr, g)
    cl.slot_release(st, pr, d, g)


@inner
def unset_cache(st, pr, value, entry, g):  # type: ignore[no-untyped-def]
    """``put_swap_folio``: clear the has-cache flag of slot `g`; free the slot if no PTE holds it. True if it was freed."""
    ci = cl.lock_cluster(st, pr, g)
    byte = u(st.smap[g]) & ~HAS_CACHE
    st.smap[g] = byte
    wrote(pr, R_MAP, g >> U3)
    if byte == U0:
        slot_free(st, pr, entry, g)
        retire(st, pr, value, entry, FREE_LOCKED)
    cl.unlock_cluster(st, pr, ci)
    if byte == U0:
        retire(st, pr, value, entry, FREE_UNLOCKED)
    return byte == U0


@inner
def identity(st, pr, value):  # type: ignore[no-untyped-def]
    """The PTE holds the swap entry itself."""
    return value


@inner
def always_same(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """A swap entry in a PTE leads nowhere else; that it still stands in the PTE is checked when it is mapped."""
    return True


@inner
def lookup(st, pr, entry):  # type: ignore[no-untyped-def]
    """``filemap_get_folio`` in the swap cache space of `entry`."""
    chase(pr, R_DEV, device_of(entry) * DEV_WORDS)
    return swap_cache.find(st, pr, slot_of(st, entry))


@inner
def home(st, backend):  # type: ignore[no-untyped-def]
    """The device whose slot a page on `backend` takes: zswap sits in front of a disk and still takes a disk slot."""
    return st.ctl[w.C_ZDISK] if backend == ZSWAP else backend


@inner
def wrote_owner(pr, g):  # type: ignore[no-untyped-def]
    """The memory cgroup of slot `g` was recorded (``swap_cgroup_record``)."""
    wrote(pr, R_CGROUP, g >> U2)


@inner
def slot_or_reclaim(st, pr, d, cpu):  # type: ignore[no-untyped-def]
    """A slot of device `d`, if need be by dropping one that only the swap cache holds; slot + 1, or 0."""
    found = cl.slot_alloc(st, pr, d, cpu)
    return found if found != U0 else alloc_after_reclaim(st, pr, d, cpu)


@inner
def misplaced(st, pr, f, d):  # type: ignore[no-untyped-def]
    """Where zswap has entries of its own: a dirty folio that is to go to `d` gives its entry elsewhere back, if no PTE holds it."""
    if st.ctl[w.C_ZSLOTS] == U0 or device_of(st.folio[f_word(f, F_ENTRY)]) == d or not f_is(st, f, DIRTY):
        return False
    return free_swap(st, pr, f)


@inner
def claim(st, pr, f, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """``folio_alloc_swap`` and ``add_to_swap_cache``; a folio that still has its slot keeps it."""
    d = home(st, backend)
    if f_is(st, f, CACHED) and not misplaced(st, pr, f, d):
        return publish(st, pr, f, st.folio[f_word(f, F_ENTRY)], cpu)
    found = slot_or_reclaim(st, pr, d, cpu)
    if found == U0:
        return U0
    g = found - U1
    entry = cl.entry_of(st, d, g)
    st.cgroup[g] = memcg
    wrote_owner(pr, g)
    swap_cache.insert(st, pr, g, f, entry)
    st.folio[f_word(f, F_VALUE)] = U0
    value = publish(st, pr, f, entry, cpu)
    if value == U0:
        swap_cache.remove(st, pr, g, f)
        ci = cl.lock_cluster(st, pr, g)
        slot_free(st, pr, entry, g)
        cl.unlock_cluster(st, pr, ci)
    return value


@called
def alloc_after_reclaim(st, pr, d, cpu):  # type: ignore[no-untyped-def]
    """``swap_reclaim_full_clusters``: drop slots that only a swap cache holds, in up to 8 full clusters, and try again."""
    at = d * DEV_WORDS + u(12)
    for _ in range(8):
        c = st.dev[at]
        if c == U0:
            break
        first = (c - U1) << st.ctl[w.C_CLUSTER_SHIFT]
        end = min(first + (U1 << st.ctl[w.C_CLUSTER_SHIFT]), st.dev[d * DEV_WORDS] + st.dev[d * DEV_WORDS + D_SLOTS])
        dropped = False
        for i in range(first, end):
            g = u(i)
            touch(pr, R_MAP, g >> U3)
            if u(st.smap[g]) == HAS_CACHE:
                f = swap_cache.find(st, pr, g)
                if f != U0 and not f_is(st, f, LOCKED | WRITEBACK):
                    dropped = free_swap(st, pr, f) or dropped
        if dropped:
            return cl.slot_alloc(st, pr, d, cpu)
        cl.list_del(st, pr, d, c - U1)
        cl.list_add_tail(st, pr, d, c - U1, cl.FULL_LIST)
    return U0


@inner
def unclaim(st, pr, f, value):  # type: ignore[no-untyped-def]
    """No PTE was written: the entry stays with the cached folio, a layer's value may go."""
    entry = st.folio[f_word(f, F_ENTRY)]
    retire(st, pr, value, entry, ZERO_LOCKED)
    retire(st, pr, value, entry, ZERO_UNLOCKED)


@inner
def dup(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """``swap_duplicate``."""
    g = slot_of(st, entry)
    ci = cl.lock_cluster(st, pr, g)
    ok = swap_map.count_up(st, pr, g)
    cl.unlock_cluster(st, pr, ci)
    return ok


@inner
def put(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """``swap_free``: the last PTE frees the slot, unless it is cached."""
    g = slot_of(st, entry)
    left = U0
    ci = cl.lock_cluster(st, pr, g)
    if swap_map.count_down(st, pr, g):
        left = U1
        retire(st, pr, value, entry, ZERO_LOCKED)
        if st.smap[g] == 0:
            left = U2
            slot_free(st, pr, entry, g)
            retire(st, pr, value, entry, FREE_LOCKED)
    cl.unlock_cluster(st, pr, ci)
    if left != U0:
        retire(st, pr, value, entry, ZERO_UNLOCKED)
    if left == U2:
        retire(st, pr, value, entry, FREE_UNLOCKED)
    return left


@inner
def count_is_zero(st, entry):  # type: ignore[no-untyped-def]
    """``swap_swapcount`` is 0."""
    return u(st.smap[slot_of(st, entry)]) & ~HAS_CACHE == U0


@inner
def writeout(st, pr, f, value, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """``swap_writepage``: the zero bit, or zswap, or the slot's sector."""
    entry = st.folio[f_word(f, F_ENTRY)]
    g = slot_of(st, entry)
    set_zero(st, pr, g, zero)
    token = st.folio[f_word(f, F_TOKEN)]
    if st.ctl[w.C_ZSLOTS] != U0:
        backend = device_of(entry)  # entries of its own: the page is written where its entry is
    if backend == ZSWAP and not zero:
        drop_zswap(st, pr, entry, g)
        z = zswap.entry_new(st, pr, entry, size, token)
        if z != U0:
            zswap.tree_store(st, pr, g, entry & OFFSET_MASK, z)
            return U0
        if device_of(entry) == ZSWAP:
            return REACTIVATED
    elif st.ctl[w.S_ZE_LIVE] != U0:
        drop_zswap(st, pr, entry, g)
    store_data(st, pr, entry, g, token)
    return U0


@inner
def drop_zswap(st, pr, entry, g):  # type: ignore[no-untyped-def]
    """``zswap_invalidate``: what zswap still has for slot `g` is stale."""
    touch(pr, R_ZTREE, (g >> U14) * xa.HEAD_WORDS)
    if st.ztree[(g >> U14) * xa.HEAD_WORDS + xa.H_ENTRY] != U0:
        z = zswap.tree_erase(st, pr, g, entry & OFFSET_MASK)
        if z != U0:
            zswap.entry_free(st, pr, z)


@inner
def store_data(st, pr, entry, g, token):  # type: ignore[no-untyped-def]
    """The block layer writes slot `g`; zram keeps two words a page (handle, size and flags)."""
    if device_of(entry) == ZRAM:
        wrote(pr, R_ZRAM, g * U2)
    if st.ctl[w.C_TOKENS] != U0:
        st.token[g] = token


@inner
def evict(st, pr, f):  # type: ignore[no-untyped-def]
    """``__remove_mapping``: a shadow takes the folio's place; the slot is freed if no PTE holds it."""
    entry, value = st.folio[f_word(f, F_ENTRY)], st.folio[f_word(f, F_VALUE)]
    g = slot_of(st, entry)
    swap_cache.evict(st, pr, g, f)
    unset_cache(st, pr, value, entry, g)


@inner
def set_cached(st, pr, g):  # type: ignore[no-untyped-def]
    """``swapcache_prepare``: set the has-cache flag of slot `g`. The byte before, 0 if the slot is free or somebody has it."""
    ci = cl.lock_cluster(st, pr, g)
    byte = u(st.smap[g])
    if byte & HAS_CACHE != U0:
        byte = U0
    if byte != U0:
        st.smap[g] = byte | HAS_CACHE
        wrote(pr, R_MAP, g >> U3)
    cl.unlock_cluster(st, pr, ci)
    return byte


@inner
def cache_begin(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """Enter folio `f` into the swap cache for `entry`, never bypassing it. False: the entry is gone or somebody is faster."""
    g = slot_of(st, entry)
    ok = set_cached(st, pr, g) != U0
    if ok:
        swap_cache.insert(st, pr, g, f, entry)
    return ok


@inner
def read_begin(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """``swapcache_prepare`` and ``add_to_swap_cache``; a synchronous device with a single user bypasses the cache."""
    g = slot_of(st, entry)
    byte = set_cached(st, pr, g)
    if byte == U0:
        return False
    touch(pr, R_CGROUP, g >> U2)
    if byte == U1 and st.ctl[w.C_SYNC_BYPASS] != U0 and st.dev[device_of(entry) * DEV_WORDS + cl.D_FLAGS] & DEV_SYNC != U0:
        f_set(st, f, BYPASS)
        st.folio[f_word(f, F_ENTRY)] = entry
    else:
        swap_cache.insert(st, pr, g, f, entry)
    return True


@inner
def is_zero(st, g):  # type: ignore[no-untyped-def]
    """The zero bit of slot `g`."""
    return st.zeromap[g >> U6] >> (g & U63) & U1 != U0


@inner
def set_zero(st, pr, g, zero):  # type: ignore[no-untyped-def]
    """Write the zero bit of slot `g`."""
    bit = U1 << (g & U63)
    before = st.zeromap[g >> U6]
    st.zeromap[g >> U6] = before | bit if zero else before & ~bit
    wrote(pr, R_ZEROMAP, g >> U6)
    st.ctl[w.S_ZERO_LIVE] += (U1 if zero else U0) - (U1 if before & bit != U0 else U0)


@called
def copy_data(st, pr, f, old, new, read):  # type: ignore[no-untyped-def]
    """Write the content of `old` to `new`, with `read` after reading it into folio `f`, which has it otherwise."""
    b = slot_of(st, new)
    set_zero(st, pr, b, is_zero(st, slot_of(st, old)) and (read or not f_is(st, f, DIRTY)))
    if read:
        read_data(st, pr, old, f)
    store_data(st, pr, new, b, st.folio[f_word(f, F_TOKEN)])


@called
def read_data(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """``swap_read_folio``: zero bit, zswap (whose entry goes, so the folio is dirty), or the device."""
    g = slot_of(st, entry)
    token = u(st.token[g]) if st.ctl[w.C_TOKENS] != U0 else U0
    touch(pr, R_ZEROMAP, g >> U6)
    if not is_zero(st, g):
        chase(pr, R_ZTREE, (g >> U14) * xa.HEAD_WORDS)
        z = U0
        bypass = f_is(st, f, BYPASS)
        if st.ztree[(g >> U14) * xa.HEAD_WORDS + xa.H_ENTRY] != U0:
            z = zswap.tree_find(st, pr, g, entry & OFFSET_MASK) if bypass else zswap.tree_erase(st, pr, g, entry & OFFSET_MASK)
        if z != U0 and bypass:
            token = zswap.entry_read(st, pr, z) & LOW32
        elif z != U0:
            token = zswap.entry_read(st, pr, z) & LOW32
            zswap.entry_free(st, pr, z)
            f_set(st, f, DIRTY)
        elif device_of(entry) == ZRAM:
            chase(pr, R_ZRAM, g * U2)
    st.folio[f_word(f, F_TOKEN)] = token


@inner
def read_end(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """Read; a folio that bypassed the swap cache lets go of the slot at once."""
    read_data(st, pr, entry, f)
    if f_is(st, f, BYPASS):
        g = slot_of(st, entry)
        f_clear(st, f, BYPASS)
        f_set(st, f, DIRTY)
        st.folio[f_word(f, F_ENTRY)] = U0
        unset_cache(st, pr, st.folio[f_word(f, F_VALUE)], entry, g)


@inner
def read_abort(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """Take the folio out of the cache again and let go of the slot."""
    g = slot_of(st, entry)
    if f_is(st, f, BYPASS):
        f_clear(st, f, BYPASS)
    else:
        swap_cache.remove(st, pr, g, f)
    unset_cache(st, pr, st.folio[f_word(f, F_VALUE)], entry, g)


@inner
def free_swap(st, pr, f):  # type: ignore[no-untyped-def]
    """``folio_free_swap``: nothing but the cache holds the slot, so both go and the folio is dirty."""
    entry, value = st.folio[f_word(f, F_ENTRY)], st.folio[f_word(f, F_VALUE)]
    g = slot_of(st, entry)
    touch(pr, R_MAP, g >> U3)
    if u(st.smap[g]) & ~HAS_CACHE != U0:
        return False
    swap_cache.remove(st, pr, g, f)
    unset_cache(st, pr, value, entry, g)
    f_set(st, f, DIRTY)
    return True


@inner
def swap_full(st, entry):  # type: ignore[no-untyped-def]
    """``vm_swap_full`` (more than half of the slots used), or a synchronous device."""
    base = device_of(entry) * DEV_WORDS
    return st.dev[base + cl.D_FLAGS] & DEV_SYNC != U0 or st.dev[base + D_USED] * U2 > st.dev[base + D_SLOTS]

