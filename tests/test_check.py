"""``dse check``: designs without a twin are held against invariants and tokens, and five ways to break one are found."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import dse
from dse import cli, naming
from dse.testing import checking, conformance, invariants, machine, streams, subjects, twins
from kernels import demand as d
from kernels.life import registry as state

ROOT = Path(__file__).resolve().parent.parent
BROKEN = """

from kernels.compiling.jit import inner as _inner, u as _u
from kernels.life import registry as _registry, steps as _steps
from kernels.observing import lock as _lock
from kernels.structures.cluster import slot_of as _slot_of
from kernels.structures.slots import count_up as _count_up

_state = _registry.REGISTRY["toy"].state
_right = _steps.{step}.table[_state]


@_inner
def _wrong({arguments}):
    {body}


_steps.{step}.register(_state, _wrong)
"""
ARGUMENTS = {
    "writeout": "st, pr, f, value, backend, size, zero, cpu", "dup": "st, pr, value, entry", "put": "st, pr, value, entry",
    "free_swap": "st, pr, f",
}  # fmt: skip
UNSEEN = ("counts without the lock",)
"""Mutants that random streams do not show."""
MUTANTS = {
    "loses content": ("writeout", "return _u(0)", "many demands", "content is lost"),
    "leaks a slot": ("put", "return _u(0) if value % _u(4) == _u(0) else _right({arguments})", "leaks", "slots left"),
    "counts twice": ("dup", "_right({arguments})\n    return _right({arguments})", "leaks", "slots left"),
    "never frees": ("free_swap", "return False", "leaks", "slots left"),
    "counts without the lock": (
        "dup",
        "return _count_up(st, pr, _slot_of(st, entry))",
        "lock rules",
        "swap_map is written without a lock that guards it",
    ),
    "locks out of order": (
        "put",
        """_lock.lock(pr, st.dev, _u(7), _lock.L_CONT)
    left = _right({arguments})
    _lock.unlock(pr, st.dev, _u(7), _lock.L_CONT)
    return left""",
        "lock order",
        "locks out of order: ",
    ),
}
"""Step, the body that takes its place, the check that is made for it, and its finding."""
TWIN = """
from dse.testing.twins.swapfile import Swapfile


class Toy(Swapfile):
    def swap_full(self, entry):
        return {crowded}

    def more(self):
        return {{"present": sum(hasattr(pte, "maps") for pte in self.pte.values())}}

    @staticmethod
    def observed(st):
        return {{"present": int((st.pte & 1).sum()) + {off}}}


TWINS = {{"toy": Toy}}
"""


def interpreted(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``dse check`` on the toy in `folder`, in a process of its own whose kernels are not compiled."""
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "dse.cli", "check", "toy.py", "--demands", "200", *arguments]
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def toy(folder: Path, more: str = "", twin: str = "") -> Path:
    """Put the toy into `folder`, with something behind it or a module beside it."""
    (folder / "toy.py").write_text((ROOT / "tests" / "toy.py").read_text() + more)
    if twin:
        (folder / "toy_twin.py").write_text(twin)
    return folder


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_design_without_a_twin_is_found(name: str, tmp_path: Path) -> None:
    step, body, check, says = MUTANTS[name]
    arguments = ARGUMENTS[step]
    folder = toy(tmp_path, BROKEN.format(step=step, arguments=arguments, body=body.format(arguments=arguments)))
    done = interpreted(folder, "--only", f"random streams,{check}", "--format", "json")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    whole, single = json.loads(done.stdout)["rows"]
    assert [whole["verdict"], single["verdict"]] == ["passed" if name in UNSEEN else "failed", "failed"]
    assert whole["against"] == "invariants and tokens"
    assert 1 <= len(single["demands"] if name in UNSEEN else whole["demands"]) <= 12
    assert says in single["finding"]
    assert "\n" not in whole["finding"] + single["finding"]


