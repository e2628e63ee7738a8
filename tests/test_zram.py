"""zram by hand: slots, elements, objects and blocks, what is refused, what it costs, beside the swap tables that it stands on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dse
from dse.modelling.sizes import class_bytes
from dse.testing.reading import ctl
from kernels import control, memory
from kernels import demand as d
from kernels.designs.zram import driver, own
from tests import test_ghost
from tests.test_ghost import SSD, ZSWAP

NAME = "zram"
SLOTS = {"zswap": 6, "ssd": 8, "hdd": 64}


class Live(test_ghost.Live):
    """A state whose zram has 8 slots, as many as the disk behind zswap."""

    def __init__(self, name: str) -> None:
        super().__init__(name, slots=SLOTS)


def back(page: int, kind: int = d.MOVE, target: int = SSD) -> tuple[int, int]:
    """Move a page from zswap, by default to the backing device."""
    return d.pack(kind, page, backend=ZSWAP, payload=target)


def out(live: Live, page: int, size: int, flags: int = 0) -> list[str]:
    """Touch a page and send `size` bytes of it to zswap."""
    return live.run(d.pack(d.FAULT, page), d.pack(d.RECLAIM, page, backend=ZSWAP, payload=size, flags=flags))[1:]


def element(live: Live, offset: int) -> tuple[int, int, int]:
    """Handle, size and flags of an element."""
    row = live.st.element.reshape(-1, int(driver.E_WORDS))[offset]
    flags = int(row[int(driver.E_FLAGS)])
    return int(row[int(driver.E_HANDLE)]), flags & int(driver.SIZE), flags & ~int(driver.SIZE)


@pytest.mark.interpreted
def test_a_page_in_zswap_has_a_slot_of_the_zram_and_an_object() -> None:
    live = Live(NAME)
    assert live.out(0) + live.out(1, flags=d.ZERO) + live.out(2, SSD) == ["swap_out"] * 3
    assert [live.used(ZSWAP), live.used(SSD)] == [2, 1]
    assert live.word(control.S_ZE_LIVE, control.S_ZERO_LIVE, own.S_STORED, own.S_COMPRESSED) == [1, 1, 1, 900]
    assert element(live, 0)[1:] == (900, 0)
    assert element(live, 1) == (0, 0, 0)  # the driver never saw the zero page
    assert live.word(control.S_NR_SWAP_PAGES) == [8 + 8 + 64 - 3]
    assert live.run(*(d.pack(d.FAULT, page) for page in range(3))) == ["swap_in"] * 3
    assert live.word(control.S_LOST) == [0]


@pytest.mark.interpreted
def test_the_device_is_synchronous() -> None:
    """The slot of a page that nobody else holds goes with the fault, and the driver is told; a shared one stays, with its object."""
    live = Live(NAME)
    live.out(0)
    assert live.run(d.pack(d.FORK, 0, count=1, payload=1), d.pack(d.FAULT, 0)) == ["fork", "swap_in"]
    assert live.word(control.S_SLOTS, control.S_ZE_LIVE, own.S_NOTIFIED) == [1, 1, 0]
    table = live.st.folio.reshape(-1, 8)
    assert not int(table[np.flatnonzero(table[:, 0])[0], 0]) & int(memory.DIRTY)
    assert live.run(d.pack(d.FAULT, 32)) == ["cache_hit"]
    assert live.word(control.S_SLOTS, control.S_ZE_LIVE, own.S_NOTIFIED) == [0, 0, 1]


@pytest.mark.interpreted
def test_every_slot_that_dies_is_told_to_the_driver() -> None:
    """One by one, in a run, with an object, with a block, and where there is neither."""
    live = Live(NAME)
    for page in range(6):
        live.out(page, flags=d.ZERO if page == 5 else 0)
    assert live.run(back(3), d.pack(d.UNMAP, 0, count=1), d.pack(d.UNMAP, 1, count=5)) == ["move", "zap", "zap"]
    assert live.word(own.S_NOTIFIED, control.S_SLOTS, control.S_ZE_LIVE, own.S_STORED, own.S_COMPRESSED, own.S_BLOCKS) == [6, 0, 0, 0, 0, 0]
    assert not live.st.element.any()
    assert not live.st.bdmap.any()


@pytest.mark.interpreted
def test_a_zero_page_leaves_the_older_object_of_its_slot() -> None:
    """The zero bit is the swap layer's: the driver keeps an object that nobody reads, until the slot dies."""
    live = Live(NAME)
    kept = (d.pack(d.RECLAIM_BEGIN, 0, backend=ZSWAP, payload=900), d.pack(d.FAULT, 0), d.pack(d.RECLAIM_END, 0))
    live.run(d.pack(d.FAULT, 0), *kept)
    assert live.run(d.pack(d.RECLAIM, 0, backend=ZSWAP, flags=d.DIRTY | d.ZERO)) == ["swap_out"]
    assert live.word(control.S_ZERO_LIVE, control.S_ZE_LIVE) == [1, 1]
    assert live.run(back(0)) == ["wrong_backend"]
    assert live.run(d.pack(d.FAULT, 0)) == ["swap_in"]
    assert live.word(control.S_ZE_LIVE, own.S_NOTIFIED, control.S_LOST) == [0, 1, 0]


