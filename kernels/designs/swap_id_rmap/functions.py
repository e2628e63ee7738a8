"""Functions of the reverse tree, for ``dse explain``; the traced code announces them. All others are those of the ID layer."""

from __future__ import annotations

from kernels.designs.swap_id import functions as ids
from kernels.observing.functions import Seen


def function_of(op: str, what: str, write: bool, seen: Seen, held: set[str]) -> str | None:
    """Function behind an access to region `what`, None for regions that the layer does not know."""
    return "xa_load (reverse)" if what.startswith("reverse") else ids.function_of(op, what, write, seen, held)
