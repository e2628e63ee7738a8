"""The stage equals its plain twin; LRU and CLOCK miss as libcachesim does; streams repeat; every built-in scenario makes demands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse import scenario as scenarios
from dse.errors import BadInput
from dse.workloads import stream, trace
from dse.workloads.workload import Workload, memcgs
from kernels import control, demand
from kernels.reclaim import state as words
from tests import naive_faults
from tests import naive_reclaim as naive
from tests.plain_lists import clock_misses, lru_misses, plain_clock, plain_lru

SHIFT, SPACES = 4, 3
PER_SPACE = 1 << SHIFT
PAGES = SPACES << SHIFT


@pytest.fixture(autouse=True)
def _wrap_around():
    with np.errstate(over="ignore"):
        yield


def fixed(accesses, events=(), positions=()) -> Workload:
    """Workload of given arrays."""
    accesses, positions = np.asarray(accesses, np.uint32), np.asarray(positions, np.int64)
    events = np.asarray(list(events), np.uint64).reshape(-1, 2)

    def start():
        def filler(out, records, places):
            out[:] = accesses[: len(out)]
            records[: len(events)], places[: len(events)] = events, positions
            return len(out), len(events)

        return filler

    return Workload("fixed", PAGES, SHIFT, SPACES, memcgs(SPACES, 1), 1, len(accesses), {}, start)


def a_scenario(n, values):
    base = {"workload": {"generator": "zipf", "accesses": n}, "replay": {"block": 64, "cpus": 3}}
    return scenarios.from_values("t", {**base, **values})


@st.composite
def workloads_of(draw):
    """Accesses skewed to low pages, forks and unmaps in between; drawn from a seed, so that long ones are as likely as short ones."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.sampled_from([3, 40, 250]))
    accesses = (PAGES * rng.random(n) ** draw(st.sampled_from([1, 2]))).astype(np.uint32)
    accesses |= np.where(rng.random(n) < 0.3, np.uint32(1 << 31), np.uint32(0))
    forks = draw(st.booleans())
    positions = np.sort(rng.integers(0, n + 1, draw(st.integers(0, 8))))
    events = []
    for _ in positions:
        if forks and rng.random() < 0.6:
            page, child = int(rng.integers(PER_SPACE)), int(rng.integers(1, SPACES))
            events.append(demand.pack(demand.FORK, page, count=int(rng.integers(1, PER_SPACE - page + 1)), payload=child))
        else:
            page = int(rng.integers(PAGES))
            events.append(demand.pack(demand.UNMAP, page, count=int(rng.integers(1, min(PAGES - page, PER_SPACE) + 1))))
    return fixed(accesses, events, positions), forks


backends_of = st.one_of(
    st.fixed_dictionaries(
        {
            "placement": st.sampled_from(demand.BACKENDS), "zswap_share": st.sampled_from([0.0, 0.3, 0.6, 1.0]),
            "writeback": st.booleans(), "shrink_to": st.sampled_from([0.5, 0.9, 1.0]),
            "zero_share": st.sampled_from([0.0, 0.2, 1.0]), "compression_ratio": st.sampled_from([1.0, 1.3, 3.0]),
            "incompressible_share": st.just(0.0), "reject_above": st.sampled_from([1000, 4095]),
            "disk": st.sampled_from(["ssd", "hdd"]), "hdd_slots": st.sampled_from([0.0, 1.0]),
        }
    ),
    st.sampled_from([
        {"mix": {"zswap": 0.5, "ssd": 0.2, "hdd": 0.1, "zram": 0.1, "zero": 0.1}, "hdd_slots": 1.0}, {"mix": {"zero": 1.0}},
        {"placement": "zswap", "incompressible_share": 0.4, "zswap_share": 0.5, "hdd_slots": 1.0},
    ]),
)  # fmt: skip
moves_of = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {
            "rate": st.sampled_from([0.4, 1.0, 2.5, 10.0]), "in_window": st.sampled_from([0.0, 0.3]),
            "batch": st.sampled_from([1, 2, 5]), "tiers": st.sampled_from([(), ("ssd", "hdd"), ("hdd", "zswap", "ssd", "zram")]),
        }
    ),
)  # fmt: skip
swapoff_of = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {"device": st.sampled_from(["ssd", "hdd"]), "target": st.sampled_from(["memory", "zram"]), "at": st.sampled_from([0.4, 1.0])}
    ),
)
memory_of = st.fixed_dictionaries(
    {
        "limit": st.sampled_from([2.0, 5.0, 12.0, 0.5]), "policy": st.sampled_from(words.POLICIES),
        "batch": st.sampled_from([1, 2, 5, 32]), "charge_zswap": st.booleans(),
        "flush": st.sampled_from([0, 1, 7]),
    }
)  # fmt: skip


