"""Large folios of slot designs by hand: sections of one on its way out, when it is split, whose clusters it takes, which IDs it gets."""

from __future__ import annotations

from collections import Counter

import pytest

from dse.testing import conformance, streams
from dse.testing.reading import ctl
from kernels import control
from kernels import demand as d
from tests.test_hand_counts import CACHE, LRU, SHADOWS, TREE
from tests.test_vswap_folios import folio, traced

IDS = "ID xa_lock"
DUP, CLUSTER = 4, "cluster"
HAND = (
    # one claim, charge, look at the counts, and section of the cache on either side; a section a PTE; zswap page by page. The leaf of
    # the first folio leaves the list of those with shadows alone, and comes back. Up to 6.12 zswap lets a folio for a disk pass
    ("direct", "zswap", {CLUSTER: 1 + DUP + 1 + 1, CACHE: 2, SHADOWS: 2, TREE: 4, LRU: 4}),
    ("direct", "ssd", {CLUSTER: 1 + DUP + 1 + 1, CACHE: 2, SHADOWS: 2, TREE: 4}),
    ("direct[frees=cache]", "ssd", {CLUSTER: 1 + DUP + 1 + 1, CACHE: 2, SHADOWS: 2}),
    ("direct", "zeros", {CLUSTER: 1 + DUP + 1 + 1, CACHE: 2, SHADOWS: 2}),
    ("swap_table_p1", "zswap", {CLUSTER: 1 + 1 + DUP + 1 + 2, TREE: 4, LRU: 4}),
    ("swap_table_p4", "zswap", {CLUSTER: 1 + 1 + DUP + 1 + 1, TREE: 4, LRU: 4}),
    ("swap_table_p4", "ssd", {CLUSTER: 1 + 1 + DUP + 1 + 1, TREE: 4}),
    ("swap_table_p4", "zeros", {CLUSTER: 1 + 1 + DUP + 1 + 1}),
    # an ID for each page; with runs=aligned one section for all of them
    ("swap_id", "zeros", {CLUSTER: 7, CACHE: 2, SHADOWS: 2, IDS: 4}),
    ("swap_id[runs=aligned]", "zeros", {CLUSTER: 7, CACHE: 2, SHADOWS: 2, IDS: 1}),
    ("swap_id[base=swap_table_p4,runs=aligned]", "zeros", {CLUSTER: 8, IDS: 1}),
)
"""Sections by lock of the second folio of order 2, which goes on in the cluster of the first."""
FEW = next(world for world in streams.WORLDS if world.name == "few runs")


@pytest.mark.parametrize(("design", "where", "expected"), HAND)
def test_locked_sections_by_hand(design: str, where: str, expected: dict[str, int]) -> None:
    found = Counter(name.partition(":")[0] for name in traced(design, d.SSD if where == "ssd" else d.ZSWAP, d.ZERO * (where == "zeros")))
    assert found == expected


def small(design: str, **parameters: int) -> conformance.Run:
    """Sixteen slots of an SSD in clusters of four, 64 pages of one program."""
    world = streams.World("by hand", spaces=1, space_shift=6, slots={"zswap": 16, "ssd": 16}, cluster_shift=2)
    return conformance.Run.of(design, world, **parameters)


@pytest.mark.parametrize("design", ["direct", "swap_table_p4", "swap_id"])
def test_a_folio_is_split_where_no_run_is_to_be_had(design: str) -> None:
    """One free slot in each of four clusters is no run of four: the folio is split. A cluster that is free again takes one of two pages."""
    run = small(design)
    run.both(streams.block(*(r for p in range(16) for r in (d.pack(d.FAULT, p), d.pack(d.RECLAIM, p, backend=d.SSD, payload=9)))))
    run.both(streams.block(*(d.pack(d.UNMAP, p, count=1) for p in range(0, 16, 4))))
    run.both(streams.block(*folio(32, 2, d.SSD)))
    assert (run.replies(d.FOLIO_SPLIT), run.replies(d.FOLIO_OUT), ctl(run.st, control.S_SLOTS)) == (1, 0, 16)
    run.both(streams.block(d.pack(d.UNMAP, 4, count=4), d.pack(d.UNMAP, 32, count=4), *folio(48, 1, d.SSD)))
    assert (run.replies(d.FOLIO_OUT), ctl(run.st, control.S_RUNS)) == (1, 1)


