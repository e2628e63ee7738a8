"""The names of the swap-table edition's own: control words, regions, a lock, allocation classes, announced functions."""

from __future__ import annotations

from kernels.designs.xswap.own import OWN as XSWAP
from kernels.observing.probe import CLUSTERS
from kernels.own import ATOMIC, Own

V2 = "20260612193738.2183968-1-nphamcs@gmail.com"

OWN = Own("vswap_ste", XSWAP)

C_ROUTE = OWN.parameter("C_ROUTE", "pages that get a virtual slot: 0 all, 1 those that are sent to zswap")
C_EAGER = OWN.parameter("C_EAGER", "1: a cluster of a disk has its memcg table with its swap table, 0: with its first direct entry")
C_INDEX = OWN.parameter("C_INDEX", "what leads to a virtual cluster: 0 an xarray, 1 the sparse array of xswap")
C_VSLOTS = OWN.parameter("C_VSLOTS", "slots of the virtual device")
C_VCLUSTERS = OWN.parameter("C_VCLUSTERS", "numbers of virtual clusters, 0: as many as pages need; the xarray does not give out number 0")

S_VSLOTS = OWN.state("S_VSLOTS", "virtual slots in use")
S_PSLOTS = OWN.state("S_PSLOTS", "slots of disks in use")
S_PTABLES = OWN.state("S_PTABLES", "swap tables of clusters of disks")
S_PDIRECT = OWN.state("S_PDIRECT", "slots of disks with an owner: direct entries")
S_PMEMCG = OWN.state("S_PMEMCG", "memcg tables of clusters of disks")

S_VSLOTS_PEAK = OWN.statistic("S_VSLOTS_PEAK", "most virtual slots in use")
S_VCLUSTERS_PEAK = OWN.statistic("S_VCLUSTERS_PEAK", "most virtual clusters")
S_PTABLES_PEAK = OWN.statistic("S_PTABLES_PEAK", "most swap tables of clusters of disks")
S_PMEMCG_PEAK = OWN.statistic("S_PMEMCG_PEAK", "most memcg tables of clusters of disks")
S_FELL_BACK = OWN.statistic("S_FELL_BACK", "pages that got a direct entry, as no virtual slot was to be had")

R_VMAP = OWN.region("virtual cluster map", "virtual cluster tree", guards="virtual cluster map xa_lock")
R_VNODE = OWN.region("virtual cluster node", "virtual cluster tree", guards="virtual cluster map xa_lock")
R_VTAIL = OWN.region("virtual cluster", "virtual cluster", guards=CLUSTERS)
R_VTABLE = OWN.region("virtual table", "virtual table", guards=CLUSTERS)

OWN.guard("swap table", *CLUSTERS, ATOMIC)  # hints

L_VMAP = OWN.lock("virtual cluster map xa_lock", inside="continuation")

A_VCLUSTER = OWN.allocation("virtual cluster", ("virtual cluster",), rcu=True, source=f"{V2}: kfree_rcu")
A_VTABLE = OWN.allocation("virtual table", ("virtual table",), source=f"{V2}: kfree with its cluster")

F_DYNAMIC, F_FREE_CLUSTER = OWN.step("alloc_swap_scan_dynamic"), OWN.step("vswap_free_cluster")
F_RELEASE, F_RELEASE_OTHER = OWN.step("__vswap_release_backing"), OWN.step("folio_release_non_phys_swap_backing")
F_FREE_BACKING, F_REALLOC = OWN.step("__swap_cluster_free_phys_backing"), OWN.step("folio_realloc_swap")
F_STORE, F_LOAD, F_TO_PHYS = OWN.step("vswap_zswap_store"), OWN.step("vswap_zswap_load"), OWN.step("vswap_to_phys")
F_HAS_FLAG, F_BACKED = OWN.step("swap_entry_backend_has_flag"), OWN.step("folio_phys_swap_backed")
F_MARK, F_CLEAR = OWN.step("vswap_mark_cache_only"), OWN.step("vswap_clear_cache_only")
F_RELEASE_FOLIO, F_ZEROMAP = OWN.step("folio_release_vswap_backing"), OWN.step("swap_zeromap_batch")
F_RECLAIM, F_UNUSE = OWN.step("try_to_reclaim_vswap_backing"), OWN.step("try_to_unuse")
