"""Swap tables: the swap entry in the PTE, one word a slot for nearly everything else (Linux 6.18 to 7.2; D1, Kairui Song and Chris Li).

The PTE holds (type, offset) as in *direct*. A table of 8 bytes a slot exists only while
its cluster of 512 slots is in use. It has the swap cache (phase 1, 6.18), is the only
lock between users of a slot (phase 2, 7.0) and counts (phase 3). In phase 4 it knows
owner and zero pages too, so that only cluster headers are allocated at swapon (as
merged for 7.2, and as first proposed: *p4_pitched*). zswap keeps a tree of its own in
every phase. All five names are one design and run the same code; the phase is its
parameter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kernels import control
from kernels.compiling.flat import U16Array, U32Array, U64Array
from kernels.compiling.jit import outer
from kernels.designs import direct
from kernels.designs.swap_table import functions, own, runs
from kernels.designs.swap_table import table as swap_table
from kernels.life import arrays, replay, slot_cache, steps
from kernels.life import registry as s
from kernels.life.layout import (
    CGROUP,
    EXTEND_TABLES,
    MEMCG_TABLES,
    SWAP_MAP,
    TABLES,
    ZEROMAP,
    ZSWAP_ENTRY,
    ZSWAP_INDEX,
    Arrays,
)  # fmt: skip
from kernels.structures import slots
from kernels.structures.common import table as common


class SwapTable(direct.Swapfile):
    """State of every phase; arrays that a phase does not have are of one element."""

    table: U64Array
    owner: U16Array
    extend: U32Array
    blink: U32Array


DEFAULTS = ("cache_clear_run", *slot_cache.STEPS)  # a word is cleared under the cluster lock: nothing to gain from a run
KEPT = tuple(name for name in slots.NAMES if hasattr(swap_table, name) and getattr(swap_table, name) is not getattr(slots, name))
"""Steps that the tables have; the others of a slot have their defaults."""
OPERATIONS: dict[str, Any] = (
    direct.OPERATIONS
    | {name: getattr(swap_table, name) for name in KEPT}
    | {name: getattr(slots, name).default for name in DEFAULTS}
    | {"on_cpu": steps.on_cpu.default}
    | runs.STEPS
)
s.bind(SwapTable, OPERATIONS)
PHASES = {"1": 1, "2": 2, "3": 3, "4": 4, "4_pitched": 5}
WRITE_FAULT = {"free": 0, "keep": 1}
COUNT_BITS = {"4": (1 << 4) - 1, "22": (1 << 22) - 1}


def table_arrays(config: s.Config, ctl: U64Array, phase: str = "", virtual: int = 0) -> dict[str, Any]:
    """Devices, tables and the other arrays of the phase: the one in C_PHASE, unless a layer names one; `virtual` slots beside them."""
    if phase:
        ctl[int(own.C_PHASE)], ctl[int(own.C_COUNT_MAX)] = PHASES[phase], COUNT_BITS["4"]
        ctl[int(control.C_WRITE_KEEPS)] = WRITE_FAULT["keep"]
    now = int(ctl[int(own.C_PHASE)])
    ctl[int(control.C_CLUSTER_ORDER)] = 1  # 6.18
    ctl[int(control.C_ERA)] = common.ERAS.index("6.18" if now == PHASES["1"] else "7.2")
    ctl[int(control.C_SYNC_BYPASS)] = now == PHASES["1"]
    made = arrays.device_arrays(config, ctl, virtual)
    made |= arrays.map_arrays(config, ctl, smap=now <= PHASES["2"], owners=now != PHASES["4"], zero=now <= PHASES["3"])
    return made | arrays.table_arrays(config, ctl, memcg=now == PHASES["4"])


def build(config: s.Config) -> SwapTable:
    """State for `config`, all slots free."""
    made = arrays.common(config)
    return SwapTable(**made, **table_arrays(config, made["ctl"]))


P1 = "20250910160833.3464-1-ryncsn@gmail.com (phase I, 6.18)"
P2 = "20251220-swap-table-p2-v5-0-8862a265a033@tencent.com (phase II, 7.0)"
AFTER_MAPPING = (
    "20251220-swap-table-p2-v5-6-8862a265a033@tencent.com (phase II: cache copy and slot are looked at after the folio is mapped)"
)
P3 = "https://lwn.net/Articles/1057102/ (phase III)"
PITCH = "CAMgjq7AQNGK-a=AOgvn4-V+zGO21QMbMTVbrYSW_R2oDSLoC+A@mail.gmail.com (bytes of phases II to IV)"
P4 = "20260517-swap-table-p4-v5-0-88ae43e064c7@tencent.com (phase IV)"
LAYOUT = (
    replace(SWAP_MAP, name="count, has-cache in phase 1", per="slot if phase=1|2"),
    replace(CGROUP, per="slot if phase=1|2|3"),
    replace(ZEROMAP, per="slot if phase=1|2|3"),
    s.Field(
        "swap table", "cached folio or shadow; count; zero bit", 8, "page", f"mm/swap_table.h: atomic_long_t[512]; {P1}",
        blocks=TABLES, arrays=Arrays(("table",)),
    ),
    s.Field(
        "memcg table", "owner memcg id", 2, "page if phase=4", f"mm/swap_table.h: unsigned short[512]; {P4}",
        blocks=MEMCG_TABLES, arrays=Arrays(("owner",)),
    ),
    s.Field(
        "extend table", "count past the word's field", 2048, "extend if phase=3|4|4_pitched", f"mm/swapfile.c: unsigned int[512]; {P4}",
        objects=EXTEND_TABLES, arrays=Arrays(("extend",), 0, 512),
    ),
    direct.OWNER_RECORD,
    ZSWAP_INDEX,
    ZSWAP_ENTRY,
    s.Field(
        "cluster headers", "swap_cluster_info", 32, "cluster if phase=1|2|4_pitched", f"mm/swap.h: struct swap_cluster_info; {PITCH}"
    ),
    s.Field("cluster headers", "swap_cluster_info", 40, "cluster if phase=3", "mm/swap.h of 7.1: with extend_table (BTF of 7.1.13)"),
    s.Field("cluster headers", "swap_cluster_info", 48, "cluster if phase=4", f"mm/swap.h: with extend_table and memcg_table; {P4}"),
)  # fmt: skip


def parameters_of(phase: str) -> dict[str, s.Parameter]:
    """Parameters with the defaults of `phase`."""
    bits = "22" if phase == "3" else "4"
    return {
        "phase": s.Parameter(int(own.C_PHASE), PHASES, phase, "which series of swap tables"),
        "count_bits": s.Parameter(
            int(own.C_COUNT_MAX), COUNT_BITS, bits, "bits of the count in the word (phases 3 and 4; 22 as printed for III)"
        ),
        "write_fault": s.Parameter(
            int(control.C_WRITE_KEEPS),
            WRITE_FAULT,
            "free" if phase == "1" else "keep",
            "slot and cache copy at a write fault on a page that no fork shared: kept (7.0 to 7.2), or freed (6.18, and again in 7.3)",
        ),
        **direct.PARAMETERS,
    }


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


TEMPLATE = s.Design(
    name="",
    title="",
    state=SwapTable,
    build=build,
    replay=run,
    layout=LAYOUT,
    parameters={},
    locks=("cluster", "device", "zswap tree xa_lock", "zswap LRU", "continuation"),
    sources=(),
    notes="A zswap or zero page ties up a disk slot. Before a folio is allocated for a read, the count is looked at under the cluster "
    "lock. At the head of a writeout it is looked at under that lock in phases 1 and 2, under RCU from phase 3 on. A zswap load looks for "
    "the entry without a lock. A write fault on a page that no fork shared leaves slot and cache copy from phase 2 on: patch 6 of "
    "phase II has do_swap_page look at them when it has cleared FAULT_FLAG_WRITE (7.0 to 7.2). 7.3 frees again (write_fault=free). The "
    "page is dirty then, and goes to the same slot when it goes out. Layers that stand on phase IV do as 7.2.",
    file=__file__,
    own=own.OWN,
    function_of=functions.function_of,
)
for _name, _phase, _title, _source, _status in (
    ("swap_table_p1", "1", "swap table in place of the swap cache's xarray (6.18)", P1, "merged in 6.18"),
    ("swap_table_p2", "2", "every swap-in through the swap cache, no has-cache flag (7.0)", P2, "merged in 7.0"),
    ("swap_table_p3", "3", "counts in the table, no swap_map", P3, "merged by 7.2"),
    ("swap_table_p4", "4", "nothing static but cluster headers (7.2)", P4, "merged in 7.2"),
    ("swap_table_p4_pitched", "4_pitched", "phase IV as first proposed", PITCH, "proposed in a mail, merged otherwise"),
):
    _sources = (_source, *(() if _phase == "1" else (AFTER_MAPPING,)), "mm/swap_table.h, mm/swapfile.c")
    s.register(replace(TEMPLATE, name=_name, title=_title, parameters=parameters_of(_phase), sources=_sources, status=_status))
