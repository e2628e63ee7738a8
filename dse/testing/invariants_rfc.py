"""Invariants of virtual slots with a descriptor each, their map, swap cache and zswap tree, and the trees back from slots of devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.testing import reading
from dse.testing.findings import BYPASS, CACHED, LOCKED, Findings, check_marks, check_shadow_nodes, check_trees, used_slots
from dse.testing.reading import Ints, ctl
from kernels import control
from kernels.designs.vswap_rfc import own
from kernels.designs.vswap_rfc import space as v

SWAPFILE, ZERO, ZSWAP, FOLIO = (int(x) for x in (v.SWAPFILE, v.ZERO, v.ZSWAP, v.FOLIO))
SHARD = 32
"""Bits of an index in a partition."""


@dataclass
class Space:
    """Virtual slots in use, in order, and what their descriptors say."""

    value: Ints
    number: Ints
    words: NDArray[np.uint64]  # slots x 7, from the backing on; the last only where counters are words of their own
    split: bool

    @property
    def backing(self) -> NDArray[np.uint64]:
        return self.words[:, 0]

    @property
    def kind(self) -> Ints:
        return (self.words[:, 4] & np.uint64(3)).astype(np.int64)

    @property
    def owner(self) -> Ints:
        return (self.words[:, 4] >> np.uint64(32) & np.uint64(0xFFFF)).astype(np.int64)

    @property
    def count(self) -> Ints:
        found = self.words[:, 6] & np.uint64(0xFFFF_FFFF) if self.split else self.words[:, 5] >> np.uint64(1)
        return found.astype(np.int64)

    @property
    def cached(self) -> NDArray[np.bool_]:
        there: NDArray[np.bool_] = self.words[:, 5] & np.uint64(1) != 0
        return there

    @property
    def disk(self) -> NDArray[np.bool_]:
        there: NDArray[np.bool_] = (self.kind == SWAPFILE) & (self.backing != 0)
        return there


def read(st: Any) -> Space:
    """Everything that the map leads to."""
    found = entries(st, st.slothead, st.slotpool)
    value, number = np.array([*found], np.int64), np.array([entry >> 2 for entry in found.values()], np.int64)
    split = ctl(st, own.C_RSTRIDE) == int(v.SPLIT)
    first = number * ctl(st, own.C_RSTRIDE) + split
    return Space(value, number, st.descriptors[first[:, None] + np.arange(7)] if len(value) else np.zeros((0, 7), np.uint64), split)


def entries(st: Any, heads: NDArray[np.uint64], pool: NDArray[np.uint64]) -> dict[int, int]:
    """Entries of the trees of all partitions by virtual slot."""
    out: dict[int, int] = {}
    for h in range(ctl(st, own.C_SHARDS)):
        out |= {h << SHARD | index: entry for index, entry in reading.tree(heads, h, pool).items().items()}
    return out


def check(found: Findings, st: Any, folios: reading.Folios) -> None:
    """All of it."""
    for what, heads, pool in (
        ("virtual slot", st.slothead, st.slotpool), ("virtual cluster", st.counthead, st.countpool), ("swap cache", st.space, st.cpool),
        ("zswap", st.ztree, st.zpool), ("reverse", st.rhead, st.rpool),
    ):  # fmt: skip
        check_trees(found, what, heads, pool)
    for h in range(ctl(st, own.C_SHARDS)):
        check_marks(found, st.slothead[h * reading.HEAD :], st.slotpool)
        check_marks(found, st.counthead[h * reading.HEAD :], st.countpool)
    check_shadow_nodes(found, st.cpool)
    space = read(st)
    check_descriptors(found, st, space)
    check_references(found, st, space, folios)
    check_backings(found, st, space)
    check_devices(found, st, space)
    if ctl(st, control.C_TOKENS):
        check_content(found, st, space)


def check_descriptors(found: Findings, st: Any, space: Space) -> None:
    """A descriptor belongs to one virtual slot or is free; locks are free; virtual clusters count their slots."""
    stride, high = ctl(st, own.C_RSTRIDE), ctl(st, own.S_RDESC_HIGH)
    found.none("virtual slot 0", space.value[space.value & (1 << SHARD) - 1 == 0])
    found.equal("descriptors", len(np.unique(space.number)), ctl(st, own.S_RDESC_LIVE))
    free = reading.linked(ctl(st, own.S_RDESC_FREE), lambda d: st.descriptors[d * stride + space.split], high)
    found.equal("descriptors free and used", sorted([*free, *space.number.tolist()]), list(range(1, high)))
    found.equal("locks of descriptors", space.words[:, 3].astype(np.int64), np.zeros(len(space.value), np.int64))
    if space.split and len(space.value):
        found.equal("virtual slots of descriptors", st.descriptors[space.number * stride].astype(np.int64), space.value)
        found.equal("krefs", (space.words[:, 5] >> np.uint64(32)).astype(np.int64), space.count + space.cached)
    which, many = np.unique(space.value >> ctl(st, own.C_RSHIFT), return_counts=True)
    found.equal("slots of virtual clusters", clusters(st), dict(zip(which.tolist(), many.tolist(), strict=True)))
    found.equal("virtual clusters", len(which), ctl(st, own.S_RCOUNTS))


def clusters(st: Any) -> dict[int, int]:
    """Slots in use of each virtual cluster, as the tree of counts has them."""
    shift = SHARD - ctl(st, own.C_RSHIFT)
    counts = entries(st, st.counthead, st.countpool)
    return {(value >> SHARD) << shift | value & (1 << SHARD) - 1: entry >> 1 for value, entry in counts.items()}


def check_references(found: Findings, st: Any, space: Space, folios: reading.Folios) -> None:
    """Counts equal PTEs; the swap cache and the folio's own word name each other; every slot is held by something."""
    pages = np.flatnonzero((st.pte != 0) & (st.pte & np.uint64(1) == 0))
    values = (st.pte[pages] >> np.uint64(1)).astype(np.int64)
    known = np.isin(values, space.value)
    found.none("PTEs that hold a freed virtual slot", pages[~known])
    held = np.bincount(np.searchsorted(space.value, values[known]), minlength=len(space.value))
    found.equal("counts of virtual slots", space.count, held)
    found.none("virtual slots that nothing refers to", space.value[(space.count == 0) & ~space.cached])
    there = folios.flags & CACHED != 0
    expected = dict(zip(folios.entry[there].tolist(), folios.number[there].tolist(), strict=True))
    cache = entries(st, st.space, st.cpool)
    found.equal("folios in the swap cache", {x: entry >> 2 for x, entry in cache.items() if entry & 3 == 0}, expected)
    found.none("swap cache entries of freed virtual slots", np.setdiff1d(np.array([*cache], np.int64), space.value))
    around = folios.entry[folios.flags & BYPASS != 0].astype(np.int64)
    found.equal("virtual slots in the swap cache", space.cached, np.isin(space.value, [*expected, *around.tolist()]))
    found.none("virtual slots without an owner", space.value[space.owner == 0])


