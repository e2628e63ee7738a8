"""Allocation of virtual slots (``folio_alloc_swap`` of mm/vswap.c): of the CPU's cluster of an order, of a partly used one, of a new one.

Kernel functions are those of v6 (20260505153854.1612033-1-nphamcs@gmail.com); v3 has the same as ``vswap_alloc``. A cluster that has
slots enough, but none of its runs free, is full until the next slot of it is freed.
"""

from __future__ import annotations

from kernels.compiling.atomic import ctz
from kernels.compiling.constants import LOW16, LOW32, ONES, U0, U1, U2, U6, U32, U63
from kernels.compiling.jit import called, inner, u
from kernels.control import C_CPUS
from kernels.designs.vswap import own
from kernels.designs.vswap.clusters import (
    CPU_WORDS,
    CURRENT,
    D_CACHE,
    D_STATE,
    DESC_WORDS,
    FOLIO,
    FULL,
    H_BITS,
    H_ID,
    H_NEXT,
    H_POINTER,
    H_PREV,
    H_STATE,
    IN_CACHE,
    ORDER_AT,
    ORDER_WORDS,
    P_CURRENT,
    REF,
    UNREF,
    back_with,
    desc_of,
    header,
    hold,
    leave,
    order_of,
    reference,
    see,
    see_next,
)
from kernels.designs.vswap.own import L_VCLUSTER, L_VMAP
from kernels.memory import CACHED, F_ENTRY, F_VALUE, f_set, f_word
from kernels.observing.atomics import atomic_add
from kernels.observing.lock import lock, trylock, unlock
from kernels.observing.probe import allocated, alone, chase, touch, wrote
from kernels.observing.shared import modify, shared, together
from kernels.structures import idalloc
from kernels.structures import xarray as xa


@inner
def room(st, c):  # type: ignore[no-untyped-def]
    """``cluster_is_alloc_candidate``: so many slots of cluster `c` are free as a run of its order has."""
    return (st.vmem[header(st, c) + H_STATE] & LOW16) + (U1 << order_of(st, c)) <= U1 << st.ctl[own.C_VSHIFT]


@inner
def head_of(st, order):  # type: ignore[no-untyped-def]
    """Number that heads the partial list of `order`."""
    return st.ctl[own.C_VMOST] + order if order != U0 else U0


@inner
def current_at(st, cpu, order):  # type: ignore[no-untyped-def]
    """Word of `vcpu` with the cluster that `cpu` allocates runs of `order` from."""
    return cpu * CPU_WORDS + P_CURRENT if order == U0 else st.ctl[C_CPUS] * CPU_WORDS + cpu * ORDER_WORDS + order


@inner
def first_free(st, pr, h, size):  # type: ignore[no-untyped-def]
    """Offset of the first free slot of the cluster whose header is at `h`, `size` if there is none."""
    i = U1 if st.vmem[h + H_ID] == U0 else U0
    while i < size:
        at = h + H_BITS + (i >> U6)
        touch(pr, own.R_VCLUSTER, at)
        free_bits = ~st.vmem[at] >> (i & U63)
        if free_bits != U0:
            return i + ctz(free_bits)
        i = ((i >> U6) + U1) << U6
    return size


@inner
def bits_of(n):  # type: ignore[no-untyped-def]
    """`n` bits, or as many of them as a word has."""
    return ONES if n > U63 else (U1 << n) - U1


@called
def first_run(st, pr, h, size, n):  # type: ignore[no-untyped-def]
    """Offset of the first `n` free slots, aligned to `n` (``bitmap_find_next_zero_area``), `size` if there are none. Id 0 has no run 0."""
    i = n if st.vmem[h + H_ID] == U0 else U0
    while i + n <= size:
        busy = U0
        for w in range(i >> U6, (i + n - U1 >> U6) + U1):
            touch(pr, own.R_VCLUSTER, h + H_BITS + u(w))
            busy |= st.vmem[h + H_BITS + u(w)] >> (i & U63) & bits_of(n)
        if busy == U0:
            return i
        i += n
    return size


