"""The names of the first two posted versions of virtual swap: control words, regions, locks, allocation classes, announced functions."""

from __future__ import annotations

from kernels.designs.swap_id_rmap.own import OWN as REVERSE
from kernels.observing.probe import CLUSTERS
from kernels.own import ATOMIC, Own

RFC1, RFC2 = "20250407234223.1059191-1-nphamcs@gmail.com (RFC v1)", "20250429233848.3093350-1-nphamcs@gmail.com (RFC v2)"

OWN = Own("vswap_rfc", REVERSE)

C_RSTRIDE = OWN.parameter("C_RSTRIDE", "words of a descriptor [8 B]: 8 with counters of their own, 6 with one")
C_RZEROMAP = OWN.parameter("C_RZEROMAP", "1: devices still have a bit a slot for zero-filled pages, which nothing reads")
C_SHARDS = OWN.parameter("C_SHARDS", "static partitions of the virtual slots, of the swap cache and of the zswap tree", 1)
C_RSHIFT = OWN.parameter("C_RSHIFT", "log2 of the virtual slots of a virtual cluster, whose slots in use are counted")
C_RDESCS = OWN.parameter("C_RDESCS", "most descriptors")
C_RDENSE = OWN.parameter("C_RDENSE", "nodes of a tree of virtual slots that single pages need at most")
C_RBACKING = OWN.parameter("C_RBACKING", "slots of a device behind a large folio: 0 a run, or none; 1 page by page")

S_RDESC_FREE = OWN.state("S_RDESC_FREE", "head of the free list of descriptors")
S_RDESC_HIGH = OWN.state("S_RDESC_HIGH", "first descriptor that was never used", 1)
S_RDESC_LIVE = OWN.state("S_RDESC_LIVE", "virtual slots in use, each with a descriptor")
S_RCOUNTS = OWN.state("S_RCOUNTS", "virtual clusters with slots in use")

S_RDESC_PEAK = OWN.statistic("S_RDESC_PEAK", "most virtual slots in use")
S_RCOUNTS_PEAK = OWN.statistic("S_RCOUNTS_PEAK", "most virtual clusters with slots in use")
S_RFOLIOS = OWN.statistic("S_RFOLIOS", "large folios that were given a run of virtual slots")
S_RBACKED = OWN.statistic("S_RBACKED", "large folios that were given slots of a device, for all of their pages")
S_RREFUSED = OWN.statistic("S_RREFUSED", "large folios that were not, in whole or in part")
S_RWRITES = OWN.statistic("S_RWRITES", "writes of large folios to devices, one for each row of slots")

R_SPACE = OWN.region("virtual slot map", "virtual slot map", guards="virtual slot xa_lock")
R_SPACE_NODE = OWN.region("virtual slot node", "virtual slot map", guards="virtual slot xa_lock")
R_COUNTS = OWN.region("virtual cluster counts", "virtual cluster counts", guards="virtual cluster count xa_lock")
R_COUNTS_NODE = OWN.region("virtual cluster count node", "virtual cluster counts", guards="virtual cluster count xa_lock")
R_RDESC = OWN.region("swap descriptor", "swap descriptors", guards=("virtual descriptor", ATOMIC))
R_SLOT_STATES = OWN.region("slot states", function="cluster_scan_range", guards=CLUSTERS)

L_RDESC = OWN.lock("virtual descriptor", outside="cluster")
L_SPACE = OWN.lock("virtual slot xa_lock", inside="continuation")
L_COUNTS = OWN.lock("virtual cluster count xa_lock", inside="virtual slot xa_lock")

F_ALLOC, F_FREE, F_RECORD = OWN.step("vswap_alloc"), OWN.step("vswap_free"), OWN.step("swap_cgroup_record")
F_RELEASE_SLOT, F_RELEASE = OWN.step("release_vswap_slot"), OWN.step("release_backing")
F_FOLIO, F_TRYGET, F_PUT = OWN.step("folio_alloc_swap"), OWN.step("vswap_tryget"), OWN.step("vswap_put")
F_SLOT, F_DISK_BACKED, F_FOLIO_BACKED = OWN.step("swp_entry_to_swp_slot"), OWN.step("vswap_disk_backed"), OWN.step("vswap_folio_backed")
F_CACHE, F_CLAIM, F_SLOT_FREE = OWN.step("swap_cache_get_folio"), OWN.step("swapcache_prepare"), OWN.step("swap_slot_free_nr")
F_CGROUP, F_ZEROMAP = OWN.step("lookup_swap_cgroup_id"), OWN.step("swap_zeromap_batch")
F_STORE_FOLIO, F_ASSOC, F_ALLOC_SLOT = OWN.step("vswap_store_folio"), OWN.step("vswap_assoc_zswap"), OWN.step("vswap_alloc_swap_slot")
F_SWAPPED, F_REMOVE, F_UNCACHE = OWN.step("folio_swapped"), OWN.step("__remove_mapping"), OWN.step("delete_from_swap_cache")
F_DUP_NR, F_FREE_NR, F_ZAP = OWN.step("swap_duplicate_nr"), OWN.step("swap_free_nr"), OWN.step("vswap_free_nr_any_cache_only")
F_CACHE_ONLY, F_SWAPOFF, F_LOAD = OWN.step("vswap_swapcache_only"), OWN.step("vswap_swapoff"), OWN.step("zswap_load")
F_STORE = OWN.step("zswap_store")

A_RDESC = OWN.allocation("swap descriptor", ("swap descriptors",), rcu=True, source=f"mm/vswap.c: kfree_rcu; {RFC1}")
