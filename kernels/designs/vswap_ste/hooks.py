"""Hooks for a variant of the swap-table edition whose disks know their slots in another way than by swap tables.

They are steps of this design alone, dispatched on the class of the state as those of :mod:`kernels.life.steps`. The defaults are those of
*vswap_ste*: a disk's cluster has a swap table, in which the word of a slot behind a virtual one is a pointer with a hint.

=========== =======================================================================
hook        called
=========== =======================================================================
slot_find   no lock held, to take a slot of a disk for a virtual slot
point_to    when it was taken, before it is charged
mark_hint   when the first PTE of a cached page comes, or the last one goes
slot_leave  under the lock of the disk's cluster, before the slot is freed
=========== =======================================================================
"""

from __future__ import annotations

from typing import Any

from kernels.compiling.functions import optional
from kernels.designs.vswap_ste import pointers
from kernels.life import page_io, swapfile


@optional
def slot_find(st, pr, device, cpu):  # type: ignore[no-untyped-def]
    """Return slot + 1 of `device`, or 0. Default: if need be after dropping one whose page the swap cache alone holds."""
    return swapfile.slot_or_reclaim(st, pr, device, cpu)


@optional
def point_to(st, g, virtual):  # type: ignore[no-untyped-def]
    """Note behind which virtual slot fresh slot `g` stands. Default: in its word."""
    pointers.point_to(st, g, virtual)


@optional
def mark_hint(st, pr, b, only):  # type: ignore[no-untyped-def]
    """Note at slot `b` of a disk whether the swap cache alone holds its page. Default: in its word."""
    pointers.mark_hint(st, pr, b, only)


@optional
def slot_leave(st, pr, entry, b):  # type: ignore[no-untyped-def]
    """Drop what zswap has of slot `b` in its own trees, as direct entries have it there."""
    page_io.drop_zswap(st, pr, entry, b)


def bind(cls: type, own: dict[str, Any] | None = None) -> None:
    """Bind the hooks to a state class: those of `own` by name, else the defaults."""
    for name, hook in (("slot_find", slot_find), ("point_to", point_to), ("mark_hint", mark_hint), ("slot_leave", slot_leave)):
        hook.register(cls, (own or {}).get(name, hook.default))
