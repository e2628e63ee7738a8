"""Virtual slots (mm/vswap.c of April 2025): one xarray from a slot to its descriptor, one that counts the slots of each virtual cluster.

Every function of the series walks the map to the descriptor anew. The map's lock is taken where a slot is allocated and freed, the
lock of a descriptor where its backing is asked for or written. References are atomics. Words of a descriptor, from the backing on:

==== ==============================================================================================================
word content
==== ==============================================================================================================
-1   v1 only: the virtual slot
0    backing: swap entry of a slot, zswap entry, nothing; for a zero page the model's content token
1, 2 RCU head
3    rwlock
4    type in bits 0 and 1, memcg u16 << 32
5    v1: in_swapcache u32, kref << 32 (PTEs and the swap cache); v2: swap_refs, PTEs << 1 and the swap cache in bit 0
6    v1 only: swap_count u32
==== ==============================================================================================================

With more than one *shard* a slot is ``shard << 32 | index``. Map, counts, swap cache and zswap tree then have a tree and a lock for each
shard, and a CPU allocates from the shard of its number: the static partition that the cover letter measured. Index 0 is never given out.
"""

from __future__ import annotations

from kernels.compiling.atomic import prefetch
from kernels.compiling.constants import LOW16, LOW32, U0, U1, U2, U3, U4, U5, U6, U8, U32
from kernels.compiling.jit import called, inner
from kernels.designs.vswap_rfc import own
from kernels.designs.vswap_rfc.own import L_COUNTS, L_RDESC, L_SPACE, R_COUNTS, R_COUNTS_NODE, R_RDESC, R_SPACE, R_SPACE_NODE
from kernels.observing.atomics import atomic_add, atomic_or, atomic_sub
from kernels.observing.lock import lock, unlock
from kernels.observing.probe import F_NONE, allocated, alone, chase, freed, step, touch, wrote
from kernels.structures import idalloc, leaves
from kernels.structures import xarray as xa

D_LOCK, D_KIND, D_REFS, D_COUNT = U3, U4, U5, U6
SWAPFILE, ZERO, ZSWAP, FOLIO = U0, U1, U2, U3  # enum swap_type
SPLIT = U8  # C_RSTRIDE of v1, whose counters are words of their own
KREF = U1 << U32


@inner
def shard_of(st, value):  # type: ignore[no-untyped-def]
    """Partition of virtual slot `value`."""
    return value >> U32


@inner
def index_of(value):  # type: ignore[no-untyped-def]
    """Index of virtual slot `value` in its partition."""
    return value & LOW32


@inner
def at(st, d):  # type: ignore[no-untyped-def]
    """Word of the backing of descriptor `d`."""
    return d * st.ctl[own.C_RSTRIDE] + (U1 if st.ctl[own.C_RSTRIDE] == SPLIT else U0)


@inner
def type_of(st, d):  # type: ignore[no-untyped-def]
    """Type of the backing of descriptor `d`."""
    return st.descriptors[at(st, d) + D_KIND] & U3


@inner
def owner_of(st, d):  # type: ignore[no-untyped-def]
    """Memory cgroup of descriptor `d`, 0 if none."""
    return st.descriptors[at(st, d) + D_KIND] >> U32 & LOW16


@inner
def count_of(st, d):  # type: ignore[no-untyped-def]
    """PTEs that hold the virtual slot of descriptor `d`."""
    if st.ctl[own.C_RSTRIDE] == SPLIT:
        return st.descriptors[at(st, d) + D_COUNT] & LOW32
    return st.descriptors[at(st, d) + D_REFS] >> U1


@inner
def is_cached(st, d):  # type: ignore[no-untyped-def]
    """True if the swap cache has the slot, or another task is about to put it there."""
    return st.descriptors[at(st, d) + D_REFS] & U1 != U0


@inner
def peek(st, value):  # type: ignore[no-untyped-def]
    """Descriptor of `value`, 0 if it is not allocated; counts nothing."""
    return leaves.peek(st.slothead, shard_of(st, value), st.slotpool, index_of(value)) >> U2


@called
def find(st, pr, value):  # type: ignore[no-untyped-def]
    """Descriptor of `value` from the map (``xa_load``), 0 if it is not allocated."""
    d = xa.load(st.slothead, shard_of(st, value), st.slotpool, pr, R_SPACE, R_SPACE_NODE, index_of(value)) >> U2
    if d != U0:
        chase(pr, R_RDESC, at(st, d))
    return d


@inner
def hold(st, pr, d):  # type: ignore[no-untyped-def]
    """Take the lock of descriptor `d`, for reading or writing: either way a section that other CPUs wait for, and a line written."""
    lock(pr, st.descriptors, at(st, d) + D_LOCK, L_RDESC)
    wrote(pr, R_RDESC, at(st, d) + D_LOCK)


