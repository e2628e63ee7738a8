"""Swap descriptors (D2): one slab object a swapped page, which names its backing, its swap cache folio, its count and its owner.

A descriptor has four words (32 bytes), or three (24 bytes) with room for one backing
only:

==== ==================================================================================================
word content
==== ==================================================================================================
0    A1: nothing, a swap entry, a zswap entry or "zero", by the tag in bits 58..63 (below)
1    folio << 2, or a shadow (low bits 11)
2    count u32, memcg u16 << 32, flags u16 << 48
3    B1, only while the page moves (with three words the move keeps it)
==== ==================================================================================================

Tag of a backing: 0 nothing, device + 1 a slot of that device (as in a swap entry), ZTAG a zswap entry, ZERO_TAG a zero-filled page
(whose low bits hold the model's content token: the kernel would store nothing).
"""

from __future__ import annotations

from kernels import codes, control
from kernels.compiling.atomic import prefetch
from kernels.compiling.constants import LOW16, LOW32, ONES, U0, U1, U2, U3, U32, U58
from kernels.compiling.jit import called, inner, u
from kernels.designs.swap_desc import own
from kernels.designs.swap_desc.own import A_DESC, L_DESC_XA, R_DESC, R_DESC_NODE, R_DESC_TREE
from kernels.designs.swap_table import allocation
from kernels.designs.swap_table import table as swap_table
from kernels.designs.swap_table.own import R_TABLE  # fmt: skip
from kernels.life import charging
from kernels.life.page_io import read_slot, read_zero, write_slot
from kernels.memory import CACHED, DIRTY, F_ENTRY, F_TOKEN, F_VALUE, f_clear, f_is, f_set, f_word
from kernels.observing.atomics import atomic_add, atomic_sub, atomic_xchg
from kernels.observing.lock import lock, unlock
from kernels.observing.probe import allocated, chase, freed, touch, wrote
from kernels.structures import bitmap, blocks, idalloc, leaves, page_counter, zswap
from kernels.structures import cluster as cl
from kernels.structures import xarray as xa
from kernels.structures.cluster import device_of, slot_of

D_A, D_FOLIO, D_STATE, D_B = U0, U1, U2, U3
ZTAG, ZERO_TAG = u(30), u(31)
SHADOW = U3
POINTER = u(4)  # mm/swap_table.h: low bits 100
PAYLOAD = (U1 << U58) - U1


@inner
def at(st, d):  # type: ignore[no-untyped-def]
    """First word of descriptor `d`."""
    return d * st.ctl[own.C_STRIDE]


@inner
def tag_of(backing):  # type: ignore[no-untyped-def]
    """Tag of a backing."""
    return backing >> U58


@inner
def is_slot(backing):  # type: ignore[no-untyped-def]
    """True if `backing` is a slot of a device."""
    return backing != U0 and tag_of(backing) < ZTAG


@inner
def place_of(st, d):  # type: ignore[no-untyped-def]
    """Backend of descriptor `d`; MEMORY for a zero page, which is on no backend."""
    backing = st.desc[at(st, d) + D_A]
    if is_slot(backing):
        return device_of(backing)
    return codes.ZSWAP if tag_of(backing) == ZTAG else codes.MEMORY


@inner
def count_of(st, d):  # type: ignore[no-untyped-def]
    """PTEs that hold the index of descriptor `d`."""
    return st.desc[at(st, d) + D_STATE] & LOW32


@inner
def owner_of(st, d):  # type: ignore[no-untyped-def]
    """Memory cgroup that descriptor `d` is charged to."""
    return st.desc[at(st, d) + D_STATE] >> U32 & LOW16


@inner
def resolve(st, pr, value):  # type: ignore[no-untyped-def]
    """Descriptor behind index `value`, 0 if there is none."""
    return xa.load(st.dhead, U0, st.dpool, pr, R_DESC_TREE, R_DESC_NODE, value) >> U2


