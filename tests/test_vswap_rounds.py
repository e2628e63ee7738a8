"""Rounds of virtual swap space by hand: sections under the lock of a virtual cluster, from mm/vswap.c and its callers in v3 and in v6.

v3 is 20260208215839.87595-1-nphamcs@gmail.com, v6 20260505153854.1612033-1-nphamcs@gmail.com (patches 14, 21 and 22). A single
page, count 1, a read fault, swap not full, no readahead.
"""

from __future__ import annotations

import pytest

from tests.test_hand_counts import explained, sections

FIND = "swp_entry_to_swp_slot, swap_cache_get_folio"
READ = "swap_cache_get_folio, swap_entry_swapped, swapcache_prepare, vswap_folio_backed, lookup_swap_cgroup_id, swap_cache_add_folio"
LOAD, MAP = "swap_zeromap_batch, zswap_entry_load", "swap_free_nr, vswap_swapfile_backed, put_swap_entry"
STORE_FOLIO, STORE = "vswap_store_folio, vswap_store_folio", "zswap_entry_store, zswap_entry_store"
SECTOR = "swp_entry_to_swp_slot, swp_entry_to_swp_slot"
ALLOC_V3 = "folio_alloc_swap, swap_cgroup_record, swap_cache_add_folio, swap_duplicate, folio_free_swap"
ALLOC_V6 = "folio_alloc_swap, swap_duplicate, folio_free_swap"
DROP_V3 = "folio_free_swap, folio_free_swap, folio_free_swap, folio_free_swap, folio_free_swap, folio_free_swap"
"""Count; uncache; in-cache bit, and in ``vswap_free`` the backing, the owner and the lock once more."""
HAND = (
    ("swap_in", "zswap", "vswap_v3", f"{FIND}, {READ}, {LOAD}, {STORE_FOLIO}, {MAP}, {DROP_V3}"),
    ("swap_in", "zswap", "vswap_v6", f"{FIND}, {READ}, {LOAD}, vswap_store_folio, {MAP}, folio_free_swap"),
    ("swap_in", "ssd", "vswap_v3", f"{FIND}, {READ}, {LOAD}, {SECTOR}, {MAP}"),
    ("swap_in", "ssd", "vswap_v6", f"{FIND}, {READ}, {LOAD}, swp_entry_to_swp_slot, {MAP}"),
    ("cache_hit", "ssd", "vswap_v3", f"{FIND}, {MAP}"),
    ("cache_hit", "ssd", "vswap_v6", f"{FIND}, {MAP}"),
    ("swap_out", "zswap", "vswap_v3", f"{ALLOC_V3}, vswap_swapfile_backed, {STORE_FOLIO}, {STORE}"),
    ("swap_out", "zswap", "vswap_v6", f"{ALLOC_V6}, vswap_prepare_writeout, zswap_entry_store"),
    ("swap_out", "ssd", "vswap_v3",
     f"{ALLOC_V3}, vswap_swapfile_backed, {STORE_FOLIO}, vswap_alloc_swap_slot, vswap_alloc_swap_slot, {SECTOR}"),
    ("swap_out", "ssd", "vswap_v6", f"{ALLOC_V6}, vswap_prepare_writeout, vswap_alloc_swap_slot, vswap_alloc_swap_slot"),
    ("writeback_end", "ssd", "vswap_v3", "__vswap_remove_mapping, __vswap_remove_mapping"),
    ("writeback_end", "ssd", "vswap_v6", "__vswap_remove_mapping"),
)  # fmt: skip


@pytest.mark.parametrize(("op", "backend", "design", "functions"), HAND)
def test_rounds_by_hand(op: str, backend: str, design: str, functions: str) -> None:
    found = [name.split(": ") for name in sections(explained(op, design, backend)["events"])]
    assert [function for lock, function in found if lock == "virtual cluster"] == functions.split(", ")


def test_v6_merges_writes_not_questions() -> None:
    """The steps of a swap-in in the order of the posted series; a disk then asks for the slot, once less than in v3."""
    v3, v6 = (dict(zip(("op", "backend", "design", "functions"), row, strict=True)) for row in HAND[2:4])
    asked = [row["functions"].split(", ") for row in (v3, v6)]
    assert len(asked[0]) == len(asked[1]) + 1
    assert list(dict.fromkeys(asked[0])) == list(dict.fromkeys(asked[1]))


@pytest.mark.parametrize("design", ["vswap_v3", "vswap_v6"])
def test_the_reverse_word_is_written_under_a_lock_in_v3(design: str) -> None:
    found = sections(explained("swap_out", design, "ssd")["events"])
    assert found.count("cluster: vswap_rmap_set") == (design == "vswap_v3")
