"""Clusters of slots: which one a CPU gets, and zaps of many slots at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse import naming
from dse.measuring.run import rows_of
from dse.testing.reading import ctl
from kernels import control, demand
from kernels.life import registry as state
from kernels.observing import probe
from kernels.structures import cluster

CLUSTERS, SHIFT = 64, 6
TABLES = ("swap_table_p1", "swap_table_p2", "swap_table_p3", "swap_table_p4", "swap_table_p4_pitched", "vswap_v3", "vswap_v6")
LAYERED = ("swap_id[base=swap_table_p4]", "swap_desc[base=swap_table_p4]")


def live(text: str, pages: int, slots: int, **more: Any) -> tuple[state.Design, Any]:
    """Design and fresh state."""
    named = naming.parse(text)
    return named.design, named.design.build(state.Config(pages=pages, slots={"ssd": slots}, forks=False, parameters=named.control, **more))


def replay(design: state.Design, st: Any, rows: list[tuple[int, int]]) -> Any:
    """Replay demands; return the probe that counted."""
    pr = probe.make("count")
    design.replay(st, pr, np.array(rows, np.uint64), np.zeros(len(rows), np.uint8))
    assert ctl(st, control.S_LOST) == 0
    return pr


def churned(text: str, cpus: int) -> tuple[Any, int]:
    """State after pages have gone out and in at random at 12 % fill, and the turnovers: pages that went out to pages that are out."""
    slots = CLUSTERS << SHIFT
    out_most = slots * 12 // 100
    pages, rng = 2 * out_most, np.random.default_rng(1)
    design, st = live(text, pages, slots, cluster_shift=SHIFT, cpus=cpus)
    rows = [demand.pack(demand.FAULT, page, flags=demand.WRITE) for page in range(pages)]
    resident, out = list(range(pages)), []
    for n in range(5 * out_most):
        page = resident.pop(int(rng.integers(len(resident))))
        rows.append(demand.pack(demand.RECLAIM, page, backend=demand.SSD, payload=4096, flags=demand.DIRTY, cpu=n % cpus))
        out.append(page)
        if len(out) > out_most:
            page = out.pop(int(rng.integers(len(out))))
            rows.append(demand.pack(demand.FAULT, page, flags=demand.WRITE))
            resident.append(page)
    pr = replay(design, st, rows)
    return st, int(rows_of(pr)[demand.SWAP_OUT][0]) // len(out)


def used_clusters(st: Any) -> int:
    """Clusters with a slot in use."""
    return int(np.count_nonzero(st.cluster.reshape(-1, int(cluster.CI_WORDS))[:, int(cluster.CI_COUNT)]))


CHURNED = [
    pytest.param(text, cpus, marks=[pytest.mark.interpreted] if (text, cpus) in (("swap_table_p4", 4), ("vswap_v6", 1)) else [])
    for text in (*TABLES, *LAYERED)
    for cpus in (1, 4)
]
"""Designs and CPUs; half a minute each as plain Python, so that one of each kind of table has to do there."""


@pytest.mark.parametrize(("text", "cpus"), CHURNED)
def test_partly_used_clusters_are_filled_first_since_phase_1(text: str, cpus: int) -> None:
    """After three turnovers there are hardly more tables than the slots in use need."""
    st, turnovers = churned(text, cpus)
    needed = -(-ctl(st, control.S_SLOTS) >> SHIFT)
    assert turnovers >= 3
    assert used_clusters(st) == ctl(st, control.S_TABLES) <= 1.3 * needed


@pytest.mark.parametrize("text", ["direct", "direct[clusters=relocate]", "swap_id", "swap_desc"])
def test_free_clusters_are_taken_first_before(text: str) -> None:
    """The order of 6.12 to 6.17 spreads the slots over far more clusters than are needed, as long as any is free."""
    st, _ = churned(text, 1)
    assert used_clusters(st) > 3 * (ctl(st, control.S_SLOTS) >> SHIFT)


RUN = 256


def zapped(text: str, backend: int = demand.SSD) -> tuple[int, Any]:
    """Locked sections of a zap of contiguous pages that lie in contiguous slots, and the state after it."""
    design, st = live(text, 512, 2048)
    rows = [demand.pack(demand.FAULT, page, flags=demand.WRITE) for page in range(512)]
    rows += [demand.pack(demand.RECLAIM, page, backend=backend, payload=4096, flags=demand.DIRTY) for page in range(512)]
    replay(design, st, rows)
    pr = replay(design, st, [demand.pack(demand.UNMAP, 128, count=RUN)])
    assert ctl(st, control.S_SLOTS) == 512 - RUN
    return int(rows_of(pr)[demand.OPS.index("zap"), probe.METRICS.index("locked_sections")]), st


@pytest.mark.interpreted
@pytest.mark.parametrize("text", ["direct", "swap_id_off", *TABLES[:5]])
def test_a_zap_clears_the_shadows_of_a_run_under_one_lock(text: str) -> None:
    assert zapped(text)[0] < 10


@pytest.mark.interpreted
@pytest.mark.parametrize("life", ["count", "count+cache"])
@pytest.mark.parametrize("upkeep", ["ride", "apart"])
@pytest.mark.parametrize("base", ["direct", "swap_table_p4"])
def test_ids_of_a_leaf_are_put_together_where_asked(life: str, upkeep: str, base: str) -> None:
    """Off: three or four sections an ID. Leaf: that many for the 64 IDs of a leaf, and what is left is the same."""
    text = f"swap_id[id_life={life},upkeep={upkeep},base={base}"
    single, left = zapped(f"{text}]")
    batched, same = zapped(f"{text},batch=leaf]")
    assert single >= 2 * RUN
    assert batched <= 5 * (RUN // 64 + 1)
    for name in ("pte", "cluster", "dev", "idpool"):
        kept, other = getattr(left, name), getattr(same, name)
        assert (kept == other).all() if name != "idpool" else kept[2] == other[2]


def lists_of(st: Any) -> dict[str, list[int]]:
    """Clusters of the SSD on each of its lists, in order."""
    headers = st.cluster.reshape(-1, int(cluster.CI_WORDS))
    out = {}
    for name, which in (("free", 1), ("nonfull", 2), ("full", 3), ("fragmented", 4)):
        at, members = int(st.dev[demand.SSD * int(cluster.DEV_WORDS) + int(cluster.D_LISTS) + 2 * (which - 1)]), []
        while at:
            members.append(at - 1)
            at = int(headers[at - 1, int(cluster.CI_NEXT)])
        out[name] = members
    return out


def out_of(page: int, cpu: int = 0) -> tuple[int, int]:
    return demand.pack(demand.RECLAIM, page, backend=demand.SSD, payload=4096, flags=demand.DIRTY, cpu=cpu)


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("text", "current"), [("direct", "nonfull"), ("direct[clusters=relocate]", "fragmented"), ("swap_table_p4", "fragmented")]
)
def test_a_cluster_that_a_cpu_allocates_from(text: str, current: str) -> None:
    """Since 6.14 it is fragmented, until a slot of it is freed, and again with the next allocation."""
    design, st = live(text, 8, 64, cluster_shift=3)
    replay(design, st, [demand.pack(demand.FAULT, page) for page in range(8)])
    replay(design, st, [out_of(0), out_of(1)])
    assert lists_of(st)[current] == [0]
    replay(design, st, [demand.pack(demand.UNMAP, 0, count=1)])
    assert lists_of(st)["nonfull"] == [0]
    replay(design, st, [out_of(2)])
    assert lists_of(st)[current] == [0]


@pytest.mark.interpreted
def test_6_12_takes_a_nonfull_cluster_to_the_fragmented_ones() -> None:
    """No cluster is free: a CPU without one gets the first nonfull one, which other CPUs then take last."""
    design, st = live("direct", 24, 16, cluster_shift=3, cpus=3)
    replay(design, st, [demand.pack(demand.FAULT, page) for page in range(24)])
    replay(design, st, [*(out_of(page) for page in range(8)), *(out_of(page, 1) for page in range(8, 14))])
    assert lists_of(st) == {"free": [], "nonfull": [1], "full": [0], "fragmented": []}
    replay(design, st, [out_of(14, 2)])
    assert lists_of(st) == {"free": [], "nonfull": [], "full": [0], "fragmented": [1]}
    replay(design, st, [demand.pack(demand.UNMAP, 0, count=1), out_of(15, 1)])
    assert lists_of(st)["full"] == [1]
    assert lists_of(st)["nonfull"] == [0]


def slot_of(st: Any, page: int) -> int:
    """Slot of a page that is out, on its device."""
    return int(st.pte[page]) >> 1 & int(cluster.OFFSET_MASK)


def place_of(st: Any, cpu: int) -> tuple[int, int] | None:
    """Cluster and offset at which a CPU goes on."""
    at = cpu * int(cluster.CPU_WORDS) + demand.SSD * 2
    return (int(st.percpu[at]) - 1, int(st.percpu[at + 1])) if st.percpu[at] else None


def gone(page: int) -> tuple[int, int]:
    return demand.pack(demand.UNMAP, page, count=1)


def small(text: str, slots: int, cpus: int = 2) -> tuple[state.Design, Any]:
    """A device of clusters of 8 slots, and 24 pages in memory."""
    design, st = live(text, 24, slots, cluster_shift=3, cpus=cpus)
    replay(design, st, [demand.pack(demand.FAULT, page) for page in range(24)])
    return design, st


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("text", "slot", "place"), [("direct", 3, (0, 4)), ("direct[clusters=relocate]", 0, (0, 1)), ("swap_table_p4", 8, (1, 1))]
)
def test_an_emptied_cluster_of_a_cpu(text: str, slot: int, place: tuple[int, int]) -> None:
    """6.12 goes on behind the slot that it gave out last, 6.14 at the first; since 6.18 the CPU gets a free one, as the table is gone."""
    design, st = small(text, 64)
    replay(design, st, [out_of(0), out_of(1), out_of(2), demand.pack(demand.UNMAP, 0, count=3)])
    assert lists_of(st)["free"] == [1, 2, 3, 4, 5, 6, 7, 0]
    assert place_of(st, 0) == (0, 3)
    replay(design, st, [out_of(3)])
    assert (slot_of(st, 3), place_of(st, 0)) == (slot, place)


@pytest.mark.interpreted
def test_a_cluster_without_a_slot_behind_the_place_is_fragmented_since_6_18() -> None:
    """Two CPUs are in cluster 0; one takes what is left, slots in front of the other's place are freed, and it takes a free cluster."""
    design, st = small("swap_table_p4", 32)
    replay(design, st, [*(out_of(page) for page in range(4)), gone(1)])
    assert (lists_of(st)["nonfull"], place_of(st, 0)) == ([0], (0, 4))
    replay(design, st, [out_of(page, 1) for page in range(4, 8)])
    assert [slot_of(st, page) for page in range(4, 8)] == [1, 4, 5, 6]
    replay(design, st, [gone(0), out_of(8, 1), gone(2)])
    assert (slot_of(st, 8), place_of(st, 1)) == (7, None)  # the last slot: the place goes
    assert lists_of(st) == {"free": [1, 2, 3], "nonfull": [0], "full": [], "fragmented": []}
    replay(design, st, [out_of(9)])
    assert lists_of(st) == {"free": [2, 3], "nonfull": [], "full": [], "fragmented": [0, 1]}
    assert (slot_of(st, 9), place_of(st, 0)) == (8, (1, 1))


