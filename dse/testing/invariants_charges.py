"""Invariants of what atomics count: page counters, references of memcg ids, free slots, pages in zswap; read off the live arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.testing import owners
from dse.testing.findings import Findings
from dse.testing.reading import ctl
from kernels import control, demand
from kernels.designs.vswap import own as vswap_own
from kernels.designs.vswap_rfc import own as rfc_own
from kernels.designs.vswap_ste import own as ste_own
from kernels.life.arrays import device_rows
from kernels.structures import cluster as cl
from kernels.structures import page_counter as pc


def blocks(st: Any) -> tuple[NDArray[np.uint64], int, int]:
    """Blocks of the memory cgroups, their ancestors first; the number of ancestors; the first word of the first block."""
    first, size = ctl(st, control.C_MEMCGS), int(pc.WORDS)
    root = first
    while int(st.memcgs[root + int(pc.P_PARENT)]):
        root = int(st.memcgs[root + int(pc.P_PARENT)])
    return st.memcgs[root:].reshape(-1, size), (first - root) // size, root


def charged(st: Any) -> dict[int, int]:
    """Pages charged to the swap of each memory cgroup that has any."""
    rows, ancestors, _ = blocks(st)
    usage = rows[ancestors:, int(pc.P_USAGE)]
    return {memcg: int(usage[memcg]) for memcg in np.flatnonzero(usage).tolist()}


def check(found: Findings, st: Any) -> None:
    """Each counter is the sum of those below it; ids have a reference for each slot; global counters equal what they count."""
    rows, ancestors, root = blocks(st)
    size = int(pc.WORDS)
    usage, parent = rows[:, int(pc.P_USAGE)].astype(np.int64), (rows[:, int(pc.P_PARENT)].astype(np.int64) - root) // size
    below = np.bincount(parent[1:], weights=usage[1:], minlength=len(rows)).astype(np.int64)
    found.equal("page counters of ancestors", usage[:ancestors], below[:ancestors])
    found.none("page counters above their watermark", np.flatnonzero(rows[:, int(pc.P_USAGE)] > rows[:, int(pc.P_WATERMARK)]))
    owners.check_charges(found, st, usage[ancestors:])
    references = int((rows[:, int(pc.P_ID)] - np.uint64(1)).sum())
    if hasattr(st, "vmem"):
        found.equal("references to memcg ids", references, ctl(st, vswap_own.S_VSLOTS))
        found.equal("pages charged", int(usage[0]), ctl(st, vswap_own.S_CHARGED))
    elif hasattr(st, "descriptors"):
        found.equal("references to memcg ids", references, ctl(st, rfc_own.S_RDESC_LIVE))
        found.equal("pages charged", int(usage[0]), ctl(st, control.S_SLOTS))
    elif hasattr(st, "vtable"):
        found.equal("references to memcg ids", references, ctl(st, ste_own.S_VSLOTS) + ctl(st, ste_own.S_PDIRECT))
    else:
        found.equal("references to memcg ids", references, int(usage[0]))
    first = demand.ZSWAP if ctl(st, control.C_NATIVE) == int(cl.GHOST) else demand.SSD
    table = device_rows(st.dev)[first:].astype(np.int64)
    free = int(table[:, int(cl.D_SLOTS)].sum() - table[:, int(cl.D_USED)].sum())
    found.equal("nr_swap_pages", ctl(st, control.S_NR_SWAP_PAGES), free)
    found.equal("zswap_stored_pages", ctl(st, control.S_ZSTORED), 0 if hasattr(st, "element") else ctl(st, control.S_ZE_LIVE))
