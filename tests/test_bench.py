"""The gate: reader of asv's files, limits of a regression, exit statuses, the seeded regressions, and the benchmarks themselves."""

from __future__ import annotations

import ast
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

from benchmarks import counted, fixtures, memory, xarray
from dse import cli, naming
from dse.benching import gate, judging, launch, reference, revisions, seeds, selftest
from dse.benching.families import COUNTED, EXACT_PATTERN, INSTRUCTIONS_PATTERN, TIMED_PATTERN, Exit, family_of
from dse.benching.results import Case, Figure, Suite, read_results, stored, suite_of, text_of
from dse.errors import BadInput, CheckFailed

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ["result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b", "stats_q_25", "stats_q_75",
           "stats_number", "stats_repeat", "samples", "profile"]  # fmt: skip
LINES, TIME, PEAK = "counted.Operations.track_lines", "xarray.Load.time_load", "designs.Footprint.peakmem_fill"
HEAD, BASE = "a" * 40, "b" * 40
DIRECT: Case = (LINES, ("'direct'",))


def write(folder: Path, machine: str, commit: str, rows: dict[str, tuple[Any, ...]], version: int = 2) -> Path:
    """Write a result file as asv writes it; a row is (result, params[, samples])."""
    results = {}
    for name, (result, params, *samples) in rows.items():
        cells = [result, params, "v1", 0, 0.1]
        results[name] = cells + [None] * 6 + [samples[0]] if samples else cells
    path = folder / machine / f"{commit[:8]}-virtualenv-py3.11.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"commit_hash": commit, "result_columns": COLUMNS, "results": results, "version": version}))
    return path


def listed(*entries: tuple[str, list[list[str]]]) -> Suite:
    return suite_of([{"name": name, "params": params, "version": "v1", "unit": "lines"} for name, params in entries])


def figures(value: float | None, *, name: str = LINES, params: tuple[str, ...] = ("'direct'",), samples: Any = ()) -> dict[Case, Figure]:
    return {(name, params): Figure(value, tuple(samples), "v1")}


ONE = listed((LINES, [["'direct'"]]))


def only(base: dict[Case, Figure], head: dict[Case, Figure], suite: Suite = ONE, before: Suite = ONE) -> judging.Finding:
    (found,) = judging.compare(base, head, suite, before)
    return found


# reading ----------------------------------------------------------------------------------------


def test_result_files_are_read_case_by_case(tmp_path: Path) -> None:
    rows = {
        LINES: ([1.5, math.nan, None, 2.0], [["'direct'", "'swap_id'"], ["1", "2"]]),
        "startup.time_x": ([0.25], [], [[0.25, 0.26, math.nan]]),
        "gone.track_z": (None, [["1", "2"]]),
    }
    found = read_results(write(tmp_path, "m", HEAD, rows))
    assert found[LINES, ("'direct'", "1")].value == 1.5
    assert found[LINES, ("'direct'", "2")].skipped
    assert found[LINES, ("'swap_id'", "1")].failed
    assert found["startup.time_x", ()].samples == (0.25, 0.26)
    assert found["gone.track_z", ("2",)].failed
    assert found[LINES, ("'swap_id'", "2")].version == "v1"


def test_only_the_commits_own_file_is_taken(tmp_path: Path) -> None:
    write(tmp_path, "m", HEAD, {LINES: ([1.0], [])})
    assert stored(tmp_path, "m", HEAD)
    assert stored(tmp_path, "m", HEAD[:8] + "c" * 32) == {}
    assert stored(tmp_path, "other", HEAD) == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 1}'])
def test_what_is_no_result_file_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"x\.json"):
        read_results(path)


def test_asv_reads_the_same(tmp_path: Path) -> None:
    """Our reader against asv's own."""
    from asv.results import Results

    params = [["'direct'", "'swap_id'"], ["1", "2"]]
    path = write(tmp_path, "m", HEAD, {LINES: ([1.5, 2.5, 3.5, 4.5], params)})
    document = json.loads(path.read_text()) | {"params": {"machine": "m"}, "requirements": {}, "date": 0, "python": "3.11", "env_name": "e"}
    path.write_text(json.dumps(document))
    values = Results.load(str(path)).get_result_value(LINES, params)
    ours = read_results(path)
    assert [ours[case].value for case in ours] == values


