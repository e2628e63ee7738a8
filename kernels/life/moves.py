"""Moves between backends without a layer: fault in and swap out again, or rewrite every PTE (D18); zswap writeback in place."""

from __future__ import annotations

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.constants import LOW32, U0, U1, U2
from kernels.compiling.jit import called, inner, u
from kernels.life import charging, faults, lifecycle, page_io, steps, swapfile
from kernels.memory import DIRTY, F_TOKEN, F_VALUE, LOCKED, WRITEBACK, f_clear, f_is, f_set, f_word
from kernels.observing.allocations import A_CONT
from kernels.observing.probe import PTES, R_OWNER, R_PTE, bump, chase, freed, wrote
from kernels.structures import cluster as cl
from kernels.structures import zswap
from kernels.structures.cluster import OFFSET_MASK, device_of, slot_of
from kernels.structures.slots import cache_find, collected_drop, collects, count_read, zero_of


@inner
def place_of(st, pr, entry):  # type: ignore[no-untyped-def]
    """Backend that has the data of `entry`: zswap, or the device."""
    g = slot_of(st, entry)
    if zero_of(st, pr, g) or st.ctl[control.S_ZE_LIVE] == U0:
        return device_of(entry)
    return codes.ZSWAP if zswap.tree_find(st, pr, g, entry & OFFSET_MASK) != U0 else device_of(entry)


@called
def wrong_place(st, pr, entry, source, target):  # type: ignore[no-untyped-def]
    """Precheck of a move: the reason for a refusal, 0 if there is none."""
    if target == codes.ZSWAP or target == source or place_of(st, pr, entry) != source:
        return codes.WRONG_BACKEND
    return U0


@inner
def cached(st, pr, entry, page, value):  # type: ignore[no-untyped-def]
    """Folio for `page` that is new in the swap cache of `entry`, whose PTE has `value`; 0 where there is none to be had."""
    f = w.folio_new(st, page)
    if f == U0:
        return U0
    if not swapfile.cache_begin(st, pr, entry, f):
        w.folio_free(st, f)
        return U0
    st.folio[f_word(f, F_VALUE)] = value
    return f


@called
def hold(st, pr, t, entry):  # type: ignore[no-untyped-def]
    """Enter a locked folio into the swap cache for `entry`, whose move is in record `t`."""
    f = cached(st, pr, entry, st.txn[t] - U1 & LOW32, st.txn[t + w.T_VALUE])
    if f == U0:
        return codes.BUSY
    f_set(st, f, LOCKED)
    st.txn[t + w.T_FOLIO] = f
    return codes.STEPPED


@inner
def give_up(st, pr, f, why):  # type: ignore[no-untyped-def]
    """Take the locked folio `f` of a move out of the swap cache; the data is still in its old place."""
    f_clear(st, f, LOCKED)
    steps.evict(st, pr, f)
    w.folio_free(st, f)
    return why


@called
def rehouse(st, pr, entry, f, new):  # type: ignore[no-untyped-def]
    """Write folio `f`, whose old slot a swapoff has released, to slot `new`; with 0 keep it in memory, dirty, while a PTE holds `entry`."""
    if new != U0:
        page_io.write_slot(st, pr, new, st.folio[f_word(f, F_TOKEN)])
        f_clear(st, f, DIRTY)
        if w.mapcount(st, f) == U0:
            steps.evict(st, pr, f)
            w.folio_free(st, f)
    else:
        f_set(st, f, DIRTY)
        if steps.count_is_zero(st, entry):
            steps.drop_unused(st, pr, f)


@called
def writeback_step(st, pr, t):  # type: ignore[no-untyped-def]
    """``zswap_writeback_entry``: the same slot, so no PTE, count or map changes."""
    txn, n, entry = st.txn, st.txn[t + w.T_STEP], st.txn[t + w.T_ENTRY]
    g, f = slot_of(st, entry), txn[t + w.T_FOLIO]
    txn[t + w.T_STEP] = n + U1
    if n == U0:
        return hold(st, pr, t, entry)
    if n == U1:
        if swapfile.count_is_zero(st, entry):
            return back_out(st, pr, f, codes.MOVED_AWAY)
        page_io.read_data(st, pr, entry, f)
        page_io.store_data(st, pr, entry, g, st.folio[f_word(f, F_TOKEN)])
        f_clear(st, f, LOCKED | DIRTY)
        f_set(st, f, WRITEBACK)
        return codes.STEPPED
    lifecycle.writeback_end(st, pr, f)
    return codes.MOVED


