"""Faults: ``do_swap_page`` and the first touch, the same for every design. A fault may stop at three places, where other demands come.

===== =================================================================== ==============================================================
stop  what has been done                                                  what is still to be done
===== =================================================================== ==============================================================
1     the walk: PTE and entry are loaded                                  swap cache, read, re-check, map
2     the read was submitted, the folio locked and in the swap cache      read, re-check, map
3     the data is in the folio, which is locked; no page-table lock yet   re-check, map
===== =================================================================== ==============================================================
"""

from __future__ import annotations

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.constants import U0, U1, U2, U3
from kernels.compiling.jit import called, hot, inner
from kernels.life.charging import mem_cgroup_swap_full, memcg_of, note_full
from kernels.life.lifecycle import make_writable, orphan, written
from kernels.life.steps import (
    free_swap,
    lookup,
    put,
    read_abort,
    read_begin,
    read_done,
    read_end,
    read_same,
    resolve,
    same,
    still,
    swap_full,
)
from kernels.memory import CACHED, DIRTY, LOCKED, WRITEBACK, f_clear, f_is, f_set, f_word, mapcount
from kernels.observing.probe import RETRIES, bump
from kernels.structures.common import table
from kernels.structures.common.steps import common

MOST_RETRIES = 8
READ = U1  # T_STEP of a fault whose read is over


@inner
def first_touch(st, pr, page):  # type: ignore[no-untyped-def]
    """``do_anonymous_page``: a new folio."""
    f = w.folio_new(st, page)
    if f == U0:
        return codes.NOTHING
    w.new_token(st, f)
    f_set(st, f, DIRTY)
    w.expect(st, page, f)
    w.map_page(st, pr, page, f)
    return codes.FIRST_TOUCH


@inner
@hot
def write_in_cache(st, page, f):  # type: ignore[no-untyped-def]
    """Write to `page` and leave its folio `f` in the swap cache, if its kernel does so and no fork shared the page. True: done.

    From 7.0 to 7.2 ``do_swap_page`` clears FAULT_FLAG_WRITE when it maps an exclusive page writable, and asks ``should_try_to_free_swap``
    after that (commit 4b34f1d82c65, patch 6 of phase II; undone in 7.3, "mm/swap: free swap cache before mapping to fix folio reuse").
    A page is exclusive here while it is alone in its ring of kin. The kernel's mark also stays away after the others have gone.
    """
    if st.ctl[control.C_WRITE_KEEPS] == U0 or not f_is(st, f, CACHED) or f_is(st, f, WRITEBACK | LOCKED):
        return False
    if mapcount(st, f) != U1 or (st.ctl[control.C_FORKS] != U0 and w.beside(st, page) != page):
        return False
    written(st, page, f)
    return True


@inner
@hot
def install(st, pr, page, value, entry, f, flags):  # type: ignore[no-untyped-def]
    """Second half of ``do_swap_page``: map folio `f`, lower the count, decide about the cache copy."""
    note_full(st, pr, memcg_of(st, page))
    common(pr, st, table.MAP, f)
    w.map_page(st, pr, page, f)
    st.folio[f_word(f, w.F_VALUE)] = value
    put(st, pr, value, entry)
    full = f_is(st, f, CACHED) and (mem_cgroup_swap_full(st, pr, memcg_of(st, page)) or swap_full(st, entry))
    if flags & codes.WRITE != U0:
        common(pr, st, table.WRITE, f)
        if not write_in_cache(st, page, f):
            make_writable(st, pr, page, f)
            return
    if full and f_is(st, f, CACHED) and not f_is(st, f, WRITEBACK):
        free_swap(st, pr, f)


