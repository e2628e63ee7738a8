"""Sweeps on several machines: workers join, die, and nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from dse.cli import main
from dse.errors import BadInput
from dse.measuring import warming
from dse.storing import studies
from dse.sweeps import distributing, space, storages, sweep, urls
from tests.sweepdata import TEXT, said_by

SLOW = """
import sys, time
from dse.sweeps import distributing
real = distributing.Evaluator.__call__
def slowly(self, batch, *a):
    open(sys.argv[4], "w").close()
    time.sleep(1000)
distributing.Evaluator.__call__ = slowly
distributing.work(sys.argv[1], sys.argv[2], sys.argv[3])
"""
TRIALS = 16


def without_notes(said: str) -> list[str]:
    """Lines of stderr but those on environments of the space that cannot exist."""
    return [line for line in said.splitlines() if "as they cannot exist" not in line]


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    warming.warm([("direct", "count"), ("swap_id", "count")])


def environment() -> dict[str, str]:
    return {**os.environ, "DSE_HEARTBEAT": "1"}


def killed_in_mid_trial(url: str, tmp_path: Path) -> None:
    """Sweep without workers of its own, with a worker that is killed in mid-trial, and two that do the rest."""
    file = tmp_path / "small.toml"
    file.write_text(TEXT)
    whole = sweep(str(file), trials=TRIALS, sampler="tpe", seed=7, results=tmp_path / "alone")
    base = [sys.executable, "-m", "dse.cli"]
    command = [*base, "sweep", str(file), "--trials", str(TRIALS), "--sampler", "tpe", "--seed", "7", "--storage", url, "--workers", "0",
               "--format", "json", "--results", str(tmp_path / "shared")]  # fmt: skip
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True)]
    try:
        taken = tmp_path / "taken"
        victim = subprocess.Popen([sys.executable, "-c", SLOW, url, whole["study"], str(tmp_path / "v"), str(taken)], env=environment(),
                                  stderr=subprocess.PIPE)  # fmt: skip
        processes.append(victim)
        end = time.monotonic() + 60
        while not taken.exists() and time.monotonic() < end:
            time.sleep(0.1)
            if victim.poll() is not None:  # the study is not there yet
                victim = subprocess.Popen(victim.args, env=environment(), stderr=subprocess.PIPE)
                processes.append(victim)
        assert taken.exists()
        time.sleep(0.3)  # its first heartbeat
        victim.send_signal(signal.SIGKILL)
        for n in (1, 2):
            worker = [*base, "worker", "--study", whole["study"], "--results", str(tmp_path / f"w{n}")]
            processes.append(subprocess.Popen(worker, env={**environment(), "DSE_STORAGE": url}, stderr=subprocess.PIPE))
        out, err = processes[0].communicate(timeout=100)
        assert processes[0].returncode == 0, err
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    found = json.loads(out)
    assert said_by(found) == said_by(whole)
    rows = [studies.read_tables(tmp_path / r, whole["study"])["trials"] for r in ("alone", "shared")]
    assert rows[0] == rows[1]
    storage = storages.opened(url)
    trials = storage.get_all_trials(storage.get_study_id_from_name(whole["study"]))
    storages.close(storage)
    finished = [t.user_attrs["index"] for t in trials if distributing.MEASURES in t.user_attrs]
    assert sorted(finished) == list(range(TRIALS))  # nothing lost, nothing doubled
    assert all(t.user_attrs.get("host") for t in trials if distributing.MEASURES in t.user_attrs)


def test_journal(tmp_path: Path) -> None:
    killed_in_mid_trial(str(tmp_path / "journal.log"), tmp_path)


def test_own_workers_on_sqlite(tmp_path: Path) -> None:
    small = space.parse(TEXT, "small.toml", "small")
    whole = sweep(small, trials=10, sampler="nsga2", results=tmp_path / "alone")
    url = f"sqlite:///{tmp_path}/s.db"
    found = sweep(small, trials=10, sampler="nsga2", storage=url, workers=1, results=tmp_path / "shared")
    assert said_by(found) == said_by(whole)


@pytest.fixture
def postgres() -> Iterator[str]:
    """PostgreSQL of its own on a free loopback port."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'swapdse[postgres]'")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed (Debian package postgresql)")
    binaries = found[-1].parent
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="swapdse-pg-") as folder:
        Path(folder).chmod(0o777)
        data, secret = f"{folder}/data", f"{folder}/secret"
        Path(secret).write_text("s3cr3t", encoding="utf-8")
        Path(secret).chmod(0o644)
        subprocess.run([*user, binaries / "initdb", "-D", data, "-A", "scram-sha-256", "-U", "dse", "--pwfile", secret, "--no-sync"],
                       check=True, capture_output=True, cwd="/")  # fmt: skip
        options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories={folder} -c fsync=off"
        subprocess.run([*user, binaries / "pg_ctl", "-D", data, "-o", options, "-l", f"{folder}/log", "-w", "start"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")  # fmt: skip
        try:
            yield f"postgresql://dse:s3cr3t@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*user, binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"], check=False, capture_output=True, cwd="/")


