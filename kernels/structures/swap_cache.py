"""The swap cache of 4.12..6.17: one xarray (``address_space``) for each 64 MiB of a swap device.

A leaf holds the folio, or after its eviction a shadow, which stays until the slot is freed.
"""

from __future__ import annotations

from kernels.compiling.constants import U0, U1, U2, U3, U14
from kernels.compiling.jit import inner, u
from kernels.observing.lock import L_CACHE, lock, unlock
from kernels.observing.probe import F_ADD, F_NONE, R_CACHE, R_CACHE_NODE, step
from kernels.structures import leaves, runs, swap_map
from kernels.structures import xarray as xa

SPACE_MASK = (U1 << U14) - U1  # SWAP_ADDRESS_SPACE_SHIFT = 14: 2^14 slots of 4 KiB
SHADOW = u(3)  # a workingset shadow: a value entry (its content does not matter here)


@inner
def find(st, pr, g):  # type: ignore[no-untyped-def]
    """Folio cached for slot `g`, 0 if none (empty, or a shadow)."""
    entry = xa.load(st.space, g >> U14, st.cpool, pr, R_CACHE, R_CACHE_NODE, g & SPACE_MASK)
    return entry >> U2 if entry & U3 == U0 else U0


@inner
def insert(st, pr, g, f):  # type: ignore[no-untyped-def]
    """Enter folio `f` as the cache of slot `g`; it replaces a shadow."""
    step(pr, F_ADD)
    lock(pr, st.space, (g >> U14) * xa.HEAD_WORDS, L_CACHE)
    xa.store(st.space, g >> U14, st.cpool, pr, R_CACHE, R_CACHE_NODE, g & SPACE_MASK, f << U2)
    unlock(pr, st.space, (g >> U14) * xa.HEAD_WORDS, L_CACHE)
    step(pr, F_NONE)


@inner
def remove(st, pr, g, shadow):  # type: ignore[no-untyped-def]
    """Replace the folio of slot `g` by a `shadow` while the slot lives on (end of writeback, clean drop), or by nothing."""
    lock(pr, st.space, (g >> U14) * xa.HEAD_WORDS, L_CACHE)
    if shadow:
        xa.store(st.space, g >> U14, st.cpool, pr, R_CACHE, R_CACHE_NODE, g & SPACE_MASK, SHADOW)
    else:
        xa.erase(st.space, g >> U14, st.cpool, pr, R_CACHE, R_CACHE_NODE, g & SPACE_MASK)
    unlock(pr, st.space, (g >> U14) * xa.HEAD_WORDS, L_CACHE)


@inner
def clear(st, pr, g):  # type: ignore[no-untyped-def]
    """Remove folio or shadow of slot `g` (the slot is being freed)."""
    remove(st, pr, g, False)


@inner
def clear_run(st, pr, g, n):  # type: ignore[no-untyped-def]
    """``clear_shadow_from_swap_cache``: clear `n` slots of one cluster from `g` on under one lock of their tree."""
    lock(pr, st.space, (g >> U14) * xa.HEAD_WORDS, L_CACHE)
    runs.erase(st.space, g >> U14, st.cpool, pr, R_CACHE, R_CACHE_NODE, g & SPACE_MASK, n)
    unlock(pr, st.space, (g >> U14) * xa.HEAD_WORDS, L_CACHE)


@inner
def slot_fetch(st, pr, g):  # type: ignore[no-untyped-def]
    """Prefetch the elements of the static arrays and the leaf of the swap cache."""
    swap_map.fetch(st, g)
    leaves.leaf(st.space, g >> U14, st.cpool, g & SPACE_MASK)
