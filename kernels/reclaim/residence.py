"""Ways of pages to the lists of a policy and off them outside of reclaim: faults, pages that no backend takes, unmapped pages."""

from __future__ import annotations

from kernels.compiling.constants import LOW32, U0, U1
from kernels.compiling.jit import called, inner, u
from kernels.reclaim.generations import enter_generation, note_eviction, put_active, unlink
from kernels.reclaim.lists import activate, push
from kernels.reclaim.state import (
    ACTIVE,
    ACTIVE_INACTIVE,
    C_POLICY,
    CLOCK,
    LISTED,
    LRU,
    N_ACTIVATED,
    RESIDENT,
    RING,
    S_ACTIVATIONS,
    S_ACTIVE,
    S_AGE,
    S_RESIDENT,
    SWAPPED,
    V_ACTIVE,
    YOUNG,
    count,
    generations,
)
from kernels.reclaim.views import look


@inner
def refaults_soon(st, o):  # type: ignore[no-untyped-def]
    """``workingset_test_recent``: since page `o` left, no more pages left or were activated than the active list holds."""
    look(st)
    return (st.ctl[S_AGE] - (u(st.shadow[o])) & LOW32) <= st.ctl[V_ACTIVE]


@inner
def entered(st, o, s):  # type: ignore[no-untyped-def]
    """Enter page `o`, which becomes resident, with the flags `s`. Its state is still that before."""
    before, policy = u(st.state[o]), st.ctl[C_POLICY]
    st.state[o] = s | RESIDENT | (YOUNG if policy != LRU and policy != CLOCK else U0)
    st.ctl[S_RESIDENT] += U1
    if generations(st):
        enter_generation(st, o, s, before)
    elif policy == ACTIVE_INACTIVE and before & SWAPPED != U0 and refaults_soon(st, o):
        count(st, N_ACTIVATED)
        st.ctl[S_ACTIVATIONS] += U1
        activate(st, o)
    else:
        push(st, st.ring, RING, o)


@called
def kept(st, o):  # type: ignore[no-untyped-def]
    """Activate page `o` again: a victim that no backend takes."""
    if st.ctl[C_POLICY] == ACTIVE_INACTIVE:
        activate(st, o)
    elif generations(st):
        put_active(st, o, u(st.mark[o]))
    else:
        push(st, st.ring, RING, o)


@inner
def evicted(st, o, n):  # type: ignore[no-untyped-def]
    """``workingset_eviction``: leave a shadow of each of the `n` pages from `o` on, a folio on no list."""
    if generations(st):
        note_eviction(st, o)
    elif st.ctl[C_POLICY] == ACTIVE_INACTIVE:
        for i in range(n):
            st.shadow[o + u(i)] = st.ctl[S_AGE] & LOW32
        st.ctl[S_AGE] += n


@inner
def removed(st, o, s, n):  # type: ignore[no-untyped-def]
    """Take folio `o` of `n` pages, which is freed in state `s`, off its list."""
    st.ctl[S_RESIDENT] -= n
    if generations(st):
        if st.mark[o] & LISTED != U0:
            unlink(st, o)
        st.mark[o] = U0
    elif s & ACTIVE != U0:
        st.ctl[S_ACTIVE] -= n
