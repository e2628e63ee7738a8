"""Designs held against the first one: five wrong ones fail a comparison, each in one line that names the design and the operation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dse
from dse import scenario
from dse.measuring import holding
from kernels import demand as d
from kernels.compiling.jit import INTERPRETED

ROOT = Path(__file__).resolve().parent.parent
SCENARIO = """
[workload]
generator = "zipf"
pages = 2048
accesses = 20000
[memory]
limit = 0.4
[backend]
slots = 8.0
mix = { ssd = 1.0 }
[moves]
rate = 0.0
"""
BASE = """
from kernels import codes
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import inner, outer, u
from kernels.designs import direct
from kernels.life import page_io, registry as s, replay, swapfile
from kernels.memory import F_TOKEN, f_word
from kernels.structures import swap_map

U8192 = u(8192)  # a slot that nobody has


class Wrong(direct.Direct):
    "The state of direct."


{step}

s.bind(Wrong, direct.OPERATIONS | {{"{name}": wrong}})


def build(config):
    return Wrong(**direct.build(config).arrays())


@outer
def run(st, pr, demands, replies):
    replay.run(st, pr, demands, replies)


s.register(s.Design(name="wrong", title="wrong", state=Wrong, build=build, replay=run, layout=direct.LAYOUT, parameters=direct.PARAMETERS,
                    locks=direct.LOCKS, sources=("tests",), notes="", file=__file__{base}))
"""
WRONG = {
    "wrong entry": ("resolve", "@inner\ndef wrong(st, pr, value):\n    return value + U8192", "wrong: swap_in"),
    "lost page returned as zero": (
        "read_end",
        "@inner\ndef wrong(st, pr, entry, f):\n    swapfile.read_end(st, pr, entry, f)\n    st.folio[f_word(f, F_TOKEN)] = U0",
        "wrong: swap_in gave",
    ),
    "never frees": ("put", "@inner\ndef wrong(st, pr, value, entry):\n    return U0", "wrong: zap leaves"),
    "double count": (
        "dup",
        "@inner\ndef wrong(st, pr, value, entry):\n    swapfile.dup(st, pr, value, entry)\n    return swapfile.dup(st, pr, value, entry)",
        "wrong: zap leaves",
    ),
    "refuses everything": ("claim", "@inner\ndef wrong(st, pr, f, page, memcg, backend, cpu):\n    return U0", "wrong: swap_"),
}


@pytest.mark.skipif(INTERPRETED, reason="the command line is compiled")
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_design_fails_the_comparison(case: str, tmp_path: Path) -> None:
    name, step, says = WRONG[case]
    (tmp_path / "wrong.py").write_text(BASE.format(step=step, name=name, base=', base="direct"' if name == "resolve" else ""))
    (tmp_path / "small.toml").write_text(SCENARIO)
    env = {**os.environ, "DSE_DESIGNS": str(tmp_path / "wrong.py"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "dse.cli", "compare", "small.toml", "--designs", "direct,wrong", "--counted-only"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert says in last
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not list((tmp_path / "results").glob("runs/*"))


def counts(**replies: int) -> np.ndarray:
    found = np.zeros(128, np.uint64)
    for name, n in replies.items():
        found[d.OPS.index(name) if name in d.OPS else d.REASON_BASE + d.REASONS.index(name)] = n
    return found


def test_a_kept_copy_is_no_fault() -> None:
    base = counts(swap_in=90, cache_hit=10, swap_out=80, clean_drop=20)
    assert holding.fault_of("b", counts(swap_in=70, cache_hit=30, swap_out=60, clean_drop=40), "a", base) == ""


def test_less_served_is_a_fault_unless_something_was_refused() -> None:
    base = counts(swap_in=100, swap_out=100)
    less = {"swap_in": 98, "swap_out": 100}
    said = holding.fault_of("b", counts(**less, busy=2), "a", base)
    assert said == "b: swap_in is served 98 times, 100 times on a (2 x busy)"
    assert holding.fault_of("b", counts(**less, full=2), "a", base) == ""
    assert "served 0 times" in holding.fault_of("b", counts(full=200), "a", base)


def test_a_large_folio_is_served_whole_split_or_refused() -> None:
    """One that is gone without a word is a fault; a refused one is not, be there ever so many."""
    base = counts(folio_out=10, folio_split=90)
    assert holding.fault_of("b", counts(folio_out=100), "a", base) == ""
    said = "b: folio_out is served 97 times, 100 times on a (nothing was refused)"
    assert holding.fault_of("b", counts(folio_out=97), "a", base) == said
    assert holding.fault_of("b", counts(folio_out=20, reactivated=80), "a", base) == ""
    assert "served 20 times" in holding.fault_of("b", counts(folio_out=20, reactivated=70), "a", base)


def test_a_demand_that_meets_a_folio_under_way_is_one_that_was_not_served() -> None:
    """2 of 100 faults met a folio that a move had locked: 98 swap-ins are explained, 97 are not, nor 40 by 60, nor any without a move."""
    theirs = np.zeros(128, np.uint64)
    theirs[int(d.SWAP_IN)] = 100
    for served, met, moves, wrong in ((98, 2, 9, False), (97, 2, 9, True), (40, 60, 99, True), (98, 2, 1, True)):
        mine = np.zeros(128, np.uint64)
        mine[int(d.MOVED)] = moves
        mine[int(d.SWAP_IN)], mine[int(d.BUSY)] = served, met
        assert bool(holding.fault_of("a", mine, "first", theirs)) is wrong


def test_what_the_first_design_leaves_too_is_no_leak() -> None:
    assert holding.leak_of("b", [("slots", 3)], "a", [("slots", 3)]) == ""
    assert holding.leak_of("b", [("slots", 5), ("zswap_entry", 0)], "a", [("slots", 0)]) == (
        "b: zap leaves 5 slots when everything is unmapped, a leaves 0"
    )


@pytest.mark.skipif(INTERPRETED, reason="nine scenarios of thousands of accesses")
@pytest.mark.parametrize(
    "name", ["churn", "exit-56g", "fill", "fork-snapshot", "memcg-cap", "no-move", "swap-full", "swapoff", "tier-move"]
)
def test_every_scenario_is_served_by_the_designs_of_the_default(name: str, tmp_path: Path) -> None:
    chosen = scenario.load(name)
    if chosen.workload.generator is None:
        chosen = chosen.but(workload__trace=None, workload__generator="zipf")
    small = {"workload__pages": 8192, "workload__accesses": 60_000}
    if chosen.workload.generator == "phase":
        small["workload__phase_accesses"] = 10_000
    if chosen.memory.limit > 1:
        small["memory__limit"] = 4096
    found = dse.compare(chosen.but(**small), counted_only=True, results=tmp_path)
    assert {row["design"] for row in found["rows"]} >= {"swap_table_p4", "direct", "vswap_v6"}