@pytest.mark.interpreted
@settings(max_examples=150, deadline=None)
@given(workloads_of(), memory_of, backends_of, moves_of, swapoff_of, st.integers(0, 3))
def test_equals_the_twin(made, memory, backend, moves, swapoff, seed):
    workload, forks = made
    if swapoff.get("device") == "hdd" and not (backend.get("mix", {"hdd": 1.0}).get("hdd") or "hdd" in moves.get("tiers", ())):
        swapoff = {}  # refused: no page is ever there
    given_ = a_scenario(workload.accesses, {"memory": memory, "backend": backend, "moves": moves, "swapoff": swapoff})
    given_ = given_.but(replay__seed=seed)
    limit = given_.limit_pages(PAGES)
    mine = stream.Stream(given_, workload, limit, forks)
    blocks = list(mine.blocks())
    assert all(len(block) == 64 for block in blocks[:-1])
    out = np.concatenate([*blocks, np.empty((0, 2), np.uint64)])
    twin = naive_faults.demands(given_, workload, limit, forks)
    assert [(int(a), int(b)) for a, b in out] == twin.out
    kinds = np.bincount(demand.records(out)["kind"], minlength=16)
    counted = mine.counters
    assert (counted["resident"], counted["swapped"], counted["pool_pages"]) == (twin.resident, twin.swapped, twin.pool_pages())
    waited = kinds[demand.MOVE_BEGIN]  # a fault that met a move comes again after it
    assert counted["faults"] == kinds[demand.FAULT] - waited == counted["first_touches"] + counted["avoidable"]
    assert kinds[demand.RECLAIM] == sum(counted[f"reclaims_{name}"] for name in demand.BACKENDS)
    assert kinds[demand.MOVE] + kinds[demand.MOVE_BEGIN] == counted["moves"] + counted["writebacks"]
    assert (counted["cows"], counted["forks"], counted["unmaps"]) == tuple(kinds[[demand.COW, demand.FORK, demand.UNMAP]])
    assert np.array_equal(out, np.concatenate([*mine.blocks(), np.empty((0, 2), np.uint64)]))


@pytest.mark.interpreted
@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 15), max_size=120), st.integers(1, 17))
def test_misses_of_plain_lists(pages, capacity):
    accesses = np.array(pages, np.uint32) | np.uint32(1 << 31)
    assert lru_misses(accesses, capacity, 16) == plain_lru(pages, capacity)
    assert clock_misses(accesses, capacity, 16) == plain_clock(pages, capacity)


@pytest.mark.interpreted
@pytest.mark.parametrize("charge", [True, False], ids=["v2", "v1"])
def test_the_pool_counts_within_the_limit_only_where_it_is_charged(charge):
    backend = {"placement": "zswap", "zswap_share": 1.0, "zero_share": 0.0, "incompressible_share": 0.0, "compression_ratio": 1.9}
    given_ = a_scenario(4000, {"memory": {"limit": 30.0, "batch": 1, "charge_zswap": charge}, "backend": backend})
    accesses = np.random.default_rng(7).integers(0, PAGES, 4000).astype(np.uint32)
    made = stream.Stream(given_, fixed(accesses), 30, forks=False)
    assert sum(1 for _ in made.blocks())
    counted = made.counters
    assert counted["pool_pages"] > 5
    assert (counted["resident"] == 30) == (not charge)
    assert counted["resident"] + counted["pool_pages"] <= 30 or not charge