@inner
@hot
def enter(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """Find the folio of `entry` in the swap cache, or start reading it. Return (reply, folio, entry).

    The reply is CACHE_HIT, or SWAP_IN with the folio locked in the cache, or BUSY. The entry may be stale. With the
    folio and the PTE locked `value` is resolved again, and the walk starts again if the entry has changed. For a folio
    that is still to be read :func:`complete` does that, unless the design asks before the read.
    """
    common(pr, st, table.FAULT, U0)
    for _ in range(MOST_RETRIES):
        f = lookup(st, pr, entry)
        code = codes.CACHE_HIT
        if f == U0:
            f = w.folio_new(st, U0)
            code = codes.SWAP_IN
            st.folio[f_word(f, w.F_VALUE)] = value
            if f == U0 or not read_begin(st, pr, entry, f):
                if f != U0:
                    w.folio_free(st, f)
                code = codes.BUSY
        elif f_is(st, f, LOCKED):
            code = codes.BUSY
        ok = read_same(st, pr, value, entry) if code == codes.SWAP_IN else same(st, pr, value, entry)
        if ok:
            return code, f, entry
        if code == codes.SWAP_IN:
            read_abort(st, pr, entry, f)
            w.folio_free(st, f)
        bump(pr, RETRIES, U1)
        entry = resolve(st, pr, value)
    return codes.BUSY, U0, entry


@inner
@hot
def hit_or_read(st, pr, page, value, entry, flags):  # type: ignore[no-untyped-def]
    """Map the folio that :func:`enter` found in the swap cache, or lock the one whose read it started. Return (reply, folio, entry)."""
    code, f, entry = enter(st, pr, value, entry)
    if code == codes.CACHE_HIT:
        install(st, pr, page, value, entry, f, flags)
    elif code == codes.SWAP_IN:
        f_set(st, f, LOCKED)
    return code, f, entry


@inner
@hot
def arrive(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """Finish a read: the data is in the folio, which stays locked (the fault has locked it again)."""
    common(pr, st, table.READ, f)
    read_end(st, pr, entry, f)


@inner
@hot
def complete(st, pr, page, value, entry, f, flags):  # type: ignore[no-untyped-def]
    """Unlock the folio that was read, check the PTE, map. The folio stays in the cache if the PTE has changed."""
    f_clear(st, f, LOCKED)
    st.folio[f_word(f, w.F_PAGE)] = page
    if w.read_pte(st, pr, page) != value << U1 or not still(st, pr, value, entry):
        read_done(st, pr, value, entry, f)
        orphan(st, pr, f)
        return codes.GONE
    install(st, pr, page, value, entry, f, flags)
    read_done(st, pr, value, entry, f)
    return codes.SWAP_IN


@inner
@hot
def fault(st, pr, page, flags, cut):  # type: ignore[no-untyped-def]
    """FAULT (`cut` 0) or FAULT_BEGIN (`cut`: where to stop)."""
    pte = w.read_pte(st, pr, page)
    if pte & U1 != U0:
        return codes.AVOIDED
    if pte == U0:
        return first_touch(st, pr, page)
    if cut != U0 and (w.txn_find(st, w.TX_FAULT, page) != w.NO_TXN or not w.txn_room(st)):
        return codes.BUSY
    value = pte >> U1
    entry = resolve(st, pr, value)
    if cut == U1:
        t = w.txn_new(st, w.TX_FAULT, page, U0, value, entry)
        st.txn[t + w.T_FLAGS] = flags
        return codes.BEGUN
    code, f, entry = hit_or_read(st, pr, page, value, entry, flags)
    if code != codes.SWAP_IN:
        return code
    if cut != U2:
        arrive(st, pr, entry, f)
    if cut != U0:
        t = w.txn_new(st, w.TX_FAULT, page, f, value, entry)
        st.txn[t + w.T_FLAGS] = flags
        st.txn[t + w.T_STEP] = READ if cut == U3 else U0
        return codes.BEGUN
    return complete(st, pr, page, value, entry, f, flags)


@called
def fault_end(st, pr, page):  # type: ignore[no-untyped-def]
    """FAULT_END: go on after FAULT_BEGIN, with the entry that it loaded."""
    t = w.txn_find(st, w.TX_FAULT, page)
    if t == w.NO_TXN:
        return codes.NO_BEGIN
    f, value, entry = st.txn[t + w.T_FOLIO], st.txn[t + w.T_VALUE], st.txn[t + w.T_ENTRY]
    flags, step = st.txn[t + w.T_FLAGS], st.txn[t + w.T_STEP]
    w.txn_end(st, t)
    if f == U0:
        if w.read_pte(st, pr, page) != value << U1:
            return codes.GONE
        code, f, entry = hit_or_read(st, pr, page, value, entry, flags)
        if code != codes.SWAP_IN:
            return code
    if step != READ:
        arrive(st, pr, entry, f)
    return complete(st, pr, page, value, entry, f, flags)
