"""swap_id_rmap by hand: locked sections and their order, the walk of a move, slots that a swapoff looks at, bytes and heights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dse
from dse import naming
from dse.testing import conformance, invariants, reading, streams
from dse.testing.reading import ctl
from kernels import control
from kernels import demand as d
from kernels.observing import probe
from tests.test_hand_counts import sections

STORE, ERASE = "reverse xa_lock: xa_store (reverse)", "reverse xa_lock: xa_erase (reverse)"
HAND = (
    ("swap_out", "zswap", [STORE]),
    ("swap_out", "ssd", [STORE]),
    ("writeback_end", "ssd", []),
    ("swap_in", "zswap", [ERASE]),
    ("swap_in", "ssd", [ERASE]),
    ("cache_hit", "ssd", [ERASE]),
    ("clean_drop", "ssd", [STORE]),
    ("fork", "ssd", []),
    ("zap", "zswap", [ERASE]),
    ("zap", "ssd", [ERASE]),
    ("move", "zswap", []),
    ("move", "ssd", [STORE, ERASE]),
)
"""Locked sections that an operation has more than in swap_id, in order. The move of a page in zswap is writeback to its own slot."""
SETTINGS = ("", "[base=swap_table_p4]", "[id_life=count+cache]", "[upkeep=apart]")


def events(op: str, design: str, backend: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dse.explain(op, design, slots=2048, backend=backend)["designs"][0]["events"]
    return found


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("op", "backend", "more"), HAND)
def test_locked_sections_beside_swap_id(op: str, backend: str, more: list[str], setting: str) -> None:
    below, mine = (sections(events(op, f"{name}{setting}", backend)) for name in ("swap_id", "swap_id_rmap"))
    if "cache" in setting and op in ("swap_in", "cache_hit", "clean_drop"):
        more = []  # the ID stays with the cached folio
    assert [one for one in mine if not one.startswith("reverse")] == below
    assert [one for one in mine if one.startswith("reverse")] == more


def held_at(op: str, design: str, backend: str) -> list[tuple[str, list[str]]]:
    """Locks of the trees in the order in which an operation takes them, each with the locks that are held then."""
    out, held = [], list[str]()
    for event in events(op, design, backend):
        if event["event"] == "lock":
            if event["what"] in ("ID xa_lock", "reverse xa_lock"):
                out.append((str(event["what"]), list(held)))
            held.append(str(event["what"]))
        elif event["event"] == "unlock":
            held.remove(str(event["what"]))
    return out


def test_the_order_of_the_two_trees() -> None:
    """A slot never leads to an ID that was freed; what needs memory is done without a lock."""
    ids, reverse, both = "ID xa_lock", "reverse xa_lock", ["cluster", "second cluster"]
    assert held_at("swap_out", "swap_id_rmap", "ssd") == [(ids, []), (reverse, [])]
    assert held_at("zap", "swap_id_rmap", "ssd") == [(reverse, ["cluster"]), (ids, ["cluster"])]
    assert held_at("zap", "swap_id_rmap[upkeep=apart]", "ssd") == [(reverse, ["cluster"]), (ids, ["ID allocator"])]
    assert held_at("move", "swap_id_rmap", "ssd") == [(reverse, []), (ids, both), (reverse, [])]


@pytest.mark.parametrize("backend", ["zswap", "ssd"])
def test_a_move_begins_with_a_walk_from_the_slot(backend: str) -> None:
    mine = events("move", "swap_id_rmap", backend)
    assert (mine[0]["event"], mine[0]["what"]) == ("chase", "reverse tree")
    walks = [e for e in mine if (e["event"], e["function"]) == ("chase", "xa_load (reverse)") and e["what"] == "reverse tree"]
    assert len(walks) == 1
    for op in ("swap_in", "fork", "zap"):
        assert not [e for e in events(op, "swap_id_rmap", backend) if e["function"] == "xa_load (reverse)"]


WORLD = streams.World("one of many", spaces=1, space_shift=6, slots={"ssd": 64, "hdd": 64, "zram": 64}, weights=streams.USUAL)
OUT = (
    *(d.pack(d.FAULT, p) for p in range(64)),
    *(d.pack(d.RECLAIM, p, backend=d.HDD if p % 8 == 0 else d.SSD, payload=99) for p in range(64)),
)
"""64 pages out, 8 of them on the HDD."""


@pytest.mark.parametrize(("name", "looked_at"), [("swap_id", 64), ("swap_id_rmap", 8)])
def test_a_swapoff_looks_at_the_slots_of_its_device(name: str, looked_at: int) -> None:
    run = conformance.Run.of(name, WORLD)
    run.both(streams.block(*OUT, d.pack(d.SWAPOFF, 0, backend=d.HDD, payload=d.ZRAM)))
    assert run.replies(d.SWAPPED_OFF) == 1
    assert ctl(run.st, control.S_SCANNED) == looked_at
    run.finish()


def test_a_zap_of_a_row_takes_the_lock_once() -> None:
    world = streams.World("row", spaces=1, space_shift=4, slots={"ssd": 32}, weights=streams.USUAL)
    out = [*(d.pack(d.FAULT, p) for p in range(16)), *(d.pack(d.RECLAIM, p, backend=d.SSD, payload=99) for p in range(16))]
    locks = {}
    for name in ("swap_id", "swap_id_rmap"):
        run = conformance.Run.of(name, world, C_ID_BATCH=1)
        run.both(streams.block(*out))
        run.both(streams.block(d.pack(d.UNMAP, 2, count=4)))
        locks[name] = int(run.probe.tally[d.ZAPPED * probe.COLUMNS + int(probe.LOCKS)])
        run.finish()
    assert locks["swap_id_rmap"] == locks["swap_id"] + 1


def test_invariants_look_in_both_directions() -> None:
    run = conformance.Run.of("swap_id_rmap", WORLD)
    run.both(streams.block(*OUT))
    head = int(d.SSD) * 8 + 1
    root = run.st.rhead[head]
    run.st.rhead[head] = 0
    assert "leads to ID None" in " ".join(invariants.check("swap_id_rmap", run.st))
    run.st.rhead[head] = root
    assert invariants.check("swap_id_rmap", run.st) == []
    node = int(root >> np.uint64(2))
    run.st.rpool[node + 5] += np.uint64(2)  # an ID that is another slot's
    assert "reverse tree: slot" in " ".join(invariants.check("swap_id_rmap", run.st))


@pytest.mark.parametrize("base", ["direct", "swap_table_p4"])
def test_bytes_of_both_trees(base: str) -> None:
    """18.3 B an ID where the trees are dense, counted 16, on top of the base (section 1.6 of the catalogue)."""
    slots = 1 << 18
    below, ids, both = (dse.ledger(name, slots, 1.0, "ssd") for name in (base, f"swap_id[base={base}]", f"swap_id_rmap[base={base}]"))
    assert [found["dynamic_bytes"] - below["dynamic_bytes"] for found in (ids, both)] == [8 * slots, 16 * slots]
    nodes = {row["structure"]: row["objects"] for row in both["rows"] if row["structure"] in ("ID tree", "reverse tree")}
    assert nodes["reverse tree"] == 4096 + 64 + 1
    assert 18.27 < sum(nodes.values()) * 576 / slots < 18.3


def test_a_tree_for_each_device() -> None:
    """With a single tree over entries the second device alone would need a node on each of 10 levels."""
    run = conformance.Run.of("swap_id_rmap", WORLD)
    run.both(streams.block(*OUT))
    found = reading.reverse(run.st)
    assert {device for device, _, _ in found} == {d.SSD, d.HDD}
    assert len(found) == 64
    assert int(run.st.rpool[2]) == 2  # 56 and 8 slots: a leaf each
    assert naming.parse("swap_id_rmap").design.bases == ("direct", "swap_table_p4")
