"""vswap_rfc1 and vswap_rfc2 by hand: locked sections of mm/vswap.c as posted, walks, atomics, partitions, bytes, and a swapoff by slots."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dse
from dse import naming
from dse.testing import conformance, invariants_rfc, streams
from dse.testing.reading import ctl
from kernels import control
from kernels import demand as d
from kernels.observing import probe
from tests.test_hand_counts import sections

BOTH = ("vswap_rfc1", "vswap_rfc2")
CACHE, SHADOWS, TREE, LRU = "swap cache xa_lock", "shadow node LRU: workingset_update_node", "zswap tree xa_lock", "zswap LRU"
SPACE, COUNTS, BACK = "virtual slot xa_lock", "virtual cluster count xa_lock", "reverse xa_lock"
ALLOC = f"{SPACE}: vswap_alloc, {COUNTS}: vswap_alloc, {CACHE}: add_to_swap_cache, {SHADOWS}"


def asked(*functions: str) -> str:
    """Sections of the lock of a descriptor, one in each function."""
    return ", ".join(f"virtual descriptor: {name}" for name in functions)


FOLIO = asked("release_backing", "vswap_store_folio")
TO_SLOT = asked("swp_entry_to_swp_slot", "swp_entry_to_swp_slot")
FOUND = asked("swp_entry_to_swp_slot", "vswap_disk_backed")
ADDED = f"{FOUND}, {asked('vswap_folio_backed')}, {CACHE}: add_to_swap_cache, {SHADOWS}, {asked('swap_zeromap_batch')}"
ENDED = f"{CACHE}: __remove_mapping, {SHADOWS}"
FREED = f"{SPACE}: release_vswap_slot, {COUNTS}: release_vswap_slot"
TO_ZSWAP = f"{LRU}: zswap_lru_add, {TREE}: zswap_store, {asked('release_backing', 'vswap_assoc_zswap')}"
TAKEN = f"{asked('vswap_alloc_swap_slot')}, cluster: cluster_scan_range, {BACK}: xa_store (reverse), {asked('vswap_alloc_swap_slot')}"
LOADED = f"{asked('release_backing')}, {TREE}: zswap_invalidate, {asked('vswap_store_folio')}, {LRU}: zswap_lru_del"
INVALIDATED = f"{asked('release_backing')}, {TREE}: zswap_invalidate, {LRU}: zswap_invalidate"
SLOT_FREED = f"{asked('release_backing')}, {BACK}: xa_erase (reverse), cluster: swap_slot_free_nr, device: swap_slot_free_nr"
HAND = (
    ("swap_out", "zswap", f"{ALLOC}, {FOLIO}, {TO_ZSWAP}"),
    ("swap_out", "ssd", f"{ALLOC}, {FOLIO}, {TREE}: zswap_store, {FOLIO}, {TAKEN}, {TO_SLOT}"),
    ("writeback_end", "ssd", ENDED),
    ("swap_in", "zswap", f"{ADDED}, {TREE}: zswap_load, {LOADED}"),
    ("swap_in", "ssd", f"{ADDED}, {TREE}: zswap_load, {TO_SLOT}"),
    ("cache_hit", "ssd", FOUND),
    ("clean_drop", "ssd", ENDED),
    ("fork", "ssd", ""),
    ("zap", "zswap", f"{CACHE}: vswap_free, {INVALIDATED}, {FREED}"),
    ("zap", "ssd", f"{CACHE}: vswap_free, {SLOT_FREED}, {FREED}"),
)
"""Locked sections of one page, count 1, swap not full; the last slot of a cluster is freed."""
WALKS = {("swap_in", "zswap"): 12, ("swap_in", "ssd"): 12, ("cache_hit", "ssd"): 5, ("fork", "ssd"): 1, ("swap_out", "zswap"): 8}
"""Walks from the map of slots to a descriptor."""


def events(op: str, design: str, backend: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dse.explain(op, design, slots=2048, backend=backend)["designs"][0]["events"]
    return found


@pytest.mark.parametrize("design", BOTH)
@pytest.mark.parametrize(("op", "backend", "expected"), HAND)
def test_locked_sections_by_hand(op: str, backend: str, expected: str, design: str) -> None:
    assert ", ".join(sections(events(op, design, backend))) == expected


@pytest.mark.parametrize("design", BOTH)
@pytest.mark.parametrize(("op", "backend"), WALKS)
def test_walks_by_hand(op: str, backend: str, design: str) -> None:
    """Every function walks anew: the head of the map is loaded each time."""
    found = [e for e in events(op, design, backend) if e["event"] == "chase" and e["what"] == "swap descriptor"]
    assert len(found) == WALKS[op, backend]


@pytest.mark.parametrize(
    ("op", "backend", "first", "second"), [("fork", "ssd", 2, 1), ("cache_hit", "ssd", 4, 3), ("swap_in", "ssd", 6, 4)]
)
def test_counters_of_their_own_take_more_atomics(op: str, backend: str, first: int, second: int) -> None:
    """v1 changes kref and count, v2 one counter; the two references of the fault are an atomic each in both."""
    for design, want in zip(BOTH, (first, second), strict=True):
        assert sum(e["event"] == "atomic" and e["what"] == "swap descriptor" for e in events(op, design, backend)) == want


def run_of(name: str, *demands: tuple[int, int], **parameters: int) -> conformance.Run:
    """A run of `demands` on 64 pages, held against the twin."""
    world = streams.World("by hand", spaces=1, space_shift=6, slots={"zswap": 64, "ssd": 64, "hdd": 64, "zram": 64})
    run = conformance.Run.of(name, world, **parameters)
    run.both(streams.block(*demands))
    return run


def out(page: int, backend: int, **more: int) -> tuple[int, int]:
    """A page that goes out."""
    return d.pack(d.RECLAIM, page, backend=backend, payload=900, **more)


@pytest.mark.parametrize("shards", [1, 4])
def test_a_cpu_allocates_from_its_partition(shards: int) -> None:
    """One map for all, or one for each: the lowest free index of it, from 1 on."""
    pages = range(4)
    run = run_of("vswap_rfc1", *(d.pack(d.FAULT, p) for p in pages), *(out(p, d.ZSWAP, cpu=p % 2) for p in pages), C_SHARDS=shards)
    want = [p + 1 if shards == 1 else p % 2 << 32 | 1 + p // 2 for p in pages]
    assert [int(run.st.pte[p]) >> 1 for p in pages] == want
    assert len(run.st.slothead) == len(run.st.space) == len(run.st.ztree) == 8 * shards


@pytest.mark.parametrize("design", BOTH)
def test_a_dirty_page_takes_a_new_slot_and_keeps_its_virtual_one(design: str) -> None:
    run = run_of(design, d.pack(d.FAULT, 0), out(0, d.SSD))
    first = invariants_rfc.read(run.st).backing.tolist()
    run.both(streams.block(d.pack(d.FAULT, 0), out(0, d.SSD)))
    assert (run.replies(d.CLEAN_DROP), invariants_rfc.read(run.st).backing.tolist()) == (1, first)
    run.both(streams.block(d.pack(d.FAULT, 0), out(0, d.SSD, flags=d.DIRTY)))
    after = invariants_rfc.read(run.st)
    assert (run.replies(d.SWAP_OUT), ctl(run.st, control.S_SLOTS), after.value.tolist()) == (2, 1, [1])
    assert after.backing.tolist() != first


def test_a_read_from_a_synchronous_device_goes_around_the_swap_cache() -> None:
    """A single PTE: the slot and the virtual slot go at once. Of two PTEs the first reads through the cache."""
    run = run_of("vswap_rfc2", d.pack(d.FAULT, 0), out(0, d.ZRAM), d.pack(d.FAULT, 0))
    assert (ctl(run.st, control.S_SLOTS), len(invariants_rfc.read(run.st).value)) == (0, 0)


@pytest.mark.parametrize("design", BOTH)
def test_a_swapoff_reads_slots_and_no_page_table(design: str) -> None:
    pages = range(32)
    run = run_of(design, *(d.pack(d.FAULT, p) for p in pages), *(out(p, d.SSD if p % 2 else d.HDD) for p in pages))
    run.both(streams.block(d.pack(d.SWAPOFF, 0, backend=d.SSD, payload=d.MEMORY)))
    row = run.probe.tally[d.SWAPPED_OFF * probe.COLUMNS :]
    assert (int(row[int(probe.PTES)]), ctl(run.st, control.S_SCANNED), ctl(run.st, control.S_SLOTS)) == (0, 16, 16)
    space = invariants_rfc.read(run.st)
    assert sorted(space.kind.tolist()) == [invariants_rfc.SWAPFILE] * 16 + [invariants_rfc.FOLIO] * 16


@pytest.mark.parametrize(
    ("design", "zswap", "disk", "static"), [("vswap_rfc1", 64 + 24, 64 + 24, 1.125), ("vswap_rfc2", 48 + 24, 48 + 24, 1.0)]
)
def test_bytes_a_page(design: str, zswap: int, disk: int, static: float) -> None:
    """A descriptor, and 8 B in the map, in the swap cache (a shadow), and in the zswap tree or the reverse tree."""
    slots = 1 << 16
    for backend, want in (("zswap", zswap), ("ssd", disk)):
        found = dse.ledger(design, slots, 1.0, backend)
        assert found["dynamic_bytes"] == want * slots
        assert found["static_bytes"] == (static * slots if backend == "ssd" else 0)
        counts = next(row for row in found["rows"] if row["structure"] == "virtual cluster counts")
        assert counts["header_bytes"] == 8 * (slots // 512 + 1)
    assert dse.ledger(design, slots, 0.0, "zswap")["total_bytes"] == 0


def test_partitions_cost_no_bytes_and_no_sections() -> None:
    """They are other locks, not more of them."""
    one, many = (naming.parse(f"vswap_rfc2[shards={n}]") for n in (1, 16))
    assert dse.ledger(one.text, 4096, 0.5, "zswap")["total_bytes"] == dse.ledger(many.text, 4096, 0.5, "zswap")["total_bytes"]
    counts = [run_of("vswap_rfc2", d.pack(d.FAULT, 3), out(3, d.ZSWAP, cpu=1), d.pack(d.FAULT, 3), C_SHARDS=n).probe.tally for n in (1, 16)]
    for code in (d.SWAP_OUT, d.SWAP_IN):
        rows = [tally[code * probe.COLUMNS :][: probe.COLUMNS] for tally in counts]
        assert np.array_equal(rows[0][int(probe.LOCKS)], rows[1][int(probe.LOCKS)])
