"""Memory, the same for every design: PTEs, folios, the reverse map of resident folios, phases in flight.

A folio has an identity of its own: several PTEs may map it or hold its swap entry. All state is flat arrays.

PTE (``uint64`` a page): 0 none; bit 0 set: present, folio number above; else a swap value of the design, shifted left by 1.

Folio (8 words, a 64-byte line like the first line of ``struct folio``):

==== =================================================================
word content
==== =================================================================
0    flags (LOCKED, DIRTY, WRITEBACK, CACHED) and mapcount in bits 32..63
1    the swap entry under which it is in the swap cache
2    one PTE that maps or mapped it (root of the reverse map walk)
3    content token
4    the value that PTEs hold for it, where the folio carries it
5    free list link
==== =================================================================

The reverse map of a *resident* folio is the ring of kin: the PTEs that descend from one page by fork. Some of them may map other
folios by now. As an anon_vma walk does, a walk of the ring visits candidates and looks at each PTE. A swapped-out page has no reverse
map.
"""

from __future__ import annotations

from kernels.compiling.constants import LOW32, U0, U1, U2, U3, U32
from kernels.compiling.jit import called, inner, u
from kernels.control import (
    C_FOLIOS,
    C_FORKS,
    C_TOKENS,
    S_FOLIO_FREE,
    S_FOLIO_HIGH,
    S_FOLIO_LIVE,
    S_FOLIO_PEAK,
    S_LOST,
    S_NEXT_TOKEN,
    S_OVERFLOW,
    S_PHASES,
)
from kernels.observing.probe import PTES, R_PTE, bump, touch, wrote

# folio words and flags
FOLIO_WORDS = u(8)
F_STATE, F_ENTRY, F_PAGE, F_TOKEN, F_VALUE, F_LINK = (u(i) for i in range(6))
LOCKED, DIRTY, WRITEBACK, CACHED, BYPASS = (u(1 << i) for i in range(5))

# phases in flight: an open-addressing table of 8-word records keyed by (class, page)
TXNS, TXN_WORDS = u(4096), u(8)
T_KEY, T_FOLIO, T_VALUE, T_ENTRY, T_TARGET, T_STEP, T_FLAGS, T_AUX = (u(i) for i in range(8))
TX_FAULT, TX_RECLAIM, TX_MOVE = U1, U2, U3
NO_TXN = u(0xFFFF_FFFF_FFFF_FFFF)


@inner
def f_word(f, word):  # type: ignore[no-untyped-def]
    """Index of `word` of folio `f`."""
    return f * FOLIO_WORDS + word


@inner
def f_is(st, f, flag):  # type: ignore[no-untyped-def]
    """True if folio `f` has `flag`."""
    return st.folio[f * FOLIO_WORDS] & flag != U0


@inner
def f_set(st, f, flag):  # type: ignore[no-untyped-def]
    """Set `flag` of folio `f`."""
    st.folio[f * FOLIO_WORDS] |= flag


@inner
def f_clear(st, f, flag):  # type: ignore[no-untyped-def]
    """Clear `flag` of folio `f`."""
    st.folio[f * FOLIO_WORDS] &= ~flag


@inner
def mapcount(st, f):  # type: ignore[no-untyped-def]
    """Number of PTEs that map folio `f`."""
    return st.folio[f * FOLIO_WORDS] >> U32


@inner
def folio_new(st, page):  # type: ignore[no-untyped-def]
    """Allocate a folio for `page`; 0 if the table is full (memory is overcommitted beyond the reserve)."""
    ctl = st.ctl
    f = ctl[S_FOLIO_FREE]
    if f != U0:
        ctl[S_FOLIO_FREE] = st.folio[f_word(f, F_LINK)]
    else:
        f = ctl[S_FOLIO_HIGH]
        if f >= ctl[C_FOLIOS]:
            ctl[S_OVERFLOW] += U1
            return U0
        ctl[S_FOLIO_HIGH] = f + U1
    ctl[S_FOLIO_LIVE] += U1
    ctl[S_FOLIO_PEAK] = max(ctl[S_FOLIO_PEAK], ctl[S_FOLIO_LIVE])
    st.folio[f_word(f, F_STATE)] = U0
    st.folio[f_word(f, F_ENTRY)] = U0
    st.folio[f_word(f, F_PAGE)] = page
    st.folio[f_word(f, F_VALUE)] = U0
    return f


@inner
def folio_free(st, f):  # type: ignore[no-untyped-def]
    """Free folio `f`."""
    st.folio[f_word(f, F_STATE)] = U0
    st.folio[f_word(f, F_LINK)] = st.ctl[S_FOLIO_FREE]
    st.ctl[S_FOLIO_FREE] = f
    st.ctl[S_FOLIO_LIVE] -= U1


@inner
def new_token(st, f):  # type: ignore[no-untyped-def]
    """Give folio `f` new content."""
    st.ctl[S_NEXT_TOKEN] += U1
    st.folio[f_word(f, F_TOKEN)] = st.ctl[S_NEXT_TOKEN] & LOW32


@inner
def expect(st, page, f):  # type: ignore[no-untyped-def]
    """Set the content that `page` must read from now on to that of folio `f` (integrity)."""
    if st.ctl[C_TOKENS] != U0:
        st.truth[page] = st.folio[f_word(f, F_TOKEN)]


@inner
def beside(st, page):  # type: ignore[no-untyped-def]
    """The next page of the ring of kin, uncounted; `page` itself where it is alone."""
    return u(st.ring[page * U2]) - U1 if st.ring[page * U2] != U0 else page


