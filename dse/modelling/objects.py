"""What structures of a ledger are made of: arrays of a device, trees, single objects, blocks of a cluster; and how each is added up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dse.modelling.sizes import Ledger, dense_span, node_bytes, object_bytes, pages_up
from kernels import memory as w
from kernels.life import registry as s

TREE_SLOTS = 1 << s.TREE_SHIFT
CONTINUATION = "continuation pages"
ZRAM_WORDS = 16  # drivers/block/zram/zram_drv.h: struct zram_table_entry, handle 8 and flags 8, per disk page at disk size


class Tree(NamedTuple):
    """How a tree is indexed, and the fields of the state that hold its heads and nodes."""

    shape: str  # masked: one a 64 MiB, indexed inside it; offset: one a 64 MiB, indexed by the device's offset; one
    heads: str
    pool: str
    first: int = 0


TREES = {
    "swap cache": Tree("masked", "space", "cpool"),
    "zswap tree": Tree("offset", "ztree", "zpool"),
    "ID tree": Tree("one", "idhead", "idpool", 1),
    "descriptor tree": Tree("one", "dhead", "dpool", 1),
    "virtual cluster tree": Tree("one", "vhead", "vpool"),
}
OBJECTS = {
    "zswap_entry": (w.S_ZE_LIVE, w.S_ZE_PEAK), "swap_desc": (w.S_DESC_LIVE, w.S_DESC_PEAK), "extend table": (w.S_EXTENDS, w.S_EXTENDS_PEAK),
}  # fmt: skip
"""Structures allocated one by one: control words of how many are live, and were at most."""


class Block(NamedTuple):
    """Blocks of a cluster each: control words of the elements in use, of the live blocks, and of the most there were."""

    used: str
    live: str
    peak: str
    first: int = 0  # elements in front that are never given out


BLOCKS = {
    "table": Block("S_SLOTS", "S_TABLES", "S_TABLES_PEAK"),
    "memcg": Block("S_SLOTS", "S_MEMCG_TABLES", "S_MEMCG_TABLES_PEAK"),
    "vcluster": Block("S_VSLOTS", "S_VCLUSTERS", "S_VCLUSTERS_PEAK", 1),
}
"""Kinds of blocks: of the clusters of a device (:mod:`kernels.structures.blocks`), and clusters of a virtual space without devices."""


class Array(NamedTuple):
    """Arrays that a structure is in a live state, and how many of their bits make one element (0: all of a number)."""

    fields: tuple[str, ...]
    bits: int = 0
    elements: int = 1


ARRAYS = {
    "swap_map": Array(("smap",)), "cgroup": Array(("cgroup",)), "zeromap": Array(("zeromap",), 1),
    "slot bitmaps": Array(("bitmap", "bad"), 1),
    "swap table": Array(("table",)), "reverse table": Array(("table",)), "memcg table": Array(("owner",)),
    "extend table": Array(("extend",), 0, 512),
}  # fmt: skip
"""Structures whose elements a live ledger measures on the arrays themselves, not on the layout table."""


def as_built(item: s.Field, state: Any) -> s.Field:
    """A row of a layout table with the bytes of one element as the arrays of `state` have them."""
    known = ARRAYS.get(item.structure)
    if known is None:
        return item
    sizes = [known.bits / 8 if known.bits else float(getattr(state, name).itemsize) for name in known.fields]
    return replace(item, nbytes=sum(sizes) * known.elements)


def add_static(ledger: Ledger, item: s.Field, sizes: list[int]) -> None:
    """Add a field that is allocated at swapon."""
    row = ledger.row(item.structure)
    for n in sizes:
        nbytes = ceil(item.nbytes * n)
        if item.nbytes < 1:
            nbytes = -(-nbytes // 8) * 8
        row.static_bytes += nbytes
        row.allocated_bytes += pages_up(nbytes)
        row.objects += n


def add_headers(ledger: Ledger, item: s.Field, clusters: list[int]) -> None:
    """Add cluster headers."""
    row = ledger.row(item.structure)
    for n in clusters:
        row.header_bytes += int(item.nbytes) * n
        row.allocated_bytes += pages_up(int(item.nbytes) * n)
        row.objects += n


def add_entries(ledger: Ledger, item: s.Field, entries: int, nodes: int, peak: int) -> None:
    """Add a tree; one of blocks is counted apart."""
    row = ledger.row(item.structure)
    if item.block:
        row.header_bytes += int(item.nbytes) * entries
    else:
        row.dynamic_bytes += int(item.nbytes) * entries
    row.objects += nodes
    row.allocated_bytes, row.peak_bytes = node_bytes(row.objects), max(row.peak_bytes, node_bytes(peak))


def add_objects(ledger: Ledger, item: s.Field, n: int, peak: int) -> None:
    """Add objects that are allocated one by one."""
    row = ledger.row(item.structure)
    row.dynamic_bytes += ceil(item.nbytes * n)
    row.objects += n
    row.allocated_bytes += object_bytes(n, ceil(item.nbytes))
    row.peak_bytes += object_bytes(peak, ceil(item.nbytes))


def tree_nodes(tree: Tree, spans: list[tuple[int, int]]) -> int:
    """Nodes of the trees of one structure.

    Parameters
    ----------
    tree : Tree
        How they are indexed.
    spans : list of (int, int)
        First index and number of entries, one for each device.
    """
    if tree.shape == "one":
        return dense_span(tree.first, sum(n for _, n in spans))
    nodes = 0
    for first, n in spans:
        at = first
        while at < first + n:
            end = min(first + n, (at | (TREE_SLOTS - 1)) + 1)
            nodes += dense_span(at if tree.shape == "offset" else at & (TREE_SLOTS - 1), end - at)
            at = end
    return nodes


def bytes_in_object(item: s.Field, per: str, cluster_slots: int) -> float:
    """What a field adds to one object of its structure: in a block it is there for every slot of the cluster, unless it is the block's."""
    return item.nbytes * (cluster_slots if item.block and per != "block" else 1)


