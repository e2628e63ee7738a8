"""Interface to a slot's data on a swap device: count, cached folio, owner, zero bit. *direct* and the swap tables store them differently.

The steps of a swap device (:mod:`kernels.life.swapfile`) and the moves are written on
these functions. ``g`` is the number of the slot in the arrays that cover all devices.
Unless a docstring says otherwise the caller holds the cluster lock, or no lock is
needed.
"""

from __future__ import annotations

from kernels.compiling.constants import U0, U1, U2, U8, U16
from kernels.compiling.functions import optional, required
from kernels.compiling.jit import u

DEVICE_WORDS, FIRST_LIST = U16, U8  # of a device (kernels.structures.cluster)


@required
def slot_scan(st, pr, first, end):  # type: ignore[no-untyped-def]
    """First free slot in `first` .. `end` - 1, plus 1; 0 if there is none."""


@required
def slot_mark(st, pr, g, used):  # type: ignore[no-untyped-def]
    """Mark slot `g` as used (and cached), or free. Called before the cluster's count of used slots changes."""


@required
def owner_set(st, pr, g, memcg):  # type: ignore[no-untyped-def]
    """Record the memory cgroup that slot `g` is charged to (``swap_cgroup_record``), 0 for none; return the one before."""


@required
def charge(st, pr, g, memcg):  # type: ignore[no-untyped-def]
    """Record the owner of a fresh, charged slot `g`: :func:`owner_set` with the lock that the design needs."""


@required
def owner_of(st, pr, g):  # type: ignore[no-untyped-def]
    """Memory cgroup of slot `g` (``lookup_swap_cgroup_id``)."""


@required
def zero_of(st, pr, g):  # type: ignore[no-untyped-def]
    """True if the page of slot `g` was zero-filled."""


@required
def zero_set(st, pr, g, zero):  # type: ignore[no-untyped-def]
    """Write the zero bit of slot `g`."""


@required
def zero_mark(st, pr, g, zero):  # type: ignore[no-untyped-def]
    """``swap_zeromap_folio_set`` or ``_clear`` before a page is written: :func:`zero_set` with the lock that the design needs."""


@required
def count_up(st, pr, g):  # type: ignore[no-untyped-def]
    """Add one PTE to the count of slot `g`; False if there was no room for the count."""


@required
def count_down(st, pr, g):  # type: ignore[no-untyped-def]
    """Take one PTE off the count of slot `g`; True if none is left."""


@required
def count_of(st, g):  # type: ignore[no-untyped-def]
    """Full count of slot `g`."""


@required
def count_set(st, pr, g, count):  # type: ignore[no-untyped-def]
    """Write the count of slot `g`; False if :func:`count_prepare` has made no room for it."""


@required
def count_prepare(st, pr, g, count):  # type: ignore[no-untyped-def]
    """Make room for a count of slot `g`; False if there is none to be had. No lock is held, as the allocation may sleep."""


@required
def unheld(st, g):  # type: ignore[no-untyped-def]
    """True if no PTE holds slot `g`."""


@required
def count_read(st, pr, g):  # type: ignore[no-untyped-def]
    """Read the line of the count of slot `g`, without the lock."""


@required
def entry_swapped(st, pr, g, sync):  # type: ignore[no-untyped-def]
    """See, before a folio is allocated to read slot `g`, that PTEs hold it. `sync`: its device is synchronous. Takes the lock it needs."""


@required
def folio_swapped(st, pr, g):  # type: ignore[no-untyped-def]
    """See, with the cached folio of slot `g` locked, if PTEs hold it (``folio_free_swap``). Takes the lock it needs."""


@required
def is_cached(st, g):  # type: ignore[no-untyped-def]
    """True if the swap cache has slot `g`, or another task is about to put it there."""


@required
def flag_set(st, pr, g):  # type: ignore[no-untyped-def]
    """Give slot `g`, which PTEs hold, to the swap cache: its count (up to 62), 0 if the slot is free or cached already."""


@required
def flag_clear(st, pr, g):  # type: ignore[no-untyped-def]
    """Take slot `g` from the swap cache."""


@required
def cache_find(st, pr, g):  # type: ignore[no-untyped-def]
    """Folio of slot `g` in the swap cache, 0 if none (empty, or a shadow). No lock (RCU)."""


@required
def cache_insert(st, pr, g, f):  # type: ignore[no-untyped-def]
    """Enter folio `f` as the cache of slot `g`, which is marked cached; takes the lock it needs."""


@required
def cache_remove(st, pr, g, shadow):  # type: ignore[no-untyped-def]
    """Replace the folio of slot `g` by a `shadow` or nothing; takes the lock it needs. :func:`flag_clear` follows."""


@required
def cache_clear(st, pr, g):  # type: ignore[no-untyped-def]
    """Clear the rest of the cache of slot `g`, which is being freed."""


@optional
def load_erases(st):  # type: ignore[no-untyped-def]
    """Tell if a zswap load searches its tree by taking the entry out, so under the lock. Default: it looks without a lock first."""
    return False


@optional
def cache_clear_run(st, pr, g, n):  # type: ignore[no-untyped-def]
    """Clear the rest of the cache of `n` slots of one cluster from `g` on, which are being freed together. Default: one by one.

    A design that takes the steps of another and has a :func:`cache_clear` of its own needs one of these too.
    """
    for i in range(n):
        cache_clear(st, pr, g + u(i))


