"""Steps of the swap-table edition: those of the swap tables, which know a virtual slot by its number, and what differs for one.

A swap-in asks what is behind a virtual slot four times, each time through the xarray and under the cluster's lock: whether the device
behind it is synchronous (before the read, and again before the cache copy may go), what zswap has, which slot; and whether that is worth
keeping.
"""

from __future__ import annotations

from kernels import codes
from kernels.compiling.constants import LOW32, U0, U1, U2, U3
from kernels.compiling.jit import called, inner, u
from kernels.control import C_TOKENS
from kernels.designs.swap_table import table as swap_table
from kernels.designs.vswap_ste import backing, own
from kernels.designs.vswap_ste import slots as vs
from kernels.designs.vswap_ste.clusters import ARRAY, cluster_reach
from kernels.designs.xswap import array
from kernels.life import charging, folio_slots, page_io, runs, steps, swapfile
from kernels.memory import CACHED, DIRTY, F_ENTRY, F_TOKEN, f_is, f_set, f_word, mapcount
from kernels.observing.probe import F_NONE, F_ZERO, R_DEV, chase, step
from kernels.structures import cluster as cl
from kernels.structures import zswap
from kernels.structures.cluster import DEV_WORDS, device_of, slot_of

SENT_TO_ZSWAP = U1  # C_ROUTE
write_each = steps.writeout_run.default


@inner
def is_virtual_entry(entry):  # type: ignore[no-untyped-def]
    """True if `entry` names the virtual device."""
    return device_of(entry) == codes.ZSWAP


