"""swap_map: a byte a slot, with the count up to 62, the has-cache flag, and continuation pages past 62.

mm/swapfile.c up to 6.18: 0..0x3e count, 0x40 SWAP_HAS_CACHE, 0x80 COUNT_CONTINUED. Past
62 the count is a number of mixed radix, as the comment of ``swap_count_continued`` has
it ("how you add 1 to 999"). The map byte is the lowest digit (0..62). Each continuation
page holds one more digit (0..127) for 4,096 slots. Pages are chained per 4,096 slots
and stay until swapoff.
"""

from __future__ import annotations

from kernels.compiling.atomic import prefetch
from kernels.compiling.constants import U0, U1, U2, U3, U6, U7, U63
from kernels.compiling.jit import called, hot, inner, u
from kernels.control import C_CHAIN, C_CONT_LIMIT, S_CONT_LOCK, S_CONT_PEAK, S_CONT_USED, S_ZERO_LIVE
from kernels.observing.allocations import A_CONT
from kernels.observing.atomics import atomic_and, atomic_or, atomic_xchg
from kernels.observing.lock import L_CONT, lock, unlock
from kernels.observing.probe import F_SWAPCOUNT, R_CGROUP, R_CONT, R_MAP, R_ZEROMAP, allocated, chase, touch, wrote
from kernels.observing.shared import together
from kernels.structures.cluster import look_locked

COUNT_MASK, CONTINUED, FLAGS = u(0x3F), u(0x80), u(0xC0)
HAS_CACHE = u(0x40)  # SWAP_HAS_CACHE
MAX_COUNT = u(0x3E)  # SWAP_MAP_MAX
DIGIT_MAX = u(127)  # SWAP_CONT_MAX
PAGE, PAGE_SHIFT = u(4096), u(12)
RADIX = u(63)  # distinct counts of the map byte


@called
def add_page(st, pr, g, last):  # type: ignore[no-untyped-def]
    """Chain a continuation page for the slots of `g` behind page `last` (0 the first); return its number, or 0 if there is none."""
    ctl = together(pr, st.ctl)
    n = ctl[S_CONT_USED] + U1
    if n > st.ctl[C_CONT_LIMIT]:
        return U0
    ctl[S_CONT_USED] = n
    ctl[S_CONT_PEAK] = max(ctl[S_CONT_PEAK], n)
    if last == U0:
        st.chain[g >> PAGE_SHIFT] = n
    else:
        st.chain[st.ctl[C_CHAIN] + last] = n
    allocated(pr, A_CONT)
    return n


@inner
def next_page(st, page):  # type: ignore[no-untyped-def]
    """Page that follows continuation page `page`. The links lie behind the heads, from the index in the last word on."""
    return u(st.chain[st.ctl[C_CHAIN] + page])


@called
def carry(st, pr, g):  # type: ignore[no-untyped-def]
    """Add 63 to the count of slot `g` in its continuation digits; False if a page was needed and none could be had."""
    last, page = U0, u(st.chain[g >> PAGE_SHIFT])
    at = g & (PAGE - U1)
    while True:
        if page == U0:
            page = add_page(st, pr, g, last)
            if page == U0:
                return False
        chase(pr, R_CONT, (page * PAGE + at) >> U3)
        digit = u(st.cont[page * PAGE + at])
        if digit < DIGIT_MAX:
            break
        last, page = page, next_page(st, page)
    st.cont[page * PAGE + at] = digit + U1
    wrote(pr, R_CONT, (page * PAGE + at) >> U3)
    lower = u(st.chain[g >> PAGE_SHIFT])
    while lower != page:
        st.cont[lower * PAGE + at] = 0
        lower = next_page(st, lower)
    return True


@called
def borrow(st, pr, g):  # type: ignore[no-untyped-def]
    """Take 63 from the continuation digits of slot `g`; return True if any digit is left. None has to be: then the count was 0."""
    page, at = u(st.chain[g >> PAGE_SHIFT]), g & (PAGE - U1)
    first = page
    while page != U0 and st.cont[page * PAGE + at] == 0:
        chase(pr, R_CONT, (page * PAGE + at) >> U3)
        page = next_page(st, page)
    if page == U0:
        return False
    st.cont[page * PAGE + at] -= 1
    wrote(pr, R_CONT, (page * PAGE + at) >> U3)
    left = st.cont[page * PAGE + at] != 0
    lower = first
    while lower != page:
        st.cont[lower * PAGE + at] = DIGIT_MAX
        left = True
        lower = next_page(st, lower)
    page = next_page(st, page)
    while page != U0:
        left = left or st.cont[page * PAGE + at] != 0
        page = next_page(st, page)
    return left


