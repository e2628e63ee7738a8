"""Kernel functions of the swap tables, for ``dse explain`` (mm/swap_table.h, mm/swap_state.c, mm/swapfile.c of 6.18 and later)."""

from __future__ import annotations

from kernels.observing.functions import Seen, ends_writeback


def function_of(op: str, what: str, write: bool, seen: Seen, held: set[str]) -> str | None:
    """Function behind an access to region `what` of the swap tables, None for other regions."""
    if what == "memcg table":
        return "swap_cgroup_set" if write else "swap_cgroup_get"
    if what == "extend table":
        return "swap_extend_table_alloc" if op == "fork" else "swap_extend_table"
    if what == "swap_map" and op == "swap_out" and "cgroup" in seen.regions:
        return "swap_duplicate"
    if what != "swap table":
        return None
    if not write and "cluster" not in held:
        return "swap_cache_get_folio"
    if not write:
        return "cluster_scan_range" if op == "swap_out" else "swap_cache_add_folio"
    if op == "swap_out":
        return "swap_dup_entries_cluster" if seen.mapped else "swap_cache_add_folio"
    if op == "fork":
        return "swap_dup_entries_cluster"
    if op in ("writeback_end", "clean_drop") or ends_writeback(op, seen):
        return "swap_cache_del_folio"
    return "swap_put_entries_cluster" if seen.mapped or op == "zap" else "swap_cache_add_folio"
