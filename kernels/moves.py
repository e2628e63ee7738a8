"""Moving data between backends without a layer: fault in and swap out again, or rewrite every PTE (D18); zswap writeback in place."""

from __future__ import annotations

from kernels import cluster as cl
from kernels import demand, lifecycle, swap_cache, swapfile, zswap
from kernels import world as w
from kernels.cluster import OFFSET_MASK, device_of, slot_of
from kernels.jit import called, inner, u
from kernels.probe import PTES, R_OWNER, R_PTE, bump, chase, wrote
from kernels.steps import ZERO_LOCKED, resolve
from kernels.words import LOW32, U0, U1, U2, U3, U4, U6, U16, U24, U63
from kernels.world import F_TOKEN, F_VALUE, LOCKED, WRITEBACK, f_clear, f_is, f_set, f_word

STEPPED, MOVED = u(demand.STEPPED), u(demand.MOVED)
BUSY, FULL, NO_MEMORY, WRONG_BACKEND, REFUSED, MOVED_AWAY = (
    u(i) for i in (demand.BUSY, demand.FULL, demand.NO_MEMORY, demand.WRONG_BACKEND, demand.REFUSED, demand.MOVED_AWAY)
)
SWAPPED_OFF, DEVICE_OFF = u(demand.SWAPPED_OFF), u(demand.DEVICE_OFF)
MOVE_RESWAP, MOVE_REWRITE, MOVE_REFUSE = U0, U1, U2  # C_MOVE
REWRITE_SCAN, REWRITE_OWNER = U0, U1  # C_REWRITE
ZSWAP = u(demand.ZSWAP)


@inner
def in_zswap(st, entry):  # type: ignore[no-untyped-def]
    """The zswap entry stacked on the slot of `entry`, 0 if none (looked up unobserved: it decides what the demand means)."""
    g = slot_of(st, entry)
    tree = (g >> u(14)) * u(8)
    if st.ztree[tree + U1] == U0:
        return U0
    node = st.ztree[tree + U1]
    index = entry & OFFSET_MASK
    if node & U3 != U2:
        return node >> U2 if index == U0 else U0
    if index >> (st.zpool[node >> U2] & u(255)) > U63:
        return U0
    while node & U3 == U2:
        node = st.zpool[(node >> U2) + u(5) + ((index >> (st.zpool[node >> U2] & u(255))) & U63)]
    return node >> U2


@called
def writeback_step(st, pr, t):  # type: ignore[no-untyped-def]
    """``zswap_writeback_entry``: the same slot, so no PTE, count or map changes."""
    txn, n, entry = st.txn, st.txn[t + w.T_STEP], st.txn[t + w.T_ENTRY]
    g, f = slot_of(st, entry), txn[t + w.T_FOLIO]
    txn[t + w.T_STEP] = n + U1
    if n == U0:
        f = w.folio_new(st, (txn[t] - U1) & LOW32)
        if f == U0 or not swapfile.read_begin(st, pr, entry, f):
            if f != U0:
                w.folio_free(st, f)
            return BUSY
        f_set(st, f, LOCKED)
        st.folio[f_word(f, F_VALUE)] = entry
        txn[t + w.T_FOLIO] = f
        zswap.tree_find(st, pr, g, entry & OFFSET_MASK)
        return STEPPED
    if n == U1:
        z = zswap.tree_erase(st, pr, g, entry & OFFSET_MASK)
        st.folio[f_word(f, F_TOKEN)] = zswap.entry_read(st, pr, z) & LOW32
        zswap.entry_free(st, pr, z)
        return STEPPED
    if n == U2:
        swapfile.store_data(st, pr, entry, g, st.folio[f_word(f, F_TOKEN)])
        f_clear(st, f, LOCKED)
        f_set(st, f, WRITEBACK)
        return STEPPED
    lifecycle.writeback_end(st, pr, f)
    return MOVED


