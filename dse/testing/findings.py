"""Findings of invariants, and the checks of trees and slots that invariants of several designs share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.testing import reading, slotview
from dse.testing.reading import ctl
from kernels import control
from kernels.structures import shadow_nodes
from kernels.structures.xarray import NODE_WORDS

LOCKED, DIRTY, WRITEBACK, CACHED, BYPASS = 1, 2, 4, 8, 16
FREE_LIST, NONFULL_LIST, FULL_LIST, FRAG_LIST = 1, 2, 3, 4


class Findings(list[str]):
    """Findings, in words."""

    def equal(self, what: str, have: Any, want: Any) -> None:
        if isinstance(have, np.ndarray) or isinstance(want, np.ndarray):
            have, want = np.asarray(have), np.asarray(want)
            if have.shape != want.shape:
                self.append(f"{what}: {have.tolist()} should be {want.tolist()}"[:300])
                return
            bad = np.flatnonzero(have != want)
            if len(bad):
                i = bad[0]
                self.append(f"{what}: {len(bad)} differ, first at {i}: {have[i]} should be {want[i]}")
        elif have != want:
            self.append(f"{what}: {have} should be {want}"[:300])

    def none(self, what: str, which: NDArray[Any]) -> None:
        if len(which):
            self.append(f"{what}: {len(which)}, first {which[:4].tolist()}")


def used_slots(st: Any) -> NDArray[np.bool_]:
    if hasattr(st, "smap"):
        return slotview.read(st).used
    if hasattr(st, "states"):
        return slotview.padded(st.states != 0, ctl(st, control.C_ALL_SLOTS))
    if ctl(st, control.C_BASE):
        there: NDArray[np.bool_] = slotview.elements(st, "table", np.arange(ctl(st, control.C_ALL_SLOTS))) != 0
        return there
    return reading.bits(st.bitmap, len(st.bitmap) * 64)


def check_trees(found: Findings, what: str, heads: NDArray[np.uint64], pool: NDArray[np.uint64]) -> None:
    """The nodes of trees are sound, as many as the kernel has, and no others are in use."""
    nodes = 0
    for h in range(len(heads) // 8):
        t = reading.tree(heads, h, pool)
        found += t.wrong
        found.equal(f"nodes of {what} tree {h}", t.nodes, reading.kernel_nodes(t.index))
        nodes += t.nodes
    check_pool(found, what, pool, nodes)


def check_marks(found: Findings, head: NDArray[np.uint64], pool: NDArray[np.uint64]) -> None:
    """The free mark of an allocating tree: set for a slot with room below (mark 0 of node words 69 ..)."""
    top = int(head[1])
    if top & 3 != 2:
        return
    nodes = np.array([top >> 2])
    while True:
        slots = pool[nodes[:, None] + 5 + reading.LANES]
        marks = reading.bits(pool[nodes + 69], 64 * len(nodes)).reshape(-1, 64)
        if int(pool[nodes[0]] & np.uint64(255)) == 0:
            found.none("leaf slots whose free mark is wrong", np.flatnonzero(marks != (slots == 0)))
            return
        below = (slots[slots != 0] >> np.uint64(2)).astype(np.int64)
        want = slots == 0
        want[slots != 0] = pool[below + 69] != 0
        found.none("slots whose free mark is wrong", np.flatnonzero(marks != want))
        nodes = below


def check_shadow_nodes(found: Findings, pool: NDArray[np.uint64]) -> None:
    """Nodes with nothing but values are on the list of shadow nodes, forwards and backwards, and no others."""
    nodes = np.arange(NODE_WORDS, int(pool[1]), NODE_WORDS)
    header = pool[nodes]
    entries, values = header >> np.uint64(16) & np.uint64(255), header >> np.uint64(24) & np.uint64(255)
    head, most = int(shadow_nodes.HEAD), len(nodes)
    want = nodes[(entries != 0) & (entries == values)].tolist()
    for name, side in (("forwards", 0), ("backwards", 1)):
        at = int(pool[head + side])
        listed: list[int] = []
        while at != head and len(listed) <= most:
            listed.append(at - 3)
            at = int(pool[at + side])
        found.equal(f"shadow nodes {name}", sorted(listed), want)
    found.equal("links of other nodes", int(np.count_nonzero(pool[nodes + 3])), int(pool[int(shadow_nodes.LENGTH)]))
    found.equal("lock of the shadow nodes", int(pool[int(shadow_nodes.LOCK)]), 0)


def check_pool(found: Findings, what: str, pool: NDArray[np.uint64], reached: int) -> None:
    """Nodes in use are those that trees reach; the rest is on the free list."""
    found.equal(f"{what} nodes in use", int(pool[2]), reached)
    high = int(pool[1]) // NODE_WORDS - 1
    free = reading.linked(int(pool[0]), lambda n: pool[n + 1], high)
    found.equal(f"{what} nodes free and used", len(set(free)) + reached, high)
