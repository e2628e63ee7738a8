"""Writeout with virtual slots of April 2025 (``swap_writepage``): what backed the page so far goes first, whatever the page becomes.

A dirty page therefore never keeps its slot of a device. zswap is asked also for a page that it does not take, as in Linux 6.14: it looks
for an older entry under its lock and names the folio again. A slot of a device is taken only then.
"""

from __future__ import annotations

from kernels import codes, control
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import called
from kernels.designs.vswap_rfc import backing as b
from kernels.designs.vswap_rfc import own
from kernels.designs.vswap_rfc import space as v
from kernels.life.page_io import write_slot
from kernels.memory import F_TOKEN, f_word
from kernels.observing.probe import F_NONE, F_ZERO, step
from kernels.structures import zswap


@called
def writeout(st, pr, f, value, backend, size, zero, cpu):  # type: ignore[no-untyped-def]
    """Store the folio as "zero", as a zswap entry, or in a slot of the device; 0, or the reason why it is active again."""
    token = st.folio[f_word(f, F_TOKEN)]
    v.look(st, pr, value, own.F_SWAPPED)
    if zero:
        b.settle(st, pr, value, v.ZERO, token, F_ZERO)
        st.ctl[control.S_ZERO_LIVE] += U1
        return U0
    b.settle(st, pr, value, v.FOLIO, U0, own.F_STORE_FOLIO)
    if backend == codes.ZSWAP and store(st, pr, value, size, token):
        return U0
    refused(st, pr, value)
    if backend == codes.ZSWAP:
        return codes.REACTIVATED
    back = take_slot(st, pr, backend, value, cpu)
    if back == U0:
        return codes.REACTIVATED
    v.ask(st, pr, value, own.F_SLOT)
    v.ask(st, pr, value, own.F_SLOT)
    write_slot(st, pr, back, token)
    return U0


@called
def store(st, pr, value, size, token):  # type: ignore[no-untyped-def]
    """``zswap_store_page``: an entry in the tree and behind the virtual slot; false if there is none left."""
    z = zswap.entry_new(st, pr, value, size, token)
    if z != U0:
        step(pr, own.F_STORE)
        zswap.store_in(st, pr, v.shard_of(st, value), v.index_of(value), z)
        b.settle(st, pr, value, v.ZSWAP, z, own.F_ASSOC)
    return z != U0


@called
def refused(st, pr, value):  # type: ignore[no-untyped-def]
    """``zswap_store`` of a page that it does not take: look for an older entry, and name the folio as the backing."""
    step(pr, own.F_STORE)
    b.zswap_take(st, pr, value)
    step(pr, F_NONE)
    b.settle(st, pr, value, v.FOLIO, U0, own.F_STORE_FOLIO)


@called
def take_slot(st, pr, backend, value, cpu):  # type: ignore[no-untyped-def]
    """``vswap_alloc_swap_slot``: a slot of `backend` becomes the backing of `value`; its swap entry, or 0."""
    v.ask(st, pr, value, own.F_ALLOC_SLOT)
    back = b.slot_for(st, pr, backend, value, cpu)
    if back != U0:
        b.name(st, pr, value, v.SWAPFILE, back, own.F_ALLOC_SLOT)
    return back