def test_postgresql(postgres: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    killed_in_mid_trial(postgres, tmp_path)
    for path in (tmp_path / "shared").rglob("*"):
        assert not path.is_file() or b"s3cr3t" not in path.read_bytes()
    wrong = postgres.replace("s3cr3t", "wr0ng")
    assert main(["worker", "--storage", wrong, "--study", "x", "--results", str(tmp_path / "x")]) == 2
    said = capsys.readouterr().err
    assert "wr0ng" not in said
    assert ":***@" in said
    assert len(without_notes(said)) == 1
    assert main(["worker", "--storage", postgres, "--study", "nothing", "--results", str(tmp_path / "x")]) == 2
    assert "no study 'nothing'" in capsys.readouterr().err


OPEN = """
import sys
from dse.sweeps import storages
print("ready", flush=True)
sys.stdin.readline()
storages.close(storages.opened(sys.argv[1]))
"""


def opened_by_several(url: str, n: int = 4) -> None:
    """Processes that are the first to open a database, at once: each finds or makes its tables."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = [subprocess.Popen([sys.executable, "-c", OPEN, url], text=True, **pipes) for _ in range(n)]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=100)[1] for process in started]
    assert [process.returncode for process in started] == [0] * n, said


def test_a_new_database_opened_by_several_at_once(tmp_path: Path) -> None:
    for n in range(3):
        opened_by_several(f"sqlite:///{tmp_path}/{n}.db")


def test_a_new_postgresql_opened_by_several_at_once(postgres: str) -> None:
    opened_by_several(postgres)


def test_urls() -> None:
    for url, shown in (
        ("postgresql://u:p@ss:w@h:1/d", "postgresql://u:***@h:1/d"),
        ("postgresql://h/d?user=u&password=p%40&x=1", "postgresql://h/d?user=u&password=***"),
        ("journal.log", "journal.log"),
        ("--storage=postgresql://u:p@h/d", "--storage=postgresql://u:***@h/d"),
    ):
        assert urls.shown(url) == shown
    with pytest.raises(BadInput, match="a journal file, sqlite"):
        storages.opened("mysql://u:p@h/d")
    pytest.importorskip("grpc")
    with pytest.raises(BadInput, match="grpc://host:port"):
        storages.opened("grpc://host")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "argument --storage: an empty name is no storage"),
        ("grpc://u:s3cr3t@h:1/d", "'grpc://u:***@h:1/d' is not of the form grpc://host:port"),
        ("postgresql://u:s3cr3t", "is not of the form postgresql://user:password@host:port/database"),
        ("postgresql://u:s3cr3t@h:s3cr3t/d", "is not of the form postgresql://user:password@host:port/database"),
        ("mysql://u:s3cr3t@h/d", "'mysql://u:***@h/d': a storage is"),
        ("sqlite:////nowhere/at/all.db", "unable to open database file"),
        ("/dev/null/journal.log", "/dev/null/journal.log: "),
    ],
)
def test_hostile_urls(url: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small.toml").write_text(TEXT)
    assert main(["sweep", str(tmp_path / "small.toml"), "--trials", "1", "--storage", url, "--results", str(tmp_path / "r")]) == 2
    output = capsys.readouterr()
    assert said in output.err
    assert len(without_notes(output.err)) == 1
    assert not output.out


OF_MEMORY = (
    "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file::memory:?uri=true", "sqlite:///file:x?mode=memory&cache=shared&uri=1",
    "sqlite:///file:/x?vfs=memdb&uri=true", "sqlite:///file:?uri=true",
)  # fmt: skip


@pytest.mark.parametrize("url", OF_MEMORY)
def test_a_storage_in_memory(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A study there is lost, and each worker has a database of its own: refused before anything is stored."""
    (tmp_path / "small.toml").write_text(TEXT)
    sweeping = ["sweep", str(tmp_path / "small.toml"), "--trials", "1"]
    for command in (sweeping, ["worker", "--study", "x", "--once"]):
        assert main([*command, "--storage", url, "--results", str(tmp_path / "r")]) == 2
        output = capsys.readouterr()
        assert "is in memory" in output.err
        assert output.err.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_the_file_of_a_sqlite_storage() -> None:
    for url, path in (("sqlite:///s.db", "s.db"), ("sqlite:////srv/s.db?timeout=5", "/srv/s.db"),
                      ("sqlite:///file:/srv/a%20b.db?uri=true", "/srv/a b.db"), ("sqlite:///file:///srv/a.db?uri=yes", "/srv/a.db"),
                      ("sqlite:///file:a.db", "file:a.db")):  # fmt: skip
        assert urls.sqlite_file(url) == Path(path)


def test_dead_storages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no.db").mkdir()
    (tmp_path / "small.toml").write_text(TEXT)
    for url in (f"sqlite:///{tmp_path}/no.db", f"sqlite:///{tmp_path}/no/where.db"):
        assert main(["sweep", str(tmp_path / "small.toml"), "--trials", "1", "--storage", url, "--results", str(tmp_path / "r")]) == 2
        assert capsys.readouterr().err.count("storage sqlite") == 1


GRPC = """
import sys, warnings
warnings.simplefilter("ignore")
import optuna
storage = optuna.storages.RDBStorage(sys.argv[1])
optuna.storages.run_grpc_proxy_server(storage, host="127.0.0.1", port=int(sys.argv[2]))
"""


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[str]:
    """Optuna's gRPC proxy before a SQLite file, on a free loopback port."""
    pytest.importorskip("grpc", reason="grpcio is not installed: pip install 'swapdse[grpc]'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-c", GRPC, f"sqlite:///{tmp_path}/behind.db", str(port)], stderr=subprocess.DEVNULL)
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def test_grpc(proxy: str, tmp_path: Path) -> None:
    killed_in_mid_trial(proxy, tmp_path)


