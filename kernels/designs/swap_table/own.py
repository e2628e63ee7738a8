"""The names of the swap tables' own: control words and regions."""

from __future__ import annotations

from kernels.observing.probe import CLUSTERS
from kernels.own import Own

OWN = Own("swap_table")

C_PHASE = OWN.parameter("C_PHASE", "which series of swap tables: 1 to 4, 5 for phase IV as first proposed")
C_COUNT_MAX = OWN.parameter("C_COUNT_MAX", "count field of a word that means: look in the extend table")

R_TABLE = OWN.region("swap table", "swap table", guards=CLUSTERS)
R_MEMCG = OWN.region("memcg table", "memcg table", guards=CLUSTERS)
R_EXTEND = OWN.region("extend table", "extend table", guards=CLUSTERS)

F_SWAPPED = OWN.step("swap_entry_swapped")
F_ADD_CHECK = OWN.step("__swap_cache_add_check")
F_MAYBE_SWAPPED = OWN.step("folio_maybe_swapped")
