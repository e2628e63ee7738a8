"""Swap devices and the cluster allocator: per-CPU current cluster, then a free and a partly used cluster, in the design's order.

mm/swapfile.c for order 0: ``cluster_alloc_swap_entry`` tries the CPU's own cluster, then lists of the device. Rules of two eras
(C_CLUSTER_ORDER), for a device that does not discard:

======================== ======================================= ================================================
what                     6.12 (0)                                6.18 on (1)
======================== ======================================= ================================================
lists, in order          free, nonfull, fragmented               nonfull, free, fragmented
cluster that a CPU gets  from nonfull it goes to fragmented      it leaves its list
after an allocation      a free one goes to nonfull              it goes to fragmented (``relocate_cluster``)
own cluster, no slot     it stays where it is                    it goes to fragmented (``relocate_cluster``)
after a free             it goes to nonfull                      it goes to nonfull (``partial_free_cluster``)
own cluster, emptied     the CPU goes on where it was            the CPU leaves it: its table is gone
own cluster, full        the CPU forgets its place               the CPU leaves it, and has the place until the next
======================== ======================================= ================================================

*No slot*: none behind the place where the CPU was, though one in front of it has been freed. In both a cluster without slots in use is
free, one without a free slot full, and the place goes with the last slot that the CPU takes: of the cluster's free ones, or the last at
all. Since 6.14 every scan writes it (``alloc_swap_scan_cluster``), and a CPU looks at its cluster before (``cluster_is_usable``).
A CPU that gets no slot of a virtual device has no place any more (``vswap_alloc``). 6.14 to 6.17 (2, of order 0 only) have the lists in
the order of 6.12 and all else as since 6.18, but for an emptied cluster, which has no table to lose: the CPU begins it anew.
Fragmented clusters are those that a CPU allocates from, and those that it left half used: other CPUs take them last. A cluster header is
32 bytes. The design keeps the mark of a used slot (swap_map byte, bitmap).

===== =========================== ===== ================================
dev   (16 words of 64 bits)       ci    (8 words of 32 bits)
===== =========================== ===== ================================
0, 1  first slot, slots           0     spin lock
2, 3  first cluster, clusters     1     slots in use
4     inuse_pages (atomic)        2     list it is on (0 none)
5     flags (ON, SYNC)            3     (the order is in `orders`)
6     lock (``si->lock``)         4, 6  next + 1, previous + 1
8..15 head, tail + 1 of 4 lists
===== =========================== ===== ================================
"""

from __future__ import annotations

from kernels import codes
from kernels.compiling.constants import ONES, U0, U1, U2, U3, U4, U8, U10, U58
from kernels.compiling.jit import called, hot, inner, u
from kernels.control import C_CLUSTER_ORDER, C_CLUSTER_SHIFT, C_NATIVE, S_FULL, S_NR_SWAP_PAGES, S_RUNS, S_SLOTS, S_SLOTS_PEAK
from kernels.observing.atomics import atomic_add, atomic_sub
from kernels.observing.lock import L_CLUSTER, L_DEVICE, lock, unlock
from kernels.observing.probe import F_NONE, R_CLUSTER, R_DEV, R_PERCPU, chase, step, touch, wrote
from kernels.observing.regions import R_NR_SWAP
from kernels.observing.shared import shared
from kernels.structures import cluster_lists as lists
from kernels.structures.cluster_lists import list_add_tail, list_del
from kernels.structures.common import table
from kernels.structures.common.steps import common
from kernels.structures.slots import (
    DEVICE_WORDS,
    FIRST_LIST,
    cluster_gone,
    cluster_new,
    cluster_reach,
    clusters_grow,
    collects,
    count_read,
    dedicate,
    home_list,
    is_virtual,
    list_at,
    slot_mark,
    slot_scan,
)  # fmt: skip

