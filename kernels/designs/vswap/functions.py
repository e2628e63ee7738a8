"""Functions of mm/vswap.c as posted (20260505153854.1612033-1-nphamcs@gmail.com), for ``dse explain``."""

from __future__ import annotations

from kernels.designs.swap_table import functions as tables
from kernels.observing.functions import FAULTS, Seen

BY_OPERATION = {
    "swap_out": "folio_alloc_swap", "fork": "swap_duplicate_nr", "zap": "vswap_free_nr_any_cache_only",
    "writeback_end": "__vswap_remove_mapping", "clean_drop": "__vswap_remove_mapping", "cow": "folio_free_swap",
    "reuse": "folio_free_swap", "swapoff": "swp_slot_to_swp_entry", "move": "vswap_alloc_swap_slot",
}  # fmt: skip
MAP = ("virtual cluster map", "virtual cluster node", "per-CPU virtual cluster")


def function_of(op: str, what: str, write: bool, seen: Seen, held: set[str]) -> str | None:
    """Function behind an access to region `what` of the virtual space or of the tables of its devices, None for other regions."""
    if what == "swp_desc" or "virtual cluster" in what:
        return _virtual(op, what, write, seen, held)
    if what == "swap table" and any("virtual cluster" in region for region in seen.regions):
        return "vswap_rmap_set" if write else "swp_slot_to_swp_entry"
    return tables.function_of(op, what, write, seen, held)


def _virtual(op: str, what: str, write: bool, seen: Seen, held: set[str]) -> str:
    """Function behind an access to a virtual cluster, the map of clusters or a descriptor."""
    if "virtual cluster map xa_lock" in held:
        return "folio_alloc_swap" if op == "swap_out" else "vswap_cluster_free"
    if what in MAP and op != "swap_out":
        return "vswap_iter"
    if op in FAULTS:
        if seen.mapped:
            return "swap_free_nr"
        return ("swap_cache_add_folio" if write else "swap_cache_get_folio") if what == "swp_desc" else "vswap_iter"
    if op == "swap_out" and seen.mapped:
        return "vswap_prepare_writeout" if write else "vswap_iter"
    return BY_OPERATION.get(op, "vswap_iter")
