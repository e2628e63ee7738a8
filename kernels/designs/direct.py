"""direct: the swap entry in the PTE, swap_map and xarrays underneath (Linux 6.12 to 6.17; D0b).

The PTE holds (type, offset). The slot number is the key of every side structure. A page
in zswap, or a zero page, therefore ties up a disk slot. A move to another device
rewrites PTEs or faults the page in.
"""

from __future__ import annotations

from typing import Any

from kernels import memory as w
from kernels.compiling.flat import U8Array, U16Array, U32Array, U64Array
from kernels.compiling.jit import inner, outer
from kernels.life import moves, page_io, replay, swapfile
from kernels.life import prefetch as ahead
from kernels.life import registry as s
from kernels.structures import slots, swap_cache, swap_map


class Swapfile(s.World):
    """Arrays indexed by slot number, independent of the swap cache: swap_map, cgroup array, zeromap, zswap trees."""

    smap: U8Array
    cgroup: U16Array
    zeromap: U64Array
    ztree: U64Array
    zpool: U64Array
    cont: U8Array
    chain: U32Array
    zcount: U32Array


class Direct(Swapfile):
    """State of the design."""

    space: U64Array
    cpool: U64Array


@inner
def publish(st, pr, f, entry, cpu):  # type: ignore[no-untyped-def]
    """Return the entry itself: without a layer PTEs hold it."""
    return entry


@inner
def retire(st, pr, value, entry, moment):  # type: ignore[no-untyped-def]
    """Do nothing: without a layer there is no ID to take back."""
    return


def build(config: s.Config) -> Direct:
    """State for `config`, all slots free."""
    arrays = s.common(config)
    return Direct(**arrays, **s.swapfile_arrays(config, arrays["ctl"]))


OPERATIONS: dict[str, Any] = {
    "resolve": swapfile.identity,
    "same": swapfile.always_same,
    "still": swapfile.always_same,
    "lookup": swapfile.lookup,
    "claim": swapfile.claim,
    "unclaim": swapfile.unclaim,
    "dup": swapfile.dup,
    "put": swapfile.put,
    "run_limit": swapfile.run_limit,
    "put_run": swapfile.put_run,
    "count_is_zero": swapfile.count_is_zero,
    "writeout": page_io.writeout,
    "evict": swapfile.evict,
    "read_begin": swapfile.read_begin,
    "read_end": swapfile.read_end,
    "read_abort": swapfile.read_abort,
    "free_swap": swapfile.free_swap,
    "swap_full": swapfile.swap_full,
    "publish": publish,
    "retire": retire,
    "move_step": moves.move_step,
    "swapoff": moves.swapoff,
    "wide": swap_map.narrow,
    "fetch_near": swapfile.fetch_near,
    "fetch_entry": ahead.no_entry,
    "fetch_behind": ahead.no_entry,
    "slot_fetch": swap_cache.slot_fetch,
    "cache_find": swap_cache.find,
    "cache_insert": swap_cache.insert,
    "cache_remove": swap_cache.remove,
    "cache_clear": swap_cache.clear,
    "count_prepare": swap_map.prepare,
    **{name: getattr(swap_map, name) for name in slots.NAMES if hasattr(swap_map, name)},
}
s.bind(Direct, OPERATIONS)

OWNER_RECORD = s.Field("owner record", "anon_vma, index", 16, "slot if move=rewrite and rewrite=owner", "a reverse map of slots (D18)")
LAYOUT = (
    s.Field("swap_map", "count, has-cache", 1, "slot", "mm/swapfile.c: unsigned char *swap_map, vzalloc at swapon"),
    s.Field("cgroup", "owner memcg id", 2, "slot", "mm/swap_cgroup.c: 2 B per slot; 20260208215839.87595-1-nphamcs@gmail.com"),
    s.Field("zeromap", "zero bit", 0.125, "slot", "mm/swapfile.c: unsigned long *zeromap, since 6.12"),
    OWNER_RECORD,
    s.Field("swap cache", "xarray entry", 8, "live", "include/linux/xarray.h: 64 slots of 8 B in a node of 576 B"),
    s.Field("zswap tree", "xarray entry", 8, "zswap", "mm/zswap.c: one xarray per 64 MiB, indexed by the slot's full offset"),
    s.Field("zswap_entry", "entry", 56, "zswap", "mm/zswap.c: struct zswap_entry"),
    s.Field("cluster headers", "swap_cluster_info", 32, "cluster", "mm/swap.h: struct swap_cluster_info (6.18)"),
)
LOCKS = ("cluster", "device", "swap cache xa_lock", "zswap tree xa_lock", "zswap LRU", "continuation")
PARAMETERS = {
    "move": s.Parameter(int(w.C_MOVE), {"reswap": 0, "rewrite": 1, "refuse": 2}, "reswap", "how a page changes device"),
    "rewrite": s.Parameter(int(w.C_REWRITE), {"scan": 0, "owner": 1}, "scan", "how rewrite finds the PTEs"),
}


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
        parameters=PARAMETERS,
        locks=LOCKS,
        sources=("mm/swapfile.c, mm/swap_state.c, mm/zswap.c of Linux 6.12 to 6.17",),
        notes="A zswap or zero page ties up a disk slot.",
        file=__file__,
    )
)
