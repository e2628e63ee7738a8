"""The trace log agrees with the counts; that probes change nothing is in dse/testing/checking.py."""

from __future__ import annotations

import numpy as np
import pytest

import kernels.designs  # noqa: F401 - registers
from kernels import demand as d
from kernels.compiling.flat import Flat, U8Array, U64Array
from kernels.life import registry as state
from kernels.observing import lineset, probe


def stream() -> np.ndarray:
    """Out, in, fork, copy on write, move and zap of 32 pages in two spaces."""
    rows = []
    for backend in (d.ZSWAP, d.SSD):
        rows += [d.pack(d.FAULT, p, flags=d.WRITE) for p in range(32)]
        rows += [d.pack(d.RECLAIM, p, backend=backend, payload=900, flags=d.ZERO if p % 8 == 0 else 0) for p in range(32)]
        rows += [d.pack(d.FORK, 0, count=32, payload=1)]
        rows += [d.pack(d.MOVE, p, backend=backend, payload=d.HDD) for p in range(0, 32, 3)]
        rows += [d.pack(d.FAULT, p) for p in range(0, 64, 2)]
        rows += [d.pack(d.COW, p) for p in range(0, 16, 2)]
        rows += [d.pack(d.UNMAP, 0, count=64)]
    return np.array(rows, np.uint64)


@pytest.mark.interpreted
def test_the_trace_log_agrees_with_the_counts() -> None:
    design, demands = state.REGISTRY["direct"], stream()[:65]
    config = state.Config(pages=64, slots={"ssd": 96, "hdd": 64, "zswap": 64}, space_shift=5, memcg=np.ones(2, np.uint16), cluster_shift=4)
    live, watching, reply = design.build(config), probe.make("trace"), np.zeros(1, np.uint8)
    for i in range(len(demands)):
        design.replay(live, watching, demands[i : i + 1], reply)
        used = int(watching.log[0])
        events = watching.log[1 : used + 1].reshape(-1, 2)
        kinds = events[:, 0] & np.uint64(255)
        touches = (kinds <= int(probe.E_WROTE)) | (kinds == int(probe.E_ATOMIC))
        lines = {(int(e[0]) >> 8 & 255, int(e[1]) >> 3) for e in events[touches]}
        assert len(lines) == int(watching.tally[int(probe.SCRATCH + probe.LINES)])


def test_lines_of_one_operation_are_counted_once_however_many_they_are() -> None:
    """A swapoff of four times the pages touches four times the lines, also where that is more than the set of lines has room for."""
    found = []
    for pages in (32_768, 131_072):
        config = state.Config(pages=pages, slots={"ssd": pages}, space_shift=pages.bit_length() - 1, memcg=np.ones(1, np.uint16))
        live, watching = state.REGISTRY["direct"].build(config), probe.make("count")
        rows = [d.pack(d.FAULT, p, flags=d.WRITE) for p in range(pages)]
        rows += [d.pack(d.RECLAIM, p, backend=d.SSD, payload=4096, flags=d.DIRTY) for p in range(pages)]
        rows += [d.pack(d.SWAPOFF, 0, backend=d.SSD, payload=d.MEMORY)]
        state.REGISTRY["direct"].replay(live, watching, np.array(rows, np.uint64), np.zeros(len(rows), np.uint8))
        found.append(int(watching.tally[d.SWAPPED_OFF * probe.COLUMNS + probe.METRICS.index("lines")]))
    assert found[1] > lineset.STAMPS
    assert found[1] == pytest.approx(4 * found[0], rel=0.01)


class Two(Flat):
    """State of two fields."""

    words: U64Array
    bytes: U8Array


def test_fields_do_not_overlap() -> None:
    """The compiler may assume that a store to one field leaves all others alone."""
    room = np.zeros(64, np.uint8)
    Two(words=room[:32].view(np.uint64), bytes=room[32:])
    with pytest.raises(TypeError, match="Two: words and bytes overlap"):
        Two(words=room[:32].view(np.uint64), bytes=room[31:])