# judging ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "head", "status"),
    [(10.0, 10.0, "same"), (10.0, 10.0000001, "regression"), (10.0, 9.0, "better"), (0.0, 1.0, "regression"), (1e6, 1e6 + 1, "regression")],
)
def test_exact_figures_are_equal_or_not(base: float, head: float, status: str) -> None:
    assert only(figures(base), figures(head)).status == status


def test_what_cannot_be_compared() -> None:
    assert only(figures(1.0), figures(None)).status == "broken"
    assert only(figures(1.0), {}).status == "broken"
    assert only(figures(1.0), figures(math.nan)).status == "removed"
    assert only(figures(None), figures(1.0)).note == "fails on the base"
    assert only({}, figures(1.0), ONE, Suite()).status == "added"
    assert judging.compare(figures(math.nan), figures(math.nan), ONE, ONE) == []


def test_removed_renamed_and_added() -> None:
    wide = listed((LINES, [["'direct'", "'swap_id'"]]))
    both = figures(1.0) | figures(2.0, params=("'swap_id'",))
    assert [f.case for f in judging.compare(both, both, ONE, wide) if f.status == "removed"] == [(LINES, ("'swap_id'",))]
    assert [f.case for f in judging.compare(both, both, wide, ONE) if f.status == "added"] == [(LINES, ("'swap_id'",))]
    renamed = listed(("counted.Operations.track_line", [["'direct'"]]))
    found = judging.compare({}, figures(1.0, name="counted.Operations.track_line"), renamed, ONE)
    assert found[0].note == "renamed to counted.Operations.track_line?"
    assert judging.status_of(found) == Exit.REMOVED


def test_a_new_benchmark_that_finds_a_regression_says_so() -> None:
    old = listed((TIME, []))
    both = listed((TIME, []), (LINES, [["'direct'"]]))
    same = figures(1.0, name=TIME, params=())
    for head, status in ((2.0, "regression"), (1.0, "added"), (0.5, "added")):
        found = judging.compare(figures(1.0) | same, figures(head) | same, both, old)
        assert {f.case[0]: f.status for f in found}[LINES] == status


FAST = [0.0100 + 0.00001 * i for i in range(12)]
SLOW = [0.0130 + 0.00001 * i for i in range(12)]


def timed(a: list[float], b: list[float], name: str = TIME) -> judging.Finding:
    suite = listed((name, []))
    return only(figures(a[6], name=name, params=(), samples=a), figures(b[6], name=name, params=(), samples=b), suite, suite)


def test_timings_need_ratio_floor_samples_and_significance() -> None:
    assert timed(FAST, SLOW).status == "regression"
    assert timed(SLOW, FAST).status == "better"
    assert timed(FAST, [x * 1.1 for x in FAST]).status == "same"
    assert timed([x / 10 for x in FAST], [x / 10 for x in SLOW]).status == "unjudged"
    assert timed(FAST[:9], SLOW[:9]).status == "unjudged"
    mixed = [SLOW[i] if i % 2 else FAST[i] * 0.9 for i in range(11)] + [SLOW[3]]
    mixed[6] = 0.0125
    assert timed(FAST, mixed).note == "not significant"


def test_load_beside_one_commit_is_no_regression() -> None:
    loaded = [*SLOW[:-1], FAST[0]]
    for base, head in ((FAST, loaded), (loaded, FAST)):
        assert judging.significant(base, head)
        assert timed(base, head).note == "the fastest samples do not differ"
    assert timed(FAST, [x * 1.16 for x in FAST]).status == "regression"
    assert timed([x * 1.16 for x in FAST], FAST).status == "better"


def test_a_timing_is_confirmed_by_a_second_run() -> None:
    worse, same = timed(FAST, SLOW), timed(FAST, FAST)
    assert judging.confirmed([worse], [worse])[0].status == "regression"
    assert judging.confirmed([worse], [same])[0].note == "not confirmed"
    assert judging.confirmed([worse], [])[0].status == "regression"
    better = timed(SLOW, FAST)
    assert judging.confirmed([better], [better])[0].status == "better"
    assert judging.confirmed([better], [same])[0].note == judging.confirmed([better], [worse])[0].note == "not confirmed"
    exact = only(figures(1.0), figures(2.0))
    assert judging.confirmed([exact], []) == [exact]


def test_instructions_and_memory_have_a_tolerance() -> None:
    name = "instructions.Instructions.track_instructions_round_trip"
    assert timed([1000.0] * 7, [1000.9] * 7, name).status == "same"
    assert timed([1000.0] * 7, [1001.1] * 7, name).status == "regression"
    assert timed([2.0e8] * 7, [2.09e8] * 7, PEAK).status == "same"
    assert timed([2.0e8] * 7, [2.11e8] * 7, PEAK).status == "regression"


