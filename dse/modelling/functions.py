"""The kernel function that a step of a trace models, told from the operation, the region touched and the steps before.

Functions of Linux 6.12 to 6.17 by name. Structures that no kernel has yet carry the function names of their proposal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kernels.life.registry import Design
from kernels.observing.functions import FAULTS, Seen, ends_writeback, is_locked
from kernels.own import Region, Step


@dataclass
class Event:
    """One event of a trace.

    Attributes
    ----------
    event : str
        chase (a dependent read), read, write, atomic (a read-modify-write), lock, unlock, alloc or free.
    what : str
        Structure, lock class or allocation class.
    line : int
        Ordinal of the 64-byte line among the lines of the operation, 0 where there is none.
    step : int
        Number of the kernel function that the traced code announced (0 none).
    function : str
        The kernel function that is modelled.
    """

    event: str
    what: str
    line: int = 0
    step: int = 0
    function: str = ""

    @property
    def label(self) -> str:
        """Event and structure."""
        return f"{self.event} {self.what}"


PTE = {
    "first_touch": "do_anonymous_page", "swap_in": "do_swap_page", "cache_hit": "do_swap_page", "swap_out": "try_to_unmap_one",
    "clean_drop": "try_to_unmap_one", "fork": "copy_nonpresent_pte", "zap": "zap_pte_range", "cow": "do_wp_page", "reuse": "do_wp_page",
    "swapoff": "unuse_pte_range", "move": "do_swap_page", "read_ahead": "swap_vma_readahead",
}  # fmt: skip
ZSWAP = {"swap_out": "zswap_store", "swap_in": "zswap_load", "move": "zswap_writeback_entry", "read_ahead": "zswap_load"}
ZRAM = {"swap_out": "zram_write_page", "swap_in": "zram_read_page", "read_ahead": "zram_read_page"}


def _swap_map(op: str, write: bool, seen: Seen) -> str:
    """Name the kernel function behind an access to swap_map."""
    if op == "swap_out":
        return "swap_duplicate" if seen.cached else ("cluster_alloc_range" if write else "alloc_swap_scan_cluster")
    if op == "fork" or (op == "clean_drop" and not seen.mapped):
        return "swap_duplicate"
    if op in (*FAULTS, "move") and not seen.mapped:
        return "swapcache_prepare"
    if op in ("writeback_end", "clean_drop", "move"):
        return "put_swap_folio"
    return "swap_free_nr"


def _swap_cache(op: str, held: set[str], seen: Seen) -> str:
    """Name the kernel function behind an access to the swap cache."""
    if not is_locked(held):
        return "filemap_get_folio"
    if "cluster" in held:
        return "clear_shadow_from_swap_cache"
    if op in ("writeback_end", "clean_drop") or ends_writeback(op, seen):
        return "__delete_from_swap_cache"
    if op == "swap_out" or (op in (*FAULTS, "move") and not seen.mapped):
        return "add_to_swap_cache"
    return "delete_from_swap_cache"


def function_of(op: str, event: Event, seen: Seen, held: set[str], design: Design) -> str:
    """Name the kernel function behind a touch.

    Parameters
    ----------
    op : str
        The operation.
    event : Event
        A chase, read, write or atomic.
    seen : Seen
        The finished part of the operation.
    held : set of str
        Lock classes that are held.
    design : Design
        The design, which names the functions of its own regions.
    """
    what, write = event.what, event.event in ("write", "atomic")
    if "device" in held and what in ("swap device", "cluster header"):
        return "move_cluster" if seen.slot else "isolate_lock_cluster"
    if "zswap LRU" in held:
        return "zswap_lru_add" if op == "swap_out" else "zswap_lru_del"
    own = design.function_of(op, what, write, seen, held) if design.function_of else None
    if own is not None:
        return own
    if what == "swap_map":
        return _swap_map(op, write, seen)
    if what.startswith("swap cache"):
        return _swap_cache(op, held, seen)
    names = {
        "PTE": PTE.get(op, "rmap_walk_anon"),
        "swap device": "get_swap_device" if not write else "swap_usage_add" if op == "swap_out" else "swap_usage_sub",
        "cluster header": "swap_cluster_lock",
        "nr_swap_pages": "swap_range_alloc" if op == "swap_out" else "swap_range_free",
        "zswap_stored_pages": "zswap_store_page" if op == "swap_out" else "zswap_entry_free",
        "zswap_lruvec_state": "zswap_folio_swapin",
        "per-CPU cluster": "cluster_alloc_swap_entry",
        "cgroup": "swap_cgroup_record" if op == "swap_out" else "swap_cgroup_clear" if write else "lookup_swap_cgroup_id",
        "zeromap": "swap_zeromap_folio_set" if op == "swap_out" else "swap_entries_free" if write else "swap_read_folio_zeromap",
        "zswap tree": ZSWAP.get(op, "zswap_invalidate"),
        "zswap node": ZSWAP.get(op, "zswap_invalidate"),
        "zswap_entry": ZSWAP.get(op, "zswap_invalidate"),
        "zsmalloc object": "zswap_compress" if op == "swap_out" else "zswap_decompress",
        "continuation": "add_swap_count_continuation" if op == "fork" else "swap_count_continued",
        "owner record": "rewrite (owner record)",
        "zram table": ZRAM.get(op, "zram_slot_free_notify"),
        "slot bitmap": "swap_slot_alloc" if op in ("swap_out", "move") else "swap_slot_free_nr",
    }
    declared = design.own.all(Region).get(what)
    named = declared.function if declared else ""
    return names.get(what) or named or what


def attribute(op: str, events: Sequence[Event], design: Design) -> None:
    """Fill in the functions of `events` of an operation of `design`.

    A lock belongs to the function of the next touch, an unlock and an allocation to that of the last touch. A function that the traced
    code announces itself comes first.
    """
    steps = design.own.names(Step)
    seen, held = Seen(slot=op != "swap_out"), set[str]()
    for event in events:
        if event.event == "lock":
            held.add(event.what)
            seen.cached = seen.cached or event.what == "swap cache xa_lock"
        elif event.event == "unlock":
            held.discard(event.what)
        elif event.event in ("chase", "read", "write", "atomic"):
            seen.mapped = seen.mapped or event.label in ("write PTE", "chase zsmalloc object")
            seen.slot = seen.slot or event.label == "write swap_map"
            seen.regions.add(event.what)
            event.function = function_of(op, event, seen, held, design)
        if event.step:
            event.function = steps[event.step]
    following = ""
    for event in reversed(events):
        if event.event == "lock":
            event.function = event.function or following
        following = event.function or following
    before = ""
    for event in events:
        event.function = event.function or before
        before = event.function
