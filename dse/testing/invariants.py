"""Invariants of every state, read off its live arrays: ``check(design, state)`` lists those that do not hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.measuring import allocating
from dse.testing import (
    invariants_charges,
    invariants_desc,
    invariants_oracle,
    invariants_redirect,
    invariants_rfc,
    invariants_rmap,
    invariants_ste,
    invariants_vswap,
    invariants_zram,
    places,
    reading,
    slotview,
)
from dse.testing.findings import (
    BYPASS,
    CACHED,
    FRAG_LIST,
    FREE_LIST,
    FULL_LIST,
    LOCKED,
    NONFULL_LIST,
    WRITEBACK,
    Findings,
    check_marks,
    check_pool,
    check_shadow_nodes,
    check_trees,
    used_slots,
)  # fmt: skip
from dse.testing.reading import Ints, ctl
from dse.testing.twins.parts import class_bytes, zspage
from kernels import control
from kernels import own as names
from kernels.designs.swap_id import own as swap_id_own
from kernels.designs.vswap import own as vswap_own
from kernels.designs.zram import own as zram_own
from kernels.life.arrays import device_rows
from kernels.life.registry import REGISTRY, Design
from kernels.observing import allocations as allocs
from kernels.observing import probe as probes


def check(design: str, st: Any, probe: Any = None) -> list[str]:
    """Read every invariant off a state: those that all designs share, and those that the design declares as its ``check``.

    Parameters
    ----------
    design : str
        Name of a registered design.
    st : Flat
        A state that its ``build`` made.
    probe : Count, optional
        The probe that has seen every demand since the state was built; locks and allocations are looked at only with it.

    Returns
    -------
    list of str
        Findings, empty if every invariant holds.
    """
    found = Findings()
    folios = reading.folios(st)
    found += folios.wrong
    check_phases(found, st, folios)
    check_mapping(found, st, folios)
    if hasattr(st, "page_word"):
        invariants_oracle.check(found, st, folios)
    else:
        check_clusters(found, st)
    if hasattr(st, "desc"):
        invariants_desc.check(found, st, folios)
    if hasattr(st, "vmem"):
        invariants_vswap.check(found, st, folios)
    if hasattr(st, "descriptors"):
        invariants_rfc.check(found, st, folios)
    if hasattr(st, "smap"):
        slots = slotview.read(st)
        check_slots(found, st, slots)
        check_swapfile(found, st, folios, slots)
        if len(st.smap) > 1:
            check_continuation(found, st)
    if hasattr(st, "rhead") and hasattr(st, "idhead"):
        invariants_rmap.check(found, st)
    if slotview.has_tables(st):
        slotview.check_blocks(found, st, used_slots(st))
    if hasattr(st, "element"):
        invariants_zram.check(found, st)
    elif hasattr(st, "page_word"):
        check_objects(found, st, invariants_oracle.sizes(st))
    else:
        check_zswap_list(found, st)
    invariants_charges.check(found, st)
    found.equal("lost tokens", ctl(st, control.S_LOST), 0)
    if isinstance(probe, probes.Count):
        rows = probe.tally[: probes.CODES * probes.COLUMNS].reshape(probes.CODES, probes.COLUMNS)
        found.equal("lock order violations", int(rows[:, int(probes.LOCK_ORDER)].sum()), 0)
        found.equal("locks held between demands", int(probe.tally[int(probes.HELD)]), 0)
        check_allocations(found, st, probe, REGISTRY[design])
    own = getattr(REGISTRY[design], "check", None)
    if own is not None:
        found += own(st)
    return list(found)


def check_allocations(found: Findings, st: Any, probe: Any, design: Design) -> None:
    """The allocation log adds up to what operations are said to allocate and free, and is balanced by what is live.

    The probe has seen every demand since the state was built.
    """
    log = allocating.log_of(probe)
    rows = probe.tally[: probes.HIST_OPS * probes.COLUMNS].reshape(-1, probes.COLUMNS).astype(np.int64)
    found.equal("objects allocated", log[: probes.HIST_OPS, :, 0].sum(1), rows[:, int(probes.ALLOCS)])
    found.equal("objects freed", log[: probes.HIST_OPS, :, 1].sum(1), rows[:, int(probes.FREES)])
    live = {int(c): n for c, n in zip(range(names.CLASSES), (log[..., 0] - log[..., 1]).sum(0).tolist(), strict=True)}
    nodes = sum(int(array[2]) for name, array in st.arrays().items() if name.endswith("pool"))
    want = {allocs.A_NODE: nodes, allocs.A_CONT: ctl(st, control.S_CONT_USED), allocs.A_ZOBJ: ctl(st, control.S_ZE_LIVE)}
    want |= {allocs.A_TABLE: ctl(st, control.S_TABLES), allocs.A_MEMCG: ctl(st, control.S_MEMCG_TABLES)}
    known = design.own.all(names.Allocation).values()
    for entry in known:
        objects = {row.objects for row in design.layout if row.objects and row.structure in entry.structures}
        if len(objects) == 1:
            want[np.uint64(entry.number)] = ctl(st, objects.pop().live)
    if hasattr(st, "vmem"):
        split, clusters = bool(ctl(st, vswap_own.C_VSPLIT)), ctl(st, vswap_own.S_VCLUSTERS)
        want |= {vswap_own.A_VOBJECT: 0 if split else clusters, vswap_own.A_VHEADER: clusters * split, vswap_own.A_VDESCS: clusters * split}
    called = {entry.number: entry.name for entry in known}
    for which, n in want.items():
        found.equal(f"live by the log: {called[int(which)]}", live[int(which)], n)


def check_phases(found: Findings, st: Any, folios: reading.Folios) -> None:
    """Every phase has a key of its own, and its folio lives, locked or under writeback."""
    records = reading.phases(st)
    found.equal("phases in flight", ctl(st, control.S_PHASES), len(records))
    keys = [(cls, page) for cls, page, _ in records]
    found.equal("phases with a key of their own", len(set(keys)), len(keys))
    held = folios.number[folios.flags & (LOCKED | WRITEBACK) != 0]
    named = np.array([int(r[1]) for _, _, r in records if r[1]], np.int64)
    found.none("folios of phases that are free, or neither locked nor under writeback", np.setdiff1d(named, held))


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
    owned |= slots.reverse >= 0
    found.none("used slots without an owner", np.flatnonzero(used & ~owned))
    found.none("free slots with a zero bit", np.flatnonzero(slots.zero & ~used))
    found.equal("zero pages", ctl(st, control.S_ZERO_LIVE), int(slots.zero.sum()))


def check_clusters(found: Findings, st: Any) -> None:
    """Counts of clusters equal the map, and each is on a list that its count allows."""
    size = 1 << ctl(st, control.C_CLUSTER_SHIFT)
    headers = st.cluster.reshape(-1, 8)
    for d, (base, n) in reading.devices(st).items():
        first, many = int(st.dev[d * 16 + 2]), int(st.dev[d * 16 + 3])
        if many == 0:
            first, many = 0, -(-n // size)  # those of a virtual device come and go
        padded = np.zeros(many * size, np.int64)
        here = used_slots(st)[base : base + n]
        padded[: min(n, many * size)] = here[: many * size]
        found.none(f"slots in use behind the clusters of device {d}", np.flatnonzero(here[many * size :]))
        count = padded.reshape(many, size).sum(1)
        found.equal(f"slots in use on device {d}, which is off", int(count.sum()) * (int(st.dev[d * 16 + 5]) & 1 ^ 1), 0)
        rows = headers[first : first + many]
        found.equal(f"slots in use in clusters of device {d}", rows[:, 1].astype(np.int64), count)
        room = np.minimum(size, n - np.arange(many) * size)
        on = rows[:, 2].astype(np.int64)
        none = FREE_LIST if int(st.dev[d * 16 + 3]) else 0
        order = st.orders[first : first + many].astype(np.int64)
        found.none(f"empty clusters of device {d} with an order", np.flatnonzero((count == 0) & (order != 0)))
        partly = np.where(on & 7 == FRAG_LIST, FRAG_LIST, NONFULL_LIST) + 8 * order
        want = np.where(count == 0, none, np.where(count == room, FULL_LIST, partly))
        found.equal(f"lists of clusters of device {d}", on, want)
        found.equal(f"cluster locks of device {d}", rows[:, 0].astype(np.int64), np.zeros(many, np.int64))
        for which in (FREE_LIST, FULL_LIST, *(kind + 8 * k for k in range(10) for kind in (NONFULL_LIST, FRAG_LIST))):
            head, tail = (int(x) for x in st.dev[reading.list_word(d, which) :][:2])
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
        direct = values >> np.uint64(reading.OFFSET_BITS) != 0
        found.none("PTEs that hold a freed ID", pages[~known & ~direct])
        found.none("PTEs that hold an entry that has an ID", pages[direct & np.isin(values, ids.entry)])
        values[known] = ids.entry[at][known] if len(ids.index) else values[:0]
        pages, values = pages[known | direct], values[known | direct]
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
    every = np.setdiff1d(every, [b for _, b, step, _ in moving(st) if step < 3])
    found.equal("counts of slots", view.count[every], held[every])
    base = device_rows(st.dev)[:, 0].astype(np.int64)

    zentry = np.zeros(slots, np.int64)
    if hasattr(st, "space"):
        check_trees(found, "swap cache", st.space, st.cpool)
        check_shadow_nodes(found, st.cpool)
    check_trees(found, "zswap", st.ztree, st.zpool)
    for h in range(len(st.ztree) // 8):
        z = reading.tree(st.ztree, h, st.zpool)
        owner = int(np.searchsorted(base, h << reading.TREE_SHIFT, side="right")) - 1
        zentry[z.index.astype(np.int64) + base[owner]] = (z.entry >> np.uint64(2)).astype(np.int64)
    if hasattr(st, "vtable"):
        invariants_ste.check(found, st, view, zentry)
    if hasattr(st, "rtail"):
        invariants_redirect.check(found, st, view, zentry)
    found.none("free slots with a shadow or folio", np.flatnonzero(~view.used & (view.cache != 0)))
    found.none("free slots with a zswap entry", np.flatnonzero(~view.used & (zentry != 0)))
    check_cache(found, st, folios, view)
    check_zentries(found, st, zentry)
    if ctl(st, control.C_TOKENS) and len(pages):
        where = reading.slot_index(st, entries)
        check_content(found, st, pages, where, places.data(st, where), view, zentry)


def moving(st: Any) -> list[tuple[int, int, int, NDArray[np.uint64]]]:
    """Moves of an ID design that have a slot on the target: folio, slot, step, record."""
    if not hasattr(st, "idhead"):
        return []
    moves = [r for cls, _, r in reading.phases(st) if cls == 3 and int(r[6]) >> reading.OFFSET_BITS]
    return [(int(r[1]), int(reading.slot_index(st, r[6:7])[0]), int(r[5]), r) for r in moves]


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
        if step == 4:
            continue
        for entry in (record[3:4], record[6:7]):  # until the move leaves A the folio is in both caches
            at = reading.slot_index(st, entry)[0]
            by_slot[at], busy[at] = record[1], True
    busy[reading.slot_index(st, reading.collected(st))] = True  # what was freed keeps the flag until its batch is full
    found.equal("folios in the swap cache", np.maximum(cache, 0), by_slot)
    found.equal("has-cache flags", view.busy, busy)
    shadows = (cache == -1) & busy & (by_slot != 0)
    found.none("shadow and folio in one slot", np.flatnonzero(shadows))


def check_zentries(found: Findings, st: Any, zentry: Ints) -> None:
    """Zswap entries in trees are the live ones, and each knows its slot. A slot with a zero bit may still have an older one."""
    slots = np.flatnonzero(zentry)
    table = st.ze.reshape(-1, 7)
    numbers = zentry[slots]
    found.equal("zswap entries in trees, each once", len(np.unique(numbers)), len(numbers))
    if not hasattr(st, "zidx") and not hasattr(st, "element"):
        found.equal("zswap entries in trees", len(numbers), ctl(st, control.S_ZE_LIVE))
    found.equal("slots of zswap entries", reading.slot_index(st, table[numbers, 0]), slots)


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
    check_objects(found, st, length.tolist())


def check_objects(found: Findings, st: Any, lengths: list[int]) -> None:
    """Bytes and zspages of zsmalloc are those of objects of these lengths."""
    sizes = [n for n in lengths if n]
    found.equal("zsmalloc bytes", ctl(st, control.S_ZOBJ_BYTES), sum(map(class_bytes, sizes)))
    found.equal("zspages", ctl(st, control.S_ZSPAGES), sum((1 << 32) // zspage(n)[1] for n in sizes))


def check_content(found: Findings, st: Any, pages: Ints, slots: Ints, data: Ints, view: slotview.Slots, zentry: Ints) -> None:
    """A swapped page's content is in the cached folio or, where that is locked or absent, in zswap or the slot `data`."""
    folio = np.maximum(view.cache[slots], 0)
    table = st.folio.reshape(-1, 8)
    in_zswap = (zentry[slots] != 0) & ~view.zero[slots]
    backing = np.where(in_zswap, st.ze.reshape(-1, 7)[zentry[slots], 3].astype(np.int64) & 0xFFFF_FFFF, st.token[data].astype(np.int64))
    locked = table[folio, 0] & np.uint64(LOCKED) != 0
    in_cache = (folio != 0) & (table[folio, 3].astype(np.int64) == st.truth[pages])
    for _, b, step, record in moving(st):  # the mapping has changed, the data has not been copied yet
        a = reading.slot_index(st, record[3:4])[0]
        if step == 3:
            in_z = zentry[a] and not view.zero[a]
            backing[slots == b] = st.ze.reshape(-1, 7)[zentry[a], 3].astype(np.int64) & 0xFFFF_FFFF if in_z else st.token[a]
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


