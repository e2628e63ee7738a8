"""Dense numbers of pages, and the pages that a request for a range of bytes touches."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dse.errors import BadInput
from dse.workloads import trace
from kernels.traces import parse

PAGE_BITS = 12
OBJECT = 0
"""Unit of an identifier: each is a page of its own, whatever its size."""
UNITS = {"object": OBJECT, "byte": 1, "sector": 512, "page": 4096}
UNIT_MOST = 1 << 20
REQUEST_MOST = 1 << 26
"""Most bytes of one request; a larger one is taken for a wrong column."""
AT_A_TIME = 1 << 22  # [pages] of requests that are spread at a time


class Numbers:
    """Dense numbers by first appearance."""

    def __init__(self, bits: int = 14) -> None:
        self.table = np.zeros((1 << bits, 2), np.uint64)
        self.names = np.zeros(len(self.table) // 2, np.uint64)
        self.count = np.uint64(0)

    def grow(self) -> None:
        """Make the table four times as large."""
        table = np.zeros((4 * len(self.table), 2), np.uint64)
        names = np.zeros(len(table) // 2, np.uint64)
        parse.rehash(self.table, table)
        names[: len(self.names)] = self.names
        self.table, self.names = table, names

    def number(self, keys: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """Accesses of ``page << 1 | write``."""
        out = np.empty(len(keys), np.uint32)
        at = np.uint64(0)
        while True:
            at, self.count = parse.densify(keys, np.uint64(at), self.table, self.names, out, np.uint64(self.count))
            if at >= len(keys):
                return out
            self.grow()
            if self.count > trace.MOST_PAGES:
                raise BadInput(f"more than {trace.MOST_PAGES} distinct pages")

    def by_address(self) -> NDArray[np.uint32]:
        """Rank of each page in address order."""
        return by_address(self.names[: int(self.count)])


def by_address(names: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Rank of each page in address order."""
    rank = np.empty(len(names), np.uint32)
    rank[np.argsort(names, kind="stable")] = np.arange(len(names), dtype=np.uint32)
    return rank


def unit(text: str) -> int:
    """Read what one step of a number is: page, sector, byte, object, or bytes (a power of two).

    Returns
    -------
    int
        [B], 0 for an object.

    Raises
    ------
    BadInput
        Neither a name nor a power of two.

    Examples
    --------
    >>> unit("sector"), unit("4096"), unit("object")
    (512, 4096, 0)
    """
    size = UNITS.get(text, int(text) if re.fullmatch("[0-9]{1,7}", text) else -1)
    if size != OBJECT and not (1 <= size <= UNIT_MOST and size.bit_count() == 1):
        raise BadInput(f"unit {text[:40]!r} is none of {', '.join(UNITS)}, nor a power of two of bytes up to {UNIT_MOST:,}")
    if text == "0":
        raise BadInput("unit 0: for identifiers that are no addresses say object")
    return size


def said(size: int) -> str:
    """Write a unit as a header has it."""
    return next((name for name, value in UNITS.items() if value == size), f"{size} B")


def touched(numbers: NDArray[np.uint64], sizes: NDArray[np.uint64], size: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """First page of requests, and how many pages each touches (0: a request of no bytes).

    Parameters
    ----------
    numbers, sizes : ndarray
        Where each begins ``uint64[n]`` [units], and its bytes ``uint64[n]``.
    size : int
        Bytes of a unit, a power of two.

    Raises
    ------
    BadInput
        An address that does not exist.

    Examples
    --------
    >>> first, count = touched(np.array([8, 9, 15], np.uint64), np.array([512, 65536, 513], np.uint64), 512)
    >>> first.tolist(), count.tolist()
    ([1, 1, 1], [1, 17, 2])
    """
    shift = size.bit_length() - 1
    if shift <= PAGE_BITS:
        rest = np.uint64(PAGE_BITS - shift)
        first, inside = numbers >> rest, (numbers & ((np.uint64(1) << rest) - np.uint64(1))) << np.uint64(shift)
    else:
        more = np.uint64(shift - PAGE_BITS)
        largest, most = int(numbers.max(initial=0)), (1 << (63 - int(more))) - 1
        if largest > most:
            raise BadInput(f"number {largest:,} is above {most:,}, the most of a unit of {size:,} B (--unit object for identifiers)")
        first, inside = numbers << more, np.zeros_like(numbers)
    count = (inside + sizes + np.uint64((1 << PAGE_BITS) - 1)) >> np.uint64(PAGE_BITS)
    return first, np.where(sizes > 0, count, 0).astype(np.int64)


def spread(first: NDArray[np.uint64], counts: NDArray[np.int64], writes: NDArray[np.uint64]) -> Iterator[NDArray[np.uint64]]:
    """Blocks of ``page << 1 | write``, a row for each page of each request, in order."""
    ends = np.cumsum(counts)
    at = 0
    while at < len(first):
        base = int(ends[at - 1]) if at else 0
        stop = max(at + 1, int(np.searchsorted(ends, base + AT_A_TIME, "right")))
        some = counts[at:stop]
        offsets = np.arange(int(some.sum()), dtype=np.int64) - np.repeat(ends[at:stop] - some - base, some)
        pages = np.repeat(first[at:stop], some) + offsets.astype(np.uint64)
        yield pages << np.uint64(1) | np.repeat(writes[at:stop], some)
        at = stop
