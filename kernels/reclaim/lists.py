"""Rings of pages, and the lists of exact LRU and CLOCK.

A list is a log of page numbers in a ring. An entry counts if the page's state names
this list and ``pos`` names this place. Taking a page out, or moving it to the head,
therefore touches the page and the head only. A full log is compacted.

CLOCK is FIFO with reinsertion, one bit, clear at insertion (as in libcachesim).
"""

from __future__ import annotations

from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called, inner
from kernels.reclaim.state import (
    ACTIVE,
    ACTIVE_RING,
    C_POLICY,
    HEAD,
    HOME,
    LRU,
    MASK,
    NONE,
    RESIDENT,
    RING,
    S_ACTIVE,
    S_AGE,
    SWAPPED,
    TAIL,
    YOUNG,
    ZEROED,
    ZSWAP_RING,
    weight,
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


@called
def deactivate(st, n):  # type: ignore[no-untyped-def]
    """Move `n` pages, or as many more as the last folio has, from the active tail to the inactive head (``shrink_active_list``)."""
    done = U0
    while done < n:
        o = pop(st, st.active, ACTIVE_RING)
        if o == NONE:
            return
        done += weight(st, o)
        st.state[o] &= ~(ACTIVE | YOUNG)
        st.ctl[S_ACTIVE] -= weight(st, o)
        push(st, st.ring, RING, o)


@inner
def activate(st, o):  # type: ignore[no-untyped-def]
    """Put page `o`, which is on no list, at the head of the active list."""
    st.state[o] |= ACTIVE
    st.ctl[S_ACTIVE] += weight(st, o)
    st.ctl[S_AGE] += weight(st, o)
    push(st, st.active, ACTIVE_RING, o)


@inner
def victim(st):  # type: ignore[no-untyped-def]
    """Take the next victim of LRU or CLOCK off its list; NONE if there is none."""
    while True:
        o = pop(st, st.ring, RING)
        if o == NONE:
            return NONE
        s = st.state[o]
        if s & YOUNG == U0:
            return o
        st.state[o] = s & ~YOUNG
        push(st, st.ring, RING, o)
