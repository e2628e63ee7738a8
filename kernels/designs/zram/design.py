"""zram: a compressed block device as the swap device in front of the disks, and a backing device behind it (Nitin Gupta, Minchan Kim; D16).

The PTE holds (type, offset), as without a layer. What others keep in zswap is here on a swap device of its own: a slot of the swap
tables of phase IV, and below the block layer an element of 16 bytes, static for every slot, that leads to a zsmalloc object
(kernels/designs/zram/driver.py). zswap is off. The driver has an indirection of its own: it may write an object to a block of its
backing device, and then the element names the block (kernels/designs/zram/writeback.py). The swap layer never knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kernels import codes, control, demand
from kernels.compiling.constants import U0
from kernels.compiling.flat import U32Array, U64Array, aligned_zeros
from kernels.compiling.jit import called, hot, inner, outer
from kernels.designs import direct
from kernels.designs.swap_table import design as swap_table
from kernels.designs.swap_table import functions
from kernels.designs.zram import driver, own, writeback
from kernels.life import arrays, page_io, replay
from kernels.life import registry as s
from kernels.life.layout import ZSWAP_ENTRY, ZSWAP_INDEX, Arrays, where
from kernels.memory import F_ENTRY, F_TOKEN, f_word
from kernels.structures import cluster as cl
from kernels.structures.cluster import device_of, slot_of
from kernels.structures.slots import folio_swapped, zero_mark


class Zram(swap_table.SwapTable):
    """State of the swap tables of phase IV; zswap's device is a zram with elements, a backing device and its bitmap."""

    element: U32Array
    bdmap: U64Array
    backing: U32Array


def sizes(slots: Mapping[str, int], zdisk: str) -> dict[str, int]:
    """Slots of each device: a zram is as large as the disk behind it, or has a slot for each entry that zswap may hold.

    Examples
    --------
    >>> sizes({"zswap": 8, "ssd": 64}, "ssd"), sizes({"ssd": 64}, "ssd")
    ({'zswap': 64, 'ssd': 64}, {'ssd': 64})
    """
    return {name: max(n, slots.get(zdisk, 0)) if name == "zswap" and n else n for name, n in slots.items()}


