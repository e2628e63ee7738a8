"""Large folios in virtual swap as first posted: an empty virtual cluster for each, one walk where the series makes one for the folio.

``vswap_alloc`` takes the lowest virtual cluster without a slot in use, by the map of counts, never the first one, and gives the folio the
first slots of it; single pages take the lowest free slot of all, also behind those of a folio. Functions of the folio then go over its
slots in one walk (``xas_for_each``), with an atomic or a section of its lock for each descriptor. A device has to have a run of slots
(``folio_alloc_swap_slot``); its slots are entered in the reverse map one by one (``xa_insert``). Without a run, or at the limit, the
whole folio is active again. Slots page by page (C_RBACKING) are nobody's patch: each page asks for its own as a single page does.
"""

from __future__ import annotations

from kernels import codes, control
from kernels.compiling.constants import LOW32, U0, U1, U2, U6, U32, U63, U73
from kernels.compiling.jit import called, inner, u
from kernels.designs.swap_id_rmap import reverse
from kernels.designs.vswap_rfc import backing as b
from kernels.designs.vswap_rfc import own
from kernels.designs.vswap_rfc import space as v
from kernels.designs.vswap_rfc.own import L_COUNTS, L_SPACE, R_COUNTS, R_COUNTS_NODE, R_RDESC, R_SPACE, R_SPACE_NODE
from kernels.designs.vswap_rfc.writing import refused, store, take_slot
from kernels.life.page_io import write_slot
from kernels.memory import CACHED, F_ENTRY, F_TOKEN, F_VALUE, f_clear, f_set, f_word
from kernels.observing.atomics import atomic_add
from kernels.observing.lock import lock, unlock
from kernels.observing.probe import F_CACHE_CLEAR, F_NONE, F_ZERO, alone, chase, step, touch, wrote
from kernels.structures import cluster as cl
from kernels.structures import idalloc, orders, swap_cache
from kernels.structures import page_counter as pc
from kernels.structures import xarray as xa
from kernels.structures.cluster import entry_of

RUN = U0  # C_RBACKING
LEVELS = U2 + U2  # nodes above the leaves of a run, at most
POOL_END = u(4)  # word of a pool: where its nodes end


@inner
def folio_word(st, i, word):  # type: ignore[no-untyped-def]
    """Index of `word` of folio `i` of ``parts``."""
    return f_word(st.parts[u(i) * U2], word)


@inner
def has_room(st, n):  # type: ignore[no-untyped-def]
    """True if descriptors are left for `n` slots, and nodes beside those that single pages may need: the model's own room."""
    nodes = (n >> U6) + LEVELS + st.ctl[own.C_RDENSE] + U1
    used = max(st.slotpool[xa.P_USED], st.cpool[xa.P_USED], st.zpool[xa.P_USED])  # all three have as many nodes
    return (used + nodes) * U73 <= st.slotpool[POOL_END] and st.ctl[own.S_RDESC_LIVE] + n <= st.ctl[own.C_RDESCS]


@called
def alloc_run(st, pr, cpu, order):  # type: ignore[no-untyped-def]
    """``vswap_alloc`` for 2^`order` pages: descriptors, and the first slots of an empty virtual cluster; the first slot, or 0."""
    n, shift = U1 << order, st.ctl[own.C_RSHIFT]
    if order > shift or not has_room(st, n):
        return U0
    step(pr, own.F_ALLOC)
    for i in range(n):
        st.parts[u(i) * U2 + U1] = v.take(st, pr)
    h = cpu % st.ctl[own.C_SHARDS]
    lock(pr, st.slothead, h * xa.HEAD_WORDS + xa.H_LOCK, L_SPACE)
    lock(pr, st.counthead, h * xa.HEAD_WORDS + xa.H_LOCK, L_COUNTS)
    c = idalloc.alloc(st.counthead, h, st.countpool, pr, R_COUNTS, R_COUNTS_NODE, U1, LOW32 >> shift, xa.mk_value(n))
    unlock(pr, st.counthead, h * xa.HEAD_WORDS + xa.H_LOCK, L_COUNTS)
    st.ctl[own.S_RCOUNTS] += U1
    st.ctl[own.S_RCOUNTS_PEAK] = max(st.ctl[own.S_RCOUNTS_PEAK], st.ctl[own.S_RCOUNTS])
    for i in range(n):
        d = st.parts[u(i) * U2 + U1]
        xa.store(st.slothead, h, st.slotpool, pr, R_SPACE, R_SPACE_NODE, (c << shift) + u(i), d << U2)
    unlock(pr, st.slothead, h * xa.HEAD_WORDS + xa.H_LOCK, L_SPACE)
    for i in range(n):
        number(st, pr, st.parts[u(i) * U2 + U1], (h << U32 | c << shift) + u(i))
    step(pr, F_NONE)
    return h << U32 | c << shift


