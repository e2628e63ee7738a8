"""Mutants of faults, for tests/mutants.py."""

from __future__ import annotations

from dse.testing import streams
from dse.testing.mutants import Mutants, Step, edited
from kernels.life import faults

MUTANTS = Mutants()
mutant = MUTANTS.enter
MOVING = next(x for x in streams.WORLDS if x.name == "moving")


@mutant("swap_table_p4", faults, "write_in_cache")
def free_at_every_write_fault(right: Step) -> Step:
    """Slot and cache copy go, as before 7.0."""
    return lambda st, page, f: False


@mutant("swap_table_p4", faults, "write_in_cache", world=MOVING)
def keep_the_copy_of_a_shared_page(right: Step) -> Step:
    """A page that a fork shared is taken for an exclusive one."""
    return edited(" or (st.ctl[control.C_FORKS] != U0 and w.beside(st, page) != page)", "")(right)
