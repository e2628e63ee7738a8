"""Runs of 2^order slots from the clusters of a device: lists for each order, a current cluster of each CPU for each order.

A cluster is given to one order while a slot of it is in use; the first run that is taken from an empty one decides. A run is aligned to its
own size, so a cluster is looked through in steps of it. A run that is not to be had is refused, and the folio is split. Only order 0 takes
slots from clusters of another order, when nothing else is left (*stealing*).

Three published rules (C_ORDER_POLICY), for a device that does not discard:

============ =======================================================================================================================
policy       a CPU's own cluster of the order is tried first; then, in order
============ =======================================================================================================================
0 empty-only the free list. Order 0 takes any free slot of the device, from where it took the last one on. Partly used clusters stay
             where they are. mm/swapfile.c of 6.10 (``scan_swap_map_try_ssd_cluster``; ``scan_swap_map_slots`` for order 0)
1 nonfull    the free list; nonfull clusters of the order, each looked through in place; order 0 steals from nonfull ones of orders 1 to 9.
             20240730-swap-allocator-v5-0-cb9c148b9297@kernel.org, patches 1 to 3. There stealing ends at order 8, here at 9 as merged
2 fragmented as merged, with the eras of :mod:`kernels.structures.cluster`. 6.12: free, nonfull, fragmented clusters. 6.18 on: nonfull,
             free, the first fragmented one only. What is looked through goes to the fragmented clusters of the order. Stealing: from
             order 1 up, fragmented before nonfull
============ =======================================================================================================================

Order 9 fills a cluster of 512 slots and has no use for partly used ones. Since the cluster lists have no lock of their own (6.14), a CPU
that finds its cluster in use by another order leaves it (``cluster_is_usable``). What becomes of the CPU's place is told in
:mod:`kernels.structures.cluster`; up to 6.10 (``empty-only``) it goes only at the end of the cluster, not when that is full.

List ``which + 8 * order`` is list `which`, nonfull or fragmented, of an order from 1 on. Behind the devices `dev` has 4 words for each
device and order: head and tail + 1 of its nonfull list, then of its fragmented one. Behind the CPUs `percpu` has 2 words for each CPU,
device and order: cluster + 1 and next offset; those of order 0 lie where every design has them, and this place holds the offset at which
order 0 goes on under ``empty-only``.
"""

from __future__ import annotations

from kernels.compiling.constants import ONES, U0, U1, U2, U3, U4, U7, U9, U10, U16
from kernels.compiling.jit import called, inner, u
from kernels.control import C_CLUSTER_ORDER, C_CLUSTER_SHIFT, C_CPUS, C_ORDER_POLICY, S_FULL, S_RUNS
from kernels.observing.lock import L_CLUSTER, unlock
from kernels.observing.probe import R_DEV, R_PERCPU, chase, touch, wrote
from kernels.structures import cluster as cl
from kernels.structures.cluster import CI_COUNT, CI_NEXT, CI_WORDS, CPU_WORDS, DEV_WORDS, FRAG_LIST, FREE_LIST, FULL_LIST, NONFULL_LIST
from kernels.structures.common import table
from kernels.structures.common.steps import common
from kernels.structures.slots import cluster_reach, dedicate, home_list, slot_mark, slot_scan

EMPTY_ONLY, NONFULL, FRAGMENTED = U0, U1, U2
ORDERS, DEVICES = U10, U4
MOST = U9
"""Highest order: a folio of 2 MiB."""
LIST_WORDS = DEVICES * DEV_WORDS + DEVICES * U16 * U4
"""Words of `dev` with the lists of all orders."""


def cpu_words(cpus: int) -> int:
    """Words of `percpu` with the current clusters of all orders."""
    return int(u(cpus) * (CPU_WORDS + DEVICES * U16 * U2))


