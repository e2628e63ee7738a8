"""The xarray model against a dictionary, and node counts against the kernel's rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernels.compiling.constants import ONES, U0, U1
from kernels.compiling.jit import INTERPRETED, outer
from kernels.designs.swap_id.own import R_ID, R_ID_NODE
from kernels.life import arrays
from kernels.observing import probe
from kernels.structures import idalloc, xarray

pytestmark = pytest.mark.interpreted
LOAD, STORE, ERASE, ALLOC, CYCLIC, INSERT, REPLACE = range(7)
HIGH, HEAD = (1 << 63) - 1, int(xarray.HEAD_WORDS)
SMALL = 20 if INTERPRETED else 1  # plain Python runs a twentieth of the operations


LOW, CYCLIC_HIGH = np.uint64(1), np.uint64(200)


@outer
def drive(head, pool, pr, kinds, index, out):  # type: ignore[no-untyped-def]
    for i in range(len(index)):
        value = np.uint64(i) << U1 | U1
        if kinds[i] == LOAD:
            out[i] = xarray.load(head, U0, pool, pr, R_ID, R_ID_NODE, index[i])
        elif kinds[i] == STORE:
            out[i] = xarray.store(head, U0, pool, pr, R_ID, R_ID_NODE, index[i], value)
        elif kinds[i] == ERASE:
            out[i] = xarray.erase(head, U0, pool, pr, R_ID, R_ID_NODE, index[i])
        elif kinds[i] == ALLOC:
            out[i] = idalloc.alloc(head, U0, pool, pr, R_ID, R_ID_NODE, index[i], ONES >> U1, value)
        elif kinds[i] == CYCLIC:
            out[i] = idalloc.alloc_cyclic(head, U0, pool, pr, R_ID, R_ID_NODE, index[i], LOW, CYCLIC_HIGH, value)
        elif kinds[i] == INSERT:
            idalloc.insert_at(head, U0, pool, pr, R_ID, R_ID_NODE, index[i], value)
        else:
            slot = xarray.find_slot(head, U0, pool, pr, R_ID, R_ID_NODE, index[i])
            out[i] = U0 if slot == U0 else xarray.replace(pool, pr, R_ID_NODE, slot, index[i], value)


def kernel_nodes(indices: set[int]) -> int:
    """Nodes of a tree with these indices by the kernel's rule: one for every 64-fold prefix on every level."""
    if not indices or max(indices) == 0:
        return 0
    shift = 0
    while max(indices) >> shift > 63:
        shift += 6
    return sum(len({i >> (s + 6) for i in indices}) for s in range(0, shift + 1, 6))


def apply(model: dict[int, int], kind: int, index: int, value: int) -> int:
    if kind == LOAD:
        return model.get(index, 0)
    if kind == STORE:
        old = model.get(index, 0)
        model[index] = value
        return old
    if kind == ERASE:
        return model.pop(index, 0)
    while index in model:
        index += 1
    model[index] = value
    return index


@pytest.mark.parametrize("allocating", [False, True])
@pytest.mark.parametrize("span", [3, 70, 5000, 10**7])
def test_random_operations_equal_a_dictionary(allocating: bool, span: int) -> None:
    rng = np.random.default_rng(span)
    for _ in range(8):
        n = 2000 // SMALL
        kinds = rng.choice([LOAD, ERASE, ALLOC] if allocating else [LOAD, STORE, ERASE], n).astype(np.uint8)
        index = rng.integers(0, min(span, 200) if allocating else span, n).astype(np.uint64)
        head, pool, out = xarray.new_heads(1, track_free=allocating), xarray.new_pool(20000), np.zeros(n, np.uint64)
        drive(head, pool, probe.make("count"), kinds, index, out)
        model: dict[int, int] = {}
        expected = [apply(model, int(k), int(j), i << 1 | 1) for i, (k, j) in enumerate(zip(kinds, index, strict=True))]
        assert out.tolist() == expected
        assert pool[2] == kernel_nodes(set(model))
        left = np.array(sorted(model), np.uint64)
        drive(head, pool, probe.make("count"), np.full(len(left), ERASE, np.uint8), left, np.zeros(len(left), np.uint64))
        assert pool[2] == 0
        assert head[1] == 0


