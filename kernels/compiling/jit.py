"""How kernels are compiled: option sets, unsigned constants, dispatch by type, and a cache that sees edits.

Numba's own disk cache notices an edit of the file of the cached function only, not of the helpers it calls in other files, and would
hand back old results. :class:`SourceHashLocator` stamps every cache entry with a hash of the file of the function and of all files of this
package that it imports, directly or not (:mod:`kernels.compiling.sources`): an edit recompiles what depends on it and nothing else.
"""

from __future__ import annotations

import functools
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import config, njit, types
from numba.core import caching
from numba.core.typing.templates import infer_global

from kernels.compiling import linking, pipeline, sources

BASE: dict[str, Any] = {
    "nogil": True, "_nrt": False, "error_model": "numpy", "no_cfunc_wrapper": True, "pipeline_class": pipeline.LeanCompiler,
}  # fmt: skip
CALLED: dict[str, Any] = {**BASE, "no_cpython_wrapper": True}
INNER: dict[str, Any] = CALLED
OUTER: dict[str, Any] = {**BASE, "cache": True}

INTERPRETED = bool(config.DISABLE_JIT)


def inner(fn: Callable[..., Any]) -> Any:
    """Helper that is inlined into its caller: small, or on the hot path."""
    return njit(**INNER)(fn)


def called(fn: Callable[..., Any]) -> Any:
    """Helper that stays a function of its own: large, rarely run, or called from very many places."""
    linking.keep_apart(fn)
    return njit(**CALLED)(fn)


def hot(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a helper, below :func:`inner` or :func:`called`, as one that every swap-in or swap-out runs (:data:`linking.INLINED`)."""
    linking.keep_hot(fn)
    return fn


def outer(fn: Callable[..., Any]) -> Any:
    """Entry point called from Python; kept in the disk cache."""
    dispatcher = njit(**OUTER)(fn)
    if not INTERPRETED:
        dispatcher.compile = linking.compiling(dispatcher.compile)
        dispatcher._cache._cache_file.__class__ = CacheFile
    return dispatcher


u = np.uint64
"""Unsigned 64-bit constant (Numba 0.68 types ``uint64 + 1`` as signed, which costs twice the time on overlapped loads)."""


def operation(fn: Callable[..., Any]) -> Any:
    """Make `fn` a generic operation, dispatched on the class of its first argument when it is compiled.

    ``fn.register(cls, impl)`` binds an implementation, itself an :func:`inner` or :func:`called` function. Under
    ``NUMBA_DISABLE_JIT=1`` the same table is asked at each call.
    """
    table: dict[type, Any] = {}

    @functools.wraps(fn)
    def generic(*args: Any) -> Any:
        impl = table[type(args[0])]
        return impl(*args)

    if not INTERPRETED:
        infer_global(generic, types.Function(linking.dispatch_on_class(generic, table)))

    def register(cls: type, impl: Any) -> None:
        table[cls] = impl

    generic.register = register  # type: ignore[attr-defined]
    generic.table = table  # type: ignore[attr-defined]
    return generic


class SourceHashLocator(caching._CacheLocator):  # type: ignore[misc]
    """Cache files under ``NUMBA_CACHE_DIR`` or the user's cache folder, stamped with a hash of the sources."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        self._file = self._py_file = py_file
        self._line = py_func.__code__.co_firstlineno
        base = config.CACHE_DIR or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        self._path = os.path.join(base, "swapdse-numba", self.get_suitable_cache_subpath(py_file))

    def get_cache_path(self) -> str:
        return self._path

    def get_source_stamp(self) -> str:
        return sources.stamp([self._file])

    def get_disambiguator(self) -> str:
        return str(self._line)

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> SourceHashLocator | None:
        if not os.path.exists(py_file):
            return None
        locator = cls(py_func, py_file)
        try:
            locator.ensure_cache_path()
        except OSError:
            return None
        return locator


class CacheFile(caching.IndexDataCacheFile):  # type: ignore[misc]
    """Cache files that may be damaged, or name a probe or state whose module is not to be found here: that is as if they were not there."""

    UNREADABLE = (pickle.UnpicklingError, ImportError, AttributeError, LookupError, EOFError, ValueError, TypeError)

    def _load_index(self) -> dict[Any, str]:
        try:
            found: dict[Any, str] = super()._load_index()
        except self.UNREADABLE:
            return {}
        return found

    def load(self, key: Any) -> Any:
        """What is kept for a signature, None if nothing is."""
        try:
            return super().load(key)
        except self.UNREADABLE:
            return None


_STOCK = "UserProvidedCacheLocator,InTreeCacheLocator,InTreeCacheLocatorFsAgnostic,UserWideCacheLocator,IPythonCacheLocator"
if not config.CACHE_LOCATOR_CLASSES:
    config.CACHE_LOCATOR_CLASSES = "kernels.compiling.jit.SourceHashLocator," + _STOCK
linking.install()
pipeline.install()
