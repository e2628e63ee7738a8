"""Mutants of zram, for tests/mutants.py."""

from __future__ import annotations

from typing import Any

from dse.testing import streams
from dse.testing.mutants import Mutants, Step, edited
from kernels import demand as d
from kernels.compiling.constants import U0
from kernels.designs.zram import driver, writeback

MUTANTS = Mutants()
mutant = MUTANTS.enter
SMALL = streams.World("small zram", slots={"zswap": 8, "ssd": 8, "hdd": 16, "zram": 8}, weights=streams.USUAL)


def out(page: int, size: int = 99, flags: int = 0) -> tuple[tuple[int, int], tuple[int, int]]:
    """Touch a page and send it to zswap."""
    return d.pack(d.FAULT, page), d.pack(d.RECLAIM, page, backend=d.ZSWAP, payload=size, flags=flags)


def move(page: int, kind: int = d.MOVE, source: int = d.ZSWAP, target: int = d.SSD) -> tuple[int, int]:
    """Move a page, from zswap to the disk behind it."""
    return d.pack(kind, page, backend=source, payload=target)


FREED = (*out(0), d.pack(d.UNMAP, 0, count=1))
BACK = (*out(0), move(0))
READ_MEANWHILE = (*out(0), d.pack(d.FORK, 0, count=1, payload=1), move(0, d.MOVE_BEGIN), d.pack(d.FAULT, 0), move(0, d.MOVE_END))
REUSED_MEANWHILE = (*out(0), move(0, d.MOVE_BEGIN), d.pack(d.UNMAP, 0, count=1), *out(1), move(0, d.MOVE_END), d.pack(d.FAULT, 1))
TWICE = (*out(0), d.pack(d.FORK, 0, count=1, payload=1), move(0, d.MOVE_BEGIN), move(16, d.MOVE_BEGIN), move(0, d.MOVE_END),
         move(16, d.MOVE_END))  # fmt: skip
AGAIN = (d.pack(d.FAULT, 0), d.pack(d.RECLAIM_BEGIN, 0, backend=d.ZSWAP, payload=99), d.pack(d.FAULT, 0), d.pack(d.RECLAIM_END, 0))
"""A page that is read while it is written: the folio keeps its slot, which no PTE holds."""
AT_THE_LIMIT = (*AGAIN, *out(1, 4096), d.pack(d.RECLAIM, 0, backend=d.ZSWAP, payload=4000, flags=d.DIRTY))
QUARTER = {"C_MEM_LIMIT": 4}


@mutant("zram", driver, "slot_freed", world=SMALL, script=FREED)
def leave_out_the_slot_free_notification(right: Step) -> Step:
    """The driver is not told that a slot has died: its object stays."""
    return lambda st, pr, g: None


@mutant("zram", driver, "slot_freed", check="leaks", says="zswap entries left")
def leave_out_the_notification_without_a_twin(right: Step) -> Step:
    """The same, found by what is left at the end."""
    return lambda st, pr, g: None


@mutant("zram", driver, "slot_freed", check="random streams", says="free slots with an element in use")
def leave_out_the_notification_by_the_invariants(right: Step) -> Step:
    """The same, found by the invariants alone."""
    return lambda st, pr, g: None


@mutant("zram", driver, "slot_freed", check="lock rules", says="zram element is written without a lock")
def notify_without_the_lock_of_the_element(right: Step) -> Step:
    """The driver frees the element without its lock."""
    return edited("        trylock(pr, st.element, at(g, E_LOCK), L_ENTRY)\n", "")(right)


@mutant("zram", driver, "entry_free", world=SMALL, script=(*BACK, d.pack(d.UNMAP, 0, count=1)))
def keep_the_block_of_a_slot_that_dies(right: Step) -> Step:
    """A block of the backing device is never free again."""
    return edited("block_free(st, pr, u(st.element[at(g, E_HANDLE)]))", "pass")(right)


@mutant("zram", writeback, "complete", world=SMALL, script=BACK)
def keep_the_object_of_a_page_in_a_block(right: Step) -> Step:
    """Writeback saves no memory."""
    return edited("object_drop(st, pr, g, size)", "pass")(right)


@mutant("zram", writeback, "complete", world=SMALL, script=REUSED_MEANWHILE)
def finish_a_writeback_that_was_given_up(right: Step) -> Step:
    """The slot has another page by now, and its element names the block of the old one."""
    return edited("kept = flags & PP_SLOT != U0", "kept = True")(right)


@mutant("zram", writeback, "complete", world=SMALL, script=READ_MEANWHILE)
def lose_the_block_of_a_writeback_that_was_given_up(right: Step) -> Step:
    """Its block stays reserved for nobody."""
    return edited("block_free(st, pr, block)", "pass")(right)


@mutant("zram", driver, "accessed", world=SMALL, script=READ_MEANWHILE)
def read_without_a_mark(right: Step) -> Step:
    """A read does not make a writeback give up."""
    return lambda st, pr, g: None


@mutant("zram", writeback, "begin", world=SMALL, script=TWICE)
def write_an_element_back_twice_at_once(right: Step) -> Step:
    """Two writebacks of one element, each with a block."""
    return edited("st.element[at(g, E_BUSY)] != 0", "False")(right)


@mutant("zram", driver, "block_take", world=SMALL, script=(*BACK, *out(1), move(1), d.pack(d.FAULT, 0)))
def give_a_block_out_twice(right: Step) -> Step:
    """The second page that is written back overwrites the first one."""
    return edited("atomic_or(pr, R_BITMAP, w, st.bdmap, w, U1 << (block & U63))", "pass")(right)


@mutant("zram", driver, "write", world=SMALL, script=AT_THE_LIMIT, parameters=QUARTER)
def free_the_old_object_of_a_refused_write(right: Step) -> Step:
    """A write that fails at the limit has freed what the element had."""

    def wrong(st: Any, pr: Any, g: Any, length: Any, token: Any) -> Any:
        why = right(st, pr, g, length, token)
        if why != U0:
            driver.lock_entry(st, pr, g)
            driver.entry_free(st, pr, g)
            driver.unlock_entry(st, pr, g)
        return why

    return wrong


@mutant("zram", driver, "may_store", world=SMALL, script=AT_THE_LIMIT, parameters=QUARTER)
def store_past_the_limit(right: Step) -> Step:
    """Nobody looks at mem_limit."""
    return lambda st, pr: (right(st, pr), True)[1]


@mutant("zram", driver, "write", world=SMALL, script=out(0, 3625))
def store_an_incompressible_page_compressed(right: Step) -> Step:
    """The least size that is stored as a whole page is taken for a compressed one."""
    return edited("length >= HUGE_SIZE", "length > HUGE_SIZE")(right)


@mutant("zram", writeback, "wrong_place", world=SMALL, script=(*BACK, move(0, source=d.SSD, target=d.HDD)))
def look_for_a_written_back_page_in_memory(right: Step) -> Step:
    """A page in a block is said to be an object still."""
    return edited("element(st, g) & WB != U0", "False")(right)
