"""The content-addressed cache: what was evaluated once is never evaluated again, by whatever study."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.common import digests, reading
from dse.common.writing import write_atomically
from dse.errors import BadInput
from dse.naming import registered
from dse.sweeps.space import Configuration

COUNTING = Path(__file__).with_name("counting.py")


@functools.cache
def code_digest() -> str:
    """SHA-256 of the sources that counted figures depend on.

    They are :mod:`dse.sweeps.counting`, the files of all registered designs, what either imports, and the packages in which
    these lie. No list of them is kept.
    """
    from kernels.compiling import sources

    files = [design.file for design in registered.registry().values()]
    inside = [file for file in files if Path(file).resolve().is_relative_to(sources.HERE)]
    digest = hashlib.sha256(registered.digest())
    digest.update(sources.stamp([COUNTING, *inside], ("kernels", "dse"), run_before=True).encode())
    return digest.hexdigest()


@functools.lru_cache(1 << 12)
def _trace_of(scenario_json: str) -> str | None:
    """Trace that a resolved scenario names, None where it names none."""
    try:
        found = json.loads(scenario_json)["workload"]["trace"]
    except (ValueError, KeyError, TypeError):
        return None  # a scenario that does not go together
    return None if found is None else str(found)


@functools.lru_cache(1 << 8)
def _content(path: Path, _written: int, _size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def trace_digest(scenario_json: str) -> str:
    """SHA-256 of the file of a scenario's trace, as it is now; empty where there is none."""
    from dse.workloads import trace

    name = _trace_of(scenario_json)
    if name is None:
        return ""
    try:
        path = trace.find(name)
        about = path.stat()
        return _content(path, about.st_mtime_ns, about.st_size)
    except (BadInput, OSError):
        return ""  # said when the trace is read


def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join([code_digest(), *parts]).encode()).hexdigest()


def key_of(configuration: Configuration) -> str:
    """Content address of a configuration's evaluation."""
    return _key(configuration.identity, trace_digest(configuration.scenario_json))


def stream_key(configuration: Configuration) -> str:
    """Content address of a demand stream."""
    return _key("stream", configuration.scenario_json, trace_digest(configuration.scenario_json))


class Cache:
    """Evaluations by key and streams by key, under a folder; those that were read stay in memory."""

    def __init__(self, results: str | os.PathLike[str]) -> None:
        self.root = Path(results) / "cache"
        self._known: dict[str, dict[str, Any]] = {}

    def _path(self, key: str, suffix: str) -> Path:
        return self.root / key[:2] / f"{key}.{suffix}"

    def get(self, key: str) -> dict[str, Any] | None:
        """An evaluation, None where there is none, or not the one that was stored."""
        if key not in self._known:
            try:
                found = reading.kept_json(self._path(key, "json"))
            except (OSError, ValueError):
                return None
            if not digests.whole(found, key) or "status" not in found:
                return None
            self._known[key] = {name: value for name, value in found.items() if name != digests.DIGEST}
        return self._known[key]

    def put(self, key: str, measures: Mapping[str, Any]) -> None:
        """Store an evaluation. One that failed for want of memory is kept in memory only."""
        self._known[key] = dict(measures)
        if not measures.get("transient"):
            self._write(key, "json", measures)

    def _write(self, key: str, suffix: str, document: Mapping[str, Any]) -> None:
        """Write a document with its digest. An entry that a crash leaves damaged is made again, so that nothing waits for the disk."""
        write_atomically(self._path(key, suffix), json.dumps(digests.sealed(document, key), sort_keys=True).encode(), durable=False)

    def stream(self, key: str) -> tuple[NDArray[np.uint64], dict[str, Any]] | None:
        """The demands of an environment (mapped) and what was said about them; None where there are none, or not those that were stored."""
        path = self._path(key, "npy")
        try:
            about = reading.kept_json(self._path(key, "stream.json"))
            if not digests.whole(about, key) or digests.of_file(path) != about["demands"]:
                return None
            demands = np.asarray(np.load(path, mmap_mode="c"))  # read-only arrays are a type of their own
        except (OSError, ValueError, EOFError, KeyError, RecursionError):
            return None
        return demands, about["about"]

    def put_stream(self, key: str, demands: NDArray[np.uint64], about: Mapping[str, Any]) -> None:
        """Store the demands of an environment."""
        import io

        buffer = io.BytesIO()
        np.save(buffer, demands)
        content = buffer.getvalue()
        write_atomically(self._path(key, "npy"), content, durable=False)
        self._write(key, "stream.json", {"demands": hashlib.sha256(content).hexdigest(), "about": dict(about)})
