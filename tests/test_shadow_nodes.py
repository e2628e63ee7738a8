"""Nodes of the swap cache with nothing but shadows: when they are on their list, as counted in 6.12, and what a shrinker could free."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse import naming
from dse.linux import records
from kernels import demand as d
from kernels.life import arrays
from kernels.life import registry as state
from kernels.observing import probe
from kernels.structures import shadow_nodes

LENGTH = int(shadow_nodes.LENGTH)


class Cache:
    """A state of *direct* with `pages` pages, all swapped out to the SSD in order."""

    def __init__(self, pages: int) -> None:
        self.design = naming.parse("direct").design
        self.st = self.design.build(state.Config(pages=pages, slots={"ssd": 4 * pages}, forks=False))
        self.replay([r for p in range(pages) for r in (d.pack(d.FAULT, p), out(p))])

    def replay(self, rows: list[tuple[int, int]]) -> Any:
        pr = probe.make("count")
        self.design.replay(self.st, pr, np.array(rows, np.uint64), np.zeros(len(rows), np.uint8))
        return pr

    def locks(self, rows: list[tuple[int, int]], code: int) -> int:
        return int(self.replay(rows).tally[code * probe.COLUMNS + int(probe.LOCKS)])

    @property
    def listed(self) -> int:
        return int(self.st.cpool[LENGTH])


def out(page: int) -> tuple[int, int]:
    return d.pack(d.RECLAIM, page, backend=d.SSD, payload=4096, flags=d.DIRTY)


@pytest.mark.interpreted
def test_a_leaf_is_listed_while_it_has_shadows_only() -> None:
    """130 pages lie in three leaves. The first folio of a leaf takes it off the list, and a lock; a second one does not."""
    cache = Cache(130)
    assert cache.listed == 3
    first, second = (cache.locks([d.pack(d.FAULT, p)], d.SWAP_IN) for p in (5, 6))
    assert cache.listed == 2
    assert first == second + 1
    assert cache.locks([d.pack(d.FAULT, 64)], d.SWAP_IN) == first
    assert cache.listed == 1
    cache.replay([d.pack(d.UNMAP, 0, count=130)])
    assert cache.listed == 0


def test_a_swap_out_takes_the_leaf_off_and_puts_it_back() -> None:
    """As often for a page that goes out again as Linux 6.12 does: 501 of 509 times off the list, each time back onto it."""
    cache = Cache(512)
    cache.replay([d.pack(d.FAULT, p, flags=d.WRITE) for p in range(512)])
    locks = [cache.locks([out(p)], d.SWAP_OUT) for p in range(512)]
    names = ("list_lru_del_obj", "list_lru_add_obj")
    found = [row for row in records.load("6.12").tables["operation"] if (row["backend"], row["operation"]) == ("zswap", "swap_out")]
    real = sum(row["calls"] / row["operations"] for row in found if row["function"] in names)
    usual = 7  # hand count: five of a swap-out to the SSD (zswap_store erases), two of the end of its writeback
    assert real == pytest.approx((sum(locks) / 512) - usual, abs=0.05)


def test_what_a_shrinker_could_free() -> None:
    """Of the 261 nodes of 64 MiB, the 256 leaves; it begins at one node for every eight pages of memory."""
    assert arrays.dense_nodes(1 << 14) - sum(-(-(1 << 14) // 64**level) for level in (2, 3)) == 256
    memory = 1 << 22  # pages: 16 GiB
    assert shadow_nodes.most_nodes(memory) * 64 == 8 * memory  # slots in as many leaves
