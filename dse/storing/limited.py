"""Queries in a process of their own, under a limit of time and memory: what ends it ends no other work."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from dse.common import output, reading
from dse.errors import BadInput
from dse.naming import processes
from dse.storing import guarding, querying

SECONDS, MEMORY = 60.0, 4 << 30
"""Limits of a query where no others are given: time [s], memory [B]."""


def query(
    sql: str | None, preset: str | None, results: str | os.PathLike[str], seconds: float = SECONDS, memory: int = MEMORY
) -> pl.DataFrame:
    """Ask as :func:`dse.storing.querying.query` does, in another process.

    Parameters
    ----------
    sql, preset, results
        As there.
    seconds : float
        Time after which the process is ended [s].
    memory : int
        Memory that it may take [B].

    Raises
    ------
    BadInput
        Whatever is wrong with the query, or a limit that it reaches.
    """
    if sql is not None:
        guarding.guard(sql)
    with tempfile.TemporaryDirectory(prefix="swapdse-query-") as folder:
        answer = Path(folder) / "answer.arrow"
        asked = {"sql": sql, "preset": preset, "results": os.fspath(results), "memory": memory, "answer": str(answer)}
        try:
            done = _answered(asked, seconds)
        except subprocess.TimeoutExpired:
            raise BadInput(f"the query took more than {seconds:g} s: ask for less, or give it more time (--timeout)") from None
        for line in done.stderr.splitlines():
            if line.startswith("dse: "):
                output.note(line.removeprefix("dse: "))
        if done.returncode == 0 and answer.exists():
            return pl.read_ipc(io.BytesIO(answer.read_bytes()))
        said = _said(done.stdout)
        if said:
            raise BadInput(said)
        raise BadInput(
            f"the query engine gave up (status {done.returncode}): the query needs more than {memory / (1 << 30):.3g} GiB (--memory), "
            "or is deeper than the engine can go"
        )


GRACE = 5.0
"""Seconds that a process lives after its time where its parent has not ended it."""
MOST_SECONDS = 2e6
"""Longest time that a process is waited for: poll(2) counts milliseconds in 32 bits."""


def unreadable(files: Sequence[Path]) -> str:
    """Name of the first Parquet file that cannot be read whole, empty if all can.

    Polars ends its process over some damaged files (a page that says it has 2^61 bytes), so files of others are read in another one first.
    """
    asked = {"files": [os.fspath(path) for path in files], "memory": MEMORY}
    try:
        done = _answered(asked, SECONDS)
    except subprocess.TimeoutExpired as error:
        known = str(error.stdout or "").splitlines()
    else:
        if done.returncode == 0:
            return ""
        known = done.stdout.splitlines()
    return next((path.name for path in files if os.fspath(path) not in known), "")


def _answered(asked: Mapping[str, Any], seconds: float) -> subprocess.CompletedProcess[str]:
    """Ask a process of ours."""
    command, seconds = processes.command(__name__), min(seconds, MOST_SECONDS)
    given = json.dumps({**asked, "seconds": seconds, "parent": os.getpid()})
    return subprocess.run(
        command, input=given, env=processes.environ(), capture_output=True, text=True, errors="replace", timeout=seconds, check=False
    )


def _guarded(asked: Mapping[str, Any]) -> None:
    """End this process soon after its time, and with its parent."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, asked["seconds"] + GRACE)
    processes.end_with(asked["parent"])


def _said(text: str) -> str:
    """Refusal that the process printed, empty if it printed none."""
    try:
        return str(json.loads(text)["refused"])
    except (ValueError, KeyError, TypeError):
        return ""


def serve() -> int:
    """Answer one query from stdin: a file of Arrow, or a refusal on stdout. Of files, print those that can be read."""
    asked: dict[str, Any] = json.load(sys.stdin)
    _guarded(asked)
    most = min(asked["memory"], *(limit for limit in resource.getrlimit(resource.RLIMIT_DATA) if limit != resource.RLIM_INFINITY), 1 << 62)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for path in asked.get("files", []):
        pl.read_parquet(path)
        sys.stdout.write(f"{path}\n")
        sys.stdout.flush()
    if "files" in asked:
        return 0
    try:
        found = querying.query(asked["sql"], preset=asked["preset"], results=asked["results"])
        found.write_ipc(asked["answer"])
    except BadInput as error:
        sys.stdout.write(json.dumps({"refused": str(error)}))
        return 2
    except MemoryError:
        return 1
    except Exception as error:  # noqa: BLE001 - the other process says it
        kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
        sys.stdout.write(json.dumps({"refused": f"the query failed, and not for its size: {kind}{reading.reason(error)}"}))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(serve())
