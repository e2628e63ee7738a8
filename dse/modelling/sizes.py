"""Rows of a ledger, their sums, and the kernel's rounding of allocations."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from kernels.structures.zsmalloc import CLASSES, LAST, PART, ROUND

PAGE = 4096
NODE = 584  # slabinfo of radix_tree_node: 576 B and the free pointer, which stands behind an object that has a constructor
MIN_OBJECTS, MAX_ORDER = 8, 3  # mm/slub.c, calculate_order: 4 * (fls(CPUs) + 1), with the one CPU of our guests; slab_max_order
OUTSIDE = ("zswap_entry", "zsmalloc objects", "zs_handle", "zspage", "zram table")
"""Rows in no top-level sum: every design pays them alike, and no published table counts them."""


@dataclass
class Row:
    """Bytes of one structure.

    Attributes
    ----------
    structure : str
        Its name.
    static_bytes, dynamic_bytes : int
        Counted, allocated at swapon and with the pages.
    header_bytes : int
        Counted apart (cluster headers).
    allocated_bytes, peak_bytes : int
        Allocated bytes now, and their peak (of live states; else the same).
    objects : int
        Nodes of a tree, else objects.
    in_total : bool
        True if it is part of the top-level sums.
    """

    structure: str
    static_bytes: int = 0
    dynamic_bytes: int = 0
    header_bytes: int = 0
    allocated_bytes: int = 0
    peak_bytes: int = 0
    objects: int = 0
    in_total: bool = True


@dataclass
class Ledger:
    """The rows of a design and their sums."""

    rows: list[Row] = field(default_factory=list)

    def _sum(self, name: str) -> int:
        return sum(getattr(row, name) for row in self.rows if row.in_total)

    @property
    def static_bytes(self) -> int:
        """Counted bytes allocated at swapon."""
        return self._sum("static_bytes")

    @property
    def dynamic_bytes(self) -> int:
        """Counted bytes that come and go with pages."""
        return self._sum("dynamic_bytes")

    @property
    def header_bytes(self) -> int:
        """Cluster headers, in no published table."""
        return self._sum("header_bytes")

    @property
    def total_bytes(self) -> int:
        """Static and dynamic, without headers."""
        return self.static_bytes + self.dynamic_bytes

    @property
    def allocated_bytes(self) -> int:
        """Allocated bytes, headers included."""
        return self._sum("allocated_bytes")

    @property
    def peak_bytes(self) -> int:
        """Sum of the peaks of the structures."""
        return self._sum("peak_bytes")

    def row(self, structure: str) -> Row:
        """The row of `structure`, made when missing."""
        for row in self.rows:
            if row.structure == structure:
                return row
        self.rows.append(Row(structure, in_total=structure not in OUTSIDE))
        return self.rows[-1]


def dense_span(first: int, n: int) -> int:
    """Nodes of a tree that holds the indices `first` .. ``first + n - 1``.

    Examples
    --------
    >>> dense_span(0, 1), dense_span(0, 64), dense_span(0, 1 << 14), dense_span(1 << 18, 1 << 14)
    (0, 1, 261, 262)
    """
    if n == 0 or (first == 0 and n == 1):
        return 0
    last, nodes, level = first + n - 1, 0, 0
    while True:
        level += 6
        nodes += (last >> level) - (first >> level) + 1
        if last >> level == 0:
            return nodes


def union_nodes(ranges: list[tuple[int, int]]) -> int:
    """Nodes of a tree that holds the indices of several ranges, each of a first index and a number of entries.

    Examples
    --------
    >>> union_nodes([(0, 64)]), union_nodes([(0, 1), (64, 1)]), union_nodes([(1, 3), (1 << 14, 70)])
    (1, 3, 6)
    """
    spans = sorted((first, first + n - 1) for first, n in ranges if n)
    nodes = 0
    while spans and spans[-1][1] > 0:
        above: list[tuple[int, int]] = []
        for low, high in ((low >> 6, high >> 6) for low, high in spans):
            if above and low <= above[-1][1]:
                above[-1] = above[-1][0], max(high, above[-1][1])
            else:
                above.append((low, high))
        nodes += sum(high - low + 1 for low, high in above)
        spans = above
    return nodes


def pages_up(nbytes: int) -> int:
    """Round up to whole pages."""
    return -(-nbytes // PAGE) * PAGE


@cache
def slab_of(size: int, min_objects: int = MIN_OBJECTS) -> tuple[int, int]:
    """Bytes of a slab of objects of `size` bytes, less than a page each, and how many it holds.

    mm/slub.c, ``calculate_order``: the smallest order with `min_objects` that wastes at most a sixteenth, an eighth and so on. The
    number of CPUs decides: a slab has 14 nodes in 8 KiB up to 3 CPUs, 28 in 16 KiB up to 63, 56 in 32 KiB above, 585.14 B each in all.

    Examples
    --------
    >>> slab_of(584), slab_of(56), slab_of(8), slab_of(1024)  # as slabinfo of 6.12 and 7.2 has them
    ((8192, 14), (4096, 73), (4096, 512), (8192, 8))
    >>> [slab_of(584, 4 * (cpus.bit_length() + 1)) for cpus in (3, 4, 63, 64)]
    [(8192, 14), (16384, 28), (16384, 28), (32768, 56)]
    """
    least = min(min_objects, (PAGE << MAX_ORDER) // size) * size
    fitting = [PAGE << order for order in range(MAX_ORDER + 1) if PAGE << order >= least]
    for fraction in (16, 8, 4, 2):
        for slab in fitting:
            if slab % size <= slab // fraction:
                return slab, slab // size
    return fitting[0], fitting[0] // size


def node_bytes(nodes: int) -> int:
    """Bytes of `nodes` nodes in whole slabs."""
    return object_bytes(nodes, NODE)


def object_bytes(n: int, size: int) -> int:
    """Bytes of `n` objects of `size` bytes: in whole slabs, from a page on in whole pages each.

    Examples
    --------
    >>> object_bytes(100, 112), object_bytes(2, 12392), object_bytes(2, 12288)
    (12288, 32768, 24576)
    """
    if size >= PAGE:
        return n * pages_up(size)
    slab, objects = slab_of(size)
    return -(-n // objects) * slab


def class_of(length: int) -> tuple[int, int]:
    """Look up what an object of `length` bytes takes of zsmalloc: bytes, and parts of a zspage (:mod:`kernels.structures.zsmalloc`)."""
    word = int(CLASSES[min((length + int(ROUND)) >> 4, int(LAST))]) if length > 0 else 0
    return word & 0xFFFF, word >> 16


def class_bytes(length: int) -> int:
    """Bytes that zsmalloc reserves for `length` bytes: a share of a zspage, rounded up.

    Examples
    --------
    >>> class_bytes(2048), class_bytes(3624), class_bytes(3625)
    (2185, 3641, 4096)
    """
    return class_of(length)[0]


def zspages(parts: int) -> int:
    """Zspages that objects with so many parts fill."""
    return -(-parts >> PART)
