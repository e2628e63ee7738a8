"""Moves between backends while a page is swapped out.

At each swap-out the number of moves of this swapped lifetime is drawn (``rate``: its
whole part for certain, one more with the probability of the rest). The page waits in a
pool. A daemon picks from the pool at random, so that delays are exponential. Time is
counted in swap-outs: by Little's law a mean lifetime lasts as many of them as there are
swapped pages. The mean delay is that lifetime over 4 * (rate + 1), so that most moves
come before the fault. The remaining moves are made just before the fault
(``moves_hurried``). The rate is therefore exact for every lifetime that ends in a
fault. The fault of the page interrupts a share of the moves: MOVE_BEGIN, FAULT,
MOVE_END, and FAULT again, which had waited for the locked folio where there was one.

Zero pages hold no data and do not move. Without tiers only zswap pages move, to the
disk, at most once. With tiers each page goes to the next one, the last to the first. A
move without a target is counted (``moves_impossible``) and not made.
"""

from __future__ import annotations

from kernels import codes
from kernels.compiling.constants import LOW32, U0, U1, U7, U16, U32
from kernels.compiling.jit import called, inner, u
from kernels.reclaim.placement import accepts, compressed, content, pool_add, stored_bytes
from kernels.reclaim.state import (
    C_DEST,
    C_LIFE_KEY,
    C_MOVE_BATCH,
    C_MOVE_PART,
    C_MOVE_SPEED,
    C_MOVES,
    C_NEXT,
    C_PENDING_MOST,
    C_WINDOW,
    HOME,
    N_HURRIED,
    N_IMPOSSIBLE,
    N_INTERRUPTED,
    N_LIFETIMES,
    N_MOVES,
    NOWHERE,
    RESIDENT,
    S_CREDIT,
    S_PENDING,
    S_PICKS,
    S_POOL_BYTES,
    S_SWAPPED,
    S_TIME,
    SWAPPED,
    count,
    emit,
    name_of,
)
from kernels.traces.generate import GOLDEN, mix

LEFT, WINDOW = u(0x7F), u(0x80)
DATA = u(0x3F)  # bits of the state byte below the backend


@inner
def moves_on(st):  # type: ignore[no-untyped-def]
    """True if any page moves."""
    return st.ctl[C_PENDING_MOST] != U0


@inner
def backend_of(st, o):  # type: ignore[no-untyped-def]
    """Backend of a swapped page."""
    return u(st.state[o]) >> HOME


@called
def draw_lifetime(st, o):  # type: ignore[no-untyped-def]
    """Draw the moves of the swapped lifetime of page `o`, and whether the fault interrupts one."""
    ctl = st.ctl
    ctl[S_CREDIT] += (ctl[S_PENDING] * ctl[C_MOVE_SPEED]) // ctl[S_SWAPPED]
    if ctl[C_NEXT + backend_of(st, o)] == NOWHERE:
        return
    bits = mix(ctl[C_LIFE_KEY] + o + ctl[S_TIME] * GOLDEN)
    k = ctl[C_MOVES] + (U1 if bits & LOW32 < ctl[C_MOVE_PART] else U0)
    window = U1 if bits >> U32 < k * ctl[C_WINDOW] else U0
    st.left[o] = k | window << U7
    if k > window:
        wait(st, o)


@inner
def wait(st, o):  # type: ignore[no-untyped-def]
    """Put page `o` into the pool of pages that wait for a move (a full pool leaves it to its fault)."""
    n = st.ctl[S_PENDING]
    if n < st.ctl[C_PENDING_MOST]:
        st.pending[n] = o
        st.ctl[S_PENDING] = n + U1


@inner
def target_of(st, o):  # type: ignore[no-untyped-def]
    """Target of the next move of page `o`; NOWHERE if there is none."""
    to = st.ctl[C_NEXT + backend_of(st, o)]
    if to != NOWHERE:
        to = st.ctl[C_DEST + to]
    if to == codes.ZSWAP and not accepts(st, compressed(st, content(st, o, u(st.version[o]))), U1):
        return NOWHERE
    return to if to != backend_of(st, o) else NOWHERE


@called
def move(st, o):  # type: ignore[no-untyped-def]
    """Move page `o` once. False: there is no target, and none in this lifetime."""
    source, to = backend_of(st, o), target_of(st, o)
    if to == NOWHERE:
        count(st, N_IMPOSSIBLE)
        st.left[o] = U0
        return False
    emit(st, codes.MOVE, name_of(st, o), source, U0, to)
    count(st, N_MOVES)
    st.left[o] = u(st.left[o]) - U1
    if source == codes.ZSWAP:
        st.ctl[S_POOL_BYTES] -= stored_bytes(st, o)
    st.state[o] = u(st.state[o]) & DATA | to << HOME
    if to == codes.ZSWAP:
        pool_add(st, o, compressed(st, content(st, o, u(st.version[o]))))
    return True


@inner
def due(st, o):  # type: ignore[no-untyped-def]
    """Moves of page `o` that do not wait for its fault."""
    left = u(st.left[o])
    return (left & LEFT) - (left >> U7)


@called
def run_daemon(st):  # type: ignore[no-untyped-def]
    """Make the moves that are due (the migration daemon), once they fill a batch."""
    ctl = st.ctl
    n = min(ctl[S_CREDIT] >> U16, ctl[S_PENDING])
    if n == U0 or n < min(ctl[C_MOVE_BATCH], ctl[S_PENDING]):
        return
    n = min(n, ctl[C_MOVE_BATCH])
    ctl[S_CREDIT] -= n << U16
    for _ in range(n):
        i = (mix(ctl[C_LIFE_KEY] ^ ctl[S_PICKS]) >> U32) * ctl[S_PENDING] >> U32
        ctl[S_PICKS] += U1
        o = u(st.pending[i])
        ctl[S_PENDING] -= U1
        st.pending[i] = st.pending[ctl[S_PENDING]]
        swapped = st.state[o] & (RESIDENT | SWAPPED) == SWAPPED
        if swapped and due(st, o) != U0 and move(st, o) and due(st, o) != U0:
            wait(st, o)


@called
def before_fault(st, o, page):  # type: ignore[no-untyped-def]
    """Make the remaining moves of `o`, whose swapped lifetime the fault on `page` ends.

    Returns (source, target) of the move that the fault interrupts, NOWHERE if none.
    """
    count(st, N_LIFETIMES)
    while due(st, o) != U0:
        count(st, N_HURRIED)
        if not move(st, o):
            break
    source, to = backend_of(st, o), NOWHERE
    if u(st.left[o]) & WINDOW != U0:
        to = target_of(st, o)
        if to == NOWHERE:
            count(st, N_IMPOSSIBLE)
        else:
            count(st, N_MOVES)
            count(st, N_INTERRUPTED)
            emit(st, codes.MOVE_BEGIN, page, source, U0, to)
    st.left[o] = U0
    return source, to
