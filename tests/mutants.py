"""Negative controls for the designs of the package: each mutant breaks one step, and the suite must notice (:mod:`dse.testing.mutants`).

``python -m tests.mutants NAME`` runs one, ``python -m tests.mutants`` all, and prints what caught it. Run with NUMBA_DISABLE_JIT=1:
there a step is a Python function of a module, which is replaced, so that nothing has to be compiled.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from dse.testing import streams
from dse.testing.mutants import Mutants, Step, edited
from kernels import codes
from kernels import demand as d
from kernels import memory as w
from kernels.compiling.constants import U0, U1
from kernels.designs.swap_desc import descriptor
from kernels.designs.swap_desc import moves as descmove
from kernels.designs.swap_desc.own import R_DESC
from kernels.designs.swap_id import layer as idlayer
from kernels.designs.swap_id import moves as idmove
from kernels.designs.swap_id import runs as idruns
from kernels.designs.swap_id_special import kinds
from kernels.designs.swap_table import table as swap_table
from kernels.designs.vswap import clusters as vswap
from kernels.designs.vswap import slots as vswap_slots
from kernels.life import lifecycle, moves, page_io, swapfile
from kernels.observing import probe
from kernels.observing.probe import touch
from kernels.structures import blocks, page_counter, shadow_nodes, swap_cache, swap_map, zswap
from tests.mutants_all import MUTANTS as ALL_VIRTUAL
from tests.mutants_clusters import MUTANTS as ALLOCATOR
from tests.mutants_faults import MUTANTS as FAULTS
from tests.mutants_folios import MUTANTS as FOLIOS
from tests.mutants_ghost import MUTANTS as GHOSTS
from tests.mutants_oracle import MUTANTS as BOUNDS
from tests.mutants_readahead import MUTANTS as READAHEAD
from tests.mutants_redirect import MUTANTS as REDIRECTS
from tests.mutants_rfc import MUTANTS as FIRST_POSTED
from tests.mutants_slots import MUTANTS as COLLECTED
from tests.mutants_ste import MUTANTS as EDITIONS
from tests.mutants_zram import MUTANTS as ZRAMS

MUTANTS = Mutants()
mutant = MUTANTS.enter
MOVING = next(x for x in streams.WORLDS if x.name == "moving")
LIMITED = next(x for x in streams.WORLDS if x.name == "limited")
SHARED = streams.World("shared", spaces=80, space_shift=0, slots={"zswap": 8, "ssd": 16, "hdd": 16, "zram": 16}, weights=streams.USUAL)
SWAPPED = (d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=d.SSD, payload=99))
SHARING = (*SWAPPED, *(d.pack(d.FORK, 0, count=1, payload=s) for s in range(1, 80)), *(d.pack(d.UNMAP, s, count=1) for s in range(80)))
FORK_IN_A_MOVE = (*SWAPPED, d.pack(d.MOVE_BEGIN, 0, backend=d.SSD, payload=d.HDD, count=3), d.pack(d.FORK, 0, count=1, payload=1),
                  d.pack(d.MOVE_END, 0))  # fmt: skip

SEQUENTIAL = streams.World("sequential", spaces=1, space_shift=4, slots={"zswap": 8, "ssd": 32}, weights=streams.USUAL)
OUT_AND_GONE = (*(d.pack(d.FAULT, p) for p in range(16)), *(d.pack(d.RECLAIM, p, backend=d.SSD, payload=99) for p in range(16)),
                d.pack(d.UNMAP, 3, count=3), d.pack(d.FAULT, 6))  # fmt: skip


ONE_SLOT = streams.World("one slot", slots={"zswap": 4, "ssd": 1, "hdd": 16, "zram": 4}, weights=streams.USUAL)
READ_AFTER_A_MOVE = (*SWAPPED, d.pack(d.FAULT_BEGIN, 0, count=1), d.pack(d.MOVE, 0, backend=d.SSD, payload=d.HDD), d.pack(d.FAULT, 1),
                     d.pack(d.RECLAIM, 1, backend=d.SSD, payload=99), d.pack(d.FAULT_END, 0))  # fmt: skip


@mutant("swap_id", idmove, "hand_over", world=MOVING)
def skip_the_count_hand_over(right: Step) -> Step:
    """The count of B stays as it is after the first one."""

    def wrong(st: Any, pr: Any, t: Any) -> Any:
        code = right(st, pr, t)
        if code == codes.STEPPED:
            swap_map.count_set(st, pr, swapfile.slot_of(st, st.txn[t + idmove.T_B1]), U1)
        return code

    return wrong


@mutant("swap_id", idmove, "change_mapping", script=FORK_IN_A_MOVE)
def forget_the_mapping(right: Step) -> Step:
    """The count is handed over, and the ID still leads to A, where the next fork counts."""
    return lambda st, pr, value, new: None


@mutant("swap_id", "steps", "still", world=ONE_SLOT, script=READ_AFTER_A_MOVE)
def forget_the_walk_after_the_read(right: Step) -> Step:
    """A fault whose ID has moved maps what it has read from the old slot."""
    return lambda st, pr, value, entry: True


@mutant("swap_id", idlayer, "id_free")
def leak_an_id(right: Step) -> Step:
    """Every eighth ID is not freed."""

    def wrong(st: Any, pr: Any, value: Any) -> Any:
        if int(value) % 8:
            right(st, pr, value)

    return wrong


@mutant("swap_id", "steps", "same", world=MOVING)
def forget_the_revalidation(right: Step) -> Step:
    """A fault does not walk the ID again."""
    return lambda st, pr, value, entry: True


@mutant("direct", "steps", "put")
def free_a_slot_early(right: Step) -> Step:
    """The slot goes with the last PTE, although the folio is still cached."""

    def wrong(st: Any, pr: Any, value: Any, entry: Any) -> Any:
        left = right(st, pr, value, entry)
        if left == U1:
            swapfile.slot_free(st, pr, entry, swapfile.slot_of(st, entry))
        return left

    return wrong


@mutant("direct", swap_map, "borrow", world=SHARED, script=SHARING)
def lose_a_continuation_digit(right: Step) -> Step:
    """A borrow leaves the digits above as they are."""

    def wrong(st: Any, pr: Any, g: Any) -> Any:
        before = st.cont.copy()
        left = right(st, pr, g)
        st.cont[:] = before
        return left

    return wrong


@mutant("direct", swap_map, "carry", world=SHARED, script=SHARING)
def carry_nothing(right: Step) -> Step:
    """The count past 62 starts again without a digit above."""
    return lambda st, pr, g: True


@mutant("direct", zswap, "entry_free")
def leak_a_zswap_entry(right: Step) -> Step:
    """Only entries of even number are freed."""

    def wrong(st: Any, pr: Any, z: Any) -> Any:
        if int(z) % 2 == 0:
            right(st, pr, z)

    return wrong


@mutant("direct", moves, "writeback_step", world=MOVING)
def drop_the_zswap_entry_without_writing(right: Step) -> Step:
    """zswap writeback frees the entry, and nothing is written to the disk."""

    def wrong(st: Any, pr: Any, t: Any) -> Any:
        g = swapfile.slot_of(st, st.txn[t + w.T_ENTRY])
        before = st.token[g]
        code = right(st, pr, t)
        st.token[g] = before
        return code

    return wrong


@mutant("direct", swapfile, "unset_cache")
def forget_to_clear_has_cache(right: Step) -> Step:
    """The flag stays where PTEs still hold the slot."""

    def wrong(st: Any, pr: Any, value: Any, entry: Any, g: Any) -> Any:
        freed = right(st, pr, value, entry, g)
        if not freed:
            st.smap[g] |= 0x40
        return freed

    return wrong


@mutant("direct", swap_cache, "remove")
def forget_the_shadow(right: Step) -> Step:
    """Eviction leaves nothing behind."""
    return lambda st, pr, g, shadow: right(st, pr, g, False)


@mutant("direct", shadow_nodes, "leave")
def leave_a_node_of_folios_on_the_list(right: Step) -> Step:
    """Every second node that gets a folio stays among the nodes of shadows."""
    calls = [0]

    def wrong(pool: Any, pr: Any, rn: Any, node: Any) -> Any:
        calls[0] += 1
        return right(pool, pr, rn, node) if calls[0] % 2 else None

    return wrong


@mutant("direct", "steps", "dup")
def skip_the_count_on_fork(right: Step) -> Step:
    """Every second duplicate is not counted."""
    calls = [0]

    def wrong(st: Any, pr: Any, value: Any, entry: Any) -> Any:
        calls[0] += 1
        return True if calls[0] % 8 == 0 else right(st, pr, value, entry)

    return wrong


@mutant("direct", page_io, "store_data")
def write_to_the_wrong_slot(right: Step) -> Step:
    """The content goes to the neighbour."""
    return lambda st, pr, entry, g, token: right(st, pr, entry, g ^ U1, token)


@mutant("swap_id_rmap", idruns, "put_row", world=SEQUENTIAL, script=OUT_AND_GONE, parameters={"C_ID_BATCH": 1})
def leave_the_reverse_entries_of_a_row(right: Step) -> Step:
    """IDs that are put in one go are erased, and their slots still lead to them."""
    return edited("    unlink(st, pr, entry, n)\n", "")(right)


MOVED_AND_BACK = (d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=d.ZSWAP, payload=99), d.pack(d.FORK, 0, count=1, payload=1),
                  d.pack(d.MOVE, 0, backend=d.ZSWAP, payload=d.SSD), d.pack(d.FAULT, 0),
                  d.pack(d.RECLAIM, 0, backend=d.SSD, payload=99))  # fmt: skip


@mutant("swap_id_special", kinds, "has_id", script=MOVED_AND_BACK)
def forget_the_id_of_a_moved_page(right: Step) -> Step:
    """A page that moved to a device without IDs gets an entry, while another PTE holds its ID."""
    return lambda st, value, entry: False


@mutant("direct", lifecycle, "orphan")
def forget_an_orphan(right: Step) -> Step:
    """A folio that nothing maps any more is not freed."""
    return lambda st, pr, f: None


@mutant("swap_desc", "steps", "resolve")
def one_touch_more(right: Step) -> Step:
    """Only a counter differs: caught by the comparison of the counters with those of the right design."""

    def wrong(st: Any, pr: Any, value: Any) -> Any:
        touch(pr, R_DESC, np.uint64(1 << 20))
        return right(st, pr, value)

    return wrong


@mutant("swap_id_off", "steps", "resolve", reference="direct")
def one_touch_more_with_the_layer_off(right: Step) -> Step:
    """Only a counter differs: caught by the comparison with direct."""

    def wrong(st: Any, pr: Any, value: Any) -> Any:
        touch(pr, R_DESC, U0)
        return right(st, pr, value)

    return wrong


@mutant("swap_desc", descmove, "settle", world=MOVING)
def leak_the_old_backing(right: Step) -> Step:
    """A move leaves the old slot behind."""

    def wrong(st: Any, pr: Any, desc: Any, new: Any) -> Any:
        st.desc[descriptor.at(st, desc)] = new

    return wrong


@mutant("swap_desc", descriptor, "free")
def leak_a_descriptor(right: Step) -> Step:
    """Every eighth descriptor is kept."""

    def wrong(st: Any, pr: Any, desc: Any, value: Any) -> Any:
        if int(desc) % 8:
            right(st, pr, desc, value)

    return wrong


@mutant("swap_table_p4", blocks, "drop")
def keep_the_blocks(right: Step) -> Step:
    """Every fourth block stays with its cluster."""
    calls = [0]

    def wrong(*args: Any) -> Any:
        calls[0] += 1
        return None if calls[0] % 4 == 0 else right(*args)

    return wrong


@mutant("swap_table_p4", swap_table, "extend_try_drop", world=SHARED, script=SHARING)
def keep_the_extended_count(right: Step) -> Step:
    """A count that fits into its word again stays in the extend table too."""
    return lambda st, pr, g: None


@mutant("swap_table_p3", swap_table, "flag_clear")
def lose_the_count_with_the_folio(right: Step) -> Step:
    """The shadow takes the place of the whole word."""

    def wrong(st: Any, pr: Any, g: Any) -> Any:
        before = st.table[swap_table.at(st, g)]
        right(st, pr, g)
        if int(g) % 4 == 0:
            st.table[swap_table.at(st, g)] = before & np.uint64(3)

    return wrong


@mutant("swap_table_p2", swap_table, "owner_set")
def keep_the_owner(right: Step) -> Step:
    """A freed slot still belongs to its memory cgroup."""
    return lambda st, pr, g, memcg: right(st, pr, g, memcg) if memcg else U0


@mutant("direct", page_counter, "uncharge")
def forget_the_ancestors(right: Step) -> Step:
    """Only the memory cgroup's own counter loses the page."""

    def wrong(st: Any, pr: Any, at: Any, n: Any) -> Any:
        parent = st.memcgs[at + page_counter.P_PARENT]
        right(st, pr, at, n)
        st.memcgs[parent] += n

    return wrong


