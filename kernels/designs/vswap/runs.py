"""Large folios in virtual swap space: a run of virtual slots of one cluster, written and let go of in the rounds of a single page.

Kernel functions are those of v3 and v6, as in :mod:`kernels.designs.vswap.rounds`. A round that a function makes for a page it makes for
the folio, over all descriptors of it; ``zswap_store_page`` alone makes one for each page. A device has to have a run of slots for the
folio (``swap_slot_alloc`` of its order). If it has none, or the memory cgroup is at its limit, the writeout fails and the whole folio is
active again (AOP_WRITEPAGE_ACTIVATE); nothing splits it then. Slots page by page (C_VBACKING) are nobody's patch: each page asks for its
own as a single page does, and those that get none stay.
"""

from __future__ import annotations

from kernels import codes, control
from kernels.compiling.constants import U0, U1, U2
from kernels.compiling.jit import called, inner, u
from kernels.designs.vswap import allocation as va
from kernels.designs.vswap import clusters as v
from kernels.designs.vswap import own
from kernels.designs.vswap import slots as vs
from kernels.designs.vswap.own import (
    F_ADD,
    F_ALLOC_SLOT,
    F_FREE_SWAP,
    F_PREPARE,
    F_RECORD,
    F_REMOVE,
    F_SLOT,
    F_STORE,
    F_STORE_FOLIO,
    F_SWAPFILE_BACKED,
)
from kernels.designs.vswap.rounds import ask, separate, settle, take_slot
from kernels.life.page_io import write_slot
from kernels.memory import CACHED, F_ENTRY, F_TOKEN, F_VALUE, f_clear, f_word
from kernels.observing.probe import F_NONE, F_ZERO, step, wrote
from kernels.structures import page_counter as pc
from kernels.structures import zswap

RUN = U0  # C_VBACKING


@inner
def word_of(st, i, word):  # type: ignore[no-untyped-def]
    """Index of `word` of folio `i` of ``parts``."""
    return f_word(st.parts[u(i) * U2], word)