@inner
def number(st, pr, d, value):  # type: ignore[no-untyped-def]
    """Note in descriptor `d`, which nobody knows yet, its own virtual slot, where it has a word for it."""
    if st.ctl[own.C_RSTRIDE] == v.SPLIT:
        st.descriptors[d * v.SPLIT] = value
        alone(pr, True)
        wrote(pr, R_RDESC, d * v.SPLIT)
        alone(pr, False)


@called
def leaf_of(st, pr, value):  # type: ignore[no-untyped-def]
    """Leaf slot of `value` in the map of slots."""
    return xa.find_slot(st.slothead, v.shard_of(st, value), st.slotpool, pr, R_SPACE, R_SPACE_NODE, v.index_of(value))


@inner
def next_leaf(st, pr, value, slot):  # type: ignore[no-untyped-def]
    """Leaf slot of `value` in a walk over a run (``xas_next_entry``), behind `slot` or in the next leaf; 0 is before the first."""
    slot = leaf_of(st, pr, value) if slot == U0 or value & U63 == U0 else slot + U1
    touch(pr, R_SPACE_NODE, slot)
    return slot


@inner
def desc_at(st, pr, slot):  # type: ignore[no-untyped-def]
    """Descriptor behind leaf `slot`."""
    d = st.slotpool[slot] >> U2
    chase(pr, R_RDESC, v.at(st, d))
    return d


