"""The names of xswap's own: control words, a lock, an allocation class, announced functions."""

from __future__ import annotations

from kernels.designs.swap_table.own import OWN as TABLES
from kernels.own import Own

V2 = "20260913075014.1732524-1-hebaoquan@kylinos.cn"

OWN = Own("xswap", TABLES)

C_CHUNK = OWN.parameter("C_CHUNK", "clusters that are mapped at once")
C_CEILING = OWN.parameter("C_CEILING", "clusters that the area of the array has room for")
C_HEADER = OWN.parameter("C_HEADER", "bytes of a header in the array", 48)
C_ARRAY_LIMIT = OWN.parameter("C_ARRAY_LIMIT", "most pages that there are for the array, 0: as many as it has room for")

S_MAPPED = OWN.state("S_MAPPED", "clusters that are mapped")
S_ARRAY_PAGES = OWN.state("S_ARRAY_PAGES", "pages of the array that are mapped [4 KiB]")
S_USED_CLUSTERS = OWN.state("S_USED_CLUSTERS", "clusters of the device with a slot in use")
S_XSWAP_LOCK = OWN.state("S_XSWAP_LOCK", "xswap_lock of the device")

S_MAPPED_PEAK = OWN.statistic("S_MAPPED_PEAK", "most clusters that were mapped")
S_GROWN = OWN.statistic("S_GROWN", "times that the array grew")
S_SHRUNK = OWN.statistic("S_SHRUNK", "times that the array shrank")
S_NOT_GROWN = OWN.statistic("S_NOT_GROWN", "times that there was no page for the array to grow")

L_XSWAP = OWN.lock("xswap", outside="cluster")

R_ARRAY = OWN.region("xswap array", uncounted="a line of the device, how far its array is mapped", guards="xswap")

A_ARRAY = OWN.allocation("cluster array page", nbytes=4096, rcu=True, source=f"{V2}: synchronize_rcu before pages are unmapped")

F_GROW, F_SHRINK, F_UNMAP = OWN.step("xswap grow"), OWN.step("xswap_try_shrink"), OWN.step("xswap_unmap_clusters")
