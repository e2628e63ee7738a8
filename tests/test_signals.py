"""Ctrl-C, SIGTERM and SIGHUP: heeded within seconds by every verb, and nothing that was started or made stays behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dse.cli import main
from dse.common import machine, signals, threads
from dse.common.signals import Terminated, terminated
from dse.measuring import warming
from dse.naming import processes
from dse.storing import limited
from dse.sweeps import distributing, workers
from dse.workloads import record

pytestmark = pytest.mark.usefixtures("heeded")


@contextlib.contextmanager
def soon(number: int, ready: Callable[[], bool]) -> Iterator[None]:
    """Send a signal to this process once it is ready for it, and see that what it ends ends at once."""
    sent: list[float] = []

    def send() -> None:
        while not ready():
            time.sleep(0.01)
        sent.append(time.monotonic())
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    yield
    thread.join()
    assert time.monotonic() - sent[0] < 5


def gone(process: int) -> bool:
    """Wait until a process is gone or a zombie; False if it stays."""
    for _ in range(50):
        try:
            state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_compiling_ends_at_once(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes are killed, and what waits is not begun."""
    started: list[subprocess.Popen[str]] = []
    real = subprocess.Popen

    def popen(*given: Any, **more: Any) -> subprocess.Popen[str]:
        started.append(real(*given, **more))
        return started[-1]

    monkeypatch.setattr(machine, "cores", lambda: 2)
    monkeypatch.setattr(warming, "kernel", lambda *pair: pair)
    monkeypatch.setattr(warming, "is_compiled", lambda *_: False)
    monkeypatch.setattr(processes, "command", lambda *_: [sys.executable, "-ISc", "import time; time.sleep(60)"])
    monkeypatch.setattr(subprocess, "Popen", popen)
    with soon(number, lambda: len(started) == 2), pytest.raises(KeyboardInterrupt) as caught, terminated(Terminated()):
        warming.warm([(f"design {n}", "count") for n in range(9)])
    assert isinstance(caught.value, Terminated) == (number == signal.SIGTERM)
    assert [process.returncode for process in started] == [-signal.SIGKILL] * 2


def test_what_a_thread_raises_ends_the_others() -> None:
    begun: list[int] = []

    def work(over: threading.Event) -> None:
        over.wait(5)
        begun.append(1)

    def fail(_: threading.Event) -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        threads.together([work, fail], lambda: begun.append(2))
    assert begun == [1]


def test_a_worker_that_starts_while_it_is_ended_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "command", lambda *_: [sys.executable, "-ISc", "import time; time.sleep(60)"])
    worker = workers.Worker(str(tmp_path))
    worker._ended = True
    process = worker._start()
    worker.stop()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_terminated_verb_clears_up(
    number: int, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The exception of a signal is the business of the command line, whatever the verb."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    there: list[Path] = []

    def answered(*_: object) -> None:
        there.extend(tmp_path.iterdir())
        signal.raise_signal(number)

    monkeypatch.setattr(limited, "_answered", answered)
    before = signal.getsignal(number)
    assert main(["query", "select 1", "--results", str(tmp_path)]) == status
    assert capfd.readouterr().err == "dse: terminated\n"
    assert len(there) == 1
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(number) is before


def test_a_second_signal_does_not_break_the_clearing_up() -> None:
    cleared: list[int] = []

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)  # timeout(1) sends it to the group as well
            cleared.append(1)

    with pytest.raises(Terminated), terminated(Terminated()):
        work()
    assert cleared


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_in_a_callback_is_not_lost(number: int, raised: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in a callback of LLVM would be dropped, and the compilation would fail without its object."""
    monkeypatch.setattr(signals, "SILENT", ("callback",))
    done: list[int] = []

    def callback() -> None:
        signal.raise_signal(number)
        done.append(1)

    def work() -> None:
        callback()
        time.sleep(5)

    with pytest.raises(raised), terminated(Terminated()):
        work()
    assert done


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_an_exception_that_python_ignores_comes_again(number: int, raised: type[BaseException]) -> None:
    """One in the callback of a weak reference is printed and dropped: a recorder went on, and its user pressed Ctrl-C a second time."""

    class Referred:
        pass

    def work() -> None:
        referred = Referred()
        callback = weakref.ref(referred, lambda _: signal.raise_signal(number))
        del referred
        time.sleep(5)
        assert callback

    began = time.monotonic()
    with pytest.raises(raised), terminated(Terminated()):
        work()
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_is_ignored_stays_so(number: int) -> None:
    """SIGHUP is under nohup(1)."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with terminated(Terminated()):
            signal.raise_signal(number)
    finally:
        signal.signal(number, before)


HUNG_UP = """
import os, pty, signal, sys, time
from dse.cli import main
from dse.storing import limited
limited._answered = lambda *_: (print("begun", flush=True), time.sleep(60))
sys.exit(main(["query", "select 1", "--results", sys.argv[1]]))
"""


def test_a_terminal_that_is_closed_ends_a_verb(tmp_path: Path) -> None:
    """Nothing is left, though no line can be printed any more."""
    ours, theirs = os.openpty()
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", HUNG_UP, str(tmp_path)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True) as process:
        os.close(theirs)
        assert os.read(ours, 5) == b"begun"
        assert len([*tmp_path.iterdir()]) == 1
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        assert process.wait(10) == 129
    assert not [*tmp_path.iterdir()]


def test_a_recorded_program_ends_with_all_that_it_started(tmp_path: Path) -> None:
    said = tmp_path / "pids"

    def ready() -> bool:
        return said.exists() and len(said.read_text(encoding="utf-8").split()) == 2

    with soon(signal.SIGTERM, ready), pytest.raises(Terminated), terminated(Terminated()):
        record.alone(["sh", "-c", f"sleep 60 & echo $$ $! > {said}; wait"])
    assert all(gone(int(number)) for number in said.read_text(encoding="utf-8").split())


def test_valgrind_makes_no_pipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A debugger would ask through them, and they stay in /tmp where valgrind is killed."""
    monkeypatch.setattr(record, "_tool", lambda *_: "valgrind")
    monkeypatch.setattr(record, "_first_line", lambda *_: "valgrind-3")
    given: list[str] = []

    def piped(argv: list[str], *ends: Any) -> Any:
        given.extend(argv)
        for end in ends[:2]:
            os.close(end)

    monkeypatch.setattr(record, "_piped", piped)
    record.with_lackey(["true"], 0, False, None)
    assert "--vgdb=no" in given[: given.index("--")]


ORPHAN = """
import sys, time, types
sys.modules["dse.sweeps.distributing"] = types.SimpleNamespace(work=lambda *a, **k: time.sleep(60))
from dse.cli import main
sys.exit(main(["worker", "--storage", "x", "--study", "s", "--of", sys.argv[1]]))
"""


def test_a_worker_ends_with_its_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says nothing, as nobody ended it; one that was started by hand has no sweep to end with."""
    command: list[str] = []
    monkeypatch.setattr(subprocess, "Popen", lambda argv, **_: command.extend(argv))
    distributing.Shared("journal://x", "s", None, None, 1, "r")._start()  # type: ignore[arg-type]
    assert command[command.index("--of") + 1] == str(os.getpid())
    monkeypatch.undo()
    done = subprocess.run([sys.executable, "-c", ORPHAN, "1"], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "")
