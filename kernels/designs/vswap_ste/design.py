"""Virtual swap, swap-table edition: the PTE holds an entry of a virtual device, or an ordinary one (Nhat Pham, 2026; D12).

One of the swap devices is virtual. Its clusters are ordinary ones, made on demand and
found through an allocating xarray. Each has a swap table, a memcg table, and a virtual
table: eight bytes a slot that say what is behind it, a zswap entry, a slot of a disk, or
nothing. A page in zswap, or a zero page, ties up no slot of a disk. A slot of a disk is
taken when it is written, and its word in the disk's swap table points back to the
virtual slot. A page that a demand sends to a disk has an ordinary entry there, as in the
swap tables of phase IV.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from kernels import control
from kernels import memory as w
from kernels.compiling.flat import U64Array, aligned_zeros
from kernels.compiling.jit import outer
from kernels.designs.swap_table import design as swap_table
from kernels.designs.vswap_ste import backing, clusters, functions, hooks, own
from kernels.designs.vswap_ste import moves as ste_moves
from kernels.designs.vswap_ste import slots as ste_slots
from kernels.designs.vswap_ste import steps as ste_steps
from kernels.designs.xswap import array
from kernels.designs.xswap import design as xswap
from kernels.designs.xswap import own as array_own
from kernels.life import arrays, replay
from kernels.life import registry as s
from kernels.life.layout import EXTEND_TABLES, ZSWAP_ENTRY, ZSWAP_INDEX, Arrays, Blocks, Chunks, Tree
from kernels.own import Word
from kernels.structures import xarray as xa

HEADER = 80  # bytes of struct swap_cluster_info_dynamic
CHUNK = int(array.PAGE) // HEADER


class VSwapSte(swap_table.SwapTable):
    """State of the swap tables of phase IV, and what a virtual cluster has besides."""

    vhead: U64Array
    vpool: U64Array
    vtail: U64Array
    vtable: U64Array


def clusters_for(config: s.Config) -> int:
    """Numbers of virtual clusters: for a slot of each page, and as much again, as a cluster is left with holes now and then."""
    size = 1 << config.cluster_shift
    return 2 * -(-config.pages // size) + -(-int(w.TXNS) // size) + 2 * config.cpus + 2


def build(config: s.Config) -> VSwapSte:
    """State for `config`, no virtual cluster yet."""
    return VSwapSte(**made_for(config))


def made_for(config: s.Config) -> dict[str, Any]:
    """Arrays of a state for `config`."""
    made = arrays.common(config)
    ctl = made["ctl"]
    chunk = (int(ctl[int(array_own.C_CHUNK)]) or CHUNK) if ctl[int(own.C_INDEX)] else 1
    most = int(ctl[int(own.C_VCLUSTERS)]) or -(-clusters_for(config) // chunk) * chunk
    slots = most << config.cluster_shift
    ctl[int(own.C_VCLUSTERS)], ctl[int(own.C_VSLOTS)] = most, slots
    made |= swap_table.table_arrays(config, ctl, phase="4", virtual=slots)
    if ctl[int(own.C_INDEX)]:
        ctl[int(array_own.C_HEADER)], ctl[int(array_own.C_CHUNK)] = HEADER, chunk
        xswap.map_front(made)
    else:
        arrays.without_clusters(made["dev"], made["cluster"])
    made |= {
        "vhead": xa.new_heads(1, track_free=True),
        "vpool": xa.new_pool(arrays.dense_nodes(most + 1) + 8),
        "vtail": aligned_zeros(most * int(clusters.TAIL_WORDS), np.uint64),
        "vtable": aligned_zeros(slots + (1 << config.cluster_shift), np.uint64),
    }
    return made


STEPS = (
    "claim",
    "claim_run",
    "writeout_run",
    "put",
    "swap_full",
    "put_run",
    "writeout",
    "read_begin",
    "read_end",
    "clusters_grow",
    "retire",
)
OPERATIONS: dict[str, Any] = (
    swap_table.OPERATIONS
    | {name: getattr(ste_steps, name) for name in STEPS}
    | {name: getattr(clusters, name) for name in ("is_virtual", "cluster_reach", "cluster_new", "cluster_gone")}
    | {
        name: getattr(ste_slots, name)
        for name in ("slot_mark", "owner_set", "charge", "charge_run", "is_cached", "cache_find", "count_up", "count_down")
    }
    | {"backing_drop": backing.backing_drop, "move_step": ste_moves.move_step, "swapoff": ste_moves.swapoff}
)
s.bind(VSwapSte, OPERATIONS)
hooks.bind(VSwapSte)

V1 = "20260528212955.1912856-1-nphamcs@gmail.com (RFC, 2026-05-28, linux-mm)"
V2 = "20260612193738.2183968-1-nphamcs@gmail.com (RFC v2, 2026-06-12: steps, locks, charges, deferred memcg tables)"
V5 = "20260918180241.3424851-1-nphamcs@gmail.com (v5, 2026-09-18), in digests of the list"
TREE = "mm/vswap.h and mm/swapfile.c of the mm tree (commits 0822e81d0463, ebc076130132): the state of the virtual table, without disks"
NODE = "include/linux/xarray.h: 64 slots of 8 B in a node of 576 B"
DYNAMIC = "mm/swap.h: struct swap_cluster_info_dynamic; " + own.V2
EVERY = Blocks("virtual cluster", own.S_VSLOTS, array_own.S_USED_CLUSTERS, own.S_VCLUSTERS_PEAK, number=1)
ROUTED = EVERY._replace(parts=("zswap", "zero"))
TABLES = Blocks("table", own.S_PSLOTS, own.S_PTABLES, own.S_PTABLES_PEAK)
MEMCG_TABLES = Blocks("memcg", own.S_PSLOTS, own.S_PMEMCG, own.S_PMEMCG_PEAK)
DIRECT_MEMCG_TABLES = MEMCG_TABLES._replace(used=own.S_PDIRECT)


def virtual_rows(per: str, blocks: Blocks) -> tuple[s.Field, ...]:
    """Rows of virtual clusters: `per` a page that has a virtual slot, in `blocks`."""
    header = s.Field("virtual cluster", "swap_cluster_info, number, RCU head, pointer", HEADER, "block", DYNAMIC, blocks=blocks)
    return (
        replace(header, per="block if index=xarray"),
        replace(header, per="block if index=array", chunks=Chunks("", array_own.S_MAPPED_PEAK, CHUNK)),
        s.Field("virtual swap table", "cached folio or shadow; count; zero bit", 8, per, DYNAMIC, blocks=blocks),
        s.Field("virtual table", "zswap entry or swap entry", 8, per, f"mm/vswap.h; {own.V2}", blocks=blocks),
        s.Field("virtual memcg table", "owner memcg id", 2, per, DYNAMIC, blocks=blocks),
        s.Field(
            "virtual cluster tree", "xarray entry", 8, "block if index=xarray", NODE,
            tree=Tree("one", "vhead", "vpool"), blocks=blocks,
        ),
    )  # fmt: skip


def routed(route: str, rows: tuple[s.Field, ...]) -> tuple[s.Field, ...]:
    """Rows of what is there where pages are routed so."""
    terms = [" and ".join([f"route={route}", *(f"{name}={'|'.join(values)}" for name, values in row.terms)]) for row in rows]
    return tuple(replace(row, per=f"{row.what} if {term}") for row, term in zip(rows, terms, strict=True))


def memcg_rows() -> tuple[s.Field, ...]:
    """Rows of the memcg tables of disks."""
    here = s.Field("memcg table", "owner memcg id", 2, "disk if memcg_table=eager", f"mm/swap_table.h: unsigned short[512]; {own.V2}",
                   blocks=MEMCG_TABLES, arrays=Arrays(("owner",)))  # fmt: skip
    return (
        here,
        replace(here, per="disk if memcg_table=deferred and route=zswap", blocks=DIRECT_MEMCG_TABLES),
        replace(here, per="fallback if memcg_table=deferred and route=all", blocks=DIRECT_MEMCG_TABLES),
    )


LAYOUT = (
    *routed("zswap", virtual_rows("zswap+zero", ROUTED)),
    *routed("all", virtual_rows("page", EVERY)),
    s.Field(
        "swap table", "direct: cached folio or shadow, count, zero bit; else the virtual slot", 8, "disk",
        f"mm/swap_table.h: atomic_long_t[512]; {own.V2}", blocks=TABLES, arrays=Arrays(("table",)),
    ),
    *memcg_rows(),
    s.Field("extend table", "count past the word's field", 2048, "extend", "mm/swapfile.c: unsigned int[512]",
            objects=EXTEND_TABLES, arrays=Arrays(("extend",), 0, 512)),
    replace(ZSWAP_INDEX, per="fallback", name="xarray entry", source=f"{ZSWAP_INDEX.source}; of direct entries"),
    ZSWAP_ENTRY,
    s.Field("cluster headers", "swap_cluster_info", 48, "cluster", f"mm/swap.h: with extend_table and memcg_table; {swap_table.P4}"),
)  # fmt: skip


def check(st: Any) -> Iterable[str]:
    """Virtual clusters are there while they have a slot in use, with their tables; no others are, but in an array."""
    word = {entry.name: int(st.ctl[entry.number]) for entry in own.OWN.entries_of(Word)}
    size = 1 << int(st.ctl[int(control.C_CLUSTER_SHIFT)])
    tail = st.vtail.reshape(-1, int(clusters.TAIL_WORDS))
    used = st.cluster.reshape(-1, 8)[: word["C_VCLUSTERS"], 1].astype(np.int64)
    busy = np.flatnonzero(used)
    tables = tail[:, int(clusters.T_VTABLE)].astype(np.int64)
    listed = [] if word["C_INDEX"] else busy.tolist()
    for what, have, want in (
        ("virtual clusters", int(st.ctl[int(array_own.S_USED_CLUSTERS)]), len(busy)),
        ("virtual clusters that are there", np.flatnonzero(tail[:, int(clusters.T_THERE)]).tolist(), listed),
        ("virtual tables", np.flatnonzero(tables).tolist(), busy.tolist()),
        ("numbers of virtual tables", tables[busy].tolist(), (busy + 1).tolist()),
        ("virtual slots", word["S_VSLOTS"], int(used.sum())),
        ("words of virtual tables of no cluster", np.count_nonzero(st.vtable.reshape(-1, size)[1:][tables == 0]), 0),
    ):
        if have != want:
            yield f"{what}: {have} should be {want}"
    if word["C_INDEX"]:
        yield from xswap.check(st)


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


PARAMETERS = {
    "route": s.Parameter(int(own.C_ROUTE), {"zswap": 1, "all": 0}, "zswap",
                         "pages that get a virtual slot: those sent to zswap (v5), or all (v1, v2)"),
    "memcg_table": s.Parameter(int(own.C_EAGER), {"deferred": 0, "eager": 1}, "deferred",
                               "a disk's cluster has a memcg table from its first direct entry on (v2), or from its first slot on (v1)"),
    "index": s.Parameter(int(own.C_INDEX), {"xarray": 0, "array": 1}, "xarray",
                         "what leads to a virtual cluster: an allocating xarray, or the sparse array of xswap (last patch of v5)"),
    "move": s.Parameter(int(control.C_MOVE), {"reswap": 0, "refuse": 2}, "reswap", "how a page with a direct entry changes device"),
}  # fmt: skip
LOCKS = ("xswap", "cluster", "second cluster", "device", "zswap tree xa_lock", "zswap LRU", "continuation", "virtual cluster map xa_lock")
s.register(
    s.Design(
        name="vswap_ste",
        title="virtual swap, swap-table edition: entries of a virtual device, ordinary ones beside them",
        state=VSwapSte,
        build=build,
        replay=run,
        layout=LAYOUT,
        parameters=PARAMETERS,
        locks=LOCKS,
        sources=(V2, V1, V5, TREE),
        notes="The virtual device is never swapped off and has no size; here it has room for twice as many slots as there are pages. What "
        "is behind a virtual slot is asked under its cluster's lock, each time through the xarray. A page that goes to zswap gets a "
        "virtual slot (route=zswap, as v5 is reported to do); RFC and RFC v2 give every page one (route=all). A page in zswap that "
        "moves to a disk keeps its entry. Where no virtual slot is to be had a page gets a direct entry, with zswap in front of the "
        "disk as in phase IV. A virtual slot records the memcg; a slot of a disk behind it is charged. A page that has a slot of a "
        "disk keeps it, whatever disk a later demand names, as in folio_realloc_swap. The series moves nothing from disk to disk; "
        "such a move here uses its primitive. Swapoff brings pages into memory. A memcg table that is put off comes when the first "
        "owner is recorded, in the section after that of the slot. Per-CPU hints of virtual and of physical slots are apart, on one "
        "line here. Of the array (index=array) only a digest was at hand: it grows and shrinks as that of xswap, by pages of 51 "
        "headers.",
        file=__file__,
        own=own.OWN,
        base="swap_table_p4",
        function_of=functions.function_of,
        check=check,
        status="posted, v5 (September 2026)",
        lost_when_off=(
            "zswap and zero pages tie up a slot of a disk again",
            "move from zswap to another disk than the one behind the page: a fault and another swap-out",
            "swapoff of a disk: walks page tables for all of its pages",
        ),
    )
)
