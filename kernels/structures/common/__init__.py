"""Steps of the kernel that every design shares: folio, memory cgroup, LRU, zsmalloc, zswap, statistics.

A table (:mod:`.table`) says which kernel function touches which lines of which structure. A kernel (:mod:`.steps`) touches them.
"""
