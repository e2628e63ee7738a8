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

from dse.common.writing import write_atomically
from dse.errors import BadInput
from dse.naming import registered
from dse.sweeps.space import Configuration

COUNTING = Path(__file__).with_name("counting.py")


@functools.cache
def code_digest() -> str:
    """SHA-256 of the sources that counted figures depend on.

    They are :mod:`dse.sweeps.counting`, the files of all registered designs, and what either imports. No list of them is kept.
    """
    from kernels.compiling import sources

    files = [design.file for design in registered.registry().values()]
    inside = [file for file in files if Path(file).resolve().is_relative_to(sources.HERE)]
    digest = hashlib.sha256(registered.digest())
    digest.update(sources.stamp([COUNTING, *inside], ("kernels", "dse")).encode())
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
        """An evaluation, None where there is none that can be read."""
        if key not in self._known:
            try:
                found = json.loads(self._path(key, "json").read_bytes())
            except (OSError, ValueError):
                return None
            if not isinstance(found, dict) or "status" not in found:
                return None
            self._known[key] = found
        return self._known[key]

    def put(self, key: str, measures: Mapping[str, Any]) -> None:
        """Store an evaluation. One that failed for want of memory is kept in memory only."""
        self._known[key] = dict(measures)
        if not measures.get("transient"):
            write_atomically(self._path(key, "json"), json.dumps(measures, sort_keys=True).encode())

    def stream(self, key: str) -> tuple[NDArray[np.uint64], dict[str, Any]] | None:
        """The demands of an environment (mapped, not read) and what was said about them."""
        try:
            about = json.loads(self._path(key, "stream.json").read_bytes())
            demands = np.asarray(np.load(self._path(key, "npy"), mmap_mode="c"))  # read-only arrays are a type of their own
        except (OSError, ValueError):
            return None
        return demands, about

    def put_stream(self, key: str, demands: NDArray[np.uint64], about: Mapping[str, Any]) -> None:
        """Store the demands of an environment."""
        import io

        buffer = io.BytesIO()
        np.save(buffer, demands)
        write_atomically(self._path(key, "npy"), buffer.getvalue())
        write_atomically(self._path(key, "stream.json"), json.dumps(about, sort_keys=True).encode())