@pytest.mark.interpreted
def test_a_cluster_without_a_slot_behind_the_place_stays_in_6_12() -> None:
    """The same with no cluster free: the CPU takes the cluster anew, from the nonfull ones."""
    design, st = small("direct", 8)
    replay(design, st, [*(out_of(page) for page in range(4)), gone(1), *(out_of(page, 1) for page in range(4, 8)), gone(0)])
    replay(design, st, [out_of(8, 1), gone(2)])
    assert ([slot_of(st, page) for page in range(4, 9)], place_of(st, 0), place_of(st, 1)) == ([1, 4, 5, 6, 7], (0, 4), None)
    assert lists_of(st)["nonfull"] == [0]
    replay(design, st, [out_of(9)])
    assert (slot_of(st, 9), place_of(st, 0), lists_of(st)["fragmented"]) == (0, (0, 1), [0])


@pytest.mark.interpreted
@pytest.mark.parametrize(("text", "slot"), [("direct", 0), ("direct[clusters=relocate]", 8), ("swap_table_p4", 8)])
def test_the_nonfull_cluster_that_follows_one_without_a_slot_behind_the_place(text: str, slot: int) -> None:
    """CPU 0 goes on at slot 4, CPU 1 has filled both clusters; slots 0 and 8 are freed. 6.12 takes cluster 0 again, 6.14 the next."""
    design, st = small(text, 16)
    replay(design, st, [*(out_of(page) for page in range(4)), *(out_of(page, 1) for page in range(4, 16))])
    assert [slot_of(st, page) for page in range(16)] == [*range(4), *range(8, 16), *range(4, 8)]
    assert (place_of(st, 0), lists_of(st)["full"]) == ((0, 4), [1, 0])
    replay(design, st, [gone(0), gone(4)])
    assert (place_of(st, 0), lists_of(st)["nonfull"]) == ((0, 4), [0, 1])
    replay(design, st, [out_of(16)])
    assert slot_of(st, 16) == slot


