"""Mutants of readahead, for tests/mutants.py."""

from __future__ import annotations

from dse.testing import streams
from dse.testing.mutants import Mutants, Step, edited
from kernels.life import readahead

MUTANTS = Mutants()
mutant = MUTANTS.enter
ODD = next(x for x in streams.WORLDS if x.name == "odd")
BEHIND = next(x for x in streams.WORLDS if x.name == "zram behind")


@mutant("swap_table_p4", readahead, "read_ahead", world=ODD)
def keep_the_folio_for_nothing(right: Step) -> Step:
    """The folio of a page that the swap cache has already is not freed."""
    return edited("        w.folio_free(st, f)\n        return codes.IN_CACHE", "        return codes.IN_CACHE")(right)


@mutant("direct", readahead, "read_ahead", world=BEHIND)
def read_ahead_around_the_cache(right: Step) -> Step:
    """A page of a synchronous device is read although no swap cache will have it."""
    return edited("if f_is(st, f, BYPASS):", "if f_is(st, f, BYPASS) and st.ctl[0] != st.ctl[0]:")(right)


@mutant("vswap_v6", readahead, "read_ahead", world=ODD)
def leave_the_folio_locked(right: Step) -> Step:
    """The folio stays locked behind the read, so that no fault gets it."""
    return edited("    f_clear(st, f, LOCKED)\n", "")(right)
