"""The table of common steps: function, structure, lines.

A line of :data:`TABLE` is a function of the kernel at a hook. Its name is the same for all kernels, or one for each of 6.12, 6.18 and 7.2
(``-``: no such step there), separated by ``|``. Behind the colon stand the lines that it touches: structure, number of the line, ``!`` if
it is written, ``^`` for each lock that is taken in it. Numbers tell lines of a structure apart, they are no offsets. How many lines a
function touches, and which locks it takes, was set from the shipped records of 6.12, 6.18 and 7.2 (dse/linux/records), where structures
have the layout that the compiler gave them. A record does not name the structure of a line: names were given from what is known of the
functions, not read off their source one by one. The record of 7.3 set nothing, so it is the check. A line that the design counts itself
(slot, cluster, tree, zswap_entry, PTE) is not here. No record has zram: its three hooks have the lines that zsmalloc and a write to a disk
have for zswap and disks of 7.2, and what its source (drivers/block/zram) adds or leaves out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kernels.compiling.jit import u
from kernels.observing.lock import L_AVAIL, L_LRUVEC, L_SLOTS_CACHE, L_SWAP_CGROUP, L_ZS_CLASS, L_ZS_POOL, L_ZSPAGE

ERAS = ("6.12", "6.18", "7.2")
"""Kernels with steps of their own, in the order of C_ERA."""

SHARED, FOLIO, NEIGHBOUR, HANDLE, ZSPAGE, DESCRIPTOR, OBJECT = (u(i) for i in range(7))
"""Places of a line: one for all pages; of a folio; of the folio beside it on the list; of a zswap entry's handle, zspage, struct page
and object in zsmalloc."""
PLACES = {
    "folio": FOLIO, "list neighbour": NEIGHBOUR, "zs_handle": HANDLE, "zspage": ZSPAGE, "zpdesc": DESCRIPTOR, "zsmalloc object": OBJECT,
}  # fmt: skip
POINTERS = frozenset(
    {"mem_cgroup", "parent mem_cgroup", "mem_cgroup_per_node", "memcg_vmstats_percpu", "parent memcg_vmstats_percpu", "memcg_vmstats",
     "lruvec_stats_percpu", "css_rstat_cpu", "obj_cgroup", "obj_cgroup refcnt", "css_set", "pglist_data", "per_cpu_nodestat",
     "per_cpu_zonestat", "swap_info_struct", "swap_info_struct users", "zswap_pool", "crypto_acomp_ctx", "zs_pool", "size_class",
     "zpool", "list_lru", "list_lru xarray", "swap_extent", "zcomp", "zcomp_strm", *PLACES}
)  # fmt: skip
"""Structures that are reached through a loaded address; the others are variables of the kernel, of a CPU or of the task."""

LOCKS = {
    "swap_slots_cache": L_SLOTS_CACHE, "swap_cgroup_ctrl": L_SWAP_CGROUP, "mem_cgroup_per_node": L_LRUVEC, "zs_pool": L_ZS_POOL,
    "zspage": L_ZSPAGE, "size_class": L_ZS_CLASS, "swap_avail_head": L_AVAIL,
}  # fmt: skip
"""Class of the lock in a structure: ``free_lock``, ``lock``, ``lru_lock`` of its lruvec, ``lock``, ``zsl`` (up to 6.13 a rwlock),
``lock``, ``swap_avail_lock``."""

TABLE = """
isolate
lru_add_drain_cpu: cpu_fbatches 0 1 2 3 4 5 6
folio_lruvec_lock_irq: mem_cgroup 0 5, mem_cgroup_per_node 0!^ 1, pglist_data 0
-|-|folio_lruvec_lock_irq: obj_cgroup 0, pglist_data 1
lru_gen_del_folio: lru_gen_folio 0!, list neighbour 0!
shrink_folio_list: folio 0!
__mod_memcg_lruvec_state|mod_memcg_lruvec_state|__mod_memcg_lruvec_state: stats_index 0, mem_cgroup 4, memcg_vmstats_percpu 0! 1! 2!
  parent memcg_vmstats_percpu 0!, memcg_vmstats 0, lruvec_stats_percpu 0! 1! 2!
__mod_memcg_lruvec_state|mod_memcg_lruvec_state|-: memcg_vmstats 1
__cgroup_rstat_updated|css_rstat_updated|__css_rstat_updated: css_rstat_cpu 0, __per_cpu_offset 0
-|css_rstat_updated|__css_rstat_updated: mem_cgroup 1
__mod_node_page_state|__mod_node_page_state|mod_node_page_state: pglist_data 2, per_cpu_nodestat 0!
-|-|mod_node_page_state: per_cpu_nodestat 1!
__mod_zone_page_state: zone 0, per_cpu_zonestat 0!

