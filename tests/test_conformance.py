"""Every registered design against its plain-Python twin, its invariants and an empty ledger at the end; see tests/conformance.py."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as hy
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from kernels import control
from kernels import demand as d
from kernels.compiling.jit import INTERPRETED
from kernels.life import registry as state
from kernels.observing import probe
from kernels.own import Word
from tests import conformance, invariants, reading, streams
from tests.reading import ctl

NAMES = conformance.names()
DEMANDS = 400 if INTERPRETED else 4000
SEEDS = range(1 if INTERPRETED else 2)
ids = str


def is_repeated(name: str) -> bool:
    """Return True for a registration whose code a later one of its family runs too: it is tested with fewer demands."""
    design = state.REGISTRY[name]
    return name != [other for other in NAMES if state.REGISTRY[other].replay is design.replay][-1]


def variants(name: str) -> list[dict[str, int]]:
    """Settings of the control words to test `name` with: each value of each parameter once, the others varied along.

    Of a family only the last one varies parameters, the phase of swap tables apart.
    """
    words = state.REGISTRY[name].own.names(Word)
    parameters = [] if is_repeated(name) else [p for key, p in state.REGISTRY[name].parameters.items() if key != "phase"]
    most = max((len(p.values) for p in parameters), default=0)
    mixed = [{words[int(p.word)]: list(p.values.values())[(i + j) % len(p.values)] for j, p in enumerate(parameters)} for i in range(most)]
    return [{}, *mixed]


SMALL = {"zswap": 8, "ssd": 16, "hdd": 16, "zram": 16}
CASES = [(name, world, v) for name in NAMES for world in streams.WORLDS for v in variants(name)]
CASE_IDS = [f"{n}-{x.name}-{'-'.join(map(str, v.values()))}" for n, x, v in CASES]


@pytest.mark.interpreted
@pytest.mark.parametrize(("name", "world", "parameters"), CASES, ids=CASE_IDS)
def test_random_demands_equal_the_twin(name: str, world: streams.World, parameters: dict[str, int]) -> None:
    for seed in SEEDS[:1] if is_repeated(name) else SEEDS:
        conformance.compare(name, world, seed, DEMANDS, **parameters)


@pytest.mark.parametrize("name", NAMES)
def test_a_twin_is_there(name: str) -> None:
    if not conformance.has_twin(name):
        pytest.skip(f"nobody has written a twin of {name}: invariants, integrity and leaks are tested all the same")


@pytest.mark.interpreted
@pytest.mark.parametrize("name", [n for n in NAMES if "policy" in state.REGISTRY[n].parameters])
@pytest.mark.parametrize("policy", range(4))
def test_ids_run_out(name: str, policy: int) -> None:
    """With a small ID space: FULL although slots are free; the ranges of CPUs are used up and replaced."""
    if policy == 3:
        pytest.skip("reuse takes the slot's own index, whatever the limit")
    world = streams.World("few IDs", weights=streams.USUAL)
    run = conformance.compare(name, world, 1, DEMANDS, C_ID_LIMIT=9, C_ID_POLICY=policy, C_ID_RANGE=2)
    assert replies(run, d.FULL)


def replies(run: conformance.Run, code: int) -> int:
    return int(run.probe.tally[code * probe.COLUMNS])


@pytest.mark.interpreted
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("sharers", "pages"), [(62, 4), (63, 4), (64, 4), (190, 4), (63 * 128 + 2, 4), (63 * 128 + 2, 1), (63 * 3, 0)])
def test_counts_past_62_and_their_pages(name: str, sharers: int, pages: int) -> None:
    """One page is forked to as many spaces, moved, and released one by one; with few continuation pages the fork fails part-way."""
    if INTERPRETED and sharers > 200:
        sharers = 70
    world = streams.World("sharers", spaces=sharers, space_shift=0, slots={"zswap": 8, "ssd": 16, "hdd": 16, "zram": 16},
                          weights=streams.USUAL, continuation_pages=pages)  # fmt: skip
    run = conformance.Run.of(name, world)
    run.both(streams.block(d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=d.SSD, payload=100)))
    run.both(streams.block(*(d.pack(d.FORK, 0, count=1, payload=s) for s in range(1, sharers))))
    run.both(streams.block(d.pack(d.MOVE, 0, backend=d.SSD, payload=d.HDD)))
    run.both(streams.block(*(d.pack(d.UNMAP if s % 2 else d.FAULT, s, count=1) for s in range(sharers))))
    run.finish()


@pytest.mark.interpreted
@pytest.mark.parametrize("name", NAMES)
def test_reclaimed_folio_with_many_mappings(name: str) -> None:
    """The unmap raises the count mapping by mapping; without continuation pages it stops part-way."""
    world = streams.World("mappings", spaces=128, space_shift=0, slots=SMALL, weights=streams.USUAL, continuation_pages=0)
    run = conformance.Run.of(name, world)
    run.both(streams.block(d.pack(d.FAULT, 0), *(d.pack(d.FORK, 0, count=1, payload=s) for s in range(1, 128))))
    for backend in (d.SSD, d.ZSWAP, d.HDD):
        run.both(streams.block(d.pack(d.RECLAIM, 3, backend=backend, payload=100)))
        run.both(streams.block(*(d.pack(d.FAULT, s) for s in range(128))))
    run.finish()


@pytest.mark.interpreted
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("flags", "written"), [(0, 1), (d.DIRTY, 2)])
def test_what_was_written_before_a_fork_goes_out(name: str, flags: int, written: int) -> None:
    """A page that was read back, written, then forked is not dropped as clean, and every space reads the written content."""
    run = conformance.Run.of(name, streams.World("snapshot", spaces=4, space_shift=0, slots=SMALL, weights=streams.USUAL))
    out = d.pack(d.RECLAIM, 0, backend=d.SSD, payload=99)
    run.both(streams.block(d.pack(d.FAULT, 0), out, d.pack(d.FAULT, 0)))
    again = d.pack(d.RECLAIM, 2, backend=d.SSD, payload=99, flags=flags)
    run.both(streams.block(*(d.pack(d.FORK, 0, count=1, payload=s) for s in (1, 2)), again))
    assert replies(run, d.SWAP_OUT) == written
    assert replies(run, d.CLEAN_DROP) == 2 - written
    run.both(streams.block(*(d.pack(d.FAULT, s) for s in range(3))))
    run.finish()


@pytest.mark.interpreted
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("writeback", [False, True])
def test_a_full_device_gives_up_slots_that_only_the_cache_holds(name: str, writeback: bool) -> None:
    """Half of the slots belong to folios that were read back; when the device is full, they are taken for other pages."""
    run = conformance.Run.of(name, streams.World("full", 4, 4, SMALL, streams.USUAL))
    out = [d.pack(d.RECLAIM_BEGIN if writeback and p % 2 else d.RECLAIM, p, backend=d.SSD, payload=9) for p in range(32)]
    run.both(streams.block(*(d.pack(d.FAULT, p) for p in range(32)), *out[:8], *(d.pack(d.FAULT, p) for p in range(8))))
    run.both(streams.block(*out[8:]))
    run.finish()


STEP_DEMANDS = [
    d.pack(d.FAULT, 1), d.pack(d.FAULT, 17), d.pack(d.FAULT, 1, flags=d.WRITE), d.pack(d.FORK, 1, count=1, payload=2),
    d.pack(d.FORK, 17, count=1, payload=3), d.pack(d.UNMAP, 1, count=1), d.pack(d.UNMAP, 17, count=1), d.pack(d.COW, 1),
    d.pack(d.RECLAIM, 1, backend=d.SSD, payload=99), d.pack(d.RECLAIM, 17, backend=d.ZSWAP, payload=99, flags=d.DIRTY),
    d.pack(d.MOVE, 17, backend=d.SSD, payload=d.HDD), d.pack(d.MOVE, 1, backend=d.HDD, payload=d.ZRAM), d.pack(d.FAULT_BEGIN, 17),
    d.pack(d.SWAPOFF, 0, backend=d.SSD, payload=d.HDD),
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("source", [d.ZSWAP, d.SSD, d.ZRAM])
def test_every_step_of_a_move_meets_every_other_demand(name: str, source: int) -> None:
    """A page with two sharers moves. After each step one of the other demands comes, and after the next step another one."""
    if source != d.ZSWAP and is_repeated(name):
        pytest.skip("the last of the family does")
    world = streams.World("steps", weights=streams.USUAL, slots={"zswap": 16, "ssd": 16, "hdd": 16, "zram": 16})
    begin = [d.pack(d.FAULT, 1), d.pack(d.RECLAIM, 1, backend=source, payload=500), d.pack(d.FORK, 1, count=1, payload=1)]
    target = d.HDD if source != d.HDD else d.SSD
    for settings_ in variants(name)[:2]:
        run = conformance.Run.of(name, world, **settings_)
        for step, other, then in itertools.product(range(1, 6), STEP_DEMANDS, STEP_DEMANDS[::5]):
            move = d.pack(d.MOVE_BEGIN, 1, backend=source, payload=target, count=step)
            run.both(streams.block(*begin, d.pack(d.FAULT_BEGIN, 1, count=1), move, other, d.pack(d.MOVE_STEP, 1), then))
            run.both(streams.block(d.pack(d.FAULT_END, 1), d.pack(d.MOVE_END, 1), d.pack(d.FAULT_END, 17)))
            run.both(streams.block(*(d.pack(d.FAULT, p) for p in (1, 17, 33, 49)), *(d.pack(d.UNMAP, p, count=1) for p in (1, 17, 33, 49))))
            if d.SWAPOFF in (other[0] & 255, then[0] & 255):
                run = conformance.Run.of(name, world, **settings_)
        run.check()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_stream_gives_the_same_counters(name: str) -> None:
    stream = streams.random_demands(streams.TINY, 5000, 3)
    runs = [conformance.Run.of(name, streams.TINY) for _ in range(2)]
    for run in runs:
        run.replay(stream)
    assert np.array_equal(runs[0].probe.tally, runs[1].probe.tally)
    assert all(np.array_equal(a, b) for a, b in zip(runs[0].st.arrays().values(), runs[1].st.arrays().values(), strict=True))


@pytest.mark.interpreted
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["off", "timed", "trace"])
def test_every_probe_sees_the_same_replies(name: str, kind: str) -> None:
    if kind != "off" and not INTERPRETED:
        pytest.skip("compiled with this probe elsewhere (explain, compare)")
    stream = streams.random_demands(streams.TINY, 300, 3)
    run, other = (conformance.Run.of(name, streams.TINY) for _ in range(2))
    other.probe = probe.make(kind)
    assert np.array_equal(run.replay(stream), other.replay(stream))


def machine(name: str) -> type[RuleBasedStateMachine]:
    """State machine whose rules are the demands, in a small world with full devices and few continuation pages."""
    slots = {"zswap": 4, "ssd": 8, "hdd": 8, "zram": 4}
    world = streams.World("machine", 4, 2, slots, streams.USUAL, cluster_shift=2, continuation_pages=1)
    pages, backends, spaces = hy.integers(0, 15), hy.integers(0, 3), hy.integers(0, 3)
    options = variants(name)

    class Machine(RuleBasedStateMachine):
        run: conformance.Run

        @initialize(which=hy.integers(0, len(options) - 1))
        def build(self, which: int) -> None:
            self.run = conformance.Run.of(name, world, **options[which])

        def do(self, kind: int, page: int, **more: Any) -> None:
            self.run.both(streams.block(d.pack(kind, page, **more)))

        @rule(page=pages, kind=hy.sampled_from([d.FAULT, d.FAULT_BEGIN]), count=hy.integers(0, 1), flags=hy.sampled_from([0, d.WRITE]))
        def fault(self, page: int, kind: int, count: int, flags: int) -> None:
            self.do(kind, page, count=count, flags=flags)

        @rule(page=pages, kind=hy.sampled_from([d.RECLAIM, d.RECLAIM_BEGIN]), backend=backends, count=hy.sampled_from([0, 0, 0, 1, 2]),
              flags=hy.sampled_from([0, d.DIRTY, d.ZERO]), size=hy.integers(1, 4096))  # fmt: skip
        def reclaim(self, page: int, kind: int, backend: int, count: int, flags: int, size: int) -> None:
            self.do(kind, page, backend=backend, count=count, flags=flags, payload=size)

        @rule(page=pages, kind=hy.sampled_from([d.MOVE, d.MOVE_BEGIN]), source=backends, to=backends, count=hy.integers(0, 5))
        def move(self, page: int, kind: int, source: int, to: int, count: int) -> None:
            self.do(kind, page, backend=source, payload=to, count=count)

        @precondition(lambda self: ctl(self.run.st, control.S_PHASES) > 0)
        @rule(which=hy.integers(0, 63), step=hy.booleans())
        def go_on(self, which: int, step: bool) -> None:
            open_ = reading.phases(self.run.st)
            cls, page, _ = open_[which % len(open_)]
            self.do(d.MOVE_STEP if step and cls == 3 else reading.END_OF[cls], page)

        @rule(page=pages, child=spaces, count=hy.integers(1, 4))
        def fork(self, page: int, child: int, count: int) -> None:
            self.do(d.FORK, page, payload=child, count=min(count, 4 - page % 4))

        @rule(page=pages, kind=hy.sampled_from([d.UNMAP, d.COW]))
        def unmap_or_copy(self, page: int, kind: int) -> None:
            self.do(kind, page, count=1)

        @rule(device=backends, to=hy.sampled_from([1, 2, 3, d.MEMORY]), often=hy.integers(0, 9))
        def swapoff(self, device: int, to: int, often: int) -> None:
            if often == 0:
                self.do(d.SWAPOFF, 0, backend=device, payload=to)

        def teardown(self) -> None:
            if hasattr(self, "run"):
                self.run.finish()

    return Machine


@pytest.mark.interpreted
@pytest.mark.parametrize("name", NAMES)
def test_state_machine_equals_the_twin(name: str) -> None:
    examples, steps = (4, 30) if INTERPRETED else (12 if is_repeated(name) else 30, 50)
    run_state_machine_as_test(
        machine(name),
        settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=True, database=None,
                          suppress_health_check=list(HealthCheck)),
    )  # fmt: skip


def test_invariants_are_not_empty() -> None:
    """A broken state is not found sound: one slot's count is raised by hand."""
    run = conformance.Run.of("direct", streams.TINY)
    run.replay(streams.block(d.pack(d.FAULT, 1), d.pack(d.RECLAIM, 1, backend=d.SSD, payload=10)))
    assert invariants.check("direct", run.st) == []
    run.st.smap[np.flatnonzero(run.st.smap)[0]] += 1
    assert "counts of slots" in " ".join(invariants.check("direct", run.st))
