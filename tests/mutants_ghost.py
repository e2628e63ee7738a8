"""Mutants of ghost and xswap, for tests/mutants.py."""

from __future__ import annotations

from typing import Any

from dse.testing import streams
from dse.testing.mutants import Mutants, Step, edited
from kernels import codes
from kernels import demand as d
from kernels.compiling.constants import U0, U1
from kernels.designs import ghost
from kernels.designs.xswap import array as xswap
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


GROWING = streams.World("growing", slots={"zswap": 64, "ssd": 64, "hdd": 16, "zram": 16}, weights=streams.USUAL, cluster_shift=1)
FILLED = (*(d.pack(d.FAULT, p) for p in range(16)), *(d.pack(d.RECLAIM, p, backend=d.ZSWAP, payload=99) for p in range(16)))
EMPTIED = (*FILLED[:-1], d.pack(d.UNMAP, 0, count=16))  # a slot is left of the last cluster, so that the CPU has its place there
ONE_BY_ONE = {"C_CHUNK": 1}


@mutant("xswap", xswap, "shrink", world=GROWING, script=EMPTIED, parameters=ONE_BY_ONE)
def never_give_the_array_back(right: Step) -> Step:
    """Clusters that were mapped once stay mapped."""
    return lambda st, pr: None


@mutant("xswap", xswap, "pages_of", world=GROWING, script=FILLED, parameters=ONE_BY_ONE)
def count_a_page_too_few(right: Step) -> Step:
    """A page that holds headers only in part is not counted."""
    return lambda st, clusters: clusters * st.ctl[xswap.C_HEADER] // xswap.PAGE


@mutant("xswap", xswap, "unmap", world=GROWING, script=EMPTIED, parameters=ONE_BY_ONE)
def leave_a_cpu_where_nothing_is_mapped(right: Step) -> Step:
    """A CPU still names a cluster that is unmapped."""
    return edited("> keep:", "> keep and False:")(right)


@mutant("xswap", xswap, "clusters_grow", world=GROWING, script=FILLED, parameters=ONE_BY_ONE)
def grow_without_an_end(right: Step) -> Step:
    """The last chunk is mapped again and again."""

    def wrong(st: Any, pr: Any, d: Any) -> Any:
        if st.ctl[xswap.S_MAPPED] > U1:
            st.ctl[xswap.S_MAPPED] -= U1
        return right(st, pr, d)

    return wrong
