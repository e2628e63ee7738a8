"""Families of pages, which say what memory cgroup may own what is swapped out."""

from __future__ import annotations

from dse.testing import conformance, owners, streams
from kernels import demand as d

WORLD = streams.TINY
PARENT, CHILD = 1, 17
"""Pages of two spaces, which are of memory cgroups 1 and 2."""
FORK = d.pack(d.FORK, PARENT, count=1, payload=1)


def memcgs(families: owners.Families, page: int) -> set[int]:
    """Memory cgroups that may own what is behind `page`."""
    word = families.members[families.root(page)]
    return {memcg for memcg in range(8) if word >> memcg & 1}


def test_a_fork_makes_relatives_and_a_first_touch_a_new_family() -> None:
    families = owners.Families(WORLD.config())
    assert (memcgs(families, PARENT), memcgs(families, CHILD)) == ({1}, {2})
    families.note(*d.pack(d.FAULT, PARENT), d.FIRST_TOUCH)
    families.note(*FORK, d.FORKED)
    assert memcgs(families, PARENT) == memcgs(families, CHILD) == {1, 2}
    families.note(*d.pack(d.UNMAP, PARENT, count=1), d.ZAPPED)
    families.note(*d.pack(d.FAULT, PARENT), d.FIRST_TOUCH)
    assert (memcgs(families, PARENT), memcgs(families, CHILD)) == ({1}, {1, 2})


def test_a_fork_onto_a_page_that_is_mapped_changes_nothing() -> None:
    families = owners.Families(WORLD.config())
    for page in (PARENT, CHILD):
        families.note(*d.pack(d.FAULT, page), d.FIRST_TOUCH)
    families.note(*FORK, d.FORKED)
    assert (memcgs(families, PARENT), memcgs(families, CHILD)) == ({1}, {2})


def test_a_fork_that_ended_part_way_may_have_made_relatives() -> None:
    families = owners.Families(WORLD.config())
    families.note(*d.pack(d.FAULT, PARENT), d.FIRST_TOUCH)
    families.note(*FORK, d.NO_MEMORY)
    assert memcgs(families, CHILD) == {1, 2}
    assert families.unsure == {CHILD}
    families.note(*d.pack(d.UNMAP, CHILD, count=1), d.EMPTY)
    assert not families.unsure


def test_owners_are_read_off_each_kind_of_state() -> None:
    for name in ("direct", "swap_id", "swap_desc", "swap_table_p4", "vswap_v6"):
        with conformance.using(twins=False):
            run = conformance.Run.of(name, WORLD)
        st = run.st
        pages, found = owners.owners(st)
        assert len(pages) == len(found) == 0
        assert run.families.check(st) == []