@pytest.mark.parametrize("policy", ["lru", "clock"])
def test_the_stage_misses_as_often_as_the_bare_policy(policy):
    """Batches of one page, nothing charged but resident pages: FAULTs are misses."""
    n, capacity = 1500, 13
    rng = np.random.default_rng(5)
    accesses = np.minimum(rng.geometric(0.06, n), PAGES).astype(np.uint32) - np.uint32(1)
    given_ = a_scenario(n, {"memory": {"limit": float(capacity), "policy": policy, "batch": 1}, "backend": {"placement": "ssd"}})
    made = stream.Stream(given_, fixed(accesses), capacity, forks=False)
    faults = sum(int((demand.records(block)["kind"] == demand.FAULT).sum()) for block in made.blocks())
    assert faults == (lru_misses if policy == "lru" else clock_misses)(accesses, capacity, PAGES)


# made streams -------------------------------------------------------------------------------------
def small(name, **changes):
    """Built-in scenario, smaller."""
    return scenarios.load(name).but(**changes)


SMALL = {
    "no-move": {"workload__pages": 2000, "workload__accesses": 20_000},
    "fill": {"workload__pages": 5000, "workload__accesses": 5000},
    "churn": {"workload__pages": 2000, "workload__accesses": 20_000},
    "exit-56g": {"workload__pages": 2000, "workload__accesses": 2000, "memory__limit": 0.3},
    "writeback": {"workload__pages_at_least": 1, "workload__copies": 2, "workload__accesses": 60_000},
    "swap-full": {"workload__pages_at_least": 1, "workload__copies": 2, "workload__accesses": 60_000},
    "memcg-cap": {"workload__pages_at_least": 1, "workload__copies": 2, "workload__accesses": 60_000, "memory__loop": "open"},
    "tier-move": {"workload__pages": 2000, "workload__accesses": 60_000, "workload__phase_accesses": 2000, "moves__in_window": 0.1},
    "swapoff": {"workload__pages": 2000, "workload__accesses": 20_000},
    "threads": {"workload__pages": 2000, "workload__accesses": 20_000, "workload__restarts": 5},
    "folios": {"workload__pages_at_least": 1, "workload__copies": 2, "workload__accesses": 60_000},
    "readahead": {"workload__pages_at_least": 1, "workload__copies": 2, "workload__accesses": 60_000},
    "fork-snapshot": {"workload__pages": 300, "workload__accesses": 20_000, "fork__children": 20, "memory__limit": 500.0},
}


def test_every_built_in_scenario_is_tried() -> None:
    assert set(SMALL) == set(scenarios.builtin())


@pytest.mark.parametrize("name", SMALL)
def test_built_in_scenarios_make_demands(name):
    made = stream.build(small(name, **SMALL[name]))
    blocks = list(made.blocks())
    counted = made.counters
    assert counted["accesses"] == made.accesses
    assert counted["resident_peak"] <= made.limit or name == "swapoff"
    assert counted["reclaims_zswap"] + counted["reclaims_ssd"] + counted["reclaims_zram"] > 0
    assert (counted["moves"] > 0) == (made.scenario.moves.rate > 0)
    assert (counted["forks"] > 0) == (name == "fork-snapshot")
    config = made.config(tokens=True)
    assert config.pages == made.workload.pages
    assert all(n > 0 for n in config.slots.values())
    again = stream.build(small(name, **SMALL[name]))
    assert made.digest == again.digest != stream.build(small(name, **{**SMALL[name], "replay__seed": 9})).digest
    assert all(np.array_equal(a, b) for a, b in zip(blocks, again.blocks(), strict=True))


def test_the_block_size_changes_nothing():
    whole = np.concatenate(list(stream.build(small("tier-move", **SMALL["tier-move"])).blocks()))
    parts = list(stream.build(small("tier-move", **SMALL["tier-move"], replay__block=100)).blocks())
    assert {len(part) for part in parts[:-1]} == {100}
    assert np.array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0, 3.5])