def test_the_exit_status_is_the_gravest() -> None:
    worse, same = only(figures(1.0), figures(2.0)), only(figures(1.0), figures(1.0))
    broken, removed = only(figures(1.0), figures(None)), only(figures(1.0), figures(math.nan))
    assert judging.status_of([same]) == Exit.OK
    assert judging.status_of([worse, same]) == Exit.REGRESSION
    assert judging.status_of([worse, removed]) == Exit.REMOVED
    assert judging.status_of([worse, removed, broken]) == Exit.BROKEN
    assert judging.status_of([]) == Exit.NO_COMPARISON
    assert judging.status_of([only({}, figures(1.0), ONE, Suite())]) == Exit.NO_COMPARISON


def test_what_a_commit_message_names_is_accepted() -> None:
    worse, broken = only(figures(1.0), figures(2.0)), only(figures(1.0), figures(None))
    for pattern in ("*track_lines*", "track_lines", text_of(DIRECT)):
        (found,) = judging.accept([worse], [pattern])
        assert found.status == "accepted"
        assert judging.status_of([found]) == Exit.OK
    assert judging.accept([worse], ["*track_chain*"]) == [worse]
    assert judging.accept([broken], ["*"]) == [broken]


def test_only_changes_are_shown_and_new_ones_in_one_row() -> None:
    wide = listed((LINES, [["'a'", "'b'", "'c'"]]))
    head = {case: Figure(1.0) for case in wide.cases}
    before = listed((LINES, [["'a'"]]))
    found = judging.compare({(LINES, ("'a'",)): Figure(1.0)}, head, wide, before)
    (row,) = judging.shown(found)
    assert row.note == f"2 cases, the first {LINES}('b')"
    assert row.row({LINES: "lines"})["unit"] == "lines"


# selection --------------------------------------------------------------------------------------


def test_families_by_name() -> None:
    names = [LINES, "instructions.Instructions.track_instructions_round_trip", TIME, PEAK]
    assert [family_of(name).name for name in names] == ["exact", "instructions", "time", "peakmem"]
    assert [bool(re.search(EXACT_PATTERN, name)) for name in names] == [True, False, False, False]
    assert [bool(re.search(INSTRUCTIONS_PATTERN, name)) for name in names] == [False, True, False, False]


def test_a_pattern_selects_exactly_its_cases() -> None:
    suite = listed((LINES, [["'direct'", "'direct[move=rewrite]'"], ["1", "16"]]))
    part = gate.matching(suite, gate.exactly([(LINES, ("'direct'", "1"))]), "")
    assert part.cases == {(LINES, ("'direct'", "1"))}
    assert gate.matching(suite, [EXACT_PATTERN], "swap_id").cases == frozenset()


def test_the_smallest_case_of_every_name() -> None:
    cases = [(TIME, (name, size)) for name in ("'a'", "'b'") for size in ("1048576", "65536")] + [(LINES, ())]
    assert gate.smallest(cases) == {(TIME, ("'a'", "65536")), (TIME, ("'b'", "65536")), (LINES, ())}


# the command ------------------------------------------------------------------------------------


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


def test_a_commit_is_not_compared_with_itself(clone: Path) -> None:
    assert cli.main(["bench", "--exact", "--against", "HEAD"]) == 1


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
        described = json.loads(Path(launch.machine_file(request)).read_text())[name]
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


