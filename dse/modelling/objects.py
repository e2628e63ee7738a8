"""Structures of a ledger added up: arrays of a device, trees, single objects, blocks of a cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.modelling.sizes import Ledger, dense_span, node_bytes, object_bytes, pages_up, union_nodes, zspages
from kernels import control
from kernels.life.arrays import TREE_SHIFT
from kernels.life.layout import Blocks, Field, Tree

TREE_SLOTS = 1 << TREE_SHIFT
CONTINUATION = "continuation pages"
HANDLE, ZSPAGE = 8, 56  # slabs of mm/zsmalloc.c: ZS_HANDLE_SIZE, struct zspage (slabinfo of 7.2)
ZRAM_WORDS = 16  # drivers/block/zram/zram_drv.h: struct zram_table_entry, handle 8 and flags 8, per disk page at disk size


def as_built(item: Field, state: Any) -> Field:
    """Row of a layout table, with the bytes of one element read off the arrays of `state`."""
    known = item.arrays
    if known is None:
        return item
    sizes = [known.bits / 8 if known.bits else float(getattr(state, name).itemsize) for name in known.fields]
    return replace(item, nbytes=sum(sizes) * known.elements)


def add_static(ledger: Ledger, item: Field, sizes: list[int]) -> None:
    """Add a field allocated at swapon."""
    row = ledger.row(item.structure)
    for n in sizes:
        nbytes = ceil(item.nbytes * n)
        if item.nbytes < 1:
            nbytes = -(-nbytes // 8) * 8
        row.static_bytes += nbytes
        row.allocated_bytes += pages_up(nbytes)
        row.objects += n


def add_headers(ledger: Ledger, item: Field, clusters: list[int]) -> None:
    """Add cluster headers."""
    row = ledger.row(item.structure)
    for n in clusters:
        row.header_bytes += int(item.nbytes) * n
        row.allocated_bytes += pages_up(int(item.nbytes) * n)
        row.objects += n


def add_peak(ledger: Ledger, item: Field, now: int, most: int) -> None:
    """Add the peak of cluster headers of which `now` are mapped on a device, and `most` were."""
    row = ledger.row(item.structure)
    row.peak_bytes = row.allocated_bytes + pages_up(int(item.nbytes) * most) - pages_up(int(item.nbytes) * now)


def add_entries(ledger: Ledger, item: Field, entries: int, nodes: int, peak: int) -> None:
    """Add a tree; one of blocks is counted apart."""
    row = ledger.row(item.structure)
    if item.blocks:
        row.header_bytes += int(item.nbytes) * entries
    else:
        row.dynamic_bytes += int(item.nbytes) * entries
    row.objects += nodes
    row.allocated_bytes, row.peak_bytes = node_bytes(row.objects), max(row.peak_bytes, node_bytes(peak))


def add_objects(ledger: Ledger, item: Field, n: int, peak: int) -> None:
    """Add objects allocated one by one."""
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
        The way they are indexed.
    spans : list of (int, int)
        First index and number of entries, one for each device.
    """
    if tree.shape in ("one", "virtual"):
        return dense_span(tree.first, sum(n for _, n in spans))
    if tree.shape == "device":
        return sum(dense_span(first, n) for first, n in spans)
    if tree.shape == "slots":
        return union_nodes([(0, tree.first), *((first + tree.first, n) for first, n in spans)])
    nodes = 0
    for first, n in spans:
        at = first
        while at < first + n:
            end = min(first + n, (at | (TREE_SLOTS - 1)) + 1)
            nodes += dense_span(at if tree.shape == "offset" else at & (TREE_SLOTS - 1), end - at)
            at = end
    return nodes


def bytes_in_object(item: Field, per: str, cluster_slots: int) -> float:
    """Bytes that a field adds to one object of its structure. A field in a block adds them for each slot of the cluster."""
    return item.nbytes * (cluster_slots if item.blocks and per != "block" else 1)


@dataclass
class BlockObject:
    """Size and number of the objects of a structure that is allocated by block."""

    size: float = 0.0
    live: int = 0
    peak: int = 0


class Groups(dict[str, BlockObject]):
    """Objects by structure, while the rows of a layout are read."""

    def add(self, ledger: Ledger, item: Field, per: str, counts: tuple[int, int, int], cluster_slots: int) -> None:
        """Add a field: `counts` are elements in use, blocks now, and their peak."""
        used, live, peak = counts
        row = ledger.row(item.structure)
        if per == "block":
            row.header_bytes += int(item.nbytes) * live
        else:
            row.dynamic_bytes += ceil(item.nbytes * used)
        group = self.setdefault(item.structure, BlockObject(live=live, peak=peak))
        group.size += bytes_in_object(item, per, cluster_slots)
        row.objects = live

    def closed(self, ledger: Ledger, item: Field, kind: Blocks, per: str, used: list[int], cluster_slots: int) -> None:
        """Add a field in closed form: `used` are the elements in use on every device, dense from the first one."""
        blocks = sum(-(-(n + kind.first) // cluster_slots) for n in used if n)
        if item.name == "xarray entry":
            nodes = dense_span(kind.number, blocks)
            add_entries(ledger, item, blocks, nodes, nodes)
        else:
            self.add(ledger, item, per, (sum(used), blocks, blocks), cluster_slots)

    def live(self, ledger: Ledger, item: Field, kind: Blocks, per: str, ctl: NDArray[np.uint64]) -> None:
        """Add a field with the counts in the control words of a live state."""
        used, now, peak = (int(ctl[int(word)]) for word in (kind.used, kind.live, kind.peak))
        self.add(ledger, item, per, (used, now, peak), 1 << int(ctl[int(control.C_CLUSTER_SHIFT)]))

    def finish(self, ledger: Ledger) -> None:
        """Round every object up as a whole."""
        for structure, group in self.items():
            row = ledger.row(structure)
            row.allocated_bytes += object_bytes(group.live, ceil(group.size))
            row.peak_bytes += object_bytes(group.peak, ceil(group.size))


def add_zram(ledger: Ledger, slots: int) -> None:
    """Add the table of a zram device. It is the backend's own and in no sum, as zswap_entry."""
    if slots:
        row = ledger.row("zram table")
        row.static_bytes = ZRAM_WORDS * slots
        row.allocated_bytes, row.objects = pages_up(row.static_bytes), slots


def add_zsmalloc(ledger: Ledger, objects: tuple[int, int], nbytes: tuple[int, int], parts: tuple[int, int]) -> None:
    """Add the pool of zsmalloc with its handles and zspages, which are the backend's own: in no sum, as zswap_entry.

    Parameters
    ----------
    ledger : Ledger
        To which they are added.
    objects, nbytes, parts : (int, int)
        Objects, their bytes, and the parts of zspages that they fill: now, and at the most.
    """
    row = ledger.row("zsmalloc objects")
    row.objects, row.dynamic_bytes, row.allocated_bytes, row.peak_bytes = objects[0], nbytes[0], *nbytes
    for structure, size, (now, most) in (("zs_handle", HANDLE, objects), ("zspage", ZSPAGE, (zspages(parts[0]), zspages(parts[1])))):
        row = ledger.row(structure)
        row.objects, row.dynamic_bytes = now, now * size
        row.allocated_bytes, row.peak_bytes = object_bytes(now, size), object_bytes(most, size)


def finished(ledger: Ledger) -> Ledger:
    """Fill in the peaks of structures that never shrink."""
    for row in ledger.rows:
        row.peak_bytes = max(row.peak_bytes, row.allocated_bytes)
    return ledger