@inner
def mark(st, pr, h, i, n):  # type: ignore[no-untyped-def]
    """Set the bits of `n` slots from offset `i` on."""
    for w in range(i >> U6, (i + n - U1 >> U6) + U1):
        st.vmem[h + H_BITS + u(w)] |= bits_of(n) << (i & U63)


@called
def take(st, pr, c, f, memcg):  # type: ignore[no-untyped-def]
    """Give folio `f` the first free slot of cluster `c`, or the folios of ``parts`` its first free run; false if there is none."""
    h, size, order = header(st, c), U1 << st.ctl[own.C_VSHIFT], order_of(st, c)
    if not room(st, c):
        return False
    n = U1 << order
    i = first_free(st, pr, h, size) if order == U0 else first_run(st, pr, h, size, n)
    if i >= size:
        return False
    value = st.vmem[h + H_ID] << st.ctl[own.C_VSHIFT] | i
    mark(st, pr, h, i, n)
    reference(st, pr, c, REF * n)
    modify(pr, st.vmem, h + H_STATE, ONES, n)
    for w in range(i >> U6, (i + n - U1 >> U6) + U1):
        wrote(pr, own.R_VCLUSTER, h + H_BITS + u(w))
    for k in range(n):
        enter(st, pr, c, value + u(k), f if order == U0 else st.parts[u(k) * U2], memcg, u(k) == U0)
    atomic_add(pr, own.R_VUSED, U0, st.ctl, own.S_VSLOTS, n)
    st.ctl[own.S_VSLOTS_PEAK] = max(st.ctl[own.S_VSLOTS_PEAK], st.ctl[own.S_VSLOTS])
    return True


@inner
def enter(st, pr, c, value, f, memcg, first):  # type: ignore[no-untyped-def]
    """Make folio `f` the cache of slot `value`, which has nothing else behind it; the `first` one of a run leads to the others."""
    d = see(st, pr, c, value) if first else see_next(st, pr, c, value)
    st.vmem[d + D_CACHE] = f << U2
    st.vmem[d + D_STATE] = memcg << U32 | IN_CACHE
    back_with(st, pr, d, FOLIO, U0)
    f_set(st, f, CACHED)
    st.folio[f_word(f, F_ENTRY)] = value
    st.folio[f_word(f, F_VALUE)] = value


@called
def alloc(st, pr, f, memcg, cpu, order):  # type: ignore[no-untyped-def]
    """``folio_alloc_swap``: take a run of the CPU's cluster, of a partly used one, of a new one; false if there is none."""
    at = current_at(st, cpu, order)
    touch(pr, own.R_VCPU, at)
    c, found = st.vcpu[at], False
    if c != U0:
        chase(pr, own.R_VCLUSTER, header(st, c))
        hold(st, pr, c)
        found = take(st, pr, c, f, memcg)
        if not found or not room(st, c):
            st.vcpu[at] = U0
            wrote(pr, own.R_VCPU, at)
            reference(st, pr, c, UNREF)
            modify(pr, st.vmem, header(st, c) + H_STATE, ~(CURRENT | FULL), FULL)
        leave(st, pr, c)
    if found:
        return True
    c = from_partial(st, pr, f, memcg, head_of(st, order))
    if c == U0:
        alone(pr, True)  # no value leads to a slot of it, no CPU allocates from it
        c = new_cluster(st, pr, order)
        found = c != U0 and take(st, pr, c, f, memcg)
        alone(pr, False)
        if not found:
            return False
    if room(st, c):
        hold(st, pr, c)
        reference(st, pr, c, REF)
        modify(pr, st.vmem, header(st, c) + H_STATE, ~CURRENT, CURRENT)
        leave(st, pr, c)
        st.vcpu[at] = c
        wrote(pr, own.R_VCPU, at)
    elif not shared(pr):  # what was taken off the list full is marked, and the only one that is new and full has one slot
        st.vmem[header(st, c) + H_STATE] |= FULL  # the kernel marks no new one that is full at once; it is on no list either way
    return True


