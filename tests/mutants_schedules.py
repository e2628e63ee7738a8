"""Known races of real kernels, as mutants: each is right when demands come one after the other, and some schedule shows it.

``python -m tests.mutants_schedules [NAME ...]`` with ``NUMBA_DISABLE_JIT=1`` prints for each the schedule that shows it; ``right`` as the
name runs the right designs in the same situations, which show nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from dse.common import output
from dse.testing.mutants import Mutant, Step, broken, edited
from dse.testing.schedules import exploring, judging, situations, trying
from dse.testing.schedules.kernel import Kernel, table
from kernels import memory
from kernels.compiling.constants import U0
from kernels.compiling.jit import u
from kernels.designs.swap_id import layer
from kernels.life import runs, swapfile
from kernels.memory import DIRTY, f_set
from kernels.observing.lock import L_CLUSTER, L_CONT, lock, unlock
from kernels.structures import cluster, swap_map, zswap

MOST = 6000
"""Schedules that a mutant may hide from."""


@dataclass(frozen=True)
class Race:
    """A mutant, the situation that shows it, and what its finding says; `always`: also without a preemption."""

    mutant: Mutant
    situation: str
    says: str
    always: bool = False


RACES: list[Race] = []


def race(
    design: str, module: Any, function: str, situation: str, says: str, *, always: bool = False
) -> Callable[[Callable[[Step], Step]], Callable[[Step], Step]]:
    """Enter a mutant."""

    def entered(make: Callable[[Step], Step]) -> Callable[[Step], Step]:
        RACES.append(Race(Mutant(make.__name__, design, module, function, make), situation, says, always))
        return make

    return entered


@race("direct", swapfile, "read_begin", "sync-write-out", "lost tokens")
def swap_cache_skipped_on_a_synchronous_device(right: Step) -> Step:
    """CVE-2024-26759: a read around the swap cache keeps nobody else from the slot."""

    def wrong(st: Any, pr: Any, entry: Any, f: Any) -> Any:
        if not cluster.is_synchronous(st, cluster.device_of(entry)) or swapfile.count_of(st, cluster.slot_of(st, entry)) != 1:
            return right(st, pr, entry, f)
        f_set(st, f, DIRTY)
        return True

    return wrong


@race("direct", swapfile, "cache_begin", "writeback-unmap", "")
def writeback_of_an_entry_that_is_gone(right: Step) -> Step:
    """Writeback of zswap does not see that the last PTE went."""
    return edited("ok = set_cached(st, pr, g) != U0", "set_cached(st, pr, g)\n    ok = True")(right)


@race("direct", zswap, "store_in", "zipped-out-again", "")
def duplicate_store(right: Step) -> Step:
    """A page is stored in zswap again, and the entry from before stays."""

    def wrong(*args: Any) -> Any:
        right(*args)
        return U0

    return wrong


@race("direct", cluster, "turned_off", "swapoff-fault", "is read after its swapoff")
def swapoff_does_not_wait_for_a_read(right: Step) -> Step:
    """A swapoff ends while a swap-in still holds a slot."""
    return edited("if st.dev[d * DEV_WORDS + D_USED] == U0:", "if True:")(right)


@race("swap_id", layer, "still", "fault-unmap-new", "")
def stale_id_given_out_anew(right: Step) -> Step:
    """A fault does not ask after its read if the ID is still that of its page."""
    return lambda st, pr, value, entry: True


@race("swap_id", layer, "still", "move-reuse", "content of present pages")
def move_against_a_fault_that_walks_once(right: Step) -> Step:
    """A fault does not ask after its read if the page has moved."""
    return lambda st, pr, value, entry: True


@race("direct", swap_map, "count_up", "many-forks", "counts of slots")
def continuation_without_a_second_look(right: Step) -> Step:
    """A page for the continuation is allocated with the lock of the cluster dropped, and the count is not read again."""

    def wrong(st: Any, pr: Any, g: Any) -> Any:
        byte = u(st.smap[g])
        if byte & swap_map.COUNT_MASK < swap_map.MAX_COUNT - 1:
            return right(st, pr, g)
        ci = cluster.ci_of(st, g)
        unlock(pr, st.cluster, ci, L_CLUSTER)
        lock(pr, st.cluster, ci, L_CLUSTER)
        if byte & swap_map.COUNT_MASK < swap_map.MAX_COUNT:
            st.smap[g] = byte + 1
            return True
        lock(pr, st.ctl, swap_map.S_CONT_LOCK, L_CONT)
        ok = swap_map.carry(st, pr, g)
        unlock(pr, st.ctl, swap_map.S_CONT_LOCK, L_CONT)
        st.smap[g] = byte & ~swap_map.COUNT_MASK | swap_map.CONTINUED
        return ok

    return wrong


@race("direct", runs, "put_entries", "run-fault", "")
def batched_free_against_cache_insertion(right: Step) -> Step:
    """A batch of slots is freed under a second lock, and the swap cache is not looked at again."""
    look = "all_held_once(st, pr, first, n)\n"
    return edited(look, f"{look}    cl.unlock_cluster(st, pr, ci)\n    ci = cl.lock_cluster(st, pr, first)\n")(right)


@race("direct", cluster, "pick_cluster", "two-out", "deadlock")
def cluster_lock_inside_the_device_lock(right: Step) -> Step:
    """The order of two locks is inverted."""
    at = "(pr, st.cluster, (c - U1) * CI_WORDS, L_CLUSTER)"
    more = f"\n    if c != U0:\n        lock{at}\n        unlock{at}"
    return edited("touch(pr, R_DEV, at)", "touch(pr, R_DEV, at)" + more)(right)


@race("direct", swapfile, "dup", "out-unmap", "swap_map is written without cluster", always=True)
def count_without_the_lock(right: Step) -> Step:
    """A count is raised without the lock of its cluster."""
    return lambda st, pr, value, entry: swapfile.count_up(st, pr, cluster.slot_of(st, entry))


@race("direct", memory, "unmap_page", "out-unmap", "PTE is written without the page-table lock", always=True)
def unmap_after_the_lock(right: Step) -> Step:
    """A PTE is written when the lock of its table is no longer held."""

    def wrong(st: Any, pr: Any, page: Any, *more: Any) -> Any:
        run = Kernel.run
        key = table(page)
        if run is None or run.current is None or key not in run.current.set:
            return right(st, pr, page, *more)
        run.drop(key)
        right(st, pr, page, *more)
        run.take(key, key[0])
        return None

    return wrong


def found(one: Race, *, right: bool = False) -> tuple[str, str]:
    """The finding about a mutant, or the right design, and the number of the schedule that shows it; empty where there is none."""
    situation = next(each for each in situations.ALL if each.name == one.situation)
    with nullcontext() if right else broken(one.mutant), trying.trial(one.mutant.design, situation) as trial:
        out = exploring.explore(trial, 1 if right else 2, MOST)
    for finding in out.findings.values():
        return finding.why, judging.number(situation, finding.plan)
    circles = judging.circles({pair: judging.number(situation, plan) for pair, plan in out.order.items()})
    return (f"locks in a circle: {circles[0]}", "") if circles else ("", "")


def main(names: list[str]) -> int:
    """Run the mutants named, or all; the exit status is the number of those that no schedule shows."""
    free = 0
    for one in RACES:
        if names == ["right"]:
            why, number = found(one, right=True)
            free += bool(why)
            output.write(f"{one.situation} {one.mutant.design}: {why or 'nothing'} {number}")
        elif not names or one.mutant.name in names:
            why, number = found(one)
            caught = bool(why) and one.says in why and (one.always or number != f"{one.situation}:")
            free += not caught
            output.write(
                f"{one.mutant.name:44} {one.mutant.design:8} {'' if caught else 'NOT FOUND '}{number} {' '.join(why.split())[:140]}"
            )
    return free


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
