"""Mutants of large folios in virtual swap space, for tests/mutants.py."""

from __future__ import annotations

from dse.testing import streams
from dse.testing.mutants import Mutants, Step, edited
from kernels.compiling.constants import U1
from kernels.designs.vswap import allocation, slots
from kernels.designs.vswap_rfc import runs as rfc_runs

MUTANTS = Mutants()
mutant = MUTANTS.enter
FOLIOS = next(x for x in streams.WORLDS if x.name == "folios")
FEW_RUNS = next(x for x in streams.WORLDS if x.name == "few runs")


@mutant("vswap_v6", allocation, "first_run", world=FOLIOS)
def take_a_run_that_is_not_aligned(right: Step) -> Step:
    """Any free slots in a row will do."""
    return edited("        i += n\n", "        i += U1\n")(right)


@mutant("vswap_v3", slots, "charge", world=FEW_RUNS)
def charge_one_page_for_a_folio(right: Step) -> Step:
    """The slots of a large folio are one page to its memory cgroup."""
    return lambda st, pr, memcg, n: right(st, pr, memcg, U1)


@mutant("vswap_v6", slots, "free", world=FOLIOS)
def forget_a_full_cluster_of_folios(right: Step) -> Step:
    """A cluster that has a run to spare again stays off the partial list."""
    return edited("elif state & v.FULL != U0 and va.room(st, c):", "elif state & v.FULL != U0 and v.order_of(st, c) == U0:")(right)


@mutant("vswap_rfc1", rfc_runs, "alloc_run", world=FOLIOS)
def count_one_slot_for_a_folio(right: Step) -> Step:
    """The virtual cluster of a large folio counts one slot."""
    return edited("xa.mk_value(n)", "xa.mk_value(U1)")(right)


@mutant("vswap_rfc2", rfc_runs, "run_for", world=FOLIOS)
def lead_to_the_first_page_alone(right: Step) -> Step:
    """Only the first slot of a large folio leads back to its virtual one."""
    return edited("    for i in range(n):\n        reverse.link", "    for i in range(U1):\n        reverse.link")(right)
