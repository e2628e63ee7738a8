"""swap_id_rmap: the mail's design with a second xarray, from the swap entry to the ID (D3r).

Everything else is *swap_id*: its steps call two hooks, which keep the reverse tree (kernels/designs/swap_id_rmap/reverse.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import demand
from kernels.compiling.flat import U64Array
from kernels.compiling.jit import outer
from kernels.designs import direct
from kernels.designs.swap_id import design as swap_id
from kernels.designs.swap_id import hooks
from kernels.designs.swap_id_rmap import functions, own, reverse
from kernels.designs.swap_id_rmap import moves as from_slots
from kernels.designs.swap_table import design as swap_table
from kernels.life import arrays, replay
from kernels.life import registry as s
from kernels.life.layout import Tree
from kernels.structures import xarray as xa
from kernels.structures.cluster import D_SLOTS


class SwapIdRmap(swap_id.SwapId):
    """State of *swap_id* and a reverse tree for each device."""

    rhead: U64Array
    rpool: U64Array


class SwapIdRmapOnTable(swap_id.SwapIdOnTable):
    """The same on the swap tables as merged (phase 4)."""

    rhead: U64Array
    rpool: U64Array


def state_of(config: s.Config) -> type[SwapIdRmap | SwapIdRmapOnTable]:
    """Class of the state, by the base of the layer."""
    return SwapIdRmapOnTable if config.parameters["C_BASE"] else SwapIdRmap


def reverse_arrays(dev: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
    """Heads and node pool of the reverse trees of the devices in table `dev`."""
    slots = arrays.device_rows(dev)[:, int(D_SLOTS)].tolist()
    return {"rhead": xa.new_heads(len(demand.BACKENDS)), "rpool": xa.new_pool(sum(map(arrays.dense_nodes, slots)))}


def build(config: s.Config) -> SwapIdRmap | SwapIdRmapOnTable:
    """State for `config`, all slots and IDs free."""
    made = swap_id.state_arrays(config)
    return state_of(config)(**made, **reverse_arrays(made["dev"]))


LAYER = swap_id.LAYER | {"move_step": from_slots.move_step, "swapoff": from_slots.swapoff}
s.bind(SwapIdRmap, direct.OPERATIONS | LAYER)
s.bind(SwapIdRmapOnTable, swap_table.OPERATIONS | LAYER)
for _cls in (SwapIdRmap, SwapIdRmapOnTable):
    hooks.bind(_cls, reverse.HOOKS)

PROPOSAL = "Huang Ying, 2023-03-22, linux-mm (quoted in msg333124 of the archive at mail.spinics.net)"
SOURCE = f"{PROPOSAL}: 2 xarrays; include/linux/xarray.h"
LAYOUT = (*swap_id.LAYOUT, s.Field("reverse tree", "xarray entry", 8, "live", SOURCE, tree=Tree("device", "rhead", "rpool")))


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


s.register(
    s.Design(
        name="swap_id_rmap",
        title="swap ID in the PTE, one xarray to the swap entry and one back (Huang Ying)",
        state=SwapIdRmap,
        build=build,
        replay=run,
        layout=LAYOUT,
        parameters=swap_id.PARAMETERS,
        locks=("cluster", "second cluster", "device", "swap cache xa_lock", "zswap tree xa_lock", "ID allocator", "ID xa_lock",
               "reverse xa_lock", "zswap LRU", "continuation"),
        sources=(PROPOSAL, *swap_id.SOURCES),
        notes="What swap_id does, with a tree from slots to IDs. It was proposed for the case that reverse mapping cannot be avoided in "
        "enough situations: two trees, with swap caches and counts left as they are, in place of one tree of descriptors. The mail fixes "
        "neither an order of the two writes nor a lock. Here the tree has a lock of its own. A swap-out writes the ID tree first, a free "
        "erases the reverse entry first, a move enters B's slot, changes the mapping, then erases A's. There is a tree for each device, as "
        "the kernel has them for swap caches and zswap: a swap entry has the device in its top bits, and one xarray over entries of "
        "several devices would be 10 levels high. A move that a backend begins, also zswap's writeback, and a swapoff "
        "start from the slot and find the ID with one walk: a swapoff to another device reads the slots of its device, where swap_id "
        "visits every ID. One into memory still scans page tables, as no entry means in memory. It has the windows of swap_id "
        "(docs/schedules.md).",
        file=__file__,
        status="proposed in a mail of 2023",
        own=own.OWN,
        base="direct",
        function_of=functions.function_of,
        state_of=state_of,
    )
)  # fmt: skip
