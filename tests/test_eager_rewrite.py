"""eager_rewrite by hand: the swap tables of phase IV whose moves patch PTEs, and nothing else."""

from __future__ import annotations

import pytest

import dse
from dse import naming
from dse.testing import conformance, streams
from dse.testing.reading import OFFSET_BITS, ctl
from kernels import control
from kernels import demand as d
from kernels.observing import probe

SAME = "swap_table_p4[move=rewrite,rewrite=owner]"
WORLD = streams.World("many spaces", spaces=80, space_shift=0, slots={"zswap": 8, "ssd": 16, "hdd": 16}, weights=streams.USUAL)


def places(run: conformance.Run, pages: int) -> set[tuple[int, int]]:
    """Devices and offsets that the PTEs of the first `pages` name."""
    entries = (int(pte) >> 1 for pte in run.st.pte[:pages])
    return {((entry >> OFFSET_BITS) - 1, entry & (1 << OFFSET_BITS) - 1) for entry in entries}


def test_it_is_a_setting_of_the_swap_tables() -> None:
    """The same kernels, control words, counters and bytes."""
    mine, theirs = naming.parse("eager_rewrite"), naming.parse(SAME)
    assert (mine.design.replay, mine.design.state, mine.control) == (theirs.design.replay, theirs.design.state, theirs.control)
    for backend in ("zswap", "ssd"):
        one, other = (dse.ledger(name, 1 << 20, 0.5, backend) for name in ("eager_rewrite", SAME))
        assert {**one, "design": ""} == {**other, "design": ""}
        assert one["static_bytes"] == 16 * (1 << 20)
    assert dse.ledger("eager_rewrite[rewrite=scan]", 1 << 20, 0.5, "ssd")["static_bytes"] == 0


@pytest.mark.interpreted
@pytest.mark.parametrize("sharers", [1, 2, 14, 15, 80])
def test_a_move_patches_every_pte_and_moves_the_count(sharers: int) -> None:
    run = conformance.Run.of("eager_rewrite", WORLD)
    run.both(streams.block(d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=d.SSD, payload=99)))
    run.both(streams.block(*(d.pack(d.FORK, 0, count=1, payload=space) for space in range(1, sharers))))
    before = run.probe.tally[d.MOVED * probe.COLUMNS :][: probe.COLUMNS].copy()
    run.both(streams.block(d.pack(d.MOVE, 0, backend=d.SSD, payload=d.HDD)))
    assert places(run, sharers) == {(d.HDD, 0)}
    row = run.probe.tally[d.MOVED * probe.COLUMNS :][: probe.COLUMNS] - before
    assert int(row[int(probe.N)]) == 1
    assert int(row[int(probe.PTES)]) >= sharers - 1  # the ring of kin
    assert ctl(run.st, control.S_SLOTS) == 1
    run.finish()


@pytest.mark.interpreted
def test_a_move_without_room_for_the_count_is_turned_back() -> None:
    """When the target has 15 of 40 sharers it needs an extend table, and the old slot has the only one."""
    world = streams.World("one table", spaces=40, space_shift=0, slots=WORLD.slots, weights=streams.USUAL, continuation_pages=1)
    run = conformance.Run.of("eager_rewrite", world)
    run.both(streams.block(d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=d.SSD, payload=99)))
    run.both(streams.block(*(d.pack(d.FORK, 0, count=1, payload=space) for space in range(1, 40))))
    run.both(streams.block(d.pack(d.MOVE, 0, backend=d.SSD, payload=d.HDD)))
    assert run.replies(d.NO_MEMORY) == 1
    assert places(run, 40) == {(d.SSD, 0)}
    run.finish()


def test_faults_cost_what_they_cost_without_moves() -> None:
    """But for the record of the slot, which is written when a slot is taken and when it is freed."""
    for op, more in (("swap_in", 0), ("fork", 0), ("swap_out", 1)):
        names = ("eager_rewrite", "swap_table_p4")
        mine, plain = (dse.explain(op, name, slots=2048, backend="ssd")["designs"][0]["totals"] for name in names)
        assert mine["lines"] == plain["lines"] + more
        assert mine["locked_sections"] == plain["locked_sections"]
        assert mine["chain"] == plain["chain"]
