"""The names of virtual swap space's own: control words, regions, locks, allocation classes."""

from __future__ import annotations

from kernels.designs.swap_table.own import OWN as TABLES
from kernels.observing.probe import CLUSTERS
from kernels.own import ATOMIC, OWN_CPU, READ_ONLY, Own

V6 = "20260505153854.1612033-1-nphamcs@gmail.com"

OWN = Own("vswap", TABLES)

C_VROUNDS = OWN.parameter("C_VROUNDS", "0: the rounds of v3, 1: those of v6")
C_VLOOKUP = OWN.parameter("C_VLOOKUP", "1: each CPU remembers the virtual cluster that it looked up last")
C_VFREE = OWN.parameter("C_VFREE", "1: all slots of a virtual cluster are freed in one locked section")
C_VOWNER = OWN.parameter("C_VOWNER", "1: a zap sees the memcg when it frees, 0: it asks for that of each PTE")
C_VHINT = OWN.parameter("C_VHINT", "1: a bit of the reverse word says that the swap cache alone holds the slot")
C_VSPLIT = OWN.parameter("C_VSPLIT", "1: header and descriptors are two objects")
C_VCHARGE = OWN.parameter("C_VCHARGE", "charged to swap: 0 physical slots when they are taken, 1 every virtual slot")
C_VSHIFT = OWN.parameter("C_VSHIFT", "log2 of the slots of a virtual cluster")
C_VHEADER = OWN.parameter("C_VHEADER", "words between the headers of two clusters")
C_VDESC = OWN.parameter("C_VDESC", "first word of the first descriptor")
C_VDESC_STRIDE = OWN.parameter("C_VDESC_STRIDE", "words between the descriptors of two clusters")
C_VCLUSTERS = OWN.parameter("C_VCLUSTERS", "virtual clusters that single pages need at most")
C_VMOST = OWN.parameter("C_VMOST", "most virtual clusters, with those of large folios")
C_VBEHIND = OWN.parameter("C_VBEHIND", "words by which the headers behind the first C_VCLUSTERS lie further on")
C_VBACKING = OWN.parameter("C_VBACKING", "slots of a device behind a large folio: 0 a run, or none; 1 page by page")

S_VC_FREE = OWN.state("S_VC_FREE", "head of the free list of virtual clusters")
S_VC_HIGH = OWN.state("S_VC_HIGH", "virtual clusters ever used")
S_VCLUSTERS = OWN.state("S_VCLUSTERS", "virtual clusters in use")
S_VSLOTS = OWN.state("S_VSLOTS", "virtual slots in use")
S_CHARGED = OWN.state("S_CHARGED", "pages charged to swap")
S_CPU = OWN.state("S_CPU", "CPU of the demand under way")

S_VCLUSTERS_PEAK = OWN.statistic("S_VCLUSTERS_PEAK", "most virtual clusters in use")
S_VSLOTS_PEAK = OWN.statistic("S_VSLOTS_PEAK", "most virtual slots in use")
S_CHARGED_PEAK = OWN.statistic("S_CHARGED_PEAK", "most pages charged to swap")
S_CHARGES = OWN.statistic("S_CHARGES", "pages ever charged to swap")
S_VFOLIOS = OWN.statistic("S_VFOLIOS", "large folios that were given a run of virtual slots")
S_VBACKED = OWN.statistic("S_VBACKED", "large folios that were given slots of a device, for all of their pages")
S_VREFUSED = OWN.statistic("S_VREFUSED", "large folios that were not, in whole or in part")
S_VWRITES = OWN.statistic("S_VWRITES", "writes of large folios to devices, one for each row of slots")
S_LOOKUP_HITS = OWN.statistic("S_LOOKUP_HITS", "lookups that found the cluster that the CPU remembers")
S_LOOKUP_MISSES = OWN.statistic("S_LOOKUP_MISSES", "lookups that walked the map of clusters")

R_VMAP = OWN.region("virtual cluster map", "virtual cluster tree", guards="virtual cluster map xa_lock")
R_VNODE = OWN.region("virtual cluster node", "virtual cluster tree", guards="virtual cluster map xa_lock")
R_VCLUSTER = OWN.region("virtual cluster", "virtual cluster", guards=("virtual cluster", "virtual cluster map xa_lock", ATOMIC))
R_VDESC = OWN.region("swp_desc", "virtual descriptors", guards="virtual cluster")
R_VCPU = OWN.region("per-CPU virtual cluster", uncounted="a line of each CPU", guards=OWN_CPU)
R_VUSED = OWN.region("vswap_used", uncounted="4 bytes for all virtual slots", guards=ATOMIC)
R_BAD = OWN.region("bad bitmap", "slot bitmaps", function="swap_slot_alloc", guards=READ_ONLY)

OWN.guard("swap table", *CLUSTERS, ATOMIC)  # hints

L_VCLUSTER = OWN.lock("virtual cluster", outside="cluster")
L_VMAP = OWN.lock("virtual cluster map xa_lock", inside="continuation")

F_FREE_SWAP = OWN.step("folio_free_swap")
F_SLOT, F_CACHE = OWN.step("swp_entry_to_swp_slot"), OWN.step("swap_cache_get_folio")
F_FOLIO_BACKED, F_SWAPFILE_BACKED = OWN.step("vswap_folio_backed"), OWN.step("vswap_swapfile_backed")
F_CGROUP, F_RECORD = OWN.step("lookup_swap_cgroup_id"), OWN.step("swap_cgroup_record")
F_ADD, F_CLAIM = OWN.step("swap_cache_add_folio"), OWN.step("swapcache_prepare")
F_ZEROMAP = OWN.step("swap_zeromap_batch")
F_LOAD, F_STORE, F_STORE_FOLIO = OWN.step("zswap_entry_load"), OWN.step("zswap_entry_store"), OWN.step("vswap_store_folio")
F_DUP, F_REMOVE = OWN.step("swap_duplicate"), OWN.step("__vswap_remove_mapping")
F_PREPARE, F_ALLOC_SLOT, F_PUT_ENTRY = (
    OWN.step("vswap_prepare_writeout"), OWN.step("vswap_alloc_swap_slot"), OWN.step("put_swap_entry")
)  # fmt: skip

A_VOBJECT = OWN.allocation("virtual cluster with descriptors", ("virtual cluster",), rcu=True, source=f"{V6}: RCU protects the cluster")
A_VHEADER = OWN.allocation("virtual cluster header", ("virtual cluster",), rcu=True, source=f"{V6}: RCU protects the cluster")
A_VDESCS = OWN.allocation("virtual descriptors", ("virtual descriptors",), rcu=True, source=f"{V6}: they go with the cluster")
