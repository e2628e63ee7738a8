"""Invariants of virtual clusters, their descriptors and the reverse words of devices, read off the live arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.testing import reading, slotview
from dse.testing.findings import CACHED, LOCKED, check_marks, check_pool, used_slots
from dse.testing.reading import Ints, ctl
from kernels import control
from kernels.designs.vswap import clusters as v
from kernels.designs.vswap import own as vswap_own

SWAPFILE, ZERO, ZSWAP, FOLIO = (int(x) for x in (v.SWAPFILE, v.ZERO, v.ZSWAP, v.FOLIO))
CURRENT, FULL = int(v.CURRENT), int(v.FULL)
HINT = np.uint64(1 << 63)


@dataclass
class Clusters:
    """Virtual clusters in the map: id, number, header words; and the descriptors of allocated slots."""

    ids: Ints
    number: Ints
    header: NDArray[np.uint64]  # clusters x 13
    value: Ints
    desc: NDArray[np.uint64]  # slots x 3
    tree: reading.Tree

    @property
    def count(self) -> Ints:
        return (self.desc[:, 2] & np.uint64(0xFFFF_FFFF)).astype(np.int64)

    @property
    def kind(self) -> Ints:
        return (self.desc[:, 2] >> np.uint64(49) & np.uint64(3)).astype(np.int64)

    @property
    def cached(self) -> NDArray[np.bool_]:
        there: NDArray[np.bool_] = self.desc[:, 2] >> np.uint64(48) & np.uint64(1) != 0
        return there


def header_of(st: Any, number: Any) -> Any:
    """First word of the headers of clusters `number`."""
    return number * ctl(st, vswap_own.C_VHEADER) + ctl(st, vswap_own.C_VBEHIND) * (number > ctl(st, vswap_own.C_VCLUSTERS))


def cpu_rows(st: Any) -> Ints:
    """Words of the CPUs: cluster of order 0, and of the lookup cache id + 1 and cluster."""
    rows: Ints = st.vcpu[: ctl(st, control.C_CPUS) * 8].reshape(-1, 8).astype(np.int64)
    return rows


def current_of(st: Any, order: int) -> Ints:
    """Clusters that CPUs take runs of `order` from."""
    rows = st.vcpu[ctl(st, control.C_CPUS) * 8 :].reshape(-1, 16).astype(np.int64)
    own = rows[:, order] if order else cpu_rows(st)[:, 0]
    found: Ints = own[own != 0]
    return found


def allocating(st: Any) -> Ints:
    """Clusters that CPUs allocate from."""
    return np.concatenate([current_of(st, order) for order in range(10)])


def ring(st: Any, head: int, word: int, high: int) -> list[int]:
    """Clusters of the partial list of `head` in the direction of header word `word`."""

    def after(c: int) -> int:
        found = int(st.vmem[header_of(st, c) + word])
        return 0 if found == head else found

    return reading.linked(after(head), after, high)


def read(st: Any) -> Clusters:
    """Everything that the map of clusters leads to."""
    tree = reading.tree(st.vhead, 0, st.vpool)
    ids, number = tree.index.astype(np.int64), (tree.entry >> np.uint64(2)).astype(np.int64)
    header = st.vmem[header_of(st, number)[:, None] + np.arange(13)] if len(ids) else np.zeros((0, 13), np.uint64)
    size = 1 << ctl(st, vswap_own.C_VSHIFT)
    there = np.array([reading.bits(row[5:], 512)[:size] for row in header.copy()], bool).reshape(-1, size)
    which, offset = np.nonzero(there)
    base = ctl(st, vswap_own.C_VDESC) + number[which] * ctl(st, vswap_own.C_VDESC_STRIDE) + offset * 3
    desc = st.vmem[base[:, None] + np.arange(3)] if len(base) else np.zeros((0, 3), np.uint64)
    return Clusters(ids, number, header, ids[which] * size + offset, desc, tree)


def check(found: Any, st: Any, folios: reading.Folios) -> None:
    """All of it."""
    clusters = read(st)
    found += clusters.tree.wrong
    found.equal("nodes of the virtual cluster map", clusters.tree.nodes, reading.kernel_nodes(clusters.tree.index))
    check_pool(found, "virtual cluster map", st.vpool, clusters.tree.nodes)
    check_marks(found, st.vhead, st.vpool)
    check_clusters(found, st, clusters)
    check_slots(found, st, clusters, folios)
    check_devices(found, st, clusters)
    slotview.check_blocks(found, st, used_slots(st))
    if ctl(st, control.C_TOKENS):
        check_content(found, st, clusters)


def check_clusters(found: Any, st: Any, clusters: Clusters) -> None:
    """Counts, references, lists and free clusters; what a lookup cache names is in the map."""
    size, high = 1 << ctl(st, vswap_own.C_VSHIFT), ctl(st, vswap_own.S_VC_HIGH)
    found.equal("ids of virtual clusters", clusters.header[:, 3].astype(np.int64), clusters.ids)
    found.equal("locks of virtual clusters", clusters.header[:, 0].astype(np.int64), np.zeros(len(clusters.ids), np.int64))
    found.equal("virtual clusters", len(clusters.ids), ctl(st, vswap_own.S_VCLUSTERS))
    found.equal("virtual slots", len(clusters.value), ctl(st, vswap_own.S_VSLOTS))
    found.none("virtual slot 0", clusters.value[clusters.value == 0])
    state = clusters.header[:, 4].astype(np.int64)
    used = np.bincount(np.searchsorted(clusters.ids, clusters.value // size), minlength=len(clusters.ids))
    found.equal("slots of virtual clusters", state & 0xFFFF, used)
    cpus, order = cpu_rows(st), state >> 20 & 15
    current = np.isin(clusters.number, allocating(st))
    found.equal("current virtual clusters", state & CURRENT != 0, current)
    looked = cpus[cpus[:, 2] != 0]
    by_id = dict(zip(clusters.number.tolist(), clusters.ids.tolist(), strict=True))
    found.equal("lookup caches", [by_id.get(c) for c in looked[:, 2].tolist()], (looked[:, 1] - 1).tolist())
    held = np.array([(looked[:, 2] == c).sum() for c in clusters.number.tolist()], np.int64)
    found.equal("references of virtual clusters", state >> 32, used + current + held)
    found.none("empty virtual clusters that no CPU allocates from", clusters.ids[(used == 0) & ~current])
    for k in range(10):
        listed, back = (ring(st, ctl(st, vswap_own.C_VMOST) + k if k else 0, word, high) for word in (1, 2))
        found.equal(f"partial list of order {k} backwards", back, listed[::-1])
        mine = clusters.number[~current & (state & FULL == 0) & (order == k)]
        found.equal(f"partial list of order {k}", sorted(listed), sorted(mine.tolist()))
        own = current_of(st, k)
        found.none(f"clusters of another order that a CPU takes runs of order {k} from", np.setdiff1d(own, clusters.number[order == k]))
    full = ~current & (state & FULL != 0)
    found.none("full virtual clusters with a free run", clusters.ids[full & free_runs(clusters, order, size)])
    free = reading.linked(ctl(st, vswap_own.S_VC_FREE), lambda c: st.vmem[header_of(st, c) + 1], high)
    found.equal("virtual clusters free and used", sorted([*free, *clusters.number.tolist()]), list(range(1, high + 1)))


def free_runs(clusters: Clusters, order: Ints, size: int) -> NDArray[np.bool_]:
    """Which clusters have an aligned run of their order free; the first run of id 0 is none."""
    out = np.zeros(len(clusters.ids), bool)
    for i, (row, n) in enumerate(zip(clusters.header.copy(), (1 << order).tolist(), strict=True)):
        used = np.array(reading.bits(row[5:], 512)[:size], bool).reshape(-1, n).sum(axis=1)
        out[i] = (used[int(clusters.ids[i] == 0) :] == 0).any()
    return out


def check_slots(found: Any, st: Any, clusters: Clusters, folios: reading.Folios) -> None:
    """Counts equal PTEs; the in-cache bit and the folio equal the folio's own word; every slot is held by something."""
    pages = np.flatnonzero((st.pte != 0) & (st.pte & np.uint64(1) == 0))
    values = (st.pte[pages] >> np.uint64(1)).astype(np.int64)
    known = np.isin(values, clusters.value)
    found.none("PTEs that hold a freed virtual slot", pages[~known])
    held = np.bincount(np.searchsorted(clusters.value, values[known]), minlength=len(clusters.value))
    found.equal("counts of virtual slots", clusters.count, held)
    found.none("virtual slots that nothing refers to", clusters.value[(clusters.count == 0) & ~clusters.cached])
    there = folios.flags & CACHED != 0
    expected = dict(zip(folios.entry[there].tolist(), folios.number[there].tolist(), strict=True))
    cache = (clusters.desc[:, 1] >> np.uint64(2)).astype(np.int64)
    named = clusters.cached & (clusters.desc[:, 1] & np.uint64(3) == 0)
    found.equal("folios of virtual slots", dict(zip(clusters.value[named].tolist(), cache[named].tolist(), strict=True)), expected)
    found.equal("in-cache bits", clusters.cached, named)
    lost = (clusters.kind == FOLIO) & ~clusters.cached
    found.none("virtual slots with nothing behind them", clusters.value[lost])
    owners = (clusters.desc[:, 2] >> np.uint64(32) & np.uint64(0xFFFF)).astype(np.int64)
    found.none("virtual slots without an owner", clusters.value[owners == 0])
    compressed = clusters.kind == ZSWAP
    zentries = clusters.desc[compressed, 0].astype(np.int64)
    found.equal("zswap entries of virtual slots", len(np.unique(zentries)), ctl(st, control.S_ZE_LIVE))
    found.equal("virtual slots of zswap entries", st.ze.reshape(-1, 7)[zentries, 0].astype(np.int64), clusters.value[compressed])
    found.equal("zero pages", int((clusters.kind == ZERO).sum()), ctl(st, control.S_ZERO_LIVE))