@called
def fault_all(st, pr, page, value, entry):  # type: ignore[no-untyped-def]
    """Every sharer of `value` faults; the folio that they map now, 0 if it is busy."""
    f, p = U0, page
    while True:
        if st.pte[p] == value << U1:
            code = lifecycle.fault(st, pr, p, U0, U0)
            if code != lifecycle.SWAP_IN and code != lifecycle.CACHE_HIT:
                return U0
        p = w.next_kin(st, pr, p)
        if p == page:
            break
    if st.pte[page] & U1 != U0:
        f = st.pte[page] >> U1
    return f


@called
def reswap_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Fault in (all sharers), drop the old slot, swap out to the target, end of writeback."""
    txn, n, entry, value = st.txn, st.txn[t + w.T_STEP], st.txn[t + w.T_ENTRY], st.txn[t + w.T_VALUE]
    page = (txn[t] - U1) & LOW32
    txn[t + w.T_STEP] = n + U1
    if n == U0:
        f = fault_all(st, pr, page, value, entry)
        if f == U0 or (f_is(st, f, w.CACHED) and (f_is(st, f, WRITEBACK | LOCKED) or not swapfile.free_swap(st, pr, f))):
            return BUSY
        txn[t + w.T_FOLIO] = f
        return STEPPED
    f = txn[t + w.T_FOLIO]
    if n == U1:
        if st.pte[page] != f << U1 | U1 or f_is(st, f, LOCKED | WRITEBACK | w.CACHED):
            return MOVED_AWAY
        code = lifecycle.swap_out(st, pr, f, page, txn[t + w.T_TARGET], u(4096), U0, cpu, U0)
        return STEPPED if code == lifecycle.SWAP_OUT else code
    lifecycle.writeback_end(st, pr, f)
    return MOVED


@called
def rewrite_ptes(st, pr, page, old, new):  # type: ignore[no-untyped-def]
    """Patch every PTE that holds `old` (D18). The page-table scan is amortised over a batch, the owner record leads to the kin."""
    if st.ctl[w.C_REWRITE] == REWRITE_OWNER:
        chase(pr, R_OWNER, slot_of(st, old) * U2)
    else:
        bump(pr, PTES, max(U1, st.ctl[w.C_PAGES] // max(U1, st.ctl[w.C_BATCH])))
    p = page
    while True:
        if st.pte[p] == old << U1:
            if not swapfile.dup(st, pr, new, new):
                return False
            st.pte[p] = new << U1
            wrote(pr, R_PTE, p)
            swapfile.put(st, pr, old, old)
        p = w.next_kin(st, pr, p)
        if p == page:
            return True


@called
def rewrite_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Read into the cache, take a slot on the target, patch the PTEs, free the old slot, write out."""
    txn, n, old = st.txn, st.txn[t + w.T_STEP], st.txn[t + w.T_ENTRY]
    page, f, d = (txn[t] - U1) & LOW32, txn[t + w.T_FOLIO], st.txn[t + w.T_TARGET]
    txn[t + w.T_STEP] = n + U1
    if n == U0:
        f = w.folio_new(st, page)
        if f == U0 or not swapfile.read_begin(st, pr, old, f):
            if f != U0:
                w.folio_free(st, f)
            return BUSY
        f_set(st, f, LOCKED)
        swapfile.read_end(st, pr, old, f)
        txn[t + w.T_FOLIO] = f
        return STEPPED
    if n == U1:
        found = cl.slot_alloc(st, pr, d, cpu)
        if found == U0:
            return back_out(st, pr, f, FULL)
        new = cl.entry_of(st, d, found - U1)
        st.cgroup[found - U1] = st.cgroup[slot_of(st, old)]
        st.folio[f_word(f, F_VALUE)] = new
        swapfile.store_data(st, pr, new, found - U1, st.folio[f_word(f, F_TOKEN)])
        if not rewrite_ptes(st, pr, page, old, new):
            txn[t + w.T_FLAGS] = U1
        swap_cache.remove(st, pr, slot_of(st, old), f)
        swapfile.unset_cache(st, pr, old, old, slot_of(st, old))
        swap_cache.insert(st, pr, found - U1, f, new)
        f_clear(st, f, LOCKED)
        f_set(st, f, WRITEBACK)
        return STEPPED
    lifecycle.writeback_end(st, pr, f)
    return NO_MEMORY if txn[t + w.T_FLAGS] != U0 else MOVED