@inner
def cpu_at(st, cpu, d, order):  # type: ignore[no-untyped-def]
    """Index in `percpu` of the words of an order from 1 on; at order 0, of the place where ``empty-only`` goes on."""
    return st.ctl[C_CPUS] * CPU_WORDS + ((cpu * DEVICES + d) * U16 + order) * U2


@inner
def list_at(st, d, which):  # type: ignore[no-untyped-def]
    """:func:`kernels.structures.slots.list_at` with lists for each order."""
    order, kind = which >> U3, which & U7
    if order == U0:
        return d * DEV_WORDS + cl.D_LISTS + (which - U1) * U2
    return DEVICES * DEV_WORDS + (d * U16 + order) * U4 + (U2 if kind == FRAG_LIST else U0)


@inner
def of_order(which, order):  # type: ignore[no-untyped-def]
    """List `which`, nonfull or fragmented, of `order`."""
    return which + (order << U3)


@inner
def order_of(st, c):  # type: ignore[no-untyped-def]
    """Order that cluster `c` is given to, 0 while it is empty."""
    return u(st.orders[c])


@inner
def home(st, c, which):  # type: ignore[no-untyped-def]
    """:func:`kernels.structures.slots.home_list` by the order of the cluster."""
    return of_order(which, order_of(st, c))


@inner
def give(st, c, order):  # type: ignore[no-untyped-def]
    """:func:`kernels.structures.slots.dedicate`: a byte of the cluster's header, whose line is in hand."""
    st.orders[c] = order


STEPS = {"list_at": list_at, "home_list": home, "dedicate": give}
"""Steps of :mod:`kernels.structures.slots` for a state whose clusters have orders."""


@called
def forget_beyond(st, pr, d, cpu, keep):  # type: ignore[no-untyped-def]
    """Have `cpu` forget its clusters of orders from 1 on that lie behind the first `keep` of device `d`, which go."""
    for order in range(U1, ORDERS if st.ctl[S_RUNS] != U0 else U1):
        at = cpu_at(st, cpu, d, u(order))
        if u(st.percpu[at]) > keep:
            st.percpu[at] = 0
            wrote(pr, R_PERCPU, at >> U1)


@inner
def run_free(st, pr, g, n):  # type: ignore[no-untyped-def]
    """True if the `n` slots from `g` on are free (``cluster_scan_range``)."""
    for i in range(n):
        if slot_scan(st, pr, g + u(i), g + u(i) + U1) == U0:
            return False
    return True


@inner
def first_run(st, pr, begin, end, n):  # type: ignore[no-untyped-def]
    """First of `n` free slots, looked for from `begin` on in steps of `n`, plus 1; 0 if there are none before `end`."""
    g = begin
    while g + n <= end:
        if run_free(st, pr, g, n):
            return g + U1
        g += n
    return U0


@inner
def is_usable(st, c, count, size, order):  # type: ignore[no-untyped-def]
    """``cluster_is_usable``: since 6.14 a run is not put into a cluster that another order has; order 0 goes anywhere."""
    return cl.is_usable(st, count, size) and (st.ctl[C_CLUSTER_ORDER] == U0 or order == U0 or order_of(st, c) == order)


@called
def scan_run(st, pr, d, c, start, order, at, own):  # type: ignore[no-untyped-def]
    """Claim a run of `order` in cluster `c`, the CPU's `own` or another, from `start` on (``alloc_swap_scan_cluster``); slot + 1, or 0.

    `at` of `percpu` is where the CPU notes its place.
    """
    size, first, n = cl.slots_in(st, d, c), c << st.ctl[C_CLUSTER_SHIFT], U1 << order
    cl.hold_cluster(st, pr, c * CI_WORDS)
    found, count = U0, u(st.cluster[c * CI_WORDS + CI_COUNT])
    usable = not own or is_usable(st, c, count, size, order)
    if usable and count + n <= size:
        found = first_run(st, pr, first + start, first + size, n)
    if found != U0:
        if count == U0:
            dedicate(st, c, order)
        for i in range(n):
            slot_mark(st, pr, found - U1 + u(i), True)
            st.cluster[c * CI_WORDS + CI_COUNT] += 1
        cl.slots_taken(st, pr, d, c, n, count, size)
    elif usable and st.ctl[C_CLUSTER_ORDER] != U0:
        relocate_cluster(st, pr, d, c, count, size)
    unlock(pr, st.cluster, c * CI_WORDS, L_CLUSTER)
    if usable:
        after = found - U1 + n - first if found != U0 else U0
        cl.place_set(st, pr, at, c, after, found != U0 and after + n <= size and goes_on(st, count + n < size))
    return found


