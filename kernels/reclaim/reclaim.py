"""Room for a new page: rounds of reclaim, and the turn of the daemons after each round."""

from __future__ import annotations

from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called, inner
from kernels.reclaim.eviction import swap_out
from kernels.reclaim.lists import victim
from kernels.reclaim.mglru import reclaim_generations
from kernels.reclaim.migration import moves_on, run_daemon
from kernels.reclaim.placement import shrink_pool
from kernels.reclaim.state import (
    ACTIVE_INACTIVE,
    C_BATCH,
    C_BLOCK,
    C_CHARGED,
    C_LIMIT,
    C_POLICY,
    N_OVER,
    N_OVER_PEAK,
    NONE,
    S_OUT,
    S_RESIDENT,
    count,
    generations,
    most,
    pool_pages,
    weight,
)
from kernels.reclaim.two_lists import reclaim_lists

RETRIES = 16  # rounds before reclaim gives up: MAX_RECLAIM_RETRIES, mm/internal.h


@inner
def excess(st, n):  # type: ignore[no-untyped-def]
    """Pages above the memory limit (resident pages and zswap's pool) once `n` more pages are charged."""
    held = st.ctl[S_RESIDENT] + n
    if st.ctl[C_CHARGED] != U0:
        held += pool_pages(st)
    return held - st.ctl[C_LIMIT] if held > st.ctl[C_LIMIT] else U0


@called
def reclaim_batch(st, goal):  # type: ignore[no-untyped-def]
    """Swap out victims of LRU or CLOCK with `goal` pages."""
    taken = U0
    while taken < goal:
        o = victim(st)
        if o == NONE:
            return
        taken += weight(st, o)
        swap_out(st, o)


@inner
def one_round(st, goal):  # type: ignore[no-untyped-def]
    """Reclaim `goal` pages by the policy, a batch of the generations, and give the daemons their turn."""
    if st.ctl[C_POLICY] == ACTIVE_INACTIVE:
        reclaim_lists(st, goal)
    elif generations(st):
        reclaim_generations(st)
    else:
        reclaim_batch(st, goal)
    shrink_pool(st)
    if moves_on(st):
        run_daemon(st)


@called
def shrink(st, n):  # type: ignore[no-untyped-def]
    """Reclaim in batches until there is room for `n` pages, at least so many at once. False: it gave up after so many batches."""
    for _ in range(RETRIES):
        one_round(st, max(st.ctl[C_BATCH], n))
        if excess(st, n) == U0:
            return True
    return False


@inner
def has_room(st, n):  # type: ignore[no-untyped-def]
    """Charge `n` pages to the memory limit (``try_charge_memcg``). False: there is no room for them."""
    return excess(st, n) == U0 or shrink(st, n)


@inner
def make_room(st):  # type: ignore[no-untyped-def]
    """Charge a page to the memory limit before it is allocated, whether there is room or not."""
    if not has_room(st, U1):
        count(st, N_OVER)
        most(st, N_OVER_PEAK, excess(st, U1))


@called
def hold_limit(st):  # type: ignore[no-untyped-def]
    """``memory_max_write``: reclaim until no more pages are resident than the limit, which was lowered, allows.

    Gives up after so many rounds in which no page left, and once C_BLOCK demands are out: then it is called again.
    """
    ctl = st.ctl
    left = RETRIES
    while ctl[S_RESIDENT] > ctl[C_LIMIT] and ctl[S_OUT] < ctl[C_BLOCK] and left > 0:
        before = ctl[S_RESIDENT]
        one_round(st, ctl[C_BATCH])
        if ctl[S_RESIDENT] >= before:
            left -= 1
