"""swap_id: the mail's design, a swap ID in the PTE and one xarray from the ID to the swap entry (D3); swap_id_off: not configured (D3c).

The base is *direct*: slots, counts and swap caches belong to the backends. Both states
use the same source. In :class:`SwapIdOff` the layer's steps are those of *direct*,
which compile to nothing.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from kernels import control
from kernels.compiling.flat import U64Array
from kernels.compiling.jit import outer
from kernels.designs import direct
from kernels.designs.swap_id import folios as idfolios
from kernels.designs.swap_id import functions, hooks, own
from kernels.designs.swap_id import layer as idlayer
from kernels.designs.swap_id import moves as idmove
from kernels.designs.swap_id import runs as idruns
from kernels.designs.swap_table import design as swap_table
from kernels.life import arrays, replay
from kernels.life import registry as s
from kernels.life.layout import Tree, where
from kernels.structures import xarray as xa


class SwapId(direct.Direct):
    """State of *direct* plus the tree of IDs."""

    idhead: U64Array
    idpool: U64Array


class SwapIdOnTable(swap_table.SwapTable):
    """State of the swap tables as merged (phase 4) plus the tree of IDs."""

    idhead: U64Array
    idpool: U64Array


class SwapIdOff(direct.Direct):
    """State of a design whose layer is not configured: no tree, no IDs."""


def id_limit(config: s.Config, slots: int) -> int:
    """Highest ID: four times the slots of all backends, so that cyclic reuse and collisions find room without an unbounded tree."""
    return int(config.parameters.get("C_ID_LIMIT", 0) or 4 * max(slots, 64))


def id_arrays(config: s.Config, ctl: U64Array) -> dict[str, NDArray[Any]]:
    """Head and node pool of the ID tree."""
    slots = int(ctl[int(control.C_ALL_SLOTS)])
    limit = id_limit(config, slots)
    ctl[int(own.C_ID_LIMIT)] = limit
    if ctl[int(own.C_ID_RANGE)] == 0:
        ctl[int(own.C_ID_RANGE)] = 9  # a range is as long as a cluster: 512
    ctl[int(own.S_ID_NEXT)] = 1
    spread = int(ctl[int(own.C_ID_POLICY)]) != int(idlayer.LOWEST) or bool(ctl[int(own.C_ID_RUNS)])
    nodes = arrays.worst_nodes(slots, limit + 1) if spread else arrays.dense_nodes(slots + 2) + 8
    return {"idhead": xa.new_heads(1, zero_busy=True), "idpool": xa.new_pool(nodes)}


def state_of(config: s.Config) -> type[SwapId | SwapIdOnTable]:
    """Class of the state, by the base of the layer."""
    return SwapIdOnTable if config.parameters["C_BASE"] else SwapId


def state_arrays(config: s.Config) -> dict[str, NDArray[Any]]:
    """Arrays of the state for `config`, all slots and IDs free."""
    made = arrays.common(config)
    if config.parameters["C_BASE"]:
        base = swap_table.table_arrays(config, made["ctl"], phase="4")
    else:
        base = arrays.swapfile_arrays(config, made["ctl"])
    trees = id_arrays(config, made["ctl"])
    if made["ctl"][int(own.C_ID_POLICY)] == idlayer.PER_CPU:
        made["ctl"][int(own.S_ID_NEXT)] = 0
        used = arrays.cpu_rows(base["percpu"], config.cpus)
        used[:, int(idlayer.RANGE_USED)] = 1 << int(made["ctl"][int(own.C_ID_RANGE)])  # used up: each CPU fetches a range of its own first
    return {**made, **base, **trees}


def build(config: s.Config) -> SwapId | SwapIdOnTable:
    """State for `config`, all slots and IDs free."""
    return state_of(config)(**state_arrays(config))


def build_off(config: s.Config) -> SwapIdOff:
    """State for `config` without the layer."""
    made = arrays.common(config)
    return SwapIdOff(**made, **arrays.swapfile_arrays(config, made["ctl"]))


LAYER: dict[str, Any] = {
    "resolve": idlayer.resolve,
    "same": idlayer.same,
    "read_same": idlayer.read_same,
    "still": idlayer.still,
    "run_limit": idruns.run_limit,
    "put_run": idruns.put_run,
    "fetch_near": idlayer.fetch_near,
    "fetch_entry": idlayer.fetch_entry,
    "fetch_behind": idlayer.fetch_behind,
    "publish": idlayer.publish,
    "publish_run": idfolios.publish_run,
    "retire": idlayer.retire,
    "move_step": idmove.move_step,
    "swapoff": idmove.swapoff,
}
s.bind(SwapId, direct.OPERATIONS | LAYER)
s.bind(SwapIdOnTable, swap_table.OPERATIONS | LAYER)
s.bind(SwapIdOff, direct.OPERATIONS)
for _cls in (SwapId, SwapIdOnTable):
    hooks.bind(_cls)

MAIL = "CAJD7tkZT36KVGSsh051cQ25ye1MenCyVpPBeLXZrXqbAM_LQpA@mail.gmail.com (2023-03-23, linux-mm)"


ID_SOURCE = f"{MAIL}: the swap_entry is the size of swp_entry_t; include/linux/xarray.h"
SOURCES = (MAIL, "mm/swapfile.c, mm/swap_state.c, mm/zswap.c of Linux 6.12 to 6.17 underneath")
ON_DIRECT = {"base": "direct"}
ON_TABLE = {"base": "swap_table_p4"}
BASES = (
    *where(direct.without_owners(direct.LAYOUT), ON_DIRECT),
    *where(where(direct.without_owners(swap_table.LAYOUT), {"phase": "4"}, known=True), ON_TABLE),
)
LAYOUT = (
    *BASES,
    s.Field("ID tree", "xarray entry", 8, "page if policy=lowest|percpu|cyclic", ID_SOURCE, tree=Tree("one", "idhead", "idpool", 1)),
    s.Field("ID tree", "xarray entry", 8, "page if policy=reuse", ID_SOURCE, tree=Tree("slots", "idhead", "idpool", 1)),
)
PARAMETERS = {
    "id_life": s.Parameter(int(own.C_ID_LIFE), {"count": 0, "count+cache": 1}, "count", "when an ID is freed"),
    "upkeep": s.Parameter(
        int(own.C_UPKEEP), {"ride": 0, "apart": 1}, "ride", "erased under the cluster lock, or by an allocator of its own"
    ),
    "policy": s.Parameter(
        int(own.C_ID_POLICY),
        {"lowest": 0, "percpu": 1, "cyclic": 2, "reuse": 3},
        "lowest",
        "which free ID is taken (reuse: A1's own index)",
    ),
    "batch": s.Parameter(
        int(own.C_ID_BATCH), {"off": 0, "leaf": 1}, "off", "a zap puts ID by ID, or those of a leaf whose slots are a row in one go"
    ),
    "runs": s.Parameter(
        int(own.C_ID_RUNS), {"off": 0, "aligned": 1}, "off", "a large folio gets an ID for each page, one by one or in a row at once"
    ),
    "zswap": s.Parameter(
        int(control.C_NATIVE), {"stacked": 0, "native": 1}, "stacked", "zswap sits on disk slots, or has an entry space of its own"
    ),
    "base": s.Parameter(int(control.C_BASE), s.BASES, "direct", "what backends are made of underneath"),
}


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


@outer
def run_off(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


s.register(
    s.Design(
        name="swap_id",
        title="swap ID in the PTE, one xarray to the swap entry (the mail)",
        state=SwapId,
        build=build,
        replay=run,
        layout=LAYOUT,
        parameters=PARAMETERS,
        locks=("cluster", "second cluster", "device", "swap cache xa_lock", "zswap tree xa_lock", "ID allocator", "ID xa_lock", "zswap LRU",
               "continuation"),
        sources=SOURCES,
        notes="A swap-in walks the tree of IDs twice, also for pages that never move: to the entry, and again with folio and PTE locked: "
        "a move may have changed the mapping and an ID that dies with the count may have been given out anew. With id_life=count+cache "
        "the second walk comes before the read, as the folio carries the ID. A move changes count and mapping in one section under both "
        "cluster locks. Looks at the count are its base's, with the base's locks. A zap puts ID by ID, as the "
        "mail says nothing of it; batch=leaf puts IDs of a leaf of the tree in one locked section where their slots follow each other in a "
        "cluster. A large folio gets an ID for each page; runs=aligned takes them in a row, in one section, which is no part of the mail. "
        "zswap sits on disk slots (stacked), as in every kernel that the mail could build on: a swap_entry is the size of "
        "swp_entry_t, backends keep their own count and cache, and the mail gives zswap neither. zswap=native is an assumption of this "
        "model: zswap as a swap device without a disk, with swap_map, cgroup array, zeromap and clusters as any device has them (a static "
        "ghost swapfile, 20251121-ghost-v1-1-cfc0efcf3855@kernel.org). Its pages tie up no disk slot, and its size is set at swapon. "
        "Schedules (docs/schedules.md) show two windows against which the mail names no lock. A zap walks from ID to entry before it takes "
        "the lock of the cluster: where a move changes the mapping between the two, the zap lowers the count of the slot that was left. "
        "And with id_life=count the last PTE frees an ID while a reclaim that found it in force is about to write it into another PTE. A "
        "kernel would have to walk again under the lock, which is not counted.",
        file=__file__,
        status="proposed in a mail of 2023",
        own=own.OWN,
        base="direct",
        function_of=functions.function_of,
        state_of=state_of,
    )
)  # fmt: skip
s.register(
    s.Design(
        name="swap_id_off",
        title="the mail's design, indirection not configured",
        state=SwapIdOff,
        build=build_off,
        replay=run_off,
        layout=direct.LAYOUT,
        parameters=direct.PARAMETERS,
        locks=direct.LOCKS,
        sources=(MAIL,),
        notes="The same source as swap_id with the layer switched off by type.",
        file=__file__,
        status="proposed in a mail of 2023",
        lost_when_off=(
            "move: no mapping to change, so a page changes device by being faulted in and swapped out, or by rewriting its PTEs (move=)",
            "swapoff: scans page tables again, instead of the IDs",
            "zswap=native: zswap and zero pages tie up a disk slot again",
        ),
    )
)
