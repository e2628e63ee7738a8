"""Radix tree of the kernel: each operation in random order, one after the other fenced as page faults are, at every scale."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from benchmarks import fixtures, loops
from benchmarks.fixtures import MIDDLE, SIZES, SMALL
from benchmarks.limits import drivers, micro
from kernels.compiling.jit import u
from kernels.life import arrays
from kernels.observing import probe
from kernels.structures import xarray

version = fixtures.version(__file__, loops.__file__, drivers.__file__, micro.__file__)
OPERATIONS = 1 << 18


@functools.lru_cache(maxsize=1)
def tree(entries: int, tracked: bool) -> Any:
    """Build a full tree of `entries` values."""
    return micro.new_tree(entries.bit_length() - 1, tracked=tracked)


class Tree(fixtures.Warm):
    """Full tree; `tracked` where it hands out the lowest free index."""

    params = [SIZES]
    param_names = ["entries"]
    tracked = False
    turn = 0

    def setup(self, entries: int) -> None:
        """Choose the next window of the tree."""
        self.tree, self.off = tree(entries, self.tracked), probe.make("off")
        Tree.turn += 1
        self.first, self.bits = u(Tree.turn * OPERATIONS), u(entries.bit_length() - 1)
        self.n = u(OPERATIONS)
        if self.is_new():
            self.run()
        self.ready()

    def run(self) -> None:
        """Run the body."""


class Load(Tree):
    def run(self) -> None:
        drivers.load_fenced(self.tree, self.off, self.first, self.n, self.bits)

    def time_load(self, entries: int) -> None:
        self.run()


class Overwrite(Tree):
    def run(self) -> None:
        drivers.overwrite_fenced(self.tree, self.off, self.first, self.n, self.bits)

    def time_overwrite(self, entries: int) -> None:
        self.run()


class Churn(Tree):
    """Erase an index, allocate the lowest free one."""

    tracked = True

    def run(self) -> None:
        drivers.churn_fenced(self.tree, self.off, self.first, self.n, self.bits)

    def time_erase_and_alloc(self, entries: int) -> None:
        self.run()


class Floor(Tree):
    """Dependent loads of a bare array of as many words: the speed of this machine today."""

    def run(self) -> None:
        drivers.plain_dependent(self.tree, self.first, u(4 * OPERATIONS), self.bits)

    def time_bare_array(self, entries: int) -> None:
        self.run()


class Nodes:
    """Nodes of a tree whose entries lie `stride` indices apart, at first and after every other one is erased again."""

    params = [[SMALL, MIDDLE], [1, 8, 64]]
    param_names = ["entries", "stride"]

    def setup(self, entries: int, stride: int) -> None:
        room = entries * 2 + 64 if stride > 1 else arrays.dense_nodes(entries)
        heads = xarray.new_heads(1)
        self.tree = drivers.Bench(head=heads, pool=xarray.new_pool(room + 1), plain=xarray.aligned_zeros(1, np.uint64))
        loops.spread(self.tree, probe.make("off"), u(entries), u(stride))

    def track_nodes(self, entries: int, stride: int) -> float:
        return int(self.tree.arrays()["pool"][2]) / entries

    def track_nodes_half_erased(self, entries: int, stride: int) -> float:
        loops.thin(self.tree, probe.make("off"), u(entries), u(stride))
        return int(self.tree.arrays()["pool"][2]) / entries

    track_nodes.unit = track_nodes_half_erased.unit = "xa_nodes of 576 B per entry"  # type: ignore[attr-defined]
