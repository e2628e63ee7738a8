"""redirect by hand: what a move costs, where data is read and written after it, which slots are tied up, swapoff of either device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dse
from dse.testing import invariants_redirect
from kernels import control
from kernels import demand as d
from kernels.designs.redirect import own
from kernels.observing import probe
from tests.test_ghost import Live
from tests.test_vswap_ste import PLACES, charged, sound

MIB, SLOTS = 1 << 20, 1 << 23  # 32 GiB of slots
NAMES = ["redirect", "redirect[reverse=word]"]


def live(text: str = "redirect", **more: Any) -> Live:
    return Live(text, **{"slots": PLACES} | more)


def move(page: int, source: int = d.SSD, target: int = d.HDD) -> tuple[int, int]:
    return d.pack(d.MOVE, page, backend=source, payload=target)


def moved(text: str = "redirect", pages: int = 3) -> Live:
    """Pages on the SSD that have moved to the HDD."""
    one = live(text)
    for page in range(pages):
        assert one.out(page, d.SSD) == ["swap_out"]
    assert one.run(*(move(page) for page in range(pages))) == ["move"] * pages
    return one


# -- a host that never moves --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "backend"),
    [*((op, "ssd") for op in ("swap_out", "swap_in", "zap", "fork", "clean_drop", "cache_hit", "writeback_end")),
     *((op, "zswap") for op in ("swap_out", "swap_in", "zap", "fork", "move"))],
)  # fmt: skip
def test_what_never_moves_costs_what_it_costs_in_phase_iv(op: str, backend: str) -> None:
    """The pointer lies in the header of the cluster, which is loaded anyway."""
    names = ("redirect", "swap_table_p4")
    mine, below = (dse.explain(op, name, slots=2048, backend=backend)["designs"][0]["totals"] for name in names)
    assert mine == below


@pytest.mark.parametrize("backend", ["zswap", "ssd"])
def test_its_bytes_are_those_of_phase_iv_and_a_pointer_a_cluster(backend: str) -> None:
    mine, below = (dse.ledger(name, SLOTS, 0.5, backend) for name in ("redirect", "swap_table_p4"))
    assert mine["total_bytes"] == below["total_bytes"]
    headers = [next(row["header_bytes"] for row in one["rows"] if row["structure"] == "cluster headers") for one in (mine, below)]
    assert headers[0] - headers[1] == 8 * (SLOTS // 512) == MIB // 8


# -- moves ------------------------------------------------------------------------------------------


@pytest.mark.interpreted
@pytest.mark.parametrize("text", NAMES)
def test_a_moved_page_keeps_its_entry_and_ties_up_two_slots(text: str) -> None:
    one = live(text)
    assert one.out(0, d.SSD) == ["swap_out"]
    entry = int(one.st.pte[0])
    assert one.run(move(0)) == ["move"]
    assert int(one.st.pte[0]) == entry
    assert [one.used(d.SSD), one.used(d.HDD), charged(one)] == [1, 1, 1]
    assert one.word(own.S_ARRAYS, own.S_REDIRECTED) == [1, 1]
    assert one.run(move(0), d.pack(d.FAULT, 0)) == ["wrong_backend", "swap_in"]
    assert one.word(control.S_LOST) == [0]
    sound(one)


@pytest.mark.interpreted
def test_an_array_is_allocated_with_the_first_move_and_freed_with_the_cluster() -> None:
    one = moved()
    assert one.word(own.S_ARRAYS, own.S_REDIRECTED) == [1, 3]
    assert one.run(d.pack(d.UNMAP, 0, count=2)) == ["zap"]
    assert one.word(own.S_ARRAYS, own.S_REDIRECTED) == [1, 1]
    assert one.run(d.pack(d.UNMAP, 2, count=1)) == ["zap"]
    assert one.word(own.S_ARRAYS, own.S_REDIRECTED, control.S_SLOTS, own.S_ARRAYS_PEAK) == [0, 0, 0, 1]
    sound(one)


@pytest.mark.interpreted
def test_a_move_back_takes_no_slot() -> None:
    one = moved(pages=1)
    assert one.run(move(0, d.HDD, d.SSD)) == ["move"]
    assert [one.used(d.SSD), one.used(d.HDD)] == [1, 0]
    assert one.word(own.S_ARRAYS, own.S_REDIRECTED) == [1, 0]
    assert one.run(d.pack(d.FAULT, 0)) == ["swap_in"]
    assert one.word(control.S_LOST) == [0]
    sound(one)


@pytest.mark.interpreted
@pytest.mark.parametrize("zero", [0, d.ZERO])
def test_a_page_that_is_written_again_lies_at_home(zero: int) -> None:
    """The folio keeps its slot; the new content is no longer what the other device has."""
    one = moved(pages=1)
    assert one.run(d.pack(d.FORK, 0, count=1, payload=1), d.pack(d.FAULT, 0)) == ["fork", "swap_in"]
    flags = d.DIRTY | zero
    assert one.run(d.pack(d.COW, 0), d.pack(d.FAULT, 32), d.pack(d.RECLAIM, 32, backend=d.SSD, payload=99, flags=flags))[-1] == "swap_out"
    sound(one)
    assert one.run(d.pack(d.FAULT, 32)) == ["swap_in"]
    assert one.word(control.S_LOST) == [0]


@pytest.mark.interpreted
def test_a_zero_page_does_not_move_and_a_full_target_takes_none() -> None:
    one = live(slots={"zswap": 8, "ssd": 16, "hdd": 1})
    assert one.out(0, d.SSD, flags=d.ZERO) + one.out(1, d.SSD) + one.out(2, d.SSD) == ["swap_out"] * 3
    assert one.run(move(0), move(1), move(2)) == ["wrong_backend", "move", "full"]
    sound(one)


@pytest.mark.interpreted
def test_a_page_in_zswap_moves_to_its_own_disk_without_a_redirect_and_to_another_with_one() -> None:
    one = live()
    assert one.out(0) + one.out(1) == ["swap_out"] * 2
    assert one.run(move(0, d.ZSWAP, d.SSD), move(1, d.ZSWAP, d.HDD)) == ["move"] * 2
    assert one.word(own.S_REDIRECTED, control.S_ZE_LIVE) == [1, 0]
    entry, place = invariants_redirect.redirects(one.st)
    assert len(entry) == len(place) == 1
    assert one.run(d.pack(d.FAULT, 0), d.pack(d.FAULT, 1)) == ["swap_in"] * 2
    assert one.word(control.S_LOST) == [0]
    sound(one)


@pytest.mark.interpreted
@pytest.mark.parametrize("sharers", [1, 2])
def test_a_move_looks_at_no_pte(sharers: int) -> None:
    one = live()
    one.out(0, d.SSD)
    if sharers == 2:
        assert one.run(d.pack(d.FORK, 0, count=1, payload=1)) == ["fork"]
    assert one.run(move(0)) == ["move"]
    row = one.probe.tally[d.MOVED * probe.COLUMNS :][: probe.COLUMNS]
    assert int(row[int(probe.PTES)]) == 0


def test_only_the_first_move_out_of_a_cluster_allocates() -> None:
    """2 KiB; the second one writes a word of them."""
    rows = []
    for pages in (1, 2):
        one = moved(pages=pages)
        rows.append(int(one.probe.tally[d.MOVED * probe.COLUMNS + int(probe.ALLOCS)]))
    first, both = rows
    assert both - first < first


# -- swapoff ------------------------------------------------------------------------------------------


@pytest.mark.interpreted
@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize(("device", "left"), [(d.SSD, [0, 0]), (d.HDD, [3, 0])])
def test_a_swapoff_of_either_device_loses_nothing(text: str, device: int, left: list[int]) -> None:
    """The device of the entries: page tables are walked. The other: PTEs stay, and pages are in the swap cache."""
    one = moved(text)
    assert one.run(d.pack(d.SWAPOFF, 0, backend=device, payload=d.MEMORY)) == ["swapoff"]
    assert [one.used(d.SSD), one.used(d.HDD)] == left
    sound(one)
    hit = "avoided" if device == d.SSD else "cache_hit"
    assert one.run(*(d.pack(d.FAULT, page) for page in range(3))) == [hit] * 3
    assert one.word(control.S_LOST) == [0]
    sound(one)


@pytest.mark.interpreted
def test_a_swapoff_scans_arrays_or_asks_the_words() -> None:
    """By words it looks at the slots of the device; by a scan at the headers of all devices and at whole arrays, after the PTEs."""
    lines = []
    for text in NAMES:
        one = moved(text)
        row = one.probe.tally[d.SWAPPED_OFF * probe.COLUMNS :][: probe.COLUMNS]
        one.run(d.pack(d.SWAPOFF, 0, backend=d.HDD, payload=d.MEMORY))
        lines.append((int(row[int(probe.PTES)]), one.word(control.S_SCANNED)[0]))
    assert lines == [(64, 3), (0, 3)]


@pytest.mark.interpreted
def test_each_may_stand_in_for_the_other() -> None:
    """Slots of two clusters that stand in for slots of each other: no lock of one is taken inside that of the other."""
    one = live(cluster_shift=4)
    for page in range(8):
        one.out(page, d.SSD if page % 2 else d.HDD)
    assert one.run(*(move(page, *((d.SSD, d.HDD) if page % 2 else (d.HDD, d.SSD))) for page in range(8))) == ["move"] * 8
    sound(one)
    assert one.run(d.pack(d.UNMAP, 0, count=8)) == ["zap"]
    rows = one.probe.tally[: probe.CODES * probe.COLUMNS].reshape(probe.CODES, probe.COLUMNS).astype(np.int64)
    assert rows[:, int(probe.LOCK_ORDER)].sum() == 0
    assert one.word(control.S_SLOTS, own.S_ARRAYS, own.S_WAITING) == [0, 0, 0]
    sound(one)