def check_backings(found: Findings, st: Any, space: Space) -> None:
    """The zswap tree has the entries that descriptors name; a slot without any of these has a folio."""
    bare = (space.kind == FOLIO) | ((space.kind == SWAPFILE) & (space.backing == 0))
    found.none("virtual slots with nothing behind them", space.value[bare & ~space.cached])
    found.none("virtual slots that name an unknown folio", space.value[(space.kind == SWAPFILE) & (space.backing == 0)])
    compressed = space.kind == ZSWAP
    named = dict(zip(space.value[compressed].tolist(), space.backing[compressed].tolist(), strict=True))
    found.equal("zswap entries of virtual slots", {x: entry >> 2 for x, entry in entries(st, st.ztree, st.zpool).items()}, named)
    found.equal("zswap entries", len(set(named.values())), ctl(st, control.S_ZE_LIVE))
    zentries = space.backing[compressed].astype(np.int64)
    found.equal("virtual slots of zswap entries", st.ze.reshape(-1, 7)[zentries, 0].astype(np.int64), space.value[compressed])
    found.equal("zero pages", int((space.kind == ZERO).sum()), ctl(st, control.S_ZERO_LIVE))


def moving(st: Any) -> tuple[NDArray[np.uint64], Ints]:
    """Slots that a move has taken and not yet written, and their virtual slots."""
    records = [r for cls, _, r in reading.phases(st) if cls == 3 and int(r[5]) == 2]
    return np.array([r[6] for r in records], np.uint64), np.array([int(r[2]) for r in records], np.int64)