drop
workingset_eviction: mem_cgroup 6
page_counter_uncharge: page_counter 0! 1 2! 3
uncharge_folio|uncharge_folio|-: obj_cgroup 0, obj_cgroup refcnt 0!
-|-|uncharge_folio: obj_cgroup refcnt 0!

claim
folio_alloc_swap|-|-: swap_slots_cache 0! 1, swap variables 1
-|folio_alloc_swap|folio_alloc_swap: swap variables 1 2, swap_info_struct 1
-|folio_alloc_swap|-: swap variables 5
-|alloc_swap_scan_cluster|alloc_swap_scan_cluster: swap_info_struct 2!
-|mod_memcg_state|-: memcg_vmstats_percpu 5!
-|swap_cgroup_record|-: swap_cgroup_ctrl 0
swap_cgroup_record|-|-: swap_cgroup_ctrl 0^ 1

dup
__swap_duplicate|__swap_duplicate|folio_dup_swap: swap_info 0, swap_info_struct 1

out
folio_free_swap: swap_info_struct 4
_swap_info_get|-|-: swap_info_struct 5
__count_memcg_events|count_memcg_events|count_memcg_events: memcg_vmstats_percpu 4!
-|-|count_memcg_events: stats_index 1
__mod_memcg_state|-|__mod_memcg_state: memcg_vmstats_percpu 5!

zero_out
get_obj_cgroup_from_folio|__get_obj_cgroup_from_memcg|-: obj_cgroup 0, obj_cgroup refcnt 0!, mem_cgroup 7
-|-|get_obj_cgroup_from_folio: obj_cgroup refcnt 0!

zswap_store
get_obj_cgroup_from_folio|__get_obj_cgroup_from_memcg|-: obj_cgroup 0, obj_cgroup refcnt 0!, mem_cgroup 7
-|-|get_obj_cgroup_from_folio: obj_cgroup refcnt 0!
obj_cgroup_may_zswap: mem_cgroup 2, parent mem_cgroup 0
-|obj_cgroup_may_zswap|obj_cgroup_may_zswap: parent mem_cgroup 1
-|-|obj_cgroup_may_zswap: mem_cgroup 3
obj_cgroup_charge|obj_cgroup_charge_account|-: obj_stock_pcp 0!
obj_cgroup_charge|-|-: memcg_stock_pcp 1
-|try_charge_memcg|try_charge_memcg: memcg_stock_pcp 0!
__mod_memcg_state|mod_memcg_state|-: memcg_vmstats_percpu 6!
-|memcg_list_lru_alloc|memcg_list_lru_alloc: list_lru 0
-|-|memcg_list_lru_alloc: list_lru xarray 1
xas_start: list_lru xarray 0
-|-|xas_load: list_lru xarray 2
zswap_store: zswap_trees 0 1, zswap_pool 0 1!, crypto_acomp_ctx 0! 1! 2
zswap_store|-|zswap_store: zswap variables 1
zs_malloc: zs_pool 0, size_class 0!^ 1, zs_handle 0!
-|-|zs_malloc: zs_pool 1
zpool_malloc_support_movable|-|-: zpool 0
zpool_get_total_pages|-|-: zpool 1 2
zs_zpool_total_pages|zs_get_total_pages|zs_get_total_pages: zs_pool 2
obj_malloc: zspage 0!, zpdesc 0, zsmalloc object 0!, size_class 2!
obj_malloc|obj_malloc|obj_malloc: size_class 3
obj_malloc|-|-: zs_pool 3
fix_fullness_group: zspage 1!
zs_map_object|-|-: mapping_area 0! 1, zs_pool 0^, zspage 0!^
-|zs_obj_write|zs_obj_write: zs_pool 3, zs_pool 0^, zspage 0!^^

zspage_new
zs_malloc: size_class 0!^

disk_out
-|folio_add_lru|folio_add_lru: cpu_fbatches 9
folio_rotate_reclaimable|__folio_batch_add_and_move|__folio_batch_add_and_move: cpu_fbatches 7!
lru_gen_add_folio: lru_gen_folio 1! 2! 3 5!
lru_add: cpu_fbatches 8
folio_lruvec_lock_irqsave: mem_cgroup_per_node 0!^
-|-|folio_batch_move_lru: cpu_fbatches 10
zswap_store: zswap_trees 0 1
swap_folio_sector: swap_extent 0
__swap_writepage: swap_info_struct 6
__swap_writepage|-|-: swap_info_struct 7
-|css_rstat_updated|__css_rstat_updated: css_rstat_cpu 1 2
__mod_memcg_lruvec_state|mod_memcg_lruvec_state|__mod_memcg_lruvec_state: lruvec_stats_percpu 3!

