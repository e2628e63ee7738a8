"""The cluster array of xswap: a sparse vmalloc area, of which the front is mapped, a chunk of clusters at a time.

``&si->cluster_info[i]`` stays what it is, so no lookup is any different. Allocation that finds no free cluster maps the next chunk. A
free that leaves a cluster empty, with at most half of the mapped clusters in use, unmaps whole chunks at the end that have no slot in
use, but for one that the next allocation may take. A chunk is the clusters that fit into a page. A page holds clusters of two chunks
where they do not meet its edge.
"""

from __future__ import annotations

from kernels import codes
from kernels.compiling.constants import U0, U1, U2
from kernels.compiling.jit import called, inner, u
from kernels.control import C_CPUS
from kernels.designs.swap_table import table as swap_table
from kernels.designs.xswap.own import (
    A_ARRAY,
    C_ARRAY_LIMIT,
    C_CEILING,
    C_CHUNK,
    C_HEADER,
    F_GROW,
    F_SHRINK,
    F_UNMAP,
    L_XSWAP,
    R_ARRAY,
    S_ARRAY_PAGES,
    S_GROWN,
    S_MAPPED,
    S_MAPPED_PEAK,
    S_NOT_GROWN,
    S_SHRUNK,
    S_USED_CLUSTERS,
    S_XSWAP_LOCK,
)
from kernels.observing.lock import L_CLUSTER, L_DEVICE, lock, trylock, unlock
from kernels.observing.probe import F_NONE, R_CLUSTER, R_PERCPU, allocated, freed, step, touch, wrote
from kernels.structures import orders
from kernels.structures.cluster import (
    CI_COUNT,
    CI_NEXT,
    CI_PREV,
    CI_WORDS,
    CPU_WORDS,
    D_CLUSTERS,
    D_LOCK,
    D_SLOTS,
    FREE_LIST,
    ci_of,
)  # fmt: skip
from kernels.structures.cluster_lists import list_add_tail, list_del

PAGE = u(4096)
CHUNK = int(PAGE) // 48  # bytes of struct swap_cluster_info of phase IV (mm/swap.h), the default of C_HEADER
HEADER_WORDS = u(4)  # of 64 bits, as a header of the model
# xswap is device 0, which has the first slots and clusters


@inner
def pages_of(st, clusters):  # type: ignore[no-untyped-def]
    """Pages that hold the headers of the first `clusters` clusters."""
    return (clusters * st.ctl[C_HEADER] + PAGE - U1) // PAGE


@inner
def set_mapped(st, pr, clusters):  # type: ignore[no-untyped-def]
    """Note that the first `clusters` clusters are mapped."""
    wrote(pr, R_ARRAY, U0)
    st.ctl[S_MAPPED] = clusters
    st.ctl[S_ARRAY_PAGES] = pages_of(st, clusters)
    st.dev[D_CLUSTERS] = clusters


@called
def clusters_grow(st, pr, d):  # type: ignore[no-untyped-def]
    """Map the next chunk, and put its clusters on the free list; false at the end of the area, or if there is no page."""
    ctl, first = st.ctl, st.ctl[S_MAPPED]
    if d != codes.ZSWAP or first == ctl[C_CEILING]:
        return False
    step(pr, F_GROW)
    lock(pr, ctl, S_XSWAP_LOCK, L_XSWAP)
    end = min(first + ctl[C_CHUNK], ctl[C_CEILING])
    there = ctl[C_ARRAY_LIMIT] == U0 or pages_of(st, end) <= ctl[C_ARRAY_LIMIT]
    if there:
        for _ in range(ctl[S_ARRAY_PAGES], pages_of(st, end)):
            allocated(pr, A_ARRAY)
        lock(pr, st.dev, D_LOCK, L_DEVICE)
        for c in range(first, end):
            list_add_tail(st, pr, d, u(c), FREE_LIST)
        set_mapped(st, pr, end)
        unlock(pr, st.dev, D_LOCK, L_DEVICE)
        ctl[S_MAPPED_PEAK] = max(ctl[S_MAPPED_PEAK], end)
    ctl[S_GROWN if there else S_NOT_GROWN] += U1
    unlock(pr, ctl, S_XSWAP_LOCK, L_XSWAP)
    step(pr, F_NONE)
    return there