DEV_WORDS, CI_WORDS, CPU_WORDS, DEVICES = DEVICE_WORDS, lists.CI_WORDS, u(16), U4
D_BASE, D_SLOTS, D_CLUSTER, D_CLUSTERS, D_USED, D_FLAGS, D_LOCK = (u(i) for i in range(7))
D_LISTS = FIRST_LIST
CPU_OWN = U8  # of a CPU: behind its cluster + 1 and next offset for each device, words of the design's own
DEV_ON, DEV_SYNC = U1, U2
CI_LOCK, CI_COUNT = U0, U1
CI_LIST, CI_NEXT, CI_PREV = lists.CI_LIST, lists.CI_NEXT, lists.CI_PREV
FREE_LIST, NONFULL_LIST, FULL_LIST, FRAG_LIST = U1, U2, U3, U4
OFFSET_MASK = (U1 << U58) - U1
GHOST = U2  # C_NATIVE
RELOCATE = U2  # C_CLUSTER_ORDER
ORDERS = U10  # of runs (kernels.structures.orders)


@inner
def make_entry(d, offset):  # type: ignore[no-untyped-def]
    """Swap entry of `offset` on device `d`: type in bits 58..62 (SWP_TYPE_SHIFT), never 0."""
    return (d + U1) << U58 | offset


@inner
def device_of(entry):  # type: ignore[no-untyped-def]
    """Device number of a swap entry."""
    return (entry >> U58) - U1


@inner
def slot_of(st, entry):  # type: ignore[no-untyped-def]
    """Index of the slot of `entry` in the arrays that cover all devices."""
    return st.dev[device_of(entry) * DEV_WORDS] + (entry & OFFSET_MASK)


@inner
def entry_of(st, d, g):  # type: ignore[no-untyped-def]
    """Swap entry of slot `g`, which lies on device `d`."""
    return make_entry(d, g - st.dev[d * DEV_WORDS])


@inner
def ci_of(st, g):  # type: ignore[no-untyped-def]
    """Word index of the header of the cluster of slot `g`."""
    return (g >> st.ctl[C_CLUSTER_SHIFT]) * CI_WORDS


@inner
def lock_cluster(st, pr, g):  # type: ignore[no-untyped-def]
    """Take the lock of the cluster of slot `g`; return the header's word index."""
    ci = ci_of(st, cluster_reach(st, pr, g))
    hold_cluster(st, pr, ci)
    return ci


@inner
def hold_cluster(st, pr, ci):  # type: ignore[no-untyped-def]
    """Take the lock of the cluster whose header is at word `ci`."""
    lock(pr, st.cluster, ci, L_CLUSTER)
    wrote(pr, R_CLUSTER, ci >> U1)


@inner
def unlock_cluster(st, pr, ci):  # type: ignore[no-untyped-def]
    """Release the lock of a cluster."""
    unlock(pr, st.cluster, ci, L_CLUSTER)


@inner
def is_swap(st, d):  # type: ignore[no-untyped-def]
    """True if slots of device `d` are among ``nr_swap_pages``: also those of a ghost, not zswap's own entries."""
    return d != codes.ZSWAP or st.ctl[C_NATIVE] == GHOST


@inner
def look_locked(st, pr, g, function):  # type: ignore[no-untyped-def]
    """Read the count of slot `g` under the cluster lock, in the kernel's `function`."""
    step(pr, function)
    ci = lock_cluster(st, pr, g)
    count_read(st, pr, g)
    unlock_cluster(st, pr, ci)
    step(pr, F_NONE)


@inner
def slots_in(st, d, c):  # type: ignore[no-untyped-def]
    """Slots of cluster `c` of device `d`; the last cluster of a device may be cut short."""
    first = c << st.ctl[C_CLUSTER_SHIFT]
    return min(U1 << st.ctl[C_CLUSTER_SHIFT], st.dev[d * DEV_WORDS] + st.dev[d * DEV_WORDS + D_SLOTS] - first)


