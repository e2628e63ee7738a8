"""The physical side of virtual swap: two bitmaps say what is allocated and what is bad, swap tables hold the virtual slot of each slot."""

from __future__ import annotations

from kernels import blocks, swap_table
from kernels import cluster as cl
from kernels import vswap as v
from kernels import world as w
from kernels.atomic import ctz
from kernels.cluster import D_FLAGS, D_SLOTS, DEV_ON, DEV_WORDS
from kernels.jit import called, inner, u
from kernels.probe import R_BAD, R_BITMAP, R_TABLE, touch, wrote
from kernels.steps import free_swap
from kernels.words import U0, U1, U2, U3, U6, U63
from kernels.world import LOCKED, WRITEBACK, f_is

FULL_HEAD = u(12)  # word of a device's row: first cluster of its full list
MOST_FULL = 8  # full clusters looked at before allocation gives up, as in kernels.swapfile.alloc_after_reclaim


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
    found = cl.slot_alloc(st, pr, device, cpu)
    if found == U0 and st.dev[device * DEV_WORDS + D_FLAGS] & DEV_ON != U0:
        found = alloc_after_reclaim(st, pr, device, cpu)
    if found == U0:
        return U0
    if st.ctl[w.C_VCHARGE] == v.LATE:
        v.charge(st)
    swap_table.word_set(st, pr, found - U1, value)
    return cl.entry_of(st, device, found - U1)


@inner
def slot_drop(st, pr, entry):  # type: ignore[no-untyped-def]
    """Free the slot of swap entry `entry`, which no descriptor names (any more)."""
    g = cl.slot_of(st, entry)
    ci = cl.lock_cluster(st, pr, g)
    cl.slot_release(st, pr, cl.device_of(entry), g)
    cl.unlock_cluster(st, pr, ci)
    if st.ctl[w.C_VCHARGE] == v.LATE:
        st.ctl[w.S_CHARGED] -= U1


@called
def only_cached(st, pr, g):  # type: ignore[no-untyped-def]
    """The folio that alone holds slot `g` through the swap cache, 0 if there is none: the hint says so, or the virtual layer is asked."""
    value = reverse_of(st, pr, g)
    if value == U0 or (st.ctl[w.C_VHINT] != U0 and st.table[swap_table.at(st, g)] & v.HINT == U0):
        return U0
    f, c = U0, v.enter(st, pr, value)
    if c != U0:
        d = v.desc_of(st, c, value)
        if v.count_of(st, d) == U0 and v.is_cached(st, d) and st.vmem[d + v.D_CACHE] & U3 == U0:
            f = st.vmem[d + v.D_CACHE] >> U2
        v.leave(st, pr, c)
    return f


@called
def alloc_after_reclaim(st, pr, device, cpu):  # type: ignore[no-untyped-def]
    """``swap_reclaim_full_clusters``: drop slots that only a swap cache holds, in a few full clusters, and try again."""
    row = device * DEV_WORDS
    for _ in range(MOST_FULL):
        c = st.dev[row + FULL_HEAD]
        if c == U0:
            break
        first = (c - U1) << st.ctl[w.C_CLUSTER_SHIFT]
        dropped = False
        for i in range(first, min(first + (U1 << st.ctl[w.C_CLUSTER_SHIFT]), st.dev[row] + st.dev[row + D_SLOTS])):
            f = only_cached(st, pr, u(i)) if st.bitmap[u(i) >> U6] >> (u(i) & U63) & U1 != U0 else U0
            if f != U0 and not f_is(st, f, LOCKED | WRITEBACK):
                dropped = free_swap(st, pr, f) or dropped
        if dropped:
            return cl.slot_alloc(st, pr, device, cpu)
        cl.list_del(st, pr, device, c - U1)
        cl.list_add_tail(st, pr, device, c - U1, cl.FULL_LIST)
    return U0