@called
def from_partial(st, pr, f, memcg, head):  # type: ignore[no-untyped-def]
    """Walk the partial list of `head` under the lock of the map, trying each cluster's lock; return the cluster that gave a slot, or 0."""
    lock(pr, st.vhead, xa.H_LOCK, L_VMAP)
    touch(pr, own.R_VCLUSTER, header(st, head))
    c, found = st.vmem[header(st, head) + H_NEXT], False
    while c != head and not found:
        h, here, after = header(st, c), c, st.vmem[header(st, c) + H_NEXT]
        chase(pr, own.R_VCLUSTER, h)
        if not trylock(pr, st.vmem, h, L_VCLUSTER):
            c = after
            continue
        found = take(st, pr, c, f, memcg)
        link(st, pr, st.vmem[h + H_PREV], after)
        if not found or not room(st, c):
            modify(pr, st.vmem, h + H_STATE, ~FULL, FULL)
        leave(st, pr, c)
        c = here if found else after
    unlock(pr, st.vhead, xa.H_LOCK, L_VMAP)
    return c if found else U0


@called
def number_take(st, pr):  # type: ignore[no-untyped-def]
    """Number of a cluster that is not in use, 0 if there is none left."""
    ctl = together(pr, st.ctl)
    c = ctl[own.S_VC_FREE]
    if c != U0:
        ctl[own.S_VC_FREE] = st.vmem[header(st, c) + H_NEXT]
        return c
    c = ctl[own.S_VC_HIGH] + U1
    if c > st.ctl[own.C_VMOST]:
        return U0
    ctl[own.S_VC_HIGH] = c
    return c


@called
def number_give(st, pr, c):  # type: ignore[no-untyped-def]
    """Have cluster `c` out of use."""
    ctl = together(pr, st.ctl)
    st.vmem[header(st, c) + H_NEXT] = ctl[own.S_VC_FREE]
    ctl[own.S_VC_FREE] = c


@called
def new_cluster(st, pr, order):  # type: ignore[no-untyped-def]
    """Allocate a zeroed cluster for runs of `order` and an id; return its number, 0 if there is none left."""
    ctl = st.ctl
    if shared(pr):
        lock(pr, st.vhead, xa.H_LOCK, L_VMAP)  # in the kernel it is memory of the slab allocator
    c = number_take(st, pr)
    if shared(pr):
        unlock(pr, st.vhead, xa.H_LOCK, L_VMAP)
    if c == U0:
        return U0
    ctl[own.S_VCLUSTERS] += U1
    ctl[own.S_VCLUSTERS_PEAK] = max(ctl[own.S_VCLUSTERS_PEAK], ctl[own.S_VCLUSTERS])
    allocated(pr, own.A_VHEADER if ctl[own.C_VSPLIT] != U0 else own.A_VOBJECT)
    if ctl[own.C_VSPLIT] != U0:
        allocated(pr, own.A_VDESCS)
    h, d, words = header(st, c), desc_of(st, c, U0), DESC_WORDS << ctl[own.C_VSHIFT]
    for i in range(h, h + H_POINTER + U1):
        st.vmem[u(i)] = st.vmem[u(i)] if shared(pr) and u(i) == h else U0  # a thread that came too late may have the old one's lock
        wrote(pr, own.R_VCLUSTER, u(i))
    for i in range(d, d + words):
        st.vmem[u(i)] = U0
        wrote(pr, own.R_VDESC, u(i))
    st.vmem[h + H_STATE] = order << ORDER_AT
    low = U1 if order == ctl[own.C_VSHIFT] else U0  # a run that fills a cluster has none in id 0
    lock(pr, st.vhead, xa.H_LOCK, L_VMAP)
    st.vmem[h + H_ID] = idalloc.alloc(st.vhead, U0, st.vpool, pr, own.R_VMAP, own.R_VNODE, low, LOW32, c << U2)
    unlock(pr, st.vhead, xa.H_LOCK, L_VMAP)
    return c


@inner
def link(st, pr, c, after):  # type: ignore[no-untyped-def]
    """Link cluster `after` behind `c` on a partial list, a ring through the number that is its head. The lock of the map is held."""
    st.vmem[header(st, c) + H_NEXT] = after
    st.vmem[header(st, after) + H_PREV] = c
    wrote(pr, own.R_VCLUSTER, header(st, c))
    wrote(pr, own.R_VCLUSTER, header(st, after))
