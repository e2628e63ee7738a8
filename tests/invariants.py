"""What must hold in every state, read off its live arrays: ``check(design, state)`` lists what does not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.measuring import allocating
from kernels import control
from kernels.designs.swap_desc import own as swap_desc_own
from kernels.designs.swap_id import own as swap_id_own
from kernels.designs.vswap import own as vswap_own
from kernels.observing import allocations as allocs
from kernels.observing import probe as probes
from tests import invariants_vswap, reading, slotview
from tests.reading import Ints, ctl

LOCKED, DIRTY, WRITEBACK, CACHED, BYPASS = 1, 2, 4, 8, 16
FREE_LIST, NONFULL_LIST, FULL_LIST = 1, 2, 3


class Findings(list[str]):
    """What is wrong, in words."""

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


def check(design: str, st: Any, probe: Any = None) -> list[str]:
    """Every invariant of the state of `design`; an empty list if all hold."""
    found = Findings()
    folios = reading.folios(st)
    found += folios.wrong
    check_phases(found, st)
    check_mapping(found, st, folios)
    check_clusters(found, st)
    if hasattr(st, "desc"):
        check_descriptors(found, st, folios)
    if hasattr(st, "vmem"):
        invariants_vswap.check(found, st, folios)
    if hasattr(st, "smap"):
        slots = slotview.read(st)
        check_slots(found, st, slots)
        check_swapfile(found, st, folios, slots)
        if len(st.smap) > 1:
            check_continuation(found, st)
    if slotview.has_tables(st):
        slotview.check_blocks(found, st, used_slots(st))
    if hasattr(st, "ze"):
        check_zswap_list(found, st)
    found.equal("lost tokens", ctl(st, control.S_LOST), 0)
    if isinstance(probe, probes.Count):
        rows = probe.tally[: probes.CODES * probes.COLUMNS].reshape(probes.CODES, probes.COLUMNS)
        found.equal("lock order violations", int(rows[:, int(probes.LOCK_ORDER)].sum()), 0)
        found.equal("locks held between demands", int(probe.tally[int(probes.HELD)]), 0)
        check_allocations(found, st, probe)
    return list(found)


def check_allocations(found: Findings, st: Any, probe: Any) -> None:
    """The allocation log adds up to what operations are said to allocate and free, and is balanced by what is live.

    The probe has seen every demand since the state was built.
    """
    log = allocating.log_of(probe)
    rows = probe.tally[: probes.HIST_OPS * probes.COLUMNS].reshape(-1, probes.COLUMNS).astype(np.int64)
    found.equal("objects allocated", log[: probes.HIST_OPS, :, 0].sum(1), rows[:, int(probes.ALLOCS)])
    found.equal("objects freed", log[: probes.HIST_OPS, :, 1].sum(1), rows[:, int(probes.FREES)])
    live = {int(c): n for c, n in zip(range(allocs.CLASSES), (log[..., 0] - log[..., 1]).sum(0).tolist(), strict=True)}
    nodes = sum(int(array[2]) for name, array in st.arrays().items() if name.endswith("pool"))
    want = {allocs.A_NODE: nodes, allocs.A_CONT: ctl(st, control.S_CONT_USED)}
    if hasattr(st, "desc"):
        want[swap_desc_own.A_DESC] = ctl(st, swap_desc_own.S_DESC_LIVE)
    want |= {allocs.A_ZE: ctl(st, control.S_ZE_LIVE), allocs.A_ZOBJ: ctl(st, control.S_ZE_LIVE)}
    want |= {
        allocs.A_TABLE: ctl(st, control.S_TABLES),
        allocs.A_MEMCG: ctl(st, control.S_MEMCG_TABLES),
        allocs.A_EXTEND: ctl(st, control.S_EXTENDS),
    }
    if hasattr(st, "vmem"):
        split, clusters = bool(ctl(st, vswap_own.C_VSPLIT)), ctl(st, vswap_own.S_VCLUSTERS)
        want |= {vswap_own.A_VOBJECT: 0 if split else clusters, vswap_own.A_VHEADER: clusters * split, vswap_own.A_VDESCS: clusters * split}
    for which, n in want.items():
        found.equal(f"live by the log: {int(which)}", live[int(which)], n)


def check_phases(found: Findings, st: Any) -> None:
    records = reading.phases(st)
    found.equal("phases in flight", ctl(st, control.S_PHASES), len(records))
    keys = [(cls, page) for cls, page, _ in records]
    found.equal("phases with a key of their own", len(set(keys)), len(keys))


def check_mapping(found: Findings, st: Any, folios: reading.Folios) -> None:
    """Mapcounts equal present PTEs, which read the right content; folios that nothing refers to are free."""
    present = np.flatnonzero(st.pte & np.uint64(1))
    mapped = (st.pte[present] >> np.uint64(1)).astype(np.int64)
    high = ctl(st, control.S_FOLIO_HIGH)
    found.none("PTEs that map a folio beyond the table", present[mapped >= high])
    found.equal("mapcounts", folios.maps, np.bincount(mapped[mapped < high], minlength=high)[folios.number])
    found.equal("PTEs of free folios", int(folios.maps.sum()), len(present))
    if ctl(st, control.C_TOKENS):
        found.equal("content of present pages", st.folio.reshape(-1, 8)[mapped, 3].astype(np.int64), st.truth[present].astype(np.int64))
    in_flight = {int(r[1]) for _, _, r in reading.phases(st)}
    idle = (folios.maps == 0) & (folios.flags & (CACHED | LOCKED | WRITEBACK | BYPASS) == 0)
    found.none("folios that nothing refers to", np.array([n for n in folios.number[idle] if int(n) not in in_flight]))
    stuck = folios.flags & (LOCKED | WRITEBACK) != 0
    found.none("folios locked or under writeback for nobody", np.array([n for n in folios.number[stuck] if int(n) not in in_flight]))


def check_slots(found: Findings, st: Any, slots: slotview.Slots) -> None:
    """Counters equal the map; a free slot has no owner, zero bit, shadow, zswap entry."""
    used = slots.used
    inside = np.zeros(len(used), bool)
    for d, (base, n) in reading.devices(st).items():
        inside[base : base + n] = True
        found.equal(f"slots in use on device {d}", int(st.dev[d * 16 + 4]), int(used[base : base + n].sum()))
    found.none("used slots outside of all devices", np.flatnonzero(used & ~inside))
    found.equal("slots in use", ctl(st, control.S_SLOTS), int(used.sum()))
    owned = slots.owner != 0
    found.none("free slots with an owner", np.flatnonzero(~used & owned))
    owned[[b for _, b, step, _ in moving(st) if step < 3]] = True  # before the hand-over
    found.none("used slots without an owner", np.flatnonzero(used & ~owned))
    found.none("free slots with a zero bit", np.flatnonzero(slots.zero & ~used))
    found.equal("zero pages", ctl(st, control.S_ZERO_LIVE), int(slots.zero.sum()))


def used_slots(st: Any) -> NDArray[np.bool_]:
    if hasattr(st, "smap"):
        return slotview.read(st).used
    if ctl(st, control.C_BASE):
        return slotview.elements(st, "table", np.arange(ctl(st, control.C_ALL_SLOTS))) != 0
    return reading.bits(st.bitmap, len(st.bitmap) * 64)


def check_clusters(found: Findings, st: Any) -> None:
    """Counts of clusters equal the map, and each is on the list that its count asks for."""
    size = 1 << ctl(st, control.C_CLUSTER_SHIFT)
    headers = st.cluster.reshape(-1, 8)
    for d, (base, n) in reading.devices(st).items():
        first, many = int(st.dev[d * 16 + 2]), int(st.dev[d * 16 + 3])
        padded = np.zeros(many * size, np.int64)
        padded[:n] = used_slots(st)[base : base + n]
        count = padded.reshape(many, size).sum(1)
        rows = headers[first : first + many]
        found.equal(f"slots in use in clusters of device {d}", rows[:, 1].astype(np.int64), count)
        room = np.minimum(size, n - np.arange(many) * size)
        want = np.where(count == 0, FREE_LIST, np.where(count == room, FULL_LIST, NONFULL_LIST))
        found.equal(f"lists of clusters of device {d}", rows[:, 2].astype(np.int64), want)
        found.equal(f"cluster locks of device {d}", rows[:, 0].astype(np.int64), np.zeros(many, np.int64))
        for which in (FREE_LIST, NONFULL_LIST, FULL_LIST):
            head, tail = (int(x) for x in st.dev[d * 16 + 8 + (which - 1) * 2 :][:2])
            members = reading.linked(head, lambda c: headers[c - 1, 4], many)
            back = reading.linked(tail, lambda c: headers[c - 1, 6], many)
            found.equal(f"list {which} of device {d} backwards", back, members[::-1])
            found.equal(f"list {which} of device {d}", sorted(c - 1 - first for c in members), np.flatnonzero(want == which).tolist())


def holders(st: Any, slots: slotview.Slots) -> tuple[Ints, NDArray[np.uint64], Findings]:
    """Pages that are swapped out and the swap entry behind each."""
    found = Findings()
    pages = np.flatnonzero((st.pte != 0) & (st.pte & np.uint64(1) == 0))
    values = st.pte[pages] >> np.uint64(1)
    if hasattr(st, "idhead"):
        ids = reading.ids(st)
        found += ids.wrong
        found.equal("nodes of the ID tree", ids.nodes, reading.kernel_nodes_from_one(ids.index))
        check_pool(found, "ID", st.idpool, ids.nodes)
        found.equal("IDs in use", len(ids.index), ctl(st, swap_id_own.S_ID_LIVE))
        found.equal("entries that two IDs mean", len(np.unique(ids.entry)), len(ids.entry))
        at = np.minimum(np.searchsorted(ids.index, values), max(0, len(ids.index) - 1))
        known = ids.index[at] == values if len(ids.index) else np.zeros(len(values), bool)
        found.none("PTEs that hold a freed ID", pages[~known])
        pages, values = pages[known], ids.entry[at][known] if len(ids.index) else values[:0]
        where = reading.slot_index(st, ids.entry)
        idle = slots.count[where] == 0
        if ctl(st, swap_id_own.C_ID_LIFE):
            idle &= ~slots.busy[where]
        found.none("IDs that nothing refers to", ids.index[idle])
        check_marks(found, st.idhead, st.idpool)
    return pages, values, found


def check_swapfile(found: Findings, st: Any, folios: reading.Folios, view: slotview.Slots) -> None:
    """Counts equal PTEs; the has-cache flag equals the cache; trees are consistent; every swapped page still has its content."""
    pages, entries, wrong = holders(st, view)
    found += wrong
    slots = len(view.used)
    held = np.bincount(reading.slot_index(st, entries), minlength=slots) if len(entries) else np.zeros(slots, np.int64)
    every = np.flatnonzero(view.used | (held != 0))
    every = np.setdiff1d(every, [b for _, b, step, _ in moving(st) if step < 4])
    found.equal("counts of slots", view.count[every], held[every])
    base = st.dev.reshape(-1, 16)[:, 0].astype(np.int64)

    zentry = np.zeros(slots, np.int64)
    if hasattr(st, "space"):
        check_trees(found, "swap cache", st.space, st.cpool)
    check_trees(found, "zswap", st.ztree, st.zpool)
    for h in range(len(st.ztree) // 8):
        z = reading.tree(st.ztree, h, st.zpool)
        owner = int(np.searchsorted(base, h << reading.TREE_SHIFT, side="right")) - 1
        zentry[z.index.astype(np.int64) + base[owner]] = (z.entry >> np.uint64(2)).astype(np.int64)
    found.none("free slots with a shadow or folio", np.flatnonzero(~view.used & (view.cache != 0)))
    found.none("free slots with a zswap entry", np.flatnonzero(~view.used & (zentry != 0)))
    check_cache(found, st, folios, view)
    check_zentries(found, st, zentry, view)
    if ctl(st, control.C_TOKENS) and len(pages):
        check_content(found, st, pages, reading.slot_index(st, entries), view, zentry)


def check_trees(found: Findings, what: str, heads: NDArray[np.uint64], pool: NDArray[np.uint64]) -> None:
    """The nodes of trees are sound, as many as the kernel has, and no others are in use."""
    nodes = 0
    for h in range(len(heads) // 8):
        t = reading.tree(heads, h, pool)
        found += t.wrong
        found.equal(f"nodes of {what} tree {h}", t.nodes, reading.kernel_nodes(t.index))
        nodes += t.nodes
    check_pool(found, what, pool, nodes)


def moving(st: Any) -> list[tuple[int, int, int, NDArray[np.uint64]]]:
    """Moves of an ID design that have a slot on the target: folio, slot, step, record."""
    if not hasattr(st, "idhead"):
        return []
    moves = [r for cls, _, r in reading.phases(st) if cls == 3 and r[6]]
    return [(int(r[1]), int(reading.slot_index(st, r[6:7])[0]), int(r[5]), r) for r in moves]


def check_descriptors(found: Findings, st: Any, folios: reading.Folios) -> None:
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


def check_pool(found: Findings, what: str, pool: NDArray[np.uint64], reached: int) -> None:
    """Nodes in use are those that trees reach; the rest is on the free list."""
    found.equal(f"{what} nodes in use", int(pool[2]), reached)
    high = int(pool[1]) // 72 - 1
    free = reading.linked(int(pool[0]), lambda n: pool[n + 1], high)
    found.equal(f"{what} nodes free and used", len(set(free)) + reached, high)


def check_cache(found: Findings, st: Any, folios: reading.Folios, view: slotview.Slots) -> None:
    """The has-cache flag: a folio in the cache, or one that is read around it."""
    cache = view.cache
    by_slot = np.zeros(len(cache), np.int64)
    busy = np.zeros(len(cache), bool)
    there = folios.flags & (CACHED | BYPASS) != 0
    where = reading.slot_index(st, folios.entry[there])
    cached = folios.flags[there] & CACHED != 0
    by_slot[where[cached]] = folios.number[there][cached]
    busy[where] = True
    for _, _, step, record in moving(st):
        if step == 5:
            continue
        for entry in (record[3:4], record[6:7]):  # until the move leaves A the folio is in both caches
            at = reading.slot_index(st, entry)[0]
            by_slot[at], busy[at] = record[1], True
    found.equal("folios in the swap cache", np.maximum(cache, 0), by_slot)
    found.equal("has-cache flags", view.busy, busy)
    shadows = (cache == -1) & busy & (by_slot != 0)
    found.none("shadow and folio in one slot", np.flatnonzero(shadows))


def check_zentries(found: Findings, st: Any, zentry: Ints, view: slotview.Slots) -> None:
    """zswap entries in trees are the live ones, each knows its slot, and none has a zero bit."""
    slots = np.flatnonzero(zentry)
    table = st.ze.reshape(-1, 7)
    numbers = zentry[slots]
    found.equal("zswap entries in trees, each once", len(np.unique(numbers)), len(numbers))
    if not hasattr(st, "zidx"):
        found.equal("zswap entries in trees", len(numbers), ctl(st, control.S_ZE_LIVE))
    found.equal("slots of zswap entries", reading.slot_index(st, table[numbers, 0]), slots)
    found.none("zero pages that are in zswap", slots[view.zero[slots]])


def check_zswap_list(found: Findings, st: Any) -> None:
    """The LRU has the live entries, forwards and backwards; bytes are the sum of their size classes."""
    table = st.ze.reshape(-1, 7)
    live, high = ctl(st, control.S_ZE_LIVE), ctl(st, control.S_ZE_HIGH)
    forwards = reading.linked(int(table[0, 6]), lambda z: table[z, 6], high)
    backwards = reading.linked(int(table[0, 5]), lambda z: table[z, 5], high)
    free = reading.linked(ctl(st, control.S_ZE_FREE), lambda z: table[z, 0], high)
    found.equal("zswap LRU", len(forwards), live)
    found.equal("zswap LRU backwards", backwards, forwards[::-1])
    found.equal("zswap entries free and used", len(set(free) | set(forwards)), high - 1)
    length = (table[forwards, 1] & np.uint64(0xFFFF_FFFF)).astype(np.int64) if forwards else np.zeros(0, np.int64)
    nbytes = np.where(length == 0, 0, np.where(length > 3264, 4096, np.maximum(32, (length + 15) // 16 * 16)))
    found.equal("zsmalloc bytes", ctl(st, control.S_ZOBJ_BYTES), int(nbytes.sum()))


def check_content(found: Findings, st: Any, pages: Ints, slots: Ints, view: slotview.Slots, zentry: Ints) -> None:
    """A swapped page's content is in the cached folio or, where that is locked or absent, in zswap or the slot."""
    folio = np.maximum(view.cache[slots], 0)
    table = st.folio.reshape(-1, 8)
    in_zswap = (zentry[slots] != 0) & ~view.zero[slots]
    backing = np.where(in_zswap, st.ze.reshape(-1, 7)[zentry[slots], 3].astype(np.int64) & 0xFFFF_FFFF, st.token[slots].astype(np.int64))
    locked = table[folio, 0] & np.uint64(LOCKED) != 0
    in_cache = (folio != 0) & (table[folio, 3].astype(np.int64) == st.truth[pages])
    for _, b, step, record in moving(st):  # the mapping has changed, the data has not been copied yet
        a = reading.slot_index(st, record[3:4])[0]
        if step == 4:
            backing[slots == b] = st.ze.reshape(-1, 7)[zentry[a], 3].astype(np.int64) & 0xFFFF_FFFF if zentry[a] else st.token[a]
    right = np.where(folio == 0, backing == st.truth[pages], in_cache | (locked & (backing == st.truth[pages])))
    found.none("swapped pages whose content is lost", pages[~right])


