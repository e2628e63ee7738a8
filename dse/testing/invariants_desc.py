"""Invariants of swap descriptors, read off the live arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.testing import reading
from dse.testing.findings import CACHED, LOCKED, Findings, check_marks, check_pool, used_slots
from dse.testing.reading import Ints, ctl
from kernels import control
from kernels.designs.swap_desc import own as swap_desc_own


def check(found: Findings, st: Any, folios: reading.Folios) -> None:
    """Counts equal PTEs, folio and descriptor name each other, every backing has one owner, every swapped page its content."""
    tree = reading.from_one(reading.tree(st.dhead, 0, st.dpool))
    found += tree.wrong
    found.equal("nodes of the descriptor tree", tree.nodes, reading.kernel_nodes_from_one(tree.index))
    check_pool(found, "descriptor", st.dpool, tree.nodes)
    check_marks(found, st.dhead, st.dpool)
    live, stride = (tree.entry >> np.uint64(2)).astype(np.int64), ctl(st, swap_desc_own.C_STRIDE)
    found.equal("descriptors", len(np.unique(live)), ctl(st, swap_desc_own.S_DESC_LIVE))
    free = reading.linked(ctl(st, swap_desc_own.S_DESC_FREE), lambda x: st.desc[x * stride], ctl(st, swap_desc_own.S_DESC_HIGH))
    found.equal("descriptors free and used", len(set(free)) + len(live), ctl(st, swap_desc_own.S_DESC_HIGH) - 1)
    found.none("descriptors that are free and in the tree", np.intersect1d(free, live))
    pages = np.flatnonzero((st.pte != 0) & (st.pte & np.uint64(1) == 0))
    values = st.pte[pages] >> np.uint64(1)
    at = np.minimum(np.searchsorted(tree.index, values), max(0, len(live) - 1))
    known = tree.index[at] == values if len(live) else np.zeros(len(values), bool)
    found.none("PTEs that hold a freed index", pages[~known])
    pages, at = pages[known], at[known]
    words = st.desc[live[:, None] * stride + np.arange(3)] if len(live) else np.zeros((0, 3), np.uint64)
    count = (words[:, 2] & np.uint64(0xFFFF_FFFF)).astype(np.int64)
    found.equal("counts of descriptors", count, np.bincount(at, minlength=len(live)))
    cached = np.where(words[:, 1] & np.uint64(3) == 0, words[:, 1] >> np.uint64(2), 0).astype(np.int64)
    found.none("descriptors that nothing refers to", live[(count == 0) & (cached == 0)])
    there = folios.flags & CACHED != 0
    expected = dict(zip(folios.entry[there].tolist(), folios.number[there].tolist(), strict=True))
    found.equal("folios of descriptors", dict(zip(live[cached != 0].tolist(), cached[cached != 0].tolist(), strict=True)), expected)
    check_backings(found, st, words[:, 0])
    if ctl(st, control.C_TOKENS) and len(pages):
        check_described(found, st, pages, words[at, 0], cached[at])


def check_backings(found: Findings, st: Any, backing: NDArray[np.uint64]) -> None:
    """Each slot and zswap entry belongs to one descriptor, or to a move on its way."""
    tag = backing >> np.uint64(reading.OFFSET_BITS)
    on_the_way = np.array([r[6] for cls, _, r in reading.phases(st) if cls == 3 and r[6] and r[5] == 2], np.uint64)
    entries = np.concatenate([backing[(tag > 0) & (tag < 30)], on_the_way])
    owned = np.bincount(reading.slot_index(st, entries), minlength=len(used_slots(st)))
    found.equal("owners of slots", owned, used_slots(st).astype(np.int64))
    zentries = backing[tag == 30] & np.uint64((1 << reading.OFFSET_BITS) - 1)
    found.equal("zswap entries of descriptors", len(np.unique(zentries)), ctl(st, control.S_ZE_LIVE))
    found.equal("zero pages", int((tag == 31).sum()), ctl(st, control.S_ZERO_LIVE))
    for d, (base, n) in reading.devices(st).items():
        found.equal(f"slots in use on device {d}", int(st.dev[d * 16 + 4]), int(used_slots(st)[base : base + n].sum()))
    found.equal("slots in use", ctl(st, control.S_SLOTS), int(used_slots(st).sum()))


def check_described(found: Findings, st: Any, pages: Ints, backing: NDArray[np.uint64], folio: Ints) -> None:
    """The content of swapped pages is in the folio, or behind the descriptor."""
    tag = (backing >> np.uint64(reading.OFFSET_BITS)).astype(np.int64)
    low = (backing & np.uint64(0xFFFF_FFFF)).astype(np.int64)
    token = np.where(tag == 31, low, -1)
    slot = (tag > 0) & (tag < 30)
    token[slot] = st.token[reading.slot_index(st, backing[slot])]
    token[tag == 30] = st.ze.reshape(-1, 7)[low[tag == 30], 3].astype(np.int64) & 0xFFFF_FFFF
    table = st.folio.reshape(-1, 8)
    in_cache = (folio != 0) & (table[folio, 3].astype(np.int64) == st.truth[pages])
    locked = table[folio, 0] & np.uint64(LOCKED) != 0
    right = np.where(folio == 0, token == st.truth[pages], in_cache | (locked & (token == st.truth[pages])))
    found.none("swapped pages whose content is lost", pages[~right])
