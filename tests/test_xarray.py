"""The xarray model against a dictionary, and node counts against the kernel's rule."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels import idalloc, probe, xarray
from kernels.jit import outer
from kernels.probe import R_ID, R_ID_NODE
from kernels.words import ONES, U0, U1

LOAD, STORE, ERASE, ALLOC = range(4)


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
        else:
            out[i] = idalloc.alloc(head, U0, pool, pr, R_ID, R_ID_NODE, index[i], ONES >> U1, value)


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
        n = 2000
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
    dense = np.arange(1 << 14, dtype=np.uint64)
    assert stored(dense) == xarray.dense_nodes(1 << 14) == kernel_nodes(set(dense.tolist())) == 261
    assert xarray.dense_nodes(1 << 24) == 266_305
    assert xarray.dense_nodes(1 << 26) == 1_065_221
    sparse = np.arange(0, 1 << 20, 512, dtype=np.uint64)
    assert stored(sparse) == kernel_nodes(set(sparse.tolist()))
    random = np.unique(np.random.default_rng(1).integers(0, 1 << 24, 3000).astype(np.uint64))
    assert stored(random) == kernel_nodes(set(random.tolist()))
