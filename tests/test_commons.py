"""Common steps: the table against the shipped records, and the counters against the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dse
import kernels.designs  # noqa: F401 - registers
from dse.linux import lines, records
from kernels import control
from kernels import demand as d
from kernels.life import registry as state
from kernels.observing import probe
from kernels.structures.common import table

PAIRS = (("direct", "6.12"), ("swap_table_p1", "6.18"), ("swap_table_p4", "7.2"), ("swap_table_p4", "7.3"))
BAR = 0.9
UNMET = {("7.3", "zswap", "zap"), ("7.3", "zero", "zap")}
"""Operations that fall short: mod_memcg_state of 7.3 keeps lines of two more counters, and the steps of p4 are those of 7.2."""
OUT = ("isolate", "claim", "dup", "out", "drop")
"""Hooks of a swap-out to a fresh slot, where no write waits."""
FAULT = ("fault", "device", "read", "map", "dup")


def compared(design: str, release: str) -> list[lines.Compared]:
    """Every operation of a record, beside its design."""
    return lines.compared(design, records.load(release))


@pytest.mark.parametrize(("design", "release"), PAIRS)
def test_nine_tenths_of_the_lines_of_the_kernel_are_modelled(design: str, release: str) -> None:
    """Of every operation on every backend, but for those that are said to fall short."""
    found = compared(design, release)
    assert len(found) == 15
    short = {(release, one.backend, one.operation): round(one.share, 3) for one in found if one.share < BAR}
    assert short.keys() == {key for key in UNMET if key[0] == release}, short


def test_the_share_falls_where_steps_are_missing() -> None:
    """Without its common steps a swap-in has less than a quarter of the lines."""
    found = next(one for one in compared("swap_table_p4", "7.2") if (one.backend, one.operation) == ("zswap", "swap_in_read"))
    bare = lines.modelled("swap_table_p4", "zswap")["swap_in_read"]._replace(common={}).groups()
    assert found._replace(model=bare).share < 0.25 < BAR < found.share
    none = dict(found.model, memcg=0.0)
    assert found._replace(model=none).share == pytest.approx(found.share - found.real["memcg"] / sum(found.real.values()), abs=0.01)


DROPPED = {"workingset_eviction", "page_counter_uncharge", "uncharge_folio", "__count_memcg_events"}
"""Steps of a folio that is dropped: after a write to a disk the kernel of the record leaves it to the next pass."""
FREED = {"zswap_invalidate", "__swap_cluster_free_entries"}
"""Steps of a slot that is freed: after a write fault on 7.2 the kernel of the record keeps it."""


@pytest.mark.parametrize(("design", "release"), PAIRS[:3])
def test_no_function_touches_more_lines_than_in_the_record(design: str, release: str) -> None:
    """Neither does one touch lines that the record does not have, but where the order of events differs."""
    record = records.load(release)
    for backend in ("zswap", "zero", "disk"):
        for operation, model in lines.modelled(design, backend).items():
            rows = {
                row["function"]: row["lines"] / row["operations"]
                for row in record.tables["operation"]
                if (row["backend"], row["operation"]) == (backend, operation)
            }
            more = {name for name, n in model.common.items() if n > rows.get(name, 0.0) + 0.5}
            apart = DROPPED if (backend, operation) == ("disk", "swap_out") else FREED if operation == "swap_in_write" else set()
            assert more <= apart, (backend, operation, more - apart)


def test_hand_worked_share() -> None:
    """A group counts for no more than the record has: (10 + 4) of 20."""
    empty = dict.fromkeys(lines.CORE, 0.0)
    found = lines.Compared("zswap", "zap", empty | {"swap": 10.0, "memcg": 10.0}, empty | {"swap": 15.0, "memcg": 4.0}, {})
    assert found.share == pytest.approx(0.7)


def test_a_line_of_the_table() -> None:
    """Names and lines of each kernel."""
    text = "out\na|-|c: one two 0! 3, three 1\nd: four 2!"
    assert [touch.function for touch in table.parse(text, 1)] == ["d"]
    assert table.parse(text, 2)[:3] == [
        table.Touch("out", "c", "one two", 0, True),
        table.Touch("out", "c", "one two", 3, False),
        table.Touch("out", "c", "three", 1, False),
    ]


def replayed(design: str, kind: str, rows: list[tuple[int, int]]) -> tuple[Any, Any, list[int]]:
    """State, probe and replies after a replay of `rows` on a state of 4,096 slots."""
    chosen = state.REGISTRY[design]
    config = state.Config(pages=1 << 11, slots={"ssd": 4096, "zswap": 4096}, space_shift=10, memcg=np.ones(2, np.uint16))
    live, pr, replies = chosen.build(config), probe.make(kind), np.zeros(len(rows), np.uint8)
    chosen.replay(live, pr, np.array(rows, np.uint64), replies)
    return live, pr, [int(code) for code in replies]


def expected(era: int, *hooks: str) -> tuple[int, int, int]:
    """Lines, written lines and structures behind pointers of the table's hooks, each once: a model in plain Python.

    No hook touches two lines that share a place by chance, as one page is alone in its state.
    """
    touched = [touch for touch in table.TOUCHES[era] if touch.hook in hooks]
    reached = {touch.structure for touch in touched if touch.structure in table.POINTERS}
    return len({t[2:4] for t in touched}), len({t[2:4] for t in touched if t.written}), len(reached)


def counted(pr: Any, code: int) -> tuple[int, int, int]:
    """The common counters of a reply."""
    row = pr.tally[code * probe.COLUMNS : (code + 1) * probe.COLUMNS]
    found = [int(row[probe.METRICS.index(name)]) for name in ("lines_common", "written_common", "chain_common")]
    return found[0], found[1], found[2]


@pytest.mark.interpreted
@pytest.mark.parametrize("design", ["direct", "swap_table_p4"])
def test_counters_are_the_table(design: str) -> None:
    """A page out to a disk, in again, and a page in zswap out and zapped."""
    rows = [d.pack(d.FAULT, 5), d.pack(d.RECLAIM, 5, backend=d.SSD, payload=2000), d.pack(d.FAULT, 5)]
    live, pr, replies = replayed(design, "count", rows)
    era = int(live.ctl[int(control.C_ERA)])
    assert table.ERAS[era] == {"direct": "6.12", "swap_table_p4": "7.2"}[design]
    assert replies == [d.FIRST_TOUCH, d.SWAP_OUT, d.SWAP_IN]
    assert counted(pr, d.FIRST_TOUCH) == (0, 0, 0)
    assert counted(pr, d.SWAP_OUT) == expected(era, *OUT, "disk_out")
    assert counted(pr, d.SWAP_IN) == expected(era, "fault", "device", "read", "tree", "disk_in", "map")
    rows = [d.pack(d.FAULT, 5), d.pack(d.RECLAIM, 5, backend=d.ZSWAP, payload=2000), d.pack(d.UNMAP, 5, count=1)]
    _, pr, replies = replayed(design, "count", rows)
    assert replies[1:] == [d.SWAP_OUT, d.ZAPPED]
    assert counted(pr, d.SWAP_OUT) == expected(era, *OUT, "zswap_store")
    assert counted(pr, d.ZAPPED) == expected(era, "device", "zap", "zswap_free", "invalidate", "slot_free")


@pytest.mark.parametrize("design", sorted(state.REGISTRY))
def test_every_design_has_the_steps_of_its_kernel(design: str) -> None:
    """A layer adds to the steps of its base and leaves none of them out, but for a device that a page in zswap does not take."""
    rows = [d.pack(d.FAULT, 5), d.pack(d.RECLAIM, 5, backend=d.ZSWAP, payload=2000), d.pack(d.FAULT, 5)]
    live, pr, replies = replayed(design, "count", rows)
    era = int(live.ctl[int(control.C_ERA)])
    assert replies == [d.FIRST_TOUCH, d.SWAP_OUT, d.SWAP_IN]
    out = expected(era, "isolate", "out", "drop", "zswap_store")
    lines_back, *others = expected(era, "fault", "read", "zswap_load", "zswap_free", "map")
    back = (lines_back - 1, *others)  # the object that is freed was decompressed: a line of the design
    device = [expected(era, *OUT, "zswap_store"), expected(era, *FAULT, "tree", "zswap_load", "zswap_free")]
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
    written = {table.SHARED_LINES[t[2:4]] for t in table.TOUCHES[2] if t.hook in hooks and t.written and t.structure not in table.PLACES}
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
