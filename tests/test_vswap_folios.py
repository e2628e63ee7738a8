"""Large folios of vswap_v3, vswap_v6 and vswap_rfc by hand: the locked sections of one on its way out, with the kernel function of each.

An order-2 folio goes out after another one, as the posted source has it (mm/vswap.c, mm/page_io.c, mm/zswap.c): in v3
20260208215839.87595-1-nphamcs@gmail.com, in v6 20260505153854.1612033-1-nphamcs@gmail.com, in RFC v1
20250407234223.1059191-1-nphamcs@gmail.com. Each PTE is written on its own (``swap_duplicate``).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from dse import naming
from dse.describing.explaining import decoded
from dse.modelling.functions import attribute
from dse.testing import conformance, streams
from dse.testing.reading import ctl
from kernels import control
from kernels import demand as d
from kernels.designs.vswap import own as vswap_own
from kernels.designs.vswap_rfc import own as rfc_own
from kernels.life import registry as state
from kernels.observing import probe
from tests.test_hand_counts import sections

SPACE = 1 << 6


CLUSTER, LRU, TREE = "virtual cluster", "zswap LRU: zswap_lru_add", "zswap tree xa_lock: zswap_store"
DUP = [f"{CLUSTER}: swap_duplicate"] * 4


def under(lock: str, *functions: str) -> list[str]:
    """Sections of `lock`, one in each function."""
    return [f"{lock}: {function}" for function in functions]


def each(*functions: str) -> list[str]:
    """Sections of the locks of the folio's four descriptors, in each function."""
    return [f"virtual descriptor: {function}" for function in functions for _ in range(4)]


V3 = [*under(CLUSTER, "folio_alloc_swap", "swap_cgroup_record", "swap_cache_add_folio"), *DUP, *under(CLUSTER, "folio_free_swap")]
V3_PREPARED = under(CLUSTER, "vswap_swapfile_backed", "vswap_store_folio", "vswap_store_folio")
V3_GONE = under(CLUSTER, "__vswap_remove_mapping", "__vswap_remove_mapping")
V3_SLOTS = [*under(CLUSTER, "vswap_alloc_swap_slot"), *under("cluster", "swap_slot_alloc", "vswap_rmap_set"),
            *under(CLUSTER, "vswap_alloc_swap_slot", "swp_entry_to_swp_slot", "swp_entry_to_swp_slot")]  # fmt: skip
V6, V6_GONE = [*under(CLUSTER, "folio_alloc_swap"), *DUP, *under(CLUSTER, "folio_free_swap")], under(CLUSTER, "__vswap_remove_mapping")
V6_PREPARED = under(CLUSTER, "vswap_prepare_writeout")
V6_SLOTS = [*under(CLUSTER, "vswap_alloc_swap_slot"), "cluster: swap_slot_alloc", *under(CLUSTER, "vswap_alloc_swap_slot")]
RFC = ["virtual slot xa_lock: vswap_alloc", "virtual cluster count xa_lock: vswap_alloc", "swap cache xa_lock: add_to_swap_cache"]
RFC_FOLIO = each("release_backing", "vswap_store_folio")
RFC_STORED = [LRU, TREE, *under("virtual descriptor", "release_backing", "vswap_assoc_zswap")]
RFC_SLOTS = [*under("virtual descriptor", "vswap_alloc_swap_slot"), "cluster: cluster_scan_range",
             *["reverse xa_lock: xa_store (reverse)"] * 4, *each("vswap_alloc_swap_slot"),
             *under("virtual descriptor", "swp_entry_to_swp_slot", "swp_entry_to_swp_slot")]  # fmt: skip