device
get_swap_device: swap_info 0, swap_info_struct 1, swap_info_struct users 0!

fault
do_swap_page: mm_struct 0!, vm_area_struct 0
-|do_swap_page|do_swap_page: swap variables 6

read
swap_cache_get_folio|-|-: swapper_spaces 0
swapin_readahead: vm_area_struct 1
swapin_readahead|-|-: swap variables 3
swapin_readahead: swap variables 4
mem_cgroup_swapin_charge_folio: mem_cgroup 1 7, css refcnt 0!
mem_cgroup_swapin_charge_folio|-|-: css refcnt 1!
mem_cgroup_from_task: task_struct 0
-|mem_cgroup_from_task|mem_cgroup_from_task: css_set 0
try_charge_memcg: memcg_stock_pcp 0!
lookup_swap_cgroup_id|lookup_swap_cgroup_id|-: swap_cgroup_ctrl 0
lookup_swap_cgroup_id|-|-: swap_cgroup_ctrl 1
-|charge_memcg|-: obj_cgroup 0
-|-|__get_obj_cgroup_from_memcg: obj_cgroup 0, obj_cgroup refcnt 0!, mem_cgroup_per_node 2
__lruvec_stat_mod_folio|__lruvec_stat_mod_folio|-: mem_cgroup 5, pglist_data 0, mem_cgroup_per_node 1
-|-|mod_lruvec_state: mem_cgroup_per_node 1
__mod_memcg_lruvec_state|mod_memcg_lruvec_state|__mod_memcg_lruvec_state: stats_index 0, mem_cgroup 4, memcg_vmstats_percpu 0! 1! 2!
  parent memcg_vmstats_percpu 0!, memcg_vmstats 0 1, lruvec_stats_percpu 0! 1! 2!
-|mod_memcg_lruvec_state|-: __per_cpu_offset 1
__cgroup_rstat_updated|css_rstat_updated|__css_rstat_updated: css_rstat_cpu 0, __per_cpu_offset 0, cgroup_subsys_state 0
__mod_node_page_state|mod_node_page_state|mod_node_page_state: pglist_data 2, per_cpu_nodestat 0!
__mod_node_page_state|__mod_node_page_state|mod_node_page_state: per_cpu_nodestat 1!
__count_memcg_events|count_memcg_events|count_memcg_events: stats_index 1, memcg_vmstats_percpu 4!
__count_memcg_events|count_memcg_events|-: memcg_vmstats_percpu 7!
-|lru_gen_test_recent|lru_gen_test_recent: lru_gen_folio 4
-|-|lru_gen_test_recent: lru_gen_folio 0, mem_cgroup_per_node 3 4
workingset_refault: mem_cgroup 6
workingset_refault|-|-: lru_gen_folio 4
__folio_batch_add_and_move: cpu_fbatches 0! 1!
folio_batch_move_lru: list neighbour 0!

zero_in
-|-|count_memcg_events: memcg_vmstats_percpu 8!, stats_index 2
get_obj_cgroup_from_folio|__get_obj_cgroup_from_memcg|-: obj_cgroup 0, obj_cgroup refcnt 0!

disk_in
swap_folio_sector: swap_extent 0
swap_read_folio: swap_info_struct 6
-|-|__css_rstat_updated: css_rstat_cpu 1 2

map
mem_cgroup_swap_full: page_counter 4
-|mem_cgroup_swap_full|mem_cgroup_swap_full: page_counter 5
__mod_memcg_lruvec_state|mod_memcg_lruvec_state|__mod_memcg_lruvec_state: stats_index 0, mem_cgroup 4, memcg_vmstats_percpu 0! 1!
  parent memcg_vmstats_percpu 0!, memcg_vmstats 0, lruvec_stats_percpu 0!
folio_add_new_anon_rmap: folio 0!

write
lru_add_drain_cpu: cpu_fbatches 2 3 4 5 6
folio_lruvec_lock_irqsave: mem_cgroup_per_node 0!^
lru_gen_add_folio: lru_gen_folio 1! 2! 3

tree
zswap_load: zswap_trees 0