@inner
@hot
def count_up(st, pr, g):  # type: ignore[no-untyped-def]
    """``__swap_duplicate``: add one PTE to slot `g`; False if a continuation page could not be had. Cluster lock held."""
    byte = u(st.smap[g])
    wrote(pr, R_MAP, g >> U3)
    if byte & COUNT_MASK < MAX_COUNT:
        st.smap[g] = byte + U1
        return True
    lock(pr, st.ctl, S_CONT_LOCK, L_CONT)
    ok = carry(st, pr, g)
    unlock(pr, st.ctl, S_CONT_LOCK, L_CONT)
    if ok:
        st.smap[g] = byte & ~COUNT_MASK | CONTINUED
    return ok


@inner
def count_down(st, pr, g):  # type: ignore[no-untyped-def]
    """``__swap_entry_free``: take one PTE off slot `g`; return True if none is left. Cluster lock held."""
    byte = u(st.smap[g])
    wrote(pr, R_MAP, g >> U3)
    if byte & COUNT_MASK != U0:
        st.smap[g] = byte - U1
        return (byte - U1) & ~u(0x40) == U0
    lock(pr, st.ctl, S_CONT_LOCK, L_CONT)
    left = borrow(st, pr, g)
    unlock(pr, st.ctl, S_CONT_LOCK, L_CONT)
    st.smap[g] = byte & u(0x40) | MAX_COUNT | (CONTINUED if left else U0)
    return False


@called
def prepare(st, pr, g, count):  # type: ignore[no-untyped-def]
    """Chain the continuation pages that slot `g` needs for `count` (outside the cluster lock, as they may sleep); False if none is left."""
    if count <= MAX_COUNT:
        return True
    rest, last, page = count // RADIX, U0, u(st.chain[g >> PAGE_SHIFT])
    ok = True
    lock(pr, st.ctl, S_CONT_LOCK, L_CONT)
    while rest != U0 and ok:
        if page == U0:
            page = add_page(st, pr, g, last)
            ok = page != U0
        last, page = page, next_page(st, page) if page != U0 else U0
        rest >>= U7
    unlock(pr, st.ctl, S_CONT_LOCK, L_CONT)
    return ok


@called
def count_set(st, pr, g, count):  # type: ignore[no-untyped-def]
    """Write `count` as the count of slot `g`; False if it needs pages that :func:`prepare` has not chained. Cluster lock held."""
    byte = u(st.smap[g]) & HAS_CACHE
    wrote(pr, R_MAP, g >> U3)
    rest, page = count // RADIX, u(st.chain[g >> PAGE_SHIFT])
    left, spare = rest, page
    while left != U0 and spare != U0:
        left, spare = left >> U7, next_page(st, spare)
    if left != U0:
        return False
    st.smap[g] = byte | count % RADIX | (CONTINUED if rest != U0 else U0)
    if page != U0:
        lock(pr, st.ctl, S_CONT_LOCK, L_CONT)
        while page != U0:
            st.cont[page * PAGE + (g & (PAGE - U1))] = rest & DIGIT_MAX
            wrote(pr, R_CONT, (page * PAGE + (g & (PAGE - U1))) >> U3)
            rest, page = rest >> U7, next_page(st, page)
        unlock(pr, st.ctl, S_CONT_LOCK, L_CONT)
    return True


@called
def count_of(st, g):  # type: ignore[no-untyped-def]
    """Full count of slot `g`."""
    byte = u(st.smap[g])
    count = byte & COUNT_MASK
    if byte & CONTINUED != U0:
        page, weight = u(st.chain[g >> PAGE_SHIFT]), RADIX
        while page != U0:
            count += u(st.cont[page * PAGE + (g & (PAGE - U1))]) * weight
            weight *= u(128)
            page = next_page(st, page)
    return count


