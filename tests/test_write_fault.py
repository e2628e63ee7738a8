"""Write faults: from 7.0 to 7.2 slot and cache copy of a page that no fork shared are kept, before and after they are freed."""

from __future__ import annotations

import pytest

from dse import naming
from kernels import control, memory
from kernels import demand as d
from tests.test_ghost import Live

KEEPING = [
    "swap_table_p2", "swap_table_p3", "swap_table_p4", "eager_rewrite", "vswap_ste", "zram",
    "swap_id[base=swap_table_p4]", "swap_desc[base=swap_table_p4]",
]  # fmt: skip
FREEING = ["direct", "swap_table_p1", "swap_table_p4[write_fault=free]", "swap_id", "swap_desc", "vswap_v6"]
SSD = d.SSD
OUT = d.pack(d.RECLAIM, 0, backend=SSD, payload=900)
WRITE = d.pack(d.FAULT, 0, flags=d.WRITE)


def cached(live: Live) -> int:
    """Folios in the swap cache."""
    flags = live.st.folio.reshape(-1, 8)[1 : int(live.word(control.S_FOLIO_HIGH)[0]), 0]
    return sum(bool(int(word) & int(memory.CACHED)) for word in flags)


def written(name: str, **more: object) -> Live:
    """A state whose one page went to the disk and was written to."""
    live = Live(name, **more)
    assert live.out(0, SSD) == ["swap_out"]
    assert live.run(WRITE) == ["swap_in"]
    return live


@pytest.mark.interpreted
@pytest.mark.parametrize(("name", "kept"), [*((name, 1) for name in KEEPING), *((name, 0) for name in FREEING)])
def test_what_a_write_fault_leaves(name: str, kept: int) -> None:
    live = written(name)
    assert cached(live) == kept
    if naming.parse(name).design.name != "swap_desc":
        assert live.used(SSD) == kept
    assert live.run(OUT, d.pack(d.FAULT, 0), d.pack(d.UNMAP, 0, count=1)) == ["swap_out", "swap_in", "zap"]
    assert live.used(SSD) == 0
    assert live.word(control.S_LOST) == [0]


@pytest.mark.interpreted
def test_the_kept_slot_is_written_again() -> None:
    """The folio is dirty: it goes out once more, and no second slot is taken."""
    live = written("swap_table_p4")
    assert live.run(OUT, d.pack(d.FAULT, 0), OUT) == ["swap_out", "swap_in", "clean_drop"]
    assert live.word(control.S_SLOTS, control.S_SLOTS_PEAK, control.S_LOST) == [1, 1, 0]


@pytest.mark.interpreted
def test_a_page_that_a_fork_shared_is_no_exclusive_one() -> None:
    """Its slot goes with the last PTE that holds it, as the mark that ``do_swap_page`` looks at went with the fork."""
    live = Live("swap_table_p4")
    assert live.out(0, SSD) == ["swap_out"]
    assert live.run(d.pack(d.FORK, 0, count=1, payload=1), WRITE) == ["fork", "swap_in"]
    assert live.word(control.S_SLOTS) == [1], "the child's PTE holds it"
    assert live.run(d.pack(d.FAULT, 32, flags=d.WRITE)) == ["cache_hit"]
    assert (cached(live), live.word(control.S_SLOTS, control.S_LOST)) == (0, [0, 0])


@pytest.mark.interpreted
def test_nothing_is_kept_where_swap_is_full() -> None:
    """``should_try_to_free_swap`` asks that before it asks for the write."""
    live = written("swap_table_p4", slots={"zswap": 1, "ssd": 1})
    assert live.used(SSD) == cached(live) == 0
