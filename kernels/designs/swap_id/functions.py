"""Functions of the ID layer, for ``dse explain``: those of the xarray, with the word ID, and those of the base."""

from __future__ import annotations

from kernels.designs.swap_table import functions as tables
from kernels.observing.functions import Seen, tree_function


def function_of(op: str, what: str, write: bool, seen: Seen, held: set[str]) -> str | None:
    """Function behind an access to region `what` of the ID layer or of the swap tables under it, None for other regions."""
    if what.startswith("ID"):
        return tree_function(op, what, held)
    return tables.function_of(op, what, write, seen, held)