@inner
def leave(st, pr, d):  # type: ignore[no-untyped-def]
    """Release the lock of descriptor `d`."""
    unlock(pr, st.descriptors, at(st, d) + D_LOCK, L_RDESC)


@called
def ask(st, pr, value, function):  # type: ignore[no-untyped-def]
    """Ask what backs `value`, in the kernel's `function`: a walk, and a section of the descriptor's lock; its descriptor or 0."""
    step(pr, function)
    d = find(st, pr, value)
    if d != U0:
        hold(st, pr, d)
        touch(pr, R_RDESC, at(st, d) + D_KIND)
        leave(st, pr, d)
    step(pr, F_NONE)
    return d


@called
def look(st, pr, value, function):  # type: ignore[no-untyped-def]
    """Read the count or the owner of `value`, in the kernel's `function`: a walk, no lock; its descriptor or 0."""
    step(pr, function)
    d = find(st, pr, value)
    if d != U0:
        touch(pr, R_RDESC, at(st, d) + D_REFS)
    step(pr, F_NONE)
    return d


@inner
def back_with(st, pr, d, kind, backing):  # type: ignore[no-untyped-def]
    """Write type and backing of descriptor `d`, its lock held or nobody knowing it yet."""
    word = at(st, d)
    st.descriptors[word] = backing
    st.descriptors[word + D_KIND] = st.descriptors[word + D_KIND] & ~U3 | kind
    wrote(pr, R_RDESC, word)
    wrote(pr, R_RDESC, word + D_KIND)


@called
def cache_pin(st, pr, d):  # type: ignore[no-untyped-def]
    """Enter the swap cache among the references of descriptor `d` (``swapcache_prepare``)."""
    word = at(st, d) + D_REFS
    if st.ctl[own.C_RSTRIDE] == SPLIT:
        atomic_add(pr, R_RDESC, word, st.descriptors, word, KREF)
    atomic_or(pr, R_RDESC, word, st.descriptors, word, U1)


@called
def cache_unpin(st, pr, d):  # type: ignore[no-untyped-def]
    """Take the swap cache off the references of descriptor `d` (``swapcache_clear``); true if nothing is left."""
    word = at(st, d) + D_REFS
    atomic_sub(pr, R_RDESC, word, st.descriptors, word, U1)
    if st.ctl[own.C_RSTRIDE] == SPLIT:
        atomic_sub(pr, R_RDESC, word, st.descriptors, word, KREF)
    return st.descriptors[word] == U0


@called
def count_up(st, pr, d):  # type: ignore[no-untyped-def]
    """Add a PTE to the references of descriptor `d`: one atomic, or one each for kref and count."""
    word = at(st, d) + D_REFS
    if st.ctl[own.C_RSTRIDE] == SPLIT:
        atomic_add(pr, R_RDESC, word, st.descriptors, word, KREF)
        atomic_add(pr, R_RDESC, word + U1, st.descriptors, word + U1, U1)
    else:
        atomic_add(pr, R_RDESC, word, st.descriptors, word, U2)


@called
def count_down(st, pr, d):  # type: ignore[no-untyped-def]
    """Take a PTE off the references of descriptor `d`; 0: PTEs are left, 1: only the swap cache, 2: nothing."""
    word = at(st, d) + D_REFS
    touch(pr, R_RDESC, word)
    if st.ctl[own.C_RSTRIDE] == SPLIT:
        atomic_sub(pr, R_RDESC, word + U1, st.descriptors, word + U1, U1)
        atomic_sub(pr, R_RDESC, word, st.descriptors, word, KREF)
    else:
        atomic_sub(pr, R_RDESC, word, st.descriptors, word, U2)
    if count_of(st, d) != U0:
        return U0
    return U1 if is_cached(st, d) else U2


@called
def count_cluster(st, pr, value, up):  # type: ignore[no-untyped-def]
    """Count one slot more or less of the virtual cluster of `value` (vswap_cluster_map), the lock of the map held."""
    h, c = shard_of(st, value), index_of(value) >> st.ctl[own.C_RSHIFT]
    old = xa.load(st.counthead, h, st.countpool, pr, R_COUNTS, R_COUNTS_NODE, c) >> U1
    new = old + U1 if up else old - U1
    lock(pr, st.counthead, h * xa.HEAD_WORDS + xa.H_LOCK, L_COUNTS)
    if new != U0:
        xa.store(st.counthead, h, st.countpool, pr, R_COUNTS, R_COUNTS_NODE, c, xa.mk_value(new))
    else:
        xa.erase(st.counthead, h, st.countpool, pr, R_COUNTS, R_COUNTS_NODE, c)
    unlock(pr, st.counthead, h * xa.HEAD_WORDS + xa.H_LOCK, L_COUNTS)
    if old == U0:
        st.ctl[own.S_RCOUNTS] += U1
        st.ctl[own.S_RCOUNTS_PEAK] = max(st.ctl[own.S_RCOUNTS_PEAK], st.ctl[own.S_RCOUNTS])
    elif new == U0:
        st.ctl[own.S_RCOUNTS] -= U1