@inner
def goes_on(st, left):  # type: ignore[no-untyped-def]
    """True if a CPU goes on in a cluster of which slots are `left`, or whether any are or not."""
    return left or st.ctl[C_ORDER_POLICY] == EMPTY_ONLY


@inner
def relocate_cluster(st, pr, d, c, count, size):  # type: ignore[no-untyped-def]
    """Put a cluster that had no run on the list that its count asks for."""
    cl.relist(st, pr, d, c, FREE_LIST if count == U0 else FULL_LIST if count == size else home_list(st, c, FRAG_LIST))


@inner
def walk_in_place(st, pr, d, order, at):  # type: ignore[no-untyped-def]
    """Look through the nonfull clusters of `order` without moving them (policy 1); return slot + 1, or 0."""
    head = list_at(st, d, of_order(NONFULL_LIST, order))
    touch(pr, R_DEV, head)
    c = st.dev[head]
    while c != U0:
        after = u(st.cluster[(c - U1) * CI_WORDS + CI_NEXT])
        found = scan_run(st, pr, d, c - U1, U0, order, at, False)
        if found != U0:
            return found
        c = after
    return U0


@called
def scan_list(st, pr, d, which, order, at, last):  # type: ignore[no-untyped-def]
    """Take clusters of list `which` and look through each until one has a run, `last` + 1 is done, or none is left (``last`` 0)."""
    while True:
        c = cl.next_cluster(st, pr, d, which)
        if c == U0:
            return U0
        found = scan_run(st, pr, d, c - U1, U0, order, at, False)
        if found != U0 or c == last:
            return found


@inner
def partly_used(st, pr, d, order, at):  # type: ignore[no-untyped-def]
    """Look through nonfull and fragmented clusters of `order` as 6.12 does: those that were fragmented before, once each."""
    last = st.dev[list_at(st, d, of_order(FRAG_LIST, order)) + U1]
    found = scan_list(st, pr, d, of_order(NONFULL_LIST, order), order, at, U0)
    if found == U0 and last != U0:
        found = scan_list(st, pr, d, of_order(FRAG_LIST, order), order, at, last)
    return found


@inner
def from_free(st, pr, d, order, at):  # type: ignore[no-untyped-def]
    """Take a run of the first free cluster; return slot + 1, or 0."""
    c = cl.next_cluster(st, pr, d, FREE_LIST)
    return U0 if c == U0 else scan_run(st, pr, d, c - U1, U0, order, at, False)


@called
def from_lists(st, pr, d, order, at):  # type: ignore[no-untyped-def]
    """Take a run of a cluster that no CPU brought along, by the rules of the policy; return slot + 1, or 0."""
    policy, late, below = st.ctl[C_ORDER_POLICY], st.ctl[C_CLUSTER_ORDER] & U1 != U0, order < U9
    found = U0
    if policy == FRAGMENTED and late and below:
        found = scan_list(st, pr, d, of_order(NONFULL_LIST, order), order, at, U0)
    if found == U0:
        found = from_free(st, pr, d, order, at)
    if found != U0 or policy == EMPTY_ONLY or not below:
        return found
    if policy == NONFULL:
        return walk_in_place(st, pr, d, order, at)
    if not late:
        return partly_used(st, pr, d, order, at)
    c = cl.next_cluster(st, pr, d, of_order(FRAG_LIST, order))
    return U0 if c == U0 else scan_run(st, pr, d, c - U1, U0, order, at, False)


