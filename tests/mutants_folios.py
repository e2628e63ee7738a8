"""Mutants of large folios, for tests/mutants.py."""

from __future__ import annotations

from dse.testing import streams
from dse.testing.mutants import Mutants, Step, edited
from kernels import demand as d
from kernels.compiling.constants import U1
from kernels.designs.swap_id import folios as id_folios
from kernels.designs.swap_table import runs as table_runs
from kernels.designs.vswap import allocation, slots
from kernels.designs.vswap_rfc import runs as rfc_runs
from kernels.life import folio_slots, folios

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


@mutant("direct", folio_slots, "claim_slots", world=FEW_RUNS)
def charge_one_page_of_a_folio(right: Step) -> Step:
    """The slots of a large folio are one page to its memory cgroup, where slots are charged."""
    return edited("charging.charge_slots(st, pr, memcg, n, g)", "charging.charge_slots(st, pr, memcg, U1, g)")(right)


@mutant("swap_id", folio_slots, "claim_slots", world=FEW_RUNS, parameters={"C_ID_LIMIT": 24})
def keep_the_ids_of_a_folio_that_is_split(right: Step) -> Step:
    """A folio for which there were not enough IDs keeps those that it got, though no PTE holds them."""
    return edited("    for i in range(U0 if whole else n):", "    for i in range(U0):")(right)


@mutant("swap_id", id_folios, "run_alloc", world=FOLIOS, parameters={"C_ID_RUNS": 1, "C_ID_LIMIT": 40})
def take_ids_that_are_in_use(right: Step) -> Step:
    """Only the first ID of a run has to be free."""
    return edited("busy >= at + n:", "busy > at:")(right)


@mutant("swap_table_p4", folio_slots, "evict_run", world=FOLIOS)
def leave_the_last_page_in_the_cache(right: Step) -> Step:
    """The last slot of a large folio stays one of the swap cache."""
    return edited(
        "    ci = cl.lock_cluster(st, pr, g)\n    for i in range(n):", "    ci = cl.lock_cluster(st, pr, g)\n    for i in range(n - U1):"
    )(right)


@mutant("swap_table_p1", table_runs, "cache_remove_run", world=FOLIOS)
def forget_the_shadows_of_a_folio(right: Step) -> Step:
    """Only the first page of a large folio leaves a shadow."""
    return edited("        for i in range(n):", "        for i in range(1):")(right)


SHARED = (*(d.pack(d.FAULT, p) for p in range(4)), d.pack(d.FORK, 1, count=1, payload=1),
          d.pack(d.RECLAIM, 0, order=2, backend=d.SSD, payload=99), d.pack(d.FAULT, 1))  # fmt: skip


@mutant("direct", folios, "gather", world=FOLIOS, script=SHARED)
def take_shared_pages_whole(right: Step) -> Step:
    """A page that another process maps too leaves with the folio."""
    return edited("mapcount(st, f) != U1", "mapcount(st, f) == U0")(right)