zswap_load
zswap_decompress: crypto_acomp_ctx 0! 1! 2, zswap_pool 0 1
zswap_load: zswap variables 2
zpool_map_handle|-|-: zpool 0 1
zpool_unmap_handle|-|-: zpool 2
zs_map_object|zs_obj_read_begin|zs_obj_read_sg_begin: zs_pool 0!^, zs_handle 0, zpdesc 0, zspage 0!^, size_class 0
-|zs_obj_read_end|zs_obj_read_sg_end: zspage 0!^
zs_map_object|-|-: mapping_area 0! 1
-|-|count_memcg_events: memcg_vmstats_percpu 8!, stats_index 2

zswap_free
zpool_free|-|-: zpool 0 2
zs_free: zs_pool 0!^ 1, zs_handle 0, zpdesc 0, zspage 0!, size_class 0!^ 1!
obj_free: zsmalloc object 0!
obj_free|-|-: size_class 2!
fix_fullness_group: zspage 1!
zswap_entry_free: zswap_pool 0 1!, zswap variables 1!
-|zswap_entry_free|-: crypto_acomp_ctx 3
__mod_memcg_state|mod_memcg_state|__mod_memcg_state: stats_index 0, mem_cgroup 4, memcg_vmstats_percpu 0!, parent memcg_vmstats_percpu 0!
__mod_memcg_state|-|__mod_memcg_state: memcg_vmstats_percpu 5!
__mod_memcg_state|mod_memcg_state|-: memcg_vmstats_percpu 6!
__mod_memcg_state|-|-: memcg_vmstats 0
__cgroup_rstat_updated|css_rstat_updated|__css_rstat_updated: css_rstat_cpu 0, __per_cpu_offset 0
-|css_rstat_updated|__css_rstat_updated: mem_cgroup 1, cgroup_subsys_state 0
obj_cgroup_uncharge_pages: obj_cgroup 0
refill_obj_stock|refill_obj_stock|refill_stock: memcg_stock_pcp 0!
refill_obj_stock|-|-: obj_stock_pcp 0!
xas_start: list_lru xarray 0
xas_load: list_lru xarray 1 2

invalidate
zswap_invalidate: zswap_trees 0
-|zswap_invalidate|zswap_invalidate: zswap_trees 1

slot_free
-|mod_memcg_state|-: memcg_vmstats_percpu 5!
-|swap_entries_free|__swap_cluster_free_entries: swap variables 2, swap_info_struct 2! 3!
free_swap_slot|-|-: swap_slots_cache 0!^ 2!
swap_cgroup_record|-|-: swap_cgroup_ctrl 0^

slot_collect
free_swap_slot|-|-: swap_slots_cache 0!^ 1 2!

slot_flush
swap_cgroup_record|-|-: swap_cgroup_ctrl 0^

zap
lru_add_drain_cpu|-|-: cpu_fbatches 0 1 2 3 4 5 6
lookup_swap_cgroup_id|lookup_swap_cgroup_id|-: swap_cgroup_ctrl 0
lookup_swap_cgroup_id|-|-: swap_cgroup_ctrl 1
-|mod_memcg_state|__mod_memcg_state: stats_index 0, mem_cgroup 4, memcg_vmstats_percpu 0! 5!, parent memcg_vmstats_percpu 0!
-|css_rstat_updated|__css_rstat_updated: css_rstat_cpu 0, __per_cpu_offset 0, mem_cgroup 1, cgroup_subsys_state 0

zram_store
-|-|zswap_store: zswap_trees 0 1
-|-|swap_folio_sector: swap_extent 0
-|-|__swap_writepage: swap_info_struct 6
-|-|__css_rstat_updated: css_rstat_cpu 1 2
-|-|__mod_memcg_lruvec_state: lruvec_stats_percpu 3!
-|-|zcomp_stream_get: zcomp 0, zcomp_strm 0!
-|-|zs_malloc: zs_pool 0 1, size_class 0!^ 1, zs_handle 0!
-|-|zs_get_total_pages: zs_pool 2
-|-|obj_malloc: zspage 0!, zpdesc 0, zsmalloc object 0!, size_class 2! 3
-|-|fix_fullness_group: zspage 1!
-|-|zs_obj_write: zs_pool 3, zs_pool 0^, zspage 0!^^

zram_load
-|-|zcomp_stream_get: zcomp 0, zcomp_strm 0!
-|-|zs_obj_read_begin: zs_pool 0!^, zs_handle 0, zpdesc 0, zspage 0!^, size_class 0
-|-|zs_obj_read_end: zspage 0!^

zram_free
-|-|zs_free: zs_pool 0!^ 1, zs_handle 0, zpdesc 0, zspage 0!, size_class 0!^ 1!
-|-|obj_free: zsmalloc object 0!
-|-|fix_fullness_group: zspage 1!