@mutant("swap_desc", page_counter, "try_charge", world=LIMITED)
def charge_beyond_the_limit(right: Step) -> Step:
    """No limit holds."""
    return lambda st, pr, at, n: (page_counter.charge(st, pr, at, n), True)[1]


@mutant("vswap_v6", vswap_slots, "charge")
def count_a_charge_twice(right: Step) -> Step:
    """A physical slot is charged two pages."""
    return lambda st, pr, memcg, n: right(st, pr, memcg, n) and right(st, pr, memcg, n)


@mutant("vswap_v3", swap_table, "word_set")
def lose_a_reverse_word(right: Step) -> Step:
    """Every fourth slot does not know its virtual slot."""
    return lambda st, pr, g, word: right(st, pr, g, U0 if int(g) % 4 == 0 else word)


@mutant("vswap_v6", vswap_slots, "cluster_free")
def leak_a_virtual_cluster(right: Step) -> Step:
    """A cluster whose last slot goes stays in the map."""
    return lambda st, pr, c: None


@mutant("vswap_v6", vswap, "forget")
def remember_a_dead_cluster(right: Step) -> Step:
    """Lookup caches still name a cluster that is freed, and so do their references."""

    def wrong(st: Any, pr: Any, at: Any) -> Any:
        c = st.vcpu[at + vswap.P_CLUSTER]
        if st.vmem[vswap.header(st, c) + vswap.H_STATE] & np.uint64(0xFFFF):
            right(st, pr, at)

    return wrong


