"""Programs end with all that they started, in whatever groups of processes; dse bench leaves nothing of asv's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dse.benching import gate, launch, revisions
from dse.benching.results import Suite
from dse.common import repositories, sessions
from dse.common.signals import Terminated, terminated
from dse.errors import BadInput, CheckFailed
from dse.naming import processes
from tests.test_signals import gone, soon

ASV = """
import os, pathlib, subprocess, sys, tempfile, time
child = subprocess.Popen([sys.executable, "-ISc", "import time; time.sleep(60)"], preexec_fn=lambda: os.setpgid(0, 0))
folder = tempfile.mkdtemp()
pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} {child.pid} {folder}")
time.sleep(60)
"""


@pytest.fixture
def asv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An asv that writes its number, that of a child in a group of its own as asv starts them, and its folder, and then hangs."""
    said = tmp_path / "said"
    monkeypatch.setattr(processes, "command", lambda *_: [sys.executable, "-ISc", ASV, str(said)])
    return said


def request(tmp_path: Path) -> launch.Request:
    """Request of benchmarks whose folders are those of a test."""
    return launch.Request(str(tmp_path), [], [], str(tmp_path / "home"), str(tmp_path / "results"), "m", "3.11")


def nothing_left(said: Path) -> None:
    """See that no process of asv's is left, and no folder."""
    first, second, folder = said.read_text(encoding="utf-8").split()
    assert gone(int(first))
    assert gone(int(second))
    assert not Path(folder).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_of_asv(number: int, asv: Path, tmp_path: Path) -> None:
    def ready() -> bool:
        return asv.exists() and len(asv.read_text(encoding="utf-8").split()) == 3

    with soon(number, ready), pytest.raises(Terminated) as caught, terminated(Terminated()):
        launch.launch(request(tmp_path), 60)
    assert caught.value.number == number
    nothing_left(asv)


def test_an_asv_that_takes_too_long_ends_as_a_whole(asv: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="asv was stopped after 2 s"):
        launch.launch(request(tmp_path), 2)
    nothing_left(asv)


def test_discovery_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs in threads, two at once."""
    begun: list[int] = []

    def suite_at(_: Path, commit: str, told: object) -> tuple[Suite, str]:
        with sessions.started([sys.executable, "-ISc", "import time; time.sleep(60)"]) as process:
            told(process.pid)  # type: ignore[operator]
            begun.append(process.pid)
            process.wait()
        return Suite(), commit

    monkeypatch.setattr(revisions, "suite_at", suite_at)
    options = gate.Options(tmp_path, "a", "b", "", False, tmp_path, tmp_path, "m", "3.11")
    with soon(signal.SIGTERM, lambda: len(begun) == 2), pytest.raises(Terminated), terminated(Terminated()):
        gate.suites(options)
    assert all(gone(process) for process in begun)


def test_a_process_that_is_gone_is_in_no_session() -> None:
    with sessions.started(["sleep", "60"]) as process:
        assert sessions.members(process.pid) == [process.pid]
        began = time.monotonic()
        sessions.kill(process.pid)
    assert process.returncode == -signal.SIGKILL
    assert time.monotonic() - began < 5
    sessions.kill(process.pid)
    with pytest.raises(subprocess.TimeoutExpired):
        sessions.run(["sleep", "60"], 0.1)
    assert os.getsid(0) != process.pid


KILLED = """
import os, signal, sys
from dse.common import sessions
with sessions.started([sys.executable, "-ISc", sys.argv[1], sys.argv[2]]):
    while not os.path.exists(sys.argv[2]) or len(open(sys.argv[2]).read().split()) < 3:
        pass
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_takes_along_what_it_started(tmp_path: Path) -> None:
    said = tmp_path / "said"
    done = subprocess.run([sys.executable, "-c", KILLED, ASV, str(said)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    first, second, _ = said.read_text(encoding="utf-8").split()
    assert gone(int(first))
    assert gone(int(second))


def test_what_a_program_leaves_behind_is_left_where_all_is_done(tmp_path: Path) -> None:
    """A program that ends by itself may leave a daemon."""
    said = tmp_path / "said"
    assert sessions.run([sys.executable, "-ISc", ASV.rpartition("time.sleep")[0], str(said)], 60) == 0
    child = int(said.read_text(encoding="utf-8").split()[1])
    time.sleep(0.3)
    os.kill(child, 0)
    os.kill(child, signal.SIGKILL)


def test_a_commit_that_cannot_be_unpacked_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full, say."""
    root = Path(revisions.__file__).resolve().parents[2]
    tar = tmp_path / "tar"
    tar.write_text("#!/bin/sh\necho 'tar: No space left on device' >&2\nexit 2\n", encoding="utf-8")
    tar.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    head = revisions.commit_of(root, "HEAD")
    with (
        pytest.raises(BadInput, match=f"{head[:8]} cannot be unpacked into .*: tar: tar: No space left"),
        revisions.checked_out(root, head),
    ):
        pass


def test_a_git_that_hangs_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("git", 120)

    monkeypatch.setattr(repositories, "git", hangs)
    with pytest.raises(BadInput, match="git status takes longer than 120 s"):
        revisions.git(tmp_path, "status")