@pytest.mark.interpreted
def test_an_incompressible_page_is_an_object_of_a_page() -> None:
    live = Live(NAME)
    for page, size in enumerate((3624, 3625, 4096)):
        assert out(live, page, size) == ["swap_out"]
    assert [element(live, n)[1:] for n in range(3)] == [(3624, 0), (4096, int(driver.HUGE)), (4096, int(driver.HUGE))]
    assert live.word(control.S_ZOBJ_BYTES, own.S_HUGE) == [class_bytes(3624) + 2 * 4096, 2]
    assert live.run(back(1)) == ["move"]
    assert live.word(own.S_HUGE, own.S_HUGE_SINCE) == [1, 2]
    assert element(live, 1) == (0, 4096, int(driver.HUGE | driver.WB))


@pytest.mark.interpreted
def test_a_write_at_the_limit_fails_and_the_page_stays() -> None:
    """A quarter of 8 slots is 2 pages: the third whole page is refused, with its slot; so is the next one."""
    live = Live("zram[mem_limit=quarter]")
    assert ctl(live.st, own.C_LIMIT_PAGES) == 2
    assert [out(live, page, 4096) for page in range(3)] == [["swap_out"], ["swap_out"], ["reactivated"]]
    assert live.word(control.S_SLOTS, control.S_ZE_LIVE, own.S_FAILED_WRITES, own.S_USED_MAX) == [3, 2, 1, 3]
    assert live.run(d.pack(d.FAULT, 2)) == ["cache_hit"]
    assert live.run(back(0), d.pack(d.RECLAIM, 2, backend=ZSWAP, payload=4096)) == ["move", "swap_out"]  # a block takes no memory
    assert live.run(*(d.pack(d.FAULT, page) for page in range(3))) == ["swap_in"] * 3
    assert live.word(control.S_LOST) == [0]


@pytest.mark.interpreted
def test_writeback_changes_the_element_and_nothing_else() -> None:
    live = Live(NAME)
    live.out(0)
    live.out(1)
    before = {name: array.copy() for name, array in live.st.arrays().items()}
    assert live.run(back(1), back(0)) == ["move", "move"]
    changed = {name for name, array in live.st.arrays().items() if not np.array_equal(array, before[name])}
    assert changed == {"ctl", "element", "bdmap", "backing", "txn"} - ({"txn"} if not live.st.txn.any() else set())
    assert [element(live, n) for n in range(2)] == [(1, 900, int(driver.WB)), (0, 900, int(driver.WB))]
    assert live.word(control.S_SLOTS, control.S_ZE_LIVE, own.S_BLOCKS, own.S_BD_WRITES) == [2, 0, 2, 2]
    assert [live.used(ZSWAP), live.used(SSD)] == [2, 0]
    assert live.run(d.pack(d.FAULT, 0), d.pack(d.FAULT, 1)) == ["swap_in"] * 2
    assert live.word(own.S_BD_READS, own.S_BLOCKS, own.S_NOTIFIED, control.S_LOST) == [2, 0, 2, 0]


@pytest.mark.interpreted
def test_a_written_back_page_moves_as_one_of_a_disk() -> None:
    live = Live(NAME)
    for page in range(3):
        live.out(page)
    assert live.run(back(0)) == ["move"]
    asked = ((0, ZSWAP, SSD), (0, SSD, ZSWAP), (0, SSD, SSD), (1, SSD, d.HDD))
    assert live.run(*(d.pack(d.MOVE, page, backend=a, payload=b) for page, a, b in asked)) == ["wrong_backend"] * 4
    assert live.run(d.pack(d.MOVE, 0, backend=SSD, payload=d.HDD), back(1, target=d.HDD)) == ["move", "move"]
    assert [live.used(ZSWAP), live.used(SSD), live.used(d.HDD), *live.word(own.S_BLOCKS)] == [1, 0, 2, 0]
    assert live.run(*(d.pack(d.FAULT, page) for page in range(3))) == ["swap_in"] * 3
    assert live.word(control.S_LOST) == [0]


MEANWHILE = {
    "read": (d.pack(d.FAULT, 32), "swap_in"),
    "freed": (d.pack(d.UNMAP, 0, count=1), "zap"),
}


@pytest.mark.interpreted
@pytest.mark.parametrize("what", MEANWHILE)
def test_a_writeback_is_given_up_when_its_slot_is(what: str) -> None:
    live = Live(NAME)
    live.out(0)
    if what == "read":
        live.run(d.pack(d.FORK, 0, count=1, payload=1))
    demand, reply = MEANWHILE[what]
    assert live.run(back(0, d.MOVE_BEGIN), demand, back(0, d.MOVE_END)) == ["stepped", reply, "moved_away"]
    assert live.word(own.S_BLOCKS, own.S_BD_WRITES) == [0, 1]


