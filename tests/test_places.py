"""Places of timed chunks: nothing at the end is left out, the seldom is cut finer, a pass holds some of each."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dse.measuring import places
from dse.measuring.run import CHUNK, UNIT, Window, by_units, kinds_of
from dse.sweeps import counting
from kernels import demand


@dataclass
class Seen:
    """As much of an outcome as places need: a stream of kinds in which a window begins at `aged`."""

    kinds: np.ndarray
    aged: int
    more: np.ndarray | None = None
    warm_turnover: float = 1e9

    @property
    def demands(self) -> int:
        return len(self.kinds)

    @property
    def windows(self) -> list[Window]:
        return [Window("fresh", 0, UNIT, 4), Window("aged", self.aged, self.demands, 4)]

    @property
    def survey(self) -> Any:
        whole, rest = kinds_of(self.kinds, np.zeros(0, np.uint8))
        last = np.bincount(rest, minlength=len(demand.KINDS)).reshape(1, -1).astype(np.uint32)
        return SimpleNamespace(kinds=np.concatenate([whole, last]), more=self.more)

    swapped_peak = 1

    @property
    def stream(self) -> Any:
        return SimpleNamespace(scenario=SimpleNamespace(replay=SimpleNamespace(warm_turnover=self.warm_turnover)))


def exit_of(before: int, zaps: int) -> Seen:
    """A stream of so many faults and reclaims, then a process that exits."""
    use = np.tile(np.array([demand.FAULT, demand.RECLAIM], np.uint8), before // 2)
    return Seen(np.concatenate([use, np.full(zaps, demand.UNMAP, np.uint8)]), 4 * UNIT)


@pytest.mark.parametrize("rest", [0, 1, 224, UNIT - 1])
def test_spans_cover_the_stream_to_its_end(rest: int) -> None:
    seen = Seen(np.full(200 * UNIT + rest, demand.FAULT, np.uint8), 4 * UNIT)
    _, aged = places.spans(seen)
    assert aged[0].first == 4 * UNIT
    assert aged[-1].last == seen.demands
    assert all(a.last == b.first for a, b in itertools.pairwise(aged))
    assert sum(span.holds("swap_in") for span in aged) == 196 * UNIT + rest


def test_pages_are_turned_over_sooner_where_folios_are_large() -> None:
    """Half of the demands reclaim. Where each takes 16 pages, so many are turned over in a sixteenth of the demands."""
    use = np.tile(np.array([demand.FAULT, demand.RECLAIM], np.uint8), 100 * UNIT)
    wanted = 80 * UNIT
    single = places.spans(Seen(use, 200 * UNIT, warm_turnover=wanted))[1]
    large = places.spans(Seen(use, 200 * UNIT, np.full(201, 15 * UNIT // 2), wanted))[1]
    assert (single[0].first, large[0].first) == (160 * UNIT, 10 * UNIT)


def test_pages_beyond_one_a_demand_are_summed_by_units() -> None:
    rows = [demand.pack(demand.RECLAIM, 16, order=4)] * (UNIT + 2) + [demand.pack(demand.FAULT, 16), demand.pack(demand.RECLAIM, 3)]
    blocks = [np.array(rows[:5], np.uint64), np.array(rows[5:], np.uint64)]
    more = [np.maximum(demand.pages_out(block) - 1, 0) for block in blocks]
    found = by_units(more, 2)
    assert found is not None
    assert found.tolist() == [15 * UNIT, 30]
    assert by_units([], 2) is None
    assert counting.delivered(np.concatenate(blocks)) == {"out": 16 * (UNIT + 2) + 1, "moves": 0}


@pytest.mark.parametrize(("before", "zaps"), [(64 * CHUNK, 28 * UNIT), (64 * CHUNK + 10, 2 * UNIT)])
def test_an_exit_is_cut_into_many_chunks(before: int, zaps: int) -> None:
    seen = exit_of(before, zaps)
    _, aged = places.spans(seen)
    mine = [span for span in aged if span.holds("zap") >= 30]
    assert len(mine) >= 16
    for span in aged:
        kinds = seen.kinds[span.first : span.last]
        assert np.array_equal(span.counts, np.bincount(kinds, minlength=len(demand.KINDS)))
    assert all(a.last <= b.first for a, b in itertools.pairwise(aged))


def test_what_is_everywhere_is_cut_no_finer() -> None:
    seen = Seen(np.tile(np.array([demand.FAULT, demand.RECLAIM, demand.UNMAP], np.uint8), 70 * CHUNK // 3), CHUNK)
    _, aged = places.spans(seen)
    assert {span.last - span.first for span in aged[:-1]} == {CHUNK}


def test_a_pass_has_some_of_the_seldom_and_others_each_time() -> None:
    _, aged = places.spans(exit_of(64 * CHUNK, 28 * UNIT))
    passes = [places.chosen(aged, 32, number, ("swap_in", "zap")) for number in range(3)]
    for found in passes:
        assert found == sorted(found, key=lambda span: span.first)
        assert len({span.first for span in found}) == len(found) <= 32
        assert sum(span.holds("zap") > 0 for span in found) >= 8
        assert sum(span.holds("swap_in") > 0 for span in found) >= 8
    assert passes[0] != passes[1] != passes[2]


def test_a_pass_without_the_seldom_is_spread_as_before() -> None:
    _, aged = places.spans(exit_of(64 * CHUNK, 0))
    assert [aged.index(span) for span in places.chosen(aged, 4, 0, ("swap_in", "zap"))] == places.spread(len(aged), 4, 0)