def check_devices(found: Any, st: Any, clusters: Clusters) -> None:
    """Forward and reverse words are inverses; a slot on its way has one too; what is charged is what is used."""
    used = used_slots(st)
    on_the_way = [r for cls, _, r in reading.phases(st) if cls == 3 and r[5] == 2]
    disk = clusters.kind == SWAPFILE
    entries = np.concatenate([clusters.desc[disk, 0], np.array([r[6] for r in on_the_way], np.uint64)])
    slots = reading.slot_index(st, entries)
    found.equal("owners of slots", np.bincount(slots, minlength=len(used)), used.astype(np.int64))
    words = slotview.elements(st, "table", np.arange(ctl(st, control.C_ALL_SLOTS)))[slots]
    want = np.concatenate([clusters.value[disk], np.array([int(r[2]) for r in on_the_way], np.int64)])
    found.equal("reverse words", (words & ~HINT).astype(np.int64), want)
    only = dict(zip(clusters.value.tolist(), ((clusters.count == 0) & clusters.cached).tolist(), strict=True))
    hinted = want[words & HINT != 0]
    found.none("hints at slots that PTEs hold", np.array([x for x in hinted.tolist() if not only[x]]))
    if not ctl(st, vswap_own.C_VHINT):
        found.equal("hints where there are none", len(hinted), 0)
    charged = ctl(st, vswap_own.S_VSLOTS) if ctl(st, vswap_own.C_VCHARGE) else ctl(st, control.S_SLOTS)
    found.equal("charged", ctl(st, vswap_own.S_CHARGED), charged)
    found.equal("slots in use", ctl(st, control.S_SLOTS), int(used.sum()))
    found.none("bad slots in use", np.flatnonzero(used & reading.bits(st.bad, len(used))))
    for d, (base, n) in reading.devices(st).items():
        found.equal(f"slots in use on device {d}", int(st.dev[d * 16 + 4]), int(used[base : base + n].sum()))


