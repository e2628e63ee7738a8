"""Mutants of the swap-table edition of virtual swap, for tests/mutants.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from dse.testing import streams
from dse.testing.mutants import Mutants, Step, edited
from kernels import demand as d
from kernels.compiling.constants import U0, U1
from kernels.designs.swap_table import allocation
from kernels.designs.vswap_ste import backing, clusters, moves, pointers, slots, steps
from kernels.life import charging
from kernels.observing import probe
from kernels.structures import cluster

MUTANTS = Mutants()
mutant = MUTANTS.enter
MOVING = next(x for x in streams.WORLDS if x.name == "moving")
LIMITED = next(x for x in streams.WORLDS if x.name == "limited")
SEQUENTIAL = streams.World("sequential", spaces=1, space_shift=4, slots={"zswap": 16, "ssd": 32, "hdd": 32}, weights=streams.USUAL)
ALL = {"C_ROUTE": 0}
EVERYWHERE = (*(d.pack(d.FAULT, p) for p in range(16)), d.pack(d.RECLAIM, 0, backend=d.ZSWAP, payload=99),
              *(d.pack(d.RECLAIM, p, backend=d.SSD, payload=99) for p in range(1, 16)))  # fmt: skip
ZAPPED = (*EVERYWHERE, d.pack(d.UNMAP, 0, count=16))
SWAPPED_OFF = (*EVERYWHERE, d.pack(d.SWAPOFF, 0, backend=d.SSD, payload=d.MEMORY))
ZEROED = (d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=d.SSD, payload=99), d.pack(d.FAULT, 0),
          d.pack(d.RECLAIM, 0, backend=d.SSD, payload=99, flags=d.DIRTY | d.ZERO))  # fmt: skip
ONE_AND_ANOTHER = (d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=d.ZSWAP, payload=99), d.pack(d.FAULT, 1), d.pack(d.FAULT, 0),
                   d.pack(d.RECLAIM, 1, backend=d.ZSWAP, payload=99))  # fmt: skip

ONE_CLUSTER = streams.World("one", spaces=1, slots={"zswap": 4, "ssd": 16, "hdd": 16}, weights=streams.USUAL, cluster_shift=2)
NONE_LEFT = (*(d.pack(d.FAULT, p) for p in range(6)), d.pack(d.RECLAIM, 0, backend=d.ZSWAP, payload=99),
             *(d.pack(d.RECLAIM, p, backend=d.ZSWAP, payload=99, cpu=1) for p in range(1, 4)),
             d.pack(d.RECLAIM, 4, backend=d.ZSWAP, payload=99), d.pack(d.UNMAP, 0, count=1), d.pack(d.UNMAP, 3, count=1),
             d.pack(d.RECLAIM, 5, backend=d.ZSWAP, payload=99))  # fmt: skip


@mutant("vswap_ste", pointers, "point_to", world=MOVING)
def point_to_the_neighbour(right: Step) -> Step:
    """The word of a slot of a disk names the virtual slot beside its own."""
    return lambda st, g, virtual: right(st, g, virtual ^ U1)


@mutant("vswap_ste", backing, "slots_free", world=MOVING)
def leak_the_slot_behind(right: Step) -> Step:
    """A slot of a disk stays in use when nothing leads to it any more."""
    return lambda st, pr, entry, n: None


@mutant("vswap_ste", backing, "follows", world=SEQUENTIAL, script=ZAPPED, parameters=ALL)
def free_across_the_edge_of_a_cluster(right: Step) -> Step:
    """A row of slots goes on into the next cluster of the disk."""
    return edited(" and entry & (size - U1) != U0", "")(right)


@mutant("vswap_ste", slots, "hint", world=MOVING, parameters=ALL)
def keep_the_hint_of_a_slot_that_is_held(right: Step) -> Step:
    """A slot whose page a PTE holds again is still marked as held by the cache alone."""
    return lambda st, pr, g, only: right(st, pr, g, only) if only else None


@mutant("vswap_ste", clusters, "cluster_gone")
def leave_a_cluster_in_its_tree(right: Step) -> Step:
    """A cluster without slots still has its number."""
    return lambda st, pr, d, c: d == U0


@mutant("vswap_ste", clusters, "cluster_reach", script=ONE_AND_ANOTHER)
def allocate_from_a_cluster_that_was_freed(right: Step) -> Step:
    """A CPU goes on in the cluster that it had, without a look whether it is there."""
    return lambda st, pr, g: (right(st, pr, g), g)[1]


@mutant("vswap_ste", cluster, "new_cluster", world=ONE_CLUSTER, script=NONE_LEFT, parameters={"C_VCLUSTERS": 2})
def keep_the_place_where_no_virtual_slot_is_had(right: Step) -> Step:
    """A CPU goes on in the cluster that it found full."""
    return edited("        st.percpu[percpu] = 0  # vswap_alloc\n", "        pass\n")(right)


@mutant("vswap_ste", charging, "charge_slots", world=LIMITED)
def charge_a_virtual_slot(right: Step) -> Step:
    """A page in zswap counts against the swap limit."""
    return lambda st, pr, memcg, n, g: charging.try_charge_swap(st, pr, memcg, n)


@mutant("vswap_ste", backing, "uncharge", world=MOVING)
def keep_the_charge_of_a_slot(right: Step) -> Step:
    """The slot behind a virtual one is freed and stays charged."""
    return lambda st, pr, memcg, n: None


@mutant("vswap_ste", moves, "leave", world=MOVING)
def leave_the_old_backing(right: Step) -> Step:
    """A move leaves what was behind the slot where it is."""
    return lambda st, pr, g, word: None


@mutant("vswap_ste", steps, "write_zero", world=SEQUENTIAL, script=ZEROED, parameters=ALL)
def keep_the_slot_of_a_zero_page(right: Step) -> Step:
    """A zero page still has the slot of a disk behind it that it had before."""
    return edited("    backing.release(st, pr, g, U1)\n", "")(right)


@mutant("vswap_ste", slots, "charge")
def forget_the_table_of_owners(right: Step) -> Step:
    """A cluster of a disk has no memcg table when its first direct entry comes."""
    return edited("        memcg_table(st, pr, g)\n", "        pass\n")(right)


@mutant("vswap_ste", moves, "bring_in", world=SEQUENTIAL, script=SWAPPED_OFF, parameters=ALL)
def follow_no_pointer(right: Step) -> Step:
    """A swapoff leaves the slots that stand behind virtual ones."""
    return lambda st, pr, b: None


@mutant("vswap_ste", steps, "claim", parameters={"C_VCLUSTERS": 2})
def fall_back_to_nothing(right: Step) -> Step:
    """Where no virtual slot is to be had, the page stays in memory."""
    return edited("        st.ctl[own.S_FELL_BACK] += U1\n", "        return U0\n")(right)


@mutant("vswap_ste", backing, "backed_anew", world=MOVING)
def lose_the_slot_that_was_taken(right: Step) -> Step:
    """The slot is taken and charged, and the virtual table does not name it."""
    return edited("    vs.back_with(st, pr, g, entry << U3 | vs.SWAPFILE)\n", "")(right)


@mutant("vswap_ste", slots, "ask", world=MOVING)
def ask_without_the_lock(right: Step) -> Step:
    """Only a counter differs: a look at the virtual table without the cluster's lock."""

    def wrong(st: Any, pr: Any, g: Any, function: Any) -> Any:
        right(st, probe.make("off"), g, function)
        return slots.see(st, pr, g)

    return wrong


@mutant("vswap_ste", allocation, "memcg_new")
def share_a_memcg_table(right: Step) -> Step:
    """Every fourth cluster gets the table of another."""
    calls = [0]

    def wrong(st: Any, pr: Any, g: Any) -> Any:
        calls[0] += 1
        right(st, pr, g)
        if calls[0] % 4 == 0:
            st.cluster[allocation.ci_of(st, g) + allocation.CI_MEMCG] = np.uint32(1)

    return wrong