@inner
def move_to_end(st, pr, d, c, want):  # type: ignore[no-untyped-def]
    """Take cluster `c` off its list and put it at the end of list `want`, under the device lock."""
    lock(pr, st.dev, d * DEV_WORDS + D_LOCK, L_DEVICE)
    list_del(st, pr, d, c)
    list_add_tail(st, pr, d, c, want)
    unlock(pr, st.dev, d * DEV_WORDS + D_LOCK, L_DEVICE)


@inner
def relist(st, pr, d, c, want):  # type: ignore[no-untyped-def]
    """Put cluster `c` at the end of list `want`, unless it is on it (``move_cluster``). The caller holds its lock."""
    if want != u(st.cluster[c * CI_WORDS + CI_LIST]):
        move_to_end(st, pr, d, c, want)


@inner
@hot
def slots_taken(st, pr, d, c, n, count, size):  # type: ignore[no-untyped-def]
    """Count `n` slots of cluster `c`, where `count` of `size` were used before, on its device, and move it to the list it is for."""
    used = d * DEV_WORDS + D_USED
    atomic_add(pr, R_DEV, used, st.dev, used, n)
    if is_swap(st, d):
        atomic_sub(pr, R_NR_SWAP, U0, st.ctl, S_NR_SWAP_PAGES, n)
    st.ctl[S_SLOTS] += n
    st.ctl[S_SLOTS_PEAK] = max(st.ctl[S_SLOTS_PEAK], st.ctl[S_SLOTS])
    if count + n == size:
        relist(st, pr, d, c, FULL_LIST)
    elif st.ctl[C_CLUSTER_ORDER] != U0:
        relist(st, pr, d, c, home_list(st, c, FRAG_LIST))
    elif count == U0:
        relist(st, pr, d, c, home_list(st, c, NONFULL_LIST))


@inner
def is_usable(st, count, size):  # type: ignore[no-untyped-def]
    """``cluster_is_usable``: since 6.14 a CPU does not go on in a full cluster, since 6.18 nor in an empty one, which has no table."""
    order = st.ctl[C_CLUSTER_ORDER]
    return order == U0 or (count < size and (count != U0 or order == RELOCATE))


@inner
@hot
def place_set(st, pr, percpu, c, after, left):  # type: ignore[no-untyped-def]
    """Note that the CPU goes on in cluster `c` at offset `after`; nowhere, if nothing is `left`."""
    st.percpu[percpu] = c + U1 if left else U0
    st.percpu[percpu + U1] = after
    wrote(pr, R_PERCPU, percpu >> U1)


@inner
@hot
def scan_cluster(st, pr, d, c, start, percpu, own):  # type: ignore[no-untyped-def]
    """Claim a free slot of cluster `c`, the CPU's `own` or another, from `start` on (``alloc_swap_scan_cluster``); slot + 1, or 0."""
    size, first = slots_in(st, d, c), c << st.ctl[C_CLUSTER_SHIFT]
    if own or not shared(pr):
        lock(pr, st.cluster, c * CI_WORDS, L_CLUSTER)
    wrote(pr, R_CLUSTER, c * U4)
    found, count = U0, u(st.cluster[c * CI_WORDS + CI_COUNT])
    usable = not own or is_usable(st, count, size)
    if count < size and usable:
        begin = first if count == U0 and st.ctl[C_CLUSTER_ORDER] == RELOCATE else first + start
        found = slot_scan(st, pr, begin, first + size)
    if found != U0:
        slot_mark(st, pr, found - U1, True)
        st.cluster[c * CI_WORDS + CI_COUNT] += 1
        slots_taken(st, pr, d, c, U1, count, size)
    elif usable and st.ctl[C_CLUSTER_ORDER] != U0:
        relist(st, pr, d, c, home_list(st, c, FRAG_LIST))
    unlock(pr, st.cluster, c * CI_WORDS, L_CLUSTER)
    if found != U0:
        place_set(st, pr, percpu, c, found - first, count + U1 < size and found < first + size)
    elif usable:
        place_set(st, pr, percpu, c, U0, False)
    return found