def test_an_index_out_of_bounds_is_found_before_it_brings_the_process_down(tmp_path: Path) -> None:
    body = "st.smap[entry + (_u(1) << _u(40))] += 1\n    return _right(st, pr, entry)"
    folder = toy(tmp_path, BROKEN.format(step="lookup", arguments="st, pr, entry", body=body))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "dse.cli", "check", "toy.py", "--only", "leaks", "--format", "json"]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    assert row["check"] == "indices"
    assert "toy.py:" in row["finding"]
    assert "IndexError: index" in row["finding"]


ENDS = {
    "sys.exit(0)": ("build", "SystemExit: 0"), "raise GeneratorExit": ("build", "GeneratorExit"), "1 / 0": ("build", "ZeroDivisionError"),
    "os._exit(0)": ("build", "it ends the process, with status 0 and without a word"), "sys.exit(5)": ("check", "SystemExit: 5"),
}  # fmt: skip


@pytest.mark.parametrize("deed", ENDS)
def test_a_design_that_ends_the_program_has_failed(deed: str, tmp_path: Path) -> None:
    """Whatever `build` or `check` does, the exit status is 1, and one line of the table says why."""
    where, says = ENDS[deed]
    line = "    return Toy(" if where == "build" else "    hints, slots = "
    text = (ROOT / "tests" / "toy.py").read_text().replace(line, f"    {deed}\n{line}")
    (tmp_path / "toy.py").write_text(text.replace("from collections.abc", "import os\nimport sys\nfrom collections.abc", 1))
    if where == "check":
        done = interpreted(tmp_path, "--only", "random streams", "--format", "json")
    else:
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "dse.cli", "check", "toy.py", "--only", "leaks", "--format", "json"]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    row = json.loads(done.stdout)["rows"][-1]
    assert row["verdict"] == "failed"
    assert says in row["finding"]
    assert "\n" not in row["finding"]


def test_a_design_brings_its_twin_in_the_module_beside_it(tmp_path: Path) -> None:
    right, wrong, view, none = (tmp_path / name for name in ("right", "wrong", "view", "none"))
    for folder, twin in (
        (right, TWIN.format(crowded="super().swap_full(entry)", off=0)),
        (wrong, TWIN.format(crowded="True", off=0)),
        (view, TWIN.format(crowded="super().swap_full(entry)", off=1)),
        (none, "TWINS = 3"),
    ):
        folder.mkdir()
        toy(folder, twin=twin)
    only = ("--only", "written pages")
    done = interpreted(right, *only, "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["rows"][0]["against"] == "twin"
    done = interpreted(wrong, *only)
    assert done.returncode == 1, done.stderr
    assert "the twin says" in done.stdout.splitlines()[2]
    assert "shown by fault(page=0), reclaim(page=0, backend=1, payload=99)" in done.stdout.splitlines()[2]
    done = interpreted(view, *only)
    assert "present: 2, the twin says 1; shown by fault(page=0)" in done.stdout
    done = interpreted(none, *only)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "dse: error: toy_twin.py needs TWINS, a class derived from dse.testing.twins.life.Life for each name of a design\n"
    )


class Forgetful(twins.Direct):
    """A twin that is wrong about forks."""

    def fork(self, page: int, count: int, child: int) -> int:
        super().fork(page, count, child)
        return d.EMPTY


