"""Virtual clusters (mm/vswap.c as posted, D10 and D11): 512 swap descriptors behind one lock, found by their id in one xarray.

A virtual slot is ``id << 9 | offset``. A lookup loads the cluster of its id from the
map, takes the cluster's lock, asks the bitmap whether the slot is allocated, and looks
at its descriptor. This is one *round*. The versions differ in the number of rounds for
an operation. The array ``vmem`` holds clusters in the layout of the version. Header
words:

===== =======================================================================================================
word  content
===== =======================================================================================================
0     spin lock
1, 2  next and previous of the partial list (cluster 0 is its head), or next free; RCU head while dying
3     id
4     slots in use, 16 bits; CURRENT (it is a CPU's allocation cluster), FULL; order from bit 20 on; references in bits 32..63
5..12 bitmap of the allocated slots among the 512
13    pointer to the descriptors, where they are an object of their own (112 B header; else 104 B and 12,288 B in one)
===== =======================================================================================================

A descriptor has three words: the backing (swap entry of a slot, zswap entry, nothing;
for a zero page the model's content token), the folio << 2 or a shadow, and count u32,
memcg u16 << 32, in-cache bit 48, type << 49. A cluster has a reference for each slot in
use, one for the CPU that allocates from it, and one for each lookup cache that names
it. A cluster is freed when no slot is left and no CPU allocates from it. Lookup caches
that name it are emptied then. Numbers of clusters stand for their addresses.

A cluster gives out aligned runs of one order for life: 2^order slots for a folio of as many pages (``__vswap_alloc_from_cluster``). Each
order has a partial list and a cluster of each CPU. Numbers behind C_VMOST are the heads of the lists of orders from 1 on, cluster 0 is
that of order 0. `vcpu` has the CPUs' clusters of orders from 1 on behind the words of all CPUs, 16 words for each.
"""

from __future__ import annotations

from kernels.compiling.atomic import prefetch
from kernels.compiling.constants import LOW16, LOW32, U0, U1, U2, U3, U4, U5, U6, U8, U32, U48, U63
from kernels.compiling.jit import called, inner, u
from kernels.designs.vswap import own
from kernels.designs.vswap.own import L_VCLUSTER
from kernels.observing.atomics import atomic_add
from kernels.observing.lock import lock, unlock
from kernels.observing.probe import chase, touch, wrote
from kernels.structures import leaves
from kernels.structures import xarray as xa

H_LOCK, H_NEXT, H_PREV, H_ID, H_STATE, H_BITS, H_POINTER = U0, U1, U2, U3, U4, U5, u(13)
ONE_HEADER, SPLIT_HEADER = 13, 14  # words: 40 and 48 bytes, and the bitmap of 64
OBJECT_WORDS = 16384 // 8  # kvmalloc rounds 12,392 bytes up to four pages
DESC_WORDS = U3
CURRENT, FULL, REF, UNREF = u(1 << 16), u(1 << 17), U1 << U32, u((1 << 64) - (1 << 32))
ORDER_AT, ORDER_BITS, HEADS = u(20), u(15), 9  # lists of orders 1..9
D_CACHE, D_STATE = U1, U2
IN_CACHE, TYPE_AT = U1 << U48, u(49)
SWAPFILE, ZERO, ZSWAP, FOLIO = U0, U1, U2, U3  # enum swap_type
SHADOW = U3
HINT = U1 << U63  # of a reverse word: no PTE holds the slot, the swap cache alone does
CPU_WORDS, P_CURRENT, P_ID, P_CLUSTER = U8, U0, U1, U2  # vcpu: allocation cluster; lookup cache: id + 1, cluster
ORDER_WORDS = u(16)  # of a CPU, behind those of all CPUs: its allocation clusters of orders from 1 on
SEPARATE, MERGED = U0, U1  # C_VROUNDS
LATE, EARLY = U0, U1  # C_VCHARGE
COLLECTING = U0  # C_VOWNER


@inner
def header(st, c):  # type: ignore[no-untyped-def]
    """First word of cluster `c`. Where descriptors are apart, headers behind the first C_VCLUSTERS lie behind them."""
    return c * st.ctl[own.C_VHEADER] + (st.ctl[own.C_VBEHIND] if c > st.ctl[own.C_VCLUSTERS] else U0)


