"""Runs of 2^order slots: the kernels against plain Python, and what must hold whatever is asked."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from kernels import control
from kernels.codes import ZRAM
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import INTERPRETED, outer, u
from kernels.life import lone
from kernels.life.config import Config
from kernels.observing import probe
from kernels.structures import cluster, orders
from tests.naive_orders import FRAG, FREE, FULL, NONFULL, Place, Plain

KINDS = {1: FREE, 2: NONFULL, 3: FULL, 4: FRAG}
RULES = [("empty-only", False), ("nonfull", False), ("fragmented", False), ("fragmented", True)]
SHAPES = [(4, 100, 2), (9, 4 * 512, 1), (9, 5 * 512 - 100, 2)]
"""Log2 of the slots of a cluster, slots, CPUs: short clusters and whole ones, and a last one that is cut short."""
PAGES = 2048
OFF = probe.make("off")
U1000 = u(1000)
LIST_AT = orders.list_at if INTERPRETED else orders.list_at.py_func


def headers(state: Any) -> np.ndarray:
    return np.asarray(state.cluster).reshape(-1, int(cluster.CI_WORDS))


def lists_of(state: Any, clusters: int) -> dict[Place, list[int]]:
    """Clusters by list, in order, each list walked forwards and backwards; every cluster is on the list that its header names."""
    rows, out = headers(state), {}
    for order in range(10):
        for number, kind in KINDS.items():
            if order and kind in (FREE, FULL):
                continue
            which = number + 8 * order
            at = int(LIST_AT(state, ZRAM, np.uint64(which)))
            members, c, before = [], int(state.dev[at]), 0
            while c and len(members) <= clusters:
                assert rows[c - 1, int(cluster.CI_LIST)] == which
                assert rows[c - 1, int(cluster.CI_PREV)] == before
                members.append(c - 1)
                before, c = c, int(rows[c - 1, int(cluster.CI_NEXT)])
            assert int(state.dev[at + 1]) == before
            if members:
                out[kind, order] = members
    return out


class Runs(RuleBasedStateMachine):
    """Folios leave memory and pages give up their slots; the twin does the same."""

    @initialize(rules=st.sampled_from(RULES), shape=st.sampled_from(SHAPES))
    def start(self, rules: tuple[str, bool], shape: tuple[int, int, int]) -> None:
        self.shift, self.slots, self.cpus = shape
        self.policy, self.late = rules
        config = Config(pages=PAGES, slots={"zram": self.slots}, cpus=self.cpus, cluster_shift=self.shift)
        self.state = lone.build(config, self.policy, late=self.late)
        self.plain = Plain(self.slots, self.shift, self.cpus, self.policy, self.late)
        self.where: dict[int, int] = {}
        self.order_of: dict[int, int] = {}

    def replay(self, *row: Any, **more: Any) -> int:
        return int(lone.replay(self.state, np.array([lone.row(*row, **more)], np.uint64), OFF)[0])

    def expected(self, cpu: int, page: int, order: int) -> int:
        """Reply of the twin to a folio that leaves."""
        found = self.plain.alloc(cpu, order)
        if found is not None:
            self.where |= {page + i: found + i for i in range(1 << order)}
            self.order_of |= dict.fromkeys(range(page, page + (1 << order)), order)
            return int(lone.WHOLE)
        singles = [self.plain.alloc(cpu, 0) for _ in range(1 << order if order else 0)]
        self.where |= {page + i: slot for i, slot in enumerate(singles) if slot is not None}
        self.order_of |= dict.fromkeys(range(page, page + len(singles)), 0)
        return int(lone.SPLIT) if singles and None not in singles else int(lone.NO_ROOM)

    @rule(order=st.integers(0, 9) | st.integers(0, 3), at=st.integers(0, PAGES - 1), cpu=st.integers(0, 1))
    def leave(self, order: int, at: int, cpu: int) -> None:
        order, cpu = min(order, self.shift + 1, 9), cpu % self.cpus
        page = at >> order << order
        if any(page + i in self.where for i in range(1 << order)):
            return
        reply = self.expected(cpu, page, order)
        assert self.replay(int(lone.OUT), page, order=order, cpu=cpu) == reply
        if reply == lone.WHOLE:
            first = self.where[page]
            assert first % (1 << order) == 0
            assert first >> self.shift == (first + (1 << order) - 1) >> self.shift
        assert self.policy != "empty-only" or order or reply == lone.WHOLE or len(self.where) >= self.slots - 1

    @precondition(lambda self: self.where)
    @rule(data=st.data(), n=st.integers(1, 1024))
    def come_back(self, data: st.DataObject, n: int) -> None:
        page = data.draw(st.sampled_from(sorted(self.where)))
        n = min(n, PAGES - page)
        for i in range(page, page + n):
            if i in self.where:
                self.plain.release(self.where.pop(i))
        assert self.replay(int(lone.GONE), page, count=n) == lone.FREED

    @precondition(lambda self: self.where)
    @rule(step=st.sampled_from([2, 3, 5, 16]))
    def come_back_here_and_there(self, step: int) -> None:
        for page in sorted(self.where)[::step]:
            self.plain.release(self.where.pop(page))
            self.replay(int(lone.GONE), page, count=1)

    @invariant()
    def same_slots(self) -> None:
        if not hasattr(self, "state"):
            return
        found = {int(page): int(self.state.where[page]) - 1 for page in np.flatnonzero(self.state.where)}
        assert found == self.where
        assert len(set(found.values())) == len(found)
        assert set(np.flatnonzero(self.state.smap).tolist()) == {0, *found.values()}

    @invariant()
    def lists_partition_the_clusters(self) -> None:
        if not hasattr(self, "state"):
            return
        rows, many = headers(self.state), -(-self.slots >> self.shift)
        lists = lists_of(self.state, many)
        assert sorted(itertools.chain.from_iterable(lists.values())) == list(range(many))
        assert lists == self.plain.positions()
        used = Counter(slot >> self.shift for slot in [0, *self.where.values()])
        for c, twin in enumerate(self.plain.clusters):
            assert int(rows[c, int(cluster.CI_COUNT)]) == used[c] == twin.used
            assert int(self.state.orders[c]) == twin.order
        assert int(self.state.ctl[int(control.S_SLOTS)]) == len(self.where)
        assert int(self.state.dev[int(ZRAM * cluster.DEV_WORDS + cluster.D_USED)]) == len(self.where)
        assert int(self.state.ctl[int(control.S_NR_SWAP_PAGES)]) == self.slots - 1 - len(self.where)

    @invariant()
    def a_cluster_has_one_order(self) -> None:
        """Beside the runs of its order a cluster has slots of order 0 only, stolen ones; up to 6.12 also what a CPU put into its own."""
        if not hasattr(self, "state"):
            return
        held: dict[int, set[int]] = {}
        for page, slot in self.where.items():
            held.setdefault(slot >> self.shift, set()).add(self.order_of[page])
        for c, order in enumerate(self.state.orders.tolist()):
            assert order == 0 or c in held
            assert not self.late or held.get(c, set()) <= {0, order}

    def teardown(self) -> None:
        """When all pages are back, every cluster is free, but for the one with the swap header."""
        if hasattr(self, "state"):
            self.replay(int(lone.GONE), 0, count=PAGES)
            many = -(-self.slots >> self.shift)
            assert {place: sorted(members) for place, members in lists_of(self.state, many).items()} == {
                (NONFULL, 0): [0], (FREE, 0): list(range(1, many))
            }  # fmt: skip


def soak(examples: int, phases: tuple[Phase, ...] = tuple(Phase)) -> None:
    """Run the machine, the same examples each time."""
    chosen = settings(max_examples=examples, stateful_step_count=25, deadline=None, derandomize=True, database=None, phases=phases)
    run_state_machine_as_test(Runs, settings=chosen)  # type: ignore[no-untyped-call]


Script = list[tuple[int, ...]]
"""Folios that leave, as (page, order, CPU), and pages that come back, as (page, count)."""
LEFT: Script = [(0, 1, 0), (0, 2), *((64 + 4 * i, 2, 1) for i in range(18)), (0, 1, 0)]
"""The current cluster of CPU 0 is emptied, and CPU 1 takes it for another order, so that CPU 0 has to leave it."""
SHARED: Script = [*((4 * i, 2, 0) for i in range(4)), (0, 8), *((16 + 8 * i, 3, 0) for i in range(8)), (80, 2, 1), (84, 2, 1), (88, 2, 0)]
"""CPU 1 takes a nonfull cluster, which is fragmented then; CPU 0 finds a run in it, as there is nothing else."""

BROKEN: Script = [*((4 * i, 2, 0) for i in range(4)), (0, 3), (4, 1), *((16 + 8 * i, 3, 0) for i in range(8)), (80, 2, 1), (84, 2, 1)]
"""The only cluster of order 2 with four free slots has three of one run and one of another: a folio is split."""
ASKEW: Script = [*((4 * i, 2, 0) for i in range(4)), (1, 3), (4, 1), *((16 + 8 * i, 3, 0) for i in range(8)), (80, 2, 1), (84, 2, 1)]
"""Its four free slots lie side by side, and not at a multiple of four: no run."""
STOLEN: Script = [(0, 1, 0), (4, 2, 0), *((16 + 8 * i, 3, 0) for i in range(6)), (64, 1, 1), *((100 + i, 0, 0) for i in range(16))]
"""Clusters of orders 1 and 2 have slots to spare when order 0 has none left."""
EMPTIED: Script = [*((i, 0, 0) for i in range(17)), (15, 2), (15, 0, 0)]
"""The first cluster, which has the header, is full; the CPU's own, the second, is emptied."""
FILLED: Script = [*((i, 0, 1) for i in range(15)), (3, 1), (6, 1), (15, 0, 1), (16, 0, 1), (9, 1), (0, 1), (17, 0, 1)]
"""Two slots of the only cluster that order 0 has are taken again, then one behind them is freed, and the first one."""


