"""Programs that exit and begin anew within a stream."""

from __future__ import annotations

import numpy as np
import pytest

from dse import scenario
from dse.workloads import programs, stream
from kernels import demand as d

SMALL = {"generator": "uniform", "pages": 4096, "accesses": 40_000, "write_share": 0.5}


def case(restarts: int, block: int = 1 << 20) -> scenario.Scenario:
    return scenario.from_values("restarts", {"workload": {**SMALL, "restarts": restarts}, "replay": {"block": block}})


def test_a_program_is_unmapped_a_page_table_at_a_time() -> None:
    """700 pages from 300 on: 212 to the end of the first table, 488 of the second one."""
    rows = programs.unmapped(300, 700)
    assert [(int(row[0]) >> 32, int(row[1]) & 0xFFFFFFFF) for row in rows] == [(300, 212), (512, 488)]
    assert {int(row[0]) & 0xFF for row in rows} == {d.UNMAP}


def test_programs_exit_in_turn_at_even_distances() -> None:
    """Three restarts of 40 accesses: at 10, 20 and 30, blocks of 16; the first three sixteenths of 32 pages."""
    restarts = programs.Restarts(3, 40, 32)
    none = np.empty((0, 2), np.uint64), np.empty(0, np.int64)
    found = [restarts.within(*none, done, min(16, 40 - done)) for done in (0, 16, 32)]
    assert [positions.tolist() for _, positions in found] == [[10], [4, 14], []]
    assert [[int(row[0]) >> 32 for row in events] for events, _ in found] == [[0], [2, 4], []]


@pytest.mark.parametrize("restarts", [0, 5])
def test_a_stream_unmaps_what_exits(restarts: int) -> None:
    demands = np.concatenate([*stream.build(case(restarts)).blocks()])
    unmaps = demands[(demands[:, 0] & np.uint64(0xFF)) == d.UNMAP]
    assert [int(row[0]) >> 32 for row in unmaps] == [256 * n for n in range(restarts)]
    again = np.concatenate([*stream.build(case(restarts, 512)).blocks()])
    assert np.array_equal(demands, again)


def test_digests_without_restarts_are_those_of_before() -> None:
    assert "restarts" not in case(0).canonical
    assert case(1).digest != case(0).digest
    assert scenario.from_values("restarts", {"workload": SMALL}).digest == case(0).digest


def test_many_restarts_of_few_pages_are_quick_and_unmap_nothing_empty() -> None:
    """100,000 in one block; of eight pages every second sixteenth has none."""
    events, positions = programs.Restarts(100_000, 200_000, 8).within(np.empty((0, 2), np.uint64), np.empty(0, np.int64), 0, 200_000)
    assert len(events) == len(positions) == 50_000
    assert set((events[:, 1] & np.uint64(0xFFFFFFFF)).tolist()) == {1}
