"""Mutants of the cluster allocator, for tests/mutants.py."""

from __future__ import annotations

from dse.testing.mutants import Mutants, Step, edited
from kernels.compiling.constants import U0
from kernels.structures import cluster

MUTANTS = Mutants()
mutant = MUTANTS.enter


@mutant("swap_table_p4", cluster, "relist")
def keep_a_fragmented_cluster_on_its_list(right: Step) -> Step:
    """A free does not take the cluster to the nonfull ones."""
    return lambda st, pr, d, c, want: right(st, pr, d, c, want) if want != cluster.NONFULL_LIST else None


@mutant("swap_table_p4", cluster, "scan_cluster")
def leave_a_cluster_without_a_slot_behind_the_place(right: Step) -> Step:
    """It stays on its list, where the CPU finds it again."""
    return edited("elif usable and", "elif False and")(right)


@mutant("swap_table_p4", cluster, "is_usable")
def go_on_in_an_empty_cluster(right: Step) -> Step:
    """A CPU goes on in its cluster though the table is gone."""
    return lambda st, count, size: count < size


@mutant("direct", cluster, "scan_cluster", parameters={"C_CLUSTER_ORDER": 2})
def go_on_where_it_was_in_an_emptied_cluster(right: Step) -> Step:
    """A CPU does not begin an empty cluster of 6.14 anew."""
    return edited("first if count == U0 and", "first if False and")(right)


@mutant("direct", cluster, "place_set")
def keep_a_place_in_a_full_cluster(right: Step) -> Step:
    """A CPU goes on where it filled its cluster."""
    return lambda st, pr, percpu, c, after, left: right(st, pr, percpu, c, after, after > U0)