@inner
def slot_scan(st, pr, first, end):  # type: ignore[no-untyped-def]
    """First slot in `first` .. `end` - 1 whose byte is 0, plus 1; 0 if there is none."""
    for g in range(first, end):
        touch(pr, R_MAP, u(g) >> U3)
        if st.smap[u(g)] == 0:
            return u(g) + U1
    return U0


@inner
def slot_mark(st, pr, g, used):  # type: ignore[no-untyped-def]
    """Mark slot `g` as allocated (and thereby cached), or as freed."""
    st.smap[g] = HAS_CACHE if used else U0
    wrote(pr, R_MAP, g >> U3)


@inner
def unheld(st, g):  # type: ignore[no-untyped-def]
    """True if no PTE holds slot `g`."""
    return u(st.smap[g]) & ~HAS_CACHE == U0


@inner
def count_read(st, pr, g):  # type: ignore[no-untyped-def]
    """Read the map byte."""
    touch(pr, R_MAP, g >> U3)


@inner
def folio_swapped(st, pr, g):  # type: ignore[no-untyped-def]
    """``swap_swapcount``: the map byte, under the cluster lock."""
    look_locked(st, pr, g, F_SWAPCOUNT)


@inner
def entry_swapped(st, pr, g, sync):  # type: ignore[no-untyped-def]
    """``swap_swapcount`` in ``__read_swap_cache_async``."""
    folio_swapped(st, pr, g)


@inner
def load_erases(st):  # type: ignore[no-untyped-def]
    """Return True: ``zswap_load`` of 6.12 to 6.14 erases the entry and then decompresses it."""
    return True


@inner
def is_cached(st, g):  # type: ignore[no-untyped-def]
    """Has-cache flag of slot `g`."""
    return u(st.smap[g]) & HAS_CACHE != U0


@inner
def flag_set(st, pr, g):  # type: ignore[no-untyped-def]
    """``swapcache_prepare``: set the has-cache flag; return the byte before, 0 if the slot is free or the flag was set."""
    byte = u(st.smap[g])
    if byte & HAS_CACHE != U0:
        return U0
    if byte != U0:
        st.smap[g] = byte | HAS_CACHE
        wrote(pr, R_MAP, g >> U3)
    return byte


@inner
def flag_clear(st, pr, g):  # type: ignore[no-untyped-def]
    """Clear the has-cache flag."""
    st.smap[g] = u(st.smap[g]) & ~HAS_CACHE
    wrote(pr, R_MAP, g >> U3)


@inner
def owner_set(st, pr, g, memcg):  # type: ignore[no-untyped-def]
    """``swap_cgroup_record``: two bytes a slot, exchanged by an atomic without a lock (since 6.14); return the owner before."""
    return atomic_xchg(pr, R_CGROUP, g >> U2, st.cgroup, g, memcg)


charge = owner_set


@inner
def owner_of(st, pr, g):  # type: ignore[no-untyped-def]
    """``lookup_swap_cgroup_id``."""
    touch(pr, R_CGROUP, g >> U2)
    return u(st.cgroup[g])


@inner
def zero_of(st, pr, g):  # type: ignore[no-untyped-def]
    """Bit of slot `g` in the zeromap."""
    touch(pr, R_ZEROMAP, g >> U6)
    return st.zeromap[g >> U6] >> (g & U63) & U1 != U0


@inner
def zero_set(st, pr, g, zero):  # type: ignore[no-untyped-def]
    """Write the bit of slot `g` in the zeromap (``set_bit``, ``clear_bit``: atomics, also where the bit does not change)."""
    bit, at = U1 << (g & U63), g >> U6
    if zero:
        before = atomic_or(pr, R_ZEROMAP, at, st.zeromap, at, bit)
    else:
        before = atomic_and(pr, R_ZEROMAP, at, st.zeromap, at, ~bit)
    st.ctl[S_ZERO_LIVE] += (U1 if zero else U0) - (U1 if before & bit != U0 else U0)


zero_mark = zero_set  # atomic bit operations; the folio lock keeps others off


@inner
def fetch(st, g):  # type: ignore[no-untyped-def]
    """Prefetch the elements of slot `g` in the static arrays."""
    prefetch(st.smap, g)
    prefetch(st.cgroup, g)
    prefetch(st.zeromap, g >> U6)