# the self-test ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [s for s in seeds.SEEDS if s.edit], ids=lambda s: s.name)
def test_seeds_apply_to_these_sources(seed: seeds.Seed, tmp_path: Path) -> None:
    for part in ("kernels", "benchmarks"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    assert seed.edit is not None
    seed.edit(tmp_path)
    changed = [p for p in tmp_path.rglob("*.py") if p.read_bytes() != (ROOT / p.relative_to(tmp_path)).read_bytes()]
    assert len(changed) == 1
    ast.parse(changed[0].read_text())


def test_a_seed_that_no_longer_applies_says_so(tmp_path: Path) -> None:
    (tmp_path / "kernels" / "structures").mkdir(parents=True)
    (tmp_path / "kernels" / "structures" / "cluster.py").write_text("")
    with pytest.raises(CheckFailed, match="adapt"):
        seeds.one_touch(tmp_path)


def test_the_self_test_can_fail() -> None:
    seed = seeds.SEEDS[0]
    rows = [{"status": kind, "benchmark": f"x.{name}"} for kind, name in seed.names]
    assert selftest.verdict(seed, 1, {"rows": rows}) == ""
    assert "ended with 0" in selftest.verdict(seed, 0, {"rows": []})
    assert "does not name" in selftest.verdict(seed, 1, {"rows": []})
    empty = next(s for s in seeds.SEEDS if s.name == "empty")
    assert "nothing has changed" in selftest.verdict(empty, 0, {"rows": rows})
    assert empty.times == 10
    with pytest.raises(BadInput, match="did you mean 'touch'"):
        selftest.chosen(["tuoch"])


# the benchmarks ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """Benchmarks of the working tree, found by asv's discovery."""
    from asv_runner._aux import update_sys_path
    from asv_runner.discovery import disc_benchmarks

    update_sys_path(str(ROOT / "benchmarks"))
    found = disc_benchmarks(str(ROOT / "benchmarks"))
    return suite_of([{"name": b.name, "params": b.params, "version": b.version, "unit": getattr(b, "unit", "")} for b in found])


def test_families_are_there_and_designs_are_enumerated(suite: Suite) -> None:
    lasts = [name.rpartition(".")[2].partition("_")[0] for name in suite.versions]
    assert lasts.count("time") >= 10
    assert lasts.count("track") >= 6
    assert lasts.count("peakmem") >= 1
    for name in (LINES, "designs.RoundTrip.time_round_trip", "memory.Bytes.track_bytes_counted", PEAK):
        assert {values[0].strip("'") for case, values in suite.cases if case == name} == set(naming.registry())
    sources = "".join((ROOT / "benchmarks" / f"{n}.py").read_text() for n in ("counted", "designs", "memory", "instructions"))
    assert not [name for name in naming.registry() if f'"{name}"' in sources]


def test_every_metric_is_a_cost_with_a_unit(suite: Suite) -> None:
    assert all(unit not in ("", "unit") for unit in suite.units.values())
    assert not [unit for unit in suite.units.values() if re.search(r"/s\b|per second|rate|hit", unit)]


def test_the_gated_set_is_small_and_covers_the_areas(suite: Suite) -> None:
    gated = gate.matching(suite, [TIMED_PATTERN], "").cases
    assert {name.partition(".")[0] for name, _ in gated} == {"designs", "xarray", "clusters", "counts", "reclaim", "generators", "parsing"}
    assert len(gated) <= 30 + 2 * len(naming.registry())
    assert not [case for case in gated if "16777216" in case[1]]


def test_counting_repeats_and_a_failure_is_of_one_design(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixtures, "MIDDLE", fixtures.SMALL)
    first, second = counted.counted("direct"), counted.counted("direct")
    assert first == second
    assert first[fixtures.SMALL]["swap_out"]["lines"] > 1
    assert "error" in counted.counted("nosuch")
    with pytest.raises(RuntimeError, match="nosuch"):
        counted.of({"nosuch": counted.counted("nosuch")}, "nosuch")
    with pytest.raises(NotImplementedError):
        counted.of({}, "direct")


def test_bytes_and_nodes() -> None:
    assert memory.Bytes().track_bytes_counted("direct", "zswap", 1 << 16) == pytest.approx(11.125)
    nodes = xarray.Nodes()
    nodes.setup(1 << 12, 64)
    assert nodes.track_nodes(1 << 12, 64) > 1.0
    assert nodes.track_nodes_half_erased(1 << 12, 64) < 0.6


def test_compiling_in_a_timed_body_is_an_error() -> None:
    warm = fixtures.Warm()
    warm.ready()
    warm.teardown()
    fixtures.WATCH.on_start(None)
    with pytest.raises(RuntimeError, match="1 kernels were compiled"):
        warm.teardown()


def test_a_world_of_refusals_is_an_error() -> None:
    world = fixtures.World("direct", 1 << 8, "count")
    pages = fixtures.scattered(1 << 8)
    assert sorted(pages.tolist()) == list(range(1 << 8))
    with pytest.raises(RuntimeError, match="did what is to be measured"):
        world.expect(fixtures.reclaims(pages), 4)


def test_the_version_follows_the_sources(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("1")
    first = fixtures.version(str(path))
    path.write_text("2")
    assert fixtures.version(str(path)) != first
