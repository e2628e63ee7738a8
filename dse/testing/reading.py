"""Live arrays of a state, read with NumPy: trees, slots, folios, phases. Used by invariants and by comparison with twins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import control, demand
from kernels.designs.swap_desc import own as swap_desc_own
from kernels.life.arrays import FREED_WORDS, device_rows
from kernels.structures.cluster import FRAG_LIST
from kernels.structures.xarray import NODE_WORDS

Ints = NDArray[np.int64]
HEAD, NODE = 8, NODE_WORDS
HAS_CACHE, CONTINUED, COUNT = 0x40, 0x80, 0x3F
OFFSET_BITS = 58
TREE_SHIFT = 14
LANES = np.arange(64)


@dataclass
class Tree:
    """Content of one xarray, and what is wrong with its nodes."""

    index: NDArray[np.uint64]
    entry: NDArray[np.uint64]
    nodes: int
    wrong: list[str] = field(default_factory=list)

    def items(self) -> dict[int, int]:
        return dict(zip(self.index.tolist(), self.entry.tolist(), strict=True))


def tree(heads: NDArray[np.uint64], h: int, pool: NDArray[np.uint64]) -> Tree:
    """Walk tree `h` level by level; checks counts, value counts, parents and offsets on the way."""
    top = int(heads[h * HEAD + 1])
    none = np.zeros(0, np.uint64)
    if top == 0:
        return Tree(none, none, 0)
    if top & 3 != 2:
        return Tree(np.zeros(1, np.uint64), np.array([top], np.uint64), 0)
    nodes, base, total, wrong = np.array([top >> 2]), np.zeros(1, np.uint64), 0, []
    parents, offsets = np.zeros(1, np.uint64), np.zeros(1, np.uint64)
    while True:
        total += len(nodes)
        header = pool[nodes]
        shift = int(header[0] & np.uint64(255))
        slots = pool[nodes[:, None] + 5 + LANES]
        there = slots != 0
        for name, have, want in (
            ("shift", header & np.uint64(255), np.full(len(nodes), shift)),
            ("offset", header >> np.uint64(8) & np.uint64(255), offsets),
            ("count", header >> np.uint64(16) & np.uint64(255), there.sum(1)),
            ("values", header >> np.uint64(24) & np.uint64(255), (slots & np.uint64(1)).sum(1)),
            ("parent", pool[nodes + 1], parents),
        ):
            if (have != want).any():
                wrong.append(f"tree {h}, level of shift {shift}: {name} {have.tolist()} should be {want.tolist()}"[:200])
        index = base[:, None] + (LANES.astype(np.uint64) << np.uint64(shift))[None, :]
        if not there.any(1).all():
            wrong.append(f"tree {h}: empty node kept")
        if shift == 0:
            return Tree(index[there], slots[there], total, wrong)
        parents = np.repeat(nodes, there.sum(1)).astype(np.uint64)
        offsets = np.broadcast_to(LANES, slots.shape)[there].astype(np.uint64)
        nodes, base = (slots[there] >> np.uint64(2)).astype(np.int64), index[there]


def from_one(found: Tree) -> Tree:
    """A tree whose index 0 is taken for good, without that entry."""
    if len(found.index) == 0 or found.index[0] != 0 or found.entry[0] != 1:
        found.wrong.append("index 0 is not taken")
        return found
    found.index, found.entry = found.index[1:], found.entry[1:]
    return found


def kernel_nodes_from_one(index: NDArray[np.uint64]) -> int:
    """:func:`kernel_nodes` of a tree whose index 0 is taken for good."""
    return kernel_nodes(np.concatenate([np.zeros(1, np.uint64), index]))


def kernel_nodes(index: NDArray[np.uint64]) -> int:
    """Nodes that the kernel's rule gives a tree with these indices: one for every 64-fold prefix on every level."""
    if len(index) == 0 or int(index.max()) == 0:
        return 0
    shift, nodes = 0, 0
    while True:
        prefixes = np.unique(index >> np.uint64(shift + 6))
        nodes += len(prefixes)
        if len(prefixes) == 1 and prefixes[0] == 0:
            return nodes
        shift += 6


def linked(first: int, follow: Any, most: int) -> list[int]:
    """A linked list from `first` on, 0 its end; longer than `most` means a cycle."""
    out: list[int] = []
    while first and len(out) <= most:
        out.append(first)
        first = int(follow(first))
    return out


def ctl(st: Any, word: Any) -> int:
    return int(st.ctl[int(word)])


def devices(st: Any) -> dict[int, tuple[int, int]]:
    """First slot and number of slots of each device there is."""
    rows = device_rows(st.dev)
    return {d: (int(r[0]), int(r[1])) for d, r in enumerate(rows) if r[1]}


def list_word(d: int, which: int) -> int:
    """Word of `dev` with the head of list `which`, a kind and 8 times an order, of device `d` (kernels.structures.orders)."""
    kind, order = which & 7, which >> 3
    return 64 + (d * 16 + order) * 4 + 2 * (kind == int(FRAG_LIST)) if order else d * 16 + 8 + (kind - 1) * 2


def slot_index(st: Any, entries: NDArray[np.uint64]) -> Ints:
    """Slot numbers of swap entries."""
    base = device_rows(st.dev)[:, 0].astype(np.int64)
    device = (entries >> np.uint64(OFFSET_BITS)).astype(np.int64) - 1
    found: Ints = base[device] + (entries & np.uint64((1 << OFFSET_BITS) - 1)).astype(np.int64)
    return found


