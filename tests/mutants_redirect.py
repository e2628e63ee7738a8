"""Mutants of redirect, for tests/mutants.py."""

from __future__ import annotations

from dse.testing import streams
from dse.testing.mutants import Mutants, Step, edited
from kernels import demand as d
from kernels.compiling.constants import U1
from kernels.designs.redirect import array, moves, steps

MUTANTS = Mutants()
mutant = MUTANTS.enter
MOVING = next(x for x in streams.WORLDS if x.name == "moving")
TARGETS = streams.World("targets", spaces=1, space_shift=5, slots={"zswap": 8, "ssd": 48, "hdd": 48}, weights=streams.USUAL)
OUT = (*(d.pack(d.FAULT, p) for p in range(16)), *(d.pack(d.RECLAIM, p, backend=d.SSD, payload=99) for p in range(16)))
MOVED = (*OUT, *(d.pack(d.MOVE, p, backend=d.SSD, payload=d.HDD) for p in range(16)))
ZAPPED = (*MOVED, d.pack(d.UNMAP, 0, count=16))
SHIFTED = (*OUT, *(d.pack(d.MOVE, p, backend=d.SSD, payload=d.HDD) for p in (15, *range(15))), d.pack(d.UNMAP, 0, count=8))
"""Slots of the target in a row that lie in two clusters."""
WRITTEN = (*MOVED, d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=d.SSD, payload=99, flags=d.DIRTY), d.pack(d.FAULT, 0))
BACK = (*MOVED, d.pack(d.MOVE, 0, backend=d.HDD, payload=d.SSD), d.pack(d.FAULT, 0))
ON = (*MOVED, d.pack(d.MOVE, 0, backend=d.HDD, payload=d.ZRAM))
ROOMY = streams.World("three disks", spaces=1, space_shift=5, slots=TARGETS.slots | {"zram": 48}, weights=streams.USUAL)
LARGE = streams.World("large clusters", spaces=1, space_shift=5, slots=TARGETS.slots, weights=streams.USUAL, cluster_shift=5)
OFF = (*MOVED, d.pack(d.SWAPOFF, 0, backend=d.HDD, payload=d.MEMORY))


@mutant("redirect", steps, "read_end", world=TARGETS, script=(*MOVED, d.pack(d.FAULT, 0)))
def read_at_home(right: Step) -> Step:
    """A moved page is read from the slot of its entry."""
    return edited("if word == U0:", "if True:")(right)


@mutant("redirect", steps, "writeout", world=TARGETS, script=WRITTEN)
def keep_the_redirect_of_a_page_that_is_written(right: Step) -> Step:
    """A page is written at home, and the redirect still leads to its old content."""
    return edited("        let_go(st, pr, g)\n", "        pass\n")(right)


@mutant("redirect", array, "backing_drop", world=MOVING)
def leak_the_slot_that_stood_in(right: Step) -> Step:
    """The slot of the entry is freed, what stood in for it stays in use."""
    return lambda st, pr, g, n: None


@mutant("redirect", array, "free_waiting", world=TARGETS, script=SHIFTED)
def free_stand_ins_across_the_edge_of_a_cluster(right: Step) -> Step:
    """Slots in a row are freed under the lock of the first one's cluster."""
    return edited(" and (b + n) & (size - U1) != U0", "")(right)


@mutant("redirect", array, "wait", world=TARGETS, script=ZAPPED)
def forget_all_but_the_last_slot_that_waits(right: Step) -> Step:
    """A slot that waits is put at the head of the list, in front of nothing."""
    return edited("    if last == U0:\n", "    if True:\n")(right)


@mutant("redirect", steps, "put_run", world=TARGETS, script=ZAPPED)
def leave_slots_waiting(right: Step) -> Step:
    """A zap does not free the slots that wait."""
    return edited("        array.free_waiting(st, pr)\n", "        pass\n")(right)


@mutant("redirect", array, "slot_mark", world=MOVING)
def keep_the_array_of_a_freed_cluster(right: Step) -> Step:
    """The array stays when the last slot of its cluster goes."""
    return edited("if last and has_array(st, g):", "if False:")(right)


@mutant("redirect", array, "array_new", world=LARGE, script=MOVED)
def do_not_clear_a_new_array(right: Step) -> Step:
    """Only a counter differs: the 2 KiB of a new array are not written."""
    return edited("        wrote(pr, R_REDIRECT, u(i) >> U1)\n", "        pass\n")(right)


@mutant("redirect", moves, "change", world=TARGETS, script=BACK)
def forget_the_redirect_of_a_page_that_came_home(right: Step) -> Step:
    """A move back home writes the slot of the entry and leaves the redirect."""
    return edited("        let_go(st, pr, g)\n", "        pass\n")(right)


@mutant("redirect", moves, "change", world=ROOMY, script=ON)
def keep_the_slot_that_a_page_leaves(right: Step) -> Step:
    """A second move leaves the slot that the first one took."""
    return edited("        if old != U0:\n", "        if False:\n")(right)


@mutant("redirect", array, "stand_in", world=MOVING, parameters={"C_REVERSE": 1})
def name_the_neighbour(right: Step) -> Step:
    """The word of a slot that stands in names the entry beside."""
    return lambda st, b, entry: right(st, b, entry ^ U1)


@mutant("redirect", array, "find", world=TARGETS, script=(*OUT, d.pack(d.FAULT, 0)))
def look_into_an_array_that_is_not_there(right: Step) -> Step:
    """Only a counter differs: without an array a read touches one all the same."""
    return edited("    if has_array(st, g):\n", "    if True:\n")(right)


@mutant("redirect", moves, "place_of", world=MOVING)
def move_a_zero_page(right: Step) -> Step:
    """A page without data is sent to another device."""
    return edited("        return codes.MEMORY\n", "        return device_of(entry)\n")(right)


@mutant("redirect", moves, "scan_array", world=TARGETS, script=OFF)
def scan_no_array(right: Step) -> Step:
    """A swapoff leaves the slots that stand in for others."""
    return lambda st, pr, d, home, first: None


@mutant("redirect", moves, "walk_slots", world=TARGETS, script=OFF, parameters={"C_REVERSE": 1})
def ask_no_word(right: Step) -> Step:
    """Only a counter differs, or the slots stay: a swapoff asks no word of its device."""
    return lambda st, pr, d: None


@mutant("redirect", moves, "bring_in", world=TARGETS, script=(*OFF, d.pack(d.FAULT, 0)))
def bring_in_a_clean_page(right: Step) -> Step:
    """A page that a swapoff has brought in is not dirty: it is dropped, and its content is lost."""
    return edited("    f_set(st, f, DIRTY)\n", "    pass\n")(right)


@mutant("redirect", moves, "move_step", world=MOVING)
def refuse_every_move(right: Step) -> Step:
    """No page moves to another device."""
    return edited("        return moves.hold(st, pr, t, entry)\n", "        return codes.REFUSED\n")(right)