def test_moves_per_swapped_lifetime(rate):
    made = stream.build(small("tier-move", **SMALL["tier-move"], moves__rate=rate, backend__zero_share=0.0, moves__batch=8))
    moved: dict[int, int] = {}
    total = lifetimes = 0
    for block in made.blocks():
        for row in demand.records(block):
            kind, page = int(row["kind"]), int(row["page"])
            if kind == demand.RECLAIM:
                moved[page] = 0
            elif kind in (demand.MOVE, demand.MOVE_BEGIN):
                moved[page] += 1
            elif kind == demand.FAULT and page in moved:
                total, lifetimes = total + moved.pop(page), lifetimes + 1
    assert lifetimes == (made.counters["lifetimes"] if rate else lifetimes) > 1000
    assert total / lifetimes == pytest.approx(rate, abs=0.05)
    assert rate == 0 or 0 < made.counters["moves_hurried"] < made.counters["moves"]


def test_mix_is_exact_and_placement_draws_its_classes():
    made = stream.build(small("fill", workload__pages=40_000, workload__accesses=40_000))
    list(made.blocks())
    counted = made.counters
    total = counted["swapped"]
    assert counted["reclaims_zero"] / total == pytest.approx(0.1, abs=0.01)
    assert (counted["reclaims_zswap"]) / total == pytest.approx(0.7 / 0.9, abs=0.01)
    values = made.scenario.but(backend__mix={}, backend__placement="zram", backend__compression_ratio=2.0)
    sizes = []
    for block in stream.build(values).blocks():
        rows = demand.records(block)
        rows = rows[(rows["kind"] == demand.RECLAIM) & (rows["arg"] >> 24 & demand.ZERO == 0)]
        sizes.append(rows["arg"] & 0xFFFFFF)
    size = np.concatenate(sizes)
    assert (size == 4096).mean() == pytest.approx(0.1 / 0.9, abs=0.01)
    assert size[size < 4096].mean() == pytest.approx(2048, rel=0.01)
    assert (size[size < 4096].min(), size[size < 4096].max()) >= (1024, 3000)


def test_the_pool_is_inside_the_memory_limit_and_shrinks():
    made = stream.build(small("writeback", **SMALL["writeback"]))
    list(made.blocks())
    counted = made.counters
    assert counted["pool_pages_peak"] <= made.limit * 0.2 + 1
    assert counted["resident"] + counted["pool_pages"] <= made.limit
    assert counted["writebacks"] > 0 < counted["rejected_full"]
    without = stream.build(small("writeback", **SMALL["writeback"], backend__writeback=False, moves__rate=0.0))
    list(without.blocks())
    assert without.counters["writebacks"] == without.counters["reclaims_ssd"] == 0 < without.counters["kept_resident"]
    assert without.counters["overshoot_peak"] > 0 < without.counters["overshoot_faults"]


def test_filtered_copies_touch_the_same_pages():
    source = trace.load("sort")
    from dse.workloads.interleave import filtered

    thin = filtered(source, 64)
    assert len(thin.accesses) < len(source.accesses) / 50
    mask = np.uint32(0x7FFF_FFFF)
    assert np.array_equal(np.unique(thin.accesses & mask), np.unique(source.accesses & mask))
    written = [np.unique(t.accesses[t.accesses >> 31 == 1]) for t in (thin, source)]
    assert np.array_equal(*written)
    for capacity in (512, 800):
        real, seen = (lru_misses(t.accesses, capacity, 1 << source.space_shift) for t in (source, thin))
        assert seen == pytest.approx(real, rel=0.05)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"backend__slots": 0.0}, "ssd is used but has no slots; set backend.slots"),
        ({"moves__tiers": ["ssd", "hdd"]}, "hdd is used but has no slots; set backend.hdd_slots"),
        ({"swapoff__device": "zswap"}, "not zswap"),
        ({"backend__placement": "ssd"}, "nothing is in zswap; set moves.tiers"),
        ({"workload__trace": "nosuch"}, "no such trace"),
    ],
)
def test_what_does_not_go_together(changes, says):
    with pytest.raises(BadInput, match=says):
        stream.build(small("writeback", **{"moves__rate": 0.5, **changes}))


