"""Compilation ahead of use: a look into the disk cache, and several processes that fill it at once."""

from __future__ import annotations

import contextlib
import functools
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from typing import Any

from dse import naming
from dse.common import machine, output, threads
from dse.errors import BadInput, refusals
from dse.naming import processes

Pair = tuple[str, str]
"""A design as text, NAME[param=value,...], and the kind of a probe."""
SMALL = dict.fromkeys(("zswap", "ssd", "hdd", "zram"), 8)
BAD = 2
"""Exit status of a process that refuses a design. The last line on stderr says why."""


def _config(named: naming.Named) -> Any:
    """The smallest state of a design."""
    from kernels.life import registry as state

    return state.Config(pages=8, slots=SMALL, parameters=named.control)


def kernel(text: str, kind: str) -> tuple[Any, type, str]:
    """Return the replay function, class of the state and probe of a pair: they are compiled once for all designs of a family."""
    named = naming.parse(text)
    return named.design.replay, named.design.class_for(_config(named)), kind


def _signature(state: type, kind: str) -> tuple[Any, ...]:
    """Numba types of the arguments of a replay on a class of state under a probe."""
    from numba import types

    from kernels.compiling.flat import FlatType
    from kernels.observing import probe

    cls = getattr(probe, kind.capitalize())
    return FlatType(state), FlatType(cls), types.Array(types.uint64, 2, "C"), types.Array(types.uint8, 1, "C")


def is_compiled(text: str, kind: str) -> bool:
    """Tell whether the replay of a design under probe `kind` need not be compiled.

    Where Numba does not say (interpreted, no cache folder), the answer is yes, and it is compiled when it is called.
    """
    run, state, _ = kernel(text, kind)
    cache = getattr(run, "_cache", None)
    if cache is None or not hasattr(cache, "_cache_file"):
        return True
    signature = _signature(state, kind)
    if signature in run.overloads:
        return True
    key = cache._index_key(signature, run.targetctx.codegen())
    return key in cache._cache_file._load_index()


def compile_pair(pair: Pair) -> None:
    """Compile one pair, or load it from the cache, by replaying nothing."""
    import numpy as np

    from kernels.observing import probe

    named = naming.parse(pair[0])
    named.design.replay(named.design.build(_config(named)), probe.make(pair[1]), np.zeros((0, 2), np.uint64), np.zeros(0, np.uint8))


Running = list[subprocess.Popen[str]]


def _compile_apart(pairs: queue.SimpleQueue[Pair], progress: output.Progress, running: Running, over: threading.Event) -> None:
    """Compile pairs in another interpreter until none is left or `over` is set. As it is a plain process, a script needs no guard."""
    command = processes.command("dse.measuring.warming")
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as said,
        subprocess.Popen(command, env=processes.environ(), stdin=pipe, stdout=pipe, stderr=said, text=True) as process,
    ):
        assert process.stdin is not None  # noqa: S101 - a pipe
        assert process.stdout is not None  # noqa: S101 - a pipe
        running.append(process)
        if over.is_set():  # meanwhile
            process.kill()
        name = ""
        while not over.is_set():
            try:
                name = ":".join(pairs.get_nowait())
            except queue.Empty:
                break
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(f"{name}\n")
                process.stdin.flush()
            if not process.stdout.readline():  # it ended, and says why
                break
            progress.step(1, name)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()
        said.seek(0)
        told = said.read().strip()
    if process.returncode == BAD:
        raise BadInput(told.splitlines()[-1])
    if process.returncode:
        raise RuntimeError(f"compiling {name} failed: {told[-2000:]}")


def warm(pairs: Iterable[Pair]) -> int:
    """Compile the pairs that the disk cache lacks, on all cores, and report it when it takes longer than two seconds.

    Parameters
    ----------
    pairs : iterable of (str, str)
        Designs as text and kinds of probes.

    Returns
    -------
    int
        Number of pairs compiled.
    """
    cold = [pair for pair in {kernel(*pair): pair for pair in pairs}.values() if not is_compiled(*pair)]
    if not cold:
        return 0
    with output.Progress("compiling kernels (kept for the next run)", len(cold)) as progress:
        workers = min(len(cold), machine.cores())
        if workers < 2:
            for pair in cold:
                compile_pair(pair)
                progress.step(1, ":".join(pair))
        else:
            _compile_all(cold, workers, progress)
    return len(cold)


def _compile_all(cold: Iterable[Pair], workers: int, progress: output.Progress) -> None:
    """Compile pairs in several interpreters at once, which an interruption ends."""
    waiting: queue.SimpleQueue[Pair] = queue.SimpleQueue()
    for pair in cold:
        waiting.put(pair)
    running: Running = []

    def end() -> None:
        for process in running:
            process.kill()

    threads.together([functools.partial(_compile_apart, waiting, progress, running)] * workers, end)


def main(names: Iterable[str]) -> int:
    """Compile pairs, each named ``DESIGN:PROBE`` on a line; each is named on stdout when it is done."""
    try:
        for name in (line.strip() for line in names):
            compile_pair((name.partition(":")[0], name.partition(":")[2]))
            sys.stdout.write(f"{name}\n")
            sys.stdout.flush()
    except refusals() as error:
        sys.stderr.write(f"{error}\n")
        return BAD
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or iter(sys.stdin.readline, "")))