def stored(indices: NDArray[np.uint64]) -> int:
    pool = xarray.new_pool(len(indices) * 5 + 10)
    kinds = np.full(len(indices), STORE, np.uint8)
    drive(xarray.new_heads(1), pool, probe.make("count"), kinds, indices, np.zeros(len(indices), np.uint64))
    return int(pool[2])


def test_node_counts_follow_the_kernels_rule() -> None:
    dense = np.arange((1 << 14) // SMALL, dtype=np.uint64)
    assert stored(dense) == arrays.dense_nodes(len(dense)) == kernel_nodes(set(dense.tolist()))
    assert arrays.dense_nodes(1 << 14) == 261
    assert arrays.dense_nodes(1 << 24) == 266_305
    assert arrays.dense_nodes(1 << 26) == 1_065_221
    sparse = np.arange(0, (1 << 20) // SMALL, 512, dtype=np.uint64)
    assert stored(sparse) == kernel_nodes(set(sparse.tolist()))
    random = np.unique(np.random.default_rng(1).integers(0, 1 << 24, 3000 // SMALL).astype(np.uint64))
    assert stored(random) == kernel_nodes(set(random.tolist()))


class Tree:
    """Tree under test, next to the dictionary that it must equal."""

    def __init__(self, *, tracked: bool, kind: str = "off") -> None:
        self.tracked = tracked
        self.head, self.pool = xarray.new_heads(1, track_free=tracked), xarray.new_pool(3000)
        self.probe = probe.make(kind)
        self.model: dict[int, int] = {}

    def do(self, kind: int, *index: int) -> list[int]:
        """Run one kind of operation on each index; entry i is a value when i is even, else a pointer."""
        out = np.zeros(len(index), np.uint64)
        drive(self.head, self.pool, self.probe, np.full(len(index), kind, np.uint8), np.array(index, np.uint64), out)
        return [int(x) for x in out]

    def check(self) -> None:
        """Walk the nodes: headers, parents, counts, value counts, marks, and no node besides."""
        root = int(self.head[1])
        found: dict[int, int] = {}
        nodes = 0
        if root & 3 == 2:
            nodes = self.walk(root >> 2, 0, 0, 0, found)
        elif root:
            found[0] = root
        assert found == self.model
        assert nodes == self.pool[2] == kernel_nodes(set(found))
        free = 0 not in found if root & 3 != 2 else bool(self.pool[(root >> 2) + 69])
        assert int(self.head[2]) == (1 | 2 * free if self.tracked else 0)

    def walk(self, node: int, parent: int, offset: int, first: int, found: dict[int, int]) -> int:
        words = [int(x) for x in self.pool[node : node + 72]]
        shift, slots = words[0] & 0xFF, words[5:69]
        assert (words[0] >> 8 & 0xFF, words[1]) == (offset, parent)
        assert words[0] >> 16 & 0xFF == sum(s != 0 for s in slots)
        assert words[0] >> 24 == sum(s & 1 for s in slots)
        nodes, marks = 1, 0
        for i, entry in enumerate(slots):
            free = entry == 0
            if shift and entry:
                assert entry & 3 == 2
                nodes += self.walk(entry >> 2, node, i, first + (i << shift), found)
                free = self.pool[(entry >> 2) + 69] != 0
            elif entry:
                found[first + i] = entry
            marks |= int(free) << i
        assert words[69:] == [marks if self.tracked else 0, 0, 0]
        return nodes


INDICES = st.one_of(st.integers(0, 130), st.integers(0, 5000), st.integers(0, HIGH))


@settings(max_examples=100 // (5 if INTERPRETED else 1), deadline=None)
@given(indices=st.sets(INDICES, max_size=60), gone=st.sets(INDICES, max_size=10), tracked=st.booleans())
def test_nodes_counts_and_marks_follow_the_kernels_rule(indices: set[int], gone: set[int], tracked: bool) -> None:
    tree = Tree(tracked=tracked)
    order = sorted(indices, key=lambda i: i * 0x9E3779B97F4A7C15 % (1 << 64))
    for index in order:
        assert tree.do(STORE, index) == [0]
        tree.model[index] = 1  # drive stores value 0 for a single operation
        tree.check()
    gone |= set(order[::2])
    for index in gone:
        assert tree.do(ERASE, index) == [tree.model.pop(index, 0)]
        tree.check()
    assert tree.do(LOAD, *order) == [tree.model.get(i, 0) for i in order]


@settings(max_examples=60 // (5 if INTERPRETED else 1), deadline=None)
@given(start=st.integers(0, 4200), holes=st.sets(st.integers(0, 4200), max_size=12), low=st.integers(0, 4300))
def test_allocation_takes_the_lowest_free_index(start: int, holes: set[int], low: int) -> None:
    start = start % 200 if INTERPRETED else start
    tree = Tree(tracked=True)
    assert tree.do(ALLOC, *[0] * start) == list(range(start))
    tree.do(ERASE, *holes)
    taken = set(range(start)) - holes
    for asked in [0] * (len(holes) + 2) + [low]:
        lowest = next(i for i in range(asked, 10**6) if i not in taken)
        assert tree.do(ALLOC, asked) == [lowest]
        taken.add(lowest)
    tree.model = {i: int(e) for i, e in zip(sorted(taken), tree.do(LOAD, *sorted(taken)), strict=True)}
    assert all(tree.model.values())
    tree.check()


def test_cyclic_allocation_goes_round_and_fills_every_index() -> None:
    tree, taken, after = Tree(tracked=True), set(), 0
    for _ in range(150):
        (index,) = tree.do(CYCLIC, after)
        after = index + 1
        taken.add(index)
    assert taken == set(range(1, 151))
    tree.do(ERASE, 3, 40, 149)
    assert tree.do(CYCLIC, *range(151, 201)) == list(range(151, 201))
    assert tree.do(CYCLIC, 201, 201, 100, 100) == [3, 40, 149, int(xarray.NOT_FOUND)]


def test_insert_and_replace_keep_marks_and_value_counts() -> None:
    tree = Tree(tracked=True)
    tree.do(INSERT, 0)
    tree.model = {0: 1}
    tree.check()
    tree.do(INSERT, 70)
    tree.model[70] = 1
    tree.check()
    tree.do(REPLACE, 0, 70)
    tree.model = {0: 1, 70: 3}
    tree.check()
    assert tree.do(REPLACE, 1 << 40) == [0]


def test_a_pointer_is_no_value() -> None:
    tree = Tree(tracked=False)
    tree.do(STORE, 5)
    store_pointer(tree.head, tree.pool, tree.probe, np.uint64(5), np.uint64(8))
    tree.model = {5: 8}
    tree.check()


@outer
def store_pointer(head, pool, pr, index, entry):  # type: ignore[no-untyped-def]
    xarray.store(head, U0, pool, pr, R_ID, R_ID_NODE, index, entry)


def lines_and_chain(kind: int, index: int, *, tracked: bool, filled: int) -> tuple[int, int, int]:
    """Lines, dependent objects and structures written of one operation on a tree with the indices below `filled`."""
    tree = Tree(tracked=tracked, kind="count")
    tree.do(STORE, *range(filled))
    observe_begin(tree.probe)
    tree.do(kind, index)
    tally = tree.probe.arrays()["tally"]
    at = int(probe.SCRATCH)
    return tuple(int(tally[at + int(m)]) for m in (probe.LINES, probe.CHAIN, probe.REGIONS))  # type: ignore[return-value]


@outer
def observe_begin(pr):  # type: ignore[no-untyped-def]
    probe.begin(pr)


def test_an_operation_walks_the_tree_once() -> None:
    # two levels: the head and two nodes are reached one after the other; each node has a line of its header and one of the slot. Nodes
    # are 73 words apart: slot 1 of the upper one, the second of the pool, is 8 words behind the start of its header's line
    assert lines_and_chain(LOAD, 70, tracked=False, filled=128)[:2] == (5, 3)
    assert lines_and_chain(STORE, 70, tracked=False, filled=128)[:2] == (5, 3)
    # allocation goes on from the node in which the walk over the marks ended; that the marks are read adds a line a node
    assert lines_and_chain(ALLOC, 0, tracked=True, filled=100)[1] == 3


def test_an_overwrite_leaves_the_header_alone() -> None:
    tree = Tree(tracked=False)
    tree.do(STORE, *range(100))
    before = tree.pool.copy()
    tree.do(STORE, *range(99, -1, -1))
    changed = {int(i) % 73 for i in np.flatnonzero(before != tree.pool)}
    assert changed
    assert not changed & {0, 1, 69, 70, 71}
