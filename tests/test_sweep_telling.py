"""Texts that a sweep tells while it runs and when nothing comes of it: progress, what cannot exist, storages, commands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from dse import storing
from dse.cli import main
from dse.common import hints, output
from dse.errors import BadInput
from dse.measuring import comparing
from dse.reports import reporting
from dse.storing import studies
from dse.sweeps import keeping, possible, sweep, sweeping, workers
from dse.sweeps import space as spaces

ROOT = Path(__file__).resolve().parent.parent
SMALL = """
objectives = ["swap_in"]
[scenario]
workload = { generator = "zipf", pages = 2_048, accesses = 8_192, theta = 0.9 }
[axes.design]
values = ["direct", "swap_table_p4"]
[axes."memory.limit"]
values = [0.4, 0.5]
"""
APART = """
[axes."moves.rate"]
values = [0.0, 1.0]
[axes."backend.mix"]
values = [{ ssd = 1.0 }]
"""


def stop(*_: object) -> None:
    """End a command before its work."""
    raise KeyError


def small(tmp_path: Path, text: str = SMALL) -> str:
    path = tmp_path / "small.toml"
    path.write_text(text)
    return str(path)


def example(pages: int, accesses: int) -> str:
    """The space that docs/sweeps.md writes out, with another size."""
    text = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
    block = text.partition("## A space\n\n```toml\n")[2].partition("```")[0]
    return re.sub("accesses = [0-9_]+", f"accesses = {accesses}", re.sub("pages = [0-9_]+", f"pages = {pages}", block))


def test_the_space_of_the_documentation_gives_an_answer(tmp_path: Path) -> None:
    space = spaces.parse(example(2048, 8192), "s.toml", "s")
    assert not possible.told(space)
    found = sweep(small(tmp_path, example(2048, 8192)), results=tmp_path)
    assert (len(found["winners"]), found["missing"]) == (space.places, [])
    assert all(row["runner_up"] for row in found["winners"]), "a constraint leaves one design"


def test_environments_that_cannot_exist_are_told_first(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    space = spaces.parse(SMALL + APART, "small.toml", "small")
    said = possible.told(space)
    why = "moves.rate is 1, but nothing is in zswap; set moves.tiers"
    first = "memory.limit=0.4, moves.rate=1, backend.mix=ssd=1"
    assert said == f"2 of 4 environments have no result, as they cannot exist: {why}; such as {first}"
    monkeypatch.setattr(sweeping, "warm", stop)
    with pytest.raises(KeyError):
        sweep(space, results=tmp_path)
    assert said in capsys.readouterr().err


def test_progress_tells_trials_within_a_generation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[str, int]] = []

    def step(self: output.Progress, count: int = 1, detail: str = "") -> None:
        self.done += count
        if self.what.startswith("sweep"):
            steps.append((self.what, self.done))

    monkeypatch.setattr(output.Progress, "step", step)
    for _ in range(2):  # the second time from the cache
        steps.clear()
        sweep(small(tmp_path), results=tmp_path)
        assert [done for _, done in steps] == [1, 2, 3, 4, 4]
    steps.clear()
    sweep(small(tmp_path), results=tmp_path / "two", workers=2)
    assert [done for _, done in steps] == [1, 2, 3, 4, 4]


def test_an_interrupted_generation_is_told_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    real, calls = workers.do, []

    def do(work: str, *given: Any) -> Any:
        calls.append(work)
        if calls.count("evaluate") == 3:
            raise KeyboardInterrupt
        return real(work, *given)

    monkeypatch.setattr(workers, "do", do)
    assert main(["sweep", small(tmp_path), "--workers", "1", "--results", str(tmp_path / "r")]) == 130
    assert "interrupted after 2 of 4 trials: dse sweep --resume small-" in capsys.readouterr().err
    monkeypatch.setattr(workers, "do", real)
    assert sweep(resume="last", results=tmp_path / "r")["provenance"]["evaluated"] == 2


def test_a_study_goes_on_in_the_storage_that_it_was_begun_on(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path, url, results = small(tmp_path), "sqlite:///s.db", tmp_path / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeping, "warm", stop)
        with pytest.raises(KeyError):
            sweep(path, results=results, storage=url)
    (study,) = studies.names(results)
    (tmp_path / "s.db").unlink()
    with pytest.raises(BadInput, match=f"study {study} began on {url}: give it again, --storage URL or DSE_STORAGE"):
        sweep(resume=study, results=results)
    with pytest.raises(BadInput, match=f"study {study} began on {url}: give it again"):
        sweep(path, results=results)
    assert not (studies.folder(results, study) / studies.JOURNAL).exists()
    (tmp_path / "s.db").touch()
    about = studies.read_settings(results, study)
    assert keeping.storage_of(about, None) == url
    assert f"began on {url}, and goes on there" in capsys.readouterr().err
    assert keeping.storage_of(about, "sqlite:///other.db") == "sqlite:///other.db"
    assert "it goes on elsewhere" in capsys.readouterr().err
    secret = {**about, "storage": "postgresql://me:***@host/db"}
    with pytest.raises(BadInput, match=r"began on postgresql://me:\*\*\*@host/db"):
        keeping.storage_of(secret, None)
    given = "postgresql://me:word@host/db"
    assert keeping.storage_of(secret, given) == given
    assert not capsys.readouterr().err
    assert keeping.storage_of({**about, "storage": None}, None) is None


def sweep_head(results: Path, study: str) -> Any:
    """Head of the report of a study."""
    head = reporting.load("study", study, results).head
    assert head is not None
    return head


def test_hints_name_the_folder_of_results(tmp_path: Path, capsys: Any) -> None:
    results = ["--results", str(tmp_path / "r 2")]
    assert main(["sweep", small(tmp_path), *results]) == 0
    both = capsys.readouterr()
    (study,) = studies.names(tmp_path / "r 2")
    report = f"dse report {study} {shlex.join(results)}"
    assert report in both.err
    more = f"dse report {study} --format text --full {shlex.join(results)}, dse sweep --resume {study} {shlex.join(results)}"
    assert more in sweep_head(tmp_path / "r 2", study).again[0]
    path = studies.folder(tmp_path / "r 2", study) / "winners.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["report", study, *results]) == 2
    assert f"dse sweep --resume {study} {shlex.join(results)} makes the tables anew" in capsys.readouterr().err
    (path.parent / "trials.parquet").unlink()
    assert main(["report", study, *results]) == 2
    assert f"dse sweep --resume {study} {shlex.join(results)} makes the tables anew" in capsys.readouterr().err


def test_no_hint_forgets_the_folder_of_results() -> None:
    """A command on what is stored is written by one function, which knows of the folder."""
    odd = []
    for path in sorted((ROOT / "dse").rglob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if re.search(r"\bdse (report|rerun|diff|sweep --resume) \{", line) and "bundle" not in line:
                odd.append(f"{path.name}:{number}: {line.strip()}")
    assert not odd


def test_a_study_without_a_result_is_a_mail_too(tmp_path: Path) -> None:
    text = SMALL + APART + '[constraints]\nmemory = "bytes_per_page <= 1"\n'
    with pytest.raises(BadInput, match="no configuration meets memory"):
        sweep(small(tmp_path, text), results=tmp_path)
    said = reporting.report("last", "text", results=tmp_path)
    lines = said.split("\n")
    assert len(lines) <= 15
    assert max(map(len, lines)) <= 72
    flat = " ".join(said.split())
    assert "4 of 4 environments have no result" in flat
    assert "(4 of them infeasible or failed, 4 beyond a constraint); none is on a Pareto front." in flat
    assert re.search(r"Stored as small-\S+\. Repeat: ", flat)
    assert len(reporting.report("last", "text", full=True, results=tmp_path).split("\n")) > 15


def test_commands_of_another_folder() -> None:
    assert json.dumps(hints.command("dse", "diff", results=Path("results"))) == '"dse diff"'
    assert hints.results_of("dse compare 'a") == "results"


def test_a_memory_of_a_few_pages_is_told(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "warm", stop)
    space = spaces.parse(SMALL.replace("[0.4, 0.5]", "[0.4, 50, 1000]"), "small.toml", "small")
    with pytest.raises(KeyError):
        sweep(space, results=tmp_path)
    said = capsys.readouterr().err
    assert said.count("memory.limit=") == 1
    assert "memory.limit=50 is a memory of 50 pages: at most 1 it is a share" in said
    monkeypatch.setattr(comparing, "checked_stream", stop)
    with pytest.raises(KeyError):
        comparing.compare(settings=["memory.limit=2"], results=None)
    assert "memory.limit=2 is a memory of 2 pages" in capsys.readouterr().err


def test_a_run_again_names_the_hash_of_the_whole_answer(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "moves.toml"
    path.write_text(
        '[workload]\ngenerator = "zipf"\npages = 512\naccesses = 4096\n[moves]\nrate = 0.5\ntiers = ["zswap", "ssd"]\n', encoding="utf-8"
    )
    found = comparing.compare(str(path), "direct", counted_only=True, results=tmp_path / "r")
    runs = [run["run"] for run in found["provenance"]["runs"]]
    assert len(runs) == 2
    for run in runs:
        assert main(["rerun", run, "--results", str(tmp_path / "r")]) == 0
        own = storing.load_run(tmp_path / "r", run).provenance["counters_hash"]
        said = f"({own[:16]}; with the other runs of its answer {found['provenance']['counters_hash'][:16]})"
        assert said in capsys.readouterr().err