@pytest.mark.parametrize("generator", ["zipf", "uniform", "scan"])
@pytest.mark.parametrize("policy", ["lru", "clock"])
@pytest.mark.parametrize("capacity", [1, 700, 2048])
def test_misses_of_libcachesim(policy, generator, capacity):
    pytest.importorskip("libcachesim", reason="libcachesim is not installed")
    from benchmarks.limits import reclaim as limit

    pages, n = 2048, 30_000
    accesses = limit.accesses_of(generator, pages, n)
    with limit.oracle_file(accesses) as path:
        found, _ = limit.theirs(policy, path, n, capacity)
    assert found == (lru_misses if policy == "lru" else clock_misses)(accesses, capacity, pages)
    assert generator != "scan" or found == (n if capacity < pages else pages)


@pytest.mark.parametrize("name", SMALL)
def test_a_design_finds_what_the_stage_expects(name):
    """`direct`, with slots for all pages: every page that faults is not resident, every page that goes out is; no content is lost."""
    from kernels.designs import direct
    from kernels.observing import probe

    made = stream.build(small(name, **SMALL[name]))
    state = direct.build(made.config(tokens=True))
    codes = set()
    for block in made.blocks():
        replies = np.zeros(len(block), np.uint8)
        direct.run(state, probe.make("off"), block, replies)
        codes |= set(zip(demand.records(block)["kind"].tolist(), replies.tolist(), strict=True))
    found = {kind: {code for k, code in codes if k == kind} for kind, _ in codes}
    raced = made.scenario.moves.in_window > 0  # a fault inside a reswap: the page goes out again behind its back
    assert found[demand.FAULT] <= {demand.FIRST_TOUCH, demand.SWAP_IN, demand.CACHE_HIT} | ({demand.AVOIDED} if raced else set())
    whole = {demand.FOLIO_OUT, demand.FOLIO_SPLIT} if made.scenario.folio.orders else set()
    assert found[demand.RECLAIM] <= {demand.SWAP_OUT, demand.CLEAN_DROP} | whole | ({demand.NOT_RESIDENT} if raced else set())
    assert found.get(demand.COW, set()) <= {demand.COWED, demand.REUSED}
    assert state.ctl[int(control.S_LOST)] == 0
    assert made.nbytes < 1 << 28


# negative controls: a twin with one rule changed must not agree ---------------------------------------
RICH = {
    "memory": {"limit": 20.0, "policy": "active-inactive", "batch": 3}, "moves": {"rate": 1.4, "batch": 2, "in_window": 0.2},
    "backend": {"placement": "zswap", "zswap_share": 0.15, "zero_share": 0.1, "compression_ratio": 1.4},
}  # fmt: skip
NOTHING = staticmethod(lambda *_: None)
MUTANTS = {
    "class_bytes": ("", lambda size: size),
    "DELAYS": ("", 5),
    "GOLDEN": ("", naive.GOLDEN + 2),
    "shrink_pool": ("Stage", NOTHING),
    "run_daemon": ("Stage", NOTHING),
    "deactivate": ("Stage", lambda self, n: self.inactive.update(self.active) or self.active.clear()),
    "touched": ("Stage", NOTHING),
    "due": ("Stage", lambda self, o: o.moves),
    "pool_pages": ("Stage", lambda self: self.pool_bytes // naive.PAGE),
    "excess": ("Stage", lambda self, n: max(self.resident + n - self.limit, 0)),
}


def rich():
    rng = np.random.default_rng(3)
    accesses = (PAGES * rng.random(3000) ** 1.5).astype(np.uint32) | np.where(rng.random(3000) < 0.3, np.uint32(1 << 31), np.uint32(0))
    events = [demand.pack(demand.FORK, 0, count=16, payload=1), demand.pack(demand.UNMAP, 16, count=16)] * 3
    workload, given_ = fixed(accesses, events, range(400, 2800, 400)), a_scenario(3000, RICH)
    return given_, workload, list(stream.Stream(given_, workload, 20, forks=True).blocks())


@pytest.mark.parametrize("name", [None, *MUTANTS])
def test_a_changed_rule_is_noticed(name, monkeypatch):
    given_, workload, blocks = rich()
    if name is not None:
        where, value = MUTANTS[name]
        monkeypatch.setattr(getattr(naive, where) if where else naive, name, value)
    twin = naive_faults.demands(given_, workload, 20, forks=True)
    assert ([(int(a), int(b)) for block in blocks for a, b in block] == twin.out) == (name is None)
