"""State of the stage: arrays a page, rings, control words, counters."""

from __future__ import annotations

from kernels.compiling.constants import U0, U1, U16, U24, U32
from kernels.compiling.flat import Flat, U8Array, U32Array, U64Array
from kernels.compiling.jit import inner, u

# control array: parameters, then running state, then counters
(
    C_POLICY, C_LIMIT, C_BATCH, C_SHIFT, C_CPUS, C_FORKS, C_BLOCK, C_RATIO,
    C_CHARGED, C_POOL_LIMIT, C_POOL_ACCEPT, C_WRITEBACK, C_DISK, C_SPARE, C_KEY, C_LIFE_KEY,
    C_ZERO, C_INCOMPRESSIBLE, C_SIZE_LOW, C_SIZE_WIDTH, C_REJECT_ABOVE, C_SHARES, _, _,
    _, C_DEST, _, _, _, C_MOVES, C_MOVE_PART, C_WINDOW,
    C_MOVE_BATCH, C_MOVE_SPEED, C_NEXT, _, _, _, C_PENDING_MOST, C_PAGES,
    C_FLUSH, C_TABLE,
) = (u(i) for i in range(42))  # fmt: skip
(
    S_ACCESS, S_EVENT, S_TIME, S_CPU, S_OUT, S_RESIDENT, S_ACTIVE, S_SWAPPED, S_POOL_BYTES, S_POOL_FULL, S_PENDING, S_CREDIT,
    S_PICKS, S_OBJECT_FREE, S_OBJECT_HIGH, S_AGE, S_ACTIVATIONS, S_SNAPSHOT, S_SKIPPED, S_FLUSHED,
    V_INACTIVE, V_ACTIVE, V_ACTIVATIONS, S_MAX_SEQ, S_MIN_SEQ,
) = (u(i) for i in range(42, 67))  # fmt: skip
# of each tier of the generations: of the oldest generation, and averages over those before it
T_REFAULTED, T_EVICTED, T_PROTECTED, T_AVG_REFAULTED, T_AVG_TOTAL = (u(i) for i in range(68, 88, 4))
# rings: head, tail, mask, in this order
RING, ACTIVE_RING, ZSWAP_RING = u(88), u(92), u(96)
HEAD, TAIL, MASK = U0, U1, u(2)
# folios: largest order, 0 where all are single pages; key of the draws; pages of a space that are in use; share of the blocks by order
C_FOLIO, C_FOLIO_KEY, C_FOLIO_SPACE, C_FOLIO_SHARES = u(100), u(101), u(102), u(104)
C_AHEAD = u(103)  # most pages that a fault reads, 0 without readahead
COUNTERS = (
    "accesses", "faults", "first_touches", "swap_ins", "cows", "forks", "unmaps",
    "reclaims_zswap", "reclaims_ssd", "reclaims_hdd", "reclaims_zram", "reclaims_zero", "reclaims_dirty",
    "rejected_full", "rejected_size", "kept_resident", "writebacks",
    "moves", "moves_hurried", "moves_interrupted", "moves_impossible", "lifetimes",
    "resident_peak", "swapped_peak", "pool_pages_peak", "overshoot_faults", "overshoot_peak",
    "reclaims_changed", "refaults_activated", "agings",
    "folios", "folio_reclaims", "folio_splits",
    "swap_ra", "swap_ra_hit",
)  # fmt: skip
OF_FOLIOS, OF_READAHEAD = COUNTERS[-5:-2], COUNTERS[-2:]
COUNTER_BASE = 114
(
    N_ACCESSES, N_FAULTS, N_FIRST, N_SWAP_INS, N_COWS, N_FORKS, N_UNMAPS, N_RECLAIMS, _, _, _, N_ZERO, N_DIRTY,
    N_REJECTED_FULL, N_REJECTED_SIZE, N_KEPT, N_WRITEBACKS, N_MOVES, N_HURRIED, N_INTERRUPTED, N_IMPOSSIBLE, N_LIFETIMES,
    N_RESIDENT_PEAK, N_SWAPPED_PEAK, N_POOL_PEAK, N_OVER, N_OVER_PEAK, N_CHANGED, N_ACTIVATED, N_AGINGS,
    N_FOLIOS, N_FOLIO_RECLAIMS, N_FOLIO_SPLITS,
    N_AHEAD, N_AHEAD_HIT,
) = (u(COUNTER_BASE + i) for i in range(len(COUNTERS)))  # fmt: skip
CTL_WORDS = COUNTER_BASE + len(COUNTERS)

LRU, ACTIVE_INACTIVE, CLOCK, MGLRU, MGLRU_6_18 = (u(i) for i in range(5))
POLICIES = ("lru", "active-inactive", "clock", "mglru", "mglru-6.18")

