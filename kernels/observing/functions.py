"""The kernel function behind a step of ``dse explain``: the contract of ``Design.function_of``, and a rule that trees share."""

from __future__ import annotations

from dataclasses import dataclass, field

FAULTS = ("swap_in", "cache_hit", "read_ahead")
"""Operations that look into the swap cache to read a page."""
TREE = {**dict.fromkeys((*FAULTS, "fork", "zap"), "xa_load"), "swap_out": "xa_alloc", "move": "xa_store"}


@dataclass
class Seen:
    """The finished part of an operation.

    Attributes
    ----------
    cached : bool
        The swap cache was entered.
    mapped : bool
        A PTE was written or, in an operation that writes none, the data was read.
    slot : bool
        A slot was taken, or the operation takes none.
    regions : set of str
        Regions touched.
    """

    cached: bool = False
    mapped: bool = False
    slot: bool = False
    regions: set[str] = field(default_factory=set)


def ends_writeback(op: str, seen: Seen) -> bool:
    """Is this the end of the writeback of a zswap page to its own slot, a move that reads no PTE?"""
    return op == "move" and seen.mapped and "PTE" not in seen.regions


def is_locked(held: set[str]) -> bool:
    """Tell whether the lock of a tree or of an allocator is held."""
    return any("xa_lock" in name or "allocator" in name for name in held)


def tree_function(op: str, what: str, held: set[str]) -> str:
    """Name the kernel function behind an access to the tree of a layer, with the first word of the region's name."""
    erases = is_locked(held) and op not in ("swap_out", "move")
    return f"{'xa_erase' if erases else TREE.get(op, 'xa_erase')} ({what.split(' ', maxsplit=1)[0]})"
