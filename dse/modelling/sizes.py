"""Rows of a ledger, their sums, and the kernel's rounding of allocations."""

from __future__ import annotations

from dataclasses import dataclass, field

PAGE = 4096
NODE_SLAB, NODES_A_SLAB = 32768, 56  # slabinfo of radix_tree_node: 56 objects in a slab of 8 pages, 585.14 B each
OUTSIDE = ("zswap_entry", "zsmalloc objects", "zram table")
"""Rows in no top-level sum. Every design pays them alike, and no published table counts them."""


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


def pages_up(nbytes: int) -> int:
    """Round up to whole pages."""
    return -(-nbytes // PAGE) * PAGE


def node_bytes(nodes: int) -> int:
    """Bytes of `nodes` nodes in whole slabs."""
    return -(-nodes // NODES_A_SLAB) * NODE_SLAB


def object_bytes(n: int, size: int) -> int:
    """Bytes of `n` objects of `size` bytes, in slabs of one page; objects above a page take whole pages each.

    Examples
    --------
    >>> object_bytes(100, 112), object_bytes(2, 12392), object_bytes(2, 12288)
    (12288, 32768, 24576)
    """
    return n * pages_up(size) if size > PAGE else -(-n // (PAGE // size)) * PAGE


def class_bytes(length: int) -> int:
    """Bytes that zsmalloc reserves for `length` bytes (:func:`kernels.structures.zswap.class_bytes`)."""
    if length <= 0:
        return 0
    return PAGE if length > 3264 else max(32, -(-length // 16) * 16)