@optional
def charge_run(st, pr, g, n, memcg):  # type: ignore[no-untyped-def]
    """:func:`charge` for `n` fresh slots of one cluster from `g` on, those of a large folio. Default: one by one.

    This and the three below are the steps of a large folio. A design that has a step of one slot of its own needs the other too.
    """
    for i in range(n):
        charge(st, pr, g + u(i), memcg)


@optional
def zero_mark_run(st, pr, g, n, zero):  # type: ignore[no-untyped-def]
    """:func:`zero_mark` for `n` slots of one cluster from `g` on. Default: one by one."""
    for i in range(n):
        zero_mark(st, pr, g + u(i), zero)


@optional
def cache_insert_run(st, pr, g, n):  # type: ignore[no-untyped-def]
    """:func:`cache_insert` of the `n` folios that `parts` names, for slots of one cluster from `g` on. Default: one by one."""
    for i in range(n):
        cache_insert(st, pr, g + u(i), st.parts[u(i) * U2])


@optional
def cache_remove_run(st, pr, g, n):  # type: ignore[no-untyped-def]
    """:func:`cache_remove` with a shadow for `n` slots of one cluster from `g` on. Default: one by one."""
    for i in range(n):
        cache_remove(st, pr, g + u(i), True)


@optional
def collects(st):  # type: ignore[no-untyped-def]
    """Tell if a slot that nothing holds is freed apart, after the lock of its cluster (``free_swap_slot``). Default: at once.

    The four steps below are asked of a design only where it does so.
    """
    return False


@optional
def slot_hold(st, g):  # type: ignore[no-untyped-def]
    """Keep slot `g`, which nothing holds, from being taken until it is freed apart. Default: none is."""
    return


@optional
def collect(st, pr, entry, g):  # type: ignore[no-untyped-def]
    """Free the slot of `entry` apart (``free_swap_slot``). No lock is held. Default: nothing is left to do."""
    return


@optional
def look_after(st, pr):  # type: ignore[no-untyped-def]
    """See, before a slot is taken, if freed slots are to be collected (``check_cache_active``). Default: none are."""
    return


@optional
def collected_drop(st, pr):  # type: ignore[no-untyped-def]
    """Free all slots that were collected, and collect no more for now (``disable_swap_slots_cache_lock``). Default: there are none."""
    return


@optional
def invalidate_erases(st):  # type: ignore[no-untyped-def]
    """Tell if ``zswap_invalidate`` takes the lock of an empty tree. Default: it looks first, as from 6.13 on."""
    return False


@optional
def clusters_grow(st, pr, d):  # type: ignore[no-untyped-def]
    """Give device `d`, which has no free cluster, more of them. Default: its clusters are there from swapon on. No lock is held."""
    return False


@optional
def is_virtual(st, g):  # type: ignore[no-untyped-def]
    """Tell if slot `g` is of a device without a place for data: it is charged to nobody, and no zswap tree has it. Default: none is."""
    return False


@optional
def cluster_reach(st, pr, g):  # type: ignore[no-untyped-def]
    """Walk to the cluster of slot `g` where headers are no array; return `g`, ONES if there is no such cluster. Default: they are one."""
    return g


@optional
def cluster_new(st, pr, d):  # type: ignore[no-untyped-def]
    """Make a cluster of device `d`, on no list: its number + 1; 0 if there is none to be had. Default: all are there from the start."""
    return U0


@optional
def cluster_gone(st, pr, d, c):  # type: ignore[no-untyped-def]
    """Free cluster `c` of device `d`, whose last slot went; its lock is held. False: it goes to the free list. Default: all do."""
    return False


@optional
def list_at(st, d, which):  # type: ignore[no-untyped-def]
    """Index in `dev` of the head of list `which` of device `d`; its tail follows. Default: a device has four lists."""
    return d * DEVICE_WORDS + FIRST_LIST + (which - U1) * U2


@optional
def home_list(st, c, which):  # type: ignore[no-untyped-def]
    """List of cluster `c` that is meant by `which`, nonfull or fragmented. Default: `which`, as all clusters are of order 0."""
    return which


@optional
def dedicate(st, c, order):  # type: ignore[no-untyped-def]
    """Give cluster `c`, which has no slot in use, to runs of 2^order slots. Default: all clusters are of order 0."""
    return


@optional
def backing_drop(st, pr, g, n):  # type: ignore[no-untyped-def]
    """Free what is behind `n` slots of one cluster from `g` on, before they are freed. Default: nothing that outlives the slot."""
    return


@optional
def slot_freed(st, pr, g):  # type: ignore[no-untyped-def]
    """Tell the driver of the device that slot `g` is being freed (``swap_slot_free_notify``). Default: no driver wants to know."""
    return


@optional
def driver_read(st, pr, entry, token):  # type: ignore[no-untyped-def]
    """Have the driver of its device read the slot of `entry`. Default: a disk has `token`, as it was noted. No lock is held."""
    return token


@optional
def slot_fetch(st, pr, g):  # type: ignore[no-untyped-def]
    """Prefetch what is kept of slot `g` (:mod:`kernels.life.prefetch`). Default: nothing."""
    return


NAMES = tuple(name for name, value in list(globals().items()) if hasattr(value, "default"))
"""Names of the steps."""
