"""ghost and xswap by hand: where pages go, what is refused, what it costs, beside the swap tables that they stand on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dse
from dse import naming
from dse.testing.reading import ctl
from kernels import control, memory
from kernels import demand as d
from kernels.life import registry as state
from kernels.life.arrays import device_rows
from kernels.observing import probe
from kernels.structures import cluster

NAMES = ["ghost", "xswap"]
SLOTS = {"zswap": 8, "ssd": 64, "hdd": 64}
ZSWAP, SSD = d.ZSWAP, d.SSD


class Live:
    """A state with what its demands ended with."""

    def __init__(self, name: str, **more: Any) -> None:
        named = naming.parse(name)
        self.design, self.probe = named.design, probe.make("count")
        given: dict[str, Any] = {"pages": 64, "slots": SLOTS, "space_shift": 5, "memcg": np.ones(2, np.uint16), "cluster_shift": 4}
        self.st = self.design.build(state.Config(**given | more, parameters=named.control))

    def run(self, *rows: tuple[int, int]) -> list[str]:
        """Replies to `rows` by name."""
        replies = np.zeros(len(rows), np.uint8)
        self.design.replay(self.st, self.probe, np.array(rows, np.uint64).reshape(-1, 2), replies)
        return [d.OPS[code] if code < d.REASON_BASE else d.REASONS[code - d.REASON_BASE] for code in replies.tolist()]

    def out(self, page: int, backend: int = ZSWAP, flags: int = 0) -> list[str]:
        """Touch a page and reclaim it."""
        return self.run(d.pack(d.FAULT, page), d.pack(d.RECLAIM, page, backend=backend, payload=900, flags=flags))[1:]

    def used(self, device: int) -> int:
        """Slots of `device` in use."""
        return int(device_rows(self.st.dev)[device, int(cluster.D_USED)])

    def word(self, *words: np.uint64) -> list[int]:
        """Control words."""
        return [ctl(self.st, word) for word in words]


@pytest.mark.interpreted
@pytest.mark.parametrize("name", NAMES)
def test_a_page_in_zswap_ties_up_no_slot_of_a_disk(name: str) -> None:
    live, below = Live(name), Live("swap_table_p4")
    for one in (live, below):
        assert one.out(0) + one.out(1, flags=d.ZERO) + one.out(2, SSD) == ["swap_out"] * 3
        assert one.word(control.S_SLOTS, control.S_ZE_LIVE, control.S_ZERO_LIVE) == [3, 1, 1]
    assert [live.used(ZSWAP), live.used(SSD)] == [2, 1]
    assert [below.used(ZSWAP), below.used(SSD)] == [0, 3]
    assert live.run(*(d.pack(d.FAULT, page) for page in range(3))) == ["swap_in"] * 3
    assert live.word(control.S_LOST) == [0]


@pytest.mark.interpreted
@pytest.mark.parametrize("name", NAMES)
def test_what_zswap_refuses_stays_dirty_with_its_slot(name: str) -> None:
    """A sharer holds the page by its entry on the ghost when it is found not to compress: it is neither written nor freed."""
    live = Live(name)
    assert live.out(0) == ["swap_out"]
    assert live.run(d.pack(d.FORK, 0, count=1, payload=1), d.pack(d.FAULT, 0)) == ["fork", "swap_in"]
    assert live.run(d.pack(d.RECLAIM, 0, backend=SSD, payload=4096)) == ["reactivated"]
    assert [live.used(ZSWAP), live.used(SSD), *live.word(control.S_ZE_LIVE)] == [1, 0, 0]
    table = live.st.folio.reshape(-1, 8)
    flags = int(table[np.flatnonzero(table[:, 0])[0], 0])
    assert flags & int(memory.DIRTY)
    assert flags & int(memory.CACHED)
    assert live.run(d.pack(d.FAULT, 0), d.pack(d.FAULT, 32)) == ["cache_hit", "cache_hit"]
    assert live.run(d.pack(d.UNMAP, 0, count=1), d.pack(d.UNMAP, 32, count=1)) == ["zap", "zap"]
    assert live.word(control.S_SLOTS, control.S_FOLIO_LIVE, control.S_LOST) == [0, 0, 0]


@pytest.mark.interpreted
@pytest.mark.parametrize("name", NAMES)
def test_a_page_of_the_ghost_does_not_move(name: str) -> None:
    live = Live(name)
    live.out(0)
    live.out(1, flags=d.ZERO)
    live.out(2, SSD)
    before = live.st.token.copy()
    asked = ((0, ZSWAP, SSD), (1, ZSWAP, d.HDD), (2, SSD, d.HDD))
    moves = [d.pack(d.MOVE, page, backend=source, payload=target) for page, source, target in asked]
    assert live.run(*moves) == ["refused", "refused", "move"]
    assert (live.st.token[:16] == before[:16]).all()
    assert live.run(d.pack(d.MOVE, 0, backend=SSD, payload=d.HDD), d.pack(d.MOVE, 2, backend=d.HDD, payload=ZSWAP)) == ["wrong_backend"] * 2


@pytest.mark.interpreted
@pytest.mark.parametrize("name", NAMES)
def test_swapoff_walks_the_page_tables_and_decompresses(name: str) -> None:
    live = Live(name)
    for page in range(4):
        live.out(page, flags=d.ZERO if page == 3 else 0)
    assert live.run(d.pack(d.SWAPOFF, 0, backend=ZSWAP, payload=d.MEMORY)) == ["swapoff"]
    assert live.word(control.S_SCANNED, control.S_SLOTS, control.S_ZE_LIVE, control.S_LOST) == [4, 0, 0, 0]
    assert live.run(d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=ZSWAP, payload=9)) == ["avoided", "full"]


@pytest.mark.interpreted
@pytest.mark.parametrize("name", NAMES)
def test_a_ghost_is_bounded_by_its_declared_size(name: str) -> None:
    live = Live(name)
    assert [live.out(page) for page in range(9)] == [["swap_out"]] * 8 + [["full"]]
    assert live.out(9, SSD) == ["swap_out"]


@pytest.mark.interpreted
@pytest.mark.parametrize("name", NAMES)
def test_slots_of_the_ghost_count_as_swap(name: str) -> None:
    """Of 8 slots on the ghost and 8 on a disk more than half are used: the cache copy of the next read is dropped."""
    live = Live(name, slots={"zswap": 8, "ssd": 8})
    assert live.word(control.S_NR_SWAP_PAGES) == [16]
    for page in range(8):
        live.out(page)
    live.out(8, SSD)
    assert live.word(control.S_NR_SWAP_PAGES) == [7]
    assert live.run(d.pack(d.FAULT, 8)) == ["swap_in"]
    assert live.used(SSD) == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("op", "backend", "lines"),
    [("swap_out", "zswap", 22), ("swap_in", "zswap", 21), ("zap", "zswap", 24), ("cache_hit", "zswap", 7), ("fork", "zswap", 4),
     ("writeback_end", "zswap", 2), ("swap_out", "ssd", 15), ("swap_in", "ssd", 12)],
)  # fmt: skip
def test_lines_of_an_operation_are_those_of_phase_4(name: str, op: str, backend: str, lines: int) -> None:
    """A ghost is one more device of the swap tables: another cluster and another tree, and not a line more."""
    mine, below = (dse.explain(op, one, slots=2048, backend=backend)["designs"][0] for one in (name, "swap_table_p4"))
    assert mine["totals"] == below["totals"]
    assert mine["totals"]["lines"] == lines
    events = [[(e["function"], e["event"], e["what"]) for e in one["events"]] for one in (mine, below)]
    assert events[0] == events[1]


def test_bytes_are_the_ordinary_ones_of_a_device_of_its_size() -> None:
    """8 B of table, 8 B of zswap's tree and 2 B of memcg table for a page; 48 B for each cluster of the declared size."""
    for fill in (0.0, 0.5, 1.0):
        ghost, p4 = (dse.ledger(name, 1 << 20, fill, "zswap") for name in ("ghost", "swap_table_p4"))
        assert {**ghost, "design": ""} == {**p4, "design": ""}
        assert ghost["static_bytes"] == 0
        assert ghost["dynamic_bytes"] == 18 * fill * (1 << 20)
        assert ghost["header_bytes"] == 48 * (1 << 20) // 512