def counts(st: Any, slots: Ints) -> Ints:
    """Whole counts of `slots`, continuation digits included."""
    total: Ints = (st.smap[slots] & COUNT).astype(np.int64)
    for i in np.flatnonzero(st.smap[slots] & CONTINUED):
        g = int(slots[i])
        page, weight = int(st.chain[g >> 12]), 63
        while page:
            total[i] += int(st.cont[page * 4096 + (g & 4095)]) * weight
            page, weight = int(st.chain[ctl(st, control.C_CHAIN) + page]), weight * 128
    return total


def ids(st: Any) -> Tree:
    """The ID map; entries without the note that they have moved."""
    found = from_one(tree(st.idhead, 0, st.idpool))
    found.entry = (found.entry >> np.uint64(1)) & np.uint64(~(1 << 57) & (1 << 64) - 1)
    return found


def reverse(st: Any) -> list[tuple[int, int, int]]:
    """Slots that a tree of their device leads from to an ID: device, offset, ID."""
    trees = ((device, tree(st.rhead, device, st.rpool)) for device in range(len(st.rhead) // HEAD))
    return [(device, offset, entry >> 1) for device, found in trees for offset, entry in found.items().items()]


def descriptors(st: Any) -> dict[int, tuple[Any, ...]]:
    """Descriptors by index: count, what is cached, memcg, what is behind."""
    found = from_one(tree(st.dhead, 0, st.dpool))
    stride = ctl(st, swap_desc_own.C_STRIDE)
    out = {}
    for index, entry in found.items().items():
        a, cached, word = (int(x) for x in st.desc[(entry >> 2) * stride :][:3])
        kind = "folio" if cached and cached & 3 == 0 else "shadow" if cached else "none"
        tag = a >> OFFSET_BITS
        behind = {0: ("none",), 30: ("zentry",), 31: ("zero",)}.get(tag, ("slot", tag - 1, a & (1 << OFFSET_BITS) - 1))
        out[index] = (word & 0xFFFF_FFFF, kind, word >> 32 & 0xFFFF, behind)
    return out


def bits(words: NDArray[np.uint64], n: int) -> NDArray[np.bool_]:
    return np.unpackbits(words.view(np.uint8), bitorder="little")[:n].astype(bool)


@dataclass
class Folios:
    """Live folios by number."""

    number: Ints
    maps: Ints
    flags: Ints
    entry: NDArray[np.uint64]
    token: Ints
    wrong: list[str]


def folios(st: Any) -> Folios:
    """Read the folio table; everything between 1 and the high mark that is not on the free list lives."""
    high = ctl(st, control.S_FOLIO_HIGH)
    table = st.folio.reshape(-1, 8)[:high]
    free = linked(ctl(st, control.S_FOLIO_FREE), lambda f: table[f, 5], high)
    live = np.ones(high, bool)
    live[0] = False
    live[free] = False
    number = np.flatnonzero(live)
    wrong = []
    if len(set(free)) != len(free):
        wrong.append("folio free list has a cycle")
    if len(number) != ctl(st, control.S_FOLIO_LIVE):
        wrong.append(f"{len(number)} folios are not free, the counter says {ctl(st, control.S_FOLIO_LIVE)}")
    state = table[number, 0]
    return Folios(
        number,
        (state >> np.uint64(32)).astype(np.int64),
        (state & np.uint64(0xFFFF_FFFF)).astype(np.int64),
        table[number, 1],
        table[number, 3].astype(np.int64),
        wrong,
    )


def phases(st: Any) -> list[tuple[int, int, NDArray[np.uint64]]]:
    """Phases in flight: class, page, record."""
    table = st.txn.reshape(-1, 8)
    rows = table[table[:, 0] != 0]
    return [((int(r[0]) - 1) >> 32, (int(r[0]) - 1) & 0xFFFF_FFFF, r) for r in rows]


END_OF = {1: demand.FAULT_END, 2: demand.RECLAIM_END, 3: demand.MOVE_END}


def finishing(st: Any) -> list[tuple[int, int]]:
    """Demands that end every phase in flight."""
    return [demand.pack(END_OF[cls], page) for cls, page, _ in phases(st)]


def emptying(st: Any) -> list[tuple[int, int]]:
    """Demands that unmap every page."""
    pages = ctl(st, control.C_PAGES)
    step = min(pages, 1 << ctl(st, control.C_SPACE_SHIFT))
    return [demand.pack(demand.UNMAP, p, count=step) for p in range(0, pages, step)]


def draining(st: Any) -> list[tuple[int, int]]:
    """Demands that give back the slots that caches of freed slots still have, where there are such caches: swapoff empties them."""
    if not collected(st).size:
        return []
    return [demand.pack(demand.SWAPOFF, 0, backend=backend, payload=demand.MEMORY) for backend in devices(st)]


def collected(st: Any) -> NDArray[np.uint64]:
    """Entries of the slots that caches of freed slots hold back (:mod:`kernels.life.slot_cache`), uint64[n]."""
    if not hasattr(st, "freed"):
        return np.zeros(0, np.uint64)
    rows = st.freed.reshape(-1, FREED_WORDS)
    return np.concatenate([row[1 : int(row[0]) + 1] for row in rows])
