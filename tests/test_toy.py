"""A design from outside the package: one file, named in DSE_DESIGNS, is treated as those of the package; an edit is noticed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dse import naming
from dse.errors import BadInput
from dse.naming import registered
from kernels.compiling.jit import INTERPRETED
from kernels.life import registry as state

pytestmark = pytest.mark.skipif(INTERPRETED, reason="what is interpreted is not cached")
ROOT = Path(__file__).resolve().parent.parent
SCENARIO = """
[workload]
generator = "zipf"
pages = 4096
accesses = 40000
[memory]
limit = 0.4
[moves]
rate = 0.0
"""


SPACE = """
title = "lines of a hint"
why = "The parameter of a design from outside is an axis like any other."
objectives = ["swap_in", "bytes_per_page"]
[scenario]
workload = { generator = "zipf", pages = 4096, accesses = 40000 }
memory = { limit = 0.4 }
[axes.design]
values = ["direct", "toy"]
[axes.lines]
values = ["1", "3"]
"""


class Outside:
    """A folder with the toy in it, and commands that know of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "toy.py"
        shutil.copy(ROOT / "tests" / "toy.py", self.file)
        (folder / "small.toml").write_text(SCENARIO)
        self.env = {**os.environ, registered.VARIABLE: str(self.file), "PYTHONPATH": str(ROOT)}

    def run(self, *arguments: str, status: int = 0) -> str:
        """Output of a Python process on stdout; `status` is its expected exit status."""
        done = subprocess.run(
            [sys.executable, *arguments], env=self.env, cwd=self.folder, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == status, done.stderr
        return done.stdout

    def dse(self, *arguments: str, status: int = 0) -> str:
        return self.run("-m", "dse.cli", *arguments, status=status)

    def lines(self) -> dict[str, float]:
        """Lines of an aged swap-in by design, from a comparison that is stored in results."""
        found = json.loads(self.dse("compare", "small.toml", "--designs", "direct,toy", "--counted-only", "--format", "json"))
        rows = [r for r in found["rows"] if (r["op"], r["metric"], r["stat"], r["age"]) == ("swap_in", "lines", "mean", "aged")]
        return {row["design"]: row["value"] for row in rows}

    def code(self) -> str:
        """Digest under which sweeps keep their evaluations."""
        return self.run("-c", "from dse.sweeps.caching import code_digest; print(code_digest())")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Outside:
    return Outside(tmp_path_factory.mktemp("outside"))


def test_help_and_layout(toy: Outside) -> None:
    found = {about["name"]: about for about in json.loads(toy.dse("designs", "--format", "json"))}
    assert list(found)[-1] == "toy"
    assert [row["structure"] for row in found["toy"]["layout"]][-3:] == ["hint", "hint", "hint tree"]
    assert "hint lock" in found["toy"]["locks"]
    assert "unknown design 'toi'" in toy.run("-c", "from dse import cli; import sys; sys.stderr = sys.stdout; cli.main(['ledger', 'toi'])")


def test_ledger(toy: Outside) -> None:
    designs = {"direct": 0, "toy": 64 + 8, "toy[lines=3]": 192 + 8}
    sums = {d: json.loads(toy.dse("ledger", d, "--slots", "8192", "--format", "json"))["dynamic_bytes"] for d in designs}
    assert {d: n - sums["direct"] for d, n in sums.items()} == {d: 8192 * n for d, n in designs.items()}


def test_explain_names_what_is_its_own(toy: Outside) -> None:
    found = {}
    for op in ("swap_out", "swap_in", "zap"):
        events = json.loads(toy.dse("explain", op, "--designs", "toy", "--format", "json"))["designs"][0]["events"]
        found[op] = {(event["event"], event["what"], event["function"]) for event in events}
    assert {("lock", "hint lock", "hint_find"), ("write", "hint", "hint_read"), ("alloc", "hint", "hint_find")} <= found["swap_out"]
    assert {("chase", "hint tree", "hint_find"), ("chase", "hint node", "hint_find"), ("read", "hint", "hint_read")} <= found["swap_in"]
    assert {("lock", "hint lock", "hint_find"), ("free", "hint", "hint_find")} <= found["zap"]


def test_sweep_over_its_parameter(toy: Outside) -> None:
    (toy.folder / "space.toml").write_text(SPACE)
    found = json.loads(toy.dse("sweep", "space.toml", "--workers", "1", "--format", "json"))
    assert found["trials"] == 3  # direct once, the toy with each value
    assert "lines" in {row["axis"] for row in found["sensitivity"]}


def test_allocations_are_logged(toy: Outside) -> None:
    found = json.loads(toy.dse("compare", "small.toml", "--designs", "direct,toy[lines=3]", "--counted-only", "--format", "json"))["rows"]
    rows = {(row["op"], row["metric"]): row["value"] for row in found if row["design"] == "toy[lines=3]" and row["age"] in ("aged", None)}
    assert rows["swap_out", "allocated_hint"] > 0
    assert rows["page", "object_bytes_hint"] == 192


def test_conformance_and_live_ledger(toy: Outside) -> None:
    script = """
from dse import naming
from dse.testing import conformance, ledgers, streams, twins
named = naming.parse("toy")
twins.TWINS["toy"] = twins.Direct
ledgers.agree(named, {"zswap": 0.5, "ssd": 0.5}, 3000, 1000)
assert "toy" in conformance.names() and twins.twin_class("toy") is twins.Direct
conformance.compare("toy", streams.TINY, 1, 2000)
print("passed")
"""
    assert toy.run("-c", script) == "passed\n"


def test_benchmarks_enumerate_it(toy: Outside) -> None:
    names = toy.run("-c", "from benchmarks import counted; print(*counted.DESIGNS)").split()
    assert names == [*[name for name in names if name != "toy"], "toy"]


def test_compared_reported_and_edited(toy: Outside) -> None:
    lines, code = toy.lines(), toy.code()
    assert lines["toy"] > lines["direct"] + 1
    assert toy.dse("rerun", "last") == "yes\n"
    assert "toy" in toy.dse("report", "last", "--format", "text")
    text = toy.file.read_text()
    toy.file.write_text(text.replace("range(st.ctl[C_LINES])", "range(st.ctl[C_LINES] + U3)"))
    assert toy.lines()["toy"] == pytest.approx(lines["toy"] + 3, abs=1e-9)
    assert toy.code() != code
    assert toy.dse("rerun", "last") == "yes\n"
    toy.file.write_text(text)
    assert toy.code() == code


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("not_there.py", None, "no such file"),
        ("broken_design.py", "def (", "does not load: SyntaxError"),
        ("failing_design.py", "1 / 0", "does not load: ZeroDivisionError: division by zero"),
        ("empty_design.py", "", "registers no design"),
        ("json.py", "", "needs a file name"),
        ("taking_design.py",
         "import dataclasses as d\nfrom kernels.life import registry as s\ns.register(d.replace(s.REGISTRY['direct']))",
         "registers direct, a name that is taken"),
        ("no_such_module_here", None, "does not load: ModuleNotFoundError"),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded_is_said_in_one_line(
    name: str, text: str | None, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    naming.registry()
    before = dict(state.REGISTRY)
    monkeypatch.setenv(registered.VARIABLE, str(tmp_path / name) if name.endswith(".py") else name)
    with pytest.raises(BadInput, match=says) as found:
        registered.load()
    assert "\n" not in str(found.value)
    assert before == state.REGISTRY
