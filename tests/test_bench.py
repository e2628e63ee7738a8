"""The command of the gate: exit statuses, commits, the reference, the recipe for forks."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dse import cli
from dse.benching import gate, launch, reference, revisions, selftest
from dse.benching.families import COUNTED, Exit
from dse.benching.results import Suite
from dse.errors import CheckFailed
from tests.benchdata import HEAD, LINES, ROOT, listed, write


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Repository of two commits in which asv is not run: the test stores the results."""
    root = tmp_path / "clone"
    root.mkdir()
    (root / "asv.conf.json").write_text("{}")
    for args in (["init", "-q", "-b", "main"], ["add", "."], *[[*selftest.WHO, "commit", "-q", "--allow-empty", "-m", m] for m in "ab"]):
        subprocess.run(["git", *args], cwd=root, check=True, capture_output=True)
    monkeypatch.chdir(root)
    monkeypatch.setattr(revisions, "suite_at", lambda *_: (listed((LINES, [["'direct'"]])), ""))
    monkeypatch.setattr(launch, "launch", lambda *_: launch.Answer(launch.DONE))
    return root


def store(root: Path, base: float | None, head: float | None) -> None:
    commits = [revisions.commit_of(root, name) for name in ("HEAD^", "HEAD")]
    for commit, value in zip(commits, (base, head), strict=True):
        write(root / "results" / "asv", COUNTED, commit, {LINES: ([value], [["'direct'"]])})