@called
def claim_run(st, pr, order, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """``folio_alloc_swap`` and ``add_to_swap_cache`` of a large folio: slots, their owner, the folio behind them and in the swap cache."""
    n, value = U1 << order, alloc_run(st, pr, cpu, order)
    if value == U0:
        return False
    st.ctl[own.S_RFOLIOS] += U1
    step(pr, own.F_RECORD)
    pc.id_get(st, pr, pc.block_of(st, memcg), n)
    step(pr, own.F_RECORD)
    slot = U0
    for i in range(n):
        slot = next_leaf(st, pr, value + u(i), slot)
        word = v.at(st, desc_at(st, pr, slot)) + v.D_KIND
        atomic_add(pr, R_RDESC, word, st.descriptors, word, memcg << U32)
    step(pr, own.F_FOLIO)
    slot = U0
    for i in range(n):
        slot = next_leaf(st, pr, value + u(i), slot)
        d = desc_at(st, pr, slot)
        alone(pr, True)  # no lock: nobody knows the slots yet
        v.back_with(st, pr, d, v.FOLIO, U0)
        alone(pr, False)
    step(pr, F_NONE)
    swap_cache.insert_run_in(st, pr, v.shard_of(st, value), v.index_of(value), n)
    for i in range(n):
        st.parts[u(i) * U2 + U1] = value + u(i)
        st.folio[folio_word(st, i, F_VALUE)], st.folio[folio_word(st, i, F_ENTRY)] = value + u(i), value + u(i)
        f_set(st, st.parts[u(i) * U2], CACHED)
    return True


@called
def release_run(st, pr, value, n):  # type: ignore[no-untyped-def]
    """``release_backing`` of a folio that nothing else is behind: one walk, a section for each descriptor."""
    step(pr, own.F_RELEASE)
    slot = U0
    for i in range(n):
        slot = next_leaf(st, pr, value + u(i), slot)
        d = desc_at(st, pr, slot)
        v.hold(st, pr, d)
        v.back_with(st, pr, d, v.FOLIO, U0)
        v.leave(st, pr, d)
    step(pr, F_NONE)


@called
def name_run(st, pr, value, n, kind, back, function):  # type: ignore[no-untyped-def]
    """:func:`kernels.designs.vswap_rfc.backing.name` for `n` slots from `value` on: slots of a device from `back` on, zeros, the folio."""
    step(pr, function)
    slot = U0
    for i in range(n):
        slot = next_leaf(st, pr, value + u(i), slot)
        d = desc_at(st, pr, slot)
        v.hold(st, pr, d)
        token = st.folio[folio_word(st, i, F_TOKEN)]
        v.back_with(st, pr, d, kind, token if kind == v.ZERO else back + u(i) if kind == v.SWAPFILE else U0)
        v.leave(st, pr, d)
    step(pr, F_NONE)


@called
def settle_run(st, pr, value, n, kind, function):  # type: ignore[no-untyped-def]
    """Release what is behind `n` slots from `value` on, and name what is: a walk each."""
    release_run(st, pr, value, n)
    name_run(st, pr, value, n, kind, U0, function)


@called
def writeout_run(st, pr, n, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """``swap_writepage`` of a large folio, which has nothing but itself behind its virtual slots."""
    value = st.parts[U1]
    v.look(st, pr, value, own.F_SWAPPED)
    if zero:
        settle_run(st, pr, value, n, v.ZERO, F_ZERO)
        st.ctl[control.S_ZERO_LIVE] += n
        return U0
    settle_run(st, pr, value, n, v.FOLIO, own.F_STORE_FOLIO)
    if backend == codes.ZSWAP:
        return store_run(st, pr, n, size)
    refused_run(st, pr, value, n)
    why = write_run(st, pr, value, n, backend, cpu) if st.ctl[own.C_RBACKING] == RUN else write_each(st, pr, n, backend, cpu)
    st.ctl[own.S_RBACKED if why == U0 else own.S_RREFUSED] += U1
    return why


@called
def store_run(st, pr, n, size):  # type: ignore[no-untyped-def]
    """``zswap_store``: page by page. The kernel keeps all pages or none; here entries run out only where a state has too few of them."""
    why = U0
    for i in range(n):
        value = st.parts[u(i) * U2 + U1]
        if not store(st, pr, value, size, st.folio[folio_word(st, i, F_TOKEN)]):
            refused(st, pr, value)
            why = codes.REACTIVATED
            st.parts[u(i) * U2] = U0
    return why


@called
def refused_run(st, pr, value, n):  # type: ignore[no-untyped-def]
    """``zswap_store`` of a folio that it does not take: look for an older entry of each page, and name the folio as the backing."""
    step(pr, own.F_STORE)
    for i in range(n):
        b.zswap_take(st, pr, value + u(i))
    step(pr, F_NONE)
    settle_run(st, pr, value, n, v.FOLIO, own.F_STORE_FOLIO)


@called
def run_for(st, pr, device, value, n, cpu):  # type: ignore[no-untyped-def]
    """``folio_alloc_swap_slot``: a charged run of slots of `device` that lead to the folio at `value`; its swap entry, or 0."""
    order = U0
    while U1 << order < n:
        order += U1
    found = orders.run_alloc(st, pr, device, cpu, order)
    if found == U0:
        return U0
    entry = entry_of(st, device, found - U1)
    if not pc.try_charge(st, pr, pc.block_of(st, v.owner_of(st, v.peek(st, value))), n):
        step(pr, own.F_SLOT_FREE)
        ci = cl.lock_cluster(st, pr, found - U1)
        cl.slots_release(st, pr, device, found - U1, n)
        cl.unlock_cluster(st, pr, ci)
        step(pr, F_NONE)
        return U0
    for i in range(n):
        reverse.link(st, pr, value + u(i), entry + u(i))
    return entry


@called
def write_run(st, pr, value, n, backend, cpu):  # type: ignore[no-untyped-def]
    """``vswap_alloc_swap_slot`` and ``__swap_writepage``: one run of slots, one write; without a run the folio stays."""
    v.ask(st, pr, value, own.F_ALLOC_SLOT)
    back = run_for(st, pr, backend, value, n, cpu)
    if back == U0:
        for i in range(n):
            st.parts[u(i) * U2] = U0
        return codes.REACTIVATED
    name_run(st, pr, value, n, v.SWAPFILE, back, own.F_ALLOC_SLOT)
    v.ask(st, pr, value, own.F_SLOT)
    v.ask(st, pr, value, own.F_SLOT)
    for i in range(n):
        write_slot(st, pr, back + u(i), st.folio[folio_word(st, i, F_TOKEN)])
    st.ctl[own.S_RWRITES] += U1
    return U0


@called
def write_each(st, pr, n, backend, cpu):  # type: ignore[no-untyped-def]
    """Take a slot and write for each page as for a single one; writes of slots that follow one another are merged (a block plug)."""
    why, last = U0, U0
    for i in range(n):
        value = st.parts[u(i) * U2 + U1]
        back = take_slot(st, pr, backend, value, cpu)
        if back == U0:
            why, last = codes.REACTIVATED, U0
            st.parts[u(i) * U2] = U0
            continue
        v.ask(st, pr, value, own.F_SLOT)
        v.ask(st, pr, value, own.F_SLOT)
        write_slot(st, pr, back, st.folio[folio_word(st, i, F_TOKEN)])
        st.ctl[own.S_RWRITES] += U1 if last == U0 or back != last + U1 else U0
        last = back
    return why


@called
def evict_run(st, pr, n):  # type: ignore[no-untyped-def]
    """``__remove_mapping`` of a large folio, whose pages PTEs hold: shadows under one lock, then an atomic each (``swapcache_clear``)."""
    value = st.folio[folio_word(st, U0, F_ENTRY)]
    step(pr, own.F_REMOVE)
    swap_cache.remove_run_in(st, pr, v.shard_of(st, value), v.index_of(value), n)
    step(pr, F_CACHE_CLEAR)
    slot = U0
    for i in range(n):
        slot = next_leaf(st, pr, value + u(i), slot)
        v.cache_unpin(st, pr, desc_at(st, pr, slot))
        f_clear(st, st.parts[u(i) * U2], CACHED)
        st.folio[folio_word(st, i, F_ENTRY)] = U0
    step(pr, F_NONE)


STEPS = {step.__name__: step for step in (claim_run, writeout_run, evict_run)}