@inner
def back_out(st, pr, f, why):  # type: ignore[no-untyped-def]
    """Give the folio that a move had read back to nobody."""
    f_clear(st, f, LOCKED)
    if not swapfile.free_swap(st, pr, f):
        swapfile.evict(st, pr, f)
    w.folio_free(st, f)
    return why


@called
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """The next step of a move; the first one finds out what kind of move it is."""
    txn, entry, target = st.txn, st.txn[t + w.T_ENTRY], st.txn[t + w.T_TARGET]
    source = txn[t + w.T_AUX]
    if txn[t + w.T_STEP] == U0:
        g = slot_of(st, entry)
        zero = st.zeromap[g >> U6] >> (g & U63) & U1 != U0
        z = in_zswap(st, entry)
        at = ZSWAP if z != U0 and not zero else device_of(entry)
        if at != source or target == ZSWAP or target == source:
            return WRONG_BACKEND
        if lookup_busy(st, pr, entry):
            return BUSY
    if source == ZSWAP and target == device_of(entry):
        return writeback_step(st, pr, t)
    if st.ctl[w.C_MOVE] == MOVE_REFUSE:
        return REFUSED
    if st.ctl[w.C_MOVE] == MOVE_REWRITE:
        return rewrite_step(st, pr, t, cpu)
    return reswap_step(st, pr, t, cpu)


@inner
def lookup_busy(st, pr, entry):  # type: ignore[no-untyped-def]
    """The precheck of a move: a page in the swap cache is in somebody else's hands."""
    return swapfile.lookup(st, pr, entry) != U0


@called
def swapoff(st, pr, d, target, cpu):  # type: ignore[no-untyped-def]
    """``try_to_unuse``: look at every PTE of every space, fault in what is on device `d`, then sweep leftover cache."""
    if st.dev[d * cl.DEV_WORDS + cl.D_FLAGS] & cl.DEV_ON == U0:
        return DEVICE_OFF
    st.dev[d * cl.DEV_WORDS + cl.D_FLAGS] &= ~cl.DEV_ON
    for i in range(st.ctl[w.C_PAGES]):
        p = u(i)
        pte = w.read_pte(st, pr, p)
        if pte != U0 and pte & U1 == U0:
            entry = resolve(st, pr, pte >> U1)
            if device_of(entry) == d:
                lifecycle.fault(st, pr, p, U0, U0)
    bump(pr, PTES, st.ctl[w.C_PAGES])
    return sweep(st, pr, d)


@called
def sweep(st, pr, d):  # type: ignore[no-untyped-def]
    """Drop what only the swap cache still holds on device `d`, and its continuation pages if no device is in use."""
    base = st.dev[d * cl.DEV_WORDS]
    for i in range(base, base + st.dev[d * cl.DEV_WORDS + cl.D_SLOTS]):
        if u(st.smap[u(i)]) == cl.HAS_CACHE:
            f = swap_cache.find(st, pr, u(i))
            if f != U0 and not f_is(st, f, LOCKED | WRITEBACK) and swapfile.free_swap(st, pr, f) and w.mapcount(st, f) == U0:
                w.folio_free(st, f)
    if st.dev[d * cl.DEV_WORDS + cl.D_USED] != U0:
        return BUSY
    if st.ctl[w.S_SLOTS] == U0:
        st.ctl[w.S_CONT_USED] = U0
        for i in range(st.ctl[w.C_CHAIN] + st.ctl[w.C_CONT_LIMIT] + U2):
            st.chain[u(i)] = 0
    return SWAPPED_OFF


_ = (U4, U16, U24, ZERO_LOCKED)
