"""Virtual swap space: replies equal in every version, page tables that stay when data moves, and maps with many clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dse import naming
from dse.measuring.run import rows_of
from dse.modelling.filling import pairs, run
from dse.testing import conformance, streams
from dse.testing.reading import ctl
from kernels import control, demand
from kernels.designs.vswap import own as vswap_own
from kernels.life import registry as state
from kernels.observing import probe

RUN = 512  # slots of a virtual cluster
PAGES = 8 * RUN
V3, V6 = "vswap_v3", "vswap_v6"
COSTS = ("C_VROUNDS", "C_VLOOKUP", "C_VSPLIT", "C_VCHARGE")


def mean(pr: Any, op: int, name: str) -> float:
    """Mean of a counted metric over the operations with reply `op`."""
    row = rows_of(pr)[op]
    return float(row[probe.METRICS.index(name)]) / float(row[0])


class Live:
    """Live state and its operations; one kind of probe does everything, so that one variant is compiled."""

    def __init__(self, text: str, slots: dict[str, int], cpus: int = 1) -> None:
        self.named = naming.parse(text)
        config = state.Config(pages=PAGES, slots=slots, folios=2 * PAGES, cpus=cpus, forks=False, parameters=self.named.control)
        self.state = self.named.design.build(config)

    def replay(self, *blocks: NDArray[np.uint64], want: int | None = None) -> Any:
        """Replay; return the probe that watched. All replies are to be `want`."""
        block, pr = np.concatenate(blocks), probe.make("count")
        replies = np.zeros(len(block), np.uint8)
        self.named.design.replay(self.state, pr, block, replies)
        assert want is None or set(replies.tolist()) == {want}
        assert ctl(self.state, control.S_LOST) == 0
        return pr

    def word(self, *words: Any) -> list[int]:
        return [ctl(self.state, word) for word in words]


def full(text: str, backend: str = "ssd", more: dict[str, int] | None = None, cpus: int = 1) -> Live:
    """All pages swapped out in order to `backend`; `more` are further devices."""
    live = Live(text, {backend: PAGES, **(more or {})}, cpus)
    pr = live.replay(pairs(0, PAGES, demand.BACKENDS.index(backend)))
    assert rows_of(pr)[demand.SWAP_OUT][0] == PAGES
    return live


def all_pages(kind: int, **fields: int) -> NDArray[np.uint64]:
    return run(kind, np.arange(PAGES, dtype=np.uint64), **fields)


def looked_up(live: Live, block: NDArray[np.uint64]) -> tuple[int, int]:
    """Hits and misses of the lookup caches while pages come in."""
    before = live.word(vswap_own.S_LOOKUP_HITS, vswap_own.S_LOOKUP_MISSES)
    live.replay(block, want=demand.SWAP_IN)
    hits, misses = (now - old for now, old in zip(live.word(vswap_own.S_LOOKUP_HITS, vswap_own.S_LOOKUP_MISSES), before, strict=True))
    return hits, misses


def woven(cpus: int) -> NDArray[np.uint64]:
    """Two streams that take turns, in halves of the pages that lie in different clusters; on one CPU, or each on its own."""
    half = np.arange(PAGES // 2, dtype=np.uint64)
    block = np.empty((PAGES, 2), np.uint64)
    block[0::2] = run(demand.FAULT, half)
    block[1::2] = run(demand.FAULT, half + np.uint64(PAGES // 2), cpu=cpus - 1)
    return block


def test_two_streams_share_a_cache_badly_and_have_one_each_on_two_cpus() -> None:
    _, apart = looked_up(full(V6, cpus=2), woven(2))
    hits, together = looked_up(full(V6, cpus=2), woven(1))
    assert apart <= PAGES // RUN + 2
    assert together >= PAGES - 1  # each fault comes to a cluster that the one before has pushed out
    assert hits > together  # but asks more than once


def emptied(live: Live) -> None:
    live.replay(run(demand.UNMAP, np.zeros(1, np.uint64), count=PAGES), want=demand.ZAPPED)


@pytest.mark.parametrize("text", [V3, V6])
def test_empty_clusters_go_and_come_back(text: str) -> None:
    live, most = full(text), PAGES // RUN + 1  # slot 0 is none, so that one page lies in a cluster more
    assert live.word(vswap_own.S_VCLUSTERS, vswap_own.S_VCLUSTERS_PEAK, control.S_TABLES) == [most, most, PAGES // RUN]
    for _ in range(3):
        emptied(live)
        assert ctl(live.state, vswap_own.S_VCLUSTERS) <= 1  # the one that the CPU allocates from
        assert live.word(control.S_TABLES, vswap_own.S_VSLOTS) == [0, 0]
        live.replay(pairs(0, PAGES, demand.SSD))
        assert live.word(vswap_own.S_VSLOTS, control.S_TABLES) == [PAGES, PAGES // RUN]
    assert ctl(live.state, vswap_own.S_VCLUSTERS_PEAK) <= most


@pytest.mark.parametrize("text", [V3, V6])
@pytest.mark.parametrize("source", ["zswap", "ssd"])
def test_a_move_leaves_page_tables_and_counts_alone(source: str, text: str) -> None:
    live = full(text, source, {"hdd": PAGES})
    ptes, slots = live.state.pte.copy(), ctl(live.state, vswap_own.S_VSLOTS)
    live.replay(all_pages(demand.MOVE, backend=demand.BACKENDS.index(source), payload=demand.HDD), want=demand.MOVED)
    assert np.array_equal(live.state.pte, ptes)
    assert live.word(vswap_own.S_VSLOTS, control.S_SLOTS, vswap_own.S_CHARGED, control.S_ZE_LIVE) == [slots, PAGES, PAGES, 0]
    live.replay(all_pages(demand.FAULT), want=demand.SWAP_IN)  # with the content that each page had: S_LOST is 0


@pytest.mark.parametrize("target", [demand.MEMORY, demand.HDD])
def test_swapoff_follows_reverse_words(target: int) -> None:
    """As many slots are looked at as are used, and no page table. A page that came into memory is a minor fault away."""
    live = full(V6, "ssd", {"hdd": PAGES})
    ptes = live.state.pte.copy()
    pr = live.replay(run(demand.SWAPOFF, np.zeros(1, np.uint64), backend=demand.SSD, payload=target), want=demand.SWAPPED_OFF)
    assert mean(pr, demand.SWAPPED_OFF, "ptes") == 0
    assert np.array_equal(live.state.pte, ptes)
    assert live.word(control.S_SCANNED, vswap_own.S_VSLOTS) == [PAGES, PAGES]
    assert ctl(live.state, control.S_SLOTS) == (0 if target == demand.MEMORY else PAGES)
    live.replay(all_pages(demand.FAULT), want=demand.CACHE_HIT if target == demand.MEMORY else demand.SWAP_IN)


@pytest.mark.parametrize("text", [V3, V6])
def test_a_full_device_shows_at_writeout_alone(text: str) -> None:
    """zswap and zero pages need no slot. A page that gets none stays in memory and its sharer faults it back in."""
    live = Live(text, {"ssd": RUN, "zswap": PAGES})
    page = np.arange(2 * RUN, dtype=np.uint64)
    live.replay(run(demand.FAULT, page), want=demand.FIRST_TOUCH)
    live.replay(run(demand.RECLAIM, page[:RUN], backend=demand.SSD), want=demand.SWAP_OUT)
    live.replay(run(demand.RECLAIM, page[RUN:], backend=demand.SSD), want=demand.REACTIVATED)
    live.replay(run(demand.FAULT, page[RUN:]), want=demand.CACHE_HIT)
    half = RUN + RUN // 2
    live.replay(run(demand.RECLAIM, page[RUN:half], backend=demand.ZSWAP, payload=900), want=demand.SWAP_OUT)
    live.replay(run(demand.RECLAIM, page[half:], backend=demand.SSD, flags=demand.ZERO), want=demand.SWAP_OUT)
    assert live.word(control.S_SLOTS, control.S_ZE_LIVE, control.S_ZERO_LIVE, vswap_own.S_CHARGED) == [RUN, RUN // 2, RUN // 2, RUN]
    live.replay(run(demand.FAULT, page), want=demand.SWAP_IN)


@pytest.mark.parametrize("world", streams.WORLDS, ids=lambda x: x.name)
@pytest.mark.parametrize("parameter", COSTS)
def test_costs_change_no_outcome(parameter: str, world: streams.World) -> None:
    """Rounds, lookup cache, layout and charging are costs: replies and page tables are those of the other value.

    A limit of swap is met earlier where every virtual slot is charged, so charging is no cost alone there.
    """
    if parameter == "C_VCHARGE" and world.swap_max:
        pytest.skip("a limit is met earlier where every virtual slot is charged")
    demands, seen = streams.random_demands(world, 4000, 11), []
    for value in (0, 1):
        parameters: Any = {parameter: value}
        one = conformance.Run.of(V6, world, **parameters)
        seen.append((one.replay(demands).tolist(), one.st.pte.tolist()))
    assert seen[0] == seen[1]


MANY = streams.World(
    "many clusters", 8, 9, {"zswap": 900, "ssd": 900, "hdd": 500, "zram": 500}, {**streams.USUAL, "fork": 0.1, "unmap": 0.03}, run=40
)


@pytest.mark.parametrize("text", [V3, V6])
def test_a_map_of_more_than_one_level_equals_the_twin(text: str) -> None:
    """The worlds of the suite have less than 64 virtual clusters, which fit into one node."""
    ran = conformance.compare(text, MANY, 1, 30_000, every=3000)
    assert ctl(ran.st, vswap_own.S_VCLUSTERS_PEAK) > 64
