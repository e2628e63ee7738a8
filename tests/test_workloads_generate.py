"""Generators and interleaving: distribution, determinism, independence of the block size, properties of the copies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse import workloads
from dse.errors import BadInput
from dse.workloads import trace as traces
from kernels import demand
from kernels.compiling.jit import outer
from kernels.traces import generate

pytestmark = pytest.mark.interpreted
PAGE = (1 << 31) - 1
SPECS = [
    {"generator": "zipf", "pages": 3000, "spaces": 3},
    {"generator": "uniform", "pages": 3000, "write_share": 1},
    {"generator": "scan", "pages": 77, "write_share": 0},
    {"generator": "phase", "pages": 5000, "phase_accesses": 700},
    {"generator": "fork", "pages": 200, "children": 3, "fork_every": 90, "child_write_share": 0.5},
]


@pytest.fixture(autouse=True)
def _wrap_around():
    with np.errstate(over="ignore"):
        yield


def whole(workload, n, **sizes):
    """The stream in one piece: accesses, events, global positions."""
    accesses, events, positions, done = [], [], [], 0
    for a, e, p in workload.blocks(n, **sizes):
        assert (a.dtype, e.dtype, p.dtype) == (np.uint32, np.uint64, np.int64)
        assert e.shape == (len(p), 2)
        assert ((p >= 0) & (p <= len(a))).all()
        accesses.append(a)
        events.append(e)
        positions.append(p + done)
        done += len(a)
    assert done == n
    return np.concatenate(accesses), np.concatenate(events), np.concatenate(positions)


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Trace of two spaces with a fork, a run of unmapped pages and an event after the last access."""
    accesses = np.array([0, 1, 2 | 1 << 31, 3, 4, 4 + 8, 2, 1, 0], np.uint32)
    words = [
        demand.pack(demand.FORK, 0, count=5, payload=1),
        demand.pack(demand.UNMAP, 8, count=5),
        demand.pack(demand.UNMAP, 3, count=2),
        demand.pack(demand.UNMAP, 0, count=1),
    ]
    trace = traces.build(
        accesses, {"recorder": "test"}, pages=6, space_shift=3, spaces=2,
        events=np.array(words, np.uint64), positions=np.array([3, 6, 6, 9], np.int64),
    )  # fmt: skip
    return traces.save(trace, tmp_path_factory.mktemp("t") / "small")


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s["generator"])
def test_same_seed_same_stream_whatever_the_blocks(spec):
    workload = workloads.make(spec, 5)
    stream = whole(workload, 1500)
    assert equal(stream, whole(workloads.make(spec, 5), 1500, block=97, events=2))
    assert not np.array_equal(stream[0], whole(workloads.make(spec, 6), 1500)[0]) or spec["generator"] == "scan"
    assert workload.digest == workloads.make(dict(reversed(spec.items())), 5).digest
    assert workload.digest != workloads.make(spec, 6).digest
    assert workload.pages == workload.spaces << workload.space_shift
    assert int((stream[0] & PAGE).max()) < workload.pages
    assert len(np.unique(stream[0] & PAGE)) <= workload.touched <= workload.pages
    assert workload.memcg_of_space.dtype == np.uint16
    assert len(workload.memcg_of_space) == workload.spaces


@outer
def scattered(n, bits, key, image):
    """Image of every rank below `n`."""
    for i in range(n):
        image[i] = generate.scatter(i, n, bits, key)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 70), st.integers(0, (1 << 64) - 1))
def test_scatter_is_a_bijection(n, key):
    bits, image = max((n - 1).bit_length(), 1), np.empty(n, np.uint64)
    scattered(np.uint64(n), np.uint64(bits), np.uint64(key), image)
    assert sorted(image.tolist()) == list(range(n))


@pytest.mark.parametrize("theta", [0.5, 0.99, 1.0, 2.5])
def test_zipf_frequencies(theta):
    n, draws = 12, 4000
    spec = {"generator": "zipf", "pages": n, "theta": theta, "write_share": 0.25}
    accesses = whole(workloads.make(spec, 3), draws)[0]
    found = np.sort(np.bincount(accesses & PAGE, minlength=n))[::-1] / draws
    weights = np.arange(1, n + 1) ** -theta
    assert np.abs(found - weights / weights.sum()).max() < 0.03
    assert abs((accesses >> 31).mean() - 0.25) < 0.03


def test_zipf_of_one_page():
    assert set(whole(workloads.make({"generator": "zipf", "pages": 1}, 1), 20)[0] & PAGE) == {0}


