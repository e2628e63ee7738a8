"""Readahead of the stage: it equals its plain twin, windows worked by hand, hit rates, what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse import scenario as scenarios
from dse.errors import BadInput
from dse.predicting import predicting
from dse.reports import ahead as ahead_report
from dse.storing import figure
from dse.workloads import stream
from dse.workloads.workload import memcgs
from kernels import demand
from tests import naive_faults
from tests.naive_readahead import Ahead
from tests.test_reclaim import PAGES, PER_SPACE, a_scenario, backends_of, fixed
from tests.test_reclaim_folios import memory_of

WRITE = 1 << 31


@pytest.fixture(autouse=True)
def _wrap_around():
    with np.errstate(over="ignore"):
        yield


@st.composite
def workloads_of(draw):
    """Runs of pages up and down, from places skewed to low ones, with unmaps in between."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.sampled_from([3, 40, 250]))
    accesses = np.empty(0, np.int64)
    while len(accesses) < n:
        first, run = int(PAGES * rng.random() ** draw(st.sampled_from([1, 2]))), int(rng.choice([1, 2, 9]))
        accesses = np.concatenate([accesses, first + rng.choice([1, -1]) * np.arange(run)])
    accesses = (accesses[:n] % PAGES).astype(np.uint32) | np.where(rng.random(n) < 0.3, np.uint32(WRITE), np.uint32(0))
    positions = np.sort(rng.integers(0, n + 1, draw(st.integers(0, 4))))
    events = [demand.pack(demand.UNMAP, p, count=min(PAGES - p, PER_SPACE)) for p in map(int, rng.integers(0, PAGES, len(positions)))]
    return fixed(accesses, events, positions)


@pytest.mark.interpreted
@settings(max_examples=150, deadline=None)
@given(workloads_of(), memory_of, backends_of, st.integers(1, 5), st.integers(0, 3))
def test_equals_the_twin(workload, memory, backend, cluster, seed):
    backend = {key: value for key, value in backend.items() if key not in ("hdd_slots", "disk")}
    backend = {"placement": "ssd"} if backend.get("placement") == "hdd" or backend.get("mix", {}).get("hdd") else backend
    given_ = a_scenario(workload.accesses, {"memory": memory, "backend": backend, "readahead": {"page_cluster": cluster}})
    given_ = given_.but(replay__seed=seed)
    limit = given_.limit_pages(PAGES)
    mine = stream.Stream(given_, workload, limit, forks=False)
    blocks = list(mine.blocks())
    assert all(len(block) == 64 for block in blocks[:-1])
    out = np.concatenate([*blocks, np.empty((0, 2), np.uint64)])
    twin = naive_faults.demands(given_, workload, limit, False, Ahead)
    assert [(int(a), int(b)) for a, b in out] == twin.out
    counted = mine.counters
    assert (counted["resident"], counted["swapped"], counted["pool_pages"]) == (twin.resident, twin.swapped, twin.pool_pages())
    assert (counted["swap_ra"], counted["swap_ra_hit"]) == (twin.read, twin.met)
    assert np.array_equal(out, np.concatenate([*mine.blocks(), np.empty((0, 2), np.uint64)]))


# worked by hand -----------------------------------------------------------------------------------
def made(accesses, limit, cluster, policy="lru", spaces=None, **more):
    """Demands and counters of a few accesses; pages go to the SSD one by one."""
    values = {
        "memory": {"limit": float(limit), "policy": policy, "batch": 1, "charge_zswap": False},
        "backend": {"placement": "ssd", "zero_share": 0.0}, "readahead": {"page_cluster": cluster}, **more,
    }  # fmt: skip
    workload = fixed(accesses)
    if spaces is not None:
        workload = dataclasses.replace(workload, space_shift=10, spaces=spaces, memcg_of_space=memcgs(spaces, 1))
    found = stream.Stream(a_scenario(len(accesses), values), workload, limit, forks=False)
    rows = demand.records(np.concatenate(list(found.blocks())))
    return [(demand.KINDS[row["kind"]], int(row["page"])) for row in rows], found.counters


def after(found, page):
    """Demands from the first fault on `page` that comes after it had left."""
    gone = found.index(("reclaim", page))
    return found[found.index(("fault", page), gone) :]


def ahead(found):
    """Pages read ahead, in order."""
    return [page for kind, page in found if kind == "readahead"]


FILL = [*range(16), *range(16, 32)]
"""16 pages of the first space, which 16 of the second push out."""