@pytest.mark.parametrize("drive", [machine.walk, machine.hypothetical])
def test_the_state_machine_finds_a_difference_and_shows_the_shortest_way(drive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drive("direct", [{}], 2, 20, 1)
    monkeypatch.setitem(twins.TWINS, "direct", Forgetful)
    with pytest.raises(conformance.Mismatch, match=r"-> fork, the twin says empty") as found:
        drive("direct", [{}, {}], 60, 30, 1)
    assert 2 <= len(found.value.demands) <= 4
    assert found.value.demands[-1].startswith("fork")


@pytest.mark.parametrize("drive", [machine.walk, machine.hypothetical])
def test_what_fails_is_said_before_it_is_shrunk(drive: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(twins.TWINS, "direct", Forgetful)
    said: list[str] = []

    def shortest(*_: Any) -> tuple[streams.Block, str]:
        said.append(capsys.readouterr().err)
        raise KeyboardInterrupt

    monkeypatch.setattr(conformance, "shortest", shortest)
    with pytest.raises(KeyboardInterrupt):
        drive("direct", [{}], 20, 30, 1)
    (line,) = said[0].splitlines()
    assert "-> fork, the twin says empty" in line
    assert "demands show it and are shrunk now" in line
    assert line.rpartition("fork(")[1]


def test_shrinking_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(twins.TWINS, "direct", Forgetful)
    stream = streams.random_demands(streams.TINY, 300, 0)
    with conformance.using(seconds=0.0):
        left, why = conformance.shortest("direct", streams.TINY, stream, {})
    assert len(left) == len(stream)
    assert "the twin says empty" in why
    left, _ = conformance.shortest("direct", streams.TINY, stream, {})
    assert len(left) < 12
    with conformance.using(tries=0):
        assert conformance.shortest("direct", streams.TINY, stream, {}) == (stream, "")


def test_without_hypothesis_a_random_walk_drives_the_machine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    assert not machine.has_hypothesis()
    monkeypatch.setattr(machine, "hypothetical", None)
    machine.explore("direct", [{}], 2, 20, 1)
    assert cli.main(["check", "direct", "--only", "same counters"]) == 0
    assert "pip install 'swapdse[testing]'" in capsys.readouterr().err


def test_invariants_of_a_design_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    design = copy.copy(state.REGISTRY["direct"])
    object.__setattr__(design, "check", lambda st: [f"{len(st.pte)} pages are too many"])
    monkeypatch.setitem(state.REGISTRY, "direct", design)
    run = conformance.Run.of("direct", streams.TINY)
    assert invariants.check("direct", run.st) == ["64 pages are too many"]
    naming.registry.cache_clear()
    row = dse.check("direct", only="random streams", demands=50)["rows"][0]
    naming.registry.cache_clear()
    assert (row["verdict"], row["cases"]) == ("failed", 1)
    assert "64 pages are too many" in row["finding"]


def test_a_line_for_each_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "direct[move=rewrite],swap_id", "--only", "lock order,leaks", "--demands", "100"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[:2] for line in out.splitlines()[2:]] == [[n, c] for n in ("direct", "swap_id") for c in ("lock", "leaks")]
    assert "swap_id against twin: 2 checks passed, 0 failed" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dirct"], "did you mean 'direct'"),
        (["direct[mov=scan]"], "did you mean 'move'"),
        (["not_there.py"], "not_there.py: no such file"),
        (["direct", "--only", "leeks"], "did you mean 'leaks'"),
        (["direct", "--demands", "0"], "not at least 1"),
        (["direct", "--seed", "-1"], "negative"),
        (["direct,direct"], "named twice"),
        ([""], "no design"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err


def test_every_check_is_a_test_of_the_suite() -> None:
    from dse.testing import test_designs

    tests = {name.removeprefix("test_").replace("_", " ") for name in vars(test_designs) if name.startswith("test_")}
    assert tests == set(checking.CHECKS)


def test_settings_are_values_of_parameters_or_the_one_that_is_given() -> None:
    every, one = subjects.chosen(["swap_id", "direct[move=rewrite]"])
    assert every.settings[0].text == "swap_id"
    parameters = state.REGISTRY["swap_id"].parameters
    for name, parameter in parameters.items():
        assert {named.values[name] for named in every.settings} == set(parameter.values)
    assert [named.text for named in one.settings] == ["direct[move=rewrite]"]
    assert subjects.control(one.settings[0]) == {"C_MOVE": 1}


def test_a_sample_is_half_of_the_designs_and_another_one_for_another_seed() -> None:
    """The Makefile gives a commit as the seed. No design stays out for long, and without a sample all are tested."""
    every = subjects.chosen(None)
    samples = [[one.name for one in subjects.sampled(every, f"commit {i}")] for i in range(24)]
    assert {len(sample) for sample in samples} == {-(-len(every) // 2)}
    assert samples[0] != samples[1]
    assert samples[0] == [one.name for one in subjects.sampled(every[::-1], "commit 0")][::-1]
    assert {name for sample in samples for name in sample} == {one.name for one in every}
    assert subjects.sampled(every, "all") == every
    assert subjects.sampled(every[:1], "any") == every[:1]
