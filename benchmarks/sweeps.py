"""Sweeps: what a trial costs besides its replay, and how long a query of stored results takes.

Skipped where this commit has no ``dse.sweeps`` or no ``dse.querying`` yet.
"""

from __future__ import annotations

import importlib.util
import tempfile

from benchmarks import fixtures

version = fixtures.version(__file__)


def there(module: str) -> bool:
    """Does this commit have `module`?"""
    return importlib.util.find_spec(module) is not None


class Store:
    """Writing and scanning stored runs."""

    params = [[16]]
    param_names = ["runs"]

    def setup(self, runs: int) -> None:
        if not there("dse.storing"):
            raise NotImplementedError
        self.folder = tempfile.TemporaryDirectory(prefix="swapdse-bench-")

    def teardown(self, runs: int) -> None:
        self.folder.cleanup()
