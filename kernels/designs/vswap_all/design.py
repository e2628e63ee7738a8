"""Virtual swap for everything: each swap entry is one of the virtual device, disks have a bitmap (an idea of Yosry Ahmed, 2026; D13).

The virtual side is that of *vswap_ste*. There are no direct entries: pages sent to a disk have a virtual slot as well, whose word in the
virtual table names the slot of the disk. A disk has no swap table. It needs to know which of its slots are in use, a bit each. Where
something has to lead back from a slot of a disk, it has a word (``reverse=word``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels import control
from kernels.compiling.flat import U64Array, aligned_zeros
from kernels.compiling.jit import outer
from kernels.designs.swap_table import design as swap_table
from kernels.designs.vswap_all import disks, own
from kernels.designs.vswap_ste import design as edition
from kernels.designs.vswap_ste import functions, hooks
from kernels.designs.vswap_ste import steps as ste_steps
from kernels.designs.vswap_ste.own import S_PSLOTS, S_PTABLES, S_PTABLES_PEAK
from kernels.life import registry as s
from kernels.life import replay
from kernels.life.layout import EXTEND_TABLES, ZSWAP_ENTRY, Arrays, Blocks


class VSwapAll(edition.VSwapSte):
    """State of the swap-table edition, with a bit for each slot of a disk."""

    bitmap: U64Array


def build(config: s.Config) -> VSwapAll:
    """State for `config`, no virtual cluster yet."""
    made = edition.made_for(config)
    return VSwapAll(**made, bitmap=aligned_zeros((int(made["ctl"][int(control.C_ALL_SLOTS)]) >> 6) + 1, np.uint64))


STEPS = ("claim", "slot_scan", "slot_mark", "is_cached", "count_read", "count_up", "count_down", "swapoff")
OPERATIONS: dict[str, Any] = (
    edition.OPERATIONS | {name: getattr(disks, name) for name in STEPS} | {"claim_run": ste_steps.claim_virtual_run}
)
s.bind(VSwapAll, OPERATIONS)
hooks.bind(VSwapAll, {name: getattr(disks, name) for name in ("slot_find", "point_to", "slot_leave")})

MAIL = "ah-A2gQ0GPgerXop@google.com (2026-06-02, linux-mm, on the RFC of the swap-table edition)"
LAYOUT = (
    *edition.virtual_rows("page", edition.EVERY),
    s.Field("slot bitmap", "slot in use", 0.125, "slot", f"in place of a swap table; {MAIL}", arrays=Arrays(("bitmap",), 1)),
    s.Field(
        "reverse table", "virtual slot", 8, "disk if reverse=word", f"mm/swap_table.h: atomic_long_t[512], as in the edition; {MAIL}",
        blocks=Blocks("table", S_PSLOTS, S_PTABLES, S_PTABLES_PEAK), arrays=Arrays(("table",)),
    ),
    s.Field("extend table", "count past the word's field", 2048, "extend", "mm/swapfile.c: unsigned int[512]",
            objects=EXTEND_TABLES, arrays=Arrays(("extend",), 0, 512)),
    ZSWAP_ENTRY,
    s.Field("cluster headers", "swap_cluster_info", 48, "cluster", f"mm/swap.h: with extend_table and memcg_table; {swap_table.P4}"),
)  # fmt: skip
PARAMETERS = {
    "reverse": s.Parameter(int(own.C_REVERSE), {"none": 0, "word": 1}, "none",
                           "what leads from a slot of a disk to its virtual slot: nothing, or a word of 8 bytes"),
    "index": edition.PARAMETERS["index"],
}  # fmt: skip


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


s.register(
    s.Design(
        name="vswap_all",
        title="virtual swap for everything: entries of a virtual device alone, a bitmap for a disk",
        state=VSwapAll,
        build=build,
        replay=run,
        layout=LAYOUT,
        parameters=PARAMETERS,
        locks=edition.LOCKS,
        sources=(MAIL, edition.V2, "mm/vswap.h, mm/swapfile.c as in vswap_ste"),
        notes="The mail prefers one path for all entries: physical devices keep no full table, the virtual word names the slot of the disk "
        "itself, and a word that leads back is there only if something needs it. It gives no layout and no patches; the virtual side and "
        "its steps are those of vswap_ste. One bit a slot is kept, so a bad slot would be one in use. Without words that lead back "
        "(reverse=none) a swapoff looks at the words of all virtual slots, until the disk is empty, and a full disk cannot look for slots "
        "that the swap cache alone holds: the page stays. With them (reverse=word) both are done as in vswap_ste. Clusters of disks keep "
        "their headers of 48 B and their lists; of the header only lock, count and list are needed. zswap has no trees. Where no virtual "
        "slot is to be had, the page stays in memory. Charges, moves and what a demand's device means are as in vswap_ste with route=all.",
        file=__file__,
        own=own.OWN,
        base="swap_table_p4",
        function_of=functions.function_of,
        check=edition.check,
        status="proposed in a mail (June 2026)",
        lost_when_off=(
            "zswap and zero pages tie up a slot of a disk again",
            "move to another disk: a fault and another swap-out",
            "swapoff of a disk: walks page tables for all of its pages",
        ),
    )
)
