"""Steps of virtual swap space, with the rounds of each version; moves and swapoff behind the virtual slot.

Rounds of a swap-in from zswap, as calls of ``xa_load`` + locked sections. *separate* (v3): pin the cluster, resolve the slot, look into
the swap cache, see that it is swapped, owner for charging, claim the in-cache bit, add the folio and fetch the shadow, zswap entry, drop
the backing, lower the count, unpin. *merged* (v6 combines operations, in this model's reading of the series): pin and slot; swap cache;
swapped; owner, claim, folio and shadow; zswap entry; backing; count and unpin. A writeout begins with a round that sees that PTEs hold
the slot.
"""

from __future__ import annotations

from kernels import codes, control
from kernels import memory as w
from kernels.compiling.constants import LOW16, LOW32, U0, U1, U2, U6, U32, U63
from kernels.compiling.jit import called, inner, u
from kernels.designs.swap_table.own import F_SWAPPED
from kernels.designs.vswap import clusters as v
from kernels.designs.vswap import own
from kernels.designs.vswap import slots as vs
from kernels.designs.vswap.own import F_FREE_SWAP, R_VDESC
from kernels.life import charging, lifecycle, steps
from kernels.life.page_io import read_slot, read_zero, write_slot
from kernels.memory import CACHED, DIRTY, F_ENTRY, F_TOKEN, F_VALUE, LOCKED, WRITEBACK, f_clear, f_is, f_set, f_word
from kernels.observing.probe import F_NONE, R_BITMAP, step, touch, wrote
from kernels.structures import cluster as cl
from kernels.structures import page_counter as pc
from kernels.structures import zswap
from kernels.structures.cluster import device_of, slot_of

BATCHED = U1  # C_VFREE


@inner
def on_cpu(st, cpu):  # type: ignore[no-untyped-def]
    """Use the lookup cache of `cpu` from now on."""
    st.ctl[own.S_CPU] = cpu


@inner
def separate(st):  # type: ignore[no-untyped-def]
    """True if every question is a round of its own."""
    return st.ctl[own.C_VROUNDS] == v.SEPARATE


@called
def lookup(st, pr, value):  # type: ignore[no-untyped-def]
    """``tryget_swap_entry`` and ``swap_cache_get_folio``: pin the cluster (released at once here), resolve the slot, find the folio."""
    c = v.find(st, pr, value) if separate(st) else v.enter(st, pr, value)
    if c == U0:
        return U0
    v.reference(st, pr, c, v.REF)
    v.reference(st, pr, c, v.UNREF)
    if separate(st):
        v.look(st, pr, value)
    else:
        v.leave(st, pr, c)
    return v.cached_folio(st, pr, value)