@pytest.mark.interpreted
def test_what_has_no_backing_device_or_no_block_is_refused() -> None:
    live = Live("zram[backing=none]")
    live.out(0)
    assert live.run(back(0), back(0, target=d.HDD)) == ["refused", "move"]
    live = Live("zram[backing=half]")
    for page in range(5):
        live.out(page)
    assert live.run(*map(back, range(5))) == ["move"] * 4 + ["full"]
    assert live.run(d.pack(d.UNMAP, 2, count=1), back(4)) == ["zap", "move"]
    assert element(live, 4)[0] == 2  # the first free block


@pytest.mark.interpreted
def test_swapoff_of_the_disk_leaves_pages_in_blocks() -> None:
    """The backing device is no swap device. Swapoff of the zram reads objects and blocks."""
    live = Live(NAME)
    for page in range(3):
        live.out(page, SSD if page == 2 else ZSWAP)
    assert live.run(back(0), d.pack(d.SWAPOFF, 0, backend=SSD, payload=d.MEMORY)) == ["move", "swapoff"]
    assert live.word(control.S_SLOTS, own.S_BLOCKS) == [2, 1]
    assert live.run(back(1)) == ["move"]
    assert live.run(d.pack(d.SWAPOFF, 0, backend=ZSWAP, payload=d.MEMORY)) == ["swapoff"]
    assert live.word(control.S_SLOTS, own.S_BLOCKS, own.S_BD_READS, control.S_LOST) == [0, 0, 2, 0]
    assert live.run(d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=ZSWAP, payload=9)) == ["avoided", "full"]


def totals(op: str, name: str, backend: str, **more: Any) -> dict[str, int]:
    """Totals that an operation counts."""
    found: dict[str, int] = dse.explain(op, name, slots=2048, backend=backend, **more)["designs"][0]["totals"]
    return found


@pytest.mark.parametrize("op", ["swap_out", "swap_in", "clean_drop", "fork", "zap", "cache_hit"])
def test_a_page_that_goes_straight_to_a_disk_costs_what_it_costs_without_zram(op: str) -> None:
    assert totals(op, NAME, "ssd") == totals(op, "swap_table_p4", "ssd")


def test_the_notification_comes_under_the_lock_of_the_cluster() -> None:
    events = [(e["function"], e["event"], e["what"]) for e in dse.explain("zap", NAME, slots=2048, backend="zswap")["designs"][0]["events"]]
    locks = [(event, what) for _, event, what in events if event in ("lock", "unlock")]
    at = locks.index(("lock", "zram entry"))
    assert locks[: at + 2] == [("lock", "cluster"), ("lock", "zram entry"), ("unlock", "zram entry")]
    assert ("unlock", "cluster") in locks[at + 2 :]
    told = next(i for i, (function, _, _) in enumerate(events) if function == "zram_slot_free_notify")
    assert [function for function, _, _ in events[:told]].count("zswap_invalidate") == 1
    assert "swap_range_free" in [function for function, _, _ in events[told:]]


def test_the_chain_to_an_object() -> None:
    """The device and the element in place of zswap's tree of three levels and its entry; an empty tree is looked at."""
    mine, zswap = (dse.explain("swap_in", name, slots=1 << 16, backend="zswap")["designs"][0] for name in (NAME, "swap_table_p4"))
    chased = [[e["what"] for e in one["events"] if e["event"] == "chase"] for one in (mine, zswap)]
    end = chased[0].index("zsmalloc object") + 1
    assert chased[0][end - 4 : end] == ["zswap tree", "zram device", "zram element", "zsmalloc object"]
    assert end < chased[1].index("zsmalloc object") + 1


def test_bytes_are_16_a_slot_for_good_and_10_a_page() -> None:
    """An element for every slot, a bit for every block; 8 B of table and 2 B of memcg table for a page in use."""
    slots = 1 << 20
    for fill in (0.0, 0.5, 1.0):
        for text, bit in (("zram", 1 / 8), ("zram[backing=half]", 1 / 16), ("zram[backing=none]", 0)):
            found = dse.ledger(text, slots, fill, "zswap")
            assert found["static_bytes"] == (16 + bit) * slots
            assert found["dynamic_bytes"] == 10 * fill * slots
            assert found["header_bytes"] == 48 * slots // 512
    assert dse.ledger("zram", slots, 0.5, "ssd")["total_bytes"] == dse.ledger("swap_table_p4", slots, 0.5, "ssd")["total_bytes"]
    objects = [
        {row["structure"]: row for row in dse.ledger(n, slots, 0.5, "zswap")["rows"]}["zsmalloc objects"] for n in (NAME, "swap_table_p4")
    ]
    assert objects[0] == objects[1]
