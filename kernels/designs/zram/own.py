"""The names of zram's own: control words, regions, the lock of an entry, allocation classes, announced functions."""

from __future__ import annotations

from kernels.designs.swap_table.own import OWN as TABLES
from kernels.own import ATOMIC, Own

DRIVER = "drivers/block/zram/zram_drv.c, zram_drv.h"

OWN = Own("zram", TABLES)

C_BACKING = OWN.parameter("C_BACKING", "disk that the backing device is a partition of")
C_BACKED = OWN.parameter("C_BACKED", "blocks of the backing device for each slot: 1 as many, 2 half as many, 0 there is none")
C_BLOCKS = OWN.parameter("C_BLOCKS", "blocks of the backing device [4 KiB]")
C_MEM_LIMIT = OWN.parameter("C_MEM_LIMIT", "slots for each page that objects may take (mem_limit), 0: no limit")
C_LIMIT_PAGES = OWN.parameter("C_LIMIT_PAGES", "most pages that objects may take (limit_pages), 0: no limit [4 KiB]")

S_STORED = OWN.state("S_STORED", "slots with an object or a block (pages_stored)")
S_COMPRESSED = OWN.state("S_COMPRESSED", "bytes of objects, not rounded (compr_data_size) [B]")
S_HUGE = OWN.state("S_HUGE", "objects of a whole page (huge_pages)")
S_BLOCKS = OWN.state("S_BLOCKS", "blocks of the backing device in use (bd_count)")
S_USED_MAX = OWN.state("S_USED_MAX", "most pages that objects took (max_used_pages) [4 KiB]")

S_HUGE_SINCE = OWN.statistic("S_HUGE_SINCE", "objects of a whole page that were ever stored (huge_pages_since)")
S_NOTIFIED = OWN.statistic("S_NOTIFIED", "swap slots of which the driver was told that they are free (notify_free)")
S_FAILED_WRITES = OWN.statistic("S_FAILED_WRITES", "writes that failed at the limit (failed_writes)")
S_BD_READS = OWN.statistic("S_BD_READS", "reads from the backing device (bd_reads)")
S_BD_WRITES = OWN.statistic("S_BD_WRITES", "writes to the backing device (bd_writes)")

R_ZRAM_DEVICE = OWN.region("zram device", uncounted="struct zram: three lines of the device, pointers and counters", guards=ATOMIC)
R_ELEMENT = OWN.region("zram element", guards="zram entry")
R_BITMAP = OWN.region("backing bitmap", guards=ATOMIC)

L_ENTRY = OWN.lock("zram entry", inside="cluster")

A_PP_SLOT = OWN.allocation("zram_pp_slot", nbytes=32, source=f"{DRIVER}: struct zram_pp_slot, kfree, 24 B of kmalloc-32")
A_READ = OWN.allocation("zram_rb_req", nbytes=96, source=f"{DRIVER}: struct zram_rb_req, kfree, 80 B of kmalloc-96")

F_WRITE, F_READ, F_NOTIFY = OWN.step("zram_write_page"), OWN.step("zram_read_page"), OWN.step("zram_slot_free_notify")
F_ACCESSED, F_SLOT_FREE = OWN.step("mark_slot_accessed"), OWN.step("slot_free")
F_SCAN, F_RESERVE, F_RELEASE = OWN.step("scan_slots_for_writeback"), OWN.step("zram_reserve_bdev_block"), OWN.step("release_pp_slot")
F_WRITEBACK, F_COMPLETE = OWN.step("zram_writeback_slots"), OWN.step("zram_writeback_complete")
