"""Locked sections of one operation by hand, from the kernel's functions, beside what the model counts (``dse explain``).

A single page, count 1, a read fault, swap not full. The kernel functions are those of Linux 6.12 for *direct*, of 6.18, 7.0, 7.1 and 7.2
for the phases of the swap tables. A zap and a swap-in free no table and meet no full list but the one said.
Sections are those of swap proper, with the locks of zswap's trees: a write to a disk takes one in every release (``zswap_store`` erases an
older entry, also with zswap off), a read from it up to 6.14 (``zswap_load`` erases before it knows). Locks of the common steps
(zsmalloc, LRU, cgroup array and slot cache of 6.12) are counted apart. The lock of the list of shadow nodes (mm/workingset.c) is of a
class of its own: it is taken when a leaf of the swap cache gets its first folio, or loses its last one.
*vswap_ste* is as in RFC v2: every look at what is behind a virtual slot is a section; a read of zswap leaves nothing to keep, so that the
slot goes, too; a move takes the first slot of a disk's cluster.
*redirect* is read off the mail by this model: a move enters the cache, takes the slot, writes the redirect in a section of its own, and
ends the writeback. Every entry of *vswap_all* takes a slot of the disk as a virtual one of *vswap_ste* does. The oracle takes no lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dse
from dse import naming
from kernels import demand as d
from kernels.life import registry as state
from kernels.observing import probe

CACHE, TREE, LRU = "swap cache xa_lock", "zswap tree xa_lock", "zswap LRU"
SHADOWS = "shadow node LRU"
ERASE, LOOK = f"{TREE}: zswap_store", f"{TREE}: zswap_load"
STORE, LOAD = f"{LRU}: zswap_lru_add, {TREE}: zswap_store", f"{TREE}: zswap_load, {LRU}: zswap_lru_del"
WRITEBACK = f"{TREE}: zswap_writeback_entry, {LRU}: zswap_lru_del"
FREE = f"{TREE}: zswap_invalidate, {LRU}: zswap_invalidate"
OUT_DIRECT = f"cluster: alloc_swap_scan_cluster, {CACHE}: add_to_swap_cache, cluster: swap_duplicate, cluster: swap_swapcount"
OUT_P1 = "cluster: alloc_swap_scan_cluster, cluster: swap_cache_add_folio, cluster: swap_duplicate, cluster: swap_entry_swapped"
OUT_P2 = "cluster: alloc_swap_scan_cluster, cluster: swap_duplicate, cluster: swap_entry_swapped"
OUT_P3 = "cluster: cluster_scan_range, cluster: swap_dup_entries_cluster"
OUT_P4 = "cluster: cluster_scan_range, cluster: swap_cgroup_set, cluster: swap_dup_entries_cluster, cluster: swap_zeromap_folio_set"
ADD_DIRECT = f"cluster: swap_swapcount, cluster: swapcache_prepare, {CACHE}: add_to_swap_cache"
ADD_P1 = "cluster: swap_entry_swapped, cluster: swapcache_prepare, cluster: swap_cache_add_folio"
ADD_P2 = "cluster: swap_entry_swapped, cluster: swap_cache_add_folio"
ADD_P4 = "cluster: __swap_cache_add_check, cluster: swap_cache_add_folio"
PUT, PUT_TABLE = "cluster: swap_free_nr", "cluster: swap_put_entries_cluster"
END_DIRECT = f"{CACHE}: __delete_from_swap_cache, cluster: put_swap_folio"
END_P1 = "cluster: swap_cache_del_folio, cluster: put_swap_folio"
END_TABLE = "cluster: swap_cache_del_folio"
FULL = "device: move_cluster"

WROTE, READ = (f"zram entry: {name}, zram entry: mark_slot_accessed" for name in ("zram_write_page", "zram_read_page"))
NOTIFY = "zram entry: zram_slot_free_notify"
ZRAM_IN = f"{ADD_P4}, {READ}, {PUT_TABLE}, {PUT_TABLE}, {NOTIFY}, {FULL}"  # the cache copy goes, and the slot
ZRAM_BACK = "scan_slots_for_writeback", "zram_writeback_slots", "zram_writeback_complete", "release_pp_slot"
ASK = "cluster: swap_entry_backend_has_flag"
HINTED = f"cluster: vswap_mark_cache_only, {ASK}, cluster: folio_phys_swap_backed"
LRU_DEL = f"{LRU}: zswap_lru_del"
STE_OUT = f"{OUT_P4}, cluster: folio_release_non_phys_swap_backing, {LRU}: zswap_lru_add, cluster: vswap_zswap_store"
STE_LOAD = f"{ADD_P4}, cluster: vswap_zswap_load"
STE_IN = f"{ASK}, {STE_LOAD}, cluster: folio_release_vswap_backing, {LRU_DEL}, {HINTED}, {PUT_TABLE}, {FULL}"
STE_SLOT = f"cluster: folio_realloc_swap, {FULL}, {FULL}, cluster: cluster_scan_range, {FULL}, cluster: folio_realloc_swap"

DISK_SLOT = f"{FULL}, {FULL}, cluster: cluster_scan_range, {FULL}"
REDIRECTED = f"{ADD_P4}, {DISK_SLOT}, cluster: redirect set, {END_TABLE}"
ALL_OUT = (
    f"{OUT_P4}, cluster: folio_release_non_phys_swap_backing, cluster: folio_realloc_swap, cluster: swap_slot_alloc, "
    "cluster: folio_realloc_swap"
)

P4_OUT, P4_IN, P4_ZAP = f"{OUT_P4}, {STORE}", f"{ADD_P4}, {LOAD}, {PUT_TABLE}", f"{PUT_TABLE}, {FREE}, {FULL}"

HAND = (
    ("swap_out", "zswap", "direct", 6, f"{OUT_DIRECT}, {STORE}"),
    ("swap_out", "zswap", "swap_table_p1", 6, f"{OUT_P1}, {STORE}"),
    ("swap_out", "zswap", "swap_table_p2", 5, f"{OUT_P2}, {STORE}"),
    ("swap_out", "zswap", "swap_table_p3", 4, f"{OUT_P3}, {STORE}"),
    ("swap_out", "zswap", "swap_table_p4", 6, P4_OUT),
    ("swap_out", "zswap", "ghost", 6, P4_OUT),
    ("swap_out", "zswap", "zram", 7, f"{OUT_P4}, {ERASE}, {WROTE}"),
    ("swap_out", "zswap", "vswap_ste", 7, STE_OUT),
    ("swap_out", "ssd", "direct", 5, f"{OUT_DIRECT}, {ERASE}"),
    ("swap_out", "ssd", "swap_table_p1", 5, f"{OUT_P1}, {ERASE}"),
    ("swap_out", "ssd", "swap_table_p2", 4, f"{OUT_P2}, {ERASE}"),
    ("swap_out", "ssd", "swap_table_p3", 3, f"{OUT_P3}, {ERASE}"),
    ("swap_out", "ssd", "swap_table_p4", 5, f"{OUT_P4}, {ERASE}"),
    ("swap_out", "ssd", "ghost", 5, f"{OUT_P4}, {ERASE}"),
    ("swap_out", "ssd", "zram", 5, f"{OUT_P4}, {ERASE}"),
    ("swap_out", "ssd", "vswap_ste", 5, f"{OUT_P4}, {ERASE}"),
    ("swap_out", "ssd", "redirect", 5, f"{OUT_P4}, {ERASE}"),
    ("swap_out", "ssd", "vswap_all", 8, ALL_OUT),
    ("writeback_end", "zswap", "ghost", 1, END_TABLE),
    ("writeback_end", "zswap", "zram", 1, END_TABLE),
    ("writeback_end", "ssd", "direct", 2, END_DIRECT),
    ("writeback_end", "ssd", "swap_table_p1", 2, END_P1),
    ("writeback_end", "ssd", "swap_table_p2", 1, END_TABLE),
    ("writeback_end", "ssd", "swap_table_p3", 1, END_TABLE),
    ("writeback_end", "ssd", "swap_table_p4", 1, END_TABLE),
    ("swap_in", "zswap", "direct", 6, f"{ADD_DIRECT}, {LOAD}, {PUT}"),
    ("swap_in", "zswap", "swap_table_p1", 6, f"{ADD_P1}, {LOAD}, {PUT}"),
    ("swap_in", "zswap", "swap_table_p2", 5, f"{ADD_P2}, {LOAD}, {PUT}"),
    ("swap_in", "zswap", "swap_table_p3", 5, f"{ADD_P2}, {LOAD}, {PUT_TABLE}"),
    ("swap_in", "zswap", "swap_table_p4", 5, P4_IN),
    ("swap_in", "zswap", "ghost", 5, P4_IN),
    ("swap_in", "zswap", "zram", 8, ZRAM_IN),
    ("swap_in", "zswap", "vswap_ste", 11, STE_IN),
    ("swap_in", "ssd", "direct", 5, f"{ADD_DIRECT}, {LOOK}, {PUT}"),
    ("swap_in", "ssd", "swap_table_p1", 4, f"{ADD_P1}, {PUT}"),
    ("swap_in", "ssd", "swap_table_p2", 3, f"{ADD_P2}, {PUT}"),
    ("swap_in", "ssd", "swap_table_p3", 3, f"{ADD_P2}, {PUT_TABLE}"),
    ("swap_in", "ssd", "swap_table_p4", 3, f"{ADD_P4}, {PUT_TABLE}"),
    ("swap_in", "ssd", "ghost", 3, f"{ADD_P4}, {PUT_TABLE}"),
    ("swap_in", "ssd", "vswap_ste", 3, f"{ADD_P4}, {PUT_TABLE}"),
    ("swap_in", "ssd", "redirect", 3, f"{ADD_P4}, {PUT_TABLE}"),
    ("swap_in", "zswap", "oracle", 0, ""),
    ("move", "ssd", "redirect", 8, REDIRECTED),
    ("zap", "zswap", "direct", 5, f"{PUT}, {FREE}, {CACHE}: clear_shadow_from_swap_cache, {FULL}"),
    ("zap", "zswap", "swap_table_p1", 4, f"{PUT}, {FREE}, {FULL}"),
    ("zap", "zswap", "swap_table_p2", 4, f"{PUT}, {FREE}, {FULL}"),
    ("zap", "zswap", "swap_table_p3", 4, f"{PUT_TABLE}, {FREE}, {FULL}"),
    ("zap", "zswap", "swap_table_p4", 4, P4_ZAP),
    ("zap", "zswap", "ghost", 4, P4_ZAP),
    ("zap", "zswap", "zram", 3, f"{PUT_TABLE}, {NOTIFY}, {FULL}"),
    ("zap", "zswap", "vswap_ste", 3, f"{PUT_TABLE}, {LRU_DEL}, {FULL}"),
    ("move", "zswap", "direct", 7, f"{ADD_DIRECT}, {WRITEBACK}, {END_DIRECT}"),
    ("move", "zswap", "swap_table_p1", 7, f"{ADD_P1}, {WRITEBACK}, {END_P1}"),
    ("move", "zswap", "swap_table_p2", 5, f"{ADD_P2}, {WRITEBACK}, {END_TABLE}"),
    ("move", "zswap", "swap_table_p3", 5, f"{ADD_P2}, {WRITEBACK}, {END_TABLE}"),
    ("move", "zswap", "swap_table_p4", 5, f"{ADD_P4}, {WRITEBACK}, {END_TABLE}"),
    ("move", "zswap", "zram", 4, ", ".join(f"zram entry: {name}" for name in ZRAM_BACK)),
    ("move", "zswap", "vswap_ste", 11, f"{STE_LOAD}, {STE_SLOT}, {LRU_DEL}, {END_TABLE}"),
    ("clean_drop", "ssd", "direct", 3, f"cluster: swap_duplicate, {END_DIRECT}"),
    ("clean_drop", "ssd", "swap_table_p4", 2, f"cluster: swap_dup_entries_cluster, {END_TABLE}"),
    ("cache_hit", "ssd", "direct", 1, PUT),
    ("cache_hit", "ssd", "swap_table_p4", 1, PUT_TABLE),
    ("cache_hit", "zswap", "ghost", 1, PUT_TABLE),
    ("cache_hit", "zswap", "vswap_ste", 3, HINTED),
    ("read_ahead", "ssd", "direct", 4, f"{ADD_DIRECT}, {LOOK}"),
    ("read_ahead", "ssd", "swap_table_p4", 2, ADD_P4),
    ("read_ahead", "zswap", "swap_table_p4", 4, f"{ADD_P4}, {LOAD}"),
    ("read_ahead", "zswap", "vswap_ste", 6, f"{ASK}, {STE_LOAD}, cluster: folio_release_vswap_backing, {LRU_DEL}"),
    ("fork", "ssd", "direct", 1, "cluster: swap_duplicate"),
    ("fork", "ssd", "swap_table_p4", 1, "cluster: swap_dup_entries_cluster"),
    ("fork", "zswap", "ghost", 1, "cluster: swap_dup_entries_cluster"),
    ("fork", "zswap", "vswap_ste", 1, "cluster: swap_dup_entries_cluster"),
)
SHADOW_SECTIONS = {
    ("swap_out", "zswap"): 1, ("swap_out", "ssd"): 1, ("writeback_end", "ssd"): 1, ("swap_in", "zswap"): 1, ("swap_in", "ssd"): 1,
    ("move", "zswap"): 2, ("clean_drop", "ssd"): 1, ("read_ahead", "ssd"): 1,
}  # fmt: skip
"""Sections of *direct* under the lock of the shadow nodes, all other slots of the leaf out: its first folio comes or its last one goes."""
LAYERS = (
    ("swap_out", "zswap", "swap_id", "direct", 1),
    ("swap_out", "ssd", "swap_id[base=swap_table_p4]", "swap_table_p4", 1),
    ("swap_in", "ssd", "swap_id", "direct", 1),
    ("swap_in", "zswap", "swap_id[base=swap_table_p4]", "swap_table_p4", 1),
    ("move", "zswap", "swap_id", "direct", 0),
)
LOOKS = (
    ("swap_out", "vswap_v3", ["folio_free_swap"]),
    ("swap_out", "vswap_v6", ["folio_free_swap"]),
    ("swap_in", "vswap_v3", ["swap_entry_swapped"]),
    ("swap_in", "vswap_v6", ["swap_entry_swapped"]),
    ("swap_out", "swap_desc", []),
    ("swap_in", "swap_desc", []),
)


def explained(op: str, design: str, backend: str) -> dict[str, Any]:
    return dse.explain(op, design, slots=2048, backend=backend)["designs"][0]


def sections(events: list[dict[str, Any]]) -> list[str]:
    """Locks taken, each with the function of its first touch that is not the lock's own."""
    out = []
    for i, event in enumerate(events):
        if event["event"] == "lock":
            end = next(j for j in range(i, len(events)) if (events[j]["event"], events[j]["what"]) == ("unlock", event["what"]))
            names = [str(inner["function"]) for inner in events[i:end] if inner["event"] in ("chase", "read", "write", "atomic")]
            out.append(f"{event['what']}: {next(name for name in [*names, ''] if name != 'swap_cluster_lock') or names[0]}")
    return out


