"""Functions of the virtual slots of April 2025, for ``dse explain``: the traced code announces them; those of the reverse tree besides."""

from __future__ import annotations

from kernels.designs.swap_id_rmap import functions as reverse
from kernels.observing.functions import Seen

ALONE = {"swap descriptor": "vswap_free", "virtual slot map": "xa_load (virtual slot)", "virtual cluster counts": "vswap_alloc"}


def function_of(op: str, what: str, write: bool, seen: Seen, held: set[str]) -> str | None:
    """Function behind an access to region `what` that nothing announces, None for other regions."""
    return ALONE.get(what) or reverse.function_of(op, what, write, seen, held)