@pytest.mark.interpreted
def test_the_first_window_is_around_the_page_and_the_next_ones_lie_ahead():
    """Hits begin at 4: 4 + 2 is rounded to 8 pages. Around page 5 these are 2 to 9. 6 to 9 are hits; page 10 follows 9: 10 to 15, as the
    space ends there, and 6 - 2 of the 8 pages of a window of 4 + 2 hits rounded up.
    """
    found, counted = made([*FILL, 5, 6, 7, 8, 9, 10, 11], 16, 3)
    last = after(found, 5)
    assert ahead(last[: last.index(("fault", 6))]) == [2, 3, 4, 6, 7, 8, 9]
    assert [row for row in last if row[0] == "fault"] == [("fault", p) for p in (5, 6, 7, 8, 9, 10, 11)]
    assert ahead(last[last.index(("fault", 10)) :]) == [11, 12, 13, 14, 15]
    assert (counted["swap_ra"], counted["swap_ra_hit"], counted["swap_ins"], counted["faults"]) == (12, 5, 2, 32 + 7)
    assert counted["resident_peak"] == 16


BOTH = [*range(1024), *range(1024, 2048)]
"""1,024 pages of the first of two large spaces, which the second pushes out."""


def windows(found):
    """Faults, each with the pages that are read ahead behind it."""
    out = []
    for kind, page in found:
        if kind == "fault":
            out.append((page, []))
        elif kind == "readahead":
            out[-1][1].append(page)
    return out


@pytest.mark.interpreted
def test_a_window_is_halved_where_nothing_is_hit():
    """8 pages at first. Then nothing was hit, and no page is next to the one before: 4, 2, 1 pages, the page of the fault alone."""
    found, counted = made([*BOTH, 100, 300, 500, 700, 900], 1024, 3, spaces=2)
    read = [(100, [97, 98, 99, 101, 102, 103, 104]), (300, [299, 301, 302]), (500, [501]), (700, []), (900, [])]
    assert windows(after(found, 100)) == read
    assert (counted["swap_ra"], counted["swap_ra_hit"], counted["swap_ins"]) == (11, 0, 5)


@pytest.mark.interpreted
def test_a_window_lies_before_a_page_that_comes_down_and_ends_with_the_page_table():
    """Windows of 4, 2 and 2 pages, as nothing is hit and 519 is next to 520. 518 is a hit, so 517 has 4 pages. That of 513 ends at 512."""
    found, _ = made([*BOTH, 600, 520, *range(519, 510, -1)], 1024, 2, spaces=2)
    read = [(600, [599, 601, 602]), (520, [521]), (519, [518]), (518, []), (517, [514, 515, 516]), (516, []), (515, []), (514, [])]
    assert windows(after(found, 600)) == [*read, (513, [512]), (512, []), (511, [508, 509, 510])]


@pytest.mark.interpreted
def test_a_page_read_ahead_for_nothing_is_dropped():
    """Pages 2 to 9 come in for page 5, and leave behind it when 16 new pages come. 2 faults again, with a window of 4 pages around it."""
    found, counted = made([*FILL, 5, *range(32, 48), 2], 16, 3)
    last = after(found, 5)
    again = last.index(("fault", 2))
    gone = [page for kind, page in last[:again] if kind == "reclaim"]
    assert gone[-9:] == [5, 2, 3, 4, 6, 7, 8, 9, 32]
    assert windows(last[again:]) == [(2, [1, 3, 4])]
    assert (counted["swap_ra"], counted["swap_ra_hit"], counted["swap_ins"]) == (10, 0, 2)


@pytest.mark.interpreted
def test_nothing_is_read_ahead_for_a_synchronous_device_nor_with_a_window_of_one_page():
    for cluster, backend in ((3, "zram"), (0, "ssd")):
        found, counted = made([*FILL, 5, 6, 7], 16, cluster, backend={"placement": backend, "zero_share": 0.0})
        assert ahead(found) == []
        assert counted.get("swap_ra", 0) == 0
    assert "swap_ra" not in counted


@pytest.mark.interpreted
def test_a_write_that_meets_a_page_read_ahead_is_a_fault_that_writes():
    values = {"memory": {"limit": 16.0, "batch": 1}, "backend": {"placement": "ssd", "zero_share": 0.0}, "readahead": {"page_cluster": 3}}
    accesses = [*FILL, 5, 6 | WRITE, *range(17, 32), *range(16, 20)]
    mine = stream.Stream(a_scenario(len(accesses), values), fixed(accesses), 16, forks=False)
    rows = demand.records(np.concatenate(list(mine.blocks())))
    six = rows[(rows["page"] == 6) & (rows["kind"] != demand.RECLAIM)]
    assert [demand.KINDS[row["kind"]] for row in six] == ["fault", "readahead", "fault"]
    assert six["arg"][-1] >> 24 == demand.WRITE