def test_dead_grpc(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed: pip install 'swapdse[grpc]'")
    monkeypatch.setattr(storages, "PATIENCE", 1)
    assert main(["worker", "--storage", "grpc://127.0.0.1:1", "--study", "x", "--results", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "storage grpc://127.0.0.1:1: " in said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("grpc://127.0.0.1:13000", "storage grpc:// needs grpc: pip install 'swapdse[grpc]'"),
        ("postgresql://u:s3cr3t@127.0.0.1/d", "storage postgresql:// needs psycopg: pip install 'swapdse[postgres]'"),
    ],
)
def test_missing_clients(url: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storages.importlib.util, "find_spec", lambda _: None)
    assert main(["worker", "--storage", url, "--study", "x", "--results", str(tmp_path)]) == 2
    output = capsys.readouterr()
    assert output.err == f"dse: error: {said}\n"
    assert not output.out


CONFIGURATION = {"design": "direct", "choice": {}, "environment": {}, "scenario_json": '{"workload": {}}', "config": {}}


@pytest.mark.parametrize("change", [
    {"design": 5}, {"choice": []}, {"environment": 5}, {"scenario_json": "{"}, {"scenario_json": "[1]"}, {"scenario_json": None},
    {"scenario_json": '{"workload": 5}'}, {"scenario_json": '{"a":' * 5000 + "1" + "}" * 5000},
])  # fmt: skip
def test_a_damaged_configuration_of_a_storage_is_one_line(change: dict[str, Any]) -> None:
    trial = optuna.trial.create_trial(
        state=optuna.trial.TrialState.WAITING, user_attrs={distributing.CONFIGURATION: json.dumps({**CONFIGURATION, **change})}
    )
    storage = optuna.storages.InMemoryStorage()
    with pytest.raises(BadInput, match="of the storage is damaged: it holds no configuration"):
        distributing._evaluated(storage, trial, lambda _: [{}])  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [None, "x", 5, [], ["nope"], [1]])
def test_damaged_objectives_of_a_storage_are_one_line(given: Any) -> None:
    with pytest.raises(BadInput, match="study s of the storage is damaged: its objectives are "):
        distributing._objectives("s", {} if given is None else {"objectives": given})
    assert distributing._objectives("s", {"objectives": ["move", "swap_in.chain"]}) == ["move", "swap_in.chain"]
