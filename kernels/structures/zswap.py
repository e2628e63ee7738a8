"""zswap: 56-byte entries, a list_lru, and (stacked on a disk) one xarray for each 64 MiB of the disk, indexed by the full offset.

mm/zswap.c of 6.12..6.17. ``struct zswap_entry`` in seven words: swpentry, length and referenced, pool, handle, objcg, lru (2). The
handle word holds the content token, the second word the length in its low 32 bits.
"""

from __future__ import annotations

from kernels.compiling.constants import LOW32, U0, U1, U2, U14
from kernels.compiling.jit import called, hot, inner, u
from kernels.control import C_ZENTRIES, S_ZE_FREE, S_ZE_HIGH, S_ZE_LIVE, S_ZE_PEAK, S_ZLRU_LOCK, S_ZSTORED
from kernels.observing.allocations import A_ZE, A_ZOBJ
from kernels.observing.atomics import atomic_add, atomic_sub
from kernels.observing.counting import counts
from kernels.observing.lock import L_ZLRU, L_ZTREE, lock, unlock
from kernels.observing.probe import R_ZE, R_ZLRU, R_ZNODE, R_ZOBJ, R_ZTREE, allocated, alone, chase, freed, wrote
from kernels.observing.regions import R_ZSTORED
from kernels.structures import xarray as xa
from kernels.structures.common import table
from kernels.structures.common.steps import common
from kernels.structures.zsmalloc import object_free, object_new

ZE_WORDS = u(7)
Z_ENTRY, Z_LENGTH, Z_POOL, Z_HANDLE, Z_OBJCG, Z_PREV, Z_NEXT = (u(i) for i in range(7))


@inner
def entry_new(st, pr, swpentry, length, token):  # type: ignore[no-untyped-def]
    """Allocate an entry and its object and put it on the LRU; return its number, 0 when the reserved entries are used up."""
    ctl, ze = st.ctl, st.ze
    z = ctl[S_ZE_FREE]
    if z != U0:
        ctl[S_ZE_FREE] = ze[z * ZE_WORDS]
    else:
        z = ctl[S_ZE_HIGH]
        if z > ctl[C_ZENTRIES]:
            return U0
        ctl[S_ZE_HIGH] = z + U1
    ctl[S_ZE_LIVE] += U1
    ctl[S_ZE_PEAK] = max(ctl[S_ZE_PEAK], ctl[S_ZE_LIVE])
    grown = object_new(ctl, length)
    common(pr, st, table.ZSWAP_STORE, z)
    if grown:
        common(pr, st, table.ZSPAGE_NEW, z)
    base = z * ZE_WORDS
    ze[base + Z_ENTRY] = swpentry
    ze[base + Z_LENGTH] = length
    ze[base + Z_HANDLE] = token
    ze[base + Z_OBJCG] = U0
    alone(pr, True)
    wrote(pr, R_ZE, base)
    alone(pr, False)
    allocated(pr, A_ZE)
    allocated(pr, A_ZOBJ)
    lock(pr, ctl, S_ZLRU_LOCK, L_ZLRU)
    last = ze[Z_PREV]
    ze[base + Z_PREV] = last
    ze[base + Z_NEXT] = U0
    ze[last * ZE_WORDS + Z_NEXT] = z
    ze[Z_PREV] = z
    wrote(pr, R_ZE, last * ZE_WORDS + Z_NEXT)
    wrote(pr, R_ZLRU, U0)
    unlock(pr, ctl, S_ZLRU_LOCK, L_ZLRU)
    atomic_add(pr, R_ZSTORED, U0, ctl, S_ZSTORED, U1)
    return z


@inner
def entry_free(st, pr, z):  # type: ignore[no-untyped-def]
    """Free entry `z` and its object."""
    ctl, ze = st.ctl, st.ze
    base = z * ZE_WORDS
    common(pr, st, table.ZSWAP_FREE, z)
    lock(pr, ctl, S_ZLRU_LOCK, L_ZLRU)
    before, after = ze[base + Z_PREV], ze[base + Z_NEXT]
    ze[before * ZE_WORDS + Z_NEXT] = after
    ze[after * ZE_WORDS + Z_PREV] = before
    wrote(pr, R_ZE, before * ZE_WORDS + Z_NEXT)
    wrote(pr, R_ZE, after * ZE_WORDS + Z_PREV)
    wrote(pr, R_ZLRU, U0)
    unlock(pr, ctl, S_ZLRU_LOCK, L_ZLRU)
    object_free(ctl, ze[base + Z_LENGTH] & LOW32)
    atomic_sub(pr, R_ZSTORED, U0, ctl, S_ZSTORED, U1)
    ctl[S_ZE_LIVE] -= U1
    ze[base] = ctl[S_ZE_FREE]
    ctl[S_ZE_FREE] = z
    freed(pr, A_ZE)
    freed(pr, A_ZOBJ)


@inner
def entry_read(st, pr, z):  # type: ignore[no-untyped-def]
    """Decompress the object of entry `z`: its content token."""
    chase(pr, R_ZE, z * ZE_WORDS)
    chase(pr, R_ZOBJ, z << u(9))
    common(pr, st, table.ZSWAP_LOAD, z)
    return st.ze[z * ZE_WORDS + Z_HANDLE]


@inner
def store_in(st, pr, tree, index, z):  # type: ignore[no-untyped-def]
    """``zswap_store_page``: enter `z` at `index` of `tree`; return the previous, stale entry, or 0."""
    lock(pr, st.ztree, tree * xa.HEAD_WORDS, L_ZTREE)
    old = xa.store(st.ztree, tree, st.zpool, pr, R_ZTREE, R_ZNODE, index, z << U2) >> U2
    unlock(pr, st.ztree, tree * xa.HEAD_WORDS, L_ZTREE)
    return old


@inner
def find_in(st, pr, tree, index):  # type: ignore[no-untyped-def]
    """Entry at `index` of `tree`, 0 if there is none."""
    return xa.load(st.ztree, tree, st.zpool, pr, R_ZTREE, R_ZNODE, index) >> U2


@called
def erase(st, pr, tree, index):  # type: ignore[no-untyped-def]
    """Take the entry at `index` out of tree `tree`, whose lock is held; 0 if there was none."""
    return xa.erase(st.ztree, tree, st.zpool, pr, R_ZTREE, R_ZNODE, index) >> U2


@inner
@hot
def erase_in(st, pr, tree, index):  # type: ignore[no-untyped-def]
    """Take the entry at `index` out of `tree`; 0 if there was none. An empty tree costs its lock, and the look that is counted."""
    z = U0
    lock(pr, st.ztree, tree * xa.HEAD_WORDS, L_ZTREE)
    if counts(pr) or st.ztree[tree * xa.HEAD_WORDS + xa.H_ENTRY] != U0:
        z = erase(st, pr, tree, index)
    unlock(pr, st.ztree, tree * xa.HEAD_WORDS, L_ZTREE)
    return z


@inner
def tree_store(st, pr, g, offset, z):  # type: ignore[no-untyped-def]
    """:func:`store_in` the tree of slot `g`, which has `offset` on its device."""
    return store_in(st, pr, g >> U14, offset, z)


@inner
def tree_find(st, pr, g, offset):  # type: ignore[no-untyped-def]
    """Entry of slot `g`, 0 if zswap has none."""
    return find_in(st, pr, g >> U14, offset)


@inner
@hot
def tree_erase(st, pr, g, offset):  # type: ignore[no-untyped-def]
    """:func:`erase_in` the tree of slot `g`."""
    return erase_in(st, pr, g >> U14, offset)