@inner
def slot_mark(st, pr, g, used):  # type: ignore[no-untyped-def]
    """Mark the slot, and count the clusters of the device that have one in use."""
    count = u(st.cluster[ci_of(st, g) + CI_COUNT])
    swap_table.slot_mark(st, pr, g, used)
    if g < st.dev[D_SLOTS]:
        if used and count == U0:
            st.ctl[S_USED_CLUSTERS] += U1
        elif not used and count == U1:
            st.ctl[S_USED_CLUSTERS] -= U1


@called
def try_shrink(st, pr):  # type: ignore[no-untyped-def]
    """``xswap_try_shrink``, where a look without a lock says that it may be worth it. No lock is held."""
    mapped = st.ctl[S_MAPPED]
    if mapped > st.ctl[C_CHUNK] and st.ctl[S_USED_CLUSTERS] * U2 <= mapped:
        shrink(st, pr)


@called
def shrink(st, pr):  # type: ignore[no-untyped-def]
    """Unmap what is behind the last slot in use, a spare chunk apart."""
    ctl, chunk = st.ctl, st.ctl[C_CHUNK]
    step(pr, F_SHRINK)
    lock(pr, ctl, S_XSWAP_LOCK, L_XSWAP)
    end = ctl[S_MAPPED]
    while end != U0 and st.cluster[(end - U1) * CI_WORDS + CI_COUNT] == 0:
        touch(pr, R_CLUSTER, (end - U1) * HEADER_WORDS)
        end -= U1
    keep = (end + chunk - U1) // chunk * chunk + chunk
    if keep < ctl[S_MAPPED]:
        unmap(st, pr, keep)
        ctl[S_SHRUNK] += U1
    unlock(pr, ctl, S_XSWAP_LOCK, L_XSWAP)
    step(pr, F_NONE)


@called
def unmap(st, pr, keep):  # type: ignore[no-untyped-def]
    """Take all but the first `keep` clusters off their list and off the CPUs, and free the pages behind them."""
    ctl = st.ctl
    step(pr, F_UNMAP)
    for cpu in range(ctl[C_CPUS]):
        at = u(cpu) * CPU_WORDS
        if u(st.percpu[at]) > keep:
            st.percpu[at] = 0
            wrote(pr, R_PERCPU, at >> U1)
        orders.forget_beyond(st, pr, codes.ZSWAP, u(cpu), keep)
    lock(pr, st.dev, D_LOCK, L_DEVICE)
    for c in range(keep, ctl[S_MAPPED]):
        trylock(pr, st.cluster, u(c) * CI_WORDS, L_CLUSTER)
        list_del(st, pr, codes.ZSWAP, u(c))
        st.cluster[u(c) * CI_WORDS + CI_NEXT] = st.cluster[u(c) * CI_WORDS + CI_PREV] = 0
        unlock(pr, st.cluster, u(c) * CI_WORDS, L_CLUSTER)
    pages = ctl[S_ARRAY_PAGES]
    set_mapped(st, pr, keep)
    unlock(pr, st.dev, D_LOCK, L_DEVICE)
    for _ in range(ctl[S_ARRAY_PAGES], pages):
        freed(pr, A_ARRAY)


@called
def destroy(st, pr):  # type: ignore[no-untyped-def]
    """``xswap_destroy``: give the whole array back. The device is off, and no slot of it is in use."""
    lock(pr, st.ctl, S_XSWAP_LOCK, L_XSWAP)
    unmap(st, pr, U0)
    unlock(pr, st.ctl, S_XSWAP_LOCK, L_XSWAP)
    step(pr, F_NONE)
