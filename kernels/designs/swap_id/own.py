"""The names of the ID layer's own: control words, regions, locks, announced functions."""

from __future__ import annotations

from kernels.designs.swap_table.own import OWN as TABLES
from kernels.own import OWN_CPU, Own

OWN = Own("swap_id", TABLES)

C_ID_LIFE = OWN.parameter("C_ID_LIFE", "when an ID is freed: 0 with the count, 1 when the cache has let go too")
C_UPKEEP = OWN.parameter("C_UPKEEP", "where an ID is erased: 0 under the cluster lock, 1 under an allocator lock of its own")
C_ID_POLICY = OWN.parameter("C_ID_POLICY", "which free ID is taken: 0 lowest, 1 from a range of the CPU, 2 cyclic, 3 the slot's own index")
C_ID_LIMIT = OWN.parameter("C_ID_LIMIT", "highest ID, 0: four times the slots")
C_ID_RANGE = OWN.parameter("C_ID_RANGE", "log2 of the IDs in a range of a CPU, 0: as many as slots in a cluster (9)")
C_ID_BATCH = OWN.parameter("C_ID_BATCH", "1: a zap puts the IDs of a leaf of the tree together")

C_ID_RUNS = OWN.parameter("C_ID_RUNS", "1: a large folio gets IDs in a row, at a multiple of their number")

S_ID_LIVE = OWN.state("S_ID_LIVE", "IDs in use")
S_ID_NEXT = OWN.state("S_ID_NEXT", "ID from which a cyclic search starts, or the next range to be given out", 1)
S_ID_RUN = OWN.state("S_ID_RUN", "ID behind the run given out last, with C_ID_RUNS 1")
S_ID_LOCK = OWN.state("S_ID_LOCK", "lock of the ID allocator, with C_UPKEEP 1")

S_ID_PEAK = OWN.statistic("S_ID_PEAK", "most IDs in use")
S_ID_FREED = OWN.statistic("S_ID_FREED", "IDs freed")
S_ID_NEVER_MOVED = OWN.statistic("S_ID_NEVER_MOVED", "IDs freed whose entry never moved")
S_ID_COLLISIONS = OWN.statistic("S_ID_COLLISIONS", "IDs that had to be other than the slot's own index")
S_HANDOVER_RETRIES = OWN.statistic("S_HANDOVER_RETRIES", "moves whose count outgrew its pages: they took the locks again")

R_ID = OWN.region("ID tree", "ID tree", guards="ID xa_lock")
R_ID_NODE = OWN.region("ID node", "ID tree", guards="ID xa_lock")
R_ID_RANGE = OWN.region("ID range", uncounted="two words of each CPU", guards=OWN_CPU)

L_ID_ALLOC = OWN.lock("ID allocator", inside="zswap tree xa_lock")
L_ID = OWN.lock("ID xa_lock", inside="ID allocator")

F_ID_LOAD = OWN.step("xa_load (ID)")
F_ID_ALLOC = OWN.step("xa_alloc (ID)")
F_ID_ERASE = OWN.step("xa_erase (ID)")
F_ID_STORE = OWN.step("xa_store (ID)")
F_ID_FIND = OWN.step("xa_find (ID)")