@pytest.mark.interpreted
@pytest.mark.parametrize("policy", ["lru", "active-inactive"])
def test_what_is_read_ahead_and_hit(policy):
    """A scan reads 7 pages ahead at a fault and meets nearly all. Windows of accesses without order shrink to the page of the fault."""
    counted = {}
    for generator in ("scan", "zipf", "uniform"):
        values = {
            "workload": {"generator": generator, "pages": 1000, "accesses": 4000}, "memory": {"limit": 0.5, "policy": policy},
            "backend": {"placement": "ssd"}, "readahead": {"page_cluster": 3}, "replay": {"block": 4096},
        }  # fmt: skip
        found = stream.build(scenarios.from_values("t", values))
        assert sum(map(len, found.blocks())) > 1000
        counted[generator] = found.counters
        assert found.counters["resident_peak"] <= found.limit
    scan = counted.pop("scan")
    assert scan["swap_ra_hit"] > 0.95 * scan["swap_ra"] > 0.95 * 6 * scan["swap_ins"]
    assert all(one["swap_ra"] < 0.02 * one["swap_ins"] for one in counted.values())


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"memory": {"policy": "mglru"}}, "needs memory.policy lru, clock, active-inactive, not mglru"),
        ({"workload": {"generator": "fork", "accesses": 10}}, "needs a workload without forks, not the generator fork"),
        ({"memory": {"loop": "closed"}}, "needs memory.loop open, not closed"),
        ({"backend": {"disk": "hdd"}}, "needs backends without a hard disk, for which Linux reads ahead by slots"),
        ({"backend": {"mix": {"hdd": 1.0}}}, "needs backends without a hard disk"),
        ({"folio": {"orders": {"2": 1.0}}}, "readahead.page_cluster and folio.orders do not go together yet"),
        ({"moves": {"rate": 0.3}}, "readahead.page_cluster and moves.rate do not go together yet"),
        ({"swapoff": {"device": "ssd"}}, "readahead.page_cluster and swapoff.device do not go together yet"),
        ({"readahead": {"page_cluster": 6}}, "readahead.page_cluster is from 0 to 5, got 6"),
    ],
)
def test_refused(more, says):
    with pytest.raises(BadInput, match=says):
        a_scenario(10, {"readahead": {"page_cluster": 3}, **more})


def test_a_prediction_refuses_readahead():
    with pytest.raises(BadInput, match=r"scenario threads.*: a prediction has no readahead"):
        predicting.predict("threads", settings=["readahead.page_cluster=3"])


def test_digests_without_readahead_are_those_of_before():
    plain, none = a_scenario(100, {}), a_scenario(100, {"readahead": {"page_cluster": 0}})
    assert "readahead" not in plain.canonical
    assert (none.digest, stream.build(none).digest) == (plain.digest, stream.build(plain).digest)
    more = a_scenario(100, {"readahead": {"page_cluster": 3}})
    assert len({plain.digest, more.digest, a_scenario(100, {"readahead": {"page_cluster": 2}}).digest}) == 3
    assert stream.build(more).digest != stream.build(plain).digest


# what is told --------------------------------------------------------------------------------------
def figures_of(design, ahead_lines):
    """Figures of a design: 30 pages read ahead, 20 hit, 10 read by a fault."""
    rows = []
    for op, n, lines, locks in (("read_ahead", 30, ahead_lines, 3.0), ("cache_hit", 20, 5.0, 1.0), ("swap_in", 10, 20.0, 4.0)):
        rows.append(figure(design, op, "demands", "counted", "demands", n, stat="total", count=n))
        rows.append(figure(design, op, "lines", "counted", "lines", lines, stat="mean", age="aged"))
        rows.append(figure(design, op, "locked_sections", "counted", "sections", locks, stat="mean", age="aged"))
    return rows


def test_the_table_and_the_words_of_readahead():
    """Pages read and hit are those of the stream; one that comes by readahead costs a design both operations."""
    rows, names = figures_of("direct", 14.0) + figures_of("vswap_v6", 12.0), ["direct", "vswap_v6"]
    told = ahead_report.table(rows, names)
    assert [(line["design"], line["a page that is"], line["pages"], line["lines"], line["locks"]) for line in told[:3]] == [
        ("direct", "read ahead", "30", "14.00", "3.00"), ("direct", "hit by a fault", "20", "5.00", "1.00"),
        ("direct", "read by a fault", "10", "20.00", "4.00"),
    ]  # fmt: skip
    (said,) = ahead_report.words(rows, names, {"stream": {"swap_ra": 40, "swap_ra_hit": 30}})
    each = "vswap_v6 12.0 + 5.0 lines, 4.0 locks (a fault that reads 20.0, 4.0), direct 14.0 + 5.0 lines"
    assert said.startswith(f"Readahead: 40 pages, 75% hit. Read ahead and hit, a page costs: {each}")
    assert ahead_report.words(rows[3:], ["direct"], {"stream": {"swap_ra": 40, "swap_ra_hit": 30}}) == ()
    assert ahead_report.words(rows, names, {"stream": {}}) == ()
    assert ahead_report.table(rows[3:9], ["direct"]) == []
