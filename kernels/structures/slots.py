"""Interface to a slot's data on a swap device: count, cached folio, owner, zero bit. *direct* and the swap tables store them differently.

The steps of a swap device (:mod:`kernels.life.swapfile`) and the moves are written on
these functions. ``g`` is the number of the slot in the arrays that cover all devices.
Unless a docstring says otherwise the caller holds the cluster lock, or no lock is
needed.
"""

from __future__ import annotations

from kernels.compiling.jit import operation


@operation
def slot_scan(st, pr, first, end):  # type: ignore[no-untyped-def]
    """First free slot in `first` .. `end` - 1, plus 1; 0 if there is none."""


@operation
def slot_mark(st, pr, g, used):  # type: ignore[no-untyped-def]
    """Mark slot `g` as used (and cached), or free. Called before the cluster's count of used slots changes."""


@operation
def owner_set(st, pr, g, memcg):  # type: ignore[no-untyped-def]
    """Record the memory cgroup that slot `g` is charged to (``swap_cgroup_record``), 0 for none."""


@operation
def charge(st, pr, g, memcg):  # type: ignore[no-untyped-def]
    """``__mem_cgroup_try_charge_swap`` of a fresh slot `g`: :func:`owner_set` with the lock that the design needs."""


@operation
def owner_of(st, pr, g):  # type: ignore[no-untyped-def]
    """Memory cgroup of slot `g` (``lookup_swap_cgroup_id``)."""


@operation
def zero_of(st, pr, g):  # type: ignore[no-untyped-def]
    """True if the page of slot `g` was zero-filled."""


@operation
def zero_set(st, pr, g, zero):  # type: ignore[no-untyped-def]
    """Write the zero bit of slot `g`."""


@operation
def zero_mark(st, pr, g, zero):  # type: ignore[no-untyped-def]
    """``swap_zeromap_folio_set`` or ``_clear`` before a page is written: :func:`zero_set` with the lock that the design needs."""


@operation
def count_up(st, pr, g):  # type: ignore[no-untyped-def]
    """Add one PTE to the count of slot `g`; False if there was no room for the count."""


@operation
def count_down(st, pr, g):  # type: ignore[no-untyped-def]
    """Take one PTE off the count of slot `g`; True if none is left."""


@operation
def count_of(st, g):  # type: ignore[no-untyped-def]
    """Full count of slot `g`."""


@operation
def count_set(st, pr, g, count):  # type: ignore[no-untyped-def]
    """Write the count of slot `g`; False if :func:`count_prepare` has made no room for it."""


@operation
def count_prepare(st, pr, g, count):  # type: ignore[no-untyped-def]
    """Make room for a count of slot `g`; False if there is none to be had. No lock is held, as the allocation may sleep."""


@operation
def unheld(st, g):  # type: ignore[no-untyped-def]
    """True if no PTE holds slot `g`."""


@operation
def count_read(st, pr, g):  # type: ignore[no-untyped-def]
    """Read the line of the count of slot `g`, without the lock."""


@operation
def is_cached(st, g):  # type: ignore[no-untyped-def]
    """True if the swap cache has slot `g`, or another task is about to put it there."""


@operation
def flag_set(st, pr, g):  # type: ignore[no-untyped-def]
    """Give slot `g`, which PTEs hold, to the swap cache: its count (up to 62), 0 if the slot is free or cached already."""


@operation
def flag_clear(st, pr, g):  # type: ignore[no-untyped-def]
    """Take slot `g` from the swap cache."""


@operation
def cache_find(st, pr, g):  # type: ignore[no-untyped-def]
    """Folio of slot `g` in the swap cache, 0 if none (empty, or a shadow). No lock (RCU)."""


@operation
def cache_insert(st, pr, g, f):  # type: ignore[no-untyped-def]
    """Enter folio `f` as the cache of slot `g`, which is marked cached; takes the lock it needs."""


@operation
def cache_remove(st, pr, g, shadow):  # type: ignore[no-untyped-def]
    """Replace the folio of slot `g` by a `shadow` or nothing; takes the lock it needs. :func:`flag_clear` follows."""


@operation
def cache_clear(st, pr, g):  # type: ignore[no-untyped-def]
    """Clear the rest of the cache of slot `g`, which is being freed."""


@operation
def slot_fetch(st, pr, g):  # type: ignore[no-untyped-def]
    """Prefetch the data of slot `g` (:mod:`kernels.life.prefetch`)."""


NAMES = (
    "slot_fetch", "slot_scan", "slot_mark", "owner_set", "charge", "owner_of", "zero_of", "zero_set", "zero_mark", "count_up", "count_down",
    "count_of", "count_set", "count_prepare", "unheld", "count_read", "is_cached", "flag_set", "flag_clear", "cache_find", "cache_insert",
    "cache_remove", "cache_clear",
)  # fmt: skip
