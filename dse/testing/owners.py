"""Owners of what is swapped out: the memory cgroup that a slot or a descriptor is charged to must be one that its page ever belonged to.

Which page a charge is taken for is the design's own affair: the one that a demand names, and so one of those that share the content. Pages
become relatives by fork; a first touch begins a new family. An owner from outside the family is wrong in any design.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.testing import invariants_oracle, invariants_rfc, invariants_ste, invariants_vswap, reading, slotview
from dse.testing.findings import Findings
from dse.testing.reading import Ints, ctl
from kernels import demand as d
from kernels.designs.swap_desc import own as swap_desc_own
from kernels.life.config import Config


class Families:
    """Pages that share, or shared, a content, and their memory cgroups.

    Parameters
    ----------
    config : Config
        Sizes, and the memory cgroup of each space.
    """

    def __init__(self, config: Config) -> None:
        self.shift = config.space_shift
        self.memcg = [int(m) for m in config.memcg]
        self.node = list(range(config.pages))  # of a page: where the way to the head of its family begins
        self.above = list(range(config.pages))
        self.members = [1 << self.memcg[page >> self.shift] for page in range(config.pages)]
        self.mapped: set[int] = set()
        self.unsure: set[int] = set()

    def root(self, page: int) -> int:
        """The head of the family of `page`."""
        node = self.node[page]
        while self.above[node] != node:
            self.above[node] = self.above[self.above[node]]
            node = self.above[node]
        return node

    def begin(self, page: int) -> None:
        """Begin a new family with `page`."""
        self.node[page] = len(self.above)
        self.above.append(len(self.above))
        self.members.append(1 << self.memcg[page >> self.shift])

    def unite(self, page: int, other: int) -> None:
        """Make one family of two."""
        one, two = self.root(page), self.root(other)
        if one != two:
            self.above[two] = one
            self.members[one] |= self.members[two]

    def note(self, word: int, more: int, reply: int) -> None:
        """Take down what a demand has done to families."""
        kind, page, count, payload = word & 255, word >> 32, more & 0xFFFF_FFFF, more >> 32 & 0xFF_FFFF
        if reply == d.FIRST_TOUCH:
            self.begin(page)
            self.mapped.add(page)
        elif kind == d.UNMAP:
            self.mapped.difference_update(range(page, page + count))
            self.unsure.difference_update(range(page, page + count))
        elif kind == d.FORK and reply in (d.FORKED, d.NO_MEMORY):
            for parent in range(page, page + count):
                child = payload << self.shift | parent & (1 << self.shift) - 1
                if parent in self.mapped and child != parent and child not in self.mapped:
                    if child not in self.unsure:
                        self.begin(child)
                    self.unite(parent, child)
                    (self.mapped if reply == d.FORKED else self.unsure).add(child)

    def look(self, st: Any) -> None:
        """See in state `st` which pages are mapped or swapped out."""
        self.mapped = set(np.flatnonzero(st.pte).tolist())
        self.unsure.clear()

    def check(self, st: Any) -> list[str]:
        """Pages of state `st` whose owner is of another family, in words."""
        pages, owner = owners(st)
        wrong = [
            (page, memcg)
            for page, memcg in zip(pages.tolist(), owner.tolist(), strict=True)
            if not self.members[self.root(page)] >> memcg & 1
        ]
        if not wrong:
            return []
        page, memcg = wrong[0]
        own = [m for m in range(self.members[self.root(page)].bit_length()) if self.members[self.root(page)] >> m & 1]
        return [f"owners of swapped pages: {len(wrong)} are wrong, first page {page}: memory cgroup {memcg} should be one of {own}"]


def owners(st: Any) -> tuple[Ints, Ints]:
    """Swapped-out pages of state `st` and the memory cgroup of what is behind each; none where the state is of no known kind."""
    pages = np.flatnonzero((st.pte != 0) & (st.pte & np.uint64(1) == 0))
    values = st.pte[pages] >> np.uint64(1)
    if hasattr(st, "desc"):
        tree = reading.from_one(reading.tree(st.dhead, 0, st.dpool))
        return among(
            pages, values, tree.index, st.desc[(tree.entry >> np.uint64(2)).astype(np.int64) * ctl(st, swap_desc_own.C_STRIDE) + 2]
        )
    if hasattr(st, "vmem"):
        clusters = invariants_vswap.read(st)
        return among(pages, values, clusters.value.astype(np.uint64), clusters.desc[:, 2])
    if hasattr(st, "page_word"):
        return invariants_oracle.owners(st)
    if hasattr(st, "descriptors"):
        space = invariants_rfc.read(st)
        return among(pages, values, space.value.astype(np.uint64), space.words[:, 4])
    if not hasattr(st, "smap"):
        return pages[:0], pages[:0]
    if hasattr(st, "idhead"):
        ids = reading.ids(st)
        known, direct = np.isin(values, ids.index), values >> np.uint64(reading.OFFSET_BITS) != 0
        values[known] = ids.entry[np.searchsorted(ids.index, values[known])]
        pages, values = pages[known | direct], values[known | direct]
    return pages, slotview.read(st).owner[reading.slot_index(st, values)]


def among(pages: Ints, values: NDArray[np.uint64], index: NDArray[np.uint64], words: NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """Owners in bits 32..47 of `words`, which lie at `index`, for pages whose value is there."""
    known = np.isin(values, index)
    found = words[np.searchsorted(index, values[known])] >> np.uint64(32) & np.uint64(0xFFFF)
    return pages[known], found.astype(np.int64)


def charged(st: Any) -> NDArray[np.int64] | None:
    """Count what each memory cgroup owns of the things that a state charges; None where charges follow another rule."""
    if hasattr(st, "desc"):
        tree = reading.from_one(reading.tree(st.dhead, 0, st.dpool))
        words = st.desc[(tree.entry >> np.uint64(2)).astype(np.int64) * ctl(st, swap_desc_own.C_STRIDE) + 2]
        return np.bincount((words >> np.uint64(32) & np.uint64(0xFFFF)).astype(np.int64))
    if hasattr(st, "page_word"):
        return np.bincount(invariants_oracle.read(st).owner)
    if hasattr(st, "descriptors"):
        return invariants_rfc.charged(st)
    if hasattr(st, "smap"):
        owner = slotview.read(st).owner
        if hasattr(st, "vtable"):  # a virtual slot is charged while a slot of a disk is behind it
            owner = owner * invariants_ste.is_charged(st, len(owner))
        return np.bincount(owner)
    return None


def check_charges(found: Findings, st: Any, usage: NDArray[np.int64]) -> None:
    """Each memory cgroup is charged for what it owns."""
    owned = charged(st)
    if owned is not None:
        n = max(len(owned), len(usage))
        have, want = (np.concatenate([row, np.zeros(n - len(row), np.int64)])[1:] for row in (usage, owned.astype(np.int64)))
        found.equal("pages charged to memory cgroups", have, want)