@inner
def claim(st, pr, f, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """Allocate a virtual slot; no physical one yet. A folio that still has one keeps it."""
    if not f_is(st, f, CACHED):
        if not vs.record(st, pr, memcg):
            return U0
        if not v.alloc(st, pr, f, memcg, cpu):
            vs.unrecord(st, pr, pc.block_of(st, memcg), U1)
            return U0
    return st.folio[f_word(f, F_VALUE)]


@called
def ask(st, pr, value, function):  # type: ignore[no-untyped-def]
    """Read the count of `value` in the kernel's `function`: one round."""
    step(pr, function)
    v.look(st, pr, value)
    step(pr, F_NONE)


@inner
def unclaim(st, pr, f, value):  # type: ignore[no-untyped-def]
    """Keep the slot with the cached folio, as no PTE was written."""
    return


@called
def dup(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """``swap_duplicate``: one round; 32 bits do not overflow."""
    c = v.enter(st, pr, value)
    d = v.desc_of(st, c, value)
    if v.count_of(st, d) == U0:
        vs.hint(st, pr, d, False)
    st.vmem[d + v.D_STATE] += U1
    wrote(pr, R_VDESC, d + v.D_STATE)
    v.leave(st, pr, c)
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
    """``swap_free`` at the end of a fault, and the unpinning of the cluster."""
    c = v.enter(st, pr, value)
    left = put_one(st, pr, c, value)
    if left == U2:
        vs.free(st, pr, c, value, U1)
    v.leave(st, pr, c)
    if separate(st):
        v.look(st, pr, value)
    return left


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
        if f != U0 and count_is_zero(st, u(i)) and (w.mapcount(st, f) == U0 or swap_full(st, u(i)) or charging.folio_swap_full(st, pr, f)):
            steps.drop_unused(st, pr, f)


@called
def count_is_zero(st, value):  # type: ignore[no-untyped-def]
    """True if no PTE holds `value`."""
    return v.count_of(st, v.peek(st, value)) == U0


@called
def writeout(st, pr, f, value, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """Write a zero page, a zswap entry, or a slot of the device: the one that the page still has there, else a new one.

    ``vswap_prepare_writeout`` frees other backings first; a slot stays until zswap has stored the page.
    """
    token = st.folio[f_word(f, F_TOKEN)]
    ask(st, pr, value, F_FREE_SWAP)
    if separate(st) and not zero:
        v.look(st, pr, value)  # vswap_swapfile_backed
    c = v.enter(st, pr, value)
    d = v.desc_of(st, c, value)
    back, kind = st.vmem[d], v.type_of(st, d)
    keep = not zero and kind == v.SWAPFILE and (backend == codes.ZSWAP or device_of(back) == backend)
    if not keep:
        vs.release(st, pr, c, value, U1)
    if zero:
        v.back_with(st, pr, d, v.ZERO, token)
        st.ctl[control.S_ZERO_LIVE] += U1
    v.leave(st, pr, c)
    if zero:
        return U0
    if backend == codes.ZSWAP:
        back, kind = zswap.entry_new(st, pr, value, size, token), v.ZSWAP
    else:
        v.look(st, pr, value)  # vswap_alloc_swap_slot: is there a slot already?
        kind = v.SWAPFILE
        if not keep:
            back = vs.slot_for(st, pr, backend, value, cpu)
    if back == U0:
        return codes.REACTIVATED
    if not keep or kind == v.ZSWAP:
        settle(st, pr, value, kind, back)
    if kind == v.SWAPFILE:
        write_slot(st, pr, back, token)
    return U0


@called
def settle(st, pr, value, kind, back):  # type: ignore[no-untyped-def]
    """Make `back` the backing of `value` and free the earlier one."""
    c = v.enter(st, pr, value)
    vs.release(st, pr, c, value, U1)
    if kind != v.FOLIO:
        v.back_with(st, pr, v.desc_of(st, c, value), kind, back)
    v.leave(st, pr, c)


@called
def uncache(st, pr, value, f, shadow):  # type: ignore[no-untyped-def]
    """Take `value` from the swap cache in one round: a `shadow` or nothing takes the place of folio `f`; free it if no PTE holds it."""
    c = v.enter(st, pr, value)
    d = v.desc_of(st, c, value)
    st.vmem[d + v.D_CACHE] = shadow
    st.vmem[d + v.D_STATE] &= ~v.IN_CACHE
    wrote(pr, R_VDESC, d + v.D_CACHE)
    wrote(pr, R_VDESC, d + v.D_STATE)
    if v.count_of(st, d) == U0:
        vs.free(st, pr, c, value, U1)
    v.leave(st, pr, c)
    f_clear(st, f, CACHED)
    st.folio[f_word(f, F_ENTRY)] = U0


@inner
def evict(st, pr, f):  # type: ignore[no-untyped-def]
    """``__remove_mapping``: store the shadow, clear the in-cache bit and free the slot if nothing holds it, in one section."""
    uncache(st, pr, st.folio[f_word(f, F_ENTRY)], f, v.SHADOW)


@called
def read_begin(st, pr, value, f):  # type: ignore[no-untyped-def]
    """``swapcache_prepare`` and ``swap_cache_add_folio``; false if the slot is gone or another task was faster."""
    ask(st, pr, value, F_SWAPPED)
    if separate(st):
        v.look(st, pr, value)  # lookup_swap_cgroup_id
    c = v.enter(st, pr, value)
    if c == U0:
        return False
    d = v.desc_of(st, c, value)
    ok = v.count_of(st, d) != U0 and not v.is_cached(st, d)
    if ok:
        pc.from_id(st, pr, v.owner_of(st, d))
        st.vmem[d + v.D_STATE] |= v.IN_CACHE
        wrote(pr, R_VDESC, d + v.D_STATE)
        if separate(st):
            v.leave(st, pr, c)
            c = v.enter(st, pr, value)
        st.vmem[d + v.D_CACHE] = f << U2
        wrote(pr, R_VDESC, d + v.D_CACHE)
        st.folio[f_word(f, F_ENTRY)] = value
        f_set(st, f, CACHED)
    v.leave(st, pr, c)
    return ok


@inner
def read_abort(st, pr, value, f):  # type: ignore[no-untyped-def]
    """Take the folio out of the swap cache again."""
    uncache(st, pr, value, f, v.SHADOW)


@called
def read_end(st, pr, value, f):  # type: ignore[no-untyped-def]
    """Read the backing of the slot. A zswap entry goes when it is loaded, so that the folio is dirty and the only copy."""
    d = v.look(st, pr, value)
    back, kind = st.vmem[d], v.type_of(st, d)
    token = back & LOW32
    if kind == v.ZSWAP:
        token = zswap.entry_read(st, pr, back) & LOW32
        settle(st, pr, value, v.FOLIO, U0)
        f_set(st, f, DIRTY)
    else:
        token = read_slot(st, pr, back) if kind == v.SWAPFILE else read_zero(st, pr, token)
    st.folio[f_word(f, F_TOKEN)] = token


@called
def free_swap(st, pr, f):  # type: ignore[no-untyped-def]
    """``folio_free_swap``: if no PTE holds the slot, uncache and free it. *separate*: rounds for count, folio and in-cache bit."""
    value = st.folio[f_word(f, F_ENTRY)]
    if separate(st):
        v.look(st, pr, value)
    if not count_is_zero(st, value):
        if not separate(st):
            v.look(st, pr, value)
        return False
    if separate(st):
        v.look(st, pr, value)
    uncache(st, pr, value, f, U0)
    f_set(st, f, DIRTY)
    return True


@called
def swap_full(st, value):  # type: ignore[no-untyped-def]
    """``mem_cgroup_swap_full``, or a synchronous device behind `value`."""
    d = v.peek(st, value)
    return (v.type_of(st, d) == v.SWAPFILE and cl.is_synchronous(st, device_of(st.vmem[d]))) or cl.swap_full(st)


@inner
def place_of(st, d):  # type: ignore[no-untyped-def]
    """Backend of the descriptor at `d`; MEMORY for a zero page or a folio, which are on no backend."""
    kind = v.type_of(st, d)
    return device_of(st.vmem[d]) if kind == v.SWAPFILE else codes.ZSWAP if kind == v.ZSWAP else codes.MEMORY


@called
def move_step(st, pr, t, cpu):  # type: ignore[no-untyped-def]
    """Run a step of a move: a locked folio in the swap cache; a slot; copy and switch the backing; end of writeback. No PTE, no count."""
    txn, n, value, f = st.txn, st.txn[t + w.T_STEP], st.txn[t + w.T_VALUE], st.txn[t + w.T_FOLIO]
    txn[t + w.T_STEP] = n + U1
    if n == U0:
        return move_begin(st, pr, t, value)
    if n == U1:
        new = U0 if count_is_zero(st, value) else vs.slot_for(st, pr, txn[t + w.T_TARGET], value, cpu)
        if new != U0:
            txn[t + w.T_FLAGS] = new
            return codes.STEPPED
        why = codes.MOVED_AWAY if count_is_zero(st, value) else codes.FULL
        f_clear(st, f, LOCKED)
        evict(st, pr, f)
        w.folio_free(st, f)
        return why
    if n == U2:
        read_end(st, pr, value, f)
        write_slot(st, pr, txn[t + w.T_FLAGS], st.folio[f_word(f, F_TOKEN)])
        settle(st, pr, value, v.SWAPFILE, txn[t + w.T_FLAGS])
        f_clear(st, f, LOCKED | DIRTY)
        f_set(st, f, WRITEBACK)
        return codes.STEPPED
    lifecycle.writeback_end(st, pr, f)
    return codes.MOVED


@called
def move_begin(st, pr, t, value):  # type: ignore[no-untyped-def]
    """Find the data and the cached folio, and enter a locked folio."""
    txn = st.txn
    source, target = txn[t + w.T_AUX], txn[t + w.T_TARGET]
    d = v.look(st, pr, value)
    if target == codes.ZSWAP or target == source or place_of(st, d) != source:
        return codes.WRONG_BACKEND
    if v.is_cached(st, d):
        return codes.BUSY
    f = w.folio_new(st, txn[t] - U1 & LOW32)
    if f == U0 or not read_begin(st, pr, value, f):
        return codes.BUSY
    f_set(st, f, LOCKED)
    st.folio[f_word(f, F_VALUE)] = value
    txn[t + w.T_FOLIO] = f
    return codes.STEPPED


@called
def swapoff(st, pr, device, target, cpu):  # type: ignore[no-untyped-def]
    """Visit the used slots of `device`: the reverse word leads to the virtual slot, which loses its backing. No page table is read."""
    row = device * cl.DEV_WORDS
    if not cl.turn_off(st, device):
        return codes.DEVICE_OFF
    for i in range(st.dev[row], st.dev[row] + st.dev[row + cl.D_SLOTS]):
        touch(pr, R_BITMAP, u(i) >> U6)
        if st.bitmap[u(i) >> U6] >> (u(i) & U63) & U1 != U0:
            st.ctl[control.S_SCANNED] += U1
            value = vs.reverse_of(st, pr, u(i))
            d = v.look(st, pr, value)
            if v.type_of(st, d) == v.SWAPFILE and slot_of(st, st.vmem[d]) == u(i):
                bring_in(st, pr, value, codes.MEMORY if target == device or target == codes.ZSWAP else target, cpu)
    return cl.turned_off(st, device)


@called
def bring_in(st, pr, value, target, cpu):  # type: ignore[no-untyped-def]
    """Take `value` off its device: to a slot of `target`, or into memory, where the folio is its backing until it is faulted."""
    f = v.cached_folio(st, pr, value)
    if f != U0 and f_is(st, f, LOCKED | WRITEBACK):
        return
    if f == U0:
        f = w.folio_new(st, U0)
        if f == U0:
            return
        read_begin(st, pr, value, f)
        st.folio[f_word(f, F_VALUE)] = value
        read_end(st, pr, value, f)
    new = U0 if target == codes.MEMORY else vs.slot_for(st, pr, target, value, cpu)
    settle(st, pr, value, v.SWAPFILE if new != U0 else v.FOLIO, new)
    if new != U0:
        write_slot(st, pr, new, st.folio[f_word(f, F_TOKEN)])
        f_clear(st, f, DIRTY)
        if w.mapcount(st, f) == U0:
            evict(st, pr, f)
            w.folio_free(st, f)
    else:
        f_set(st, f, DIRTY)
        if count_is_zero(st, value):
            steps.drop_unused(st, pr, f)