def play(script: Script, late: bool) -> list[int]:
    """Play a script on seven clusters of 16 slots, the last of them of 4; return the slots of the last folio."""
    machine = Runs()
    machine.start(rules=("fragmented", late), shape=SHAPES[0])
    for step in script:
        if len(step) == 2:
            for page in range(step[0], step[0] + step[1]):
                machine.plain.release(machine.where.pop(page))
            machine.replay(int(lone.GONE), step[0], count=step[1])
        else:
            machine.leave(at=step[0], order=step[1], cpu=step[2])
        machine.same_slots()
        machine.lists_partition_the_clusters()
        machine.a_cluster_has_one_order()
    page, order, _ = script[-1]
    return [machine.where[page + i] for i in range(1 << order)]


def scripts() -> None:
    """Play what chance seldom brings about."""
    assert play(LEFT, late=True) == [1, 2]
    assert play(SHARED, late=False) == [20, 21, 22, 23]
    assert play(BROKEN, late=False) == play(BROKEN, late=True) == [1, 2, 3, 4]
    assert play(ASKEW, late=False) == play(ASKEW, late=True) == [1, 2, 3, 4]
    assert play(EMPTIED, late=True) == [32]
    assert play(FILLED, late=True) == [1]
    assert play(STOLEN, late=False) == play(STOLEN, late=True) == [18]


