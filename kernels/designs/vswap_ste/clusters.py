"""Virtual clusters of the swap-table edition: ordinary clusters whose headers are objects, found by number in an allocating xarray.

``struct swap_cluster_info_dynamic`` is a cluster header of 48 bytes with its number, an RCU head and a pointer to the virtual table behind
it: 80 bytes. The header proper lies in the array of all headers at the cluster's number, as that of a disk's cluster does. `vtail` has four
words for the rest of it:

==== =================================================
word content
==== =================================================
0    1 while the cluster is in the xarray
3    the virtual table: its number, which is the cluster's + 1; 0 for none
==== =================================================

The virtual device has number 0 and the first slots of all. The xarray gives out the lowest free number from 1 on. A cluster is made when
no partly used one is left, and freed with its last slot, also if a CPU allocates from it: that CPU's next lookup finds nothing.

Or the headers are an array in a sparse vmalloc area, which grows and shrinks as that of xswap does (``index=array``), with headers of 80
bytes. A lookup is arithmetic then, and a cluster without slots goes to the free list.
"""

from __future__ import annotations

from kernels import codes
from kernels.compiling.constants import ONES, U0, U1, U2, U3, U4
from kernels.compiling.jit import called, inner, u
from kernels.control import C_CLUSTER_SHIFT
from kernels.designs.vswap_ste.own import (
    A_VCLUSTER,
    A_VTABLE,
    C_INDEX,
    C_VCLUSTERS,
    C_VSLOTS,
    F_DYNAMIC,
    F_FREE_CLUSTER,
    L_VMAP,
    R_VMAP,
    R_VNODE,
    R_VTABLE,
    R_VTAIL,
)
from kernels.observing.lock import L_DEVICE, lock, unlock
from kernels.observing.probe import F_NONE, allocated, alone, freed, step, wrote
from kernels.structures import cluster as cl
from kernels.structures import cluster_lists, idalloc
from kernels.structures import xarray as xa

TAIL_WORDS, T_THERE, T_VTABLE = U4, U0, U3
ARRAY = U1  # C_INDEX


@inner
def is_virtual(st, g):  # type: ignore[no-untyped-def]
    """True if slot `g` is one of the virtual device, whose slots come first."""
    return g < st.ctl[C_VSLOTS]


@inner
def cluster_reach(st, pr, g):  # type: ignore[no-untyped-def]
    """``__swap_offset_to_cluster``: load the cluster of a virtual slot from the xarray; slot `g`, or ONES."""
    if not is_virtual(st, g) or st.ctl[C_INDEX] == ARRAY:
        return g
    shift = st.ctl[C_CLUSTER_SHIFT]
    c = xa.load(st.vhead, U0, st.vpool, pr, R_VMAP, R_VNODE, g >> shift) >> U2
    return c << shift | g & ((U1 << shift) - U1) if c != U0 else ONES


@called
def cluster_new(st, pr, d):  # type: ignore[no-untyped-def]
    """``alloc_swap_scan_dynamic``: a header with the lowest free number; the tables come with its first slot. The number + 1, or 0."""
    ctl = st.ctl
    if d != codes.ZSWAP or ctl[C_INDEX] == ARRAY:
        return U0
    step(pr, F_DYNAMIC)
    lock(pr, st.vhead, xa.H_LOCK, L_VMAP)
    c, node = idalloc.find_free(st.vhead, U0, st.vpool, pr, R_VMAP, R_VNODE, U1)
    there = c < ctl[C_VCLUSTERS]
    if there:
        idalloc.put(st.vhead, U0, st.vpool, pr, R_VMAP, R_VNODE, node, c, c << U2)
    unlock(pr, st.vhead, xa.H_LOCK, L_VMAP)
    if there:
        st.vtail[c * TAIL_WORDS + T_THERE] = U1
        alone(pr, True)
        wrote(pr, R_VTAIL, c * TAIL_WORDS)
        alone(pr, False)
        allocated(pr, A_VCLUSTER)
    step(pr, F_NONE)
    return c + U1 if there else U0


@called
def cluster_gone(st, pr, d, c):  # type: ignore[no-untyped-def]
    """``vswap_free_cluster``: take the cluster off its list and out of the xarray; its tables went with the last slot."""
    if d != codes.ZSWAP or st.ctl[C_INDEX] == ARRAY:
        return False
    ci = c * cl.CI_WORDS
    step(pr, F_FREE_CLUSTER)
    if st.cluster[ci + cl.CI_LIST] != 0:
        lock(pr, st.dev, cl.D_LOCK, L_DEVICE)
        cluster_lists.list_del(st, pr, d, c)
        unlock(pr, st.dev, cl.D_LOCK, L_DEVICE)
    st.cluster[ci + cl.CI_NEXT] = st.cluster[ci + cl.CI_PREV] = 0
    lock(pr, st.vhead, xa.H_LOCK, L_VMAP)
    xa.erase(st.vhead, U0, st.vpool, pr, R_VMAP, R_VNODE, c)
    unlock(pr, st.vhead, xa.H_LOCK, L_VMAP)
    st.vtail[c * TAIL_WORDS + T_THERE] = U0
    freed(pr, A_VCLUSTER)
    step(pr, F_NONE)
    return True


@called
def vtable_new(st, pr, g):  # type: ignore[no-untyped-def]
    """Give the cluster of virtual slot `g` a zeroed virtual table (``vswap_cluster_alloc_vtable``)."""
    shift = st.ctl[C_CLUSTER_SHIFT]
    c, size = g >> shift, U1 << shift
    st.vtail[c * TAIL_WORDS + T_VTABLE] = c + U1
    wrote(pr, R_VTAIL, c * TAIL_WORDS)
    for i in range(size + c * size, size + c * size + size):
        st.vtable[u(i)] = U0
        wrote(pr, R_VTABLE, u(i))
    allocated(pr, A_VTABLE)


@inner
def vtable_free(st, pr, g):  # type: ignore[no-untyped-def]
    """Free the virtual table of the cluster of virtual slot `g`."""
    at = (g >> st.ctl[C_CLUSTER_SHIFT]) * TAIL_WORDS
    st.vtail[at + T_VTABLE] = U0
    wrote(pr, R_VTAIL, at)
    freed(pr, A_VTABLE)
