"""Large folios on swap devices: contiguous slots of one cluster, claimed, charged, cached, written and let go of together."""

from __future__ import annotations

from kernels.compiling.constants import U0, U1, U2
from kernels.compiling.jit import called, inner, u
from kernels.life import charging, page_io, swapfile
from kernels.life.steps import claim, publish_run, unclaim, write_page
from kernels.memory import CACHED, F_ENTRY, F_VALUE, f_clear, f_set, f_word
from kernels.structures import cluster as cl
from kernels.structures import orders
from kernels.structures.cluster import slot_of
from kernels.structures.common import table
from kernels.structures.common.steps import common
from kernels.structures.slots import (
    cache_insert_run,
    cache_remove_run,
    charge_run,
    collect,
    collects,
    count_read,
    flag_clear,
    folio_swapped,
    look_after,
    zero_mark_run,
)


@called
def give_back_run(st, pr, entry, g, n):  # type: ignore[no-untyped-def]
    """``put_swap_folio`` of `n` slots from `g` on, which were allocated for nothing."""
    ci = cl.lock_cluster(st, pr, g)
    for i in range(n):
        swapfile.slot_leave(st, pr, entry + u(i), g + u(i))
    cl.unlock_cluster(st, pr, ci)
    for i in range(n if collects(st) else U0):
        collect(st, pr, entry + u(i), g + u(i))


@called
def claim_each(st, pr, order, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """Claim page by page, for a design whose values need not lie side by side."""
    whole = True
    for i in range(U1 << order):
        value = claim(st, pr, st.parts[u(i) * U2], page + u(i), memcg, backend, cpu)
        st.parts[u(i) * U2 + U1] = value
        whole = whole and value != U0
    return whole


@called
def claim_run(st, pr, order, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """``folio_alloc_swap`` of a large folio: one run of slots, one charge of all its pages, one section of the swap cache."""
    d = swapfile.home(st, backend)
    found = run_of(st, pr, d, cpu, order)
    return found != U0 and claim_slots(st, pr, d, found - U1, U1 << order, memcg, cpu)


@inner
def run_of(st, pr, d, cpu, order):  # type: ignore[no-untyped-def]
    """First of 2^`order` slots of device `d`, plus 1; 0 if there is no run."""
    if collects(st):
        look_after(st, pr)
    common(pr, st, table.CLAIM, U0)
    return orders.run_alloc(st, pr, d, cpu, order)


@called
def claim_slots(st, pr, d, g, n, memcg, cpu):  # type: ignore[no-untyped-def]
    """Charge `n` slots of device `d` from `g` on and enter the folios of ``parts`` as their cache; false if there is no charge or value."""
    entry = cl.entry_of(st, d, g)
    if not charging.charge_slots(st, pr, memcg, n, g):
        give_back_run(st, pr, entry, g, n)
        return False
    charge_run(st, pr, g, n, memcg)
    for i in range(n):
        swapfile.owner_record(st, pr, g + u(i))
    cache_insert_run(st, pr, g, n)
    settle(st, entry, n)
    whole = publish_run(st, pr, entry, n, cpu)
    for i in range(U0 if whole else n):
        if st.parts[u(i) * U2 + U1] != U0:
            unclaim(st, pr, st.parts[u(i) * U2], st.parts[u(i) * U2 + U1])
    return whole


@inner
def settle(st, entry, n):  # type: ignore[no-untyped-def]
    """Note that the folios of ``parts`` are in the swap cache for the entries from `entry` on."""
    for i in range(n):
        f = st.parts[u(i) * U2]
        st.folio[f_word(f, F_ENTRY)], st.folio[f_word(f, F_VALUE)] = entry + u(i), U0
        f_set(st, f, CACHED)


@called
def writeout_run(st, pr, n, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """``swap_writeout`` of a large folio: one look at its counts, one section for its zero bits, then page by page to zswap or its sector.

    zswap keeps the pages that it has room for, where the kernel keeps all or none: its entries run out only where a state has fewer of
    them than its pages ask for.
    """
    why, g = U0, slot_of(st, st.folio[f_word(st.parts[U0], F_ENTRY)])
    folio_swapped(st, pr, g)
    for i in range(U1, n):
        count_read(st, pr, g + u(i))
    zero_mark_run(st, pr, g, n, zero)
    for i in range(n):
        lost = write_page(st, pr, st.parts[u(i) * U2], g + u(i), backend, size, zero)
        if lost != U0:
            why = lost
            st.parts[u(i) * U2] = U0
    return why


@called
def evict_run(st, pr, n):  # type: ignore[no-untyped-def]
    """``__remove_mapping`` of a large folio, whose pages PTEs hold: shadows in its place, and its slots let go of, in one section each."""
    g = slot_of(st, st.folio[f_word(st.parts[U0], F_ENTRY)])
    cache_remove_run(st, pr, g, n)
    for i in range(n):
        f = st.parts[u(i) * U2]
        f_clear(st, f, CACHED)
        st.folio[f_word(f, F_ENTRY)] = U0
    ci = cl.lock_cluster(st, pr, g)
    for i in range(n):
        flag_clear(st, pr, g + u(i))
    cl.unlock_cluster(st, pr, ci)


STEPS = {"write_page": page_io.write_page, "claim_run": claim_run, "writeout_run": writeout_run, "evict_run": evict_run, **orders.STEPS}
"""The steps of a large folio, for a design whose single pages take the steps of :mod:`kernels.life.swapfile`."""
