"""Functions of the swap-table edition, for ``dse explain``: those of its xarray and virtual table, and those of the swap tables."""

from __future__ import annotations

from kernels.designs.swap_table import functions as tables
from kernels.observing.functions import Seen, ends_writeback

BY_OPERATION = {
    "swap_out": "__vswap_release_backing", "writeback_end": "__vswap_release_backing", "zap": "__vswap_release_backing",
    "clean_drop": "__vswap_release_backing", "move": "folio_realloc_swap", "swapoff": "vswap_to_phys",
}  # fmt: skip


def function_of(op: str, what: str, write: bool, seen: Seen, held: set[str]) -> str | None:
    """Function behind an access to region `what` of the virtual device or of the tables, None for other regions."""
    if what in ("virtual cluster map", "virtual cluster node"):
        return "__swap_offset_to_cluster"
    if what == "virtual cluster":
        return "vswap_cluster_alloc_vtable" if write else "__vtable_get"
    if what == "virtual table":
        return BY_OPERATION.get(op, "__vtable_get")
    takes = op == "move" and seen.regions >= {"virtual table", "per-CPU cluster"}
    if what == "swap table" and takes and not ends_writeback(op, seen):
        return "cluster_scan_range"
    return tables.function_of(op, what, write, seen, held)