@called
def fault_all(st, pr, page, value, entry):  # type: ignore[no-untyped-def]
    """Fault in every sharer of `value`; return the folio that they now map, 0 if it is busy."""
    f, p = U0, page
    while True:
        if st.pte[p] == value << U1:
            code = faults.fault(st, pr, p, U0, U0)
            if code != codes.SWAP_IN and code != codes.CACHE_HIT:
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
    page = txn[t] - U1 & LOW32
    txn[t + w.T_STEP] = n + U1
    if n == U0:
        txn[t + w.T_FLAGS] = codes.ZERO if zero_of(st, pr, slot_of(st, entry)) else U0
        f = fault_all(st, pr, page, value, entry)
        if f == U0 or (f_is(st, f, w.CACHED) and (f_is(st, f, WRITEBACK | LOCKED) or not swapfile.free_swap(st, pr, f))):
            return codes.BUSY
        txn[t + w.T_VALUE] = st.folio[f_word(f, F_TOKEN)]
        return codes.STEPPED
    f = txn[t + w.T_FOLIO]
    if n == U1:
        f = st.pte[page] >> U1
        if st.pte[page] & U1 == U0 or f_is(st, f, LOCKED | WRITEBACK | w.CACHED) or st.folio[f_word(f, F_TOKEN)] != txn[t + w.T_VALUE]:
            return codes.MOVED_AWAY
        txn[t + w.T_FOLIO] = f
        code = lifecycle.swap_out(st, pr, f, page, txn[t + w.T_TARGET], u(4096), txn[t + w.T_FLAGS], cpu, U0)
        return codes.STEPPED if code == codes.SWAP_OUT else code
    lifecycle.writeback_end(st, pr, f)
    return codes.MOVED