def test_a_cluster_belongs_to_an_order_while_it_is_in_use() -> None:
    """A pair takes a cluster; single pages take the others, then steal what the pair left; the last page gone, the cluster is free."""
    run = small("swap_table_p4")
    run.both(streams.block(*folio(0, 1, d.SSD)))
    assert run.st.orders.tolist().count(1) == 1
    out = [r for p in range(32, 46) for r in (d.pack(d.FAULT, p), d.pack(d.RECLAIM, p, backend=d.SSD, payload=9))]
    run.both(streams.block(*out[:24]))
    assert ctl(run.st, control.S_SLOTS) == 2 + 12
    run.both(streams.block(*out[24:]))
    assert (ctl(run.st, control.S_SLOTS), run.st.orders.tolist().count(1)) == (16, 1)
    run.both(streams.block(d.pack(d.UNMAP, 0, count=2), d.pack(d.UNMAP, 32, count=14)))
    assert (ctl(run.st, control.S_SLOTS), run.st.orders.any()) == (0, False)


def test_only_reclaim_has_an_order() -> None:
    run = small("direct")
    run.both(streams.block(d.pack(d.FAULT, 3), d.pack(d.FAULT, 4, order=2), d.pack(d.UNMAP, 3, count=1, order=1)))
    assert (run.replies(d.FIRST_TOUCH), run.replies(d.NOTHING)) == (1, 2)
    run.both(streams.block(d.pack(d.RECLAIM, 3, order=7, backend=d.SSD, payload=9)))  # a space has 2^6 pages
    assert run.replies(d.SWAP_OUT) == 1


def test_a_shared_or_cached_page_is_no_part_of_a_folio() -> None:
    """Pages that a child maps too leave one by one, and so does a folio of which a page has come back from swap."""
    run = conformance.Run.of("direct", streams.World("two", spaces=2, space_shift=4, slots={"zswap": 16, "ssd": 32}))
    run.both(streams.block(*(d.pack(d.FAULT, p) for p in range(8)), d.pack(d.FORK, 1, count=1, payload=1)))
    run.both(streams.block(d.pack(d.RECLAIM, 0, order=2, backend=d.SSD, payload=9)))
    assert (run.replies(d.FOLIO_SPLIT), run.replies(d.FOLIO_OUT)) == (1, 0)
    run.both(streams.block(d.pack(d.RECLAIM, 5, backend=d.SSD, payload=9), d.pack(d.FAULT, 5)))
    run.both(streams.block(d.pack(d.RECLAIM, 6, order=2, backend=d.SSD, payload=9)))
    assert (run.replies(d.FOLIO_SPLIT), run.replies(d.FOLIO_OUT)) == (2, 0)


@pytest.mark.parametrize("runs", [0, 1])
@pytest.mark.parametrize("limit", [0, 24])
@pytest.mark.parametrize("design", ["swap_id", "swap_id_rmap"])
def test_ids_of_folios(design: str, limit: int, runs: int) -> None:
    """IDs one by one or in a row, enough of them or too few: a folio that is split keeps none that no PTE holds."""
    conformance.compare(design, FEW, 3, 700, every=16, C_ID_RUNS=runs, C_ID_LIMIT=limit)


def test_a_run_of_ids_is_aligned_and_goes_around_the_end() -> None:
    """IDs 1 to 11: a pair gets 2 and 3, four pages 4 to 7, the next four 8 to 11, and when the first four are gone 4 to 7 again."""
    run = small("swap_id", C_ID_RUNS=1, C_ID_LIMIT=11)
    held = []
    for first, order, gone in ((0, 1, 0), (4, 2, 0), (8, 2, 4), (12, 2, 0)):
        run.both(streams.block(*folio(first, order, d.SSD), *[d.pack(d.UNMAP, gone, count=4)] * bool(gone)))
        held.append(int(run.st.pte[first]) >> 1)
    assert held == [2, 4, 8, 4]