@called
def steal(st, pr, d, at):  # type: ignore[no-untyped-def]
    """Take one slot of the first cluster of another order that has one to spare, from order 1 up; return slot + 1, or 0."""
    for order in range(U1, ORDERS):
        for kind in (FRAG_LIST, NONFULL_LIST):
            which = of_order(kind, u(order))
            late = st.ctl[C_CLUSTER_ORDER] != U0
            c = cl.next_cluster(st, pr, d, which) if late else st.dev[list_at(st, d, which)]
            if c != U0:
                return scan_run(st, pr, d, c - U1, U0, U0, at, False)
    return U0


@called
def anywhere(st, pr, d, cpu, at):  # type: ignore[no-untyped-def]
    """Take the first free slot behind the last one that this CPU took, around the end (``empty-only``, order 0); return slot + 1, or 0.

    Its cluster does not become the CPU's own.
    """
    last = cpu_at(st, cpu, d, U0)
    base, end = st.dev[d * DEV_WORDS], st.dev[d * DEV_WORDS] + st.dev[d * DEV_WORDS + cl.D_SLOTS]
    found = slot_scan(st, pr, base + u(st.percpu[last]), end)
    if found == U0:
        found = slot_scan(st, pr, base, base + u(st.percpu[last]))
    if found != U0:
        c = (found - U1) >> st.ctl[C_CLUSTER_SHIFT]
        found = scan_run(st, pr, d, c, found - U1 - (c << st.ctl[C_CLUSTER_SHIFT]), U0, at, False)
        st.percpu[at] = 0
    return found


@inner
def own_run(st, pr, d, at, order):  # type: ignore[no-untyped-def]
    """Take a run of the CPU's cluster of `order`, whose words are at `at` of `percpu`; return slot + 1, or 0."""
    c = u(st.percpu[at])
    if c == U0 or cluster_reach(st, pr, (c - U1) << st.ctl[C_CLUSTER_SHIFT]) == ONES:
        return U0
    return scan_run(st, pr, d, c - U1, u(st.percpu[at + U1]), order, at, True)


@called
def run_alloc(st, pr, d, cpu, order):  # type: ignore[no-untyped-def]
    """Allocate 2^order slots of device `d`, aligned and in one cluster, marked as cached; return the first + 1, or 0: split the folio.

    A run that is not to be had of the CPU's own cluster takes ``swap_avail_lock`` on the way to the lists of its device
    (``swap_alloc_slow``; up to 6.17 each run does). So does a single page, once for a cluster, which is left out.
    At order 0 it does what :func:`kernels.structures.cluster.slot_alloc` does, and steals where that one finds the device full.
    """
    chase(pr, R_DEV, d * DEV_WORDS)
    if st.dev[d * DEV_WORDS + cl.D_FLAGS] & cl.DEV_ON == U0 or order > st.ctl[C_CLUSTER_SHIFT]:
        return U0
    at = cpu * CPU_WORDS + d * U2 if order == U0 else cpu_at(st, cpu, d, order)
    touch(pr, R_PERCPU, at >> U1)
    found = own_run(st, pr, d, at, order)
    if order != U0 and (found == U0 or st.ctl[C_CLUSTER_ORDER] & U1 == U0):
        common(pr, st, table.SLOW, U0)
    if found == U0:
        found = from_lists(st, pr, d, order, at)
    if order != U0 and found != U0:
        st.ctl[S_RUNS] += U1
    if order == U0:
        if found == U0:
            found = anywhere(st, pr, d, cpu, at) if st.ctl[C_ORDER_POLICY] == EMPTY_ONLY else steal(st, pr, d, at)
        if found == U0:
            st.ctl[S_FULL] += U1
        else:
            st.percpu[cpu_at(st, cpu, d, U0)] = found - st.dev[d * DEV_WORDS]
    return found
