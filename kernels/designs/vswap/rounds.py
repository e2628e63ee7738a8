"""Rounds of virtual swap space, those that mm/vswap.c and its callers make in each version of the series; and the writeout.

A round is a lookup of the cluster and a section under its lock. *separate* are the rounds of v3
(20260208215839.87595-1-nphamcs@gmail.com), *merged* those of v6 (20260505153854.1612033-15-nphamcs@gmail.com, patch 14 of 22). A swap-in
asks as often in v6 as in v3; what v6 merges are writes:

=============================== ================================================= =========================================
function                        v3                                                v6
=============================== ================================================= =========================================
``tryget_swap_entry``           pin (no lock); slot                               the same
``swap_cache_get_folio``        a round in ``do_swap_page``, one more in          the same
                                ``__read_swap_cache_async``
``swap_entry_swapped``          one                                               one
``swapcache_prepare``           one, then ``vswap_folio_backed``                  the same
``lookup_swap_cgroup_id``       one                                               one
``swap_cache_add_folio``        one                                               one
``swap_zeromap_batch``          one                                               one
``zswap_entry_load``            one                                               one
``vswap_store_folio``           release the backing; set                          one (``release_backing`` keeps the lock)
``swp_entry_to_swp_slot``       a disk: for the device, for the sector            a disk: one
``swap_free_nr``                one                                               one
``vswap_swapfile_backed``       one (``should_try_to_free_swap``)                 one
``folio_free_swap``             count; uncache; in-cache bit and free             one
``put_swap_entry``              unpin                                             unpin
``folio_alloc_swap``            slot; owner; folio                                one (owner and folio with the slot)
``vswap_prepare_writeout``      backed by a slot?; release; set                   one
``swap_zeromap_folio_set``      release; set                                      one
``zswap_entry_store``           release; set                                      one
``vswap_alloc_swap_slot``       has it a slot?; reverse word under the device's   has it a slot?; set, the cluster known;
                                cluster lock; set                                 reverse word by an atomic store
``__swap_writepage``            slot for the device, for the sector               none, it is handed the slot
``__remove_mapping``            shadow; in-cache bit and free                     one (``__vswap_remove_mapping``)
=============================== ================================================= =========================================

A page whose backing is no slot is dropped from the swap cache as soon as it is mapped, with its virtual slot (``should_try_to_free_swap``).
"""

from __future__ import annotations

from kernels import codes, control
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called, inner
from kernels.designs.vswap import clusters as v
from kernels.designs.vswap import own
from kernels.designs.vswap import slots as vs
from kernels.designs.vswap.own import (
    F_ALLOC_SLOT,
    F_FREE_SWAP,
    F_PREPARE,
    F_SLOT,
    F_STORE,
    F_STORE_FOLIO,
    F_SWAPFILE_BACKED,
)
from kernels.life.page_io import write_slot
from kernels.memory import F_TOKEN, f_word
from kernels.observing.probe import F_NONE, F_ZERO, step
from kernels.structures import zswap
from kernels.structures.cluster import device_of


@inner
def separate(st):  # type: ignore[no-untyped-def]
    """True if every question is a round of its own."""
    return st.ctl[own.C_VROUNDS] == v.SEPARATE


@called
def ask(st, pr, value, function):  # type: ignore[no-untyped-def]
    """Read the count of `value` in the kernel's `function`: one round."""
    step(pr, function)
    v.look(st, pr, value)
    step(pr, F_NONE)


@called
def writeout(st, pr, f, value, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """Write a zero page, a zswap entry, or a slot of the device: the one that the page still has there, else a new one.

    Other backings are freed first (``vswap_prepare_writeout``); a slot stays until zswap has stored the page.
    """
    token = st.folio[f_word(f, F_TOKEN)]
    ask(st, pr, value, F_FREE_SWAP)
    if zero:
        settle(st, pr, value, v.ZERO, token, F_ZERO)
        st.ctl[control.S_ZERO_LIVE] += U1
        return U0
    keep = prepare_writeout(st, pr, value, backend)
    if backend == codes.ZSWAP:
        z = zswap.entry_new(st, pr, value, size, token)
        if z == U0:
            return codes.REACTIVATED
        settle(st, pr, value, v.ZSWAP, z, F_STORE)
        return U0
    ask(st, pr, value, F_ALLOC_SLOT)
    back = st.vmem[v.peek(st, value)] if keep else take_slot(st, pr, backend, value, cpu)
    if back == U0:
        return codes.REACTIVATED
    if separate(st):
        ask(st, pr, value, F_SLOT)
        ask(st, pr, value, F_SLOT)
    write_slot(st, pr, back, token)
    return U0


@called
def prepare_writeout(st, pr, value, backend):  # type: ignore[no-untyped-def]
    """``vswap_prepare_writeout``: keep a slot that will do (true), else free what backs the page so far."""
    if separate(st):
        ask(st, pr, value, F_SWAPFILE_BACKED)
    d = v.peek(st, value)
    back, kind = st.vmem[d], v.type_of(st, d)
    keep = kind == v.SWAPFILE and (backend == codes.ZSWAP or device_of(back) == backend)
    if separate(st):
        if not keep:
            settle(st, pr, value, v.FOLIO, U0, F_STORE_FOLIO)
    else:
        step(pr, F_PREPARE)
        c = v.enter(st, pr, value)
        if not keep:
            vs.release(st, pr, c, value, U1)
        v.leave(st, pr, c)
        step(pr, F_NONE)
    return keep


@called
def take_slot(st, pr, backend, value, cpu):  # type: ignore[no-untyped-def]
    """Second half of ``vswap_alloc_swap_slot``: a slot of `backend` becomes the backing of `value`; its swap entry, or 0."""
    back = vs.slot_for(st, pr, backend, value, cpu)
    if back != U0:
        step(pr, F_ALLOC_SLOT)
        if separate(st):
            c = v.enter(st, pr, value)
        else:
            c = v.number_of(st, value)  # known from the first half
            v.hold(st, pr, c)
            v.see(st, pr, c, value)
        v.back_with(st, pr, v.desc_of(st, c, value), v.SWAPFILE, back)
        v.leave(st, pr, c)
        step(pr, F_NONE)
    return back


@called
def settle(st, pr, value, kind, back, function):  # type: ignore[no-untyped-def]
    """Free the backing of `value` and make it `back`, in the kernel's `function`: one round, or one each."""
    step(pr, function)
    c = v.enter(st, pr, value)
    vs.release(st, pr, c, value, U1)
    if separate(st):
        v.leave(st, pr, c)
        c = v.enter(st, pr, value)
    v.back_with(st, pr, v.desc_of(st, c, value), kind, back)
    v.leave(st, pr, c)
    step(pr, F_NONE)
