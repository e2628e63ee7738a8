"""Regions and steps of what the swap layer shares with the rest of the kernel: global counters, memory cgroups.

:mod:`kernels.observing.probe` imports this file first, so that the numbers depend on nothing else that is loaded.
"""

from __future__ import annotations

from kernels.own import ATOMIC, COMMON, RACY, READ_ONLY

R_NR_SWAP = COMMON.region("nr_swap_pages", uncounted="8 bytes for all devices", guards=ATOMIC)
R_ZSTORED = COMMON.region("zswap_stored_pages", uncounted="8 bytes for all of zswap", guards=ATOMIC)
R_ZLRUVEC = COMMON.region("zswap_lruvec_state", uncounted="8 bytes for each memory cgroup and node", guards=ATOMIC)
R_COUNTER = COMMON.region("page_counter", uncounted="three lines of each memory cgroup", guards=(ATOMIC, RACY))
R_MEMCG_ID = COMMON.region("memcg id", uncounted="a word of each memory cgroup", guards=ATOMIC)
R_MEMCG_IDS = COMMON.region("memcg ids", uncounted="one xarray of all memory cgroups", guards=READ_ONLY)

F_NONE = COMMON.step("")  # number 0: nothing is announced
F_CHARGE = COMMON.step("page_counter_try_charge")
F_UNCHARGE = COMMON.step("page_counter_uncharge")
F_ID_GET = COMMON.step("mem_cgroup_id_get_online")
F_ID_PUT = COMMON.step("mem_cgroup_id_put_many")
F_FROM_ID = COMMON.step("mem_cgroup_from_id")
F_SWAP_FULL = COMMON.step("mem_cgroup_swap_full")