def check_continuation(found: Findings, st: Any) -> None:
    """Continuation pages hang on one chain each; digits of free slots are 0."""
    chains = ctl(st, control.C_CHAIN)
    seen: list[int] = []
    for group in np.flatnonzero(st.chain[:chains]):
        pages = reading.linked(int(st.chain[group]), lambda p: st.chain[chains + p], ctl(st, control.S_CONT_USED))
        seen += pages
        digits = np.zeros(4096, np.int64)
        for page in pages:
            digits += st.cont[page * 4096 : page * 4096 + 4096]
        here = st.smap[group << 12 : (group << 12) + 4096]
        here = np.concatenate([here, np.zeros(4096 - len(here), np.uint8)])
        found.equal(f"continued counts of group {group}", here & reading.CONTINUED != 0, digits != 0)
    found.equal("continuation pages", sorted(seen), list(range(1, ctl(st, control.S_CONT_USED) + 1)))


def check_empty(st: Any) -> list[str]:
    """After everything was unmapped and every phase has ended: nothing is left, which is the ledger at its static value."""
    found = Findings()
    for what, word in (
        ("folios", control.S_FOLIO_LIVE), ("phases", control.S_PHASES), ("zswap entries", control.S_ZE_LIVE),
        ("zsmalloc bytes", control.S_ZOBJ_BYTES),
        ("slots", control.S_SLOTS), ("zero pages", control.S_ZERO_LIVE),
        *([("IDs", swap_id_own.S_ID_LIVE)] if hasattr(st, "idhead") else []),
        *([("descriptors", swap_desc_own.S_DESC_LIVE)] if hasattr(st, "desc") else []),
        ("folio table overflows", control.S_OVERFLOW), ("swap tables", control.S_TABLES), ("memcg tables", control.S_MEMCG_TABLES),
        ("extend tables", control.S_EXTENDS),
    ):  # fmt: skip
        found.equal(f"{what} left", ctl(st, word), 0)
    for name, array in st.arrays().items():
        if name == "vpool":
            found += invariants_vswap.left(st)
        elif name.endswith("pool"):
            found.equal(f"nodes left in {name}", int(array[2]), 0)
    found.none("PTEs left", np.flatnonzero(st.pte))
    found.none("rings of kin left", np.flatnonzero(st.ring))
    return list(found)
