"""direct: the swap entry in the PTE, swap_map and xarrays underneath (Linux 6.12 to 6.17; D0b).

The PTE holds (type, offset). The slot number is the key of every side structure. A page
in zswap, or a zero page, therefore ties up a disk slot. A move to another device
rewrites PTEs or faults the page in.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kernels import control
from kernels.compiling.flat import U8Array, U16Array, U32Array, U64Array
from kernels.compiling.jit import outer
from kernels.life import arrays, folio_slots, moves, page_io, replay, runs, slot_cache, swapfile
from kernels.life import registry as s
from kernels.life.layout import CACHE_TREE, CGROUP, SWAP_MAP, ZEROMAP, ZSWAP_ENTRY, ZSWAP_INDEX, Field
from kernels.structures import slots, swap_cache, swap_map


class Swapfile(arrays.World):
    """Arrays indexed by slot number, independent of the swap cache: swap_map, cgroup array, zeromap, zswap trees."""

    smap: U8Array
    cgroup: U16Array
    zeromap: U64Array
    ztree: U64Array
    zpool: U64Array
    cont: U8Array
    chain: U32Array


class Direct(Swapfile):
    """State of the design."""

    space: U64Array
    cpool: U64Array
    freed: U64Array


def build(config: s.Config) -> Direct:
    """State for `config`, all slots free."""
    made = arrays.common(config)
    return Direct(**made, **arrays.swapfile_arrays(config, made["ctl"]))


OPERATIONS: dict[str, Any] = {
    "lookup": swapfile.lookup,
    "claim": swapfile.claim,
    "unclaim": swapfile.unclaim,
    "dup": swapfile.dup,
    "put": swapfile.put,
    "run_limit": runs.run_limit,
    "put_run": runs.put_run,
    "count_is_zero": swapfile.count_is_zero,
    "writeout": page_io.writeout,
    "evict": swapfile.evict,
    "read_begin": swapfile.read_begin,
    "read_end": swapfile.read_end,
    "read_done": swapfile.read_done,
    "read_abort": swapfile.read_abort,
    "free_swap": swapfile.free_swap,
    "swap_full": swapfile.swap_full,
    "move_step": moves.move_step,
    "swapoff": moves.swapoff,
    "fetch_near": swapfile.fetch_near,
    "slot_fetch": swap_cache.slot_fetch,
    "cache_find": swap_cache.find,
    "cache_insert": swap_cache.insert,
    "cache_remove": swap_cache.remove,
    "cache_clear": swap_cache.clear,
    "cache_clear_run": swap_cache.clear_run,
    "cache_insert_run": swap_cache.insert_run,
    "cache_remove_run": swap_cache.remove_run,
    **folio_slots.STEPS,
    "count_prepare": swap_map.prepare,
    **{name: getattr(slot_cache, name) for name in (*slot_cache.STEPS, "on_cpu")},
    **{name: getattr(swap_map, name) for name in slots.NAMES if hasattr(swap_map, name)},
}
s.bind(Direct, OPERATIONS)

OWNER_RECORD = Field("owner record", "anon_vma, index", 16, "slot if move=rewrite and rewrite=owner", "a reverse map of slots (D18)")
LAYOUT = (
    SWAP_MAP,
    replace(CGROUP, source=f"{CGROUP.source}; 20260208215839.87595-1-nphamcs@gmail.com"),
    replace(ZEROMAP, source=f"{ZEROMAP.source}, since 6.12"),
    OWNER_RECORD,
    Field("swap cache", "xarray entry", 8, "live", "include/linux/xarray.h: 64 slots of 8 B in a node of 576 B", tree=CACHE_TREE),
    ZSWAP_INDEX,
    ZSWAP_ENTRY,
    Field("cluster headers", "swap_cluster_info", 24, "cluster", "mm/swap.h: struct swap_cluster_info, without the table of 6.18"),
)
LOCKS = ("cluster", "device", "swap cache xa_lock", "zswap tree xa_lock", "zswap LRU", "continuation")
PARAMETERS = {
    "move": s.Parameter(int(control.C_MOVE), {"reswap": 0, "rewrite": 1, "refuse": 2}, "reswap", "how a page changes device"),
    "rewrite": s.Parameter(int(control.C_REWRITE), {"scan": 0, "owner": 1}, "scan", "how rewrite finds the PTEs"),
}
FREES = s.Parameter(
    int(control.C_FREES),
    {"at-once": 0, "cache": 1},
    "at-once",
    "how slots are freed: at once (6.15 on), or by a cache of each CPU (6.12)",
)
CLUSTERS = s.Parameter(
    int(control.C_CLUSTER_ORDER),
    {"stay": 0, "relocate": 2},
    "stay",
    "what becomes of a cluster that a CPU looked through: it stays on its list (6.12), or goes where its count belongs (6.14 to 6.17)",
)


def without_owners(rows: tuple[Field, ...]) -> tuple[Field, ...]:
    """Rows without the record that leads from a slot to PTEs, for a design whose moves rewrite none."""
    return tuple(row for row in rows if row is not OWNER_RECORD)


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


s.register(
    s.Design(
        name="direct",
        title="swap entry in the PTE, swap_map and xarrays (6.12 to 6.17)",
        state=Direct,
        build=build,
        replay=run,
        layout=LAYOUT,
        parameters=PARAMETERS | {"frees": FREES, "clusters": CLUSTERS},
        locks=LOCKS,
        sources=("mm/swapfile.c, mm/swap_state.c, mm/zswap.c of Linux 6.12 to 6.17",),
        notes="A zswap or zero page ties up a disk slot. A zswap load takes the entry out of its tree first, as up to 6.14: reads from a "
        "disk lock the tree, also an empty one. Since 6.15 it looks without a lock. zswap_invalidate looks first, as from 6.13 on. Slots "
        "are freed at once, as from 6.15 on; up to 6.14 a CPU's cache collects 64 freed slots (swap_slots_cache) and frees them together, "
        "with a second lock of the cluster each, and clears shadow and owner then: frees=cache, with zswap_invalidate of 6.12. It "
        "is not the default, as that cache is gone from the kernel, and a layer would be held against its delay. A cluster without a free "
        "slot behind a CPU's place stays on its list, as up to 6.13; from 6.14 on it goes to the fragmented ones: clusters=relocate. "
        "Common steps are those of 6.12, with the locks of that cache and of the cgroup array. Cluster headers are 24 B in bytes, lines "
        "are counted as if they were 32 B. A leaf of the swap cache that has shadows only is on a list_lru (workingset_update_node), with "
        "a lock and lines of its own. Its shrinker is not run: it could free these leaves, 256 of the 261 nodes of 64 MiB that are out, "
        "and with them what refaults are known by.",
        file=__file__,
        status="merged, in 6.12 to 6.17",
    )
)