slow
get_swap_pages|folio_alloc_swap|folio_alloc_swap: swap_avail_head 0!^
"""


class Touch(NamedTuple):
    """A line that a function touches.

    Attributes
    ----------
    hook, function, structure : str
    line : int
        Which of the structure's lines.
    written : bool
    lock : bool
        No line of its own, but a lock in one that the function touches as well.
    """

    hook: str
    function: str
    structure: str
    line: int
    written: bool
    lock: bool = False


def _touches(hook: str, function: str, text: str) -> list[Touch]:
    """Touches of one function: ``structure line line!, structure line^``, of which the last is a line and a lock in it."""
    found = []
    for part in text.split(","):
        words = part.split()
        lines = [word for word in words if word.rstrip("!^").isdigit()]
        structure = " ".join(words[: len(words) - len(lines)])
        for line in lines:
            number, locks = int(line.rstrip("!^")), line.count("^")
            found.append(Touch(hook, function, structure, number, "!" in line))
            found += [Touch(hook, function, structure, number, True, lock=True)] * locks
    return found


def parse(text: str, era: int) -> list[Touch]:
    """Touches of kernel number `era` of :data:`ERAS`, in the order of the table."""
    found, hook = [], ""
    for entry in text.strip().replace("\n  ", ", ").splitlines():
        names, colon, touches = entry.partition(":")
        if not colon:
            hook = entry or hook
            continue
        name = (names.split("|") * len(ERAS))[era] if "|" not in names else names.split("|")[era]
        found += _touches(hook, name, touches) if name != "-" else []
    return found


TOUCHES = tuple(tuple(parse(TABLE, era)) for era in range(len(ERAS)))
"""The touches of each kernel."""
HOOK_NAMES = tuple(dict.fromkeys(line for line in TABLE.split("\n") if line and ":" not in line and not line.startswith(" ")))
FUNCTIONS = tuple(dict.fromkeys(touch.function for touches in TOUCHES for touch in touches))
STRUCTURES = tuple(dict.fromkeys(touch.structure for touches in TOUCHES for touch in touches))
SHARED_LINES = {
    line: n
    for n, line in enumerate(dict.fromkeys((t.structure, t.line) for ts in TOUCHES for t in ts if t.structure not in PLACES))
}  # fmt: skip
"""The lines that all pages share, each with its number."""
LINES = len(SHARED_LINES)
HOOKS = u(len(HOOK_NAMES))
(
    ISOLATE, DROP, CLAIM, DUP, OUT, ZERO_OUT, ZSWAP_STORE, ZSPAGE_NEW, DISK_OUT, DEVICE, FAULT, READ, ZERO_IN, DISK_IN, MAP, WRITE, TREE,
    ZSWAP_LOAD, ZSWAP_FREE, INVALIDATE, SLOT_FREE, SLOT_COLLECT, SLOT_FLUSH, ZAP, ZRAM_STORE, ZRAM_LOAD, ZRAM_FREE, SLOW,
) = (u(i) for i in range(len(HOOK_NAMES)))  # fmt: skip
WRITTEN, POINTED = u(1 << 24), u(1 << 25)
LOCK_SHIFT, LOCKED = u(26), u(63 << 26)


def _row(touch: Touch) -> int:
    """Word of a touch: line from bit 0, place from 16, flags in 24 and 25, rank of a lock from 26, function from 32, structure from 48."""
    place = int(PLACES.get(touch.structure, SHARED))
    line = touch.line if place else SHARED_LINES[touch.structure, touch.line]
    flags = int(WRITTEN) * touch.written | int(POINTED) * (touch.structure in POINTERS)
    flags |= int(LOCKS[touch.structure]) << int(LOCK_SHIFT) if touch.lock else 0
    return line | place << 16 | flags | FUNCTIONS.index(touch.function) << 32 | STRUCTURES.index(touch.structure) << 48


def _sorted(touches: tuple[Touch, ...]) -> list[list[Touch]]:
    """Touches by hook; those of one function stand together."""
    out = []
    for hook in HOOK_NAMES:
        here = [touch for touch in touches if touch.hook == hook]
        functions = dict.fromkeys(touch.function for touch in here)
        out.append([touch for function in functions for touch in here if touch.function == function])
    return out


BY_HOOK = [hook for touches in TOUCHES for hook in _sorted(touches)]
ROWS = np.array([_row(touch) for hook in BY_HOOK for touch in hook], np.uint64)
STARTS = np.array([sum(len(hook) for hook in BY_HOOK[:i]) for i in range(len(BY_HOOK) + 1)], np.uint64)
for _array in (ROWS, STARTS):
    _array.flags.writeable = False