@inner
def pick_full(st, pr, d):  # type: ignore[no-untyped-def]
    """First full cluster of device `d`, + 1, or 0; where threads share the state it goes to the end of its list at once."""
    if shared(pr):
        lock(pr, st.dev, d * DEV_WORDS + D_LOCK, L_DEVICE)
    c = st.dev[list_at(st, d, FULL_LIST)]
    if shared(pr):
        if c != U0:
            list_del(st, pr, d, c - U1)
            list_add_tail(st, pr, d, c - U1, FULL_LIST)
        unlock(pr, st.dev, d * DEV_WORDS + D_LOCK, L_DEVICE)
    return c


@inner
def pick_cluster(st, pr, d, which):  # type: ignore[no-untyped-def]
    """Take the first cluster of list `which` off it (``isolate_lock_cluster``), in 6.12 to the end of the fragmented ones; it + 1, or 0.

    Where threads share the state it is the first one whose lock is to be had, and the lock is held.
    """
    at = list_at(st, d, which)
    lock(pr, st.dev, d * DEV_WORDS + D_LOCK, L_DEVICE)
    c = st.dev[at]
    touch(pr, R_DEV, at)
    late = st.ctl[C_CLUSTER_ORDER] != U0
    if shared(pr):
        c = lists.lockable(st, pr, c)
    if c != U0 and (late or which != FREE_LIST):
        list_del(st, pr, d, c - U1)
        if not late:
            list_add_tail(st, pr, d, c - U1, home_list(st, c - U1, FRAG_LIST))
    unlock(pr, st.dev, d * DEV_WORDS + D_LOCK, L_DEVICE)
    return c


@inner
def next_cluster(st, pr, d, which):  # type: ignore[no-untyped-def]
    """Take the first cluster of list `which`, or make a free one where the design can; return it + 1, or 0."""
    c = cluster_new(st, pr, d) if which == FREE_LIST else U0
    if shared(pr) and c != U0:
        lock(pr, st.cluster, (c - U1) * CI_WORDS, L_CLUSTER)
    if c == U0:
        c = pick_cluster(st, pr, d, which)
    if c == U0 and which == FREE_LIST and clusters_grow(st, pr, d):
        c = pick_cluster(st, pr, d, which)
    return c


@called
def stolen(st, pr, d):  # type: ignore[no-untyped-def]
    """Cluster + 1 that was given to large folios, from the lists of each order in turn; 0: none has a free slot."""
    late = st.ctl[C_CLUSTER_ORDER] != U0
    for i in range(U2, ORDERS * U2):
        which = (NONFULL_LIST if u(i) & U1 != U0 else FRAG_LIST) + (u(i) >> U1 << U3)
        c = next_cluster(st, pr, d, which) if late else st.dev[list_at(st, d, which)]
        if c != U0:
            return c
    return U0


@called
def new_cluster(st, pr, d, percpu):  # type: ignore[no-untyped-def]
    """Give the CPU another cluster of device `d` and claim its first free slot; return slot + 1, or 0 when the device is full.

    It looks at its era's three lists; then, where there were large folios, it steals of theirs.
    """
    first, c = FREE_LIST + (st.ctl[C_CLUSTER_ORDER] & U1), U0
    for which in (first, FREE_LIST + NONFULL_LIST - first, FRAG_LIST):
        c = next_cluster(st, pr, d, which)
        if c != U0:
            break
    if c == U0 and st.ctl[S_RUNS] != U0:
        c = stolen(st, pr, d)
    if c != U0:
        return scan_cluster(st, pr, d, c - U1, U0, percpu, False)
    if is_virtual(st, st.dev[d * DEV_WORDS]):
        st.percpu[percpu] = 0  # vswap_alloc
    st.ctl[S_FULL] += U1
    return U0


