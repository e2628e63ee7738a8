"""Large folios: 2^order pages that leave memory as one (``shrink_folio_list`` for a large folio).

In memory a large folio is a folio for each of its pages here, as only its way out differs: one isolation, one claim of contiguous slots,
one writeout, one removal from the swap cache. Each of its PTEs is written on its own (``try_to_unmap_one``, one ``folio_dup_swap`` a page
up to 7.2), and zswap stores page by page. From then on its pages are single ones: a swap-in reads one page, as from zswap and disks up to
7.2. ``parts`` of the state has two words a page: its folio, and the value that its PTE gets.
"""

from __future__ import annotations

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.constants import U0, U1, U2
from kernels.compiling.jit import called, inner, u
from kernels.life.charging import memcg_of
from kernels.life.lifecycle import note_write, unmap_all, written_out
from kernels.life.steps import claim_run, evict_run, writeout_run
from kernels.memory import CACHED, DIRTY, LOCKED, WRITEBACK, f_clear, f_is, f_word, mapcount
from kernels.observing.probe import PTES, bump
from kernels.structures.common import table
from kernels.structures.common.steps import common
from kernels.structures.orders import MOST

evict_each = evict_run.default


@inner
def fits(st, kind, order):  # type: ignore[no-untyped-def]
    """Tell if a demand may take out a folio of 2^`order` pages: RECLAIM, where an address space has room for it."""
    return kind == codes.RECLAIM and order <= MOST and order <= st.ctl[control.C_SPACE_SHIFT]


@called
def gather(st, pr, page, n, flags):  # type: ignore[no-untyped-def]
    """Note the folios of `n` pages from `page` on; false if one of them is not in memory, shared, in the swap cache or busy."""
    for i in range(n):
        pte = w.read_pte(st, pr, page + u(i))
        f = pte >> U1
        if pte & U1 == U0 or mapcount(st, f) != U1 or f_is(st, f, CACHED | LOCKED | WRITEBACK):
            return False
        st.parts[u(i) * U2] = f
    for i in range(n if flags & codes.DIRTY != U0 else U0):
        note_write(st, page + u(i), st.parts[u(i) * U2])
    return True


@called
def unmap_run(st, pr, page, n):  # type: ignore[no-untyped-def]
    """``try_to_unmap`` of a large folio: PTE by PTE. Return 0, or the reason for an early stop."""
    for i in range(n):
        f = st.parts[u(i) * U2]
        why = unmap_all(st, pr, f, page + u(i), st.parts[u(i) * U2 + U1], st.folio[f_word(f, w.F_ENTRY)], U0)[1]
        if why != U0:
            return why
    bump(pr, PTES, n)
    return U0


@called
def reclaim_whole(st, pr, page, order, backend, size, flags, cpu):  # type: ignore[no-untyped-def]
    """RECLAIM of the folio of 2^`order` pages from `page` on. Return the reply code, or FOLIO_SPLIT if each page has to go alone."""
    n = U1 << order
    if not gather(st, pr, page, n, flags):
        return codes.FOLIO_SPLIT
    head = st.parts[U0]
    common(pr, st, table.ISOLATE, head)
    if not claim_run(st, pr, order, page, memcg_of(st, page), backend, cpu):
        return codes.FOLIO_SPLIT
    why = unmap_run(st, pr, page, n)
    if why != U0:
        return why
    why = writeout_run(st, pr, n, backend, size, flags & codes.ZERO != U0, cpu)
    written_out(st, pr, head, backend, flags)
    common(pr, st, table.DROP, head)
    if why == U0:
        evict_run(st, pr, n)
    else:
        evict_each(st, pr, n)
    for i in range(n):
        f = st.parts[u(i) * U2]
        if f != U0:
            f_clear(st, f, DIRTY)
            w.folio_free(st, f)
    return why if why != U0 else codes.FOLIO_OUT
