"""Large folios of the stage: it equals its plain twin, cases worked by hand, what is refused, and what counts their pages."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.errors import BadInput
from dse.predicting import predicting
from dse.workloads import stream
from dse.workloads.workload import memcgs
from kernels import demand
from tests import naive_faults, naive_folios
from tests.naive_folios import Folios
from tests.test_reclaim import PAGES, PER_SPACE, a_scenario, backends_of, fixed, moves_of, swapoff_of

POLICIES = ("lru", "clock", "active-inactive")


@pytest.fixture(autouse=True)
def _wrap_around():
    with np.errstate(over="ignore"):
        yield


@st.composite
def workloads_of(draw):
    """Accesses skewed to low pages, with unmaps of parts and of whole blocks in between."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.sampled_from([3, 40, 250]))
    accesses = (PAGES * rng.random(n) ** draw(st.sampled_from([1, 2]))).astype(np.uint32)
    accesses |= np.where(rng.random(n) < 0.3, np.uint32(1 << 31), np.uint32(0))
    positions = np.sort(rng.integers(0, n + 1, draw(st.integers(0, 8))))
    events = []
    for _ in positions:
        page = int(rng.integers(PAGES)) if rng.random() < 0.6 else int(rng.integers(PAGES // 4)) * 4
        events.append(demand.pack(demand.UNMAP, page, count=int(rng.integers(1, min(PAGES - page, PER_SPACE) + 1))))
    return dataclasses.replace(fixed(accesses, events, positions), touched=draw(st.sampled_from([PAGES, PAGES - 9])))


memory_of = st.fixed_dictionaries(
    {
        "limit": st.sampled_from([2.0, 5.0, 12.0, 0.5]), "policy": st.sampled_from(POLICIES), "batch": st.sampled_from([1, 2, 5, 32]),
        "charge_zswap": st.booleans(), "flush": st.sampled_from([0, 1, 7]),
    }
)  # fmt: skip
orders_of = st.sampled_from([{"1": 1.0}, {"2": 1.0}, {"4": 0.5, "2": 0.5, "1": 0.5}, {"3": 1.0, "1": 0.3}, {"5": 1.0, "2": 0.7}])


@pytest.mark.interpreted
@settings(max_examples=150, deadline=None)
@given(workloads_of(), memory_of, backends_of, moves_of, swapoff_of, orders_of, st.integers(0, 3))
def test_equals_the_twin(workload, memory, backend, moves, swapoff, orders, seed):
    if swapoff.get("device") == "hdd" and not (backend.get("mix", {"hdd": 1.0}).get("hdd") or "hdd" in moves.get("tiers", ())):
        swapoff = {}  # refused: no page is ever there
    values = {"memory": memory, "backend": backend, "moves": moves, "swapoff": swapoff, "folio": {"orders": orders}}
    given_ = a_scenario(workload.accesses, values).but(replay__seed=seed)
    limit = given_.limit_pages(PAGES)
    mine = stream.Stream(given_, workload, limit, forks=False)
    blocks = list(mine.blocks())
    assert all(len(block) == 64 for block in blocks[:-1])
    out = np.concatenate([*blocks, np.empty((0, 2), np.uint64)])
    twin = naive_faults.demands(given_, workload, limit, False, Folios)
    assert [(int(a), int(b)) for a, b in out] == twin.out
    counted, rows = mine.counters, demand.records(out)
    assert (counted["resident"], counted["swapped"], counted["pool_pages"]) == (twin.resident, twin.swapped, twin.pool_pages())
    assert (counted["folios"], counted["folio_reclaims"], counted["folio_splits"]) == (twin.folios, twin.wholes, twin.splits)
    gone = rows[rows["kind"] == demand.RECLAIM]
    assert int((1 << gone["order"].astype(np.int64)).sum()) == sum(counted[f"reclaims_{name}"] for name in demand.BACKENDS)
    assert int((gone["order"] > 0).sum()) == counted["folio_reclaims"]
    assert (gone["page"] % (1 << gone["order"].astype(np.int64)) == 0).all()
    assert np.array_equal(out, np.concatenate([*mine.blocks(), np.empty((0, 2), np.uint64)]))


# worked by hand -----------------------------------------------------------------------------------
def made(accesses, limit=8, events=(), positions=(), orders=None, policy="lru", backend=None, batch=1, **more):
    """Demands and counters of a few accesses, orders {2: 1.0} where none are given."""
    values = {
        "memory": {"limit": float(limit), "policy": policy, "batch": batch, "charge_zswap": False},
        "backend": backend or {"placement": "ssd", "zero_share": 0.0}, "folio": {"orders": orders or {"2": 1.0}}, **more,
    }  # fmt: skip
    found = stream.Stream(a_scenario(len(accesses), values), fixed(accesses, events, positions), limit, forks=False)
    rows = demand.records(np.concatenate([*found.blocks(), np.empty((0, 2), np.uint64)]))
    return [(demand.KINDS[row["kind"]], int(row["order"]), int(row["page"])) for row in rows], found.counters


WRITE = 1 << 31


@pytest.mark.interpreted
def test_a_folio_is_mapped_at_its_first_touch_and_leaves_whole():
    """Room for two folios of four pages: the third one takes the place of the first, whose pages come back one by one."""
    found, counted = made([6, 1, 2, 9, 10, 5])
    first = [("fault", 0, 6), ("fault", 0, 4), ("fault", 0, 5), ("fault", 0, 7)]
    second = [("fault", 0, page) for page in (1, 0, 2, 3)]
    third = [("reclaim", 2, 4), *[("fault", 0, page) for page in (9, 8, 10, 11)]]
    back = [("reclaim", 2, 0), ("fault", 0, 5)]  # one page comes in, and a folio leaves for it
    assert found == first + second + third + back
    assert (counted["folios"], counted["folio_reclaims"], counted["resident"], counted["swapped"]) == (3, 2, 5, 7)
    assert (counted["first_touches"], counted["swap_ins"], counted["reclaims_ssd"], counted["resident_peak"]) == (12, 1, 8, 8)


@pytest.mark.interpreted
def test_an_access_to_any_page_keeps_the_folio():
    """The least recently used folio is that with no access to any page since."""
    found, _ = made([0, 4, 3, 8])
    assert [row for row in found if row[0] == "reclaim"] == [("reclaim", 2, 4)]


@pytest.mark.interpreted
def test_flags_and_size_are_of_the_folio():
    """A later write to the last page makes the folio dirty; its size is the mean of four, in one backend."""
    backend = {"placement": "zswap", "zswap_share": 1.0, "zero_share": 0.0, "incompressible_share": 0.0, "compression_ratio": 2.0}
    values = {"memory": {"limit": 8.0, "batch": 1, "charge_zswap": False}, "backend": backend, "folio": {"orders": {"2": 1.0}}}
    accesses = [0, 3 | WRITE, 4, 8, 12]
    mine = stream.Stream(a_scenario(5, values), fixed(accesses), 8, forks=False)
    rows = demand.records(np.concatenate(list(mine.blocks())))
    gone = rows[rows["kind"] == demand.RECLAIM]
    assert gone["page"].tolist() == [0, 4]
    assert (gone["arg"] >> 24).tolist() == [demand.DIRTY, 0]
    twin = naive_faults.demands(mine.scenario, fixed(accesses), 8, False, Folios)
    sizes = [[twin.size(twin.bits(twin.numbers[p], 1)) for p in range(first, first + 4)] for first in (0, 4)]
    assert (gone["arg"] & 0xFFFFFF).tolist() == [sum(four) // 4 for four in sizes]
    assert len({size for four in sizes for size in four}) > 4


@pytest.mark.interpreted
def test_a_part_that_is_unmapped_splits_the_folio_and_all_of_it_does_not():
    """0 and 3 of the first folio stay, 4 to 7 are gone. 1 is of no folio again, as 0 exists; 4 is. 0 and the third folio go first."""
    events = [demand.pack(demand.UNMAP, 1, count=2), demand.pack(demand.UNMAP, 4, count=4)]
    found, counted = made([0, 4, 8, 1, 13, 4, 16], limit=16, events=events, positions=[3, 3])
    assert (counted["folio_splits"], counted["unmaps"], counted["folios"], counted["folio_reclaims"]) == (1, 2, 6, 1)
    again = [("fault", 0, page) for page in (1, 13, 12, 14, 15, 4, 5, 6, 7)]
    last = [("reclaim", 0, 0), ("reclaim", 2, 8), *[("fault", 0, page) for page in range(16, 20)]]
    assert found[12:] == [("unmap", 0, 1), ("unmap", 0, 4), *again, *last]


@pytest.mark.interpreted
def test_a_folio_needs_its_whole_block():
    """Order 3 does not fit pages of which some exist; order 1 does; a block that spans two spaces is none."""
    found, counted = made([0], orders={"5": 1.0})
    assert found == [("fault", 0, 0)]
    assert counted["folios"] == 0
    events = [demand.pack(demand.UNMAP, 0, count=6)]
    found, counted = made([0, 0, 4], limit=16, events=events, positions=[1], orders={"3": 1.0, "1": 1.0})
    assert [page for kind, _, page in found if kind == "fault"] == [*range(8), 0, 1, 4, 5]
    assert (counted["folios"], counted["folio_splits"]) == (3, 1)


@pytest.mark.interpreted
def test_a_folio_has_no_page_beyond_those_in_use():
    """10 pages of a space of 16: the block 8 to 11 is none, and that from 4 to 7 is."""
    values = {"memory": {"limit": 16.0}, "folio": {"orders": {"2": 1.0}}}
    workload = dataclasses.replace(fixed([9, 5]), touched=10, spaces=1, memcg_of_space=memcgs(1, 1))
    rows = demand.records(np.concatenate(list(stream.Stream(a_scenario(2, values), workload, 16, forks=False).blocks())))
    assert rows["page"].tolist() == [9, 5, 4, 6, 7]


@pytest.mark.interpreted
def test_an_order_without_room_gives_way_to_a_lower_one():
    """Nothing may leave (zswap is full and writes nothing back): a folio is made while there is room, then single pages."""
    backend = {"placement": "zswap", "zswap_share": 0.0, "writeback": False}
    found, counted = made([0, 4, 8, 9], limit=7, orders={"2": 1.0, "1": 1.0}, backend=backend)
    assert [page for _, _, page in found] == [0, 1, 2, 3, 4, 5, 8, 9]
    assert (counted["folios"], counted["overshoot_faults"], counted["overshoot_peak"]) == (2, 1, 1)


def test_a_share_of_the_blocks_becomes_folios():
    pages = 1 << 14
    values = {"memory": {"limit": 1.0}, "folio": {"orders": {"4": 0.25, "2": 0.5}}, "backend": {"placement": "ssd"}}
    case = a_scenario(pages, values).but(workload__generator="scan", workload__pages=pages)
    built = stream.build(case)
    assert sum(1 for _ in built.blocks())
    large, small = 0.25 * pages / 16, 0.75 * 0.5 * pages / 4
    assert built.counters["folios"] == pytest.approx(large + small, rel=0.05)
    assert built.counters["first_touches"] == pages
    assert built.counters["faults"] == pages


# refused -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"memory": {"policy": "mglru"}}, "folio.orders needs memory.policy lru, clock, active-inactive, not mglru"),
        ({"memory": {"policy": "mglru-6.18"}}, "not mglru-6.18"),
        ({"memory": {"loop": "closed"}}, "folio.orders needs memory.loop open, not closed"),
        ({"workload": {"generator": "fork", "accesses": 9}}, "without forks, not the generator fork"),
        ({"folio": {"orders": {"0": 1.0}}}, "unknown folio.orders value '0'"),
        ({"folio": {"orders": {"4": 1.5}}}, "folio.orders.4 is from 0 to 1, got 1.5"),
        ({"memory": {"limit": 31.0}}, "memory.limit is 31 pages, and folio.orders needs room for 2 folios of 16 pages"),
    ],
)
def test_what_has_no_large_folios(values, says):
    given_ = {"folio": {"orders": {"4": 1.0}}, **values}
    with pytest.raises(BadInput, match=says) as caught:
        stream.build(a_scenario(100, given_))
    assert "\n" not in str(caught.value)


def test_a_trace_that_forks_has_no_large_folios(monkeypatch):
    monkeypatch.setattr(stream, "has_forks", lambda _: True)
    with pytest.raises(BadInput, match=r"scenario t: folio\.orders needs a workload without forks, and zipf forks"):
        stream.build(a_scenario(100, {"folio": {"orders": {"4": 1.0}}}))


def test_a_prediction_refuses_large_folios():
    with pytest.raises(BadInput, match=r"scenario threads.*: a prediction takes single pages, and folio\.orders makes large folios"):
        predicting.predict("threads", settings=["folio.orders={4=1.0}"])


def test_digests_without_large_folios_are_those_of_before():
    plain = a_scenario(100, {})
    assert "folio" not in plain.canonical
    empty = a_scenario(100, {"folio": {"orders": {}}})
    assert (empty.digest, stream.build(empty).digest) == (plain.digest, stream.build(plain).digest)
    large = plain.but(folio__orders={"4": 1.0})
    assert large.digest != plain.digest
    assert stream.build(large).digest != stream.build(plain).digest
    assert "folios" not in stream.build(plain).counters


# negative controls: a twin with one rule changed must not agree --------------------------------------
SPACE, N, LIMIT = 512, 12_000, 200


def rich():
    rng = np.random.default_rng(3)
    accesses = (SPACE * rng.random(N) ** 2).astype(np.uint32) | np.where(rng.random(N) < 0.3, np.uint32(1 << 31), np.uint32(0))
    ranges = [(page, count) for page in range(0, SPACE, 64) for count in (64, 13, 3)]
    events = [demand.pack(demand.UNMAP, page, count=count) for page, count in ranges * 4]
    positions = 100 + np.arange(len(events)) * (N // len(events))
    values = {
        "memory": {"limit": float(LIMIT), "policy": "active-inactive", "batch": 8}, "moves": {"rate": 1.4, "batch": 2, "in_window": 0.2},
        "backend": {"placement": "zswap", "zswap_share": 0.3, "zero_share": 0.3, "compression_ratio": 1.8},
        "folio": {"orders": {"3": 0.8, "1": 0.7}},
    }  # fmt: skip
    workload = dataclasses.replace(fixed(accesses, events, positions), touched=SPACE, space_shift=9, spaces=1, memcg_of_space=memcgs(1, 1))
    given_ = a_scenario(N, values).but(replay__block=1 << 16)
    return given_, workload, list(stream.Stream(given_, workload, LIMIT, forks=False).blocks())


WHOLE = naive_folios.Folios.place_whole


def smaller(self, contents, zero):
    """``place_whole`` that rounds one byte too low."""
    d, size = WHOLE(self, contents, zero)
    return d, max(size - 1, 0)


def lighter(self, o):
    """``activate`` that counts a folio as one page."""
    o.active = True
    self.age += 1
    self.active[o.number] = o


MUTANTS = {
    "activate": lighter,
    "active_pages": lambda self: len(self.active),
    "excess": lambda self, n: max(self.resident + 1 + (self.pool_pages() if self.charged else 0) - self.limit, 0),
    "place_like": lambda self, head, part: self.inactive.__setitem__(part.number, part),
    "has_room": lambda self, n: n > 1 or Folios.__mro__[1].has_room(self, n),
    "place_whole": smaller,
}


@pytest.mark.parametrize("name", [None, *MUTANTS])
def test_a_changed_rule_is_noticed(name, monkeypatch):
    given_, workload, blocks = rich()
    if name is not None:
        monkeypatch.setattr(naive_folios.Folios, name, MUTANTS[name])
    twin = naive_faults.demands(given_, workload, LIMIT, False, Folios)
    assert ([(int(a), int(b)) for block in blocks for a, b in block] == twin.out) == (name is None)
