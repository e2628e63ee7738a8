"""swap_id_special by hand: who has an ID, what a page without one pays, how it moves, and what a used-up ID space pins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dse
from dse import naming
from dse.testing import conformance, invariants, streams
from dse.testing.reading import ctl
from kernels import control
from kernels import demand as d
from kernels.designs.swap_id_special import own
from kernels.observing import probe

NOTED = ("ctl", "txn", "folio")
"""Arrays that may differ: parameters, moves under way, and the value that a folio carries, which direct does not note."""


def counted(name: str, world: streams.World, **parameters: int) -> conformance.Run:
    run = conformance.Run.of(name, world, **parameters)
    run.replay(streams.random_demands(world, 4000, 7))
    return run


@pytest.mark.parametrize("world", streams.WORLDS[:5], ids=lambda x: x.name)
@pytest.mark.parametrize(("other", "special", "native"), [("direct", 0, 0), ("swap_id", 15, 0), ("swap_id", 15, 1)])
def test_all_and_none_are_the_designs_that_it_mixes(world: streams.World, other: str, special: int, native: int) -> None:
    """With all devices special it counts what swap_id counts, with none what direct counts: the test of a value reads no memory."""
    base = counted(other, world, **({"C_NATIVE": native} if other == "swap_id" else {}))
    mixed = counted("swap_id_special", world, C_SPECIAL=special, C_NATIVE=native)
    assert np.array_equal(mixed.probe.tally, base.probe.tally)
    ours, theirs = mixed.st.arrays(), base.st.arrays()
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs if name not in NOTED)


@pytest.mark.parametrize("op", ["swap_out", "swap_in", "zap", "fork"])
def test_a_page_that_goes_straight_to_a_disk_pays_for_no_tree(op: str) -> None:
    names = ("swap_id_special", "swap_id_special[special=none]", "swap_id[zswap=native]")
    mixed, without, ids = (dse.explain(op, name, slots=2048, backend="ssd")["designs"][0]["totals"] for name in names)
    assert mixed == without
    assert ids["chain"] > mixed["chain"]


def test_a_page_in_zswap_pays_what_swap_id_asks() -> None:
    mixed, ids = (
        dse.explain("swap_in", name, slots=2048, backend="zswap")["designs"][0]["totals"]
        for name in ("swap_id_special", "swap_id[zswap=native]")
    )
    assert mixed == ids


WORLD = streams.World("two kinds", spaces=1, space_shift=4, slots={"zswap": 16, "ssd": 16, "hdd": 16, "zram": 16}, weights=streams.USUAL)


def out(page: int, backend: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return d.pack(d.FAULT, page), d.pack(d.RECLAIM, page, backend=backend, payload=99)


def is_id(run: conformance.Run, page: int) -> bool:
    value = int(run.st.pte[page]) >> 1
    return 0 < value < 1 << 58


def test_the_value_tells_both_kinds_apart_and_a_moved_page_keeps_its_id() -> None:
    run = conformance.Run.of("swap_id_special", WORLD)
    run.both(streams.block(*out(0, d.ZSWAP), *out(1, d.SSD)))
    assert [is_id(run, page) for page in (0, 1)] == [True, False]
    before = int(run.st.pte[0])
    run.both(streams.block(d.pack(d.MOVE, 0, backend=d.ZSWAP, payload=d.SSD), d.pack(d.MOVE, 1, backend=d.SSD, payload=d.HDD)))
    assert run.replies(d.MOVED) == 2
    assert int(run.st.pte[0]) == before  # the mapping has changed
    assert int(run.st.pte[1]) >> 59 == d.HDD + 1  # read and swapped out again: another entry
    run.finish()


@pytest.mark.parametrize(("move", "reply"), [("reswap", d.MOVED), ("refuse", d.REFUSED)])
def test_a_page_without_an_id_is_pinned(move: str, reply: int) -> None:
    """Two IDs for three pages of zswap: the third gets an entry and moves as pages without a layer do, or not at all."""
    how = naming.parse("swap_id_special").design.parameters["move"].values[move]
    run = conformance.Run.of("swap_id_special", WORLD, C_ID_LIMIT=2, C_MOVE=how)
    run.both(streams.block(*(demand for page in range(3) for demand in out(page, d.ZSWAP))))
    assert [is_id(run, page) for page in range(3)] == [True, True, False]
    assert ctl(run.st, own.S_PINNED) == 1
    run.both(streams.block(d.pack(d.MOVE, 2, backend=d.ZSWAP, payload=d.SSD)))
    assert run.replies(reply) == 1
    run.finish()


@pytest.mark.parametrize("policy", range(3))
def test_ids_run_out(policy: int) -> None:
    """Whatever policy picks them: pages of zswap go on without."""
    world = streams.World("few IDs", weights=streams.USUAL)
    run = conformance.compare("swap_id_special", world, 1, 2000, C_ID_LIMIT=3, C_ID_POLICY=policy, C_ID_RANGE=2, C_NATIVE=1)
    assert ctl(run.st, own.S_PINNED)


@pytest.mark.parametrize(("device", "scanned"), [(d.ZSWAP, 0), (d.SSD, 16)])
def test_a_swapoff_scans_page_tables_only_for_entries(device: int, scanned: int) -> None:
    run = conformance.Run.of("swap_id_special", WORLD)
    run.both(streams.block(*out(0, d.ZSWAP), *out(1, d.ZSWAP), *out(2, d.SSD)))
    run.both(streams.block(d.pack(d.SWAPOFF, 0, backend=device, payload=d.HDD)))
    assert run.replies(d.SWAPPED_OFF) == 1
    assert int(run.probe.tally[d.SWAPPED_OFF * probe.COLUMNS + int(probe.PTES)]) == scanned
    assert ctl(run.st, control.S_LOST) == 0
    run.finish()


def test_an_entry_that_has_an_id_is_in_no_pte() -> None:
    run = conformance.Run.of("swap_id_special", WORLD)
    run.both(streams.block(*out(0, d.ZSWAP)))
    run.st.pte[0] = (d.ZSWAP + 1) << 59  # offset 0 of zswap
    assert "that has an ID" in " ".join(invariants.check("swap_id_special", run.st))


def ids_in(design: str, backend: str) -> int:
    rows: list[dict[str, Any]] = dse.ledger(design, 8192, 1.0, backend)["rows"]
    return next(row["dynamic_bytes"] for row in rows if row["structure"] == "ID tree") // 8


def test_bytes_of_pages_on_special_devices_only() -> None:
    assert [ids_in("swap_id_special", backend) for backend in ("zswap", "ssd", "zswap=0.25,ssd=0.75")] == [8192, 0, 2048]
    assert ids_in("swap_id_special[special=ssd]", "zswap=0.25,ssd=0.5,hdd=0.25") == 4096
    assert ids_in("swap_id_special[special=ssd,zswap=stacked]", "zswap=0.25,ssd=0.5,hdd=0.25") == 6144
