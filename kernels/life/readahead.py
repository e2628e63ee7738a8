"""Readahead: a page that no task waits for is read into the swap cache, where a later fault finds it.

The kernel reads the neighbours of a page that it reads from a device which is not synchronous (``swap_vma_readahead``, mm/swap_state.c).
Which pages are neighbours is not of the design: page tables tell. A READAHEAD is one of them. It is what ``__read_swap_cache_async`` does
(``swap_cache_alloc_folio`` from 7.0 on) and the read: a folio is entered into the swap cache and filled. PTE, count and slot stay. The
swap cache is not looked at before: the look of :func:`kernels.life.steps.read_begin` is the only one, as ``lookup`` is of the fault. What
a design asks there on behalf of the fault is asked here too (*vswap_ste*: which way to read), and common steps of a read have the lines
of ``swapin_readahead`` itself, which a kernel touches once for all neighbours.

A folio that no fault has asked for by then goes by RECLAIM as any clean one of the swap cache: a shadow takes its place. What came from
zswap is dirty, as zswap's entry went with the read, and is written again.
"""

from __future__ import annotations

from kernels import codes
from kernels import memory as w
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called
from kernels.life.faults import arrive
from kernels.life.steps import lookup, read_abort, read_begin, read_done, read_same, resolve
from kernels.memory import BYPASS, LOCKED, f_clear, f_is, f_set, f_word


@called
def read_ahead(st, pr, page):  # type: ignore[no-untyped-def]
    """READAHEAD: read `page`, which is swapped out, into the swap cache. READ_AHEAD, or the reason why nothing was read."""
    pte = w.read_pte(st, pr, page)
    if pte == U0 or pte & U1 != U0:
        return codes.NOT_SWAPPED
    value = pte >> U1
    entry = resolve(st, pr, value)
    f = w.folio_new(st, page)
    if f == U0:
        return codes.BUSY
    st.folio[f_word(f, w.F_VALUE)] = value
    if not read_begin(st, pr, entry, f):
        w.folio_free(st, f)
        return codes.IN_CACHE if lookup(st, pr, entry) != U0 else codes.BUSY
    why = codes.READ_AHEAD
    if f_is(st, f, BYPASS):
        why = codes.REFUSED
    elif not read_same(st, pr, value, entry):
        why = codes.GONE
    if why != codes.READ_AHEAD:
        read_abort(st, pr, entry, f)
        w.folio_free(st, f)
        return why
    f_set(st, f, LOCKED)
    arrive(st, pr, entry, f)
    f_clear(st, f, LOCKED)
    read_done(st, pr, value, entry, f)
    return why
