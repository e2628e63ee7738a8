"""Virtual swap as first posted: a virtual slot in the PTE, a descriptor a page, xarrays for all of it (Nhat Pham, 2025; D8 v1, D9 v2).

One xarray leads from virtual slot to descriptor. The descriptor has the backing (slot
of a device, zswap entry, zero, or the folio alone), a lock for it, the owner, and the
references, which are atomics. Swap cache and zswap have an xarray each, indexed by the
virtual slot, for all slots. A reverse xarray leads from a slot of a device to the
virtual slot; a swapoff follows it and reads no page table. Slots of devices are taken
at writeout, none for zswap or zero pages, and only they are charged.

The versions are one design; their differences are parameters. *descriptor*: 64 bytes
with its own virtual slot, a kref, a count and a mark of the swap cache, or 48 bytes with one
counter for all three. *zeromap*: devices still have a bit a slot that nothing reads, or
none. *shards* is neither: it is what the cover letter measured as "static partition",
a tree and a lock for each range of virtual slots in place of one for all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import control
from kernels import memory as w
from kernels.compiling.flat import U8Array, U64Array, aligned_zeros
from kernels.compiling.jit import outer
from kernels.designs import direct
from kernels.designs.swap_id_rmap.design import reverse_arrays
from kernels.designs.vswap_rfc import backing, functions, moves, own, runs, space, steps, writing
from kernels.life import arrays, replay
from kernels.life import registry as s
from kernels.life.layout import ZSWAP_ENTRY, Arrays, Blocks, Objects, Tree
from kernels.structures import orders
from kernels.structures import xarray as xa

VIRTUAL_SHIFT = 9  # HPAGE_PMD_ORDER, whatever the clusters of devices are; smaller only where those are (tests)


class VSwapRfc(arrays.World):
    """State of both versions."""

    states: U8Array
    descriptors: U64Array
    slothead: U64Array
    slotpool: U64Array
    counthead: U64Array
    countpool: U64Array
    space: U64Array
    cpool: U64Array
    ztree: U64Array
    zpool: U64Array
    rhead: U64Array
    rpool: U64Array


def virtual_arrays(config: s.Config, ctl: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
    """Descriptors, and heads and nodes of the trees that virtual slots index: `shards` of each.

    Single pages lie side by side. A large folio has a virtual cluster of its own, and so a leaf: there are as many as pairs of pages.
    """
    shards, stride = int(ctl[int(own.C_SHARDS)]), int(ctl[int(own.C_RSTRIDE)])
    shift = min(config.cluster_shift, VIRTUAL_SHIFT) if config.cluster_shift < 8 else VIRTUAL_SHIFT
    descs = config.pages + int(w.TXNS) + 2
    ctl[int(own.C_RDESCS)], ctl[int(own.C_RSHIFT)] = descs, shift

    dense, pairs = shards * (arrays.dense_nodes(descs + 2) + 8), config.pages // 2
    sparse = dense + pairs + (pairs >> max(0, 12 - shift)) + (pairs >> 6) + 64
    ctl[int(own.C_RDENSE)] = dense
    return {
        "descriptors": aligned_zeros((descs + 2) * stride, np.uint64),
        "slothead": xa.new_heads(shards, track_free=True),
        "slotpool": xa.new_pool(sparse),
        "counthead": xa.new_heads(shards, track_free=True),
        "countpool": xa.new_pool(shards * (arrays.dense_nodes((descs >> shift) + pairs + 3) + 8)),
        "space": xa.new_heads(shards),
        "cpool": xa.new_pool(sparse),
        "ztree": xa.new_heads(shards),
        "zpool": xa.new_pool(sparse),
    }


def build(config: s.Config) -> VSwapRfc:
    """State for `config`, no virtual slot in use."""
    made = arrays.common(config)
    ctl = made["ctl"]
    made |= arrays.device_tables(config, ctl, arrays.DISKS, config.slots.get("zswap", 0))
    made |= virtual_arrays(config, ctl) | reverse_arrays(made["dev"])
    return VSwapRfc(**made, states=aligned_zeros(int(ctl[int(control.C_ALL_SLOTS)]) + 8, np.uint8))


STEPS = (
    "lookup", "claim", "unclaim", "dup", "put", "run_limit", "put_run", "count_is_zero", "evict", "read_begin", "read_end", "read_done",
    "read_abort", "free_swap", "swap_full",
)  # fmt: skip
OPERATIONS: dict[str, Any] = {name: getattr(steps, name) for name in STEPS} | {
    "writeout": writing.writeout,
    "move_step": moves.move_step,
    "swapoff": moves.swapoff,
    "fetch_near": space.fetch_near,
    "fetch_entry": space.fetch_entry,
    **runs.STEPS,
    **orders.STEPS,
    **{name: getattr(backing, name) for name in ("slot_scan", "slot_mark", "count_read", "is_cached", "unheld", "cache_find")},
}
s.bind(VSwapRfc, OPERATIONS)

XARRAY = "include/linux/xarray.h: 64 slots of 8 B in a node of 576 B"
DESC = "mm/vswap.c: struct swp_desc"
DESCRIPTORS = Objects(own.S_RDESC_LIVE, own.S_RDESC_PEAK)
COUNTS = Blocks("virtual cluster", own.S_RDESC_LIVE, own.S_RCOUNTS, own.S_RCOUNTS_PEAK, 1)
LAYOUT = (
    s.Field(
        "swap descriptors", "virtual slot 8, backing 8, RCU 16, lock 8, type 4, memcg 4, in_swapcache 4, kref 4, count 4", 64,
        "page if descriptor=64", f"{DESC}, padded from 60 B; {own.RFC1}", objects=DESCRIPTORS,
    ),
    s.Field(
        "swap descriptors", "backing 8, RCU 16, lock 8, type 4, memcg 4, swap_refs 4", 48,
        "page if descriptor=48", f"{DESC}, padded from 44 B; {own.RFC2}", objects=DESCRIPTORS,
    ),
    s.Field(
        "virtual slot map", "xarray entry", 8, "page", f"mm/vswap.c: vswap_map; {XARRAY}",
        tree=Tree("virtual", "slothead", "slotpool", 1),
    ),
    s.Field(
        "virtual cluster counts", "xarray entry", 8, "block", f"mm/vswap.c: vswap_cluster_map; {own.RFC1}",
        tree=Tree("one", "counthead", "countpool"), blocks=COUNTS,
    ),
    s.Field(
        "swap cache", "xarray entry", 8, "page", "mm/swap_state.c: one swapper_space; 20250407234223.1059191-5-nphamcs@gmail.com",
        tree=Tree("virtual", "space", "cpool", 1),
    ),
    s.Field(
        "zswap tree", "xarray entry", 8, "zswap", "mm/zswap.c: one zswap_tree; 20250407234223.1059191-6-nphamcs@gmail.com",
        tree=Tree("virtual", "ztree", "zpool", 1),
    ),
    s.Field("reverse tree", "xarray entry", 8, "disk", f"mm/vswap.c: vswap_rmap; {XARRAY}", tree=Tree("device", "rhead", "rpool")),
    s.Field(
        "slot states", "allocated or bad", 1, "slot", "mm/swapfile.c: swap_map, whose shrinking is left to later work",
        arrays=Arrays(("states",)),
    ),
    s.Field("zeromap", "zero bit", 0.125, "slot if zeromap=on", f"mm/swapfile.c: unsigned long *zeromap; removed in {own.RFC2}"),
    ZSWAP_ENTRY,
    *(row for row in direct.LAYOUT if row.per == "cluster"),
)  # fmt: skip


def parameters_of(version: int) -> dict[str, s.Parameter]:
    """Parameters with the defaults of `version`."""
    first = version == 1
    return {
        "descriptor": s.Parameter(
            int(own.C_RSTRIDE), {"64": 8, "48": 6}, "64" if first else "48", "bytes of a descriptor: 64 with three counters, 48 with one"
        ),
        "zeromap": s.Parameter(
            int(own.C_RZEROMAP), {"on": 1, "off": 0}, "on" if first else "off", "devices have a bit a slot that nothing reads any more"
        ),
        "shards": s.Parameter(
            int(own.C_SHARDS), {"1": 1, "4": 4, "16": 16}, "1",
            "static partitions of virtual slots, swap cache and zswap tree; a CPU allocates from the one of its number",
        ),
        "backing_runs": s.Parameter(
            int(own.C_RBACKING), {"contiguous": 0, "pages": 1}, "contiguous",
            "a large folio takes a run of slots of a device, or slots page by page",
        ),
    }  # fmt: skip


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


TEMPLATE = s.Design(
    name="",
    title="",
    state=VSwapRfc,
    build=build,
    replay=run,
    layout=LAYOUT,
    parameters={},
    locks=(
        "virtual descriptor",
        "cluster",
        "device",
        "swap cache xa_lock",
        "zswap tree xa_lock",
        "reverse xa_lock",
        "zswap LRU",
        "virtual slot xa_lock",
        "virtual cluster count xa_lock",
    ),
    sources=(),
    notes="Every function of the series walks the map to the descriptor anew, and so does the model. Its rwlock is counted as a section, "
    "for reading as well. The patches keep the zswap entry in the descriptor and in the zswap tree. A writeout first frees what "
    "backed the page: a dirty page never keeps its slot. A page read from zswap keeps its virtual slot, backed by the folio. The "
    "slot allocator asks for the virtual slot behind each slot in use that it passes. The swap_map is a byte a slot still. Each "
    "device has a reverse tree: with one device the global one of the series is the same, with several it would be 10 levels high. "
    "A swapoff makes two rounds over its slots: reads, then new backings. A page whose only PTE faults from a synchronous device "
    "goes around the swap cache, as in 6.14. A move between two devices is not in the series: it follows zswap writeback. The "
    "partition of shards is static, and each may hold all slots; the cover letter says what was partitioned (swap cache, zswap tree "
    "and so on, by CPU), not in how many parts. Slot 0, never given out, is not counted in its virtual cluster. Common steps are "
    "those of 6.12, with the lock of the cgroup array, which the series does not use. A large folio takes the first slots of a virtual "
    "cluster that is empty, never of the first cluster (vswap_alloc); single pages fill the rest of it. A walk goes over the folio's slots "
    "with a section or an atomic for each descriptor; zswap and the reverse map make one for each page. A device has to have a run of "
    "slots: if not, or at the limit, the folio is active again, whole (AOP_WRITEPAGE_ACTIVATE). Known from the posted source. Readings: "
    "a walk that crosses a leaf starts anew at the root; a folio that stays in the swap cache goes page by page later; zswap "
    "keeps the pages that it has room for, the kernel all or none; a page that faults "
    "from a large folio's run is a single one. backing_runs=pages is nobody's patch.",
    file=__file__,
    own=own.OWN,
    base="direct",
    function_of=functions.function_of,
)
for _version, _title, _source, _status in (
    (1, "virtual slot in the PTE, a descriptor of 64 B a page, one xarray for all slots", own.RFC1, "posted, RFC v1 (Apr 2025)"),
    (2, "virtual slot in the PTE, a descriptor of 48 B a page, one xarray for all slots", own.RFC2, "posted, RFC v2 (Apr 2025)"),
):
    _named = replace(TEMPLATE, name=f"vswap_rfc{_version}", title=_title, sources=(_source, "mm/vswap.c as posted"), status=_status)
    s.register(replace(_named, parameters=parameters_of(_version)))
