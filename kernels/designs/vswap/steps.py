"""Steps of virtual swap space. Their rounds are listed in :mod:`kernels.designs.vswap.rounds`."""

from __future__ import annotations

from kernels.compiling.constants import LOW16, LOW32, U0, U1, U2, U32
from kernels.compiling.jit import called, inner, u
from kernels.designs.swap_table.own import F_SWAPPED
from kernels.designs.vswap import allocation as va
from kernels.designs.vswap import clusters as v
from kernels.designs.vswap import own
from kernels.designs.vswap import slots as vs
from kernels.designs.vswap.own import (
    F_ADD,
    F_CACHE,
    F_CGROUP,
    F_CLAIM,
    F_DUP,
    F_FOLIO_BACKED,
    F_FREE_SWAP,
    F_LOAD,
    F_PUT_ENTRY,
    F_RECORD,
    F_SLOT,
    F_STORE_FOLIO,
    F_SWAPFILE_BACKED,
    F_ZEROMAP,
    R_VDESC,
)
from kernels.designs.vswap.rounds import ask, separate, settle
from kernels.life import charging, steps
from kernels.life.page_io import read_slot, read_zero
from kernels.memory import CACHED, DIRTY, F_ENTRY, F_TOKEN, F_VALUE, f_clear, f_is, f_set, f_word, mapcount
from kernels.observing.probe import F_NONE, step, touch, wrote
from kernels.structures import cluster as cl
from kernels.structures import page_counter as pc
from kernels.structures import zswap
from kernels.structures.cluster import device_of

BATCHED = U1  # C_VFREE


@inner
def on_cpu(st, cpu):  # type: ignore[no-untyped-def]
    """Use the lookup cache of `cpu` from now on."""
    st.ctl[own.S_CPU] = cpu


@called
def lookup(st, pr, value):  # type: ignore[no-untyped-def]
    """``tryget_swap_entry`` and ``swap_cache_get_folio``: pin the cluster (released at once here), resolve the slot, find the folio."""
    step(pr, F_SLOT)
    c = v.load(st, pr, value)
    if c == U0:
        return U0
    v.reference(st, pr, c, v.REF)
    v.reference(st, pr, c, v.UNREF)
    ask(st, pr, value, F_SLOT)
    step(pr, F_CACHE)
    f = v.cached_folio(st, pr, value)
    step(pr, F_NONE)
    return f


