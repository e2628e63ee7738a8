"""Ghost: a swapfile with a header and no data, whose pages live in zswap only (Chris Li, 2025; D5).

The PTE holds (type, offset), as without a layer. One of the swap devices is a ghost: its
header states a size, and there is no disk behind it. Metadata is what the swap tables of
phase IV keep for any device of that size. A page in zswap takes a slot of the ghost, so it
ties up no slot of a disk. It never gets one either: a page that zswap refuses stays dirty
and resident, and a page of the ghost cannot be moved.
"""

from __future__ import annotations

from typing import Any

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.jit import called, outer
from kernels.designs import direct
from kernels.designs.swap_table import design as swap_table
from kernels.designs.swap_table import functions, own
from kernels.life import arrays, moves, replay
from kernels.life import registry as s
from kernels.life.layout import where
from kernels.observing.probe import R_DEV, chase
from kernels.structures.cluster import DEV_WORDS, GHOST, device_of


class Ghost(swap_table.SwapTable):
    """State of the swap tables of phase IV; the device of zswap is the ghost."""


def build(config: s.Config) -> Ghost:
    """State for `config`, all slots free; the ghost has a slot for each entry that zswap may hold."""
    made = arrays.common(config)
    return Ghost(**made, **swap_table.table_arrays(config, made["ctl"], phase="4"))


@called
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Refuse a page of the ghost by the flag of its device, before anything else is looked at (``zswap_writeback_entry``)."""
    txn, d = st.txn, device_of(st.txn[t + w.T_ENTRY])
    if d != codes.ZSWAP:
        return moves.move_step(st, pr, t, cpu)
    chase(pr, R_DEV, d * DEV_WORDS)
    if txn[t + w.T_AUX] != codes.ZSWAP or txn[t + w.T_TARGET] == codes.ZSWAP:
        return codes.WRONG_BACKEND
    return codes.REFUSED


OPERATIONS: dict[str, Any] = swap_table.OPERATIONS | {"move_step": move_step}
s.bind(Ghost, OPERATIONS)

RFC = "20251121-ghost-v1-1-cfc0efcf3855@kernel.org (2025-11-21, linux-mm)"
LATER = "20260220-swap-table-p4-v1-13-104795d19815@tencent.com (the same patch on the swap tables of phase IV)"
SOURCES = (RFC, LATER, "mm/swap_table.h, mm/swapfile.c, mm/zswap.c of Linux 7.2 underneath")
LAYOUT = where(direct.without_owners(swap_table.LAYOUT), {"phase": "4"}, known=True)
ON_A_GHOST = {
    "zswap": s.Parameter(int(control.C_NATIVE), {"ghost": int(GHOST)}, "ghost", "pages in zswap have slots of a swap device without a disk")
}
REFUSED = (
    "A page that zswap refuses, as it does not compress or the pool is full, keeps its slot, stays dirty and is activated again "
    "(AOP_WRITEPAGE_ACTIVATE); it is counted as reactivated. zswap writes nothing back from here, and a move of such a page is refused. "
    "Demands are the same for every design: where they write zswap back at its limit, and the design refuses, zswap holds more than that. "
)
BESIDE = (
    "Beside real disks the series goes by the priority of devices: every page takes a slot of the device with the highest priority that "
    "has one, and what zswap then refuses stays in memory. Here a demand names the device, as a tier would: a page that is sent to a disk "
    "takes a slot of the disk, with an ordinary entry. Pages on disks move as without a layer, by being faulted in and swapped out. A page "
    "that PTEs still hold by an entry on the ghost is refused as in the series. "
)


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


s.register(
    s.Design(
        name="ghost",
        title="swapfile with a header and no data: pages live in zswap only",
        state=Ghost,
        build=build,
        replay=run,
        layout=LAYOUT,
        parameters=ON_A_GHOST,
        locks=swap_table.TEMPLATE.locks,
        sources=SOURCES,
        notes=f"{REFUSED}{BESIDE}The size of the ghost is set at swapon, here to the most entries that zswap may hold. When it is full, "
        "the page stays; the series would go on to the next device, with zswap in front of it. Slots of the ghost are among nr_swap_pages "
        "and count when swap is more than half full. The ghost is no synchronous device. Swapoff walks the page tables and decompresses.",
        file=__file__,
        status="posted, RFC (November 2025)",
        own=own.OWN,
        function_of=functions.function_of,
    )
)
