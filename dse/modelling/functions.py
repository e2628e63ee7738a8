"""Which kernel function a step of the trace models: by the operation, what is touched, and what came before.

Functions of Linux 6.12 to 6.17 by name. Structures of a design that no kernel has are given the function of the proposal's own words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Event:
    """One event of a trace.

    Attributes
    ----------
    event : str
        chase (a dependent read), read, write, lock, unlock, alloc or free.
    what : str
        Structure, lock class or allocation class.
    line : int
        Ordinal of the 64-byte line among the lines of the operation, 0 where there is none.
    step : int
        Number of the kernel function that the kernel itself gave (0 none).
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


FAULTS = ("swap_in", "cache_hit")
PTE = {
    "first_touch": "do_anonymous_page", "swap_in": "do_swap_page", "cache_hit": "do_swap_page", "swap_out": "try_to_unmap_one",
    "clean_drop": "try_to_unmap_one", "fork": "copy_nonpresent_pte", "zap": "zap_pte_range", "cow": "do_wp_page", "reuse": "do_wp_page",
    "swapoff": "unuse_pte_range", "move": "do_swap_page",
}  # fmt: skip
ZSWAP = {"swap_out": "zswap_store", "swap_in": "zswap_load", "move": "zswap_writeback_entry"}
ZRAM = {"swap_out": "zram_write_page", "swap_in": "zram_read_page"}
LAYER = {"swap_out": "xa_alloc", "swap_in": "xa_load", "cache_hit": "xa_load", "fork": "xa_load", "zap": "xa_load", "move": "xa_store"}


@dataclass
class Seen:
    """What the operation has done so far."""

    cached: bool = False
    mapped: bool = False  # or, where no PTE is written, the data was read
    slot: bool = False
    virtual: bool = False  # a virtual cluster was there: what swap tables hold are reverse words


def _swap_map(op: str, write: bool, seen: Seen) -> str:
    """Function behind an access to swap_map."""
    if op == "swap_out":
        return "swap_duplicate" if seen.cached else ("cluster_alloc_range" if write else "alloc_swap_scan_cluster")
    if op == "fork" or (op == "clean_drop" and not seen.mapped):
        return "swap_duplicate"
    if op in (*FAULTS, "move") and not seen.mapped:
        return "swapcache_prepare"
    if op in ("writeback_end", "clean_drop", "move"):
        return "put_swap_folio"
    return "swap_free_nr"


def _swap_cache(op: str, write: bool, seen: Seen) -> str:
    """Function behind an access to the swap cache."""
    if not write:
        return "filemap_get_folio"
    if op in ("writeback_end", "clean_drop"):
        return "__delete_from_swap_cache"
    if op == "swap_out" or (op in (*FAULTS, "move") and not seen.mapped):
        return "add_to_swap_cache"
    return "delete_from_swap_cache"


def _swap_table(op: str, write: bool, seen: Seen) -> str:
    """Function behind an access to a swap table."""
    if not write:
        return "swap_cache_get_folio" if op in (*FAULTS, "zap") else "cluster_scan_range" if op == "swap_out" else "swap_cache_get_folio"
    if op == "swap_out":
        return "swap_cache_add_folio" if not seen.mapped else "swap_dup_entries_cluster"
    if op == "fork":
        return "swap_dup_entries_cluster"
    if op in ("writeback_end", "clean_drop"):
        return "swap_cache_del_folio"
    return "swap_put_entries_cluster" if seen.mapped or op == "zap" else "swap_cache_add_folio"


VIRTUAL = {
    "swap_out": "folio_alloc_swap", "fork": "swap_duplicate_nr", "zap": "vswap_free_nr_any_cache_only",
    "writeback_end": "__vswap_remove_mapping", "clean_drop": "__vswap_remove_mapping", "cow": "folio_free_swap",
    "reuse": "folio_free_swap", "swapoff": "swp_slot_to_swp_entry", "move": "vswap_alloc_swap_slot",
}  # fmt: skip
"""Functions of mm/vswap.c as posted (20260505153854.1612033-1-nphamcs@gmail.com)."""


