"""Worker processes: plain interpreters that evaluate configurations from stdin, so that a caller's script is never imported twice.

A worker that dies is replaced and its configuration tried once more; a second death is the configuration's result.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from dse.common import threads
from dse.errors import BadInput
from dse.naming import processes
from dse.sweeps.caching import Cache, code_digest, key_of, stream_key
from dse.sweeps.space import Configuration

Measures = dict[str, Any]
TRIES = 2
REFUSED = "refused"
"""Key of an error of the operating system in a worker: number, text, file."""
CODE = "code"
"""Key of the digest of the code: of a request, and of an answer that refuses it."""


class Worker:
    """Worker process."""

    def __init__(self, results: str) -> None:
        self.results = results
        self._ended = False
        self._process: subprocess.Popen[str] | None = None

    def _start(self) -> subprocess.Popen[str]:
        command = processes.command("dse.sweeps.workers", self.results)
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=processes.environ())
        self._process = process
        if self._ended:  # meanwhile
            process.kill()
        return process

    def call(self, work: str, configuration: Configuration) -> Measures:
        """Have `work` done on a configuration.

        Raises
        ------
        BadInput
            The process has other code than this one: the sources were edited meanwhile.
        """
        for _ in range(TRIES):
            if self._ended:
                break
            if self._process is None:
                self._process = self._start()
            try:
                assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101, PT018 - both are pipes
                self._process.stdin.write(json.dumps({"work": work, CODE: code_digest(), **as_json(configuration)}) + "\n")
                self._process.stdin.flush()
                answer = self._process.stdout.readline()
            except (OSError, ValueError):
                answer = ""
            if answer.endswith("\n"):
                found: Measures = json.loads(answer)
                if CODE in found:
                    raise BadInput("the code was edited while the sweep ran: a new worker has other code than this process; start it anew")
                if REFUSED in found:
                    raise OSError(*found[REFUSED])
                return found
            self.stop()
        return {"status": "failed: the process that evaluated it died", "transient": True}

    def end(self) -> None:
        """Kill the process while another thread waits for its answer, and start no other one."""
        self._ended = True
        process = self._process
        if process is not None:
            process.kill()

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._process.kill()
            self._process.wait()
            self._process = None


def as_json(configuration: Configuration) -> dict[str, Any]:
    """Configuration as JSON; :func:`from_json` reads it back."""
    return {field.name: getattr(configuration, field.name) for field in dataclasses.fields(configuration)}


def from_json(given: dict[str, Any]) -> Configuration:
    """Read a configuration."""
    return Configuration(**{field.name: given[field.name] for field in dataclasses.fields(Configuration)})


class Evaluator:
    """Evaluator of configurations in parallel, each once, through the cache.

    Parameters
    ----------
    results : path
        Folder of the cache.
    workers : int
        Processes; 1 evaluates in this process.

    Attributes
    ----------
    evaluated : int
        Configurations that were not in the cache.
    step : callable
        Called for each configuration of a batch when its evaluation is in the cache.
    """

    def __init__(self, results: str | os.PathLike[str], workers: int = 1) -> None:
        self.cache = Cache(results)
        self.evaluated = 0
        self.step: Callable[[], None] = lambda: None
        self._workers = [Worker(str(results)) for _ in range(workers)] if workers > 1 else []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()

    def __call__(self, batch: Sequence[Configuration]) -> list[Measures]:
        """Evaluate a batch; return the answers in its order. Each is in the cache as soon as it is there."""
        keys = [key_of(configuration) for configuration in batch]
        todo = {key: c for key, c in zip(keys, batch, strict=True) if self.cache.get(key) is None}
        streams = {stream_key(c): c for c in todo.values()}
        self._all("prepare", [c for key, c in streams.items() if self.cache.stream(key) is None], lambda *_: None)
        wanted, lock = list(todo), threading.Lock()
        for _ in range(len(batch) - len(todo)):
            self.step()

        def keep(number: int, measures: Measures) -> None:
            self.cache.put(wanted[number], measures)
            with lock:
                self.step()

        self._all("evaluate", list(todo.values()), keep)
        self.evaluated += len(todo)
        return [self.cache.get(key) or {"status": "failed: the cache was removed"} for key in keys]

    def _all(self, work: str, todo: Sequence[Configuration], keep: Callable[[int, Measures], None]) -> None:
        """Do `work` on every configuration, each on a free worker; `keep` has the number and the answer of each."""
        if not self._workers or len(todo) < 2:
            for number, configuration in enumerate(todo):
                keep(number, do(work, configuration, self.cache))
            return
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for i in range(len(todo)):
            waiting.put(i)

        def serve(worker: Worker, over: threading.Event) -> None:
            with contextlib.suppress(queue.Empty):
                while not over.is_set():
                    i = waiting.get_nowait()
                    keep(i, worker.call(work, todo[i]))

        def end() -> None:
            for worker in self._workers:
                worker.end()

        threads.together([functools.partial(serve, worker) for worker in self._workers[: len(todo)]], end)


def do(work: str, configuration: Configuration, cache: Cache) -> Measures:
    """Prepare an environment, or evaluate a configuration."""
    from dse.sweeps import evaluating

    if work == "prepare":
        evaluating.prepare(configuration, cache)
        return {}
    return evaluating.evaluate(configuration, cache)


def serve(results: str) -> None:
    """Answer requests from stdin on stdout, a line each, until stdin ends."""
    cache = Cache(Path(results))
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = do(asked["work"], from_json(asked), cache) if asked[CODE] == code_digest() else {CODE: code_digest()}
        except OSError as error:
            answer = {REFUSED: [error.errno, error.strerror, str(error.filename or "")]}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    try:
        serve(sys.argv[1])
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(1)