@called
def note_write_before_fork(st, page, f):  # type: ignore[no-untyped-def]
    """Give folio `f`, written and then shared, new content for all its sharers, if they are kin of `page`. Nothing is counted."""
    present, sharers, p = f << U1 | U1, U0, page
    while True:
        sharers += U1 if st.pte[p] == present else U0
        p = beside(st, p)
        if p == page:
            break
    if sharers != mapcount(st, f):
        return
    new_token(st, f)
    f_set(st, f, DIRTY)
    for _ in range(sharers):
        while st.pte[p] != present:
            p = beside(st, p)
        expect(st, p, f)
        p = beside(st, p)


@inner
def verify(st, page, f):  # type: ignore[no-untyped-def]
    """Check that `page` reads its own content in folio `f`; a lost or exchanged one is counted in S_LOST (integrity)."""
    if st.ctl[C_TOKENS] != U0 and u(st.truth[page]) != st.folio[f_word(f, F_TOKEN)]:
        st.ctl[S_LOST] += U1


@inner
def map_page(st, pr, page, f):  # type: ignore[no-untyped-def]
    """Make the PTE of `page` present."""
    st.pte[page] = f << U1 | U1
    st.folio[f * FOLIO_WORDS] += U1 << U32
    wrote(pr, R_PTE, page)
    verify(st, page, f)


@inner
def unmap_page(st, pr, page, f, pte):  # type: ignore[no-untyped-def]
    """Replace the present PTE of `page` by `pte`."""
    st.pte[page] = pte
    st.folio[f * FOLIO_WORDS] -= U1 << U32
    wrote(pr, R_PTE, page)


@inner
def read_pte(st, pr, page):  # type: ignore[no-untyped-def]
    """The PTE of `page`."""
    touch(pr, R_PTE, page)
    return st.pte[page]


@inner
def next_kin(st, pr, page):  # type: ignore[no-untyped-def]
    """The next PTE of the ring of kin; `page` itself where nothing was forked."""
    if st.ctl[C_FORKS] == U0:
        return page
    bump(pr, PTES, U1)
    return beside(st, page)


@called
def link_kin(st, parent, child):  # type: ignore[no-untyped-def]
    """Insert `child` into the ring of `parent` (ring words: next + 1, previous + 1; 0 alone)."""
    unlink_kin(st, child)
    ring = st.ring
    after = u(ring[parent * U2])
    if after == U0:
        after = parent + U1
    ring[parent * U2] = child + U1
    ring[child * U2] = after
    ring[child * U2 + U1] = parent + U1
    ring[(after - U1) * U2 + U1] = child + U1


@called
def unlink_kin(st, page):  # type: ignore[no-untyped-def]
    """Take `page` out of its ring."""
    ring = st.ring
    after, before = u(ring[page * U2]), u(ring[page * U2 + U1])
    if after == U0:
        return
    ring[(before - U1) * U2] = after
    ring[(after - U1) * U2 + U1] = before
    ring[page * U2] = 0
    ring[page * U2 + U1] = 0
    if after == before:
        ring[(after - U1) * U2] = 0
        ring[(after - U1) * U2 + U1] = 0


@inner
def _txn_hash(key):  # type: ignore[no-untyped-def]
    return (key * u(0x9E3779B97F4A7C15)) >> u(52)


@inner
def txn_find(st, cls, page):  # type: ignore[no-untyped-def]
    """Record of the phase of class `cls` in flight on `page`; NO_TXN if there is none."""
    if st.ctl[S_PHASES] == U0:
        return NO_TXN
    key = (cls << U32 | page) + U1
    i = _txn_hash(key)
    while st.txn[i * TXN_WORDS] != U0:
        if st.txn[i * TXN_WORDS] == key:
            return i * TXN_WORDS
        i = (i + U1) & (TXNS - U1)
    return NO_TXN


@inner
def txn_room(st):  # type: ignore[no-untyped-def]
    """True if another phase may be opened."""
    return st.ctl[S_PHASES] < TXNS >> U1


@inner
def txn_new(st, cls, page, f, value, entry):  # type: ignore[no-untyped-def]
    """Open a phase and return its record. The caller has checked :func:`txn_room`."""
    key = (cls << U32 | page) + U1
    i = _txn_hash(key)
    while st.txn[i * TXN_WORDS] != U0:
        i = (i + U1) & (TXNS - U1)
    t = i * TXN_WORDS
    st.txn[t + T_KEY] = key
    st.txn[t + T_FOLIO] = f
    st.txn[t + T_VALUE] = value
    st.txn[t + T_ENTRY] = entry
    st.txn[t + T_TARGET] = U0
    st.txn[t + T_STEP] = U0
    st.txn[t + T_FLAGS] = U0
    st.txn[t + T_AUX] = U0
    st.ctl[S_PHASES] += U1
    return t


@called
def txn_end(st, t):  # type: ignore[no-untyped-def]
    """Close the phase in record `t`. Later records of its probe run move back, so that no tombstones are needed."""
    txn = st.txn
    hole = t // TXN_WORDS
    i = hole
    while True:
        i = (i + U1) & (TXNS - U1)
        key = txn[i * TXN_WORDS]
        if key == U0:
            break
        home = _txn_hash(key)
        if ((i - home) & (TXNS - U1)) >= ((i - hole) & (TXNS - U1)):
            for w in range(8):
                txn[hole * TXN_WORDS + u(w)] = txn[i * TXN_WORDS + u(w)]
            hole = i
    txn[hole * TXN_WORDS] = U0
    st.ctl[S_PHASES] -= U1