RFC_GONE = ["swap cache xa_lock: __remove_mapping", "shadow node LRU: workingset_update_node"]
HAND = (
    ("vswap_v3", "zswap", [*V3, *V3_PREPARED, *[LRU, *under(CLUSTER, "zswap_entry_store", "zswap_entry_store")] * 4, *V3_GONE]),
    ("vswap_v3", "ssd", [*V3, *V3_PREPARED, *V3_SLOTS, *V3_GONE]),
    ("vswap_v3", "zeros", [*V3, *under(CLUSTER, "swap_zeromap_folio_set", "swap_zeromap_folio_set"), *V3_GONE]),
    ("vswap_v6", "zswap", [*V6, *V6_PREPARED, *[LRU, *under(CLUSTER, "zswap_entry_store")] * 4, *V6_GONE]),
    ("vswap_v6", "ssd", [*V6, *V6_PREPARED, *V6_SLOTS, *V6_GONE]),
    ("vswap_v6", "zeros", [*V6, *under(CLUSTER, "swap_zeromap_folio_set"), *V6_GONE]),
    ("vswap_rfc1", "zswap", [*RFC, *RFC_FOLIO, *RFC_STORED * 4, *RFC_GONE]),
    ("vswap_rfc1", "ssd", [*RFC, *RFC_FOLIO, *[TREE] * 4, *RFC_FOLIO, *RFC_SLOTS, *RFC_GONE]),
    ("vswap_rfc1", "zeros", [*RFC, *each("release_backing", "swap_zeromap_folio_set"), *RFC_GONE]),
)
"""The allocation of the second folio meets the CPU's cluster of order 2, in RFC v1 the next empty virtual cluster."""


def folio(first: int, order: int, backend: int, **more: int) -> list[tuple[int, int]]:
    """Pages that are touched, and leave memory as one folio."""
    return [
        *(d.pack(d.FAULT, first + i) for i in range(1 << order)),
        d.pack(d.RECLAIM, first, order=order, backend=backend, payload=900, **more),
    ]


def traced(design: str, backend: int, flags: int) -> list[str]:
    """Locked sections of the second folio of order 2 that goes out."""
    named = naming.parse(design)
    st = named.design.build(state.Config(pages=SPACE, slots={"ssd": 2048, "zswap": 64}, space_shift=6, parameters=named.control))
    pr: Any = probe.make("trace")
    *before, last = [*folio(0, 2, backend, flags=flags), *folio(4, 2, backend, flags=flags)]
    named.design.replay(st, pr, np.array(before, np.uint64), np.zeros(len(before), np.uint8))
    pr.log[0] = 0
    replies = np.zeros(1, np.uint8)
    named.design.replay(st, pr, np.array([last], np.uint64), replies)
    assert int(replies[0]) == d.FOLIO_OUT
    row = pr.tally[d.FOLIO_OUT * probe.COLUMNS :]
    events = decoded(named.design.own, pr.log, int(row[int(probe.CHAIN)]), int(row[int(probe.LINES)]))
    attribute("swap_out", events, named.design)
    return sections([asdict(event) for event in events])


@pytest.mark.parametrize(("design", "where", "expected"), HAND, ids=lambda x: x if isinstance(x, str) else "")
def test_locked_sections_by_hand(design: str, where: str, expected: list[str]) -> None:
    assert traced(design, d.SSD if where == "ssd" else d.ZSWAP, d.ZERO if where == "zeros" else 0) == expected


WORLD = streams.World("by hand", spaces=1, space_shift=6, slots={"zswap": 64, "ssd": 16, "hdd": 16, "zram": 16}, cluster_shift=4)
OWN = {
    "vswap_v3": ("C_VBACKING", vswap_own.S_VFOLIOS, vswap_own.S_VBACKED, vswap_own.S_VREFUSED, vswap_own.S_VWRITES),
    "vswap_v6": ("C_VBACKING", vswap_own.S_VFOLIOS, vswap_own.S_VBACKED, vswap_own.S_VREFUSED, vswap_own.S_VWRITES),
    "vswap_rfc1": ("C_RBACKING", rfc_own.S_RFOLIOS, rfc_own.S_RBACKED, rfc_own.S_RREFUSED, rfc_own.S_RWRITES),
    "vswap_rfc2": ("C_RBACKING", rfc_own.S_RFOLIOS, rfc_own.S_RBACKED, rfc_own.S_RREFUSED, rfc_own.S_RWRITES),
}


def fragmented(design: str, by_page: int) -> conformance.Run:
    """An SSD of 16 slots with every second one in use, and a folio of order 2 that is to go there."""
    run = conformance.Run.of(design, WORLD, **{OWN[design][0]: by_page})
    out = [r for p in range(16) for r in (d.pack(d.FAULT, p), d.pack(d.RECLAIM, p, backend=d.SSD, payload=900))]
    run.both(streams.block(*out, *(d.pack(d.UNMAP, p, count=1) for p in range(0, 16, 2))))
    run.both(streams.block(*folio(32, 2, d.SSD)))
    return run


