"""Studies repeated, gone on with and ended early; names and files that are meant for another command."""

from __future__ import annotations

import _thread
import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dse.cli import main
from dse.common.signals import Terminated, terminated
from dse.errors import BadInput
from dse.measuring import warming
from dse.reports import answer
from dse.storing import studies
from dse.sweeps import caching, space, storages, sweep, urls, workers
from dse.sweeps.repeating import repeated
from dse.sweeps.space import Configuration
from tests import reportdata
from tests.sweepdata import TEXT, said_by
from tests.test_answer import found, of_design

BEGAN = "dse sweep big.toml --trials 9 --timeout 1 --seed 4 --full"


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    warming.warm([("direct", "count"), ("swap_id", "count")])


@pytest.mark.parametrize(
    ("first", "now", "trials", "said"),
    [
        (BEGAN, "dse sweep --resume big --full", None, "dse sweep big.toml --trials 9 --seed 4 --full"),
        (BEGAN, "dse sweep --resume big --trials 20", 20, "dse sweep big.toml --seed 4 --full --trials 20"),
        (BEGAN, "dse sweep --resume big --timeout 1", None, BEGAN),
        (BEGAN, "dse sweep --resume big --timeout=7", None, "dse sweep big.toml --trials 9 --seed 4 --full --timeout 7"),
        ("dse sweep b --trials=9 --confirm=2", "dse sweep --resume b --trials 10", 10, "dse sweep b --trials 10"),
        ("dse sweep b", "dse sweep --resume b --confirm 3", None, "dse sweep b --confirm 3"),
        ("dse sweep 'my space.toml'", "dse sweep --resume my", None, "dse sweep 'my space.toml'"),
        ("dse.sweep", "dse sweep --resume b --trials 10", 10, "dse.sweep"),
        ("dse sweep 'b", "dse sweep --resume b", None, "dse sweep 'b"),
    ],
)  # fmt: skip
def test_the_command_that_repeats_a_resumed_study(first: str, now: str, trials: int | None, said: str) -> None:
    assert repeated(first, now, trials) == said


def small(tmp_path: Path) -> tuple[list[str], list[str]]:
    """Command of a small sweep, and its options of the folder."""
    file = tmp_path / "small.toml"
    file.write_text(TEXT)
    results = ["--results", str(tmp_path / "r"), "--workers", "1"]
    return ["sweep", str(file), "--trials", "8", "--sampler", "random", *results], results


def test_resuming_keeps_the_first_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(TEXT)
    began = "sweep small.toml --trials 8 --sampler random"
    assert main([*began.split(), "--timeout", "1e-6"]) == 0
    said = capsys.readouterr()
    study = studies.names("results")[0]
    assert "PARTIAL: 0 of 90 configurations were tried, in 0 of 18 environments" in said.out
    assert f"the time was up after 0 trials: dse sweep --resume {study}\n" in said.err
    longer = "sweep small.toml --sampler random --trials 10"
    for more, first in ([], began), (["--trials", "10"], longer), ([], longer):
        assert main(["sweep", "--resume", study, *more, "--full"]) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert studies.read_tables("results", study)["provenance"][0]["command"] == f"dse {first}"
        assert f"Repeat: dse {first} (" in told
        assert f"Next: dse {first} --full, dse report" in told
    for command in ([*longer.split(), "--full"], ["sweep", "--resume", study]):  # the command that is stored has it by then
        assert main(command) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert "--full --full" not in told
        assert f"Next: dse report {study} Repeat: dse {longer} --full (" in told


def test_settings_of_an_earlier_version_have_no_command(tmp_path: Path) -> None:
    made = sweep(space.parse(TEXT, "s.toml", "s"), trials=2, sampler="random", results=tmp_path, command="dse sweep s.toml")
    path = studies.folder(tmp_path, made["study"]) / studies.SETTINGS
    about = studies.read_settings(tmp_path, made["study"])
    assert about.pop("command") == "dse sweep s.toml"
    studies.write_settings(tmp_path, made["study"], about)
    again = sweep(resume=made["study"], results=tmp_path, command="dse sweep --resume s")
    assert again["provenance"]["command"] == "dse sweep s.toml"  # that of its tables
    (path.parent / "provenance.parquet").unlink()
    assert sweep(resume=made["study"], results=tmp_path, command="dse sweep --resume s")["provenance"]["command"].endswith("--resume s")


def test_a_comparison_in_full_is_not_asked_for_in_full() -> None:
    rows = [*of_design("swap_table_p4", 20.0, 400.0), *of_design("swap_id", 50.0, 800.0, (600.0, 550.0, 650.0))]
    for command in ("dse compare hand --full", "dse compare hand"):
        given: dict[str, Any] = found(rows)
        given["provenance"]["command"] = command
        said = " ".join(answer.screen(given).again)
        assert "--full --full" not in said
        assert said.count("--full") == 1


