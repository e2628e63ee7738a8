"""Experiments of a record: their tables, the marks of what the plugin counts, the steps of the guest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

BACKENDS = ("zswap", "zero", "disk")
LISTS = ("two", "mglru")
"""Lists of pages: active and inactive, or generations (MGLRU)."""
SINGLE = ("swap_out", "swap_in_read", "swap_out_again", "swap_in_write", "zap")
FORKED, ZAPPED = (0, 1, 16, 256, 512), (1, 16, 256, 512)
"""Page-table entries of a fork or zap (guest/range.h)."""
ORDERS = range(2, 10)
"""Orders of folios (guest/folio.h)."""
EXPERIMENTS = ("fill", "trace", "operation", "fork", "zap", "swapoff", "writeback", "folio")
COUNTED = EXPERIMENTS[2:]
"""Those that the plugin counts."""
BASES: Mapping[tuple[str, str], int] = {
    ("operation", "zswap"): 1, ("operation", "zero"): 11, ("operation", "disk"): 201,
    ("range", "zswap"): 224, ("range", "zero"): 233, ("range", "disk"): 242,
    ("swapoff", "zswap"): 140, ("swapoff", "zero"): 142, ("swapoff", "disk"): 144, ("writeback", "zswap"): 150,
    ("folio", "zswap"): 160, ("folio", "zero"): 176, ("folio", "disk"): 208,
}  # fmt: skip
"""First mark of a step. An interrupt drops an operation below mark 128 (LONG in guest/plugin.c)."""


class Mark(NamedTuple):
    """Meaning of a mark: experiment, backend, operation, and its pages (-1: the guest says how many)."""

    experiment: str
    backend: str
    operation: str
    pages: int


def _of_step(step: str, many: int) -> list[tuple[str, str, int]]:
    """(experiment, operation, pages) of the marks of a step, in their order."""
    if step == "operation":
        return [("operation", name, 1) for name in SINGLE]
    if step == "range":
        return [("fork", "fork", n) for n in FORKED] + [("zap", "zap", n) for n in ZAPPED]
    if step == "swapoff":
        return [("swapoff", "swapoff", n) for n in (0, many)]
    if step == "writeback":
        return [("writeback", "writeback", -1)]
    return [("folio", f"swap_{way}", 1 << order) for order in ORDERS for way in ("out", "in")]


def marks(many: int) -> dict[int, Mark]:
    """Marks by number.

    Parameters
    ----------
    many : int
        Pages of swapoff.

    Examples
    --------
    >>> marks(1024)[224], marks(1024)[145].pages
    (Mark(experiment='fork', backend='zswap', operation='fork', pages=0), 1024)
    """
    return {
        base + i: Mark(experiment, backend, operation, pages)
        for (step, backend), base in BASES.items()
        for i, (experiment, operation, pages) in enumerate(_of_step(step, many))
    }


def counted_steps(experiments: Iterable[str]) -> list[str]:
    """Steps of the boot with the plugin.

    Examples
    --------
    >>> counted_steps(["writeback", "zap"])
    ['range-zswap-224', 'range-zero-233', 'range-disk-242', 'writeback-zswap-150']
    """
    wanted = {"range" if name in ("fork", "zap") else name for name in experiments}
    return [f"{step}-{backend}-{base}" for (step, backend), base in BASES.items() if step in wanted]


def trace_steps(lists: str, backends: Mapping[str, Sequence[str]], pages: Mapping[str, int]) -> list[str]:
    """Steps that replay traces (names by backend) of so many pages with one kind of lists.

    Examples
    --------
    >>> trace_steps("two", {"zero": ["zipf"]}, {"zipf": 30})
    ['trace-two-zero-zipf-30']
    """
    return [f"trace-{lists}-{backend}-{name}-{pages[name]}" for backend, names in backends.items() for name in names]