def test_scan_and_uniform():
    scan = whole(workloads.make({"generator": "scan", "pages": 10, "spaces": 3, "write_share": 1}, 1), 25)[0]
    pages = [(i // 4) << 2 | i % 4 for i in range(10)]
    assert [int(a & PAGE) for a in scan] == [pages[i % 10] for i in range(25)]
    assert (scan >> 31 == 1).all()
    uniform = whole(workloads.make({"generator": "uniform", "pages": 8}, 1), 4000)[0]
    assert np.abs(np.bincount(uniform & PAGE) / 4000 - 1 / 8).max() < 0.03


def test_phases_change_the_working_set():
    spec = {"generator": "phase", "pages": 10_000, "working_set": 0.005, "phase_accesses": 600}
    accesses = whole(workloads.make(spec, 2), 1800)[0] & PAGE
    sets = [set(accesses[i : i + 600].tolist()) for i in (0, 600, 1200)]
    assert all(len(s) <= 50 for s in sets)
    assert len(sets[0] & sets[1]) < 10


def test_forks_before_unmaps_and_only_live_children_are_read():
    spec = {"generator": "fork", "pages": 100, "children": 2, "fork_every": 50, "child_share": 0.5}
    accesses, events, positions = whole(workloads.make(spec, 1), 400)
    rows = demand.records(events)
    live: set[int] = set()
    at = 0
    for i, access in enumerate(accesses.tolist()):
        while at < len(rows) and positions[at] <= i:
            row = rows[at]
            if row["kind"] == demand.FORK:
                assert int(row["arg"]) not in live
                assert (row["page"], row["count"]) == (0, 100)
                live.add(int(row["arg"]))
            else:
                live.remove(int(row["page"]) >> 7)
            at += 1
        space = (access & PAGE) >> 7
        assert space == 0 or space in live
        assert space == 0 or not access >> 31
    assert at == len(rows) == 7 + 5


@pytest.mark.parametrize("quantum", [1, 4, 100])
def test_copies_play_the_trace(small, quantum):
    spec = {"trace": str(small), "copies": 3, "quantum": quantum, "memcgs": 2}
    workload = workloads.make(spec, 4)
    assert (workload.spaces, workload.space_shift, workload.touched) == (6, 3, 18)
    assert workload.memcg_of_space.tolist() == [1, 1, 2, 2, 1, 1]
    accesses, events, positions = stream = whole(workload, 200)
    assert equal(stream, whole(workload, 200, block=7, events=2))
    assert equal(stream, whole(workload, 200, block=31, events=3))
    source = traces.load(small)
    for copy in range(3):
        mine = accesses[(accesses & PAGE) >> 4 == copy] - np.uint32(copy << 4)
        phase = next(i for i in range(9) if all(mine[j] == source.accesses[(i + j) % 9] for j in range(len(mine))))
        first = [k for k in range(len(events)) if int(events[k, 0]) >> 32 >> 4 == copy]
        whole_rounds = (phase + len(mine)) // 9
        exits = sum(int(events[k, 1]) & 0xFFFFFFFF == 8 for k in first)
        assert 2 * (whole_rounds - 1) <= exits <= 2 * whole_rounds
        forked = [k for k in first if int(events[k, 0]) & 0xFF == demand.FORK]
        assert all(int(events[k, 1]) >> 32 == copy * 2 + 1 for k in forked)
        for k in forked:  # the fork comes before the access with index 3
            after = accesses[positions[k] :]
            nxt = after[(after & PAGE) >> 4 == copy][:1] & PAGE
            assert len(nxt) == 0 or int(nxt[0]) == (copy << 4 | 3)


def test_turns_are_fair_and_random(small):
    spec = {"trace": str(small), "copies": 8, "quantum": 5}
    accesses = whole(workloads.make(spec, 4), 5 * 8 * 6)[0]
    owners = ((accesses & PAGE) >> 4).reshape(6, 8, 5)
    assert (owners == owners[:, :, :1]).all()
    assert all(sorted(turn) == list(range(8)) for turn in owners[:, :, 0].tolist())
    assert len({tuple(turn) for turn in owners[:, :, 0].tolist()}) > 1


def test_one_copy_plays_from_the_start(small):
    workload = workloads.make({"trace": str(small)}, 1)
    accesses, events, positions = whole(workload, 9)
    source = traces.load(small)
    assert workload.accesses == 9
    assert np.array_equal(accesses, source.accesses)
    assert np.array_equal(events, source.events[:3])  # the last one and the exit come behind the stream
    assert positions.tolist() == [3, 6, 6]
    _, events, positions = whole(workload, 10)
    assert np.array_equal(events[:4], source.events)
    assert positions[:4].tolist() == [3, 6, 6, 9]
    assert len(events) == 6  # the exit of both spaces


def test_enough_copies_for_the_pages(small):
    assert workloads.make({"trace": str(small), "pages_at_least": 601}, 1).spec["copies"] == 101
    with pytest.raises(BadInput, match="more than 2"):
        workloads.make({"trace": str(small), "copies": 1 << 25}, 1)
    with pytest.raises(BadInput, match=r"more than 2\^24"):
        workloads.make({"trace": str(small), "copies": (1 << 23) + 1}, 1)


def test_large_spaces():
    workload = workloads.make({"generator": "zipf", "pages": 1 << 28}, 1)
    assert workload.pages == 1 << 28
    assert math.log2(int((whole(workload, 300)[0] & PAGE).max())) > 25


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "either a generator or a trace"),
        ({"generator": "zip"}, "unknown generator 'zip'"),
        ({"generator": "zipf", "page": 1}, "unknown key 'page'"),
        ({"generator": "zipf", "pages": -1}, "pages is a whole number"),
        ({"generator": "zipf", "pages": 1.5}, "pages is a whole number"),
        ({"generator": "zipf", "pages": 1 << 29}, "more than"),
        ({"generator": "zipf", "theta": 0}, "theta"),
        ({"generator": "zipf", "write_share": 1.1}, "write_share is a share"),
        ({"generator": "scan", "theta": 0.5}, "unknown key 'theta'"),
        ({"generator": "uniform", "memcgs": 70_000}, "memory cgroups"),
        ({"generator": "fork", "pages": 1, "children": 1 << 24}, "address spaces"),
        ({"trace": "no-such-trace"}, "no such trace file"),
        ({"trace": "sort", "phase": 1}, "true or false"),
        ({"trace": "sort", "copies": 0}, "copies is a whole number"),
    ],
)
def test_bad_specifications(spec, message):
    with pytest.raises(BadInput, match=message):
        workloads.make(spec, 1)