@inner
def take(st, pr):  # type: ignore[no-untyped-def]
    """Allocate a descriptor (``kmem_cache_alloc``); it has the swap cache as its one reference. 0 if none is left."""
    ctl = st.ctl
    d = ctl[own.S_RDESC_FREE]
    if d != U0:
        ctl[own.S_RDESC_FREE] = st.descriptors[at(st, d)]
    else:
        d = ctl[own.S_RDESC_HIGH]
        if d > ctl[own.C_RDESCS]:
            return U0
        ctl[own.S_RDESC_HIGH] = d + U1
    ctl[own.S_RDESC_LIVE] += U1
    ctl[own.S_RDESC_PEAK] = max(ctl[own.S_RDESC_PEAK], ctl[own.S_RDESC_LIVE])
    allocated(pr, own.A_RDESC)
    word = at(st, d)
    st.descriptors[word + D_KIND] = U0
    st.descriptors[word + D_REFS] = U1 | KREF if ctl[own.C_RSTRIDE] == SPLIT else U1
    if ctl[own.C_RSTRIDE] == SPLIT:
        st.descriptors[word + D_COUNT] = U0
    alone(pr, True)
    back_with(st, pr, d, SWAPFILE, U0)
    wrote(pr, R_RDESC, word + D_LOCK)
    wrote(pr, R_RDESC, word + D_REFS)
    alone(pr, False)
    return d


@called
def alloc(st, pr, cpu):  # type: ignore[no-untyped-def]
    """``vswap_alloc`` for one page: a descriptor, and the lowest free slot of the partition of `cpu`; the slot, 0 if there is none."""
    step(pr, own.F_ALLOC)
    d = take(st, pr)
    if d == U0:
        step(pr, F_NONE)
        return U0
    h = cpu % st.ctl[own.C_SHARDS]
    lock(pr, st.slothead, h * xa.HEAD_WORDS + xa.H_LOCK, L_SPACE)
    index = idalloc.alloc(st.slothead, h, st.slotpool, pr, R_SPACE, R_SPACE_NODE, U1, LOW32, d << U2)
    value = h << U32 | index
    count_cluster(st, pr, value, True)
    unlock(pr, st.slothead, h * xa.HEAD_WORDS + xa.H_LOCK, L_SPACE)
    if st.ctl[own.C_RSTRIDE] == SPLIT:
        st.descriptors[d * SPLIT] = value
        alone(pr, True)
        wrote(pr, R_RDESC, d * SPLIT)
        alone(pr, False)
    step(pr, F_NONE)
    return value


@called
def release_slot(st, pr, value, d):  # type: ignore[no-untyped-def]
    """``release_vswap_slot`` and ``kfree_rcu``: `value` is free for reuse, its descriptor `d` after a grace period."""
    step(pr, own.F_RELEASE_SLOT)
    h = shard_of(st, value)
    lock(pr, st.slothead, h * xa.HEAD_WORDS + xa.H_LOCK, L_SPACE)
    xa.erase(st.slothead, h, st.slotpool, pr, R_SPACE, R_SPACE_NODE, index_of(value))
    count_cluster(st, pr, value, False)
    unlock(pr, st.slothead, h * xa.HEAD_WORDS + xa.H_LOCK, L_SPACE)
    st.descriptors[at(st, d)] = st.ctl[own.S_RDESC_FREE]
    st.ctl[own.S_RDESC_FREE] = d
    st.ctl[own.S_RDESC_LIVE] -= U1
    alone(pr, True)
    wrote(pr, R_RDESC, at(st, d) + U1)  # the RCU head
    alone(pr, False)
    freed(pr, own.A_RDESC)
    step(pr, F_NONE)


@called
def fetch_near(st, pr, value):  # type: ignore[no-untyped-def]
    """Prefetch the leaf of the map."""
    leaves.leaf(st.slothead, shard_of(st, value), st.slotpool, index_of(value))


@called
def fetch_entry(st, pr, value):  # type: ignore[no-untyped-def]
    """Prefetch the descriptor of `value`, and its leaf of the swap cache."""
    prefetch(st.descriptors, at(st, peek(st, value)))
    leaves.leaf(st.space, shard_of(st, value), st.cpool, index_of(value))
