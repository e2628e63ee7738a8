"""Contracts of a design: twelve mistakes in a copy of the toy, each one line and exit 2; the numbers of names; the steps."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dse import cli
from kernels import control, own
from kernels.compiling.errors import BadDesign
from kernels.compiling.jit import INTERPRETED
from kernels.life import contracts, reach, steps
from kernels.life.registry import REGISTRY

ROOT = Path(__file__).resolve().parent.parent
TOY = (ROOT / "tests" / "toy.py").read_text()
SCENARIO = """
[workload]
generator = "zipf"
pages = 2048
accesses = 20000
[memory]
limit = 0.4
[moves]
rate = 0.0
"""
LEDGER, EXPLAIN = ("ledger", "toy"), ("explain", "swap_in", "--designs", "toy")
COMPARE = ("compare", "small.toml", "--designs", "direct,toy", "--counted-only")
LATE_LOCKS = '"zswap tree xa_lock", "hint lock", "zswap LRU"'
READS = "    if xa.load(st.hhead"
RAISES = "    if g > U3:\n        raise ValueError\n"
OUTSIDE = (
    ('inside="zswap tree xa_lock"', 'outside="cluster"'),
    (LATE_LOCKS, '"zswap tree xa_lock", "zswap LRU"'),
    ('locks=("cluster"', 'locks=("hint lock", "cluster"'),
)
CASES = {
    "misspelt step": ('"lookup": lookup,', '"lookp": lookup,', LEDGER, "there is no step 'lookp', did you mean 'lookup'?"),
    "missing step": ("s.bind(Toy, STEPS)", 'del STEPS["claim"]\ns.bind(Toy, STEPS)', LEDGER, "step claim is missing and has no default"),
    "undeclared condition": ("live if lines=1", "live if linse=1", LEDGER, "names 'linse', no parameter of the design, did you"),
    "unknown value": ("live if lines=1", "live if lines=2", LEDGER, "parameter 'lines' has no value '2'"),
    "clash": ('OWN.region("hint tree", "hint tree"', 'OWN.region("swap_map", "hint tree"', LEDGER, "region called 'swap_map' is there"),
    "region without row": ('OWN.region("hint", "hint"', 'OWN.region("hint", "hnt"', LEDGER, "region 'hint' has no layout row 'hnt'"),
    "guard that is no lock": ('guards="hint lock")\nR_NODE', 'guards="hint lok")\nR_NODE', LEDGER, "'hint lok', which is no lock, did you"),
    "locks listed out of order": (LATE_LOCKS, '"hint lock", "zswap tree xa_lock", "zswap LRU"', LEDGER, "is declared outside of it"),
    "wrong signature": ("lookup(st, pr, entry):", "lookup(st, pr, entry, x):", LEDGER, "step lookup takes (st, pr, entry), toy.py:"),
    "state without ctl": ("class Toy(direct.Direct)", "class Toy(Flat)", LEDGER, "Toy: a state has the fields of kernels.life.arrays"),
    "word that nobody declares": ("Parameter(int(C_LINES)", "Parameter(150", LEDGER, "uses control word 150, which nobody declares"),
    "exception in build": ("nodes = trees", 'nodes = {}["x"] + trees', EXPLAIN, "toy: build fails: toy.py:"),
    "wrong dtype": ("xa.new_pool(nodes)", "xa.new_pool(nodes).astype(np.uint32)", EXPLAIN, "Toy.hpool: needs a contiguous uint64 vector"),
    "array with gaps": ("xa.new_pool(nodes)", "xa.new_pool(nodes)[::2]", EXPLAIN, "Toy.hpool: needs a contiguous uint64 vector"),
    "kernel that raises": (READS, RAISES + READS, EXPLAIN, "a kernel replies with a code; it raises nothing"),
    "wrong lock order": (None, None, COMPARE, "locks were taken against the order in which they are declared, as in"),
}  # fmt: skip


def broken(old: str | None, new: str | None) -> str:
    """Text of the toy with one mistake; without one, its lock is declared outside of the lock that is held when it is taken."""
    text = TOY
    changes = [(old, new)] if old else OUTSIDE
    for before, after in changes:
        assert text.count(str(before)) >= 1, before
        text = text.replace(str(before), str(after))
    imports = "import numpy as np\n\nfrom kernels.compiling.flat import Flat\n"
    return text.replace("from kernels import control\n", imports + "from kernels import control\n", 1)


@pytest.mark.skipif(INTERPRETED, reason="the command line is compiled")
@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_one_line(case: str, tmp_path: Path) -> None:
    old, new, command, says = CASES[case]
    (tmp_path / "toy.py").write_text(broken(old, new))
    (tmp_path / "small.toml").write_text(SCENARIO)
    env = {**os.environ, "DSE_DESIGNS": str(tmp_path / "toy.py"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "dse.cli", *command], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("dse: error:")]
    assert len(errors) == 1
    assert says in errors[0]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_numbers_do_not_depend_on_what_else_is_loaded() -> None:
    base = own.Own("one")
    first, after = base.parameter("C_ONE", "of the base"), own.Own("two", base)
    assert int(first) == own.COMMON_WORDS
    assert int(after.parameter("C_TWO", "of the design on it")) == own.COMMON_WORDS + 1
    assert int(own.Own("three").parameter("C_THREE", "of another design")) == own.COMMON_WORDS
    assert after.number("C_ONE") == int(first)
    with pytest.raises(BadDesign, match="no control word is called 'C_TOW', did you mean 'C_TWO'"):
        after.number("C_TOW")
    with pytest.raises(BadDesign, match="'C_ONE' is there already"):
        after.parameter("C_ONE", "again")


def test_designs_with_the_same_numbers_are_not_built_on_together() -> None:
    one, two = own.Own("one"), own.Own("two")
    one.parameter("C_A", "")
    two.parameter("C_B", "")
    with pytest.raises(BadDesign, match="one and two use the same numbers"):
        own.Own("both", one, two)


def test_ranks_of_locks() -> None:
    mine = own.Own("mine")
    outer = int(mine.lock("outer", outside="cluster"))
    inner = int(mine.lock("inner", inside="device"))
    last = int(mine.lock("last", inside="continuation"))
    ranks = {name: number for number, name in mine.names(own.Lock).items()}
    assert outer < ranks["cluster"]
    assert ranks["device"] < inner < ranks["swap cache xa_lock"]
    assert last > ranks["continuation"]
    with pytest.raises(BadDesign, match="'devise' is none, did you mean 'device'"):
        mine.lock("wrong", inside="devise")


def test_one_lock_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The locks that are held are bits of one word."""
    all_of = own.Own("every design")
    monkeypatch.setattr(own, "COMMON", all_of)
    ranks = [int(all_of.lock(f"lock {i}")) for i in range(own.RANKS // own.GAP)]
    assert (len(ranks), ranks[-1]) == (16, 63)
    with pytest.raises(BadDesign, match="no number is left for another lock, 16 are in use"):
        all_of.lock("one more")
    with pytest.raises(BadDesign, match="no rank is left for lock 'inner' beside 'lock 15'"):
        own.Own("mine").lock("inner", inside="lock 15")


def test_constants_carry_the_names_that_are_declared() -> None:
    modules = [
        control,
        *(importlib.import_module(f"kernels.designs.{name}.own") for name in ("swap_id", "swap_desc", "swap_table", "vswap")),
    ]
    for module in modules:
        declared = getattr(module, "OWN", own.COMMON).entries_of(own.Word)
        assert {entry.name: entry.number for entry in declared} == {
            name: int(value) for name, value in vars(module).items() if name.startswith(("C_", "S_")) and isinstance(value, np.uint64)
        }
        assert all(entry.meaning for entry in declared)


def test_the_interface_is_short_and_whole() -> None:
    assert len(Path(steps.__file__).read_text(encoding="utf-8").splitlines()) < 260
    assert set(steps.NAMES) == {name for name, value in vars(steps).items() if hasattr(value, "table")}
    for design in REGISTRY.values():
        assert reach.missing(design.replay, design.state, contracts.interface()) is None


def test_steps_are_listed_with_their_places(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["designs", "swap_id", "--steps", "--format", "json"]) == 0
    found = {row["step"]: row for row in json.loads(capsys.readouterr().out)}
    assert found["resolve"]["kind"] == "own"
    file, _, line = found["resolve"]["where"].rpartition(":")
    assert "def resolve(" in "".join((ROOT / file).read_text().splitlines(keepends=True)[int(line) - 1 : int(line) + 3])
    assert found["lookup"]["kind"] == "shared"
    assert found["driver_read"]["kind"] == "default"
    assert cli.main(["designs", "--steps"]) == 2