@inner
def offset_of(st, value):  # type: ignore[no-untyped-def]
    """Offset of virtual slot `value` in its cluster."""
    return value & ((U1 << st.ctl[own.C_VSHIFT]) - U1)


@inner
def desc_of(st, c, value):  # type: ignore[no-untyped-def]
    """First word of the descriptor of `value`, which lies in cluster `c`."""
    return st.ctl[own.C_VDESC] + c * st.ctl[own.C_VDESC_STRIDE] + offset_of(st, value) * DESC_WORDS


@inner
def type_of(st, d):  # type: ignore[no-untyped-def]
    """Type of the backing of the descriptor at `d`."""
    return st.vmem[d + D_STATE] >> TYPE_AT & U3


@inner
def count_of(st, d):  # type: ignore[no-untyped-def]
    """PTEs that hold the slot of the descriptor at `d`."""
    return st.vmem[d + D_STATE] & LOW32


@inner
def order_of(st, c):  # type: ignore[no-untyped-def]
    """Order of the runs that cluster `c` gives out."""
    return st.vmem[header(st, c) + H_STATE] >> ORDER_AT & ORDER_BITS


@inner
def is_cached(st, d):  # type: ignore[no-untyped-def]
    """True if the swap cache has the slot, or another task is about to put it there."""
    return st.vmem[d + D_STATE] & IN_CACHE != U0


@inner
def back_with(st, pr, d, kind, backing):  # type: ignore[no-untyped-def]
    """Write type and backing of the descriptor at `d`."""
    st.vmem[d] = backing
    st.vmem[d + D_STATE] = st.vmem[d + D_STATE] & ~(U3 << TYPE_AT) | kind << TYPE_AT
    wrote(pr, own.R_VDESC, d)
    wrote(pr, own.R_VDESC, d + D_STATE)


@inner
def owner_of(st, d):  # type: ignore[no-untyped-def]
    """Memory cgroup of the descriptor at `d`, 0 if none."""
    return st.vmem[d + D_STATE] >> U32 & LOW16


@inner
def has_bit(st, c, value):  # type: ignore[no-untyped-def]
    """True if `value` is allocated in cluster `c`."""
    i = offset_of(st, value)
    return st.vmem[header(st, c) + H_BITS + (i >> U6)] >> (i & U63) & U1 != U0


@called
def find(st, pr, value):  # type: ignore[no-untyped-def]
    """Cluster of `value`, 0 if there is none: from this CPU's lookup cache if it has it, else from the map (``xa_load``)."""
    ctl, vid = st.ctl, value >> st.ctl[own.C_VSHIFT]
    at = ctl[own.S_CPU] * CPU_WORDS
    if ctl[own.C_VLOOKUP] != U0:
        touch(pr, own.R_VCPU, at)
        if st.vcpu[at + P_ID] == vid + U1:
            ctl[own.S_LOOKUP_HITS] += U1
            chase(pr, own.R_VCLUSTER, header(st, st.vcpu[at + P_CLUSTER]))
            return st.vcpu[at + P_CLUSTER]
        ctl[own.S_LOOKUP_MISSES] += U1
    c = load(st, pr, value)
    if c != U0 and ctl[own.C_VLOOKUP] != U0:
        if st.vcpu[at + P_CLUSTER] != U0:
            forget(st, pr, at)
        reference(st, pr, c, REF)
        st.vcpu[at + P_ID] = vid + U1
        st.vcpu[at + P_CLUSTER] = c
        wrote(pr, own.R_VCPU, at)
    return c


@inner
def load(st, pr, value):  # type: ignore[no-untyped-def]
    """Cluster of `value` from the map (``xa_load``), 0 if there is none."""
    c = xa.load(st.vhead, U0, st.vpool, pr, own.R_VMAP, own.R_VNODE, value >> st.ctl[own.C_VSHIFT]) >> U2
    if c != U0:
        chase(pr, own.R_VCLUSTER, header(st, c))
    return c


