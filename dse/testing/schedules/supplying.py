"""Locks and references that the life cycle leaves out, supplied around its functions: the model runs one CPU at a time and needs none.

Each wrapper stands for what the kernel does there (:class:`Supply`). Where no scheduler runs they do nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from dse.testing.schedules import faulting, folios, reclaiming
from dse.testing.schedules.kernel import Step, merged, one_step
from kernels import memory as w
from kernels.life import contracts, faults, lifecycle, moves, page_io, replay, steps, swapfile
from kernels.structures import cluster as cl
from kernels.structures import slots, xarray


class Supply(NamedTuple):
    """A wrapper: around which function of which module, and what the kernel has there."""

    module: Any
    name: str
    make: Callable[[Step], Step]
    kernel: str


EVERYWHERE = (
    Supply(w, "f_is", folios.f_is, "folio_test_*: atomic; a folio that another CPU has locked is locked"),
    Supply(w, "f_set", folios.f_set, "folio_set_*: atomic; LOCKED takes the folio lock (folio_lock)"),
    Supply(w, "f_clear", folios.f_clear, "folio_clear_*: atomic"),
    Supply(w, "mapcount", folios.mapcount, "folio_mapcount: atomic"),
    Supply(w, "folio_new", folios.folio_new, "__read_swap_cache_async: a folio of a move is locked before anybody sees it"),
    Supply(w, "folio_free", folios.folio_free, "folio_put: the last reference frees the folio"),
    Supply(w, "map_page", folios.map_page, "folio_add_anon_rmap_pte: atomic"),
    Supply(w, "unmap_page", folios.unmap_page, "folio_remove_rmap_pte: atomic"),
    Supply(w, "next_kin", reclaiming.next_kin, "rmap_walk_anon: the page-table lock of each PTE, one after the other"),
    Supply(steps, "drop_unused", folios.with_reference, "__try_to_reclaim_swap: a reference, folio_trylock"),
    Supply(lifecycle, "orphan", folios.with_reference, "free_swap_cache: a reference, folio_trylock"),
    Supply(lifecycle, "reclaim", reclaiming.reclaim, "shrink_folio_list: a reference, folio_trylock"),
    Supply(lifecycle, "unmap_all", reclaiming.unmap_all, "try_to_unmap: page-table lock; a folio that is still mapped stays"),
    Supply(lifecycle, "writeback_end", reclaiming.writeback_end, "folio_end_writeback; then shrink_folio_list with folio_trylock"),
    Supply(lifecycle, "swap_out", reclaiming.swap_out, "shrink_folio_list on behalf of a move: a reference, folio_trylock"),
    Supply(lifecycle, "zap", reclaiming.shared_mm, "zap_pte_range: mmap_lock for reading, page-table lock"),
    Supply(lifecycle, "cow", reclaiming.shared_mm, "do_wp_page: mmap_lock for reading, page-table lock"),
    Supply(lifecycle, "fork", reclaiming.fork, "copy_pte_range: mmap_lock for writing, page-table locks of child and parent"),
    Supply(faults, "fault", faulting.fault, "handle_mm_fault: mmap_lock for reading; folios are unlocked and put at the end"),
    Supply(faults, "first_touch", faulting.first_touch, "do_anonymous_page: page-table lock, the PTE is looked at again"),
    Supply(faults, "install", faulting.install, "do_swap_page: page-table lock, pte_same"),
    Supply(faults, "complete", faulting.under_table_lock, "do_swap_page: page-table lock"),
    Supply(moves, "fault_all", reclaiming.fault_all, "folio_get of the folio that was faulted in for a move"),
    Supply(moves, "rewrite_ptes", reclaiming.rewrite_ptes, "rmap_walk_anon: page-table lock"),
    Supply(swapfile, "alloc_after_reclaim", reclaiming.reclaim_full, "__try_to_reclaim_swap: folio_put frees what nothing maps"),
    Supply(cl, "scan_cluster", reclaiming.scan_cluster, "alloc_swap_scan_cluster: SWP_WRITEOK is looked at under the lock of the cluster"),
    Supply(cl, "move_to_end", reclaiming.move_to_end, "swap_reclaim_full_clusters: a cluster is moved when it is picked, before the look"),
    Supply(cl, "turn_off", reclaiming.turn_off, "wait_for_allocation: swapoff takes and drops the lock of each cluster"),
    Supply(cl, "turned_off", reclaiming.turned_off, "swapoff: the device is gone from here on"),
    Supply(page_io, "read_device", reclaiming.read_device, "swap_read_folio: a device that is gone is not read"),
    Supply(xarray, "load", one_step, "xa_load: one step, as under RCU"),
)
"""Functions that are replaced wherever they are used."""
HERE = (
    Supply(faults, "lookup", faulting.found_locked, "swap_cache_get_folio and folio_lock; still in the swap cache?"),
    Supply(faults, "same", faulting.same, "do_swap_page: asked under the page-table lock"),
    Supply(faults, "read_begin", faulting.read_begin, "__folio_set_locked before the folio is in the swap cache"),
    Supply(faults, "read_abort", faulting.read_abort, "folio_unlock and folio_put of a folio that was read for nothing"),
    Supply(faults, "resolve", faulting.something, "do_swap_page: an entry that is gone means another PTE by now; the fault ends"),
    Supply(lifecycle, "lookup", reclaiming.found_tried, "filemap_get_folio and folio_trylock; still in the swap cache?"),
    Supply(lifecycle, "evict", reclaiming.evict, "__remove_mapping: folio_ref_freeze; a folio that others refer to stays"),
    Supply(replay, "resolve", faulting.something, "a move of an entry that is gone ends"),
    Supply(replay, "move", reclaiming.move, "a page is moved by one CPU at a time; folios are put at the end"),
)
"""Functions and steps that are replaced where these modules use them."""
STEPS = (
    Supply(steps, "free_swap", folios.free_swap, "folio_free_swap: folio_trylock where the folio is not locked; still in the swap cache?"),
    Supply(steps, "move_step", reclaiming.move_step, "folio_unlock at the end of a step of a move"),
    Supply(steps, "swapoff", reclaiming.put_at_end, "folios of a swapoff are put at its end"),
    Supply(steps, "resolve", one_step, "the lookup of a layer: one step, as under RCU"),
    Supply(steps, "lookup", reclaiming.looked_up, "swap_cache_get_folio: one step, as under RCU; folio_try_get"),
    Supply(slots, "cache_find", one_step, "swap_cache_get_folio: one step, as under RCU"),
    Supply(slots, "owner_of", one_step, "lookup_swap_cgroup_id: one step"),
    Supply(slots, "zero_of", one_step, "swap_zeromap_folio_test: one step"),
)
"""Steps that are replaced wherever a design's own is used."""