def interrupting(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Raise a signal while the third generation is evaluated; each evaluates its configurations, then the baselines of its environments."""
    real, calls = workers.Evaluator.__call__, []

    def call(self: workers.Evaluator, *given: Any) -> Any:
        calls.append(given)
        if len(calls) == 5:
            signal.raise_signal(number)
        return real(self, *given)

    monkeypatch.setattr(workers.Evaluator, "__call__", call)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_sweep_says_how_to_go_on(
    number: int, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two generations of tpe are recorded, the third is not."""
    command, results = small(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    whole = sweep(str(tmp_path / "small.toml"), trials=40, sampler="tpe", results=tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupting(patch, number)
        assert main(["sweep", command[1], "--trials", "40", "--sampler", "tpe", *results]) == status
    said = capsys.readouterr()
    journal = (studies.folder(tmp_path / "r", whole["study"]) / studies.JOURNAL).read_text()
    told = journal.count('"index":') or journal.count('"index\\":')
    assert f"dse: interrupted after {told} of 40 trials: dse sweep --resume {whole['study']} --results {tmp_path / 'r'}" in said.err
    assert 0 < told < 40
    assert said.out == ""
    assert signal.getsignal(signal.SIGTERM) == before
    assert main(["sweep", "--resume", whole["study"], "--format", "json", *results]) == 0
    assert said_by(json.loads(capsys.readouterr().out)) == said_by(json.loads(json.dumps(whole)))


def test_what_is_interrupted_elsewhere_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(space, "load", load)
    assert main(["sweep", "default"]) == 130
    assert capsys.readouterr().err == "dse: interrupted\n"


def test_sigterm_in_a_thread_is_left_alone() -> None:
    seen: list[Any] = []

    def work() -> None:
        with terminated(Terminated()):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]
    with pytest.raises(Terminated), terminated(Terminated()):
        signal.raise_signal(signal.SIGTERM)


def test_workers_end_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interruption kills processes that evaluate, and starts no others."""
    started: list[str] = []

    def call(self: workers.Worker, work: str, configuration: Configuration) -> dict[str, Any]:
        started.append(f"{work} {configuration.design}")
        while not self._ended:
            time.sleep(0.01)
        return {}

    monkeypatch.setattr(workers.Worker, "call", call)
    monkeypatch.setattr(caching.Cache, "stream", lambda *_: True)
    batch = list(space.parse(TEXT, "s.toml", "s").every())[:6]
    with workers.Evaluator(tmp_path, 2) as evaluator:
        timer = threading.Timer(0.5, _thread.interrupt_main)
        timer.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            evaluator(batch)
        assert time.monotonic() - began < 5
    assert len(started) == 2


def test_a_worker_that_was_ended_starts_no_process(tmp_path: Path) -> None:
    worker = workers.Worker(str(tmp_path))
    worker.end()
    found_ = worker.call("evaluate", next(space.parse(TEXT, "s.toml", "s").every()))
    assert found_["status"] == "failed: the process that evaluated it died"
    assert worker._process is None


SCENARIO = '[workload]\ngenerator = "zipf"\n'


def test_spaces_and_scenarios_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario, searched, odd = (tmp_path / f"{name}.toml" for name in ("scenario", "space", "odd"))
    scenario.write_text(SCENARIO)
    searched.write_text(TEXT)
    odd.write_text("[axes.design]\nvalues = ['direct']\n" + SCENARIO)
    for arguments, said in (
        (["sweep", str(scenario)], f"{scenario}: this is a scenario, not a space: dse compare {scenario}"),
        (["compare", str(searched)], f"{searched}: this is a space, not a scenario: dse sweep {searched}"),
        (["sweep", "writeback"], "writeback is a scenario, not a space: dse compare writeback"),
        (["sweep", str(odd)], f"{odd}:3: unknown key 'workload'"),
        (["compare", str(tmp_path / "none.toml")], f"{tmp_path / 'none.toml'}: no such file"),
    ):
        assert main([*arguments, "--results", str(tmp_path / "r")]) == 2
        told = capsys.readouterr().err
        assert said in told, told
        assert told.count("\n") == 1


def test_a_study_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = reportdata.store_study(tmp_path)
    how = f"dse report {name} --bundle --results {tmp_path}, then dse rerun {tmp_path}/reports/{name}.bundle.zip"
    for given in (name, "made-up", "last"):
        assert main(["rerun", given, "--results", str(tmp_path)]) == 2
        assert capsys.readouterr().err == f"dse: error: {name} is a study, not a run: {how}\n"
    assert main(["rerun", "nothing", "--results", str(tmp_path)]) == 2
    assert "is a study" not in capsys.readouterr().err
    assert main(how.partition(", then")[0].split()[1:]) == 0
    assert capsys.readouterr().out.strip() == how.rpartition(" ")[2]


MARK = "hunter2pw"
KNOWN = ("sqlite:///s.db", "sqlite:///s.db?timeout=5", "postgresql://me@h/d?sslmode=require&connect_timeout=3", "journal.log?key=x",
         "/srv/a?b=c.log", "postgresql://h/d?user=me&password=p%40")  # fmt: skip


@pytest.mark.parametrize("url", KNOWN)
def test_arguments_that_a_storage_knows(url: str) -> None:
    urls.check_arguments(url)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (f"sqlite:///s2.db?key={MARK}", "unknown argument 'key'"), (f"sqlite:///s2.db?{MARK}", "arguments that it does not know"),
        (f"sqlite:///s2.db?timeout=5&cipher={MARK}", "unknown argument 'cipher'"), (f"grpc://h:1?key={MARK}", "unknown argument 'key'"),
        (f"postgresql://me@h/d?sslmode=require&apikey={MARK}", "unknown argument 'apikey'"),
        (f"postgresql+psycopg://me@h/d?key={MARK}", "unknown argument 'key'"), (f"mysql://me@h/d?key={MARK}", "unknown argument 'key'"),
        (f"SQLITE:///s2.db?ke%79={MARK}", "arguments that it does not know"),
    ],
)  # fmt: skip
def test_arguments_that_a_storage_does_not_know(
    url: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused in one line that does not show their values, before anything is stored."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(TEXT)
    for arguments in (["sweep", "small.toml", "--trials", "1"], ["worker", "--study", "x"]):
        assert main([*arguments, "--storage", url]) == 2
        told = capsys.readouterr()
        assert name in told.err
        assert MARK not in told.err
        assert told.err.count("\n") == 1
        assert told.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]
    with pytest.raises(BadInput):
        storages.opened(url)
