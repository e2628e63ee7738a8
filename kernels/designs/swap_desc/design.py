"""swap_desc: the PTE holds the index of a descriptor, which holds backing, swap cache folio, count and owner (Yosry Ahmed, 2023; D2).

One xarray leads from index to descriptor. Besides it there are only the backends. A
slot is taken when data is written out, and never for zswap or zero pages. A device
keeps a bitmap of its used slots and nothing else. When no slot is left at writeout the
page, unmapped already, stays in the swap cache, and its sharers fault it back in.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import control
from kernels.compiling.flat import U32Array, U64Array, aligned_zeros
from kernels.compiling.jit import outer
from kernels.designs import direct
from kernels.designs.swap_desc import descriptor as ds
from kernels.designs.swap_desc import functions, own
from kernels.designs.swap_desc import moves as descmove
from kernels.designs.swap_table import design as swap_table
from kernels.life import arrays, folio_slots, replay
from kernels.life import registry as s
from kernels.life.layout import TABLES, ZSWAP_ENTRY, Arrays, Objects, Tree, where
from kernels.structures import xarray as xa
from kernels.structures.common import table


class SwapDesc(arrays.World):
    """State of the design."""

    bitmap: U64Array
    table: U64Array
    blink: U32Array
    desc: U64Array
    dlock: U64Array
    dhead: U64Array
    dpool: U64Array


def build(config: s.Config) -> SwapDesc:
    """State for `config`, nothing swapped."""
    made: dict[str, NDArray[Any]] = arrays.common(config)
    ctl = made["ctl"]
    made |= arrays.device_tables(config, ctl, arrays.DISKS, config.slots.get("zswap", 0))
    slots, descs = int(ctl[int(control.C_ALL_SLOTS)]), config.pages + 2
    ctl[int(own.C_DESCS)] = descs
    stride = int(ctl[int(own.C_STRIDE)])
    on_table = ctl[int(control.C_BASE)] != 0
    ctl[int(control.C_CLUSTER_ORDER)] = ctl[int(control.C_WRITE_KEEPS)] = on_table
    ctl[int(control.C_ERA)] = table.ERAS.index("7.2" if on_table else "6.12")
    tables = arrays.table_arrays(config, ctl, tables=bool(on_table))
    made |= {
        "bitmap": aligned_zeros(1 if on_table else (slots >> 6) + 1, np.uint64),
        "table": tables["table"],
        "blink": tables["blink"],
        "desc": aligned_zeros((descs + 2) * stride, np.uint64),
        "dlock": aligned_zeros(64, np.uint64),
        "dhead": xa.new_heads(1, zero_busy=True),
        "dpool": xa.new_pool(arrays.dense_nodes(descs + 2) + 8),
    }
    return SwapDesc(**made)


OPERATIONS: dict[str, Any] = {
    "resolve": ds.resolve,
    "same": ds.same,
    "lookup": ds.lookup,
    "claim": ds.claim,
    "claim_run": folio_slots.claim_each,
    "unclaim": ds.unclaim,
    "dup": ds.dup,
    "put": ds.put,
    "count_is_zero": ds.count_is_zero,
    "writeout": ds.writeout,
    "evict": ds.evict,
    "read_begin": ds.read_begin,
    "read_end": ds.read_end,
    "read_abort": ds.read_abort,
    "free_swap": ds.free_swap,
    "swap_full": ds.swap_full,
    "fetch_near": ds.fetch_near,
    "fetch_entry": ds.fetch_entry,
    "fetch_behind": ds.fetch_behind,
    "move_step": descmove.move_step,
    "swapoff": descmove.swapoff,
    "slot_scan": ds.slot_scan,
    "slot_mark": ds.slot_mark,
}
s.bind(SwapDesc, OPERATIONS)

THREAD = "[LSF/MM/BPF TOPIC] Swap Abstraction / Native Zswap, linux-mm, February and March 2023"
DESCRIPTORS = Objects(own.S_DESC_LIVE, own.S_DESC_PEAK)
PACKING = f"{THREAD}; this model's packing"
LAYOUT = (
    s.Field("swap_desc", "A1, B1, folio, count, memcg, flags", 32, "page if stride=32", PACKING, objects=DESCRIPTORS),
    s.Field("swap_desc", "A1, folio, count, memcg, flags", 24, "page if stride=24", PACKING, objects=DESCRIPTORS),
    s.Field(
        "descriptor tree", "xarray entry", 8, "page", "include/linux/xarray.h: 64 slots of 8 B in a node of 576 B",
        tree=Tree("one", "dhead", "dpool", 1),
    ),
    s.Field("slot bitmap", "used", 0.125, "slot if base=direct", "swap_map reduced to free or used: this model's choice"),
    s.Field(
        "swap table",
        "a pointer's tag: used",
        8,
        "disk if base=swap_table_p4",
        f"mm/swap_table.h: atomic_long_t[512]; {swap_table.P4}",
        blocks=TABLES,
        arrays=Arrays(("table",)),
    ),
    ZSWAP_ENTRY,
    *where(tuple(row for row in direct.LAYOUT if row.per == "cluster"), {"base": "direct"}),
    s.Field(
        "cluster headers", "swap_cluster_info", 48, "cluster if base=swap_table_p4", f"mm/swap.h: struct swap_cluster_info; {swap_table.P4}"
    ),
)  # fmt: skip
PARAMETERS = {
    "stride": s.Parameter(
        int(own.C_STRIDE), {"32": 4, "24": 3}, "32", "bytes of a descriptor: 32 with both backings of a move, 24 with one"
    ),
    "base": s.Parameter(
        int(control.C_BASE), s.BASES, "direct", "what slots of a device are kept in: a bitmap, or swap tables of the merged phase IV"
    ),
}


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


s.register(
    s.Design(
        name="swap_desc",
        title="index of a descriptor in the PTE, one xarray to descriptors",
        state=SwapDesc,
        build=build,
        replay=run,
        layout=LAYOUT,
        parameters=PARAMETERS,
        locks=("descriptor", "cluster", "device", "descriptor tree xa_lock", "zswap LRU"),
        sources=(THREAD, "CAJD7tkamf8TtY0wOjhZKsWBJLL4pMsUhkwPtwCuroWcipRZ3CA@mail.gmail.com (2023-03-11)"),
        notes="Slots are taken at writeout, none for zswap or zero pages. The count is a word of the descriptor, changed by atomics, so "
        "the looks at it before a read and at the head of a writeout take no lock. A zap puts descriptor by descriptor: each has a lock of "
        "its own, so that a run of them would spare the lock of the tree and no other. Schedules (docs/schedules.md) show a window: PTEs "
        "and the swap cache are all that keeps a descriptor, so that a fault or a move may enter its folio into one that the last PTE has "
        "freed meanwhile, and read what another page has there by then. The mails name no reference for it. A kernel would have to take "
        "one, which is not counted.",
        file=__file__,
        status="proposed in mails of 2023",
        own=own.OWN,
        base="direct",
        function_of=functions.function_of,
    )
)