@called
def claim_run(st, pr, order, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """``folio_alloc_swap`` of a large folio: one record of its pages, one run of a cluster of its order. No slot of a device yet."""
    n = U1 << order
    if order > st.ctl[own.C_VSHIFT] or not vs.record(st, pr, memcg, n):
        return False
    if not va.alloc(st, pr, st.parts[U0], memcg, cpu, order):
        vs.unrecord(st, pr, pc.block_of(st, memcg), n)
        return False
    st.ctl[own.S_VFOLIOS] += U1
    for i in range(n):
        st.parts[u(i) * U2 + U1] = st.folio[word_of(st, i, F_VALUE)]
    if separate(st):
        look_run(st, pr, st.parts[U1], n, F_RECORD)
        look_run(st, pr, st.parts[U1], n, F_ADD)
    return True


@called
def look_run(st, pr, value, n, function):  # type: ignore[no-untyped-def]
    """Look at the `n` descriptors from `value` on in the kernel's `function`: one round."""
    step(pr, function)
    c = v.enter(st, pr, value)
    for i in range(U1, n):
        v.see_next(st, pr, c, value + u(i))
    v.leave(st, pr, c)
    step(pr, F_NONE)


@called
def settle_run(st, pr, value, n, kind, function):  # type: ignore[no-untyped-def]
    """:func:`settle` for the `n` pages from `value` on: zeros, whose tokens the model keeps, or nothing but the folio."""
    step(pr, function)
    c = v.enter(st, pr, value)
    vs.release(st, pr, c, value, n)
    if separate(st):
        v.leave(st, pr, c)
        c = v.enter(st, pr, value)
    for i in range(n):
        token = st.folio[word_of(st, i, F_TOKEN)] if kind == v.ZERO else U0
        v.back_with(st, pr, v.desc_of(st, c, value + u(i)), kind, token)
    v.leave(st, pr, c)
    step(pr, F_NONE)


@called
def writeout_run(st, pr, n, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """``swap_writeout`` of a large folio, which has nothing but itself behind its virtual slots."""
    value = st.parts[U1]
    ask(st, pr, value, F_FREE_SWAP)
    if zero:
        settle_run(st, pr, value, n, v.ZERO, F_ZERO)
        st.ctl[control.S_ZERO_LIVE] += n
        return U0
    if separate(st):
        look_run(st, pr, value, n, F_SWAPFILE_BACKED)
        settle_run(st, pr, value, n, v.FOLIO, F_STORE_FOLIO)
    else:
        look_run(st, pr, value, n, F_PREPARE)
    if backend == codes.ZSWAP:
        return store_run(st, pr, n, size)
    why = write_run(st, pr, value, n, backend, cpu) if st.ctl[own.C_VBACKING] == RUN else write_each(st, pr, n, backend, cpu)
    st.ctl[own.S_VBACKED if why == U0 else own.S_VREFUSED] += U1
    return why


@called
def store_run(st, pr, n, size):  # type: ignore[no-untyped-def]
    """``zswap_store``: page by page. The kernel keeps all pages or none; here entries run out only where a state has too few of them."""
    why = U0
    for i in range(n):
        value = st.parts[u(i) * U2 + U1]
        z = zswap.entry_new(st, pr, value, size, st.folio[word_of(st, i, F_TOKEN)])
        if z != U0:
            settle(st, pr, value, v.ZSWAP, z, F_STORE)
        else:
            why = codes.REACTIVATED
            st.parts[u(i) * U2] = U0
    return why


@called
def write_run(st, pr, value, n, backend, cpu):  # type: ignore[no-untyped-def]
    """``vswap_alloc_swap_slot`` and ``__swap_writepage``: one run of slots, one write; without a run the folio stays."""
    ask_backed(st, pr, value, n)
    order = U0
    while U1 << order < n:
        order += U1
    back = vs.run_for(st, pr, backend, value, order, cpu)
    if back == U0:
        for i in range(n):
            st.parts[u(i) * U2] = U0
        return codes.REACTIVATED
    step(pr, F_ALLOC_SLOT)
    c = known(st, pr, value)
    for i in range(n):
        v.back_with(st, pr, v.desc_of(st, c, value + u(i)), v.SWAPFILE, back + u(i))
    v.leave(st, pr, c)
    step(pr, F_NONE)
    to_sector(st, pr, value)
    for i in range(n):
        write_slot(st, pr, back + u(i), st.folio[word_of(st, i, F_TOKEN)])
    st.ctl[own.S_VWRITES] += U1
    return U0


@inner
def ask_backed(st, pr, value, n):  # type: ignore[no-untyped-def]
    """Ask if slots are behind the folio: v3 looks at all of its descriptors (``vswap_swapfile_backed``), v6 at the first."""
    if separate(st):
        look_run(st, pr, value, n, F_ALLOC_SLOT)
    else:
        ask(st, pr, value, F_ALLOC_SLOT)


@inner
def known(st, pr, value):  # type: ignore[no-untyped-def]
    """Begin the second round of ``vswap_alloc_swap_slot``; v6 has kept the cluster from the first."""
    if separate(st):
        return v.enter(st, pr, value)
    c = v.number_of(st, value)
    v.hold(st, pr, c)
    v.see(st, pr, c, value)
    return c


@inner
def to_sector(st, pr, value):  # type: ignore[no-untyped-def]
    """``__swap_writepage``: v3 asks for the slot twice, for the device and for the sector; v6 is handed it."""
    if separate(st):
        ask(st, pr, value, F_SLOT)
        ask(st, pr, value, F_SLOT)


@called
def write_each(st, pr, n, backend, cpu):  # type: ignore[no-untyped-def]
    """Take a slot and write for each page as for a single one; writes of slots that follow one another are merged (a block plug)."""
    why, last = U0, U0
    for i in range(n):
        value = st.parts[u(i) * U2 + U1]
        ask(st, pr, value, F_ALLOC_SLOT)
        back = take_slot(st, pr, backend, value, cpu)
        if back == U0:
            why, last = codes.REACTIVATED, U0
            st.parts[u(i) * U2] = U0
            continue
        to_sector(st, pr, value)
        write_slot(st, pr, back, st.folio[word_of(st, i, F_TOKEN)])
        st.ctl[own.S_VWRITES] += U1 if last == U0 or back != last + U1 else U0
        last = back
    return why


@called
def evict_run(st, pr, n):  # type: ignore[no-untyped-def]
    """``__vswap_remove_mapping`` of a large folio, whose pages PTEs hold: shadows and in-cache bits in one round, in v3 one each."""
    value = st.folio[word_of(st, U0, F_ENTRY)]
    step(pr, F_REMOVE)
    c = v.enter(st, pr, value)
    for i in range(n):
        d = v.desc_of(st, c, value + u(i))
        st.vmem[d + v.D_CACHE] = v.SHADOW
        wrote(pr, own.R_VDESC, d + v.D_CACHE)
    if separate(st):
        v.leave(st, pr, c)
        c = v.enter(st, pr, value)
    for i in range(n):
        d = v.desc_of(st, c, value + u(i))
        st.vmem[d + v.D_STATE] &= ~v.IN_CACHE
        wrote(pr, own.R_VDESC, d + v.D_STATE)
    v.leave(st, pr, c)
    step(pr, F_NONE)
    for i in range(n):
        f_clear(st, st.parts[u(i) * U2], CACHED)
        st.folio[word_of(st, i, F_ENTRY)] = U0


STEPS = {step.__name__: step for step in (claim_run, writeout_run, evict_run)}
