"""Steps of redirect: those of the swap tables, but for where a page is read and where a new write of it goes."""

from __future__ import annotations

from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called, inner
from kernels.designs.redirect import array, own
from kernels.life import page_io, runs, steps
from kernels.memory import F_ENTRY, F_TOKEN, f_word
from kernels.structures.cluster import slot_of


@called
def let_go(st, pr, g):  # type: ignore[no-untyped-def]
    """Take the redirect of slot `g` off, and free the slot that it led to."""
    word = array.set_word(st, pr, g, U0)
    array.slots_free(st, pr, slot_of(st, array.entry_in(word)), U1)


@called
def writeout(st, pr, f, value, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """Write a page as in phase IV: in zswap, or where its entry is. What it had elsewhere is of no use any more."""
    g = slot_of(st, st.folio[f_word(f, F_ENTRY)])
    if array.find(st, pr, g) != U0:
        let_go(st, pr, g)
    return page_io.writeout(st, pr, f, value, backend, size, zero, cpu)


@called
def write_page(st, pr, f, g, backend, size, zero):  # type: ignore[no-untyped-def]
    """The same for a page of a large folio."""
    if array.find(st, pr, g) != U0:
        let_go(st, pr, g)
    return page_io.write_page(st, pr, f, g, backend, size, zero)


@called
def read_end(st, pr, entry, f):  # type: ignore[no-untyped-def]
    """Read the slot that the redirect names, or the page's own, with zswap in front of it."""
    word = array.find(st, pr, slot_of(st, entry))
    if word == U0:
        page_io.read_data(st, pr, entry, f)
    else:
        st.folio[f_word(f, F_TOKEN)] = page_io.read_slot(st, pr, array.entry_in(word))


@inner
def retire(st, pr, value, entry, moment):  # type: ignore[no-untyped-def]
    """Free what stood in for a slot that was freed, as the lock of its cluster is dropped."""
    if moment == steps.FREE_UNLOCKED and st.ctl[own.S_WAITING] != U0:
        array.free_waiting(st, pr)


@called
def put_run(st, pr, value, n):  # type: ignore[no-untyped-def]
    """``free_swap_and_cache_nr``, then the slots that stood in for those that it freed."""
    runs.put_run(st, pr, value, n)
    if st.ctl[own.S_WAITING] != U0:
        array.free_waiting(st, pr)