MERGED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("kernels.designs.swap_desc.descriptor", ("cache_word", "read_begin", "put")),
    ("kernels.designs.vswap_rfc.space", ("cache_pin", "cache_unpin", "count_up", "count_down")),
    ("kernels.designs.oracle.words", ("dup", "put", "read_begin", "read_abort", "read_end", "free_swap", "evict", "claim", "writeout")),
)
"""Functions that with the look before them are one step: a compare-and-swap, a count that is lowered and tested; all of a lower bound."""


@contextmanager
def supplied(cls: type) -> Iterator[None]:
    """Put the wrappers in place, for states of class `cls`."""
    undo: list[Callable[[], None]] = []
    places = _places()

    def put_in(holder: Any, name: str, value: Any) -> None:
        before = getattr(holder, name)
        setattr(holder, name, value)
        undo.append(lambda: setattr(holder, name, before))

    def put_in_table(op: Any, value: Any) -> None:
        before = op.table[cls]
        op.table[cls] = value
        undo.append(lambda: op.table.__setitem__(cls, before))

    def replace(right: Any, wrong: Any) -> None:
        for holder, known in places.get(id(right), ()):
            put_in(holder, known, wrong)

    try:
        for one in HERE:
            put_in(one.module, one.name, one.make(getattr(one.module, one.name)))
        for one in STEPS:
            op = getattr(one.module, one.name)
            if cls in op.table:
                right = op.table[cls]
                wrong = one.make(right)
                replace(right, wrong)
                put_in_table(op, wrong)
        for one in (*EVERYWHERE, *_merged()):
            right = getattr(one.module, one.name)
            wrong = one.make(right)
            replace(right, wrong)
            for step in contracts.interface().values():
                if step.table.get(cls) is right:
                    put_in_table(step, wrong)
        yield
    finally:
        for back in reversed(undo):
            back()


def _merged() -> Iterator[Supply]:
    """The rows of :data:`MERGED` whose modules are loaded."""
    for name, functions in MERGED:
        for function in functions if name in sys.modules else ():
            yield Supply(sys.modules[name], function, merged, "")


def _places() -> dict[int, list[tuple[Any, str]]]:
    """Modules of kernels that know an object, and its names there, by identity."""
    places: dict[int, list[tuple[Any, str]]] = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("kernels"):
            for known, value in vars(module).items():
                places.setdefault(id(value), []).append((module, known))
    return places
