"""One victim of reclaim: swapped out to the backend that takes it, or kept."""

from __future__ import annotations

from kernels import codes
from kernels.compiling.constants import LOW32, U0, U1, U24
from kernels.compiling.jit import inner, u
from kernels.reclaim.migration import draw_lifetime, moves_on
from kernels.reclaim.placement import content, place, pool_add
from kernels.reclaim.residence import evicted, kept
from kernels.reclaim.state import (
    C_FORKS,
    C_ZERO,
    CHANGED,
    DIRTY,
    HOME,
    N_CHANGED,
    N_DIRTY,
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
    emit,
    most,
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
    """Swap out page `o`, or keep it if no backend takes it. True if it went."""
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
        return False
    flags = (codes.DIRTY if s & DIRTY != U0 else U0) | (codes.ZERO if zero else U0)
    emit(st, codes.RECLAIM, unmap_all(st, o), d, U0, size | flags << U24)
    evicted(st, o)
    st.version[o] = version
    st.state[o] = SWAPPED | (ZEROED if zero else U0) | d << HOME
    ctl[S_RESIDENT] -= U1
    ctl[S_SWAPPED] += U1
    account(st, s, d, zero)
    if zero:
        return True
    if d == codes.ZSWAP:
        pool_add(st, o, size)
    if moves_on(st):
        draw_lifetime(st, o)
    return True


@inner
def account(st, s, d, zero):  # type: ignore[no-untyped-def]
    """Count a swap-out."""
    count(st, N_RECLAIMS + d)
    most(st, N_SWAPPED_PEAK, st.ctl[S_SWAPPED])
    if zero:
        count(st, N_ZERO)
    if s & DIRTY != U0:
        count(st, N_DIRTY)
    if s & CHANGED != U0:
        count(st, N_CHANGED)