def check_content(found: Any, st: Any, clusters: Clusters) -> None:
    """The content of swapped pages is in the folio, or behind the descriptor."""
    pages = np.flatnonzero((st.pte != 0) & (st.pte & np.uint64(1) == 0))
    values = (st.pte[pages] >> np.uint64(1)).astype(np.int64)
    pages, values = pages[np.isin(values, clusters.value)], values[np.isin(values, clusters.value)]
    desc, at = clusters.desc, np.searchsorted(clusters.value, values)
    token = np.where(clusters.kind == ZERO, (desc[:, 0] & np.uint64(0xFFFF_FFFF)).astype(np.int64), -1)
    disk, compressed = clusters.kind == SWAPFILE, clusters.kind == ZSWAP
    token[disk] = st.token[reading.slot_index(st, desc[disk, 0])]
    token[compressed] = st.ze.reshape(-1, 7)[desc[compressed, 0].astype(np.int64), 3].astype(np.int64) & 0xFFFF_FFFF
    folio = np.where(clusters.cached, (desc[:, 1] >> np.uint64(2)).astype(np.int64), 0)[at]
    table, behind = st.folio.reshape(-1, 8), token[at] == st.truth[pages]
    in_cache = (folio != 0) & (table[folio, 3].astype(np.int64) == st.truth[pages])
    locked = table[folio, 0] & np.uint64(LOCKED) != 0
    found.none("swapped pages whose content is lost", pages[~np.where(folio == 0, behind, in_cache | (locked & behind))])


def left(st: Any) -> list[str]:
    """After everything was unmapped only the clusters are there that CPUs allocate from, empty."""
    clusters = read(st)
    current = allocating(st)
    out = [] if len(clusters.value) == 0 else [f"virtual slots left: {len(clusters.value)}"]
    if sorted(clusters.number.tolist()) != sorted(set(current.tolist())):
        out.append(f"virtual clusters left: {clusters.number.tolist()} should be {current.tolist()}")
    if ctl(st, vswap_own.S_CHARGED):
        out.append(f"charges left: {ctl(st, vswap_own.S_CHARGED)}")
    return out


def observed(st: Any) -> dict[str, Any]:
    """The view that a twin has too: virtual slots by value, clusters, reverse words."""
    clusters, out = read(st), {}
    for value, (back, cache, word) in zip(clusters.value.tolist(), clusters.desc.tolist(), strict=True):
        tag = back >> reading.OFFSET_BITS
        behind = {SWAPFILE: ("slot", tag - 1, back & (1 << reading.OFFSET_BITS) - 1), ZERO: ("zero",), ZSWAP: ("zentry",), FOLIO: ("none",)}
        kind = "none" if cache == 0 else "shadow" if cache & 3 else "folio"
        out[value] = (word & 0xFFFF_FFFF, kind, word >> 32 & 0xFFFF, behind[word >> 49 & 3])
    reverse, hints = {}, []
    for d, (base, n) in reading.devices(st).items():
        words = slotview.elements(st, "table", np.arange(base, base + n))
        for offset in np.flatnonzero(words).tolist():
            reverse[d, offset] = int(words[offset] & ~HINT)
            hints += [(d, offset)] if words[offset] & HINT else []
    return {"virtual slots": out, "virtual clusters": tuple(clusters.ids.tolist()), "reverse words": reverse, "hints": tuple(sorted(hints))}
