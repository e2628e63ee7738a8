"""The physical side of virtual swap: two bitmaps say what is allocated and what is bad, swap tables hold the virtual slot of each slot."""

from __future__ import annotations

from kernels import blocks, swap_table, swapfile
from kernels import cluster as cl
from kernels import vswap as v
from kernels import world as w
from kernels.atomic import ctz
from kernels.jit import called, inner, u
from kernels.probe import R_BAD, R_BITMAP, R_TABLE, touch, wrote
from kernels.words import U0, U1, U6, U63


@inner
def slot_scan(st, pr, first, end):  # type: ignore[no-untyped-def]
    """The first slot that is neither allocated nor bad."""
    g = first
    while g < end:
        touch(pr, R_BITMAP, g >> U6)
        touch(pr, R_BAD, g >> U6)
        free_bits = ~(st.bitmap[g >> U6] | st.bad[g >> U6]) >> (g & U63)
        if free_bits != U0:
            g += ctz(free_bits)
            return g + U1 if g < end else U0
        g = ((g >> U6) + U1) << U6
    return U0


@inner
def slot_mark(st, pr, g, used):  # type: ignore[no-untyped-def]
    """Set or clear the bit of slot `g`; the table comes with the first slot of its cluster and goes with the last."""
    count = u(st.cluster[cl.ci_of(st, g) + cl.CI_COUNT])
    bit = U1 << (g & U63)
    st.bitmap[g >> U6] = st.bitmap[g >> U6] | bit if used else st.bitmap[g >> U6] & ~bit
    wrote(pr, R_BITMAP, g >> U6)
    if used:
        if count == U0:
            swap_table.table_new(st, pr, g)
        return
    swap_table.word_set(st, pr, g, U0)
    if count == U1:
        blocks.drop(st, pr, cl.ci_of(st, g), blocks.TABLE, blocks.CI_TABLE)


@inner
def reverse_of(st, pr, g):  # type: ignore[no-untyped-def]
    """The virtual slot behind slot `g` (``swp_slot_to_swp_entry``)."""
    touch(pr, R_TABLE, swap_table.at(st, g))
    return st.table[swap_table.at(st, g)] & ~v.HINT


@inner
def hint(st, pr, d, only):  # type: ignore[no-untyped-def]
    """Note in the reverse word of the slot behind the descriptor at `d` whether the swap cache alone holds it."""
    if st.ctl[w.C_VHINT] != U0 and v.type_of(st, d) == v.SWAPFILE:
        g = cl.slot_of(st, st.vmem[d])
        word = st.table[swap_table.at(st, g)]
        swap_table.word_set(st, pr, g, word | v.HINT if only else word & ~v.HINT)


@called
def slot_for(st, pr, device, value, cpu):  # type: ignore[no-untyped-def]
    """``vswap_alloc_swap_slot``: a slot of `device` for `value`, charged and with its reverse word; its swap entry, 0 if there is none."""
    found = swapfile.slot_or_reclaim(st, pr, device, cpu)
    if found == U0:
        return U0
    if st.ctl[w.C_VCHARGE] == v.LATE:
        v.charge(st)
    swap_table.word_set(st, pr, found - U1, value)
    return cl.entry_of(st, device, found - U1)


@called
def count_read(st, pr, g):  # type: ignore[no-untyped-def]
    """Does the swap cache alone hold slot `g`? The reverse word says so (*cacheonly*), or the virtual layer is asked."""
    value = reverse_of(st, pr, g)
    if st.ctl[w.C_VHINT] == U0 and value != U0:
        v.look(st, pr, value)


@called
def is_cached(st, g):  # type: ignore[no-untyped-def]
    """What :func:`count_read` found out: the swap cache has slot `g`, and no PTE holds it."""
    word = st.table[swap_table.at(st, g)]
    if st.ctl[w.C_VHINT] != U0 or word == U0:
        return word & v.HINT != U0
    d = v.peek(st, word)
    return v.is_cached(st, d) and v.count_of(st, d) == U0


@inner
def unheld(st, g):  # type: ignore[no-untyped-def]
    """:func:`is_cached` has answered that."""
    return True


@inner
def cache_find(st, pr, g):  # type: ignore[no-untyped-def]
    """The folio that the swap cache has for slot `g`."""
    return v.cached_folio(st, pr, reverse_of(st, pr, g))
