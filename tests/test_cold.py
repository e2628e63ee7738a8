"""Times from cold caches: which demands are timed, and that what lies between them leaves the caches and changes nothing else."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numba import njit

from dse import naming
from dse.measuring import cold, run
from dse.workloads import choosing
from dse.workloads import stream as stream_of
from kernels import demand
from kernels.compiling import flushing, jit, machine, ours
from kernels.life.registry import Config
from kernels.observing import probe

IN, OUT, ZAP = demand.FAULT, demand.RECLAIM, demand.UNMAP
needs_flush = pytest.mark.skipif(not (jit.LEAN and machine.X86), reason="kernels flush nothing here")

MODULE = """
define void @f(ptr %a, ptr %b, i64 %n) {
entry:
  %own = alloca i64, align 8
  %inside = getelementptr i8, ptr %own, i64 0
  %x = load i64, ptr %a, align 8, !tbaa !0
  store i64 %x, ptr %b, align 8
  store i64 %x, ptr %own, align 8
  %y = load i64, ptr %inside, align 8
  %old = atomicrmw add ptr %a, i64 1 seq_cst, align 8
  %pair = cmpxchg ptr %b, i64 0, i64 1 seq_cst seq_cst, align 8
  %v = load <4 x i64>, ptr %a, align 8
  store <4 x i64> %v, ptr %b, align 8
  call void @llvm.memset.p0.i64(ptr noundef nonnull align 8 %a, i8 0, i64 512, i1 false)
  call void @llvm.memset.p0.i64(ptr align 8 %b, i8 0, i64 %n, i1 false)
  ret void
}
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
!0 = !{!1, !1, i64 0}
!1 = !{!"x", !2}
!2 = !{!"root"}
"""


def block_of(kinds: list[int]) -> np.ndarray:
    return np.stack([np.array(kinds, np.uint64), np.zeros(len(kinds), np.uint64)], 1)


@pytest.mark.interpreted
def test_what_is_flushed_by_hand() -> None:
    """Loads, stores, atomics and fills of a and b; nothing of the stack. 32 bytes of a vector may lie in two lines."""
    import llvmlite.binding as ll

    text = flushing.flushed(MODULE)
    ll.parse_assembly(text).verify()
    body = text[: text.index("ret void")]
    assert re.findall(r"clflush\(ptr (\S+)\)", body) == ["%a", "%b", "%a", "%b"]
    assert re.findall(r"flush_range\(ptr (\S+), i64 (\S+)\)", body) == [("%a", "32"), ("%b", "32"), ("%a", "512"), ("%b", "%n")]
    before = [line.strip() for line in MODULE.splitlines() if line.strip()]
    after = [line.strip() for line in text[: text.index("\ndeclare void @llvm.x86")].splitlines() if line.strip()]
    assert [line for line in after if "clflush" not in line and "flush_range" not in line] == before


@needs_flush
def test_replay_that_flushes_does_what_a_timed_one_does() -> None:
    design = naming.registry()["direct"]
    stream = stream_of.build(choosing.choose("no-move", None, ("workload.pages=2048", "workload.accesses=20000")))
    states, replies = [], []
    for kind in ("timed", "flush"):
        state: Any = design.build(stream.config(naming.parse("direct").control))
        pr = probe.make(kind)
        for block in stream.blocks():
            said = np.empty(len(block), np.uint8)
            design.replay(state, pr, block, said)
            replies.append((kind, said))
        states.append(state)
        assert run.rows_of(pr)[:, 0].sum() == sum(len(said) for one, said in replies if one == kind)
    timed, flush = (np.concatenate([said for one, said in replies if one == kind]) for kind in ("timed", "flush"))
    assert len(timed) > 4_000
    assert np.array_equal(timed, flush)
    for name in states[0].fields:
        assert np.array_equal(getattr(states[0], name), getattr(states[1], name)), name


def _small(pr: Any) -> Any:
    pr.tally[np.uint64(0)] = pr.tally[np.uint64(9)] + np.uint64(1)
    return pr.tally[np.uint64(0)]


@needs_flush
@pytest.mark.parametrize(("kind", "expected"), [("flush", True), ("timed", False)])
def test_kernels_flush_under_that_probe_alone(kind: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    flushed = flushing.flushed
    monkeypatch.setattr(flushing, "flushed", lambda text: seen.append(flushed(text)) or seen[-1])
    ours.enter(_small)
    pr = probe.make(kind)
    pr.tally[9] = 41
    assert njit(**{**jit.OUTER, "cache": False})(_small)(pr) == 42
    assert bool(seen) is expected
    for text in seen:
        lines = text.splitlines()
        (store,) = [n for n, line in enumerate(lines) if re.match(r"\s+store i64 %\S+, ptr %\S+, align 8, !tbaa", line)]
        assert "clflush" in lines[store + 1]


@pytest.mark.parametrize("ops", [("swap_in",), ("swap_in", "swap_out"), ("swap_out", "swap_in", "zap")])
def test_between_two_timed_demands_lies_another_of_the_kind(ops: tuple[str, ...]) -> None:
    block = block_of([IN, OUT] * 500 + [ZAP] * 100)
    chosen = cold.picks(block, ops, 16)
    assert chosen == sorted(set(chosen))
    assert len(chosen) > 50
    last = 15
    for at in chosen:
        kind = int(block[at, 0])
        assert at - last > cold.GAP
        assert kind in block[last + 1 : at, 0]
        last = at
    timed = [int(block[at, 0]) for at in chosen]
    assert timed.count(IN) > 20
    assert ("swap_out" in ops) == (timed.count(OUT) > 20)


def test_seldom_demands_are_timed_all_the_same() -> None:
    block = block_of([OUT] * 300 + [IN] + [OUT] * 300 + [IN] + [OUT] * 10)
    assert cold.picks(block, ("swap_in",), 10) == [300, 601]
    assert cold.picks(block, ("move",), 10) == []
    assert len(cold.picks(block, ("swap_out",), 10, most=7)) == 7


def test_probes_of_states() -> None:
    assert cold.probes(["footprint"]) == ("timed",)
    assert cold.probes(["cold", "footprint"]) == (("timed", "flush") if cold.flushes() else ("timed",))


@needs_flush
def test_a_small_design_has_a_probe_that_flushes() -> None:
    design = naming.registry()["direct"]
    pr = probe.make("flush")
    assert isinstance(pr, probe.Timed)
    design.replay(design.build(Config(pages=8, slots={"ssd": 8})), pr, np.zeros((3, 2), np.uint64), np.zeros(3, np.uint8))
    assert int(pr.tally[demand.NOTHING * int(probe.COLUMNS)]) == 3