def build(config: s.Config) -> Zram:
    """State for `config`, all slots free; the backing device of the zram is a partition of the disk behind zswap."""
    config = replace(config, slots=sizes(config.slots, config.zdisk))
    made = arrays.common(config)
    ctl = made["ctl"]
    made |= swap_table.table_arrays(config, ctl, phase="4")
    row = made["dev"][demand.ZSWAP * int(cl.DEV_WORDS) :]
    slots = int(row[int(cl.D_SLOTS)])
    if slots:
        row[int(cl.D_FLAGS)] |= int(cl.DEV_SYNC)
    share, limit = int(ctl[int(own.C_BACKED)]), int(ctl[int(own.C_MEM_LIMIT)])
    blocks = slots // share if share else 0
    ctl[int(own.C_BACKING)], ctl[int(own.C_BLOCKS)] = demand.BACKENDS.index(config.zdisk), blocks
    ctl[int(own.C_LIMIT_PAGES)] = max(1, slots // limit) if limit else 0
    return Zram(
        **made,
        element=aligned_zeros((slots + 1) * int(driver.E_WORDS), np.uint32),
        bdmap=aligned_zeros((blocks >> 6) + 1, np.uint64),
        backing=aligned_zeros(blocks + 1 if config.tokens else 1, np.uint32),
    )


@inner
@hot
def writeout(st, pr, f, value, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """``swap_writeout``: a page with a slot of the zram goes to its driver, if the swap layer does not find it to be zero.

    zswap, which is off, first looks for an entry of the slot (``zswap_store``).
    """
    entry = st.folio[f_word(f, F_ENTRY)]
    if zero or device_of(entry) != codes.ZSWAP:
        return page_io.writeout(st, pr, f, value, backend, size, zero, cpu)
    g = slot_of(st, entry)
    folio_swapped(st, pr, g)
    zero_mark(st, pr, g, False)
    return to_driver(st, pr, f, g, size)


@inner
def to_driver(st, pr, f, g, size):  # type: ignore[no-untyped-def]
    """Look for an entry of zswap, then have the driver store folio `f`, whose slot is `g`."""
    entry, token = st.folio[f_word(f, F_ENTRY)], st.folio[f_word(f, F_TOKEN)]
    page_io.erase_old(st, pr, entry, g)
    why = driver.write(st, pr, g, size, token)
    if why == U0:
        page_io.keep_content(st, g, token)
    return why


@called
def write_page(st, pr, f, g, backend, size, zero):  # type: ignore[no-untyped-def]
    """:func:`writeout` of a page of a large folio, whose zero bit is written."""
    if zero or device_of(st.folio[f_word(f, F_ENTRY)]) != codes.ZSWAP:
        return page_io.write_page(st, pr, f, g, backend, size, zero)
    return to_driver(st, pr, f, g, size)


@called
def driver_read(st, pr, entry, token):  # type: ignore[no-untyped-def]
    """Read a slot of the zram in its driver; another device has what is noted of the slot."""
    return driver.read(st, pr, slot_of(st, entry)) if device_of(entry) == codes.ZSWAP else token


OPERATIONS: dict[str, Any] = swap_table.OPERATIONS | {
    "writeout": writeout,
    "write_page": write_page,
    "driver_read": driver_read,
    "slot_freed": driver.slot_freed,
    "move_step": writeback.move_step,
}
s.bind(Zram, OPERATIONS)

TREE = "the mm tree of 2026 (055aa6165083), but slots are freed at once, without the worker of 20260412060450.15813-1-baohua@kernel.org"
SOURCES = (
    f"{own.DRIVER} of {TREE}",
    "mm/swapfile.c: swap_range_free (slot-free notification), mm/page_io.c: swap_writepage_bdev_sync, swap_read_folio_bdev_sync",
    "Documentation/admin-guide/blockdev/zram.rst",
    "mm/swap_table.h, mm/swapfile.c, mm/zswap.c of Linux 7.2 underneath",
)
ENTRY = f"{own.DRIVER}: struct zram_table_entry, handle 8, flags 4 with the lock bit, access time 4"
WORDS = int(driver.E_WORDS)
BACKED = f"{own.DRIVER}: unsigned long *bitmap, a bit a block"
LAYOUT = (
    *(row for row in where(direct.without_owners(swap_table.LAYOUT), {"phase": "4"}, known=True) if row not in (ZSWAP_INDEX, ZSWAP_ENTRY)),
    s.Field("zram element", "handle or block; size, flags, lock", 16, "zswap slot", ENTRY, arrays=Arrays(("element",), 0, WORDS)),
    s.Field("backing bitmap", "block in use", 0.125, "zswap slot if backing=whole", BACKED),
    s.Field("backing bitmap", "block in use", 0.0625, "zswap slot if backing=half", BACKED),
)
PARAMETERS = {
    "zswap": s.Parameter(int(control.C_NATIVE), {"zram": int(cl.GHOST)}, "zram", "pages in zswap have slots of a zram device"),
    "backing": s.Parameter(
        int(own.C_BACKED), {"whole": 1, "half": 2, "none": 0}, "whole", "backing device: a block for each slot, for two slots, or none"
    ),
    "mem_limit": s.Parameter(
        int(own.C_MEM_LIMIT), {"none": 0, "half": 2, "quarter": 4}, "none", "most memory for objects, as a share of the device's size"
    ),
}  # fmt: skip
LAYER = (
    "The swap layer sees a synchronous device: no readahead, and the cache copy goes right after a read fault if nobody else holds the "
    "slot. A zero page is found before the block layer: it is a bit of the table word, and the driver is not told, so that an older "
    "object of the slot stays. Pages filled with another pattern, which an element holds without an object, are not among the demands. "
    "A read leaves the object where it is, so that a folio read back is clean. When a slot dies the driver is told under the lock of the "
    "cluster (swap_slot_free_notify, after zswap_invalidate); it tries the lock of the element and frees the object or the block. If it "
    "found the lock held, the object would stay until the slot is written again (miss_free); in a replay nobody holds it. "
)
REFUSED = (
    "An object of more than 3,624 bytes is stored as it is, a whole page. At mem_limit a write fails with the slot taken: the folio stays "
    "dirty, cached and resident, and is counted as reactivated; what the element had from before stays. When the device is full, so is the "
    "answer, and the page stays; the kernel would go on to the next device. "
)
BEHIND = (
    "A move from zswap to the disk behind it is writeback to the backing device: user space names the slot (writeback, page_index). The "
    "driver decompresses, writes to a block and then the element names it. It takes the first free block, and searches its bitmap from 0 "
    "on each time, a line for 512 blocks in use. Blocks are no slots: they are not among those that are tied up. "
    "A read, a write or a free of the slot meanwhile makes it give up (moved_away). A page whose folio is in the swap cache is written "
    "back all the same. A zero page is nothing that the driver has (wrong_backend). Nothing returns from a block to memory but by a read. "
    "All other moves are those without a layer, faulted in and swapped out: also from a block, and from the zram to another disk. "
)
NAMES = (
    "A demand names backends as others have them. zswap is this zram, device 0. It is as large as the disk behind zswap, so that as many "
    "pages go out as to zswap in front of that disk: pages in blocks keep their slots. A page that is sent to a disk takes a slot of the "
    "disk, as without a layer. Its disk reads look into zswap's empty tree, as on a host where zswap was on once. The backing device is "
    "another partition of the disk behind zswap (it is opened exclusively, so it is no swap device): as large as the zram, or half of "
    "that. Swapoff of that disk brings in the pages of its swap device and succeeds; pages in blocks stay, as nobody can swap the backing "
    "device off. Swapoff of zswap walks the page tables, and reads objects and blocks. The backend zram of demands is another device, "
    "modelled as in every design: a table word, no object, no notification. "
)


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


s.register(
    s.Design(
        name="zram",
        title="compressed block device as a swap device, with a backing device",
        state=Zram,
        build=build,
        replay=run,
        layout=LAYOUT,
        parameters=PARAMETERS,
        locks=("cluster", "zram entry", "device", "zswap tree xa_lock"),
        sources=SOURCES,
        notes=f"{LAYER}{REFUSED}{BEHIND}{NAMES}Elements are in the sums of bytes; others pay a word of zswap's tree there, and a "
        "zswap_entry of 56 bytes that is in no sum. Below the block layer only the driver is modelled: no bio, no request, no compression. "
        "Its common steps are those of zsmalloc; no kernel was recorded with zram, they follow its source. Pages of zsmalloc are held "
        "against the limit without free objects in zspages that are not full.",
        file=__file__,
        status="merged, in 3.14; backing device in 4.14",
        own=own.OWN,
        function_of=functions.function_of,
        sizes=sizes,
    )
)
