"""Virtual swap space: the PTE holds a virtual slot, behind which the data may be anywhere (Nhat Pham, 2026; D10 as v3, D11 as v6).

A virtual slot is cluster id << 9 | offset. Clusters of 512 descriptors of 24 bytes are
allocated on demand and found through one xarray of clusters. A descriptor has backing
(slot, zswap entry, zero, or only the folio), swap cache, count and owner. Devices keep
two bitmaps and, in their swap tables, the virtual slot of each used slot; swapoff
follows these. Slots are taken at writeout and never for zswap or zero pages, and only
they are charged. When none is left the page stays in the swap cache.

Every question to the layer is a round: the cluster from the map, its lock, the bitmap,
the descriptor. The versions are one design; their differences are its parameters:
*rounds* (what is written together takes a round for each, or one), *lookup_cache* (each
CPU remembers the cluster that it found last), *free* (a slot is freed by itself, with
rounds for backing and owner, or all of a cluster in one), *owner* (a zap first asks for the memcg of every
PTE, which is one more round, or sees it while it frees), *cacheonly* (a bit of the
reverse word tells the slot allocator that the swap cache alone holds a slot, instead of
a visit to the layer), *object* (header and descriptors in one object, which rounds up
to 16 KiB, or apart), *charge* (physical slots only, or every virtual slot).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kernels import control
from kernels import memory as w
from kernels.compiling.flat import U32Array, U64Array, aligned_zeros
from kernels.compiling.jit import outer
from kernels.designs.vswap import clusters as v
from kernels.designs.vswap import functions, own
from kernels.designs.vswap import moves as vswap_moves
from kernels.designs.vswap import rounds as vswap_rounds
from kernels.designs.vswap import runs as vswap_runs
from kernels.designs.vswap import slots as vswap_slots
from kernels.designs.vswap import steps as vswap_steps
from kernels.life import arrays, replay
from kernels.life import registry as s
from kernels.life.layout import TABLES, ZSWAP_ENTRY, Arrays, Blocks, Tree
from kernels.structures import orders
from kernels.structures import xarray as xa
from kernels.structures.common import table

VIRTUAL_SHIFT = 9  # HPAGE_PMD_ORDER, whatever the clusters of devices are; smaller only where those are (tests)


class VSwap(arrays.World):
    """State of all versions."""

    bitmap: U64Array
    bad: U64Array
    table: U64Array
    blink: U32Array
    vmem: U64Array
    vcpu: U64Array
    vhead: U64Array
    vpool: U64Array


def clusters_for(config: s.Config, size: int) -> int:
    """Most virtual clusters at once: a new one is made only when all are full but those that CPUs allocate from."""
    return -(-(config.pages + int(w.TXNS) + 1) // size) + config.cpus + 1


def virtual_arrays(config: s.Config, ctl: U64Array) -> dict[str, Any]:
    """Clusters in the layout of `object`, the map from id to cluster, and the lookup caches of the CPUs.

    Each order may have as many clusters as single pages: one of an order is made only when all of them hold runs in all of their places.
    """
    shift = min(config.cluster_shift, VIRTUAL_SHIFT) if config.cluster_shift < 8 else VIRTUAL_SHIFT
    clusters = clusters_for(config, 1 << shift)
    descs = int(v.DESC_WORDS) << shift
    header, first, stride = v.OBJECT_WORDS, v.ONE_HEADER, v.OBJECT_WORDS
    if ctl[int(own.C_VSPLIT)]:
        header, first, stride = v.SPLIT_HEADER, -(-(clusters + 1) * v.SPLIT_HEADER // 512) * 512, descs
    ctl[int(own.C_VSHIFT)], ctl[int(own.C_VCLUSTERS)] = shift, clusters
    ctl[int(own.C_VHEADER)], ctl[int(own.C_VDESC)], ctl[int(own.C_VDESC_STRIDE)] = header, first, stride
    most = (shift + 1) * clusters
    end = first + (most + 1 + v.HEADS) * stride
    ctl[int(own.C_VMOST)], ctl[int(own.C_VBEHIND)] = most, end - (clusters + 1) * header if ctl[int(own.C_VSPLIT)] else 0
    vmem = aligned_zeros(end + (most + 1 + v.HEADS) * v.SPLIT_HEADER, np.uint64)
    for head in range(most + 1, most + 1 + v.HEADS):
        at = head * header + int(ctl[int(own.C_VBEHIND)])
        vmem[at + int(v.H_NEXT)] = vmem[at + int(v.H_PREV)] = head
    return {
        "vmem": vmem,
        "vcpu": aligned_zeros(config.cpus * int(v.CPU_WORDS + v.ORDER_WORDS), np.uint64),
        "vhead": xa.new_heads(1, track_free=True),
        "vpool": xa.new_pool(arrays.dense_nodes(most + 2) + 8),
    }


def build(config: s.Config) -> VSwap:
    """State for `config`, no virtual cluster yet."""
    made = arrays.common(config)
    ctl = made["ctl"]
    ctl[int(control.C_CLUSTER_ORDER)], ctl[int(control.C_ERA)] = 1, table.ERAS.index("6.18")  # posted on 6.19
    made |= arrays.device_tables(config, ctl, arrays.DISKS, config.slots.get("zswap", 0))
    slots, tables = int(ctl[int(control.C_ALL_SLOTS)]), arrays.table_arrays(config, ctl)
    made |= virtual_arrays(config, ctl)
    made |= {
        "bitmap": aligned_zeros((slots >> 6) + 1, np.uint64),
        "bad": aligned_zeros((slots >> 6) + 1, np.uint64),
        "table": tables["table"],
        "blink": tables["blink"],
    }
    return VSwap(**made)


STEPS = (
    "on_cpu", "lookup", "claim", "unclaim", "dup", "put", "run_limit", "put_run", "count_is_zero", "evict", "read_begin",
    "read_end", "read_abort", "free_swap", "swap_full",
)  # fmt: skip
OPERATIONS: dict[str, Any] = {name: getattr(vswap_steps, name) for name in STEPS} | {
    "writeout": vswap_rounds.writeout,
    "move_step": vswap_moves.move_step,
    "swapoff": vswap_moves.swapoff,
    "fetch_near": v.fetch_near,
    **vswap_runs.STEPS,
    **orders.STEPS,
    **{name: getattr(vswap_slots, name) for name in ("slot_scan", "slot_mark", "count_read", "is_cached", "unheld", "cache_find")},
}
s.bind(VSwap, OPERATIONS)

V3, V6 = "20260208215839.87595-1-nphamcs@gmail.com (v3)", "20260505153854.1612033-1-nphamcs@gmail.com (v6)"
HEADER = "mm/vswap.c: struct vswap_cluster"
CLUSTERS = Blocks("vcluster", own.S_VSLOTS, own.S_VCLUSTERS, own.S_VCLUSTERS_PEAK, 1)
LAYOUT = (
    s.Field(
        "virtual cluster", "lock, list, id, count, order, flags, references", 40, "block if object=one", f"{HEADER}; {V3}", blocks=CLUSTERS
    ),
    s.Field("virtual cluster", "the same and a pointer", 48, "block if object=split", f"{HEADER}; {V6}", blocks=CLUSTERS),
    s.Field("virtual cluster", "allocation bitmap", 0.125, "page", f"{HEADER}; {V3}", blocks=CLUSTERS),
    s.Field("virtual cluster", "swp_desc", 24, "page if object=one", f"mm/vswap.c: struct swp_desc; {V3}", blocks=CLUSTERS),
    s.Field("virtual descriptors", "swp_desc", 24, "page if object=split", f"mm/vswap.c: struct swp_desc; {V6}", blocks=CLUSTERS),
    s.Field(
        "virtual cluster tree", "xarray entry", 8, "block", "include/linux/xarray.h: 64 slots of 8 B in a node of 576 B",
        tree=Tree("one", "vhead", "vpool"), blocks=CLUSTERS,
    ),
    s.Field("slot bitmaps", "allocated, bad", 0.25, "slot", f"in place of swap_map; {V3}", arrays=Arrays(("bitmap", "bad"), 1)),
    s.Field(
        "reverse table", "virtual slot", 8, "disk", f"mm/swap_table.h: atomic_long_t[512]; {V3}", blocks=TABLES, arrays=Arrays(("table",))
    ),
    ZSWAP_ENTRY,
    s.Field("cluster headers", "swap_cluster_info", 32, "cluster", "mm/swap.h: struct swap_cluster_info (6.18)"),
)  # fmt: skip


def parameters_of(version: int) -> dict[str, s.Parameter]:
    """Parameters with the defaults of `version`."""

    def choice(word: Any, old: str, new: str, text: str, both: bool = False) -> s.Parameter:
        return s.Parameter(int(word), {old: 0, new: 1}, new if version == 6 and not both else old, text)

    return {
        "rounds": choice(
            own.C_VROUNDS,
            "separate",
            "merged",
            "as in v3, or as in v6: one for what is written together",
        ),
        "lookup_cache": choice(own.C_VLOOKUP, "off", "on", "each CPU remembers the virtual cluster that it looked up last"),
        "free": choice(
            own.C_VFREE,
            "single",
            "batched",
            "one by one, the lock dropped for each, or all of a cluster in one section",
        ),
        "owner": choice(
            own.C_VOWNER, "collecting", "freeing", "a zap asks for the memcg of each PTE it collects, or sees it when it frees"
        ),
        "cacheonly": choice(own.C_VHINT, "off", "on", "a bit of the reverse word says that the swap cache alone holds the slot"),
        "object": choice(own.C_VSPLIT, "one", "split", "header and descriptors in one object of 16 KiB, or in two of 112 B and 12 KiB"),
        "charge": choice(own.C_VCHARGE, "late", "early", "physical slots are charged when taken, or every virtual slot", both=True),
        "backing_runs": choice(
            own.C_VBACKING, "contiguous", "pages", "a large folio takes a run of slots of a device, or slots page by page", both=True
        ),
    }


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


TEMPLATE = s.Design(
    name="",
    title="",
    state=VSwap,
    build=build,
    replay=run,
    layout=LAYOUT,
    parameters={},
    locks=("virtual cluster", "cluster", "device", "zswap LRU", "virtual cluster map xa_lock"),
    sources=(),
    notes="Slots are taken at writeout, none for zswap or zero pages; they alone are charged. Rounds are those of mm/vswap.c and its "
    "callers. A swap-in asks in v6 as often as in v3: slot, swap cache twice, swapped, prepare, backed by a folio, memcg, add, "
    "zero, load, put, backed by a slot, and the unpinning. v6 merges what is written together: a backing is released and replaced "
    "in one round (store_folio, prepare_writeout, zeromap, zswap store), a slot is allocated with owner and folio, "
    "folio_free_swap and __remove_mapping are one round each. The lookup cache then spares the walk of most rounds, not their "
    "lock. Pin and unpin do not use it. A page that is not backed by a slot leaves the swap cache when it is mapped, and its "
    "virtual slot is freed (should_try_to_free_swap). A large folio has an aligned run of virtual slots of a cluster of its order, with a "
    "partial list and a cluster of each CPU for each order. Its pages share the rounds; zswap makes one for each. A device has to have a "
    "run of slots for it: if not, or at the limit of the memory cgroup, the folio is active again, whole (vswap_alloc_swap_slot, "
    "AOP_WRITEPAGE_ACTIVATE). Known from the posted source. Readings: a folio that stays leaves the swap "
    "cache with its first fault, page by page, and is tried as a whole again; zswap keeps the pages that it has room for, the kernel "
    "all or none. backing_runs=pages is nobody's patch.",
    file=__file__,
    own=own.OWN,
    base="swap_table_p1",
    function_of=functions.function_of,
)
for _version, _title, _source, _status in (
    (3, "virtual slot in the PTE, clusters of descriptors, a lookup and a lock for every question", V3, "posted, v3 (Feb 2026)"),
    (6, "virtual slot in the PTE, rounds merged, frees batched, a lookup cache for each CPU", V6, "posted, v6 (May 2026)"),
):
    _sources = (_source, "mm/vswap.c as posted")
    _named = replace(TEMPLATE, name=f"vswap_v{_version}", title=_title, sources=_sources, status=_status)
    s.register(replace(_named, parameters=parameters_of(_version)))