@pytest.mark.interpreted
@pytest.mark.parametrize("text", ["direct", "direct[clusters=relocate]", "swap_table_p1", "swap_table_p4"])
def test_the_place_goes_with_the_last_free_slot(text: str) -> None:
    """Slots 3 and 6 are taken again, so cluster 0 is full. Slots 7 and 0 are freed: the CPU does not go on at 7, it begins at 0."""
    design, st = small(text, 16)
    replay(design, st, [*(out_of(page) for page in range(16)), gone(3), gone(6), out_of(16)])
    assert (slot_of(st, 16), place_of(st, 0)) == (3, (0, 4))
    replay(design, st, [out_of(17)])
    assert (slot_of(st, 17), place_of(st, 0), lists_of(st)["full"]) == (6, None, [1, 0])
    replay(design, st, [gone(7), gone(0), out_of(18)])
    assert (slot_of(st, 18), place_of(st, 0), lists_of(st)["fragmented"]) == (0, (0, 1), [0])


@pytest.mark.interpreted
@pytest.mark.parametrize(
    ("text", "kept", "slot"),
    [("direct", None, 0), ("direct[clusters=relocate]", (0, 2), 5), ("swap_table_p1", (0, 2), 5), ("swap_table_p4", (0, 2), 5)],
)
def test_a_cluster_that_another_cpu_filled(text: str, kept: tuple[int, int] | None, slot: int) -> None:
    """The device is full. 6.12 forgets the place; since 6.14 the CPU does not look at a full cluster, and goes on at its place later."""
    design, st = small(text, 8)
    replay(design, st, [out_of(0), out_of(1), *(out_of(page, 1) for page in range(2, 8)), out_of(8)])
    assert ctl(st, control.S_FULL) == 1
    assert (place_of(st, 0), lists_of(st)["full"]) == (kept, [0])
    replay(design, st, [gone(0), gone(5), out_of(8)])
    assert slot_of(st, 8) == slot
