"""The control array: one 64-bit word each for parameters, running state and statistics that every design has.

A line here is a word: its constant, its section, its meaning, its value in a fresh state. Parameters are read at run time, so a sweep
never recompiles. A design declares its own words (:class:`kernels.own.Own`).
"""

from __future__ import annotations

from kernels.own import COMMON, WORDS

CTL_WORDS = WORDS

C_SPACE_SHIFT = COMMON.parameter("C_SPACE_SHIFT", "log2 of the pages of an address space")
C_PAGES = COMMON.parameter("C_PAGES", "PTEs of all address spaces")
C_TOKENS = COMMON.parameter("C_TOKENS", "1: content tokens are kept and checked")
C_FORKS = COMMON.parameter("C_FORKS", "1: rings of kin are kept, as FORK needs them")
C_FOLIOS = COMMON.parameter("C_FOLIOS", "folios reserved")
C_CPUS = COMMON.parameter("C_CPUS", "CPUs, each with a current cluster")
C_CLUSTER_SHIFT = COMMON.parameter("C_CLUSTER_SHIFT", "log2 of the slots of a cluster")
C_ALL_SLOTS = COMMON.parameter("C_ALL_SLOTS", "slots of all devices, each rounded up to 64 MiB")
C_ZDISK = COMMON.parameter("C_ZDISK", "device that zswap stands in front of")
C_ZENTRIES = COMMON.parameter("C_ZENTRIES", "most zswap entries")
C_ZSLOTS = COMMON.parameter("C_ZSLOTS", "slots of a zswap with an entry space of its own, 0 where it sits on disk slots")
C_NATIVE = COMMON.parameter("C_NATIVE", "1: zswap has an entry space of its own; 2: it is that of a swap device without a disk")
C_BASE = COMMON.parameter("C_BASE", "what a layer stands on: 0 direct, 1 the swap tables of phase IV")
C_MOVE = COMMON.parameter("C_MOVE", "how a page without a layer changes device: 0 reswap, 1 rewrite its PTEs, 2 refuse")
C_REWRITE = COMMON.parameter("C_REWRITE", "how rewrite finds the PTEs: 0 scan, 1 owner record")
C_BATCH = COMMON.parameter("C_BATCH", "pages that a scan for PTEs rewrites at once", 1)
C_CONT_LIMIT = COMMON.parameter("C_CONT_LIMIT", "most continuation pages, or extend tables")
C_CHAIN = COMMON.parameter("C_CHAIN", "index in `chain` behind the heads of the continuation chains")
C_CLUSTER_ORDER = COMMON.parameter("C_CLUSTER_ORDER", "what a CPU gets first: 0, 2 a free cluster (6.12, 6.14), 1 a nonfull one (6.18)")
C_MEMCGS = COMMON.parameter("C_MEMCGS", "first word of the memory cgroups' blocks in `memcgs`")
C_ERA = COMMON.parameter("C_ERA", "kernel whose common steps are touched: 0 that of 6.12, 1 of 6.18, 2 of 7.2")
C_SYNC_BYPASS = COMMON.parameter("C_SYNC_BYPASS", "1: a synchronous device with a single user bypasses the swap cache", 1)
C_WRITE_KEEPS = COMMON.parameter("C_WRITE_KEEPS", "1: a write fault leaves slot and cache copy of a page that no fork shared (7.0 to 7.2)")
C_FREES = COMMON.parameter("C_FREES", "how direct frees slots: 0 at once (6.15 to 6.17), 1 by a cache of each CPU (up to 6.14)")