def check_devices(found: Findings, st: Any, space: Space) -> None:
    """Forward and reverse maps are inverses; a slot that is in use has one virtual slot, which is charged for it."""
    used, (taken, theirs) = used_slots(st), moving(st)
    slots = reading.slot_index(st, np.concatenate([space.backing[space.disk], taken]))
    found.equal("owners of slots", np.bincount(slots, minlength=len(used)), used.astype(np.int64))
    base = {device: first for device, (first, _) in reading.devices(st).items()}
    back = {base.get(device, -1) + offset: value for device, offset, value in reading.reverse(st)}
    want = dict(zip(slots.tolist(), [*space.value[space.disk].tolist(), *theirs.tolist()], strict=True))
    found.equal("virtual slots behind slots", back, want)
    found.equal("slots in use", ctl(st, control.S_SLOTS), int(used.sum()))
    for d, (first, n) in reading.devices(st).items():
        found.equal(f"slots in use on device {d}", int(st.dev[d * 16 + 4]), int(used[first : first + n].sum()))


def charged(st: Any) -> NDArray[np.int64]:
    """Slots of devices that each memory cgroup owns."""
    space = read(st)
    owner = dict(zip(space.value.tolist(), space.owner.tolist(), strict=True))
    return np.bincount([*space.owner[space.disk].tolist(), *(owner.get(value, 0) for value in moving(st)[1].tolist()), 0])


def check_content(found: Findings, st: Any, space: Space) -> None:
    """The content of swapped pages is in the folio, or behind the descriptor."""
    pages = np.flatnonzero((st.pte != 0) & (st.pte & np.uint64(1) == 0))
    values = (st.pte[pages] >> np.uint64(1)).astype(np.int64)
    pages, values = pages[np.isin(values, space.value)], values[np.isin(values, space.value)]
    at, token = np.searchsorted(space.value, values), np.full(len(space.value), -1)
    zero, compressed = space.kind == ZERO, space.kind == ZSWAP
    token[zero] = (space.backing[zero] & np.uint64(0xFFFF_FFFF)).astype(np.int64)
    token[space.disk] = st.token[reading.slot_index(st, space.backing[space.disk])]
    token[compressed] = st.ze.reshape(-1, 7)[space.backing[compressed].astype(np.int64), 3].astype(np.int64) & 0xFFFF_FFFF
    cache = entries(st, st.space, st.cpool)
    folio = np.array([entry >> 2 if (entry := cache.get(x, 1)) & 3 == 0 else 0 for x in values.tolist()], np.int64)
    table, behind = st.folio.reshape(-1, 8), token[at] == st.truth[pages]
    in_cache = (folio != 0) & (table[folio, 3].astype(np.int64) == st.truth[pages])
    locked = table[folio, 0] & np.uint64(LOCKED) != 0
    found.none("swapped pages whose content is lost", pages[~np.where(folio == 0, behind, in_cache | (locked & behind))])


def held_up(st: Any, held: Ints, around: NDArray[np.uint64]) -> list[int]:
    """Entries of the slots whose folio is among `held`, or that are read `around` the swap cache, for a swapoff that leaves them."""
    space, cache = read(st), entries(st, st.space, st.cpool)
    folio = {x: entry >> 2 for x, entry in cache.items() if entry & 3 == 0}
    kept, read_around = set(held.tolist()), set(around.tolist())
    slots = zip(space.value[space.disk].tolist(), space.backing[space.disk].tolist(), strict=True)
    return [entry for x, entry in slots if folio.get(x) in kept or x in read_around]


def observed(st: Any) -> dict[str, Any]:
    """The view that a twin has too."""
    space, cache, out = read(st), entries(st, st.space, st.cpool), {}
    rows = zip(space.value.tolist(), space.count.tolist(), space.owner.tolist(), space.kind.tolist(), space.backing.tolist(), strict=True)
    for value, count, owner, kind, back in rows:
        place = "slot", (back >> reading.OFFSET_BITS) - 1, back & (1 << reading.OFFSET_BITS) - 1
        behind = {SWAPFILE: place, ZERO: ("zero",), ZSWAP: ("zentry",), FOLIO: ("none",)}[kind]
        entry = cache.get(value, 0)
        out[value] = (count, "none" if entry == 0 else "shadow" if entry & 3 else "folio", owner, behind)
    pinned = space.value[space.cached & ~np.isin(space.value, [x for x, entry in cache.items() if entry & 3 == 0])]
    reverse = {(device, offset): value for device, offset, value in reading.reverse(st)}
    return {"virtual slots": out, "virtual clusters": clusters(st), "reverse": reverse, "pinned": tuple(pinned.tolist())}