@inner
def forget(st, pr, at):  # type: ignore[no-untyped-def]
    """Drop the reference of the lookup cache at `at`."""
    reference(st, pr, st.vcpu[at + P_CLUSTER], UNREF)
    st.vcpu[at + P_ID] = U0
    st.vcpu[at + P_CLUSTER] = U0
    wrote(pr, own.R_VCPU, at)


@inner
def reference(st, pr, c, by):  # type: ignore[no-untyped-def]
    """Change the reference count of cluster `c` (``refcount_t``)."""
    atomic_add(pr, own.R_VCLUSTER, header(st, c) + H_STATE, st.vmem, header(st, c) + H_STATE, by)


@inner
def hold(st, pr, c):  # type: ignore[no-untyped-def]
    """Take the lock of cluster `c`."""
    lock(pr, st.vmem, header(st, c), L_VCLUSTER)
    wrote(pr, own.R_VCLUSTER, header(st, c))


@inner
def leave(st, pr, c):  # type: ignore[no-untyped-def]
    """Release the lock of cluster `c`."""
    unlock(pr, st.vmem, header(st, c), L_VCLUSTER)


@called
def enter(st, pr, value):  # type: ignore[no-untyped-def]
    """Begin a round, up to the descriptor: the cluster of `value` with its lock held; 0, and no lock, if the slot is not allocated."""
    c = find(st, pr, value)
    if c != U0:
        hold(st, pr, c)
        touch(pr, own.R_VCLUSTER, header(st, c) + H_BITS + (offset_of(st, value) >> U6))
        if has_bit(st, c, value):
            see(st, pr, c, value)
            return c
        leave(st, pr, c)
    return U0


@inner
def see(st, pr, c, value):  # type: ignore[no-untyped-def]
    """Look at the descriptor: behind the header, or behind a pointer in it."""
    d = desc_of(st, c, value)
    if st.ctl[own.C_VSPLIT] != U0:
        touch(pr, own.R_VCLUSTER, header(st, c) + H_POINTER)
        chase(pr, own.R_VDESC, d)
    else:
        touch(pr, own.R_VDESC, d)
    touch(pr, own.R_VDESC, d + D_STATE)
    return d


@inner
def see_next(st, pr, c, value):  # type: ignore[no-untyped-def]
    """Look at a descriptor beside one that :func:`see` has found, in the same section."""
    d = desc_of(st, c, value)
    touch(pr, own.R_VDESC, d)
    touch(pr, own.R_VDESC, d + D_STATE)
    return d


@called
def look(st, pr, value):  # type: ignore[no-untyped-def]
    """Make a round that only looks; return the first word of the descriptor, 0 if the slot is not allocated."""
    c = enter(st, pr, value)
    if c == U0:
        return U0
    leave(st, pr, c)
    return desc_of(st, c, value)


@called
def cached_folio(st, pr, value):  # type: ignore[no-untyped-def]
    """``swap_cache_get_folio``: return the folio of `value` in the swap cache, 0 if none; one round."""
    d = look(st, pr, value)
    if d == U0 or not is_cached(st, d) or st.vmem[d + D_CACHE] & U3 != U0:
        return U0
    return st.vmem[d + D_CACHE] >> U2


@called
def number_of(st, value):  # type: ignore[no-untyped-def]
    """Cluster of `value`, 0 if there is none. This is the model's own look, which counts nothing."""
    vid, at = value >> st.ctl[own.C_VSHIFT], st.ctl[own.S_CPU] * CPU_WORDS
    if st.vcpu[at + P_ID] == vid + U1:
        return st.vcpu[at + P_CLUSTER]
    return leaves.peek(st.vhead, U0, st.vpool, vid) >> U2


@called
def peek(st, value):  # type: ignore[no-untyped-def]
    """First word of the descriptor of `value`, 0 if it is not allocated; counts nothing."""
    c = number_of(st, value)
    return desc_of(st, c, value) if c != U0 and has_bit(st, c, value) else U0


@called
def fetch_near(st, pr, value):  # type: ignore[no-untyped-def]
    """Prefetch header and descriptor of `value` (:mod:`kernels.life.prefetch`)."""
    c = number_of(st, value)
    prefetch(st.vmem, header(st, c))
    prefetch(st.vmem, header(st, c) + H_BITS + (offset_of(st, value) >> U6))
    prefetch(st.vmem, desc_of(st, c, value))