S_FOLIO_FREE = COMMON.state("S_FOLIO_FREE", "head of the free list of folios")
S_FOLIO_HIGH = COMMON.state("S_FOLIO_HIGH", "first folio that was never used", 1)
S_FOLIO_LIVE = COMMON.state("S_FOLIO_LIVE", "folios in memory")
S_NEXT_TOKEN = COMMON.state("S_NEXT_TOKEN", "content token given out last")
S_NR_SWAP_PAGES = COMMON.state("S_NR_SWAP_PAGES", "free slots of all devices (nr_swap_pages)")
S_PHASES = COMMON.state("S_PHASES", "phases in flight")
S_SLOTS = COMMON.state("S_SLOTS", "slots in use")
S_ZSTORED = COMMON.state("S_ZSTORED", "pages in zswap (zswap_stored_pages)")
S_ZDISK_READS = COMMON.state("S_ZDISK_READS", "swap-ins from a disk (nr_disk_swapins of zswap_lruvec_state)")
S_ZE_FREE = COMMON.state("S_ZE_FREE", "head of the free list of zswap entries")
S_ZE_HIGH = COMMON.state("S_ZE_HIGH", "first zswap entry that was never used", 1)
S_ZE_LIVE = COMMON.state("S_ZE_LIVE", "zswap entries in use")
S_ZOBJ_BYTES = COMMON.state("S_ZOBJ_BYTES", "bytes of zsmalloc objects, each with its share of a zspage [B]")
S_ZSPAGES = COMMON.state("S_ZSPAGES", "zspages that these objects fill [2**-32]")
S_ZERO_LIVE = COMMON.state("S_ZERO_LIVE", "zero-filled pages that are swapped out")
S_ZLRU_LOCK = COMMON.state("S_ZLRU_LOCK", "lock of the zswap LRU")
S_CONT_USED = COMMON.state("S_CONT_USED", "continuation pages in use")
S_CONT_LOCK = COMMON.state("S_CONT_LOCK", "lock of the continuation pages")
S_FREES_CPU = COMMON.state("S_FREES_CPU", "CPU of the demand, where slots are freed by a cache of each CPU")
S_COLLECTS = COMMON.state("S_COLLECTS", "1: the caches of freed slots are in use (swap_slot_cache_active)")
(
    S_TABLE_FREE, S_TABLE_HIGH, S_TABLES, S_TABLES_PEAK, S_MEMCG_FREE, S_MEMCG_HIGH, S_MEMCG_TABLES, S_MEMCG_TABLES_PEAK,
    S_EXTEND_FREE, S_EXTEND_HIGH, S_EXTENDS, S_EXTENDS_PEAK,
) = COMMON.row(
    "S_TABLE_FREE S_TABLE_HIGH S_TABLES S_TABLES_PEAK S_MEMCG_FREE S_MEMCG_HIGH S_MEMCG_TABLES S_MEMCG_TABLES_PEAK "
    "S_EXTEND_FREE S_EXTEND_HIGH S_EXTENDS S_EXTENDS_PEAK",
    "of each kind of block of a cluster: head of the free list, first never used, in use, most ever in use",
)  # fmt: skip

S_LOST = COMMON.statistic("S_LOST", "pages that read another content than was written")
S_OVERFLOW = COMMON.statistic("S_OVERFLOW", "folios that were asked for beyond those reserved")
S_MOVES = COMMON.statistic("S_MOVES", "moves completed")
S_FULL = COMMON.statistic("S_FULL", "slots that were asked for when a device had none")
S_SCANNED = COMMON.statistic("S_SCANNED", "PTEs, slots or indices that a swapoff or a rewrite looked at")
S_FOLIO_PEAK = COMMON.statistic("S_FOLIO_PEAK", "most folios in memory")
S_SLOTS_PEAK = COMMON.statistic("S_SLOTS_PEAK", "most slots in use")
S_ZE_PEAK = COMMON.statistic("S_ZE_PEAK", "most zswap entries in use")
S_ZOBJ_PEAK = COMMON.statistic("S_ZOBJ_PEAK", "most bytes of zsmalloc objects [B]")
S_ZSPAGES_PEAK = COMMON.statistic("S_ZSPAGES_PEAK", "most zspages [2**-32]")
S_CONT_PEAK = COMMON.statistic("S_CONT_PEAK", "most continuation pages in use")

C_ORDER_POLICY = COMMON.parameter(
    "C_ORDER_POLICY", "clusters that runs come from: 0 empty ones, 1 nonfull ones too, 2 fragmented ones too", 2
)
S_RUNS = COMMON.statistic("S_RUNS", "runs of slots given to large folios, whole")
