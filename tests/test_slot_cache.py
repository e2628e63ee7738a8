"""Slots that 6.12 collects by a cache of each CPU before it frees them: when, how many, and what they keep until then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse import naming
from dse.testing.reading import ctl
from kernels import control
from kernels import demand as d
from kernels.life import registry as state
from kernels.observing import probe

COLLECTING, AT_ONCE = "direct[frees=cache]", "direct"
BATCH = 64
ROOM = 4096


class Live:
    """A state of one CPU with pages in swap."""

    def __init__(self, name: str, pages: int = 256, slots: int = ROOM, cpus: int = 1) -> None:
        named = naming.parse(name)
        self.design, self.probe = named.design, probe.make("count")
        config = state.Config(
            pages=1 << 10, slots={"ssd": slots, "zswap": slots}, space_shift=10, memcg=np.ones(1, np.uint16), cpus=cpus,
            parameters=named.control,
        )  # fmt: skip
        self.st = self.design.build(config)
        self.run(*(row for p in range(pages) for row in (d.pack(d.FAULT, p), d.pack(d.RECLAIM, p, backend=d.SSD, payload=9))))

    def run(self, *rows: tuple[int, int]) -> set[str]:
        replies = np.zeros(len(rows), np.uint8)
        self.design.replay(self.st, self.probe, np.array(rows, np.uint64).reshape(-1, 2), replies)
        return {d.OPS[code] if code < d.REASON_BASE else d.REASONS[code - d.REASON_BASE] for code in replies.tolist()}

    def zap(self, first: int, n: int, cpu: int = 0) -> None:
        """Zap so many pages one by one."""
        assert self.run(*(d.pack(d.UNMAP, p, count=1, cpu=cpu) for p in range(first, first + n))) == {"zap"}

    @property
    def used(self) -> int:
        """Slots in use."""
        return ctl(self.st, control.S_SLOTS)

    def locks(self, code: int) -> int:
        """Locked sections of swap of an operation, all together."""
        row: Any = self.probe.tally[code * probe.COLUMNS :]
        return int(row[int(probe.LOCKS)])


@pytest.mark.interpreted
def test_slots_go_by_batches_of_64() -> None:
    live = Live(COLLECTING)
    live.zap(0, BATCH)
    assert live.used == 256, "all are in the cache"
    live.zap(BATCH, 1)
    assert live.used == 256 - BATCH, "the 65th one empties it"
    live.zap(BATCH + 1, BATCH - 1)
    assert live.used == 256 - BATCH
    assert Live(AT_ONCE).used == 256


@pytest.mark.interpreted
def test_a_collected_slot_keeps_owner_and_flag_and_nobody_takes_it() -> None:
    live = Live(COLLECTING, pages=2)
    owners = live.st.cgroup[live.st.cgroup != 0].tolist()
    live.zap(0, 2)
    assert live.st.cgroup[live.st.cgroup != 0].tolist() == owners == [1, 1]
    assert sorted(live.st.smap[live.st.smap != 0].tolist()) == [0x40, 0x40]
    assert live.run(d.pack(d.FAULT, 9), d.pack(d.RECLAIM, 9, backend=d.SSD, payload=9)) == {"first_touch", "swap_out"}
    assert live.used == 3
    assert ctl(live.st, control.S_LOST) == 0


@pytest.mark.interpreted
def test_the_zswap_entry_goes_at_once() -> None:
    live = Live(COLLECTING, pages=0)
    live.run(d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=d.ZSWAP, payload=9))
    assert ctl(live.st, control.S_ZE_LIVE) == 1
    live.zap(0, 1)
    assert (ctl(live.st, control.S_ZE_LIVE), live.used) == (0, 1)


@pytest.mark.interpreted
def test_each_cpu_has_a_cache() -> None:
    live = Live(COLLECTING, cpus=2)
    live.zap(0, BATCH)
    live.zap(BATCH, BATCH, cpu=1)
    assert live.used == 256
    live.zap(2 * BATCH, 1, cpu=1)
    assert live.used == 256 - BATCH


@pytest.mark.interpreted
def test_a_slot_is_given_back_alone_where_there_is_little_room() -> None:
    """Up to 320 free slots a CPU the caches are not used; below 128 they are emptied."""
    live = Live(COLLECTING, pages=4, slots=320)
    live.zap(0, 4)
    assert live.used == 0
    live = Live(COLLECTING, pages=300, slots=512)
    assert ctl(live.st, control.S_COLLECTS) == 1
    live.zap(0, 10)
    assert live.used == 300
    live.run(*(row for p in range(300, 386) for row in (d.pack(d.FAULT, p), d.pack(d.RECLAIM, p, backend=d.SSD, payload=9))))
    assert (ctl(live.st, control.S_COLLECTS), live.used) == (0, 376)


@pytest.mark.interpreted
def test_a_swapoff_leaves_nothing_in_the_caches() -> None:
    live = Live(COLLECTING, pages=40)
    live.zap(0, 30)
    assert live.run(d.pack(d.SWAPOFF, 0, backend=d.SSD, payload=255)) == {"swapoff"}
    assert (live.used, ctl(live.st, control.S_LOST)) == (0, 0)


@pytest.mark.interpreted
def test_locks_of_a_zap() -> None:
    """Of 6.12 without zswap: the slot's cluster, the empty tree (``zswap_invalidate``); of each of 64: cluster and shadow; a device.

    The cluster goes to another list once, under its device's lock. The lock of the cache and that of the cgroup array are common steps.
    """
    live, plain = Live(COLLECTING), Live(AT_ONCE)
    for one in (live, plain):
        one.zap(0, BATCH + 1)
    assert live.locks(d.ZAPPED) == 2 * (BATCH + 1) + 2 * BATCH + 1 + 1
    assert plain.locks(d.ZAPPED) == 2 * (BATCH + 1) + 1


@pytest.mark.interpreted
def test_a_run_of_alike_slots_goes_at_once() -> None:
    live = Live(COLLECTING)
    assert live.run(d.pack(d.UNMAP, 0, count=100)) == {"zap"}
    assert live.used == 156
