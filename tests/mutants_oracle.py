"""Mutants of the lower bound, for tests/mutants.py."""

from __future__ import annotations

from dse.testing import streams
from dse.testing.mutants import Mutants, Step, edited
from kernels import demand as d
from kernels.compiling.constants import U1
from kernels.designs.oracle import moves, words

MUTANTS = Mutants()
mutant = MUTANTS.enter
MOVING = next(x for x in streams.WORLDS if x.name == "moving")
TIGHT = next(x for x in streams.WORLDS if x.name == "tight")
OUT = (*(d.pack(d.FAULT, p) for p in range(8)), *(d.pack(d.RECLAIM, p, backend=d.SSD, payload=99) for p in range(8)))
MANY = (*(d.pack(d.FAULT, p) for p in range(9)), *(d.pack(d.RECLAIM, p, backend=d.ZSWAP, payload=99) for p in range(9)))
"""One page more than zswap of 8 entries takes."""
OFF = (*OUT, d.pack(d.FORK, 0, count=1, payload=1), d.pack(d.SWAPOFF, 0, backend=d.SSD, payload=d.MEMORY), d.pack(d.FAULT, 0))


@mutant("oracle", words, "slot_give", world=MOVING)
def leak_a_slot(right: Step) -> Step:
    """A slot that is freed is never found again."""
    return lambda st, place: None


@mutant("oracle", words, "evict", world=MOVING)
def forget_the_place(right: Step) -> Step:
    """The word does not learn where the data is when the folio goes."""
    return edited("store(st, pr, v, st.place[v])", "store(st, pr, v, U0)")(right)


@mutant("oracle", words, "dup")
def forget_a_pte(right: Step) -> Step:
    """A PTE more is not counted."""
    return lambda st, pr, value, v: True


@mutant("oracle", words, "free")
def keep_the_charge(right: Step) -> Step:
    """The owner of a page that is gone stays charged."""
    return edited("    charging.uncharge_swap(st, pr, owner_of(st, v), U1)\n", "")(right)


@mutant("oracle", words, "read_end", world=MOVING)
def keep_a_compressed_page_that_was_read(right: Step) -> Step:
    """The object stays when its page is read."""
    return edited("        release(st, pr, place)\n        st.place[v] = U0\n", "")(right)


@mutant("oracle", words, "lookup")
def look_twice(right: Step) -> Step:
    """Only a counter differs: a second step leads from the PTE to the data."""

    def wrong(st: object, pr: object, v: object) -> object:
        right(st, pr, U1)
        return right(st, pr, v)

    return wrong


@mutant("oracle", moves, "change", world=MOVING)
def keep_the_place_that_data_leaves(right: Step) -> Step:
    """A move leaves the slot that the data was in."""
    return edited("    words.release(st, pr, st.place[v])\n", "")(right)


@mutant("oracle", moves, "bring_in", script=OFF)
def bring_in_a_clean_page(right: Step) -> Step:
    """A page that a swapoff has brought in is not dirty."""
    return edited("    f_set(st, f, DIRTY)\n", "    pass\n")(right)


@mutant("oracle", words, "compress", world=TIGHT, script=MANY)
def compress_without_a_limit(right: Step) -> Step:
    """The pool takes more pages than it may."""
    return edited("ctl[control.S_ZE_LIVE] >= ctl[control.C_ZENTRIES]", "ctl[control.S_ZE_LIVE] + U1 == U0")(right)
