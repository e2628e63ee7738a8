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
from dse.naming import registered
from dse.sweeps.space import Configuration

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = (
    "kernels/**/*.py", "dse/workloads/**/*.py", "dse/scenario.py", "dse/scenario_keys.py", "dse/modelling/ledger.py",
    "dse/modelling/sizes.py", "dse/sweeps/evaluating.py",
)  # fmt: skip
"""What a counted figure depends on."""


@functools.cache
def code_digest() -> str:
    """SHA-256 of the sources that counted figures depend on, designs from outside included."""
    digest = hashlib.sha256(registered.digest())
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def key_of(configuration: Configuration) -> str:
    """Content address of a configuration's evaluation."""
    return hashlib.sha256(f"{code_digest()}\n{configuration.identity}".encode()).hexdigest()


def stream_key(configuration: Configuration) -> str:
    """Content address of a demand stream."""
    return hashlib.sha256(f"{code_digest()}\nstream\n{configuration.scenario_json}".encode()).hexdigest()


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
