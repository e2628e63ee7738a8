"""Mutants of virtual swap as first posted, for tests/mutants.py."""

from __future__ import annotations

from typing import Any

from dse.testing import streams
from dse.testing.mutants import Mutants, Step, edited
from kernels import demand as d
from kernels.compiling.constants import U0, U1
from kernels.designs.swap_id_rmap import reverse
from kernels.designs.vswap_rfc import backing, moves, space, steps, writing
from kernels.observing import probe

MUTANTS = Mutants()
mutant = MUTANTS.enter
MOVING = next(x for x in streams.WORLDS if x.name == "moving")
FORKED = next(x for x in streams.WORLDS if x.name == "forked")
LIMITED = next(x for x in streams.WORLDS if x.name == "limited")
SEQUENTIAL = streams.World("sequential", spaces=1, space_shift=4, slots={"zswap": 16, "ssd": 32, "hdd": 32}, weights=streams.USUAL)
EVERYWHERE = (*(d.pack(d.FAULT, p) for p in range(16)), d.pack(d.RECLAIM, 0, backend=d.ZSWAP, payload=99),
              *(d.pack(d.RECLAIM, p, backend=d.SSD, payload=99) for p in range(1, 16)))  # fmt: skip
SWAPPED_OFF = (*EVERYWHERE, d.pack(d.SWAPOFF, 0, backend=d.SSD, payload=d.MEMORY))
REWRITTEN = (d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=d.SSD, payload=99), d.pack(d.FAULT, 0),
             d.pack(d.RECLAIM, 0, backend=d.ZSWAP, payload=99, flags=d.DIRTY))  # fmt: skip
AROUND = streams.World("around", spaces=1, space_shift=4, slots={"zswap": 4, "ssd": 8, "zram": 32}, weights=streams.USUAL)
FROM_ZRAM = (d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=d.ZRAM, payload=99), d.pack(d.FAULT, 0))


@mutant("vswap_rfc2", reverse, "link", world=MOVING)
def lead_to_the_neighbour(right: Step) -> Step:
    """The entry of a slot in the reverse tree names the virtual slot beside its own."""
    return lambda st, pr, value, entry: right(st, pr, value ^ U1, entry)


@mutant("vswap_rfc2", backing, "slot_free", world=MOVING)
def leak_the_slot_of_a_virtual_slot(right: Step) -> Step:
    """A slot of a device stays in use when nothing leads to it any more."""
    return lambda st, pr, entry, memcg: None


@mutant("vswap_rfc1", backing, "slot_free", world=LIMITED)
def keep_the_charge(right: Step) -> Step:
    """A slot that is freed stays charged."""
    return lambda st, pr, entry, memcg: right(st, pr, entry, U0)


@mutant("vswap_rfc2", backing, "slot_for", world=LIMITED)
def take_a_slot_above_the_limit(right: Step) -> Step:
    """A slot that cannot be charged is used all the same."""
    return edited("        slot_free(st, pr, entry, U0)\n        return U0\n", "        pass\n")(right)


@mutant("vswap_rfc2", backing, "unrecord")
def keep_the_reference_to_the_owner(right: Step) -> Step:
    """The id of a memory cgroup keeps the reference of a virtual slot that was freed."""
    return lambda st, pr, value: None


@mutant("vswap_rfc2", space, "count_cluster")
def forget_a_cluster(right: Step) -> Step:
    """Slots of virtual clusters are counted up alone."""
    return lambda st, pr, value, up: right(st, pr, value, True) if up else None


@mutant("vswap_rfc1", space, "cache_pin")
def pin_without_the_kref(right: Step) -> Step:
    """A read marks the slot as cached and takes no reference."""
    return edited("        atomic_add(pr, R_RDESC, word, st.descriptors, word, KREF)\n", "        pass\n")(right)


@mutant("vswap_rfc2", space, "count_down", world=FORKED)
def free_a_slot_that_is_shared(right: Step) -> Step:
    """The second last PTE counts as the last."""
    return edited("if count_of(st, d) != U0:", "if count_of(st, d) > U1:")(right)


@mutant("vswap_rfc2", space, "alloc", parameters={"C_SHARDS": 4})
def allocate_from_the_first_partition(right: Step) -> Step:
    """Every CPU allocates from the same partition."""
    return lambda st, pr, cpu: right(st, pr, U0)


@mutant("vswap_rfc2", steps, "put_run")
def keep_folios_that_nobody_needs(right: Step) -> Step:
    """A zap leaves the folios that the swap cache alone holds."""
    return edited("for i in range(n if kept != U0 else U0):", "for i in range(U0):")(right)


@mutant("vswap_rfc2", steps, "bypasses", world=AROUND, script=FROM_ZRAM)
def read_through_the_swap_cache(right: Step) -> Step:
    """A page that one PTE holds is read through the swap cache also from a synchronous device."""
    return lambda st, pr, value: False


@mutant("vswap_rfc2", steps, "read_end")
def keep_the_compressed_copy(right: Step) -> Step:
    """A load leaves the zswap entry live behind a virtual slot that does not name it any more."""
    return edited("        zswap.entry_free(st, pr, z)\n", "")(right)


@mutant("vswap_rfc2", writing, "writeout", world=SEQUENTIAL, script=REWRITTEN)
def keep_the_old_slot(right: Step) -> Step:
    """A page that is written anew still has the slot of a device that it had before."""
    return edited("    b.settle(st, pr, value, v.FOLIO, U0, own.F_STORE_FOLIO)\n    if backend", "    if backend")(right)


@mutant("vswap_rfc2", moves, "switch", world=MOVING)
def switch_to_nothing(right: Step) -> Step:
    """A move from zswap copies the page, and the descriptor does not name the new slot."""
    return edited("        b.name(st, pr, value, v.SWAPFILE, new, own.F_ALLOC_SLOT)\n", "        pass\n")(right)


@mutant("vswap_rfc2", moves, "bring_in", world=SEQUENTIAL, script=SWAPPED_OFF)
def leave_the_slots_of_a_device_that_goes(right: Step) -> Step:
    """A swapoff reads every page and leaves its slot."""
    return lambda st, pr, entry, target, cpu: None


@mutant("vswap_rfc2", space, "ask")
def ask_a_descriptor_without_its_lock(right: Step) -> Step:
    """Only a counter differs: what backs a slot is read without the lock of its descriptor."""

    def wrong(st: Any, pr: Any, value: Any, function: Any) -> Any:
        right(st, probe.make("off"), value, function)
        return space.find(st, pr, value)

    return wrong