@pytest.mark.parametrize(("op", "backend", "design", "expected", "functions"), HAND)
def test_locked_sections_by_hand(op: str, backend: str, design: str, expected: int, functions: str) -> None:
    one = explained(op, design, backend)
    found = sections(one["events"])
    apart = [name for name in found if name.startswith(SHADOWS)]
    assert [name for name in found if name not in apart] == list(filter(None, functions.split(", ")))
    assert apart == [f"{SHADOWS}: workingset_update_node"] * (SHADOW_SECTIONS.get((op, backend), 0) if design == "direct" else 0)
    assert one["totals"]["locked_sections"] == expected + len(apart)


@pytest.mark.parametrize(("op", "backend", "layer", "base", "more"), LAYERS)
def test_a_layer_takes_the_locks_of_its_base(op: str, backend: str, layer: str, base: str, more: int) -> None:
    mine, below = (explained(op, name, backend)["totals"]["locked_sections"] for name in (layer, base))
    assert mine == below + more


@pytest.mark.parametrize(("op", "design", "functions"), LOOKS)
def test_looks_of_designs_without_slots(op: str, design: str, functions: list[str]) -> None:
    found = [e["function"] for e in explained(op, design, "ssd")["events"] if e["event"] == "lock"]
    assert [name for name in found if name in ("folio_free_swap", "swap_entry_swapped")] == functions