@dataclass
class BlockObject:
    """What one object of a structure that is allocated by block is made of."""

    size: float = 0.0
    live: int = 0
    peak: int = 0


class Groups(dict[str, BlockObject]):
    """Objects by structure, while the rows of a layout are read."""

    def add(self, ledger: Ledger, item: s.Field, per: str, counts: tuple[int, int, int], cluster_slots: int) -> None:
        """Add a field: `counts` are elements in use, blocks now, blocks at the most."""
        used, live, peak = counts
        row = ledger.row(item.structure)
        if per == "block":
            row.header_bytes += int(item.nbytes) * live
        else:
            row.dynamic_bytes += ceil(item.nbytes * used)
        group = self.setdefault(item.structure, BlockObject(live=live, peak=peak))
        group.size += bytes_in_object(item, per, cluster_slots)
        row.objects = live

    def closed(self, ledger: Ledger, item: s.Field, per: str, used: list[int], cluster_slots: int) -> None:
        """Add a field in closed form: `used` are the elements in use on every device, dense from the first one."""
        first = BLOCKS[item.block].first
        blocks = sum(-(-(n + first) // cluster_slots) for n in used if n)
        if item.name == "xarray entry":
            nodes = dense_span(0, blocks)
            add_entries(ledger, item, blocks, nodes, nodes)
        else:
            self.add(ledger, item, per, (sum(used), blocks, blocks), cluster_slots)

    def live(self, ledger: Ledger, item: s.Field, per: str, ctl: NDArray[np.uint64]) -> None:
        """Add a field as the control words of a live state have it."""
        used, now, peak = (int(ctl[int(getattr(w, name))]) for name in BLOCKS[item.block][:3])
        self.add(ledger, item, per, (used, now, peak), 1 << int(ctl[int(w.C_CLUSTER_SHIFT)]))

    def finish(self, ledger: Ledger) -> None:
        """Round every object up as a whole."""
        for structure, group in self.items():
            row = ledger.row(structure)
            row.allocated_bytes += object_bytes(group.live, ceil(group.size))
            row.peak_bytes += object_bytes(group.peak, ceil(group.size))


def add_zram(ledger: Ledger, slots: int) -> None:
    """Add the table of a zram device, which is the backend's own: in no sum, as zswap_entry."""
    if slots:
        row = ledger.row("zram table")
        row.static_bytes = ZRAM_WORDS * slots
        row.allocated_bytes, row.objects = pages_up(row.static_bytes), slots


def finished(ledger: Ledger) -> Ledger:
    """Fill in the peaks of what never shrinks."""
    for row in ledger.rows:
        row.peak_bytes = max(row.peak_bytes, row.allocated_bytes)
    return ledger
