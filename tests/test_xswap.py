"""xswap by hand: how its cluster array grows and shrinks, what that costs, and what there is to do where no page is to be had."""

from __future__ import annotations

from typing import Any

import pytest

import dse
from dse import naming
from dse.measuring import allocating
from dse.modelling import ledger as lg
from dse.testing import conformance, invariants, streams
from kernels import control
from kernels import demand as d
from kernels.designs.xswap import own
from kernels.observing import probe
from tests.test_ghost import Live

SHIFT, PAGES = 2, 1024
SLOTS = {"zswap": 400, "ssd": 64}  # 100 clusters: a chunk, and 15 that a second one brings
ARRAY = (own.S_MAPPED, own.S_ARRAY_PAGES)


def live(text: str = "xswap", **more: Any) -> Live:
    return Live(text, **{"pages": PAGES, "slots": SLOTS, "space_shift": 9, "cluster_shift": SHIFT} | more)


def sound(one: Live) -> None:
    assert invariants.check(one.design.name, one.st, one.probe) == []


def logged(one: Live) -> list[int]:
    """Pages of the array that were allocated and freed, by the log."""
    return allocating.log_of(one.probe)[:, int(own.A_ARRAY)].sum(0).tolist()


@pytest.mark.interpreted
def test_the_array_grows_by_a_page_of_headers_and_shrinks() -> None:
    one = live()
    assert one.word(*ARRAY) == [85, 1]
    for page in range(340):
        assert one.out(page) == ["swap_out"]
    assert one.word(*ARRAY, own.S_GROWN) == [85, 1, 0]
    assert one.out(340) == ["swap_out"]
    assert one.word(*ARRAY, own.S_GROWN) == [100, 2, 1]  # 100 x 48 B are 1.2 pages
    assert logged(one) == [1, 0]
    sound(one)
    assert one.run(d.pack(d.UNMAP, 200, count=141)) == ["zap"]
    assert one.word(*ARRAY, own.S_SHRUNK) == [100, 2, 0]  # 50 of 100 clusters are in use, and their chunk has a spare one behind it
    assert one.run(d.pack(d.UNMAP, 0, count=200)) == ["zap"]
    assert one.word(*ARRAY, own.S_SHRUNK, own.S_MAPPED_PEAK) == [85, 1, 1, 100]
    assert logged(one) == [1, 1]
    sound(one)


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("out", "gone", "mapped"),
    [
        (1, (), 1),  # of the one cluster that is mapped from the start
        (5, (), 2),
        (12, (), 3),
        (13, (), 4),
        (13, (12,), 4),  # three of four in use
        (13, (8, 9, 10, 11, 12), 3),  # two of four: the third is the spare one
        (13, (0, 1, 2, 3, 4, 5, 6, 7), 4),  # the fourth is in use
        (13, tuple(range(13)), 1),
    ],
)
def test_one_cluster_at_a_time(out: int, gone: tuple[int, ...], mapped: int) -> None:
    one = live("xswap[chunk=1]")
    for page in range(out):
        one.out(page)
    one.run(*(d.pack(d.UNMAP, page, count=1) for page in gone))
    assert one.word(*ARRAY) == [mapped, 1]
    sound(one)


@pytest.mark.interpreted
def test_growing_is_three_locks_more_and_seldom_a_page() -> None:
    """A swap-out that takes a free cluster, on the ghost and where it has to be mapped first: the array's lock, and twice the device's.

    The line of the array is more. That of the next cluster on the free list is not written, as there is none.
    """
    rows = []
    for text in ("ghost", "xswap[chunk=1]"):
        one = live(text)
        for page in range(4):
            one.out(page)
        before = one.probe.tally.copy()
        assert one.out(4) == ["swap_out"]
        row = (one.probe.tally - before)[d.SWAP_OUT * probe.COLUMNS : (d.SWAP_OUT + 1) * probe.COLUMNS]
        rows.append([int(row[int(column)]) for column in (probe.LOCKS, probe.ALLOCS, probe.LINES)])
    assert [mine - ghost for mine, ghost in zip(rows[1], rows[0], strict=True)] == [3, 0, 0]


