"""Invariants of virtual slots that stand in swap tables: what is behind each, and the words that lead back, read off the live arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.testing import reading, slotview
from dse.testing.findings import check_marks, check_pool
from dse.testing.reading import Ints, ctl
from kernels import control
from kernels import demand as d
from kernels.designs.vswap_ste import own

NONE, ZSWAP, SWAPFILE = 0, 1, 2
"""Tags of a word of the virtual table (enum vswap_backing_type)."""


def words(st: Any) -> tuple[Ints, NDArray[np.uint64]]:
    """Tag and payload of the word of each virtual slot; NONE where its cluster has no virtual table."""
    shift = ctl(st, control.C_CLUSTER_SHIFT)
    slots = np.arange(ctl(st, own.C_VSLOTS))
    number = st.vtail.reshape(-1, 4)[slots >> shift, 3].astype(np.int64)
    found = np.where(number != 0, st.vtable[number << shift | slots & (1 << shift) - 1], np.uint64(0))
    return (found & np.uint64(7)).astype(np.int64), found >> np.uint64(3)


def data(st: Any, slots: Ints) -> Ints:
    """The slots that have the data of `slots`: for a virtual one that of a disk behind it, if there is one, else itself."""
    kind, payload = words(st)
    out = slots.copy()
    behind = (slots < len(kind)) & (kind[np.minimum(slots, len(kind) - 1)] == SWAPFILE)
    out[behind] = reading.slot_index(st, payload[slots[behind]])
    return out


def is_charged(st: Any, n: int) -> NDArray[np.bool_]:
    """Tell of the first `n` slots which are charged to the owner that they have: not a virtual one without a slot of a disk."""
    kind, _ = words(st)
    out = np.ones(n, bool)
    out[: len(kind)] = kind == SWAPFILE
    return out


def compressed(st: Any, device: int) -> dict[int, int]:
    """Zswap entries of a virtual `device` by offset; none of any other."""
    if not hasattr(st, "vtable") or device != d.ZSWAP:
        return {}
    kind, payload = words(st)
    return {int(i): int(payload[i]) for i in np.flatnonzero(kind == ZSWAP)}


def check(found: Any, st: Any, view: slotview.Slots, zentry: Ints) -> None:
    """All of it; enter the zswap entries of virtual slots into `zentry`."""
    kind, payload = words(st)
    n = len(kind)
    tree = reading.tree(st.vhead, 0, st.vpool)
    found += tree.wrong
    wanted = [] if ctl(st, own.C_INDEX) else np.flatnonzero(st.vtail.reshape(-1, 4)[:, 3]).tolist()
    found.equal("clusters in their tree", (tree.entry >> np.uint64(2)).astype(np.int64), tree.index.astype(np.int64))
    found.equal("virtual clusters in their tree", tree.index.tolist(), wanted)
    found.equal("nodes of the virtual cluster map", tree.nodes, reading.kernel_nodes(tree.index))
    check_pool(found, "virtual cluster map", st.vpool, tree.nodes)
    check_marks(found, st.vhead, st.vpool)
    zentry[:n][kind == ZSWAP] = payload[kind == ZSWAP].astype(np.int64)
    behind = np.flatnonzero(kind == SWAPFILE)
    slots = reading.slot_index(st, payload[behind])
    back = np.flatnonzero(view.reverse >= 0)
    found.equal("slots behind virtual ones", np.sort(slots), back)
    if slotview.has_words(st):
        found.equal("virtual slots that they point to", view.reverse[slots], behind)
    found.none("virtual slots behind virtual ones", back[back < n])
    found.none("free virtual slots with something behind", np.flatnonzero(~view.used[:n] & (kind != NONE)))
    found.none("zero pages with something behind", np.flatnonzero(view.zero[:n] & (kind != NONE)))
    lost = (kind == NONE) & view.used[:n] & ~view.zero[:n] & ~view.busy[:n]
    found.none("virtual slots with nothing behind them", np.flatnonzero(lost))
    table = slotview.elements(st, "table", np.arange(ctl(st, control.C_ALL_SLOTS)))
    hinted = table[slots] & slotview.HINT != 0
    alone = (view.count[behind] == 0) & view.busy[behind] & slotview.has_words(st)
    found.equal("hints that the cache alone holds a page", hinted, alone)
    found.equal("slots of disks in use", ctl(st, own.S_PSLOTS), int(view.used[n:].sum()))
    found.equal("direct entries", ctl(st, own.S_PDIRECT), int((view.owner[n:] != 0).sum()))
    if hasattr(st, "bitmap"):
        bits = slotview.padded(reading.bits(st.bitmap, len(st.bitmap) * 64), len(view.used))
        found.equal("bits of slots of disks", np.flatnonzero(bits), n + np.flatnonzero(view.used[n:]))
    headers = st.cluster.reshape(-1, 8)[ctl(st, own.C_VCLUSTERS) :]
    found.equal("swap tables of disks", ctl(st, own.S_PTABLES), int(np.count_nonzero(headers[:, 3])))
    found.equal("memcg tables of disks", ctl(st, own.S_PMEMCG), int(np.count_nonzero(headers[:, 5])))
