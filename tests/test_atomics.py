"""Atomics of one operation by hand, from the kernel's functions, beside what the model counts (``dse explain``).

A single page, count 1, a read fault, swap not full, a memory cgroup below the root. The kernel functions are those of 6.15 to 6.17 for
*direct* and of 7.2 for *swap_table_p4*. Instructions of spin locks are locked sections, per-CPU counters (``percpu_ref`` of
``get_swap_device``) no locked instructions: neither is among them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dse
import kernels.designs  # noqa: F401 - registers
from dse import naming
from dse.testing import conformance, reading, streams
from kernels import control
from kernels import demand as d
from kernels.life import registry as state
from kernels.observing import probe
from kernels.structures import page_counter

USAGE, FREE_SLOTS = "swap device: swap_usage_add", "nr_swap_pages: swap_range_alloc"
CHARGE = "memcg id: mem_cgroup_id_get_online, page_counter: page_counter_try_charge, page_counter: page_counter_try_charge"
RECORD, ZEROMAP = "cgroup: swap_cgroup_record", "zeromap: swap_zeromap_folio_set"
STORED, FREED, DROPPED = (f"zswap_stored_pages: {name}" for name in ("zswap_store_page", "zswap_entry_free", "zswap_invalidate"))
READ = "zswap_lruvec_state: zswap_folio_swapin"
UNCHARGE = "page_counter: page_counter_uncharge, page_counter: page_counter_uncharge, memcg id: mem_cgroup_id_put_many"
RELEASE = "nr_swap_pages: swap_range_free, swap device: swap_usage_sub"
CLEAR = "cgroup: swap_cgroup_clear"

HAND = (
    ("swap_out", "zswap", "direct", 8, f"{USAGE}, {FREE_SLOTS}, {CHARGE}, {RECORD}, {ZEROMAP}, {STORED}"),
    ("swap_out", "zswap", "swap_table_p4", 6, f"{USAGE}, {FREE_SLOTS}, {CHARGE}, {STORED}"),
    ("swap_out", "ssd", "direct", 7, f"{USAGE}, {FREE_SLOTS}, {CHARGE}, {RECORD}, {ZEROMAP}"),
    ("swap_out", "ssd", "swap_table_p4", 5, f"{USAGE}, {FREE_SLOTS}, {CHARGE}"),
    ("swap_in", "zswap", "direct", 1, FREED),
    ("swap_in", "zswap", "swap_table_p4", 1, FREED),
    ("swap_in", "ssd", "direct", 1, READ),
    ("swap_in", "ssd", "swap_table_p4", 1, READ),
    ("zap", "zswap", "direct", 8, f"{CLEAR}, {DROPPED}, zeromap: swap_entries_free, {UNCHARGE}, {RELEASE}"),
    ("zap", "zswap", "swap_table_p4", 6, f"{DROPPED}, {UNCHARGE}, {RELEASE}"),
    ("zap", "ssd", "direct", 7, f"{CLEAR}, zeromap: swap_entries_free, {UNCHARGE}, {RELEASE}"),
    ("zap", "ssd", "swap_table_p4", 5, f"{UNCHARGE}, {RELEASE}"),
    ("writeback_end", "ssd", "direct", 0, ""),
    ("writeback_end", "ssd", "swap_table_p1", 1, "swap table: swap_cache_del_folio"),
    ("writeback_end", "ssd", "swap_table_p2", 1, "swap table: swap_cache_del_folio"),
    ("writeback_end", "ssd", "swap_table_p4", 0, ""),
)


@pytest.mark.parametrize(("op", "backend", "design", "expected", "functions"), HAND)
def test_atomics_by_hand(op: str, backend: str, design: str, expected: int, functions: str) -> None:
    one = dse.explain(op, design, slots=2048, backend=backend)["designs"][0]
    found = [f"{event['what']}: {event['function']}" for event in one["events"] if event["event"] == "atomic"]
    assert found == [part for part in functions.split(", ") if part]
    assert one["totals"]["atomics"] == expected


@pytest.mark.parametrize(("op", "charges"), [("swap_out", False), ("zap", False)])
def test_vswap_does_not_charge_pages_in_zswap(op: str, charges: bool) -> None:
    """Its v6 records the id with the virtual slot and charges physical slots alone."""
    for backend, expected in (("zswap", charges), ("ssd", True)):
        events = dse.explain(op, "vswap_v6", slots=2048, backend=backend)["designs"][0]["events"]
        atomics = [event["what"] for event in events if event["event"] == "atomic"]
        assert ("page_counter" in atomics) == expected
        assert atomics.count("memcg id") == 1


def swapped(design: str, backend: int, **config: Any) -> tuple[Any, Any, list[int]]:
    """State and probe of a design that was asked to swap four pages out; replies."""
    made = naming.parse(design)
    st = made.design.build(state.Config(pages=64, slots={"ssd": 64, "zswap": 64}, parameters=made.control, **config))
    pr = probe.make("count")
    demands = [row for page in range(4) for row in (d.pack(d.FAULT, page), d.pack(d.RECLAIM, page, backend=backend, payload=900))]
    replies = np.zeros(len(demands), np.uint8)
    with np.errstate(over="ignore"):
        made.design.replay(st, pr, np.array(demands, np.uint64), replies)
    return st, pr, replies[1::2].tolist()


def usage(st: Any) -> int:
    """Pages charged to the swap of memory cgroup 1."""
    return int(st.memcgs[int(st.ctl[int(control.C_MEMCGS)]) + int(page_counter.WORDS) + int(page_counter.P_USAGE)])


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("design", "zswap", "ssd"),
    [
        ("direct", 4, 4),
        ("swap_table_p4", 4, 4),
        ("swap_id", 4, 4),
        ("swap_desc", 4, 4),
        ("vswap_v6", 0, 4),
        ("vswap_v6[charge=early]", 4, 4),
    ],
)
def test_pages_charged(design: str, zswap: int, ssd: int) -> None:
    for backend, expected in ((d.ZSWAP, zswap), (d.SSD, ssd)):
        st, _, replies = swapped(design, backend)
        assert replies == [d.SWAP_OUT] * 4
        assert usage(st) == expected


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("design", "backend", "refused"),
    [("direct", d.ZSWAP, d.FULL), ("swap_table_p4", d.SSD, d.FULL), ("swap_desc", d.ZSWAP, d.FULL), ("vswap_v6", d.SSD, d.REACTIVATED)],
)
def test_a_memory_cgroup_at_its_limit_swaps_nothing_out(design: str, backend: int, refused: int) -> None:
    st, _, replies = swapped(design, backend, swap_max=2)
    assert replies == [d.SWAP_OUT, d.SWAP_OUT, refused, refused]
    assert usage(st) == 2
    assert int(st.ctl[int(control.S_NR_SWAP_PAGES)]) == 64 - (0 if design == "swap_desc" else 2)


@pytest.mark.interpreted
@pytest.mark.parametrize("depth", [2, 3, 6])
def test_a_charge_passes_every_counter_up_to_the_root(depth: int) -> None:
    """One more counter is one more atomic and three more lines of a swap-out."""
    rows = []
    for levels in (2, depth):
        _, pr, _ = swapped("direct", d.SSD, cgroup_depth=levels)
        row = pr.tally[d.SWAP_OUT * probe.COLUMNS :]
        rows.append((int(row[int(probe.ATOMICS)]), int(row[int(probe.LINES)])))
    assert rows[1] == (rows[0][0] + 4 * (depth - 2), rows[0][1] + 4 * 3 * (depth - 2))


@pytest.mark.interpreted
@pytest.mark.parametrize("memcgs", [1, 63, 64, 70, 4096])
def test_every_memory_cgroup_is_found_by_its_id(memcgs: int) -> None:
    words, first = page_counter.new(memcgs, 3, 5)
    tree = reading.tree(words, 0, words)
    assert tree.wrong == []
    assert tree.index.tolist() == list(range(1, memcgs + 1))
    assert (tree.entry >> np.uint64(2)).tolist() == [first + memcg * int(page_counter.WORDS) for memcg in range(1, memcgs + 1)]


def test_a_page_moves_with_its_charge() -> None:
    """The limit does not hold a move back; afterwards one slot is charged."""
    run = conformance.Run.of("swap_id", streams.World("one page", swap_max=1, cgroup_depth=4))
    out = d.pack(d.RECLAIM, 0, backend=d.SSD, payload=900)
    run.both(streams.block(d.pack(d.FAULT, 0), out, d.pack(d.MOVE, 0, backend=d.SSD, payload=d.HDD)))
    assert run.replies(d.MOVED) == 1
    assert usage(run.st) == 1
