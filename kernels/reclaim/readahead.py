"""Readahead by virtual addresses: neighbours of a page that a fault reads come into the swap cache with it (mm/swap_state.c).

The window is that of ``swap_vma_readahead``. It has up to 2^page_cluster pages, as many as the faults since the last read that met a page
read ahead suggest, and no fewer than half of the window before. It lies behind the page that faults, before it, or around it, as the
fault before was one page below, one above, or elsewhere. It ends with the page table of 512 PTEs, and with the space: a space has one
VMA. Of the pages in it those are read that are swapped out, whatever their slots.

A page read ahead is in the swap cache and in no PTE. It is charged, and it comes to the inactive list with its accessed bit clear, or to
the active one where it comes back soon (``workingset_refault``). The fault that meets it maps it. Reclaim that meets it first drops it.

Simplified: the page of the fault is read before its neighbours, not between them. Neighbours on a synchronous device stay where they are,
and no fault on one reads ahead. A window ends where there is no room for a page.
"""

from __future__ import annotations

from kernels import codes
from kernels.compiling.constants import U0, U1, U2, U24
from kernels.compiling.jit import called, inner, u
from kernels.reclaim.lists import touched
from kernels.reclaim.reclaim import has_room, make_room
from kernels.reclaim.residence import entered
from kernels.reclaim.sharing import emit_fault, hit, leave_backend, load, run_on
from kernels.reclaim.state import (
    C_AHEAD,
    C_SHIFT,
    CHANGED,
    HOME,
    N_AHEAD,
    N_AHEAD_HIT,
    N_FAULTS,
    N_RESIDENT_PEAK,
    RESIDENT,
    S_RESIDENT,
    SWAPPED,
    YOUNG,
    count,
    emit,
    most,
)

ROW, BEFORE, WIDTH, HITS = u(4), U0, U1, U2  # words of a space: page of the fault before, window before, hits since
FIRST_HITS = 4  # GET_SWAP_RA_VAL
MOST_HITS = u(63)  # SWAP_RA_HITS_MAX with pages of 4 KiB
TABLE = u(511)
LEAST = u(4)  # pages of a window once anything was hit
NOT_MAPPED = U1


@inner
def reads_ahead(s):  # type: ignore[no-untyped-def]
    """Tell if a page in state `s` is swapped out to a device that is not synchronous, or to zswap in front of one."""
    return s & (RESIDENT | SWAPPED) == SWAPPED and s >> HOME != codes.ZRAM


@called
def window(st, row, page):  # type: ignore[no-untyped-def]
    """``__swapin_nr_pages``: pages to be read for a fault on `page`, itself included; `row` is that of its space."""
    before, hits = u(st.near[row + BEFORE]), u(st.near[row + HITS])
    pages = hits + U2
    if hits == U0:
        if page != before + U1 and page + U1 != before:
            pages = U1
    else:
        rounded = LEAST
        while rounded < pages:
            rounded <<= U1
        pages = rounded
    return max(min(pages, st.ctl[C_AHEAD]), u(st.near[row + WIDTH]) >> U1)


@called
def read_around(st, page):  # type: ignore[no-untyped-def]
    """Read the neighbours of `page`, which a fault has just read (``swap_vma_ra_win``)."""
    shift = st.ctl[C_SHIFT]
    space = page >> shift
    row = space * ROW
    before, pages = u(st.near[row + BEFORE]), window(st, row, page)
    st.near[row + BEFORE], st.near[row + WIDTH], st.near[row + HITS] = page, pages, U0
    if pages == U1:
        return
    back = (pages - U1) >> U1
    if page == before + U1:
        back = U0
    elif page + U1 == before:
        back = pages - U1
    first = page - min(back, page - max(space << shift, page & ~TABLE))
    end = min(page + pages - back, space + U1 << shift, (page | TABLE) + U1)
    for i in range(first, end):
        p = u(i)
        if p != page and reads_ahead(u(st.state[p])):
            if not has_room(st, U1):
                return
            read_one(st, p)


@inner
def read_one(st, p):  # type: ignore[no-untyped-def]
    """Read page `p`, which is swapped out, into the swap cache."""
    emit(st, codes.READAHEAD, p, U0, U0, U0)
    count(st, N_AHEAD)
    s = u(st.state[p])
    leave_backend(st, p, s)
    entered(st, p, s >> HOME << HOME)
    st.state[p] &= ~YOUNG
    st.ahead[p] = NOT_MAPPED
    most(st, N_RESIDENT_PEAK, st.ctl[S_RESIDENT])


@called
def met(st, page, write):  # type: ignore[no-untyped-def]
    """Fault on `page`, which was read ahead: it is mapped (``swap_update_readahead``)."""
    row = (page >> st.ctl[C_SHIFT]) * ROW
    st.near[row + BEFORE], st.near[row + HITS] = page, min(u(st.near[row + HITS]) + U1, MOST_HITS)
    count(st, N_FAULTS)
    count(st, N_AHEAD_HIT)
    run_on(st, page)
    emit(st, codes.FAULT, page, U0, U0, write * codes.WRITE << U24)
    st.ahead[page] = U0
    st.state[page] = touched(st, page, u(st.state[page])) | write * CHANGED


@called
def access_ahead(st, page, write):  # type: ignore[no-untyped-def]
    """Access `page` of a workload without forks, with readahead."""
    if st.state[page] & RESIDENT != U0:
        if st.ahead[page] == U0:
            hit(st, page, write)
        else:
            met(st, page, write)
        return
    run_on(st, page)
    make_room(st)
    s = u(st.state[page])
    emit_fault(st, page, page, s, write)
    load(st, page, write)
    if reads_ahead(s):
        read_around(st, page)
