"""Indices of a design's kernels, checked: compiled kernels do not check them, the same kernels as plain Python do.

``python -m dse.testing.bounds DESIGN SEED DEMANDS`` with ``NUMBA_DISABLE_JIT=1`` replays random demands and prints the first exception.
"""

from __future__ import annotations

import subprocess
import sys
import traceback
from pathlib import Path

from dse import naming
from dse.naming import mistakes, processes
from dse.testing import conformance, streams, subjects

SECONDS = 600
"""Time after which a run that hangs is ended."""
END = "\n(end)\n"
"""Last words of such a process: without them it did not come to its end, whatever its status."""


def finding(named: naming.Named, seed: int, demands: int) -> str:
    """Replay demands on the kernels as plain Python, in a process of its own.

    Parameters
    ----------
    named : Named
        A design with values for its parameters.
    seed, demands : int
        Seed and length of the stream.

    Returns
    -------
    str
        The exception, with file and line; empty if there is none.
    """
    return plain_python("dse.testing.bounds", named.text, str(seed), str(demands))


def plain_python(module: str, *arguments: str) -> str:
    """Run `module` with `arguments` on kernels as plain Python, in a process of its own; return what it says, or its error."""
    command = processes.command(module, *arguments)
    env = processes.environ(NUMBA_DISABLE_JIT="1")
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"{arguments[-1]} demands take longer than {SECONDS} s as plain Python: a loop does not end"
    said, ended, _ = done.stdout.rpartition(END)
    if done.returncode == 0 and ended:
        return said.strip()
    if done.returncode == 0:
        return "it ends the process, with status 0 and without a word (os._exit?)"
    return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"ended with status {done.returncode}"


def replayed(text: str, seed: int, demands: int) -> str:
    """Replay demands here; the exception with file and line, empty if there is none."""
    named = naming.parse(text)
    run = conformance.Run.of(named.design.name, streams.TINY, **subjects.control(named))
    try:
        run.replay(streams.random_demands(streams.TINY, demands, seed))
    except Exception as error:  # noqa: BLE001 - whatever a kernel does as plain Python
        frames = traceback.extract_tb(error.__traceback__)
        mine = Path(named.design.file).resolve().parent
        at = next((f for f in reversed(frames) if Path(f.filename).resolve().parent == mine), frames[-1])
        return f"{Path(at.filename).name}:{at.lineno}: {type(error).__name__}: {mistakes.text_of(error)}{mistakes.meant(error)}"
    return ""


if __name__ == "__main__":
    sys.stdout.write(replayed(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])) + END)