@inner
def is_synchronous(st, d):  # type: ignore[no-untyped-def]
    """True if device `d` has SWP_SYNCHRONOUS_IO."""
    return st.dev[d * DEV_WORDS + D_FLAGS] & DEV_SYNC != U0


@called
@hot
def swap_full(st):  # type: ignore[no-untyped-def]
    """``vm_swap_full``: more than half of the slots of all devices that are on are used (:func:`is_swap`)."""
    used, slots = U0, U0
    for i in range(4):  # a constant, and no branch: compiled to loads that a second look shares
        among = U0 - (st.dev[u(i) * DEV_WORDS + D_FLAGS] & DEV_ON & (U1 if is_swap(st, u(i)) else U0))
        used += st.dev[u(i) * DEV_WORDS + D_USED] & among
        slots += st.dev[u(i) * DEV_WORDS + D_SLOTS] & among
    return used * U2 > slots


@inner
def turn_off(st, d):  # type: ignore[no-untyped-def]
    """``swapoff`` begins: hand out no slot of device `d` any more; false if it is off."""
    was_on = st.dev[d * DEV_WORDS + D_FLAGS] & DEV_ON != U0
    st.dev[d * DEV_WORDS + D_FLAGS] &= ~DEV_ON
    return was_on


@inner
def turned_off(st, d):  # type: ignore[no-untyped-def]
    """``swapoff`` ends: turn device `d` on again if a slot of it is still in use."""
    if st.dev[d * DEV_WORDS + D_USED] == U0:
        return codes.SWAPPED_OFF
    st.dev[d * DEV_WORDS + D_FLAGS] |= DEV_ON
    return codes.BUSY


@inner
@hot
def slot_alloc(st, pr, d, cpu):  # type: ignore[no-untyped-def]
    """Allocate a slot of device `d`, marked as cached; return slot + 1, or 0 when the device is full or off."""
    chase(pr, R_DEV, d * DEV_WORDS)
    common(pr, st, table.CLAIM, U0)
    if st.dev[d * DEV_WORDS + D_FLAGS] & DEV_ON == U0:
        return U0
    percpu = cpu * CPU_WORDS + d * U2
    touch(pr, R_PERCPU, percpu >> U1)
    c = u(st.percpu[percpu])
    if c != U0 and cluster_reach(st, pr, (c - U1) << st.ctl[C_CLUSTER_SHIFT]) != ONES:
        found = scan_cluster(st, pr, d, c - U1, u(st.percpu[percpu + U1]), percpu, True)
        if found != U0:
            return found
    return new_cluster(st, pr, d, percpu)


@inner
def slot_release(st, pr, d, g):  # type: ignore[no-untyped-def]
    """Free slot `g` of device `d` (``swap_range_free``). The caller holds the cluster's lock."""
    slots_release(st, pr, d, g, U1)


@inner
def slots_release(st, pr, d, g, n):  # type: ignore[no-untyped-def]
    """Free `n` slots of one cluster from `g` on: the device's usage and the cluster's list change once. The caller holds its lock."""
    c = g >> st.ctl[C_CLUSTER_SHIFT]
    for i in range(n):
        slot_mark(st, pr, g + u(i), False)
        st.cluster[c * CI_WORDS + CI_COUNT] -= 1
    used = d * DEV_WORDS + D_USED
    if is_swap(st, d):
        atomic_add(pr, R_NR_SWAP, U0, st.ctl, S_NR_SWAP_PAGES, n)
    atomic_sub(pr, R_DEV, used, st.dev, used, n)
    st.ctl[S_SLOTS] -= n
    common(pr, st, table.SLOT_FLUSH if collects(st) else table.SLOT_FREE, U0)
    empty = st.cluster[c * CI_WORDS + CI_COUNT] == 0
    if empty:
        dedicate(st, c, U0)
    if not empty or not cluster_gone(st, pr, d, c):
        relist(st, pr, d, c, FREE_LIST if empty else home_list(st, c, NONFULL_LIST))
