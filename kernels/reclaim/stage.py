"""Loop over accesses and mapping events."""

from __future__ import annotations

from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called, inner, outer, u
from kernels.reclaim.folios import begin, possible
from kernels.reclaim.readahead import access_ahead
from kernels.reclaim.reclaim import has_room, hold_limit, make_room
from kernels.reclaim.sharing import access, emit_fault, hit, load, mapping, run_on
from kernels.reclaim.state import (
    C_AHEAD,
    C_BLOCK,
    C_FOLIO,
    C_FORKS,
    MASK_PAGE,
    RESIDENT,
    S_ACCESS,
    S_EVENT,
    S_OUT,
    S_TIME,
)

S31 = u(31)


@inner
def plain(st, page, write):  # type: ignore[no-untyped-def]
    """Access `page` of a workload without forks, in which each page is its own object."""
    if st.state[page] & RESIDENT != U0:
        hit(st, page, write)
        return
    run_on(st, page)
    make_room(st)
    emit_fault(st, page, page, u(st.state[page]), write)
    load(st, page, write)


@called
def page_of_folio(st, page, write):  # type: ignore[no-untyped-def]
    """Access `page` of a workload without forks, in which pages may be parts of large folios."""
    if st.state[page] & RESIDENT != U0:
        order = u(st.order[page])
        hit(st, page >> order << order, write)
    elif st.state[page] != U0 or not in_large_folio(st, page, write):
        plain(st, page, write)


@called
def in_large_folio(st, page, write):  # type: ignore[no-untyped-def]
    """Map the block of `page`, which does not exist, as one folio of the highest order that is possible and has room. False: of none."""
    run_on(st, page)
    order = st.ctl[C_FOLIO]
    while order != U0:
        if possible(st, page, order) and has_room(st, U1 << order):
            break
        order -= U1
    if order == U0:
        return False
    first, n = page >> order << order, U1 << order
    emit_fault(st, page, page, U0, write)
    for i in range(n):
        if first + u(i) != page:
            emit_fault(st, first + u(i), first + u(i), U0, U0)
    begin(st, first, order)
    load(st, first, write)
    return True


@outer
def advance(st, accesses, events, positions):  # type: ignore[no-untyped-def]
    """Turn accesses and events into demands until the input is used up or at least C_BLOCK demands are out.

    Parameters
    ----------
    st : Stage
        S_ACCESS and S_EVENT are the next indices into the arrays, S_OUT the number of demands made; all three are advanced.
    accesses : uint32[n]
    events : uint64[m, 2]
    positions : int64[m]
        As docs/contracts.md says; an event may also be a SWAPOFF demand.
    """
    ctl = st.ctl
    i, e = ctl[S_ACCESS], ctl[S_EVENT]
    n, m = u(accesses.size), u(positions.size)
    forks, large, ahead = ctl[C_FORKS] != U0, ctl[C_FOLIO] != U0, ctl[C_AHEAD] != U0
    due = u(positions[e]) if e < m else n + U1
    while ctl[S_OUT] < ctl[C_BLOCK]:
        if due <= i:
            mapping(st, events[e, U0], events[e, U1])
            e += U1
            due = u(positions[e]) if e < m else n + U1
            continue
        if i == n:
            break
        page, write = u(accesses[i]) & MASK_PAGE, u(accesses[i]) >> S31
        if forks:
            run_on(st, page)
            access(st, page, write)
        elif large:
            page_of_folio(st, page, write)
        elif ahead:
            access_ahead(st, page, write)
        else:
            plain(st, page, write)
        i += U1
        ctl[S_TIME] += U1
    ctl[S_ACCESS], ctl[S_EVENT] = i, e


@outer
def lower(st):  # type: ignore[no-untyped-def]
    """Reclaim down to the limit, or until at least C_BLOCK demands are out; the control word C_LIMIT may change between two calls.

    Parameters
    ----------
    st : Stage
        S_OUT is the number of demands made; it is advanced.
    """
    hold_limit(st)
