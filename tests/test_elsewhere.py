"""Processes of ours in the folder of another checkout: they import our code, or refuse the work."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dse.errors import BadInput
from dse.naming import parse, processes
from dse.sweeps import space, sweep, workers
from dse.testing import bounds
from kernels.compiling import sources
from tests.sweepdata import TEXT, said_by

DECOYS = ("queue", "json", "numpy", "runpy", "tempfile", "optuna")
EDITED = """

_kept = count

def count(*args):
    found = _kept(*args)
    for row in found["ops"].values():
        row["lines"] *= 7
    return found
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: another checkout, whose code counts otherwise, with files named like modules of others."""
    folder = tmp_path / "checkout"
    for package in ("dse", "kernels"):
        shutil.copytree(sources.HERE / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.npz", "*.csv"))
    with (folder / "dse" / "sweeps" / "counting.py").open("a") as file:
        file.write(EDITED)
    for name in DECOYS:
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name} of the current directory was imported')")
    monkeypatch.chdir(folder)
    return folder


def swept(results: Path, **more: Any) -> tuple[str, dict[str, Any]]:
    """Sweep; return what it says, and the evaluations that it leaves in the cache."""
    small = space.parse(TEXT, "small.toml", "small")
    found = sweep(small, trials=10, sampler="random", results=results, **more)
    return said_by(found), {path.name: json.loads(path.read_bytes()) for path in (results / "cache").rglob("*.json")}


def test_a_sweep_is_the_same_wherever_it_runs(elsewhere: Path, tmp_path: Path) -> None:
    """Front, winners and counters, for 1, 2 and 4 workers, and for one that shares a storage."""
    alone = swept(tmp_path / "1", workers=1)
    for n in (2, 4):
        assert swept(tmp_path / f"{n}", workers=n) == alone
    said, _ = swept(tmp_path / "shared", workers=1, storage=str(tmp_path / "journal.log"))
    assert said == alone[0]


def test_a_worker_refuses_work_of_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = next(space.parse(TEXT, "small.toml", "small").every())
    monkeypatch.setattr(workers, "code_digest", lambda: "an earlier one")
    worker = workers.Worker(str(tmp_path))
    try:
        with pytest.raises(BadInput, match="a new worker has other code than this process"):
            worker.call("evaluate", configuration)
    finally:
        worker.stop()
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("elsewhere")
def test_other_processes_of_ours() -> None:
    command, env = processes.command("dse.measuring.warming"), processes.environ(PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(command, env=env, input="direct:count\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "direct:count\n", "")
    assert bounds.finding(parse("direct"), 1, 20) == ""


def test_a_stray_file_beside_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the packages is searched for them alone, also where it is on no path."""
    (tmp_path / "queue.py").write_text("raise SystemExit('imported')")
    for package in ("dse", "kernels"):
        (tmp_path / package).symlink_to(sources.HERE / package)
    monkeypatch.setattr(sources, "HERE", tmp_path)
    done = subprocess.run(processes.command("dse.cli", "--version"), env=processes.environ(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_paths_that_depend_on_the_folder_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", ["", ".", "lib", "/somewhere"])
    monkeypatch.setenv("PYTHONPATH", ":/x")
    assert processes.search_path() == ["/somewhere"]
    assert "PYTHONPATH" not in processes.environ()