@inner
def claim(st, pr, f, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """Allocate a virtual slot; no physical one yet. A folio that still has one keeps it."""
    if not f_is(st, f, CACHED):
        if not vs.record(st, pr, memcg, U1):
            return U0
        if not va.alloc(st, pr, f, memcg, cpu, U0):
            vs.unrecord(st, pr, pc.block_of(st, memcg), U1)
            return U0
        if separate(st):
            ask(st, pr, st.folio[f_word(f, F_VALUE)], F_RECORD)
            ask(st, pr, st.folio[f_word(f, F_VALUE)], F_ADD)
    return st.folio[f_word(f, F_VALUE)]


@inner
def unclaim(st, pr, f, value):  # type: ignore[no-untyped-def]
    """Keep the slot with the cached folio, as no PTE was written."""
    return


@called
def dup(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """``swap_duplicate``: one round; 32 bits do not overflow."""
    step(pr, F_DUP)
    c = v.enter(st, pr, value)
    d = v.desc_of(st, c, value)
    if v.count_of(st, d) == U0:
        vs.hint(st, pr, d, False)
    st.vmem[d + v.D_STATE] += U1
    wrote(pr, R_VDESC, d + v.D_STATE)
    v.leave(st, pr, c)
    step(pr, F_NONE)
    return True


@inner
def put_one(st, pr, c, value):  # type: ignore[no-untyped-def]
    """Take one PTE off, the cluster's lock held. 0: other PTEs hold the slot; 1: only the swap cache; 2: nothing, so it is to be freed."""
    d = v.desc_of(st, c, value)
    touch(pr, R_VDESC, d)
    st.vmem[d + v.D_STATE] -= U1
    wrote(pr, R_VDESC, d + v.D_STATE)
    if v.count_of(st, d) != U0:
        return U0
    if not v.is_cached(st, d):
        return U2
    vs.hint(st, pr, d, True)
    return U1


@called
def put(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """``swap_free_nr`` at the end of a fault, the question whether to keep the cache copy, and the unpinning of the cluster.

    The kernel unpins behind ``folio_free_swap``, which the life cycle calls after this.
    """
    c = v.enter(st, pr, value)
    left = put_one(st, pr, c, value)
    if left == U2:
        free_one(st, pr, c, value)
    v.leave(st, pr, c)
    if left != U2 and not cl.swap_full(st):
        ask(st, pr, value, F_SWAPFILE_BACKED)
    step(pr, F_PUT_ENTRY)
    c = v.load(st, pr, value)
    if c != U0:
        v.hold(st, pr, c)
        wrote(pr, own.R_VCLUSTER, v.header(st, c) + v.H_STATE)
        v.leave(st, pr, c)
    step(pr, F_NONE)
    return left


@called
def free_one(st, pr, c, value):  # type: ignore[no-untyped-def]
    """``vswap_free`` of a slot that nothing holds, the lock of its cluster held.

    Without batching it drops the lock: backing and owner are a round each, and then it takes the lock again.
    """
    if st.ctl[own.C_VFREE] != BATCHED:
        v.leave(st, pr, c)
        again = v.enter(st, pr, value)
        vs.release(st, pr, again, value, U1)
        v.leave(st, pr, again)
        v.look(st, pr, value)
        v.hold(st, pr, c)
    vs.free(st, pr, c, value, U1)


@inner
def run_limit(st, value):  # type: ignore[no-untyped-def]
    """Number of slots from `value` on in its cluster, if frees are batched."""
    return (U1 << st.ctl[own.C_VSHIFT]) - v.offset_of(st, value) if st.ctl[own.C_VFREE] == BATCHED else U1


@called
def put_run(st, pr, value, n):  # type: ignore[no-untyped-def]
    """``swap_pte_batch``, which may ask for the owner of every PTE, and ``free_swap_and_cache_nr``: one round, rows of one memcg."""
    if st.ctl[own.C_VOWNER] == v.COLLECTING:
        for i in range(value, value + n):
            v.look(st, pr, u(i))  # lookup_swap_cgroup_id
    c, row, kept, owner = v.enter(st, pr, value), U0, U0, U0
    for i in range(value, value + n):
        left = put_one(st, pr, c, u(i))
        mine = st.vmem[v.desc_of(st, c, u(i)) + v.D_STATE] >> U32 & LOW16
        if left == U2 and st.ctl[own.C_VFREE] != BATCHED:
            free_one(st, pr, c, u(i))
            continue
        if row != U0 and (left != U2 or mine != owner):
            vs.free(st, pr, c, u(i) - row, row)
            row = U0
        owner = mine
        row += U1 if left == U2 else U0
        kept += U1 if left == U1 else U0
    if row != U0:
        vs.free(st, pr, c, value + n - row, row)
    v.leave(st, pr, c)
    for i in range(value, value + n if kept != U0 else value):
        f = v.cached_folio(st, pr, u(i))
        if f != U0 and count_is_zero(st, u(i)) and (mapcount(st, f) == U0 or swap_full(st, u(i)) or charging.folio_swap_full(st, pr, f)):
            steps.drop_unused(st, pr, f)


@called
def count_is_zero(st, value):  # type: ignore[no-untyped-def]
    """True if no PTE holds `value`."""
    return v.count_of(st, v.peek(st, value)) == U0


@called
def uncache(st, pr, value, f, shadow):  # type: ignore[no-untyped-def]
    """Take `value` from the swap cache: a `shadow` or nothing takes the place of folio `f`; free it if no PTE holds it.

    One round; in v3 the folio goes in one and the in-cache bit in the next.
    """
    c = v.enter(st, pr, value)
    d = v.desc_of(st, c, value)
    st.vmem[d + v.D_CACHE] = shadow
    wrote(pr, R_VDESC, d + v.D_CACHE)
    if separate(st):
        v.leave(st, pr, c)
        c = v.enter(st, pr, value)
    st.vmem[d + v.D_STATE] &= ~v.IN_CACHE
    wrote(pr, R_VDESC, d + v.D_STATE)
    if v.count_of(st, d) == U0:
        free_one(st, pr, c, value)
    v.leave(st, pr, c)
    f_clear(st, f, CACHED)
    st.folio[f_word(f, F_ENTRY)] = U0


@inner
def evict(st, pr, f):  # type: ignore[no-untyped-def]
    """``__remove_mapping``: store the shadow, clear the in-cache bit and free the slot if nothing holds it, in one section."""
    uncache(st, pr, st.folio[f_word(f, F_ENTRY)], f, v.SHADOW)


@called
def read_begin(st, pr, value, f):  # type: ignore[no-untyped-def]
    """``__read_swap_cache_async``: look again, claim the in-cache bit, add the folio; false if the slot is gone or another was faster."""
    ask(st, pr, value, F_CACHE)
    ask(st, pr, value, F_SWAPPED)
    step(pr, F_CLAIM)
    c = v.enter(st, pr, value)
    if c == U0:
        step(pr, F_NONE)
        return False
    d = v.desc_of(st, c, value)
    ok = v.count_of(st, d) != U0 and not v.is_cached(st, d)
    if ok:
        pc.from_id(st, pr, v.owner_of(st, d))
        st.vmem[d + v.D_STATE] |= v.IN_CACHE
        wrote(pr, R_VDESC, d + v.D_STATE)
    v.leave(st, pr, c)
    step(pr, F_NONE)
    if ok:
        ask(st, pr, value, F_FOLIO_BACKED)
        ask(st, pr, value, F_CGROUP)
        step(pr, F_ADD)
        c = v.enter(st, pr, value)
        st.vmem[d + v.D_CACHE] = f << U2
        wrote(pr, R_VDESC, d + v.D_CACHE)
        v.leave(st, pr, c)
        step(pr, F_NONE)
        st.folio[f_word(f, F_ENTRY)] = value
        f_set(st, f, CACHED)
    return ok


@inner
def read_abort(st, pr, value, f):  # type: ignore[no-untyped-def]
    """Take the folio out of the swap cache again."""
    uncache(st, pr, value, f, v.SHADOW)


@called
def read_end(st, pr, value, f):  # type: ignore[no-untyped-def]
    """``swap_read_folio``. A zswap entry goes when it is loaded, so that the folio is dirty and the only copy (``vswap_store_folio``)."""
    ask(st, pr, value, F_ZEROMAP)
    if load_data(st, pr, value, f) == v.ZSWAP:
        settle(st, pr, value, v.FOLIO, U0, F_STORE_FOLIO)
        f_set(st, f, DIRTY)


@called
def load_data(st, pr, value, f):  # type: ignore[no-untyped-def]
    """Read the content of `value` into `f`, from zswap (``zswap_entry_load`` asks) or from its slot; return the kind of its backing."""
    d = v.peek(st, value)
    back, kind = st.vmem[d], v.type_of(st, d)
    token = back & LOW32
    if kind != v.ZERO:
        ask(st, pr, value, F_LOAD)
    if kind == v.ZSWAP:
        token = zswap.entry_read(st, pr, back) & LOW32
    elif kind == v.SWAPFILE:
        ask(st, pr, value, F_SLOT)
        if separate(st):
            ask(st, pr, value, F_SLOT)
        token = read_slot(st, pr, back)
    else:
        token = read_zero(st, pr, token)
    st.folio[f_word(f, F_TOKEN)] = token
    return kind


@called
def free_swap(st, pr, f):  # type: ignore[no-untyped-def]
    """``folio_free_swap``: if no PTE holds the slot, uncache and free it. *separate*: a round for the count before."""
    value = st.folio[f_word(f, F_ENTRY)]
    held = not count_is_zero(st, value)
    step(pr, F_FREE_SWAP)
    if held or separate(st):
        v.look(st, pr, value)
    if not held:
        uncache(st, pr, value, f, U0)
        f_set(st, f, DIRTY)
    step(pr, F_NONE)
    return not held


@called
def swap_full(st, value):  # type: ignore[no-untyped-def]
    """``should_try_to_free_swap``: what backs `value` is no slot, or one of a synchronous device; or ``mem_cgroup_swap_full``."""
    d = v.peek(st, value)
    return v.type_of(st, d) != v.SWAPFILE or cl.is_synchronous(st, device_of(st.vmem[d])) or cl.swap_full(st)
