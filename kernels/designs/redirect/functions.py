"""Functions of redirect, for ``dse explain``: its look-ups, which nobody has posted, and those of the swap tables."""

from __future__ import annotations

from kernels.designs.swap_table import functions as tables
from kernels.observing.functions import Seen


def function_of(op: str, what: str, write: bool, seen: Seen, held: set[str]) -> str | None:
    """Function behind an access to region `what` of the arrays or of the tables, None for other regions."""
    if what == "redirect array":
        return "redirect set" if write else "redirect look-up"
    if what == "swap table" and op == "move" and "per-CPU cluster" in seen.regions:
        return "swap_cache_del_folio" if "redirect array" in seen.regions else "cluster_scan_range"
    return tables.function_of(op, what, write, seen, held)