# state byte of a page. Bits 6 and 7: the present or last backend of the data
RESIDENT = u(1)
YOUNG, REFERENCED, ACTIVE = u(2), u(4), u(8)  # of a resident page: PTE accessed bit, PG_referenced, on the active list
DIRTY, CHANGED = u(16), u(32)  # written since its last fault; differs from the last data of the backend
SWAPPED, ZEROED = u(2), u(4)  # of a page that is not resident; 0: it does not exist
HOME = u(6)
# mark of a page, kept by the generations alone: generation modulo 4, on a list of them, number of references,
# PG_workingset, in the swap cache
GENERATION, LISTED, REFERENCES, ONE_REFERENCE, WORKINGSET, CACHED = u(3), u(4), u(24), u(8), u(32), u(64)
# bits of a PTE, kept apart only where pages are shared
PRESENT, PROTECTED = u(1), u(2)
NONE = u(0xFFFF_FFFF)
NOWHERE = u(255)  # no backend
MASK_PAGE = u(0x7FFF_FFFF)
PAGE_BYTES, PAGE_SHIFT = u(4096), u(12)


class Stage(Flat):
    """Arrays of the stage.

    Attributes
    ----------
    ctl : uint64[CTL_WORDS]
    state, version : uint8[pages]
        State byte; number of the content, modulo 256.
    pos : uint32[pages]
        Place in the ring that the page is in.
    ring, active, zswap : uint32[2**k]
        Logs of pages: LRU order, CLOCK order or inactive list; active list; order of stores to zswap.
    out : uint64[2 * records]
        Demands, two words each.
    left : uint8[pages], pending : uint32[most]
        Moves left in the swapped lifetime (bit 7: one of them waits for the fault); pages that wait for a move. One element without moves.
    shadow : uint32[pages]
        Shadow of a page that was swapped out: non-resident age, or generation and tier. One element under LRU and CLOCK.
    held : uint32[max(batch, 64)]
        Pages that are isolated from their list.
    mark : uint8[pages], links : uint32[2 * (pages + 4)], tables : uint8[2 * (pages >> C_TABLE)]
        Only with generations: marks; next and previous page of a list, whose four heads come last; page tables that are worth a
        walk, for even and odd generations. One element otherwise.
    order : uint8[pages]
        Only with large folios: order of the resident folio of a page. The head carries its state and is on the lists, the other pages
        are RESIDENT alone and at no place in a ring.
    ahead : uint8[pages], near : uint32[4 * spaces]
        Only with readahead: 1 for a resident page that was read ahead and that no PTE maps yet; page of the fault before, window before,
        hits since, and an unused word of each space.
    object, refs, first : uint32[pages], flags : uint8[pages], kin : uint32[2 * pages]
        Only with forks: object of a PTE, plus 1; PTEs of an object, and one of them; bits of a PTE; next and previous PTE of the object.
    """

    ctl: U64Array
    state: U8Array
    version: U8Array
    pos: U32Array
    ring: U32Array
    active: U32Array
    zswap: U32Array
    out: U64Array
    left: U8Array
    pending: U32Array
    shadow: U32Array
    held: U32Array
    mark: U8Array
    links: U32Array
    tables: U8Array
    order: U8Array
    ahead: U8Array
    near: U32Array
    object: U32Array
    refs: U32Array
    first: U32Array
    flags: U8Array
    kin: U32Array


@inner
def count(st, counter):  # type: ignore[no-untyped-def]
    """Add 1 to a counter."""
    st.ctl[counter] += U1


@inner
def count_pages(st, counter, n):  # type: ignore[no-untyped-def]
    """Add `n` to a counter."""
    st.ctl[counter] += n


@inner
def most(st, counter, value):  # type: ignore[no-untyped-def]
    """Raise a peak."""
    if value > st.ctl[counter]:
        st.ctl[counter] = value


@inner
def emit(st, kind, page, backend, number, arg):  # type: ignore[no-untyped-def]
    """Append a demand; `kind` may have an order in its second byte."""
    n = st.ctl[S_OUT]
    st.out[n << U1] = kind | backend << U16 | st.ctl[S_CPU] << U24 | page << U32
    st.out[(n << U1) + U1] = number | arg << U32
    st.ctl[S_OUT] = n + U1


@inner
def pool_pages(st):  # type: ignore[no-untyped-def]
    """Pages of zswap's pool: objects with their share of a zspage, which are all full."""
    return st.ctl[S_POOL_BYTES] + PAGE_BYTES - U1 >> PAGE_SHIFT


@inner
def name_of(st, o):  # type: ignore[no-untyped-def]
    """Name object `o` by a PTE that maps it or holds its swap entry. Without forks a page is its own object."""
    return u(st.first[o]) if st.ctl[C_FORKS] != U0 else o


@inner
def order_of(st, o):  # type: ignore[no-untyped-def]
    """Order of the resident folio of page `o`."""
    return u(st.order[o]) if st.ctl[C_FOLIO] != U0 else U0


@inner
def weight(st, o):  # type: ignore[no-untyped-def]
    """Pages of the resident folio of page `o`."""
    return U1 << order_of(st, o)


@inner
def generations(st):  # type: ignore[no-untyped-def]
    """Return True if the policy is one of multi-generational LRU."""
    return st.ctl[C_POLICY] >= MGLRU


@inner
def page_at(st, page):  # type: ignore[no-untyped-def]
    """Object that the PTE of `page` maps; NONE if it maps none."""
    if st.ctl[C_FORKS] == U0:
        return page if st.state[page] & RESIDENT != U0 else NONE
    return u(st.object[page]) - U1 if st.flags[page] & PRESENT != U0 else NONE