def _virtual(op: str, what: str, write: bool, seen: Seen, held: set[str]) -> str:
    """Function behind an access to a virtual cluster, the map of clusters or a descriptor."""
    if "virtual cluster map xa_lock" in held:
        return "folio_alloc_swap" if op == "swap_out" else "vswap_cluster_free"
    if what in ("virtual cluster map", "virtual cluster node", "per-CPU virtual cluster") and op != "swap_out":
        return "vswap_iter"
    if op in FAULTS:
        if seen.mapped:
            return "swap_free_nr"
        return ("swap_cache_add_folio" if write else "swap_cache_get_folio") if what == "swp_desc" else "vswap_iter"
    if op == "swap_out" and seen.mapped:
        return "vswap_prepare_writeout" if write else "vswap_iter"
    return VIRTUAL.get(op, "vswap_iter")


def function_of(op: str, event: Event, seen: Seen, held: set[str]) -> str:
    """Name the kernel function behind a touch.

    Parameters
    ----------
    op : str
        The operation.
    event : Event
        A chase, read or write.
    seen : Seen
        What was done before.
    held : set of str
        Lock classes that are held.
    """
    what, write = event.what, event.event == "write"
    locked = any("xa_lock" in name or "allocator" in name for name in held)
    if "device" in held and what in ("swap device", "cluster header"):
        return "move_cluster" if seen.slot else "isolate_lock_cluster"
    if "zswap LRU" in held:
        return "zswap_lru_add" if op == "swap_out" else "zswap_lru_del"
    if what == "swap_map":
        return _swap_map(op, write, seen)
    if what == "swap table" and seen.virtual:
        return "vswap_rmap_set" if write else "swp_slot_to_swp_entry"
    if what == "swap table":
        return _swap_table(op, write, seen)
    if what.startswith("swap cache"):
        return _swap_cache(op, locked, seen)
    if what == "swp_desc" or "virtual cluster" in what:
        return _virtual(op, what, write, seen, held)
    if what.startswith(("ID", "descriptor", "zswap index")):
        return ("xa_erase" if locked and op not in ("swap_out", "move") else LAYER.get(op, "xa_erase")) + f" ({what.split(' ')[0]})"
    names = {
        "PTE": PTE.get(op, "rmap_walk_anon"),
        "rmap": "rmap_walk_anon",
        "swap device": "get_swap_device" if not write else "swap_usage_add" if op == "swap_out" else "swap_usage_sub",
        "cluster header": "swap_cluster_lock",
        "per-CPU cluster": "cluster_alloc_swap_entry",
        "cgroup": "swap_cgroup_record" if op == "swap_out" else "swap_cgroup_clear" if write else "lookup_swap_cgroup_id",
        "zeromap": "swap_zeromap_folio_set" if op == "swap_out" else "swap_entries_free" if write else "swap_read_folio_zeromap",
        "zswap tree": ZSWAP.get(op, "zswap_invalidate"),
        "zswap node": ZSWAP.get(op, "zswap_invalidate"),
        "zswap_entry": ZSWAP.get(op, "zswap_invalidate"),
        "zsmalloc object": "zswap_compress" if op == "swap_out" else "zswap_decompress",
        "continuation": "add_swap_count_continuation" if op == "fork" else "swap_count_continued",
        "memcg table": "swap_cgroup_set" if write else "swap_cgroup_get",
        "extend table": "swap_extend_table_alloc" if op == "fork" else "swap_extend_table",
        "owner record": "rewrite (owner record)",
        "zram table": ZRAM.get(op, "zram_slot_free_notify"),
        "swap_desc": "swap_desc",
        "slot bitmap": "swap_slot_alloc" if op in ("swap_out", "move") else "swap_slot_free_nr",
        "bad bitmap": "swap_slot_alloc",
    }
    return names.get(what, what)


def attribute(op: str, events: Sequence[Event], steps: Sequence[str] = ()) -> None:
    """Fill in the functions of `events`.

    A lock belongs to what is touched next, an unlock and an allocation to what was touched last. `steps` are the names of the
    functions that kernels themselves announce.
    """
    seen, held = Seen(slot=op != "swap_out"), set[str]()
    for event in events:
        if event.event == "lock":
            held.add(event.what)
            seen.cached = seen.cached or event.what == "swap cache xa_lock"
        elif event.event == "unlock":
            held.discard(event.what)
        elif event.event in ("chase", "read", "write"):
            seen.mapped = seen.mapped or event.label in ("write PTE", "chase zsmalloc object")
            seen.slot = seen.slot or event.label == "write swap_map"
            seen.virtual = seen.virtual or "virtual cluster" in event.what
            event.function = function_of(op, event, seen, held)
        if event.step and event.step < len(steps):
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