@inner
def fetch_near(st, pr, value):  # type: ignore[no-untyped-def]
    """Prefetch the leaf of the tree."""
    leaves.leaf(st.dhead, U0, st.dpool, value)


@inner
def fetch_entry(st, pr, value):  # type: ignore[no-untyped-def]
    """Prefetch the descriptor behind the index."""
    fetch_behind(st, pr, resolve(st, pr, value))


@inner
def fetch_behind(st, pr, d):  # type: ignore[no-untyped-def]
    """Prefetch the descriptor."""
    prefetch(st.desc, at(st, d))


@inner
def same(st, pr, value, d):  # type: ignore[no-untyped-def]
    """Walk again with the folio locked in the descriptor: it may have been freed, and its index reused, since the first walk."""
    return resolve(st, pr, value) == d


@inner
def lookup(st, pr, d):  # type: ignore[no-untyped-def]
    """Folio of descriptor `d`, 0 if it is not cached."""
    chase(pr, R_DESC, at(st, d) + D_FOLIO)
    word = st.desc[at(st, d) + D_FOLIO]
    return word >> U2 if word & U3 == U0 else U0


@inner
def cache_word(st, pr, d, word):  # type: ignore[no-untyped-def]
    """Compare-and-swap of the cache word of descriptor `d` (as an exchange; the model has one thread)."""
    atomic_xchg(pr, R_DESC, at(st, d) + D_FOLIO, st.desc, at(st, d) + D_FOLIO, word)


@called
def new(st, pr, f, memcg):  # type: ignore[no-untyped-def]
    """Allocate a descriptor for folio `f` and an index for it; return the index, 0 if there is none left."""
    ctl = st.ctl
    d = ctl[own.S_DESC_FREE]
    if d != U0:
        ctl[own.S_DESC_FREE] = st.desc[at(st, d)]
    else:
        d = ctl[own.S_DESC_HIGH]
        if d > ctl[own.C_DESCS]:
            return U0
        ctl[own.S_DESC_HIGH] = d + U1
    ctl[own.S_DESC_LIVE] += U1
    ctl[own.S_DESC_PEAK] = max(ctl[own.S_DESC_PEAK], ctl[own.S_DESC_LIVE])
    allocated(pr, A_DESC)
    st.desc[at(st, d) + D_A] = U0
    st.desc[at(st, d) + D_FOLIO] = f << U2
    st.desc[at(st, d) + D_STATE] = memcg << U32
    wrote(pr, R_DESC, at(st, d))
    lock(pr, st.dhead, xa.H_LOCK, L_DESC_XA)
    value = idalloc.alloc(st.dhead, U0, st.dpool, pr, R_DESC_TREE, R_DESC_NODE, U1, ONES >> U2, d << U2)
    unlock(pr, st.dhead, xa.H_LOCK, L_DESC_XA)
    f_set(st, f, CACHED)
    st.folio[f_word(f, F_ENTRY)] = d
    st.folio[f_word(f, F_VALUE)] = value
    return value


@called
def free(st, pr, d, value):  # type: ignore[no-untyped-def]
    """Free descriptor `d`, which nothing holds any more, with its backing and its index."""
    drop_backing(st, pr, d)
    charging.uncharge_swap(st, pr, owner_of(st, d), U1)
    lock(pr, st.dhead, xa.H_LOCK, L_DESC_XA)
    xa.erase(st.dhead, U0, st.dpool, pr, R_DESC_TREE, R_DESC_NODE, value)
    unlock(pr, st.dhead, xa.H_LOCK, L_DESC_XA)
    st.desc[at(st, d)] = st.ctl[own.S_DESC_FREE]
    st.ctl[own.S_DESC_FREE] = d
    st.ctl[own.S_DESC_LIVE] -= U1
    wrote(pr, R_DESC, at(st, d))
    freed(pr, A_DESC)


@called
def drop_backing(st, pr, d):  # type: ignore[no-untyped-def]
    """Free the slot or the zswap entry behind descriptor `d`."""
    backing = st.desc[at(st, d) + D_A]
    st.desc[at(st, d) + D_A] = U0
    wrote(pr, R_DESC, at(st, d))
    release(st, pr, backing)


