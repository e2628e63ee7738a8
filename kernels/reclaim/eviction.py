"""One victim of reclaim: swapped out to the backend that takes it, or kept."""

from __future__ import annotations

from kernels import codes
from kernels.compiling.constants import BYTE, LOW32, U0, U1, U8, U24
from kernels.compiling.jit import called, inner, u
from kernels.reclaim.migration import draw_lifetime, moves_on
from kernels.reclaim.placement import compressed, content, place, place_folio, pool_add
from kernels.reclaim.residence import evicted, kept
from kernels.reclaim.state import (
    C_AHEAD,
    C_FORKS,
    C_ZERO,
    CHANGED,
    DIRTY,
    HOME,
    N_CHANGED,
    N_DIRTY,
    N_FOLIO_RECLAIMS,
    N_KEPT,
    N_RECLAIMS,
    N_SWAPPED_PEAK,
    N_ZERO,
    NOWHERE,
    PRESENT,
    S_RESIDENT,
    S_SWAPPED,
    SWAPPED,
    ZEROED,
    count,
    count_pages,
    emit,
    most,
    order_of,
)


@inner
def unmap_all(st, o):  # type: ignore[no-untyped-def]
    """Clear every PTE of object `o`; return one that mapped it, to name it by (any PTE of it if none did)."""
    if st.ctl[C_FORKS] == U0:
        return o
    first = u(st.first[o])
    name, p = first, first
    while True:
        if st.flags[p] & PRESENT != U0:
            if st.flags[name] & PRESENT == U0:
                name = p
        p = u(st.kin[p << U1])
        if p == first:
            break
    while True:
        st.flags[p] = U0
        p = u(st.kin[p << U1])
        if p == first:
            return name


@inner
def swap_out(st, o):  # type: ignore[no-untyped-def]
    """Swap out folio `o`, or keep it if no backend takes it. Return the number of pages that went."""
    if order_of(st, o) != U0:
        return swap_out_folio(st, o)
    ctl, s = st.ctl, u(st.state[o])
    version, home = u(st.version[o]), s >> HOME
    if s & CHANGED != U0:
        version = (version + U1) & u(255)
    if s & CHANGED != U0 or home == codes.ZSWAP:
        home = NOWHERE
    bits = content(st, o, version)
    zero = bits & LOW32 < ctl[C_ZERO]
    d, size = place(st, bits, zero, home)
    if d == NOWHERE:
        count(st, N_KEPT)
        kept(st, o)
        return U0
    flags = (codes.DIRTY if s & DIRTY != U0 else U0) | (codes.ZERO if zero else U0)
    emit(st, codes.RECLAIM, unmap_all(st, o), d, U0, size | flags << U24)
    evicted(st, o, U1)
    if ctl[C_AHEAD] != U0:
        st.ahead[o] = U0
    st.version[o] = version
    st.state[o] = SWAPPED | (ZEROED if zero else U0) | d << HOME
    ctl[S_RESIDENT] -= U1
    ctl[S_SWAPPED] += U1
    account(st, s, d, zero, U1)
    if zero:
        return U1
    if d == codes.ZSWAP:
        pool_add(st, o, size)
    if moves_on(st):
        draw_lifetime(st, o)
    return U1


@called
def swap_out_folio(st, o):  # type: ignore[no-untyped-def]
    """Swap out large folio `o`, of which each page is then on its own, or keep it if no backend takes it whole."""
    ctl, s, order = st.ctl, u(st.state[o]), u(st.order[o])
    n = U1 << order
    d, size, zero = place_folio(st, o, n)
    if d == NOWHERE:
        count_pages(st, N_KEPT, n)
        kept(st, o)
        return U0
    flags = (codes.DIRTY if s & DIRTY != U0 else U0) | (codes.ZERO if zero else U0)
    emit(st, codes.RECLAIM | order << U8, o, d, U0, size | flags << U24)
    count(st, N_FOLIO_RECLAIMS)
    evicted(st, o, n)
    ctl[S_RESIDENT] -= n
    for i in range(n):
        p = o + u(i)
        st.order[p] = U0
        st.version[p] = u(st.version[p]) + U1 & BYTE
        st.state[p] = SWAPPED | (ZEROED if zero else U0) | d << HOME
        ctl[S_SWAPPED] += U1
        if d == codes.ZSWAP and not zero:
            pool_add(st, p, compressed(st, content(st, p, u(st.version[p]))))
        if moves_on(st) and not zero:
            draw_lifetime(st, p)
    account(st, s, d, zero, n)
    return n


@inner
def account(st, s, d, zero, n):  # type: ignore[no-untyped-def]
    """Count the swap-outs of `n` pages."""
    count_pages(st, N_RECLAIMS + d, n)
    most(st, N_SWAPPED_PEAK, st.ctl[S_SWAPPED])
    if zero:
        count_pages(st, N_ZERO, n)
    if s & DIRTY != U0:
        count_pages(st, N_DIRTY, n)
    if s & CHANGED != U0:
        count_pages(st, N_CHANGED, n)
