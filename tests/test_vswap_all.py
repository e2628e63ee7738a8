"""vswap_all by hand: no direct entries, what a page costs, disks with a bitmap, and what is lost where nothing leads back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dse
from kernels import control
from kernels import demand as d
from kernels.designs.vswap_ste import own
from kernels.observing import probe
from tests.test_ghost import Live
from tests.test_vswap_ste import PLACES, charged, device_of, sound

SLOTS = 1 << 23  # 32 GiB of slots
NAMES = ["vswap_all", "vswap_all[reverse=word]"]


def live(text: str = "vswap_all", **more: Any) -> Live:
    return Live(text, **{"slots": PLACES} | more)


@pytest.mark.interpreted
@pytest.mark.parametrize("text", NAMES)
def test_every_page_has_an_entry_of_the_virtual_device(text: str) -> None:
    one = live(text)
    assert one.out(0) + one.out(1, flags=d.ZERO) + one.out(2, d.SSD) + one.out(3, d.HDD) == ["swap_out"] * 4
    assert [device_of(one, page) for page in range(4)] == [d.ZSWAP] * 4
    assert one.word(own.S_VSLOTS, own.S_PSLOTS, own.S_PDIRECT) == [4, 2, 0]
    assert one.word(own.S_PTABLES) == [2 if "word" in text else 0]
    assert charged(one) == 2
    sound(one)
    assert one.run(*(d.pack(d.FAULT, page) for page in range(4))) == ["swap_in"] * 4
    assert one.word(control.S_LOST) == [0]
    sound(one)


@pytest.mark.interpreted
def test_a_page_stays_where_no_virtual_slot_is_to_be_had() -> None:
    one = live(cluster_shift=4)
    most = one.st.ctl[int(own.C_VCLUSTERS)] = 2  # number 0 is never given out
    for page in range(17):
        assert one.out(page, d.SSD) == (["swap_out"] if page < 16 * (int(most) - 1) else ["full"])
    assert int(one.st.pte[16]) & 1


@pytest.mark.parametrize(
    ("text", "backend", "bytes_per_page"),
    [("vswap_all", "zswap", 18), ("vswap_all", "ssd", 18.125), ("vswap_all[reverse=word]", "ssd", 26.125)],
)
def test_bytes_of_a_page(text: str, backend: str, bytes_per_page: float) -> None:
    """8 B of table, 8 of virtual table, 2 of memcg table, a bit of the disk; 8 more with a word that leads back."""
    found = dse.ledger(text, SLOTS, 1.0, backend)
    assert found["total_bytes"] == bytes_per_page * SLOTS


def test_a_page_on_a_disk_takes_less_than_in_the_edition_and_more_than_in_phase_iv() -> None:
    every = [dse.ledger(name, SLOTS, 1.0, "ssd")["total_bytes"] for name in ("swap_table_p4", "vswap_all", "vswap_ste[route=all]")]
    assert every == sorted(every)
    assert len(set(every)) == 3


@pytest.mark.parametrize("op", ["swap_in", "swap_out", "fork", "cache_hit", "writeback_end"])
def test_on_zswap_it_costs_what_the_edition_costs_with_words(op: str) -> None:
    names = (*NAMES, "vswap_ste")
    plain, words, theirs = (dse.explain(op, name, slots=2048, backend="zswap")["designs"][0]["totals"] for name in names)
    assert words == theirs
    assert all(plain[what] <= theirs[what] for what in plain)


def test_a_disk_without_words_has_no_table_to_write() -> None:
    for op in ("swap_out", "zap"):
        names = ("vswap_all", "vswap_all[reverse=word]")
        plain, words = (dse.explain(op, name, slots=2048, backend="ssd")["designs"][0] for name in names)
        assert plain["totals"]["lines"] < words["totals"]["lines"]
        assert plain["totals"]["locked_sections"] == words["totals"]["locked_sections"]


@pytest.mark.interpreted
@pytest.mark.parametrize("text", NAMES)
def test_a_move_changes_no_page_table_and_no_word_of_the_swap_table(text: str) -> None:
    one = live(text)
    assert one.out(0) == ["swap_out"]
    before = one.st.pte.copy()
    virtual = np.flatnonzero(one.st.table)
    word = one.st.table[virtual].copy()
    moves = d.pack(d.MOVE, 0, backend=d.ZSWAP, payload=d.SSD), d.pack(d.MOVE, 0, backend=d.SSD, payload=d.HDD)
    assert one.run(*moves) == ["move"] * 2
    assert np.array_equal(one.st.pte, before)
    assert np.array_equal(one.st.table[virtual], word)
    assert [one.used(device) for device in range(3)] == [1, 0, 1]
    assert int(one.probe.tally[d.MOVED * probe.COLUMNS + int(probe.PTES)]) == 0
    sound(one)


@pytest.mark.interpreted
@pytest.mark.parametrize("text", NAMES)
def test_a_swapoff_reads_no_page_table(text: str) -> None:
    one = live(text)
    for page in range(4):
        one.out(page, d.SSD)
    assert one.run(d.pack(d.SWAPOFF, 0, backend=d.SSD, payload=d.MEMORY)) == ["swapoff"]
    assert int(one.probe.tally[d.SWAPPED_OFF * probe.COLUMNS + int(probe.PTES)]) == 0
    assert one.word(own.S_VSLOTS, own.S_PSLOTS, control.S_SCANNED) == [4, 0, 4]
    sound(one)
    assert one.run(*(d.pack(d.FAULT, page) for page in range(4))) == ["cache_hit"] * 4
    assert one.word(control.S_LOST) == [0]


@pytest.mark.interpreted
@pytest.mark.parametrize(("text", "reply", "left"), [("vswap_all", "reactivated", 16), ("vswap_all[reverse=word]", "swap_out", 1)])
def test_only_words_tell_a_full_disk_what_the_cache_alone_holds(text: str, reply: str, left: int) -> None:
    one = live(text, slots={"zswap": 64, "ssd": 16, "hdd": 200})
    one.run(*(d.pack(d.FAULT, page) for page in range(17)))
    assert one.run(*(d.pack(d.RECLAIM, page, backend=d.SSD, payload=900) for page in range(16))) == ["swap_out"] * 16
    assert one.run(*(d.pack(d.FAULT, page) for page in range(16))) == ["swap_in"] * 16
    assert one.run(d.pack(d.RECLAIM, 16, backend=d.SSD, payload=900)) == [reply]
    assert one.word(own.S_PSLOTS) == [left]
    sound(one)
