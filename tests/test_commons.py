"""Common steps: the table against the shipped records, and the counters against the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dse
import kernels.designs  # noqa: F401 - registers
from dse import naming
from dse.grounding import beside, operations
from dse.linux import records
from kernels import control
from kernels import demand as d
from kernels.life import registry as state
from kernels.observing import probe
from kernels.own import COMMON, Lock
from kernels.structures.common import table

PAIRS = (("direct[frees=cache]", "6.12"), ("swap_table_p1", "6.18"), ("swap_table_p4", "7.2"), ("swap_table_p4[write_fault=free]", "7.3"))
BAR = 0.9
UNMET = {("7.3", "zswap", "zap")}
"""Operations that fall short: mod_memcg_state of 7.3 keeps lines of two more counters, and the steps of p4 are those of 7.2."""
OUT = ("isolate", "claim", "dup", "out", "drop")
"""Hooks of a swap-out to a fresh slot, where no write waits."""
FAULT = ("fault", "device", "read", "map", "dup")


def shares(design: str, release: str) -> dict[tuple[str, str], beside.Sums]:
    """Every operation of a record on every backend, beside its design."""
    record = records.load(release)
    return {(backend, operation): beside.sums(design, record, operation, backend) for operation, backend in beside.recorded(record)}


@pytest.mark.parametrize(("design", "release"), PAIRS)
def test_nine_tenths_of_the_lines_of_the_kernel_are_modelled(design: str, release: str) -> None:
    """Of every operation on every backend, but for those that are said to fall short."""
    found = shares(design, release)
    assert len(found) == 15
    short = {(release, *at): round(one.share, 3) for at, one in found.items() if one.share < BAR}
    assert short.keys() == {key for key in UNMET if key[0] == release}, short


def test_the_share_falls_where_steps_are_missing() -> None:
    """Without the lines of one group a swap-in has that many fewer."""
    found = beside.sums("swap_table_p4", records.load("7.2"), "swap_in_read", "zswap")
    without = {group: means if group != "memcg" else {"first": 0.0} for group, means in found.model.items()}
    memcg, core = found.real["memcg"]["first"], sum(found.real[group]["first"] for group in beside.CORE)
    assert memcg / core > 0.25
    assert beside.share(without, found.real) == pytest.approx(found.share - memcg / core, abs=0.02)


DROPPED = {"workingset_eviction", "page_counter_uncharge", "uncharge_folio", "__count_memcg_events"}
"""Steps of a folio that is dropped: after a write to a disk the kernel of the record leaves it to the next pass."""
FREED = {"__mod_node_page_state"}
"""Steps of a slot that is freed: on 6.12 it is freed later."""


def common_lines(design: str, backend: str, sizes: operations.Sizes) -> dict[str, dict[str, float]]:
    """Lines that each function of the common steps is the first to touch, the mean of an operation, by kind of operation."""
    found: dict[str, dict[str, float]] = {}
    for kind, done in operations.Guest(naming.parse(design), backend, sizes).kinds():
        into = found.setdefault(kind, {})
        for events in done:
            for event in events:
                if isinstance(event, operations.Common):
                    into[event.function] = into.get(event.function, 0.0) + event.first / sizes.operations
    return found


@pytest.mark.parametrize(("design", "release"), PAIRS[:3])
def test_no_function_touches_more_lines_than_in_the_record(design: str, release: str) -> None:
    """Neither does one touch lines that the record does not have, but where the order of events differs."""
    record = records.load(release)
    for backend in ("zswap", "zero", "disk"):
        for operation, model in common_lines(design, backend, beside.sizes_of(record)).items():
            rows = {
                row["function"]: row["lines"] / row["operations"]
                for row in record.tables["operation"]
                if (row["backend"], row["operation"]) == (backend, operation)
            }
            more = {name for name, n in model.items() if n > rows.get(name, 0.0) + 0.5}
            apart = DROPPED if (backend, operation) == ("disk", "swap_out") else FREED if operation == "swap_in_write" else set()
            assert more <= apart, (backend, operation, more - apart)


def test_a_line_of_the_table() -> None:
    """Names and lines of each kernel."""
    text = "out\na|-|c: one two 0! 3, three 1\nd: four 2!\n-|-|e: five 0^^"
    assert [touch.function for touch in table.parse(text, 1)] == ["d"]
    assert table.parse(text, 2)[:3] == [
        table.Touch("out", "c", "one two", 0, True),
        table.Touch("out", "c", "one two", 3, False),
        table.Touch("out", "c", "three", 1, False),
    ]
    line, lock = table.Touch("out", "e", "five", 0, False), table.Touch("out", "e", "five", 0, True, lock=True)
    assert table.parse(text, 2)[4:] == [line, lock, lock]


def replayed(design: str, kind: str, rows: list[tuple[int, int]]) -> tuple[Any, Any, list[int]]:
    """State, probe and replies after a replay of `rows` on a state of 4,096 slots."""
    chosen = state.REGISTRY[design]
    config = state.Config(pages=1 << 11, slots={"ssd": 4096, "zswap": 4096}, space_shift=10, memcg=np.ones(2, np.uint16))
    live, pr, replies = chosen.build(config), probe.make(kind), np.zeros(len(rows), np.uint8)
    chosen.replay(live, pr, np.array(rows, np.uint64), replies)
    return live, pr, [int(code) for code in replies]


def expected(era: int, *hooks: str) -> tuple[int, int, int, int]:
    """Lines, written lines and structures behind pointers of the table's hooks, each once, and locks: a model in plain Python.

    No hook touches two lines that share a place by chance, as one page is alone in its state.
    """
    touched = [touch for touch in table.TOUCHES[era] if touch.hook in hooks and not touch.lock]
    locks = sum(touch.lock for touch in table.TOUCHES[era] if touch.hook in hooks)
    reached = {touch.structure for touch in touched if touch.structure in table.POINTERS}
    return len({t[2:4] for t in touched}), len({t[2:4] for t in touched if t.written}), len(reached), locks


def counted(pr: Any, code: int) -> tuple[int, int, int, int]:
    """The common counters of a reply."""
    row = pr.tally[code * probe.COLUMNS : (code + 1) * probe.COLUMNS]
    found = [int(row[probe.METRICS.index(name)]) for name in ("lines_common", "written_common", "chain_common", "locked_sections_common")]
    return found[0], found[1], found[2], found[3]


@pytest.mark.interpreted
@pytest.mark.parametrize("design", ["direct", "swap_table_p4"])
def test_counters_are_the_table(design: str) -> None:
    """A page out to a disk, in again, and a page in zswap out and zapped."""
    rows = [d.pack(d.FAULT, 5), d.pack(d.RECLAIM, 5, backend=d.SSD, payload=2000), d.pack(d.FAULT, 5)]
    live, pr, replies = replayed(design, "count", rows)
    era = int(live.ctl[int(control.C_ERA)])
    assert table.ERAS[era] == {"direct": "6.12", "swap_table_p4": "7.2"}[design]
    assert replies == [d.FIRST_TOUCH, d.SWAP_OUT, d.SWAP_IN]
    assert counted(pr, d.FIRST_TOUCH) == (0, 0, 0, 0)
    assert counted(pr, d.SWAP_OUT) == expected(era, *OUT, "disk_out")
    assert counted(pr, d.SWAP_IN) == expected(era, "fault", "device", "read", "tree", "disk_in", "map")
    rows = [d.pack(d.FAULT, 5), d.pack(d.RECLAIM, 5, backend=d.ZSWAP, payload=2000), d.pack(d.UNMAP, 5, count=1)]
    _, pr, replies = replayed(design, "count", rows)
    assert replies[1:] == [d.SWAP_OUT, d.ZAPPED]
    assert counted(pr, d.SWAP_OUT) == expected(era, *OUT, "zswap_store", "zspage_new")
    assert counted(pr, d.ZAPPED) == expected(era, "device", "zap", "zswap_free", "invalidate", "slot_free")


HAND_LOCKS = {
    "direct": (["lruvec", "swap_cgroup_ctrl", "zsmalloc class", "zsmalloc pool", "zspage"], ["zsmalloc pool", "zspage"]),
    "swap_table_p4": (["lruvec", "zsmalloc class", "zsmalloc pool", "zspage", "zspage"], ["zsmalloc pool", "zspage", "zspage"]),
}
"""Locks of a swap-out to zswap, and of a read of it before its entry is freed, in both cases: pool and class (zs_free)."""


@pytest.mark.parametrize("design", sorted(HAND_LOCKS))
def test_common_locks_by_hand(design: str) -> None:
    """From the records of 6.12 and 7.2; a zspage that has to be made takes the lock of its class once more."""
    names = COMMON.names(Lock)
    rows = [d.pack(d.FAULT, 5), d.pack(d.RECLAIM, 5, backend=d.ZSWAP, payload=2000), d.pack(d.FAULT, 5)]
    live, pr, _ = replayed(design, "count", rows)
    era = int(live.ctl[int(control.C_ERA)])
    out, back = HAND_LOCKS[design]
    for code, hooks, hand, more in ((d.SWAP_OUT, (*OUT, "zswap_store"), out, 1), (d.SWAP_IN, ("read", "zswap_load"), back, 2)):
        found = [names[int(table.LOCKS[t.structure])] for t in table.TOUCHES[era] if t.hook in hooks and t.lock]
        assert sorted(found) == hand
        assert counted(pr, code)[3] == len(hand) + more
        assert int(pr.tally[code * probe.COLUMNS + int(probe.LOCK_ORDER)]) == 0


ZSWAP = "zswap_store", ("zswap_load", "zswap_free"), ()
TIERS = {
    "zram": ("zram_store", ("zram_load", "zram_free"), ("disk_in", "invalidate", "slot_free")),
    "vswap_ste": ("zswap_store", ("zswap_load", "zswap_free"), ("slot_free",)),
    "vswap_all": ("zswap_store", ("zswap_load", "zswap_free"), ("slot_free",)),
}
"""Hooks of what compresses, where they are not those of zswap alone: of a write; of a read and the free behind it; of the device and its
slot. In vswap_ste and vswap_all a page that was read from zswap is backed by nothing, and its virtual slot goes when it is mapped."""


@pytest.mark.parametrize("design", sorted(state.REGISTRY))
def test_every_design_has_the_steps_of_its_kernel(design: str) -> None:
    """A layer adds to the steps of its base and leaves none of them out, but for a device that a page in zswap does not take."""
    rows = [d.pack(d.FAULT, 5), d.pack(d.RECLAIM, 5, backend=d.ZSWAP, payload=2000), d.pack(d.FAULT, 5)]
    live, pr, replies = replayed(design, "count", rows)
    era = int(live.ctl[int(control.C_ERA)])
    assert replies == [d.FIRST_TOUCH, d.SWAP_OUT, d.SWAP_IN]
    store, load, slot = TIERS.get(design, ZSWAP)
    out = expected(era, "isolate", "out", "drop", store, "zspage_new")
    lines_back, *others = expected(era, "fault", "read", *load, "map", *slot)
    back = (lines_back - 1, *others)  # the object that is freed was decompressed: a line of the design
    device = [expected(era, *OUT, store, "zspage_new"), expected(era, *FAULT, "tree", *load, *slot)]
    for code, least, most in ((d.SWAP_OUT, out, device[0]), (d.SWAP_IN, back, device[1])):
        found = counted(pr, code)
        assert all(low <= n <= high for low, n, high in zip(least, found, most, strict=True)), (least, found, most)


def test_zap_of_a_run_is_one_step() -> None:
    """Eight contiguous pages: the steps of a range happen once, those of a zswap entry eight times on few more lines."""
    pages = range(8)
    rows = [row for p in pages for row in (d.pack(d.FAULT, p), d.pack(d.RECLAIM, p, backend=d.SSD, payload=2000))]
    _, pr, _ = replayed("swap_table_p4", "count", [*rows, d.pack(d.UNMAP, 0, count=8)])
    assert counted(pr, d.ZAPPED) == expected(2, "device", "zap", "invalidate", "slot_free")


def test_timed_runs_touch_and_others_do_not() -> None:
    """Every shared line that a hook writes is stored to in a timed run, and no other; a replay that observes nothing stores to none."""
    rows = [d.pack(d.FAULT, 5), d.pack(d.RECLAIM, 5, backend=d.ZSWAP, payload=2000), d.pack(d.FAULT, 5)]
    for kind in ("off", "count", "trace"):
        live, _, _ = replayed("swap_table_p4", kind, rows)
        assert not live.hot.any()
        assert not live.zspage.any()
    live, pr, _ = replayed("swap_table_p4", "timed", rows)
    hooks = {*OUT, "zswap_store", "fault", "device", "read", "tree", "zswap_load", "zswap_free", "map"}
    stored = [t for t in table.TOUCHES[2] if t.hook in hooks and t.written and not t.lock and t.structure not in table.PLACES]
    written = {table.SHARED_LINES[t[2:4]] for t in stored}
    assert set((np.flatnonzero(live.hot) // 8).tolist()) == written
    assert set((np.flatnonzero(live.zspage) // 8).tolist()) == {0, 13}
    assert int(pr.tally[int(probe.FOOT_SUM)]) > 0


def test_explain_shows_a_row_for_each_function() -> None:
    """New lines of the functions add up to the counter, and lines of the design stay what they were."""
    found = dse.explain("swap_in", "swap_table_p4,direct", slots=1024)
    for one in found["designs"]:
        assert sum(step["first"] for step in one["common"]) == one["totals"]["lines_common"] > 60
        assert len({step["function"] for step in one["common"]}) == len(one["common"])
        assert one["totals"]["lines"] == max(event["line"] for event in one["events"])
    functions = [row["function"] for row in found["common"]]
    assert "__mod_memcg_lruvec_state" in functions
    assert functions.index("get_swap_device") < functions.index("zs_free")
