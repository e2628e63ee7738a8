"""Mutants of vswap_all, for tests/mutants.py."""

from __future__ import annotations

from typing import Any

from dse.testing import streams
from dse.testing.mutants import Mutants, Step, edited
from kernels import demand as d
from kernels.compiling.constants import U0, U1
from kernels.designs.vswap_all import disks
from kernels.designs.vswap_ste import moves, pointers
from kernels.life import swapfile
from kernels.structures import bitmap

MUTANTS = Mutants()
mutant = MUTANTS.enter
MOVING = next(x for x in streams.WORLDS if x.name == "moving")
TIGHT = streams.World("tight disk", spaces=2, space_shift=4, slots={"zswap": 8, "ssd": 8, "hdd": 48}, weights=streams.USUAL)
OUT = (*(d.pack(d.FAULT, p) for p in range(8)), *(d.pack(d.RECLAIM, p, backend=d.SSD, payload=99) for p in range(8)))
ON_BOTH = (*OUT, *(d.pack(d.FAULT, p) for p in range(8, 16)), *(d.pack(d.RECLAIM, p, backend=d.HDD, payload=99) for p in range(8, 16)),
           d.pack(d.SWAPOFF, 0, backend=d.SSD, payload=d.MEMORY))  # fmt: skip
"""The disk that goes off is behind the first virtual cluster alone."""
OFF = (*OUT, d.pack(d.FORK, 0, count=1, payload=1), d.pack(d.SWAPOFF, 0, backend=d.SSD, payload=d.MEMORY), d.pack(d.FAULT, 0))
FULL = (*OUT, *(d.pack(d.FAULT, p) for p in range(9)), d.pack(d.RECLAIM, 8, backend=d.SSD, payload=99))
"""A disk full of slots that the swap cache alone holds, and one page more."""


@mutant("vswap_all", bitmap, "first_free", world=MOVING)
def take_a_slot_that_is_used(right: Step) -> Step:
    """The first slot that is looked at is taken, whatever its bit."""
    return lambda st, pr, first, end: first + U1


@mutant("vswap_all", disks, "slot_mark", world=MOVING)
def leave_the_bit_of_a_freed_slot(right: Step) -> Step:
    """A slot that is freed keeps its bit."""
    return lambda st, pr, g, used: right(st, pr, g, used) if used or disks.is_virtual(st, g) else None


@mutant("vswap_all", disks, "scan_cluster", world=TIGHT, script=OFF)
def find_no_slot_behind_a_virtual_one(right: Step) -> Step:
    """A swapoff leaves what is behind virtual slots."""
    return lambda st, pr, d, first: None


@mutant("vswap_all", disks, "scan_virtual", world=TIGHT, script=ON_BOTH)
def scan_on_when_the_disk_is_empty(right: Step) -> Step:
    """Only a counter differs: the scan goes to the last virtual cluster."""
    return edited("cl.D_USED] == U0:", "cl.D_USED] == ~U0:")(right)


@mutant("vswap_all", disks, "slot_find", world=TIGHT, script=FULL)
def look_for_slots_that_the_cache_holds_without_words(right: Step) -> Step:
    """Only a counter differs: a full disk looks at its bits, which cannot tell."""
    return swapfile.slot_or_reclaim


@mutant("vswap_all", disks, "slot_find", world=TIGHT, script=FULL, parameters={"C_REVERSE": 1})
def use_no_hint_of_a_full_disk(right: Step) -> Step:
    """With words, a full disk does not look for what the swap cache alone holds."""
    return disks.cl.slot_alloc


@mutant("vswap_all", pointers, "mark_hint", world=MOVING, parameters={"C_REVERSE": 1})
def leave_no_hint(right: Step) -> Step:
    """The words of slots do not say that the swap cache alone holds a page."""
    return lambda st, pr, b, only: None


@mutant("vswap_all", disks, "count_down", world=MOVING)
def look_for_a_hint_where_there_is_none(right: Step) -> Step:
    """Only a counter differs: without words the last PTE of a cached page asks what is behind it."""
    return disks.vs.count_down


@mutant("vswap_all", disks, "point_to", world=MOVING, parameters={"C_REVERSE": 1})
def name_the_virtual_slot_beside(right: Step) -> Step:
    """The word of a slot names another virtual slot than its own."""
    return lambda st, g, virtual: right(st, g, virtual ^ U1)


@mutant("vswap_all", disks, "claim", parameters={"C_VCLUSTERS": 2})
def fall_back_to_a_direct_entry(right: Step) -> Step:
    """Where no virtual slot is to be had, the page gets an entry of a disk."""

    def wrong(st: Any, pr: Any, f: Any, page: Any, memcg: Any, backend: Any, cpu: Any) -> Any:
        value = right(st, pr, f, page, memcg, backend, cpu)
        return value if value != U0 else swapfile.claim(st, pr, f, page, memcg, backend, cpu)

    return wrong


@mutant("vswap_all", moves, "bring_back", world=TIGHT, script=OFF)
def bring_back_a_clean_page(right: Step) -> Step:
    """A page that a swapoff has brought in is not dirty."""
    return edited("    f_set(st, f, DIRTY)\n", "    pass\n")(right)