def check_empty(st: Any, design: str) -> list[str]:
    """After everything was unmapped and every phase has ended: nothing is left, which is the ledger at its static value."""
    found = Findings()
    for what, word in (
        ("folios", control.S_FOLIO_LIVE), ("phases", control.S_PHASES), ("zswap entries", control.S_ZE_LIVE),
        ("zsmalloc bytes", control.S_ZOBJ_BYTES), ("zspages", control.S_ZSPAGES),
        ("slots", control.S_SLOTS), ("zero pages", control.S_ZERO_LIVE),
        *([("IDs", swap_id_own.S_ID_LIVE)] if hasattr(st, "idhead") else []),
        *([("blocks of the backing device", zram_own.S_BLOCKS)] if hasattr(st, "element") else []),
        *REGISTRY[design].live.items(),
        ("folio table overflows", control.S_OVERFLOW), ("swap tables", control.S_TABLES), ("memcg tables", control.S_MEMCG_TABLES),
        ("extend tables", control.S_EXTENDS),
    ):  # fmt: skip
        found.equal(f"{what} left", ctl(st, word), 0)
    for name, array in st.arrays().items():
        if name == "vpool" and hasattr(st, "vmem"):
            found += invariants_vswap.left(st)
        elif name.endswith("pool"):
            found.equal(f"nodes left in {name}", int(array[2]), 0)
    found.none("PTEs left", np.flatnonzero(st.pte))
    found.none("rings of kin left", np.flatnonzero(st.ring))
    return list(found)