@pytest.mark.parametrize("design", OWN)
def test_a_folio_needs_a_run_of_slots_or_takes_them_page_by_page(design: str) -> None:
    """Without a run the folio is active again, whole, and keeps its virtual slots; page by page four writes bring it out."""
    words = [int(word) for word in OWN[design][1:]]
    whole, pages = (fragmented(design, by_page) for by_page in (0, 1))
    assert [int(whole.st.ctl[word]) for word in words] == [1, 0, 1, 0]
    assert [int(pages.st.ctl[word]) for word in words] == [1, 1, 0, 4]
    assert (whole.replies(d.REACTIVATED), whole.replies(d.FOLIO_OUT), ctl(whole.st, control.S_SLOTS)) == (1, 0, 8)
    assert (pages.replies(d.REACTIVATED), pages.replies(d.FOLIO_OUT), ctl(pages.st, control.S_SLOTS)) == (0, 1, 12)
    values = [int(whole.st.pte[p]) >> 1 for p in range(32, 36)]
    assert values == [*range(values[0], values[0] + 4)]
    assert values[0] % 4 == 0


@pytest.mark.parametrize("design", OWN)
def test_a_folio_that_stayed_is_tried_again(design: str) -> None:
    """It leaves the swap cache when it is mapped (``should_try_to_free_swap``) and is one folio again.

    In the RFCs it stays there. In the kernel it is one folio still; here its pages are single ones, which keep their virtual slots.
    """
    run = fragmented(design, 0)
    before = [int(run.st.pte[p]) for p in range(32, 36)]
    run.both(streams.block(*(d.pack(d.FAULT, p) for p in range(32, 36)), d.pack(d.RECLAIM, 32, order=2, backend=d.SSD, payload=900)))
    first = design.startswith("vswap_rfc")
    assert [int(run.st.pte[p]) for p in range(32, 36)] == before
    assert (run.replies(d.FOLIO_SPLIT), run.replies(d.REACTIVATED)) == ((1, 1) if first else (0, 2))


@pytest.mark.parametrize("design", ["vswap_v3", "vswap_v6"])
def test_each_order_has_a_cluster_of_its_own(design: str) -> None:
    """Id 0 is of the first order that comes and never gives out its first run; a full one of order 9, here 4, begins at id 1."""
    run = conformance.Run.of(design, WORLD)
    run.both(streams.block(*folio(0, 1, d.ZSWAP), *folio(16, 4, d.ZSWAP), d.pack(d.FAULT, 40), d.pack(d.RECLAIM, 40, payload=900)))
    assert [int(run.st.pte[p]) >> 1 for p in (0, 1, 16, 31, 40)] == [2, 3, 16, 31, 32]


@pytest.mark.parametrize("design", ["vswap_rfc1", "vswap_rfc2"])
def test_a_first_virtual_folio_begins_an_empty_cluster(design: str) -> None:
    """``vswap_alloc``: never the first cluster, one for each folio, whose rest goes to single pages."""
    run = conformance.Run.of(design, WORLD)
    run.both(streams.block(*folio(0, 1, d.ZSWAP), *folio(4, 2, d.ZSWAP)))
    run.both(streams.block(*(r for p in range(40, 60) for r in (d.pack(d.FAULT, p), d.pack(d.RECLAIM, p, payload=900)))))
    assert [int(run.st.pte[p]) >> 1 for p in (0, 1, 4, 7)] == [16, 17, 32, 35]
    assert [int(run.st.pte[p]) >> 1 for p in range(40, 60)] == [*range(1, 16), *range(18, 23)]


@pytest.mark.parametrize("design", OWN)
def test_a_folio_is_charged_all_of_its_pages(design: str) -> None:
    """Of 6 pages that a memory cgroup may have, one folio of four fits, a second one does not, and single pages do."""
    world = streams.World("limited", spaces=1, space_shift=6, slots={"zswap": 64, "ssd": 64, "hdd": 64}, cluster_shift=4, swap_max=6)
    run = conformance.Run.of(design, world)
    run.both(streams.block(*folio(0, 2, d.SSD), *folio(4, 2, d.SSD), *folio(8, 2, d.ZSWAP)))
    assert (run.replies(d.FOLIO_OUT), run.replies(d.REACTIVATED), ctl(run.st, control.S_SLOTS)) == (2, 1, 4)
    run.both(streams.block(*(r for p in (20, 21) for r in (d.pack(d.FAULT, p), d.pack(d.RECLAIM, p, backend=d.SSD, payload=900)))))
    assert ctl(run.st, control.S_SLOTS) == 6
