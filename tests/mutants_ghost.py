"""Mutants of ghost, for tests/mutants.py."""

from __future__ import annotations

from typing import Any

from dse.testing import streams
from dse.testing.mutants import Mutants, Step
from kernels import codes
from kernels import demand as d
from kernels.compiling.constants import U0
from kernels.designs import ghost
from kernels.life import moves, swapfile
from kernels.structures import cluster

MUTANTS = Mutants()
mutant = MUTANTS.enter
MOVING = next(x for x in streams.WORLDS if x.name == "moving")
FULL_POOL = streams.World("full pool", slots={"zswap": 4, "ssd": 16, "hdd": 16, "zram": 4}, weights=streams.USUAL)
REFUSED = (d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=d.ZSWAP, payload=99), d.pack(d.FORK, 0, count=1, payload=1),
           d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=d.SSD, payload=4096), d.pack(d.FAULT, 0))  # fmt: skip


@mutant("ghost", "steps", "writeout", world=FULL_POOL, script=REFUSED)
def free_the_slot_of_a_refused_page(right: Step) -> Step:
    """The slot goes when zswap refuses the page, and again with the last PTE."""

    def wrong(st: Any, pr: Any, f: Any, value: Any, *rest: Any) -> Any:
        why = right(st, pr, f, value, *rest)
        if why == codes.REACTIVATED:
            swapfile.slot_free(st, pr, value, swapfile.slot_of(st, value))
        return why

    return wrong


@mutant("ghost", "steps", "writeout", world=FULL_POOL, script=REFUSED)
def lose_a_refused_page(right: Step) -> Step:
    """A page that zswap refuses counts as written."""
    return lambda *args: (right(*args), U0)[1]


@mutant("ghost", ghost, "move_step", world=MOVING)
def write_a_page_of_the_ghost_back(right: Step) -> Step:
    """A page of the ghost moves as any other."""
    return moves.move_step


@mutant("ghost", cluster, "is_swap")
def leave_the_ghost_out_of_the_free_slots(right: Step) -> Step:
    """Slots of the ghost are not among those of all swap devices."""
    return lambda st, d: d != codes.ZSWAP