@pytest.mark.interpreted
def test_what_chance_seldom_brings_about() -> None:
    scripts()


@pytest.mark.interpreted
def test_kernels_do_what_plain_python_does() -> None:
    soak(25 if INTERPRETED else 150)


@outer
def one_by_one(st, pr, alone, cpus, out):  # type: ignore[no-untyped-def]
    """Take a slot for each element of `cpus` in turn, or free what was taken `cpus[i] - 1000` turns ago; note each slot + 1."""
    for i in range(len(cpus)):
        if cpus[i] < U1000:
            out[i] = cluster.slot_alloc(st, pr, ZRAM, cpus[i]) if alone else orders.run_alloc(st, pr, ZRAM, cpus[i], U0)
        elif out[cpus[i] - U1000] != U0:
            g = out[cpus[i] - U1000] - U1
            ci = cluster.lock_cluster(st, pr, g)
            cluster.slot_release(st, pr, ZRAM, g)
            cluster.unlock_cluster(st, pr, ci)
            out[cpus[i] - U1000] = U0


@pytest.mark.interpreted
@pytest.mark.parametrize("late", [False, True])
def test_order_0_alone_gets_the_slots_that_every_design_gives_it(late: bool) -> None:
    """The allocator of runs does at order 0 what :func:`kernels.structures.cluster.slot_alloc` does, until the device is full."""
    rng, turns, taken = np.random.default_rng(3), [], []
    for i in range(1500):
        if taken and (len(taken) > 190 or rng.random() < 0.45):
            turns.append(1000 + taken.pop(int(rng.integers(len(taken)))))
        else:
            taken.append(i)
            turns.append(int(rng.integers(3)))
    ends = []
    for alone in (False, True):
        state = lone.build(Config(pages=1, slots={"zram": 200}, cpus=3, cluster_shift=4), "fragmented", late=late)
        out = np.zeros(len(turns), np.uint64)
        one_by_one(state, OFF, alone, np.array(turns, np.uint64), out)
        ends.append((out.tolist(), lists_of(state, 13), state.ctl[int(control.S_SLOTS_PEAK)]))
    assert ends[0] == ends[1]


def test_what_a_row_asks_for() -> None:
    """A folio that is out is left alone, one larger than a cluster is split, a full device takes nothing, a cluster keeps its order."""
    state = lone.build(Config(pages=64, slots={"zram": 32}, cpus=1, cluster_shift=4), "fragmented", late=True)
    rows = [lone.row(0, 0, order=2), lone.row(0, 0, order=2), lone.row(0, 32, order=5), lone.row(0, 4), lone.row(1, 0, count=4),
            lone.row(0, 4, order=1)]  # fmt: skip
    found = lone.replay(state, np.array(rows, np.uint64), OFF).tolist()
    assert found == [lone.WHOLE, lone.STAYS, lone.NO_ROOM, lone.NO_ROOM, lone.FREED, lone.SPLIT]
    with pytest.raises(KeyError):
        lone.build(Config(pages=1, slots={"zram": 32}), "no policy")


def test_every_mutant_of_the_allocator_is_caught() -> None:
    """All in one interpreted process: nothing is compiled."""
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run([sys.executable, "-m", "tests.mutants_orders"], cwd=root, env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
                          capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("caught") >= 10
