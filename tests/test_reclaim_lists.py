"""The kernel's two reclaim schemes equal their twins over thousands of accesses, and a twin with one rule changed is noticed."""

from __future__ import annotations

import numpy as np
import pytest

from dse import scenario as scenarios
from dse.workloads import stream
from dse.workloads.workload import Workload, memcgs
from kernels import demand
from tests import naive_faults
from tests import naive_reclaim as naive

SHIFT, SPACES, N, LIMIT = 10, 2, 40_000, 500
PAGES = SPACES << SHIFT
POLICIES = {"two": ("active-inactive", 0), "two, flushed": ("active-inactive", 3000), "mglru": ("mglru", 0), "6.18": ("mglru-6.18", 0)}


@pytest.fixture(autouse=True)
def _wrap_around():
    with np.errstate(over="ignore"):
        yield


def workload(forks: bool) -> Workload:
    """Two spaces of 700 pages each, skewed; with forks of space 0 into space 1, and unmaps."""
    rng = np.random.default_rng(8)
    pages = (700 * rng.random(N) ** 2.2).astype(np.uint32) | (rng.random(N) < 0.3).astype(np.uint32) << np.uint32(SHIFT)
    accesses = pages | np.where(rng.random(N) < 0.3, np.uint32(1 << 31), np.uint32(0))
    events, positions = np.empty((0, 2), np.uint64), np.empty(0, np.int64)
    if forks:
        rows = [demand.pack(demand.FORK, 0, count=700, payload=1), demand.pack(demand.UNMAP, 1 << SHIFT, count=700)] * 4
        events, positions = np.array(rows, np.uint64), np.arange(1, 9, dtype=np.int64) * (N // 9)

    def start():
        def filler(out, records, places):
            out[:] = accesses[: len(out)]
            records[: len(events)], places[: len(events)] = events, positions
            return len(out), len(events)

        return filler

    return Workload("fixed", PAGES, SHIFT, SPACES, memcgs(SPACES, 1), 1, N, {}, start)


def a_scenario(policy: str, flush: int, placement: str):
    return scenarios.from_values(
        "t",
        {
            "workload": {"generator": "zipf", "accesses": N}, "replay": {"block": 4096, "cpus": 2},
            "memory": {"limit": float(LIMIT), "policy": policy, "flush": flush},
            "backend": {"placement": placement, "zswap_share": 0.3, "slots": 2.0},
        },
    )  # fmt: skip


def both(policy: str, flush: int, placement: str, forks: bool):
    """Demands of the stage, its counters, and the twin after the same accesses."""
    given, made = a_scenario(policy, flush, placement), workload(forks)
    mine = stream.Stream(given, made, LIMIT, forks)
    out = [(int(a), int(b)) for block in mine.blocks() for a, b in block]
    return out, mine.counters, naive_faults.demands(given, made, LIMIT, forks)


@pytest.mark.parametrize(("placement", "forks"), [("ssd", False), ("zswap", True)], ids=["disk", "zswap, forks"])
@pytest.mark.parametrize("name", POLICIES)
def test_equals_the_twin_at_length(name, placement, forks):
    policy, flush = POLICIES[name]
    out, counters, twin = both(policy, flush, placement, forks)
    assert out == twin.out
    assert counters["agings"] == twin.agings
    assert (counters["agings"] > 5) == (flush == 0 and name != "two")
    assert counters["swap_ins"] > 3000
    assert counters["refaults_activated"] > 0


CHANGED = {
    "two": {
        "near": lambda self, o: False, "inactive_is_low": lambda self: False, "scan_inactive": lambda self, n: 0,
        "activate": lambda self, o: self.inactive.__setitem__(o.number, o),
    },
    "two, flushed": {"look": lambda self: setattr(self, "view", (0, 0, 0))},
    "mglru": {
        "highest": lambda self: 3, "promote": lambda self, o: None, "look_around": lambda self, o, walked: None,
        "advance": lambda self: 0, "referenced_again": lambda self, o: False, "tier": lambda self, o: 0,
        "place_active": lambda self, o: self.place_in(o, 1),
    },
    "6.18": {"tier": lambda self, o: 0, "grow_older": lambda self: setattr(self, "max_seq", self.max_seq + 1)},
}  # fmt: skip


@pytest.mark.parametrize(("name", "rule"), [(name, rule) for name, rules in CHANGED.items() for rule in rules])
def test_a_changed_rule_is_noticed(name, rule, monkeypatch):
    policy, flush = POLICIES[name]
    monkeypatch.setattr(naive.Stage, rule, CHANGED[name][rule])
    out, _, twin = both(policy, flush, "ssd", False)
    assert out != twin.out


@pytest.mark.interpreted
@pytest.mark.parametrize("policy", ["active-inactive", "mglru", "mglru-6.18"])
def test_a_scan_misses_every_time(policy):
    """Pages in a circle, more than fit: whatever a policy keeps, it keeps at most the limit, and makes the same demands again."""
    made = stream.build(
        scenarios.from_values(
            "scan",
            {
                "workload": {"generator": "scan", "pages": 300, "accesses": 6000}, "memory": {"limit": 200.0, "policy": policy},
                "backend": {"placement": "ssd"},
            },
        )
    )  # fmt: skip
    first = np.concatenate(list(made.blocks()))
    counted = made.counters
    assert counted["resident_peak"] <= 200
    assert counted["faults"] - counted["first_touches"] == counted["swap_ins"] >= 100 * 19
    assert np.array_equal(first, np.concatenate(list(made.blocks())))
