"""Reclaim lists: exact LRU, CLOCK, active and inactive lists.

A list is a log of page numbers in a ring. An entry counts if the page's state names
this list and ``pos`` names this place. Taking a page out, or moving it to the head,
therefore touches the page and the head only. A full log is compacted.

CLOCK is FIFO with reinsertion, one bit, clear at insertion (as in libcachesim). The two lists follow mm/vmscan.c for anonymous memory
since Linux 5.9: a new page is inactive and young; at the inactive tail a young page is kept once (PG_referenced) and activated the next
time; the active tail is deactivated regardless of its accessed bit; the inactive list is low when inactive * sqrt(10 * GiB) < active.
Left out: refault distances, scan balance against file pages, priorities, mlock, generations (MGLRU).
"""

from __future__ import annotations

from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called, inner
from kernels.reclaim.state import (
    ACTIVE,
    ACTIVE_INACTIVE,
    ACTIVE_RING,
    C_BATCH,
    C_POLICY,
    C_RATIO,
    CLOCK,
    HEAD,
    HOME,
    LRU,
    MASK,
    NONE,
    REFERENCED,
    RESIDENT,
    RING,
    S_ACTIVE,
    S_RESIDENT,
    SWAPPED,
    TAIL,
    YOUNG,
    ZEROED,
    ZSWAP_RING,
)


@inner
def listed(st, o):  # type: ignore[no-untyped-def]
    """Ring of page `o`, by its state; 0 for none."""
    s = st.state[o]
    if s & RESIDENT != U0:
        return ACTIVE_RING if s & ACTIVE != U0 else RING
    return ZSWAP_RING if s >> HOME == U0 and s & (SWAPPED | ZEROED) == SWAPPED else U0


@called
def compact(st, ring, at):  # type: ignore[no-untyped-def]
    """Drop the dead entries of a ring that is full."""
    tail, head, mask = st.ctl[at + TAIL], st.ctl[at + HEAD], st.ctl[at + MASK]
    keep = tail
    while tail != head:
        o = ring[tail & mask]
        if st.pos[o] == tail & mask and listed(st, o) == at:
            ring[keep & mask] = o
            st.pos[o] = keep & mask
            keep += U1
        tail += U1
    st.ctl[at + HEAD] = keep


@inner
def push(st, ring, at, o):  # type: ignore[no-untyped-def]
    """Put page `o` at the head."""
    ctl = st.ctl
    if ctl[at + HEAD] - ctl[at + TAIL] > ctl[at + MASK]:
        compact(st, ring, at)
    head = ctl[at + HEAD]
    slot = head & ctl[at + MASK]
    ring[slot] = o
    st.pos[o] = slot
    ctl[at + HEAD] = head + U1


@inner
def pop(st, ring, at):  # type: ignore[no-untyped-def]
    """Take the page at the tail; NONE if the list is empty."""
    tail, head, mask = st.ctl[at + TAIL], st.ctl[at + HEAD], st.ctl[at + MASK]
    while tail != head:
        slot = tail & mask
        o = ring[slot]
        tail += U1
        if st.pos[o] == slot and listed(st, o) == at:
            st.ctl[at + TAIL] = tail
            return o
    st.ctl[at + TAIL] = tail
    return NONE


@inner
def touched(st, o, s):  # type: ignore[no-untyped-def]
    """Note an access to resident page `o` with state `s`; return its state."""
    if st.ctl[C_POLICY] != LRU:
        return s | YOUNG
    if st.pos[o] != (st.ctl[RING + HEAD] - U1) & st.ctl[RING + MASK]:
        push(st, st.ring, RING, o)
    return s


@inner
def entered(st, o, s):  # type: ignore[no-untyped-def]
    """Enter page `o`, which becomes resident, with the flags `s`."""
    s = s | RESIDENT | (YOUNG if st.ctl[C_POLICY] == ACTIVE_INACTIVE else U0)
    st.state[o] = s
    st.ctl[S_RESIDENT] += U1
    push(st, st.ring, RING, o)


@called
def kept(st, o):  # type: ignore[no-untyped-def]
    """Activate page `o` again: a victim that no backend takes."""
    if st.ctl[C_POLICY] == ACTIVE_INACTIVE:
        st.state[o] |= ACTIVE
        st.ctl[S_ACTIVE] += U1
        push(st, st.active, ACTIVE_RING, o)
    else:
        push(st, st.ring, RING, o)


@called
def deactivate(st):  # type: ignore[no-untyped-def]
    """Move a batch from the tail of the active list to the head of the inactive one."""
    for _ in range(st.ctl[C_BATCH]):
        o = pop(st, st.active, ACTIVE_RING)
        if o == NONE:
            return
        st.state[o] &= ~(ACTIVE | YOUNG)
        st.ctl[S_ACTIVE] -= U1
        push(st, st.ring, RING, o)


@called
def balance(st):  # type: ignore[no-untyped-def]
    """Deactivate before a batch if the inactive list is low."""
    active = st.ctl[S_ACTIVE]
    if (st.ctl[S_RESIDENT] - active) * st.ctl[C_RATIO] < active:
        deactivate(st)


@inner
def victim(st):  # type: ignore[no-untyped-def]
    """Take the next victim off its list; NONE if there is none."""
    while True:
        o = pop(st, st.ring, RING)
        if o == NONE:
            if st.ctl[S_ACTIVE] == U0:
                return NONE
            deactivate(st)
            continue
        s = st.state[o]
        if s & YOUNG == U0:
            return o
        if st.ctl[C_POLICY] == CLOCK:
            st.state[o] = s & ~YOUNG
            push(st, st.ring, RING, o)
        elif s & REFERENCED != U0:
            st.state[o] = (s | ACTIVE) & ~YOUNG
            st.ctl[S_ACTIVE] += U1
            push(st, st.active, ACTIVE_RING, o)
        else:
            st.state[o] = (s | REFERENCED) & ~YOUNG
            push(st, st.ring, RING, o)