def locks_of_a_read(design: str, in_zswap: bool) -> float:
    """Locked sections of a swap-in from the disk, where another page of the same 64 MiB is in zswap or on the disk."""
    made = naming.parse(design)
    st = made.design.build(state.Config(pages=64, slots={"ssd": 64, "zswap": 64}, parameters=made.control))
    pr = probe.make("count")
    others = [d.pack(d.FAULT, 1), d.pack(d.RECLAIM, 1, backend=d.ZSWAP if in_zswap else d.SSD, payload=900)]
    demands = [*others, d.pack(d.FAULT, 2), d.pack(d.RECLAIM, 2, backend=d.SSD, payload=900), d.pack(d.FAULT, 2)]
    made.design.replay(st, pr, np.array(demands, np.uint64), np.zeros(len(demands), np.uint8))
    row = pr.tally[d.SWAP_IN * probe.COLUMNS :]
    assert row[int(probe.N)] == 1
    return float(row[int(probe.LOCKS)])


@pytest.mark.parametrize("design", ["direct", "swap_table_p1", "swap_table_p3", "swap_table_p4"])
def test_a_read_from_a_disk_with_pages_in_zswap(design: str) -> None:
    """``zswap_load`` of 6.12 to 6.14 erases first, whatever the tree holds. Since 6.15 it looks without a lock."""
    assert locks_of_a_read(design, in_zswap=True) == locks_of_a_read(design, in_zswap=False)


@pytest.mark.parametrize("design", ["direct", "swap_table_p4", "vswap_v6"])
def test_a_zap_counts_the_ptes_that_it_clears(design: str) -> None:
    """Of 8 PTEs of a run two hold swap entries, one maps a folio, five are empty: three are cleared."""
    made = naming.parse(design)
    st = made.design.build(state.Config(pages=64, slots={"ssd": 64, "zswap": 64}, parameters=made.control))
    pr = probe.make("count")
    out = [d.pack(d.RECLAIM, page, backend=d.SSD, payload=900) for page in (1, 2)]
    demands = [*(d.pack(d.FAULT, page) for page in (1, 2, 5)), *out, d.pack(d.UNMAP, 0, count=8), d.pack(d.UNMAP, 0, count=8)]
    made.design.replay(st, pr, np.array(demands, np.uint64), np.zeros(len(demands), np.uint8))
    row = pr.tally[d.ZAPPED * probe.COLUMNS :]
    assert (row[int(probe.N)], row[int(probe.PTES)]) == (1, 3)
