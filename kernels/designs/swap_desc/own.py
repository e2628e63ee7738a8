"""The names of the descriptors' own: control words, regions, locks, an allocation class."""

from __future__ import annotations

from kernels.designs.swap_table.own import OWN as TABLES
from kernels.own import ATOMIC, FOLIO, Own

OWN = Own("swap_desc", TABLES)

C_STRIDE = OWN.parameter("C_STRIDE", "words of a descriptor [8 B]")
C_DESCS = OWN.parameter("C_DESCS", "most descriptors")

S_DESC_FREE = OWN.state("S_DESC_FREE", "head of the free list of descriptors")
S_DESC_HIGH = OWN.state("S_DESC_HIGH", "first descriptor that was never used", 1)
S_DESC_LIVE = OWN.state("S_DESC_LIVE", "descriptors in use")

S_DESC_PEAK = OWN.statistic("S_DESC_PEAK", "most descriptors in use")

R_DESC_TREE = OWN.region("descriptor tree", "descriptor tree", guards="descriptor tree xa_lock")
R_DESC_NODE = OWN.region("descriptor node", "descriptor tree", guards="descriptor tree xa_lock")
R_DESC = OWN.region("swap_desc", "swap_desc", function="swap_desc", guards=("descriptor", ATOMIC, FOLIO))

L_DESC = OWN.lock("descriptor", outside="cluster")
L_DESC_XA = OWN.lock("descriptor tree xa_lock", inside="zswap tree xa_lock")

A_DESC = OWN.allocation("swap_desc", ("swap_desc",), rcu=True, source="this model's reading: looked up without a lock")
