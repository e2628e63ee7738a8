"""Disks of vswap_all: a bit for each slot says that it is in use. With ``reverse=word`` a table names the virtual slots as well.

Whatever is kept of a page is kept with its virtual slot. So a disk without words does not know whose data its slots have: it cannot look
for one whose page the swap cache alone holds, and a swapoff looks at all virtual slots.
"""

from __future__ import annotations

from kernels import codes, control
from kernels.compiling.constants import U0, U1, U3, U6
from kernels.compiling.jit import called, inner, u
from kernels.control import C_CLUSTER_SHIFT
from kernels.designs.swap_table import table as swap_table
from kernels.designs.vswap_all.own import C_REVERSE
from kernels.designs.vswap_ste import clusters as vc
from kernels.designs.vswap_ste import moves, own, pointers
from kernels.designs.vswap_ste import slots as vs
from kernels.designs.vswap_ste.clusters import is_virtual
from kernels.life import moves as life
from kernels.life import swapfile
from kernels.memory import CACHED, F_ENTRY, f_is, f_word
from kernels.observing.probe import R_BITMAP, R_CLUSTER, touch
from kernels.structures import bitmap
from kernels.structures import cluster as cl
from kernels.structures.cluster import ci_of, device_of


@inner
def has_words(st):  # type: ignore[no-untyped-def]
    """True if slots of disks name their virtual slots."""
    return st.ctl[C_REVERSE] != U0


@inner
def claim(st, pr, f, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """``folio_alloc_swap``: a virtual slot, or nothing; the page then stays."""
    if f_is(st, f, CACHED):
        return st.folio[f_word(f, F_ENTRY)]
    return swapfile.claim_slot(st, pr, f, codes.ZSWAP, cl.slot_alloc(st, pr, codes.ZSWAP, cpu), memcg, cpu)


@inner
def slot_scan(st, pr, first, end):  # type: ignore[no-untyped-def]
    """First free slot: by the word of a virtual one, by the bit of a disk's."""
    return swap_table.slot_scan(st, pr, first, end) if is_virtual(st, first) else bitmap.first_free(st, pr, first, end)


@inner
def slot_mark(st, pr, g, used):  # type: ignore[no-untyped-def]
    """Mark slot `g`; that of a disk has a bit, and a word where disks have any."""
    if not is_virtual(st, g):
        bitmap.mark(st, pr, g, used)
        if not has_words(st):
            st.ctl[own.S_PSLOTS] += U1 if used else ~U0
            return
    vs.slot_mark(st, pr, g, used)


@inner
def is_cached(st, g):  # type: ignore[no-untyped-def]
    """True if the swap cache has slot `g`; of a disk's if its word says that the cache alone does."""
    return (is_virtual(st, g) or has_words(st)) and vs.is_cached(st, g)


@inner
def count_read(st, pr, g):  # type: ignore[no-untyped-def]
    """Read the word of slot `g`, or the bit."""
    if is_virtual(st, g) or has_words(st):
        swap_table.count_read(st, pr, g)
    else:
        touch(pr, R_BITMAP, g >> U6)


@inner
def slot_find(st, pr, device, cpu):  # type: ignore[no-untyped-def]
    """Slot + 1 of `device`; only words can tell one that the swap cache alone holds."""
    return swapfile.slot_or_reclaim(st, pr, device, cpu) if has_words(st) else cl.slot_alloc(st, pr, device, cpu)


@inner
def point_to(st, g, virtual):  # type: ignore[no-untyped-def]
    """Name the virtual slot in the word of fresh slot `g`, where it has one."""
    if has_words(st):
        pointers.point_to(st, g, virtual)


@inner
def count_up(st, pr, g):  # type: ignore[no-untyped-def]
    """Add one PTE. Without words there is no hint to be taken off."""
    return vs.count_up(st, pr, g) if has_words(st) else swap_table.count_up(st, pr, g)


@inner
def count_down(st, pr, g):  # type: ignore[no-untyped-def]
    """Take one PTE off. Without words there is no hint to be left."""
    return vs.count_down(st, pr, g) if has_words(st) else swap_table.count_down(st, pr, g)


@inner
def slot_leave(st, pr, entry, b):  # type: ignore[no-untyped-def]
    """Leave zswap alone: it has no trees, as no entry is direct."""
    return


@called
def swapoff(st, pr, d, target, cpu):  # type: ignore[no-untyped-def]
    """``try_to_unuse``: by the words of the disk's slots, or a scan of what is behind all virtual slots. No page table is looked at."""
    if d == codes.ZSWAP or not cl.turn_off(st, d):
        return codes.DEVICE_OFF
    if has_words(st):
        moves.follow_pointers(st, pr, d)
    else:
        scan_virtual(st, pr, d)
    return life.sweep(st, pr, d)


@called
def scan_virtual(st, pr, d):  # type: ignore[no-untyped-def]
    """Look at the word of every virtual slot of each virtual cluster, until device `d` has no slot in use."""
    shift = st.ctl[C_CLUSTER_SHIFT]
    for c in range(st.ctl[own.C_VCLUSTERS]):
        if st.dev[d * cl.DEV_WORDS + cl.D_USED] == U0:
            return
        if st.vtail[u(c) * vc.TAIL_WORDS + vc.T_VTABLE] != U0:
            touch(pr, R_CLUSTER, ci_of(st, u(c) << shift) >> U1)
            scan_cluster(st, pr, d, u(c) << shift)


@called
def scan_cluster(st, pr, d, first):  # type: ignore[no-untyped-def]
    """Look at every slot of the virtual cluster that begins at `first`; the page of one that has a slot of `d` behind it comes in."""
    for g in range(first, first + (U1 << st.ctl[C_CLUSTER_SHIFT])):
        word = vs.see(st, pr, u(g))
        if word & vs.KIND == vs.SWAPFILE and device_of(word >> U3) == d:
            st.ctl[control.S_SCANNED] += U1
            moves.bring_back(st, pr, u(g))
