"""Life cycle of a page, the same for every design: reclaim, writeback, fork, copy on write, zap; faults are in :mod:`kernels.life.faults`.

Each function follows its counterpart in mm/, calls the design's steps (:mod:`kernels.life.steps`), and returns a reply code.
"""

from __future__ import annotations

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called, hot, inner, u
from kernels.life.charging import memcg_of
from kernels.life.prefetch import look_along
from kernels.life.steps import (
    claim,
    count_is_zero,
    dup,
    evict,
    free_swap,
    lookup,
    put_run,
    resolve,
    run_limit,
    unclaim,
    writeout,
)  # fmt: skip
from kernels.memory import CACHED, DIRTY, LOCKED, WRITEBACK, f_clear, f_is, f_set, f_word, mapcount
from kernels.observing.probe import PTES, R_PTE, bump, wrote
from kernels.structures.common import table
from kernels.structures.common.steps import common


@inner
def orphan(st, pr, f):  # type: ignore[no-untyped-def]
    """Free folio `f`, which lost a PTE, if nothing maps it and the swap cache lets go too (``free_swap_cache``)."""
    if mapcount(st, f) == U0 and not f_is(st, f, LOCKED | WRITEBACK) and (not f_is(st, f, CACHED) or free_swap(st, pr, f)):
        w.folio_free(st, f)


@inner
def written(st, page, f):  # type: ignore[no-untyped-def]
    """Give folio `f`, which `page` alone maps, new content."""
    w.new_token(st, f)
    f_set(st, f, DIRTY)
    w.expect(st, page, f)


@inner
@hot
def make_writable(st, pr, page, f):  # type: ignore[no-untyped-def]
    """``do_wp_page``: write to `page`, which maps folio `f`. Reuse the folio if nothing else refers to it, else copy."""
    alone = mapcount(st, f) == U1
    if alone and f_is(st, f, CACHED):
        alone = not f_is(st, f, WRITEBACK | LOCKED) and free_swap(st, pr, f)
    if alone:
        written(st, page, f)
        return codes.REUSED
    copy = w.folio_new(st, page)
    if copy == U0:
        return codes.NOTHING
    w.new_token(st, copy)
    f_set(st, copy, DIRTY)
    w.unmap_page(st, pr, page, f, U0)
    w.expect(st, page, copy)
    w.map_page(st, pr, page, copy)
    orphan(st, pr, f)
    return codes.COWED


@inner
@hot
def unmap_all(st, pr, f, page, value, entry, fail_after):  # type: ignore[no-untyped-def]
    """``try_to_unmap``: write `value` into every PTE that maps folio `f`. Return (PTEs written, 0 or the reason for an early stop)."""
    n, present, p = U0, f << U1 | U1, page
    while mapcount(st, f) != U0:
        if st.pte[p] == present:
            if fail_after != U0 and n == fail_after:
                return n, codes.UNMAP_FAILED
            if not dup(st, pr, value, entry):
                return n, codes.NO_MEMORY
            w.unmap_page(st, pr, p, f, value << U1)
            n += U1
        p = w.next_kin(st, pr, p)
        if p == page:
            break
    return n, U0


@inner
def note_write(st, page, f):  # type: ignore[no-untyped-def]
    """Note a write to resident `page`: its folio has new content, unless a swap entry has the old one (then COW came first)."""
    if f_is(st, f, CACHED) and not count_is_zero(st, st.folio[f_word(f, w.F_ENTRY)]):
        return
    if mapcount(st, f) == U1:
        written(st, page, f)
    else:
        w.note_write_before_fork(st, page, f)


@inner
def written_out(st, pr, f, backend, flags):  # type: ignore[no-untyped-def]
    """Common steps of a write: of every page, and of one to a disk or of zeros. Those of zswap are at its entry."""
    common(pr, st, table.OUT, f)
    if flags & codes.ZERO != U0:
        common(pr, st, table.ZERO_OUT, f)
    elif backend != codes.ZSWAP:
        common(pr, st, table.DISK_OUT, f)


@inner
@hot
def swap_out(st, pr, f, page, backend, size, flags, cpu, fail_after):  # type: ignore[no-untyped-def]
    """``shrink_folio_list`` for folio `f`: claim, unmap, write out. It is under writeback after SWAP_OUT."""
    clean = f_is(st, f, CACHED) and not f_is(st, f, DIRTY)
    common(pr, st, table.ISOLATE, f)
    value = claim(st, pr, f, page, memcg_of(st, page), backend, cpu)
    if value == U0:
        return codes.FULL
    entry = st.folio[f_word(f, w.F_ENTRY)]
    n, why = unmap_all(st, pr, f, page, value, entry, fail_after)
    if n == U0 and count_is_zero(st, entry):
        unclaim(st, pr, f, value)
    if why != U0:
        return why
    if clean:
        common(pr, st, table.DROP, f)
        evict(st, pr, f)
        w.folio_free(st, f)
        return codes.CLEAN_DROP
    why = writeout(st, pr, f, value, backend, size, flags & codes.ZERO != U0, cpu)
    if why != U0:
        return why
    written_out(st, pr, f, backend, flags)
    f_clear(st, f, DIRTY)
    f_set(st, f, WRITEBACK)
    return codes.SWAP_OUT