@mutant("vswap_v6", vswap_slots, "free", world=SEQUENTIAL, script=OUT_AND_GONE)
def free_one_slot_too_many(right: Step) -> Step:
    """A batch takes the slot behind it along: freed twice, or although PTEs hold it."""
    return lambda st, pr, c, value, n: right(st, pr, c, value, n + U1 if int(n) > 1 else n)


@mutant("vswap_v6", vswap_slots, "hint")
def keep_the_hint(right: Step) -> Step:
    """A slot that a PTE holds again is still marked as held by the cache alone."""
    return lambda st, pr, at, only: right(st, pr, at, only) if only else None


@mutant("vswap_v3", "steps", "put_run")
def lookups_that_are_not_made(right: Step) -> Step:
    """Only a counter differs: v3 that frees with a single lookup for each PTE."""

    def wrong(st: Any, pr: Any, value: Any, n: Any) -> Any:
        look = vswap.look
        vswap.look = lambda st, pr, value: look(st, probe.make("off"), value)
        try:
            return right(st, pr, value, n)
        finally:
            vswap.look = look

    return wrong


MUTANTS += ALLOCATOR + COLLECTED + FAULTS + GHOSTS + EDITIONS + ZRAMS + REDIRECTS + ALL_VIRTUAL + BOUNDS + FIRST_POSTED + FOLIOS + READAHEAD

if __name__ == "__main__":
    sys.exit(MUTANTS.main(sys.argv[1:]))