@called
def rewrite_ptes(st, pr, page, old, new):  # type: ignore[no-untyped-def]
    """Rewrite every PTE that holds `old` (D18). The page-table scan is amortised over a batch; the owner record leads to the kin."""
    if st.ctl[control.C_REWRITE] == swapfile.REWRITE_OWNER:
        chase(pr, R_OWNER, slot_of(st, old) * U2)
    else:
        bump(pr, PTES, max(U1, st.ctl[control.C_PAGES] // max(U1, st.ctl[control.C_BATCH])))
    p, ok = page, True
    while True:
        if st.pte[p] == old << U1:
            ok = swapfile.dup(st, pr, new, new)
            if not ok:
                break
            st.pte[p] = new << U1
            wrote(pr, R_PTE, p)
            swapfile.put(st, pr, old, old)
        p = w.next_kin(st, pr, p)
        if p == page:
            break
    return ok


@called
def rewrite_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Lock a folio in the cache, take a slot on the target and patch the PTEs, copy and free the old slot, write out."""
    txn, n, old = st.txn, st.txn[t + w.T_STEP], st.txn[t + w.T_ENTRY]
    page, f, d = txn[t] - U1 & LOW32, txn[t + w.T_FOLIO], st.txn[t + w.T_TARGET]
    txn[t + w.T_STEP] = n + U1
    if n == U0:
        return hold(st, pr, t, old)
    if n == U1:
        return rewrite(st, pr, page, f, old, d, cpu)
    lifecycle.writeback_end(st, pr, f)
    return codes.MOVED


@called
def rewrite(st, pr, page, f, old, d, cpu):  # type: ignore[no-untyped-def]
    """Middle part of a rewrite. An unfinished rewrite is turned back (the old counts have room for the references)."""
    if swapfile.count_is_zero(st, old):
        return back_out(st, pr, f, codes.MOVED_AWAY)
    found = swapfile.slot_or_reclaim(st, pr, d, cpu)
    if found == U0:
        return back_out(st, pr, f, codes.FULL)
    b = found - U1
    new = cl.entry_of(st, d, b)
    charging.owner_inherit(st, pr, slot_of(st, old), b)
    swapfile.owner_record(st, pr, b)
    why = U0
    if not rewrite_ptes(st, pr, page, old, new):
        why = codes.NO_MEMORY
    elif not swapfile.count_is_zero(st, old):
        why = codes.MOVED_AWAY  # a PTE that is no kin any more still holds the old entry
    if why != U0:
        rewrite_ptes(st, pr, page, new, old)
        swapfile.unset_cache(st, pr, new, new, b)
        return back_out(st, pr, f, why)
    page_io.copy_data(st, pr, f, old, new, True)
    swapfile.cache_drop(st, pr, slot_of(st, old), f, False)
    swapfile.unset_cache(st, pr, old, old, slot_of(st, old))
    swapfile.cache_add(st, pr, b, f, new)
    st.folio[f_word(f, F_VALUE)] = new
    f_clear(st, f, LOCKED | DIRTY)
    f_set(st, f, WRITEBACK)
    return codes.STEPPED


@inner
def back_out(st, pr, f, why):  # type: ignore[no-untyped-def]
    """Release the folio that a move had read back, and map it nowhere."""
    f_clear(st, f, LOCKED)
    if not swapfile.free_swap(st, pr, f):
        swapfile.evict(st, pr, f)
    w.folio_free(st, f)
    return why


@called
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Run the next step of a move; the first step determines the kind of the move."""
    txn, entry, target = st.txn, st.txn[t + w.T_ENTRY], st.txn[t + w.T_TARGET]
    source = txn[t + w.T_AUX]
    if txn[t + w.T_STEP] == U0:
        why = wrong_place(st, pr, entry, source, target)
        if why != U0:
            return why
        if swapfile.lookup(st, pr, entry) != U0:
            return codes.BUSY  # another task owns a folio in the swap cache
    if source == codes.ZSWAP and target == device_of(entry):
        return writeback_step(st, pr, t)
    if st.ctl[control.C_MOVE] == swapfile.MOVE_REFUSE:
        return codes.REFUSED
    if st.ctl[control.C_MOVE] == swapfile.MOVE_REWRITE:
        return rewrite_step(st, pr, t, cpu)
    return reswap_step(st, pr, t, cpu)


@called
def swapoff(st, pr, d, target, cpu):  # type: ignore[no-untyped-def]
    """``try_to_unuse``: scan every PTE of every space, fault in the entries of device `d`, then sweep leftover cache."""
    if not cl.turn_off(st, d):
        return codes.DEVICE_OFF
    if collects(st):
        collected_drop(st, pr)
    fault_in(st, pr, d)
    return sweep(st, pr, d)


@called
def fault_in(st, pr, d):  # type: ignore[no-untyped-def]
    """Scan every PTE of every space and fault in what is on device `d`."""
    for i in range(st.ctl[control.C_PAGES]):
        p = u(i)
        pte = w.read_pte(st, pr, p)
        if pte != U0 and pte & U1 == U0:
            entry = steps.resolve(st, pr, pte >> U1)
            if device_of(entry) == d:
                st.ctl[control.S_SCANNED] += U1
                faults.fault(st, pr, p, U0, U0)
    bump(pr, PTES, st.ctl[control.C_PAGES])


@called
def sweep(st, pr, d):  # type: ignore[no-untyped-def]
    """Drop the slots of device `d` that only the swap cache still holds, and its continuation pages if no device is in use."""
    base = st.dev[d * cl.DEV_WORDS]
    room = st.dev[d * cl.DEV_WORDS + cl.D_CLUSTERS] << st.ctl[control.C_CLUSTER_SHIFT]
    for i in range(base, base + min(room, st.dev[d * cl.DEV_WORDS + cl.D_SLOTS])):
        count_read(st, pr, u(i))
        if swapfile.only_cached(st, u(i)):
            f = cache_find(st, pr, u(i))
            if f != U0 and not f_is(st, f, LOCKED | WRITEBACK) and swapfile.free_swap(st, pr, f) and w.mapcount(st, f) == U0:
                w.folio_free(st, f)
    code = cl.turned_off(st, d)
    if st.ctl[control.S_SLOTS] == U0:
        for _ in range(st.ctl[control.S_CONT_USED]):
            freed(pr, A_CONT)
        st.ctl[control.S_CONT_USED] = U0
        for i in range(st.ctl[control.C_CHAIN] + st.ctl[control.C_CONT_LIMIT] + U2):
            st.chain[u(i)] = 0
    return code