@pytest.mark.interpreted
def test_unmapping_takes_the_lock_of_each_cluster() -> None:
    """The last page of the second cluster goes: the array's lock, the device's, and that of the cluster that is unmapped behind it."""
    rows = []
    for text in ("ghost", "xswap[chunk=1]"):
        one = live(text)
        for page in range(9):
            one.out(page)
        one.run(d.pack(d.UNMAP, 8, count=1))
        one.run(d.pack(d.UNMAP, 4, count=3))
        before = one.probe.tally.copy()
        assert one.run(d.pack(d.UNMAP, 7, count=1)) == ["zap"]
        row = (one.probe.tally - before)[d.ZAPPED * probe.COLUMNS : (d.ZAPPED + 1) * probe.COLUMNS]
        rows.append([int(row[int(probe.LOCKS)]), int(row[int(probe.FREES)])])
        if text != "ghost":
            assert one.word(*ARRAY) == [2, 1]
    assert [mine - ghost for mine, ghost in zip(rows[1], rows[0], strict=True)] == [3, 0]


@pytest.mark.interpreted
def test_without_a_page_for_the_array_a_cpu_takes_what_others_left() -> None:
    one = live(slots={"zswap": 400, "ssd": 64})
    one.st.ctl[int(own.C_ARRAY_LIMIT)] = 1
    one.run(*(d.pack(d.FAULT, page) for page in range(342)))

    def out(page: int, cpu: int) -> list[str]:
        return one.run(d.pack(d.RECLAIM, page, backend=d.ZSWAP, payload=900, cpu=cpu))

    assert out(0, 1) == ["swap_out"]
    for page in range(1, 337):
        assert out(page, 0) == ["swap_out"]
    assert one.word(own.S_NOT_GROWN) == [0]
    assert [out(page, 0)[0] for page in range(337, 342)] == ["swap_out"] * 3 + ["full"] * 2
    assert one.word(*ARRAY, own.S_NOT_GROWN) == [85, 1, 3]
    assert one.word(control.S_FULL) == [2]
    sound(one)


def test_an_idle_device_costs_a_page() -> None:
    """A ghost of 32 GiB has 0.75 MiB of headers from swapon on; full, they are the same."""
    for fill, mine in ((0.0, 4080), (0.25, 49 * 4080), (1.0, 48 * 16384)):
        xswap, ghost = (dse.ledger(name, 8_388_608, fill, "zswap") for name in ("xswap", "ghost"))
        assert xswap["header_bytes"] == mine
        assert ghost["header_bytes"] == 48 * 16384
        assert xswap["total_bytes"] == ghost["total_bytes"]
    assert dse.ledger("xswap", 8_388_608, 0.0, "zswap")["allocated_bytes"] == 4096


def test_the_ledger_of_a_live_state_knows_the_peak() -> None:
    one = live()
    for page in range(341):
        one.out(page)
    one.run(d.pack(d.UNMAP, 0, count=341))
    named = naming.parse("xswap")
    rows = {row.structure: row for row in lg.live(named.design, named.values, one.st).rows}
    headers = rows["cluster headers"]
    disk = 48 * 16  # of the 64 slots of the disk
    assert (headers.header_bytes, headers.allocated_bytes, headers.peak_bytes) == (85 * 48 + disk, 2 * 4096, 3 * 4096)


@pytest.mark.interpreted
def test_swapoff_gives_the_whole_array_back() -> None:
    one = live()
    for page in range(341):
        one.out(page)
    assert one.run(d.pack(d.SWAPOFF, 0, backend=d.ZSWAP, payload=d.MEMORY)) == ["swapoff"]
    assert one.word(*ARRAY, control.S_LOST) == [0, 0, 0]
    sound(one)


@pytest.mark.interpreted
@pytest.mark.parametrize("limit", [0, 1])
def test_random_demands_on_an_array_of_many_chunks(limit: int) -> None:
    world = streams.World("many clusters", slots={"zswap": 400, "ssd": 64, "hdd": 16, "zram": 16}, weights=streams.USUAL, cluster_shift=1)
    for chunk in (1, 7):
        run = conformance.compare("xswap", world, 3, 1500, C_CHUNK=chunk, C_ARRAY_LIMIT=limit)
        assert int(run.st.ctl[int(own.S_SHRUNK)]) > 0
