"""Functions of the lower bound, for ``dse explain``: there is no such function in any kernel."""

from __future__ import annotations

from kernels.observing.functions import Seen


def function_of(op: str, what: str, write: bool, seen: Seen, held: set[str]) -> str | None:
    """Say of an access to a page's word that nothing real makes it; None for other regions."""
    return "(lower bound)" if what == "page word" else None
