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
) = (u(i) for i in range(40))  # fmt: skip
(
    S_ACCESS, S_EVENT, S_TIME, S_CPU, S_OUT, S_RESIDENT, S_ACTIVE, S_SWAPPED, S_POOL_BYTES, S_POOL_FULL, S_PENDING, S_CREDIT,
    S_PICKS, S_OBJECT_FREE, S_OBJECT_HIGH,
) = (u(i) for i in range(40, 55))  # fmt: skip
# rings: head, tail, mask, in this order
RING, ACTIVE_RING, ZSWAP_RING = u(56), u(60), u(64)
HEAD, TAIL, MASK = U0, U1, u(2)
COUNTERS = (
    "accesses", "faults", "first_touches", "swap_ins", "cows", "forks", "unmaps",
    "reclaims_zswap", "reclaims_ssd", "reclaims_hdd", "reclaims_zram", "reclaims_zero", "reclaims_dirty",
    "rejected_full", "rejected_size", "kept_resident", "writebacks",
    "moves", "moves_hurried", "moves_interrupted", "moves_impossible", "lifetimes",
    "resident_peak", "swapped_peak", "pool_pages_peak", "overshoot_faults", "overshoot_peak",
)  # fmt: skip
COUNTER_BASE = 72
(
    N_ACCESSES, N_FAULTS, N_FIRST, N_SWAP_INS, N_COWS, N_FORKS, N_UNMAPS, N_RECLAIMS, _, _, _, N_ZERO, N_DIRTY,
    N_REJECTED_FULL, N_REJECTED_SIZE, N_KEPT, N_WRITEBACKS, N_MOVES, N_HURRIED, N_INTERRUPTED, N_IMPOSSIBLE, N_LIFETIMES,
    N_RESIDENT_PEAK, N_SWAPPED_PEAK, N_POOL_PEAK, N_OVER, N_OVER_PEAK,
) = (u(COUNTER_BASE + i) for i in range(len(COUNTERS)))  # fmt: skip
CTL_WORDS = COUNTER_BASE + len(COUNTERS)

LRU, ACTIVE_INACTIVE, CLOCK = (u(i) for i in range(3))
POLICIES = ("lru", "active-inactive", "clock")

# state byte of a page. Bits 6 and 7: the present or last backend of the data
RESIDENT = u(1)
YOUNG, REFERENCED, ACTIVE = u(2), u(4), u(8)  # of a resident page: PTE accessed bit, PG_referenced, on the active list
DIRTY, CHANGED = u(16), u(32)  # written since its last fault; differs from the last data of the backend
SWAPPED, ZEROED = u(2), u(4)  # of a page that is not resident; 0: it does not exist
HOME = u(6)
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
def most(st, counter, value):  # type: ignore[no-untyped-def]
    """Raise a peak."""
    if value > st.ctl[counter]:
        st.ctl[counter] = value


@inner
def emit(st, kind, page, backend, number, arg):  # type: ignore[no-untyped-def]
    """Append a demand."""
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
