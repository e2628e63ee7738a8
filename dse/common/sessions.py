"""Programs in sessions of their own, which end with all that they started, whatever groups of processes that made.

Where this process is killed, so that it can end nothing, a watcher does: this file, run as a program.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

SESSION, STATE = 3, 0
"""Fields of ``/proc/PID/stat`` behind the name of the program (proc_pid_stat(5)), counted from 0."""
TURNS, PAUSE = 50, 0.02
"""Looks for what is left, as a process may start another while it is ended, and seconds between two."""
DONE = b"done"


def members(session: int) -> list[int]:
    """Processes of a session that are not gone yet; without /proc, its leader."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[SESSION]) == session and fields[STATE] not in "ZX":
                found.append(int(stat.parent.name))
    return found


def kill(session: int) -> None:
    """Kill every process of a session."""
    for _ in range(TURNS):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(session, signal.SIGKILL)
        left = members(session)
        for process in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        if not left:
            return
        time.sleep(PAUSE)


@contextlib.contextmanager
def started(argv: Sequence[str], **given: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a program, and wait for it. Whatever is raised meanwhile ends it and all that it started.

    It has a session of its own: it may read the terminal, and Ctrl-C there reaches this process, which ends it.
    """
    process = subprocess.Popen(argv, start_new_session=True, **given)
    try:
        with _watched(process.pid):
            yield process
            process.wait()
    except BaseException:
        kill(process.pid)
        raise
    finally:
        process.wait()


@contextlib.contextmanager
def _watched(session: int) -> Iterator[None]:
    """Have another process kill a session should this one be killed: that one reads a pipe, which then ends without a word."""
    command = [sys.executable, "-I", "-S", __file__, str(session)]
    nothing = subprocess.DEVNULL
    with subprocess.Popen(command, start_new_session=True, stdin=subprocess.PIPE, stdout=nothing, stderr=nothing) as watcher:
        try:
            yield
        finally:
            with contextlib.suppress(BrokenPipeError):
                watcher.communicate(DONE)


def watch(session: int) -> None:
    """Kill a session once stdin ends, unless a word says before that all is done."""
    if not sys.stdin.buffer.read():
        kill(session)


def run(argv: Sequence[str], timeout: float, **given: Any) -> int:
    """Run a program and return its exit status.

    Raises
    ------
    subprocess.TimeoutExpired
        It took longer; nothing of it runs any more.
    """
    with started(argv, **given) as process:
        return process.wait(timeout)


if __name__ == "__main__":
    watch(int(sys.argv[1]))