@called
def claim(st, pr, f, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """``folio_alloc_swap``: a virtual slot for a page that zswap may take, else, or where there is none, a slot of a disk."""
    if not f_is(st, f, CACHED) and (backend == codes.ZSWAP or st.ctl[own.C_ROUTE] != SENT_TO_ZSWAP):
        found = cl.slot_alloc(st, pr, codes.ZSWAP, cpu)
        if found != U0:
            return swapfile.claim_slot(st, pr, f, codes.ZSWAP, found, memcg, cpu)  # never refused: nothing is charged
        st.ctl[own.S_FELL_BACK] += U1
    return swapfile.claim(st, pr, f, page, memcg, backend, cpu)


@called
def claim_run(st, pr, order, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """The same for a large folio: a run of virtual slots, or of slots of a disk. Without a run it is split."""
    if backend == codes.ZSWAP or st.ctl[own.C_ROUTE] != SENT_TO_ZSWAP:
        return claim_virtual_run(st, pr, order, page, memcg, backend, cpu)
    return folio_slots.claim_run(st, pr, order, page, memcg, backend, cpu)


@called
def claim_virtual_run(st, pr, order, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """A run of virtual slots for a large folio, or none."""
    found = folio_slots.run_of(st, pr, codes.ZSWAP, cpu, order)
    return found != U0 and folio_slots.claim_slots(st, pr, codes.ZSWAP, found - U1, U1 << order, memcg, cpu)


@inner
def clusters_grow(st, pr, d):  # type: ignore[no-untyped-def]
    """Map the next chunk of the array of virtual clusters, where it is one."""
    return st.ctl[own.C_INDEX] == ARRAY and array.clusters_grow(st, pr, d)


@inner
def shrink(st, pr):  # type: ignore[no-untyped-def]
    """See if the array of virtual clusters may shrink, where it is one."""
    if st.ctl[own.C_INDEX] == ARRAY:
        array.try_shrink(st, pr)


@inner
def retire(st, pr, value, entry, moment):  # type: ignore[no-untyped-def]
    """See if the array may shrink, as a virtual slot was freed and its cluster's lock dropped."""
    if moment == steps.FREE_UNLOCKED and is_virtual_entry(entry):
        shrink(st, pr)


@called
def put(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """``folio_put_swap`` at the end of a fault, and the question whether to keep the cache copy (``should_try_to_free_swap``)."""
    left = swapfile.put(st, pr, value, entry)
    if is_virtual_entry(entry) and left != U2:
        g = slot_of(st, entry)
        if not is_synchronous(st, pr, g):
            vs.ask(st, pr, g, own.F_BACKED)
    return left


@called
def is_synchronous(st, pr, g):  # type: ignore[no-untyped-def]
    """``swap_entry_backend_has_flag``: is what is behind virtual slot `g` a slot of a synchronous device?"""
    word = vs.ask(st, pr, g, own.F_HAS_FLAG)
    if word & vs.KIND != vs.SWAPFILE:
        return False
    chase(pr, R_DEV, device_of(word >> U3) * DEV_WORDS)
    return cl.is_synchronous(st, device_of(word >> U3))


@called
def swap_full(st, entry):  # type: ignore[no-untyped-def]
    """``should_try_to_free_swap``: nothing but a slot of a disk is worth keeping, and of a synchronous one not even that."""
    if not is_virtual_entry(entry):
        return swapfile.swap_full(st, entry)
    word = vs.behind(st, slot_of(st, entry))
    return word & vs.KIND != vs.SWAPFILE or cl.is_synchronous(st, device_of(word >> U3)) or cl.swap_full(st)


@called
def put_run(st, pr, value, n):  # type: ignore[no-untyped-def]
    """``swap_put_entries_direct`` of one cluster. A mapped folio leaves a virtual slot only if a slot of a disk gets free by it."""
    if not is_virtual_entry(value):
        runs.put_run(st, pr, value, n)
        return
    first, kept = slot_of(st, value), runs.put_entries(st, pr, value, n)
    shrink(st, pr)
    for i in range(n if kept != U0 else U0):
        g = first + u(i)
        f = swapfile.lookup(st, pr, value + u(i)) if swapfile.only_cached(st, g) else U0
        if f != U0 and (mapcount(st, f) == U0 or (charging.folio_swap_full(st, pr, f) and is_backed(st, pr, g))):
            steps.drop_unused(st, pr, f)


@inner
def is_backed(st, pr, g):  # type: ignore[no-untyped-def]
    """``folio_phys_swap_backed``: is a slot of a disk behind virtual slot `g`?"""
    return vs.ask(st, pr, g, own.F_BACKED) & vs.KIND == vs.SWAPFILE


@called
def writeout(st, pr, f, value, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """``swap_writeout``: a zero page is a flag, then zswap is asked, then a slot of a disk is taken. None: the page is activated again."""
    entry = st.folio[f_word(f, F_ENTRY)]
    if not is_virtual_entry(entry):
        return page_io.writeout(st, pr, f, value, backend, size, zero, cpu)
    g, token = slot_of(st, entry), st.folio[f_word(f, F_TOKEN)]
    swap_table.folio_swapped(st, pr, g)
    if zero:
        write_zero(st, pr, g, token)
        return U0
    swap_table.zero_mark(st, pr, g, False)
    backing.release_of(st, pr, g, True)
    if backend == codes.ZSWAP:
        z = zswap.entry_new(st, pr, entry, size, token)
        if z != U0:
            backing.store(st, pr, g, z)
            return U0
    back = backing.realloc(st, pr, g, swapfile.home(st, backend), cpu)
    if back == U0:
        return codes.REACTIVATED
    page_io.write_slot(st, pr, back, token)
    return U0


@called
def writeout_run(st, pr, n, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """``swap_writeout`` of a large folio. Behind its virtual slots each page gets a place of its own: slots of a disk need not adjoin."""
    if not is_virtual_entry(st.folio[f_word(st.parts[U0], F_ENTRY)]):
        return folio_slots.writeout_run(st, pr, n, backend, size, zero, cpu)
    return write_each(st, pr, n, backend, size, zero, cpu)


@inner
def write_zero(st, pr, g, token):  # type: ignore[no-untyped-def]
    """``swap_zeromap_folio_set``: what was behind the slot goes, and the flag is set, in one section."""
    step(pr, F_ZERO)
    ci = cl.lock_cluster(st, pr, g)
    backing.release(st, pr, g, U1)
    swap_table.zero_set(st, pr, g, True)
    cl.unlock_cluster(st, pr, ci)
    step(pr, F_NONE)
    page_io.keep_content(st, g, token)


@called
def read_begin(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """Ask which way to read (``do_swap_page``), then enter the swap cache as for any entry."""
    if is_virtual_entry(entry):
        is_synchronous(st, pr, slot_of(st, entry))
    return swapfile.read_begin(st, pr, entry, f)


@called
def read_end(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """``swap_read_folio``. A zswap entry goes when it is loaded: the folio is dirty and the only copy."""
    if not is_virtual_entry(entry):
        page_io.read_data(st, pr, entry, f)
        return
    g = slot_of(st, entry)
    if load(st, pr, g, f) & vs.KIND == vs.ZSWAP:
        f_set(st, f, DIRTY)
        backing.release_of(st, pr, g, False)


@called
def load(st, pr, g, f):  # type: ignore[no-untyped-def]
    """Read the content of virtual slot `g` into `f`: the zero flag, zswap, then the slot of a disk. The word of the virtual table."""
    step(pr, own.F_ZEROMAP)
    zero = swap_table.zero_of(st, pr, cluster_reach(st, pr, g))
    step(pr, F_NONE)
    if zero:
        token = u(st.token[g]) if st.ctl[C_TOKENS] != U0 else U0
        st.folio[f_word(f, F_TOKEN)] = page_io.read_zero(st, pr, token)
        return vs.NONE
    word = vs.ask(st, pr, g, own.F_LOAD)
    if word & vs.KIND == vs.ZSWAP:
        st.folio[f_word(f, F_TOKEN)] = zswap.entry_read(st, pr, word >> U3) & LOW32
    else:
        vs.ask(st, pr, g, own.F_TO_PHYS)
        st.folio[f_word(f, F_TOKEN)] = page_io.read_slot(st, pr, word >> U3)
    return word