@called
def release(st, pr, backing):  # type: ignore[no-untyped-def]
    """Free the object that `backing` names."""
    if tag_of(backing) == ZERO_TAG:
        st.ctl[control.S_ZERO_LIVE] -= U1
    elif tag_of(backing) == ZTAG:
        zswap.entry_free(st, pr, backing & PAYLOAD)
    elif backing != U0:
        g = slot_of(st, backing)
        ci = cl.lock_cluster(st, pr, g)
        cl.slot_release(st, pr, device_of(backing), g)
        cl.unlock_cluster(st, pr, ci)


@inner
def claim(st, pr, f, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """Charge the page to swap and allocate a descriptor and its index; no slot yet. A folio that still has its descriptor keeps it."""
    if f_is(st, f, CACHED):
        return st.folio[f_word(f, F_VALUE)]
    if not charging.try_charge_swap(st, pr, memcg, U1):
        return U0
    value = new(st, pr, f, memcg)
    if value == U0:
        charging.uncharge_swap(st, pr, memcg, U1)
    return value


@inner
def unclaim(st, pr, f, value):  # type: ignore[no-untyped-def]
    """Keep the descriptor with the cached folio, as no PTE was written."""
    return


@inner
def dup(st, pr, value, d):  # type: ignore[no-untyped-def]
    """Increment the count atomically; 32 bits do not overflow."""
    atomic_add(pr, R_DESC, at(st, d) + D_STATE, st.desc, at(st, d) + D_STATE, U1)
    return True


@inner
def put(st, pr, value, d):  # type: ignore[no-untyped-def]
    """Decrement the count atomically; the last PTE frees everything, unless the folio is cached."""
    atomic_sub(pr, R_DESC, at(st, d) + D_STATE, st.desc, at(st, d) + D_STATE, U1)
    if count_of(st, d) != U0:
        return U0
    word = st.desc[at(st, d) + D_FOLIO]
    if word != U0 and word & U3 == U0:
        return U1
    free(st, pr, d, value)
    return U2


@inner
def count_is_zero(st, d):  # type: ignore[no-untyped-def]
    """True if no PTE holds the index of descriptor `d`."""
    return count_of(st, d) == U0


@inner
def writeout(st, pr, f, value, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """Store the folio: "zero", a zswap entry, the slot it still has on that device, or a new slot, taken only now."""
    d, token = st.folio[f_word(f, F_ENTRY)], st.folio[f_word(f, F_TOKEN)]
    old = st.desc[at(st, d) + D_A]
    keep = not zero and backend != codes.ZSWAP and is_slot(old) and device_of(old) == backend
    if not keep:
        drop_backing(st, pr, d)
    backing = old
    if zero:
        backing = ZERO_TAG << U58 | token
        st.ctl[control.S_ZERO_LIVE] += U1
    elif backend == codes.ZSWAP:
        z = zswap.entry_new(st, pr, value, size, token)
        if z == U0:
            return codes.REACTIVATED
        backing = ZTAG << U58 | z
    elif not keep:
        backing = slot_for(st, pr, backend, cpu)
        if backing == U0:
            return codes.REACTIVATED
    st.desc[at(st, d) + D_A] = backing
    wrote(pr, R_DESC, at(st, d) + D_A)
    if is_slot(backing):
        write_slot(st, pr, backing, token)
    return U0


@inner
def slot_for(st, pr, device, cpu):  # type: ignore[no-untyped-def]
    """Swap entry of a fresh slot of `device`, 0 if it is full."""
    found = cl.slot_alloc(st, pr, device, cpu)
    return U0 if found == U0 else cl.entry_of(st, device, found - U1)


@inner
def evict(st, pr, f):  # type: ignore[no-untyped-def]
    """Replace the folio by a shadow; if no PTE holds the index free everything."""
    d, value = st.folio[f_word(f, F_ENTRY)], st.folio[f_word(f, F_VALUE)]
    f_clear(st, f, CACHED)
    st.folio[f_word(f, F_ENTRY)] = U0
    cache_word(st, pr, d, SHADOW)
    if count_of(st, d) == U0:
        free(st, pr, d, value)


@inner
def read_begin(st, pr, d, f):  # type: ignore[no-untyped-def]
    """Enter folio `f` as the swap cache of descriptor `d` (compare-and-swap of one word)."""
    word = st.desc[at(st, d) + D_FOLIO]
    if word != U0 and word & U3 == U0:
        return False
    page_counter.from_id(st, pr, owner_of(st, d))
    cache_word(st, pr, d, f << U2)
    st.folio[f_word(f, F_ENTRY)] = d
    f_set(st, f, CACHED)
    return True


@inner
def read_abort(st, pr, d, f):  # type: ignore[no-untyped-def]
    """Take the folio out of the descriptor again."""
    cache_word(st, pr, d, SHADOW)
    f_clear(st, f, CACHED)


@called
def read_end(st, pr, d, f):  # type: ignore[no-untyped-def]
    """Read the backing. A zswap entry goes when it is loaded, so the folio is dirty."""
    backing = st.desc[at(st, d) + D_A]
    touch(pr, R_DESC, at(st, d) + D_A)
    token = backing & LOW32
    if tag_of(backing) == ZTAG:
        token = zswap.entry_read(st, pr, backing & PAYLOAD) & LOW32
        drop_backing(st, pr, d)
        f_set(st, f, DIRTY)
    else:
        token = read_slot(st, pr, backing) if is_slot(backing) else read_zero(st, pr, token)
    st.folio[f_word(f, F_TOKEN)] = token


@inner
def free_swap(st, pr, f):  # type: ignore[no-untyped-def]
    """Free the descriptor if only the cache holds it; the folio is then dirty."""
    d = st.folio[f_word(f, F_ENTRY)]
    touch(pr, R_DESC, at(st, d) + D_STATE)
    if count_of(st, d) != U0:
        return False
    free(st, pr, d, st.folio[f_word(f, F_VALUE)])
    f_clear(st, f, CACHED)
    f_set(st, f, DIRTY)
    st.folio[f_word(f, F_ENTRY)] = U0
    return True


@inner
def swap_full(st, d):  # type: ignore[no-untyped-def]
    """``mem_cgroup_swap_full``, or a synchronous device behind descriptor `d`."""
    backing = st.desc[at(st, d) + D_A]
    return (is_slot(backing) and cl.is_synchronous(st, device_of(backing))) or cl.swap_full(st)


@inner
def slot_scan(st, pr, first, end):  # type: ignore[no-untyped-def]
    """First free slot in `first` .. `end` - 1, plus 1; 0 if there is none. Free is a clear bit, or on swap tables an empty word."""
    if st.ctl[control.C_BASE] != U0:
        g = first
        while g < end:
            touch(pr, R_TABLE, swap_table.at(st, g))
            if st.table[swap_table.at(st, g)] == U0:
                return g + U1
            g += U1
        return U0
    return bitmap.first_free(st, pr, first, end)


@inner
def slot_mark(st, pr, g, used):  # type: ignore[no-untyped-def]
    """Set or clear the bit of slot `g`, or on swap tables its word; a table comes with the first slot of a cluster."""
    if st.ctl[control.C_BASE] != U0:
        table_mark(st, pr, g, used)
        return
    bitmap.mark(st, pr, g, used)


@called
def table_mark(st, pr, g, used):  # type: ignore[no-untyped-def]
    """Write the word of slot `g`: the tag of a pointer, which phase IV leaves to layers, or nothing."""
    count = st.cluster[cl.ci_of(st, g) + cl.CI_COUNT]
    if used and count == U0:
        allocation.table_new(st, pr, g)
    swap_table.word_set(st, pr, g, POINTER if used else U0)
    if not used and count == U1:
        blocks.drop(st, pr, cl.ci_of(st, g), blocks.TABLE, blocks.CI_TABLE)