@pytest.mark.parametrize(
    ("base", "head", "status"), [(1.0, 1.0, 0), (1.0, 2.0, 1), (2.0, 1.0, 0), (1.0, None, 5), (None, 1.0, 3), (1.0, math.nan, 6)]
)
def test_the_command_ends_with_its_status(
    clone: Path, base: float | None, head: float | None, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    store(clone, base, head)
    assert cli.main(["bench", "--exact", "--format", "json"]) == status
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["exit_status"] == status
    assert bool(document["rows"]) == (base != head)
    assert err.strip().splitlines()[-1].startswith("dse: ")


def test_the_table_holds_only_what_changed(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(clone, 1.0, 1.0)
    assert cli.main(["bench", "--exact", "--against", "HEAD^"]) == 0
    assert capsys.readouterr().out == ""
    store(clone, 1.0, 2.0)
    assert cli.main(["bench", "--exact", "--against", "HEAD^"]) == 1
    assert "regression" in capsys.readouterr().out


def test_the_reference_is_of_two_commits_and_comparable_ones(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head, base = (revisions.commit_of(clone, name) for name in ("HEAD", "HEAD^"))
    machines = (COUNTED, gate.machine_name())
    for machine in machines:
        for commit in (head, base, "c" * 40, "d" * 40):
            write(clone / "results" / "asv", machine, commit, {LINES: ([1.0], [["'direct'"]])})
        stale = clone / "results" / "asv" / machine / f"{'c' * 8}-virtualenv-py3.11.json"
        stale.write_text(stale.read_text().replace('"v1"', '"v0"'))
        (clone / "results" / "asv" / machine / "machine.json").write_text("{}")
    (clone / ".gitignore").write_text("results/\n")
    kept = f"results/asv/{COUNTED}/{'d' * 8}-virtualenv-py3.11.json"  # on the other machine git does not know it
    revisions.git(clone, "add", "--force", f"results/asv/{COUNTED}/{'c' * 8}-virtualenv-py3.11.json", kept)
    assert reference.main(["HEAD^"]) == 0
    names = ("machine.json", f"{head[:8]}-virtualenv-py3.11.json", f"{base[:8]}-virtualenv-py3.11.json")
    wanted = {kept, *(f"results/asv/{machine}/{name}" for machine in machines for name in names)}
    assert set(revisions.git(clone, "ls-files", "results").splitlines()) == wanted == set(capsys.readouterr().out.split())
    shutil.rmtree(clone / "results" / "asv" / COUNTED)
    assert reference.main(["HEAD^"]) == 2
    assert f"no figures of {head[:8]}" in capsys.readouterr().err


def test_a_trailer_accepts(clone: Path) -> None:
    message = f"More lines\n\n{revisions.TRAILER}: *track_lines* the kernel touches it too"
    subprocess.run(["git", *selftest.WHO, "commit", "-q", "--allow-empty", "-m", message], check=True)
    store(clone, 1.0, 2.0)
    assert cli.main(["bench", "--exact"]) == 0


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--against", "nosuch"], "no commit 'nosuch'"),
        (["--against", "--all"], "expected one argument"),
        (["--bench", "("], "not a regular expression"),
        (["--python", "three"], "not a version"),
    ],
)
def test_bad_input_is_status_2(clone: Path, argv: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", *argv]) == 2
    assert says in capsys.readouterr().err


def test_outside_a_clone_is_status_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["bench"]) == 2
    assert "not a git repository" in capsys.readouterr().err


def test_no_environment_is_status_4(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for outcome in (launch.NO_ENVIRONMENT, launch.NOT_BUILT):
        monkeypatch.setattr(launch, "launch", lambda *_, outcome=outcome: launch.Answer(outcome, "no"))
        assert cli.main(["bench", "--exact"]) == 4


def test_a_suite_that_cannot_be_imported_is_status_5(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "suite_at", lambda *_: (Suite(), "SyntaxError: x"))
    assert cli.main(["bench", "--exact"]) == 5
    assert cli.main(["bench", "--quick"]) == 5


def test_quick_needs_a_figure_of_every_benchmark(clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--quick", "--format", "json"]) == 5
    assert json.loads(capsys.readouterr().out)["rows"][0]["status"] == "broken"

    def runs(request: launch.Request, _: float) -> launch.Answer:
        write(Path(request.results), request.machine, request.commits[0], {LINES: ([1.0], [["'direct'"]])})
        return launch.Answer(launch.DONE)

    monkeypatch.setattr(launch, "launch", runs)
    assert cli.main(["bench", "--quick"]) == 0
    assert cli.main(["bench", "--quick", "--bench", "nosuch"]) == 3


def test_a_commit_is_not_compared_with_itself(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--exact", "--against", "HEAD"]) == 2
    assert "is compared with itself: name another commit with --against or --head" in capsys.readouterr().err


def test_a_shallow_clone_is_named(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{clone}", str(tmp_path / "shallow")], check=True)
    monkeypatch.chdir(tmp_path / "shallow")
    assert cli.main(["bench", "--exact"]) == 2
    assert "is a shallow clone that ends at" in (err := capsys.readouterr().err)
    assert "git fetch --unshallow" in err
    assert cli.main(["bench", "--exact", "--against", "HEAD^"]) == 2
    assert "the clone is shallow, git fetch --unshallow brings older commits" in capsys.readouterr().err


def test_an_asv_that_gives_no_answer_is_no_regression(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gives_up(*_: object) -> None:
        raise CheckFailed("asv was stopped")

    monkeypatch.setattr(launch, "launch", gives_up)
    assert cli.main(["bench", "--exact"]) == int(Exit.BROKEN)


def test_two_gates_at_once_are_refused(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gate.alone(clone / ".asv"):
        assert cli.main(["bench", "--exact"]) == 2
    assert "another dse bench" in capsys.readouterr().err


def test_old_compiled_kernels_go(tmp_path: Path) -> None:
    for i in range(launch.KEPT + 3):
        (tmp_path / f"{i:02}").mkdir()
        os.utime(tmp_path / f"{i:02}", (i, i))
    launch.prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{i:02}" for i in range(3, launch.KEPT + 3)]


def test_changed_benchmarks_are_refused(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clone / "benchmarks").mkdir()
    (clone / "benchmarks" / "x.py").write_text("")
    assert cli.main(["bench", "--exact"]) == 2
    assert "commit or stash" in capsys.readouterr().err


def test_the_default_base_is_where_the_branch_left_main(clone: Path) -> None:
    main = revisions.commit_of(clone, "HEAD")
    assert revisions.base_of(clone, main) == revisions.commit_of(clone, "HEAD^")
    subprocess.run(["git", "checkout", "-q", "-b", "work"], check=True)
    for _ in range(2):
        subprocess.run(["git", *selftest.WHO, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    assert revisions.base_of(clone, revisions.commit_of(clone, "HEAD")) == main


def test_exact_figures_are_of_no_machine(tmp_path: Path) -> None:
    for name, known in ((COUNTED, False), ("m", True)):
        request = launch.Request(str(ROOT), [], [], str(tmp_path), str(tmp_path), name, "3.11")
        described = json.loads(Path(launch.machine_file(request)).read_text(encoding="utf-8"))[name]
        assert described["machine"] == name
        assert (described["os"] != launch.ANY) == known
    shipped = json.loads((ROOT / "results" / "asv" / COUNTED / "machine.json").read_text())
    assert shipped == {**dict.fromkeys(("arch", "cpu", "num_cpu", "os", "ram"), launch.ANY), "machine": COUNTED, "version": 1}


def test_asv_itself_is_asked_and_has_no_such_python(tmp_path: Path) -> None:
    """The one test that starts asv: a Python that does not exist is an answer, not a crash."""
    request = launch.Request(str(ROOT), [HEAD], ["."], str(tmp_path), str(tmp_path / "r"), "m", "9.9")
    assert launch.launch(request, 120).outcome == launch.NO_ENVIRONMENT


def test_the_documents_say_what_the_gate_does() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    assert [int(code) for code in re.findall(r"^\| (\d) \|", text, re.MULTILINE)] == [int(code) for code in Exit]
    assert revisions.TRAILER + ": " in text
    body = re.compile(r"^    def (time|track|peakmem)_", re.MULTILINE)
    areas = [path for path in (ROOT / "benchmarks").glob("*.py") if body.search(path.read_text())]
    assert len(areas) >= 8
    assert all(f"`{path.stem}`" in text for path in areas)
    assert (ROOT / "docs" / "benchmarks.png").stat().st_size > 10_000
    steps = (ROOT / ".ci" / "run").read_text()
    for step in ("dse bench --exact --against 'HEAD^'", "dse bench --quick", "make gate-selftest"):
        assert step in steps
    names = re.search(r"gate-selftest CASES=\"--home \S+ ([\w ]+)\"", steps)
    assert names is not None
    assert len(selftest.chosen(names[1].split())) == 2


def recipe() -> dict[str, Any]:
    """Workflow for forks."""
    yaml = pytest.importorskip("yaml")
    return dict(yaml.safe_load((ROOT / "docs" / "recipes" / "bench.yml").read_text()))


def commands_of(workflow: dict[str, Any]) -> list[str]:
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


def test_the_recipe_for_forks_is_a_workflow() -> None:
    workflow = recipe()
    assert set(workflow) >= {"name", "jobs", "permissions"}
    assert set(workflow[True]) == {"pull_request", "push"}  # YAML 1.1 reads the key on as true
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert job["timeout-minutes"] <= 60
        assert all(("uses" in step) != ("run" in step) for step in job["steps"])
        assert all("@v" in step["uses"] for step in job["steps"] if "uses" in step)
    commands = commands_of(workflow)
    assert any("dse bench --exact --against" in command for command in commands)
    assert any("dse bench --quick" in command for command in commands)
    assert workflow["jobs"]["timings"]["continue-on-error"]
    assert "constraints.txt" in " ".join(commands)
    assert (ROOT / "constraints.txt").is_file()


def test_the_commands_of_the_recipe_run(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(clone, 1.0, 1.0)
    ran = 0
    for command in commands_of(recipe()):
        if command.startswith("dse "):
            words = shlex.split(re.sub(r"\$\{\{.*?\}\}", "HEAD^", command))
            words = words[: words.index("|")] if "|" in words else words
            assert cli.main(words[1:]) == 0, command
            ran += 1
    assert ran == 3
    assert "passed" in capsys.readouterr().err