@inner
@hot
def reclaim(st, pr, page, backend, size, flags, cpu, fail_after, phased):  # type: ignore[no-untyped-def]
    """RECLAIM, or with `phased` RECLAIM_BEGIN: the folio that `page` maps, or an unmapped one that the swap cache still has."""
    pte = w.read_pte(st, pr, page)
    if pte == U0:
        return codes.NOT_RESIDENT
    f = pte >> U1
    if pte & U1 == U0:
        f = lookup(st, pr, resolve(st, pr, f))
        if f == U0:
            return codes.NOT_RESIDENT
    if f_is(st, f, LOCKED | WRITEBACK):
        return codes.BUSY
    if phased and (w.txn_find(st, w.TX_RECLAIM, page) != w.NO_TXN or not w.txn_room(st)):
        return codes.BUSY
    if pte & U1 != U0 and flags & codes.DIRTY != U0:
        note_write(st, page, f)
    code = swap_out(st, pr, f, page, backend, size, flags, cpu, fail_after)
    if code == codes.SWAP_OUT:
        if phased:
            w.txn_new(st, w.TX_RECLAIM, page, f, U0, U0)
        else:
            writeback_end(st, pr, f)
    return code


@inner
@hot
def writeback_end(st, pr, f):  # type: ignore[no-untyped-def]
    """End of writeback: drop the folio, unless it was mapped again meanwhile."""
    f_clear(st, f, WRITEBACK)
    if mapcount(st, f) == U0:
        common(pr, st, table.DROP, f)
        evict(st, pr, f)
        w.folio_free(st, f)


@inner
def reclaim_end(st, pr, page):  # type: ignore[no-untyped-def]
    """RECLAIM_END."""
    t = w.txn_find(st, w.TX_RECLAIM, page)
    if t == w.NO_TXN:
        return codes.NO_BEGIN
    f = st.txn[t + w.T_FOLIO]
    w.txn_end(st, t)
    writeback_end(st, pr, f)
    return codes.WRITEBACK_END


@called
def fork(st, pr, page, count, child_space):  # type: ignore[no-untyped-def]
    """FORK: copy the PTEs of a run into the child space, one duplicate at a time (``copy_nonpresent_pte``)."""
    shift = st.ctl[control.C_SPACE_SHIFT]
    mask = (U1 << shift) - U1
    n = U0
    for i in range(count):
        p = page + u(i)
        c = child_space << shift | (p & mask)
        pte = w.read_pte(st, pr, p)
        if pte == U0 or st.pte[c] != U0 or c == p:
            continue
        if pte & U1 != U0:
            st.folio[f_word(pte >> U1, w.F_STATE)] += U1 << u(32)
        elif not dup(st, pr, pte >> U1, resolve(st, pr, pte >> U1)):
            return codes.NO_MEMORY
        st.pte[c] = pte
        wrote(pr, R_PTE, c)
        w.link_kin(st, p, c)
        if st.ctl[control.C_TOKENS] != U0:
            st.truth[c] = st.truth[p]
        n += U1
    return codes.FORKED if n != U0 else codes.EMPTY


@called
def zap(st, pr, page, count):  # type: ignore[no-untyped-def]
    """UNMAP: clear the PTEs of a run; present folios lose a mapping, swap entries a count (``zap_pte_range``)."""
    n, i, seen = U0, U0, U0
    while i < count:
        seen = look_along(pr, st, page, i, seen, count)
        p = page + i
        i += U1
        pte = w.read_pte(st, pr, p)
        if pte == U0:
            continue
        n += U1
        if pte & U1 != U0:
            w.unmap_page(st, pr, p, pte >> U1, U0)
            if st.ctl[control.C_FORKS] != U0:
                w.unlink_kin(st, p)
            orphan(st, pr, pte >> U1)
            continue
        run = clear_run(st, pr, p, pte, min(count - i + U1, run_limit(st, pte >> U1)))
        n += run - U1
        i += run - U1
        common(pr, st, table.ZAP, U0)
        put_run(st, pr, pte >> U1, run)
    bump(pr, PTES, n)
    return codes.ZAPPED if n != U0 else codes.EMPTY


@called
def clear_run(st, pr, page, pte, most):  # type: ignore[no-untyped-def]
    """``swap_pte_batch``: clear up to `most` PTEs from `page` on that hold contiguous values from `pte` on; return their number."""
    n = U0
    while n < most and w.read_pte(st, pr, page + n) == pte + (n << U1):
        st.pte[page + n] = U0
        wrote(pr, R_PTE, page + n)
        if st.ctl[control.C_FORKS] != U0:
            w.unlink_kin(st, page + n)
        n += U1
    return n


@inner
def cow(st, pr, page):  # type: ignore[no-untyped-def]
    """COW: a write fault on a present page."""
    pte = w.read_pte(st, pr, page)
    if pte & U1 == U0:
        return codes.NOT_RESIDENT
    return make_writable(st, pr, page, pte >> U1)
