"""Slots of a state with swap devices, whether kept in swap_map, cgroup array, zeromap and xarrays or in swap tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.testing import reading
from dse.testing.reading import Ints, ctl
from kernels import control
from kernels.designs.swap_table import own as swap_table_own
from kernels.designs.vswap_all import own as all_own
from kernels.designs.vswap_ste import own as ste_own

COUNT_AT, COUNT_BITS, ZERO_AT = 34, 22, 63
HINT = np.uint64(1 << 62)
"""Of a word that points to a virtual slot: no PTE holds that, the swap cache does."""
KINDS = (("table", 3, control.S_TABLES), ("owner", 5, control.S_MEMCG_TABLES), ("extend", 7, control.S_EXTENDS))
"""Blocks of a cluster: field of the state, word of the cluster header, control word of how many live."""


@dataclass
class Slots:
    """Arrays with an element for each slot of all devices (and a few behind the last)."""

    used: NDArray[np.bool_]
    busy: NDArray[np.bool_]  # in the swap cache, or about to be
    count: Ints
    owner: Ints
    zero: NDArray[np.bool_]
    cache: Ints  # folio number, 0 nothing, -1 a shadow
    reverse: Ints  # virtual slot that the slot stands behind, 0 if nothing says which, -1 none


def has_tables(st: Any) -> bool:
    return hasattr(st, "table") and (ctl(st, swap_table_own.C_PHASE) > 0 or ctl(st, control.C_BASE) > 0)


def has_words(st: Any) -> bool:
    """Tell whether slots of disks have words in swap tables, which name what they stand for."""
    return not hasattr(st, "vtable") or not hasattr(st, "bitmap") or ctl(st, all_own.C_REVERSE) > 0


def padded(values: NDArray[Any], n: int) -> NDArray[Any]:
    return np.concatenate([values, np.zeros(max(0, n - len(values)), values.dtype)])[:n]


_KEPT: list[dict[int, Slots]] = []


@contextmanager
def kept() -> Iterator[None]:
    """Read the slots of a state once: none changes meanwhile."""
    _KEPT.append({})
    try:
        yield
    finally:
        _KEPT.pop()


def read(st: Any) -> Slots:
    """The slots of state `st`."""
    if not _KEPT:
        return _read(st)
    if id(st) not in _KEPT[-1]:
        _KEPT[-1][id(st)] = _read(st)
    return _KEPT[-1][id(st)]


def _read(st: Any) -> Slots:
    n = ctl(st, control.C_ALL_SLOTS) + 8
    every = np.arange(n)
    words = elements(st, "table", every) if has_tables(st) else np.zeros(n, np.uint64)
    phase = ctl(st, swap_table_own.C_PHASE) if has_tables(st) else 0
    tag = (words & np.uint64(3)).astype(np.int64)
    cache = np.where(tag == 2, (words >> np.uint64(2) & np.uint64(0xFFFF_FFFF)).astype(np.int64), np.where(tag == 1, -1, 0))
    if phase == 0:
        cache = trees(st, n)
    zero = padded(reading.bits(st.zeromap, len(st.zeromap) * 64), n) if phase < 4 else words >> np.uint64(ZERO_AT) != 0
    owner = elements(st, "owner", every) if phase == 4 else padded(st.cgroup, n)
    if phase <= 2:
        smap = padded(st.smap, n)
        busy = smap & reading.HAS_CACHE != 0 if phase < 2 else tag == 2
        used = (smap != 0) | (words != 0 if phase == 2 else False)
        return Slots(used, busy, reading.counts(st, every), owner.astype(np.int64), zero, cache, np.full(n, -1))
    count = (words >> np.uint64(COUNT_AT)).astype(np.int64) & (1 << COUNT_BITS) - 1
    full = count == ctl(st, swap_table_own.C_COUNT_MAX)
    count[full] = elements(st, "extend", every)[full]
    reverse = np.where(tag == 3, ((words & ~HINT) >> np.uint64(2)).astype(np.int64), -1)
    count[tag == 3] = 0
    used = words != 0
    if not has_words(st):
        disks = every >= ctl(st, ste_own.C_VSLOTS)
        used[disks] = padded(reading.bits(st.bitmap, len(st.bitmap) * 64), n)[disks]
        reverse[disks & used] = 0
    return Slots(used, tag == 2, count, owner.astype(np.int64), zero, cache, reverse)


def elements(st: Any, name: str, slots: Ints) -> NDArray[Any]:
    """Elements of `slots` in the blocks of their clusters; 0 where there is no block."""
    shift = ctl(st, control.C_CLUSTER_SHIFT)
    word = next(word for kind, word, _ in KINDS if kind == name)
    header = padded(st.cluster, ((int(slots[-1]) >> shift) + 1) * 8 if len(slots) else 0)
    number = header[(slots >> shift) * 8 + word].astype(np.int64)
    out = getattr(st, name)[np.where(number == 0, 0, number << shift | slots & (1 << shift) - 1)]
    return np.where(number == 0, 0, out)


def trees(st: Any, n: int) -> Ints:
    """The swap cache of a state that keeps it in xarrays."""
    cache = np.zeros(n, np.int64)
    for h in range(len(st.space) // 8):
        c = reading.tree(st.space, h, st.cpool)
        where = c.index.astype(np.int64) + (h << reading.TREE_SHIFT)
        cache[where] = np.where(c.entry & np.uint64(3) == 0, (c.entry >> np.uint64(2)).astype(np.int64), -1)
    return cache


def check_blocks(found: Any, st: Any, used: NDArray[np.bool_]) -> None:
    """Every cluster in use has its blocks, every other none; no block belongs to two; what nobody has is all zero and on the free list."""
    shift, phase = ctl(st, control.C_CLUSTER_SHIFT), ctl(st, swap_table_own.C_PHASE)
    clusters = len(st.cluster) // 8
    in_use = padded(used, clusters << shift).reshape(clusters, -1).any(1)
    for kind, (name, word, live) in enumerate(KINDS):
        if not hasattr(st, name):
            continue
        number = st.cluster.reshape(-1, 8)[:, word].astype(np.int64)
        mine = number[number != 0]
        found.equal(f"{name} blocks, each of one cluster", len(np.unique(mine)), len(mine))
        found.equal(f"{name} blocks in use", len(mine), ctl(st, live))
        high = ctl(st, control.S_TABLE_FREE + np.uint64(4 * kind + 1))
        free = reading.linked(ctl(st, control.S_TABLE_FREE + np.uint64(4 * kind)), lambda b, kind=kind: st.blink[b * 3 + kind], high)
        found.equal(f"{name} blocks free and used", sorted([*free, *mine.tolist()]), list(range(1, high + 1)))
        blocks = getattr(st, name)[: (high + 1) << shift].reshape(-1, 1 << shift) if high else getattr(st, name)[:0].reshape(0, 1)
        found.none(f"{name} blocks that are free and not zero", np.array([b for b in [0, *free] if high and blocks[b].any()]))
        if name == "owner" and hasattr(st, "vtable"):
            owned = padded(read(st).owner != 0, clusters << shift).reshape(clusters, -1).any(1)
            found.none("clusters out of use with a memcg table", np.flatnonzero((number[:clusters] != 0) & ~in_use))
            found.none("clusters with an owner and no memcg table", np.flatnonzero((number[:clusters] == 0) & owned))
        elif name == "table" or (name == "owner" and phase == 4):
            virtual = 0 if has_words(st) else ctl(st, ste_own.C_VCLUSTERS)
            found.equal(f"clusters with a {name} block", number[:clusters] != 0, in_use & (np.arange(clusters) < (virtual or clusters)))
        elif name == "owner":
            found.equal("memcg tables where there is no such thing", len(mine), 0)
        else:
            found.none("clusters out of use with an extend table", np.flatnonzero((number[:clusters] != 0) & ~in_use))
    if hasattr(st, "extend") and phase > 2:
        every = np.arange(ctl(st, control.C_ALL_SLOTS))
        field = (elements(st, "table", every) >> np.uint64(COUNT_AT)).astype(np.int64) & (1 << COUNT_BITS) - 1
        most = ctl(st, swap_table_own.C_COUNT_MAX)
        extended = elements(st, "extend", every)
        found.none("counts in the wrong place", np.flatnonzero((extended != 0) != (field == most)))
        found.none("counts in the extend table that fit into the word", np.flatnonzero((extended != 0) & (extended < most)))
