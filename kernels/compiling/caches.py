"""A disk cache of compiled kernels that sees edits.

Numba's own disk cache notices an edit of the file of the cached function only. After an edit of a helper in another file it would
return old code. :class:`SourceHashLocator` stamps every cache entry with a hash of the file of the function and of all files of this
package that it imports, directly or not (:mod:`kernels.compiling.sources`): an edit recompiles what depends on it and nothing else.
:class:`KernelCache` tells kernels of designs from outside apart by their content too (:mod:`kernels.compiling.contents`).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numba import config
from numba.core import caching

from kernels.compiling import contents, sources

FOLDER = {"lean": "swapdse-numba", "plain": "swapdse-numba-plain"}
"""The folder of each way to compile."""


class SourceHashLocator(caching._CacheLocator):  # type: ignore[misc]
    """Cache files under ``NUMBA_CACHE_DIR`` or the user's cache folder, stamped with a hash of the sources."""

    way = "lean"

    def __init__(self, py_func: Any, py_file: str) -> None:
        self._file = self._py_file = py_file
        self._line = py_func.__code__.co_firstlineno
        base = config.CACHE_DIR or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        self._path = os.path.join(base, FOLDER[self.way], self.get_suitable_cache_subpath(py_file))

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


@contextlib.contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Hold the lock of a folder: other processes that ask for it wait. It ends with the process; where there are no locks, go on."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class CacheFile(caching.IndexDataCacheFile):  # type: ignore[misc]
    """Cache files that may be damaged, or name a probe or state whose module is missing: such files are ignored.

    What is pickled has its SHA-256 behind it: with one bit flipped machine code may still load, and count something else.
    """

    UNREADABLE = (
        pickle.UnpicklingError,
        ImportError,
        AttributeError,
        LookupError,
        EOFError,
        ValueError,
        TypeError,
        MemoryError,
        OverflowError,
    )

    def _dump(self, obj: Any) -> bytes:
        data = bytes(super()._dump(obj))
        return data + hashlib.sha256(data).digest()

    def _load_data(self, name: str) -> Any:
        data = Path(self._data_path(name)).read_bytes()
        _require_digest(data)
        return pickle.loads(data)  # noqa: S301 - a file of ours, with its digest

    def _load_index(self) -> dict[Any, str]:
        try:
            with contextlib.suppress(FileNotFoundError), open(self._index_path, "rb") as file:
                pickle.load(file)  # noqa: S301 - the release of Numba, as a text
                _require_digest(file.read())
            found: dict[Any, str] = super()._load_index()
        except self.UNREADABLE:
            return {}
        return found

    def save(self, key: Any, data: Any) -> None:
        """Keep an entry. Processes that save at once wait for each other: the index is read, changed and written."""
        with _alone(self._cache_path):
            super().save(key, data)

    def load(self, key: Any) -> Any:
        """The entry of a signature, None if there is none."""
        try:
            return super().load(key)
        except self.UNREADABLE:
            return None


def _require_digest(data: bytes) -> None:
    """Check the digest behind pickled data.

    Raises
    ------
    ValueError
        It is missing or that of something else.
    """
    size = hashlib.sha256().digest_size
    if hashlib.sha256(data[:-size]).digest() != data[-size:]:
        raise ValueError("damaged")


class KernelCache(caching.FunctionCache):  # type: ignore[misc]
    """The cache of a kernel; entries of a design from outside have the digest of their content in their key."""

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        key = super()._index_key(sig, codegen)
        classes = tuple(found.instance_class for found in getattr(sig, "args", sig) if hasattr(found, "instance_class"))
        content = contents.digest_of(self._py_func, classes)
        return (*key, content) if content else key


_STOCK = "UserProvidedCacheLocator,InTreeCacheLocator,InTreeCacheLocatorFsAgnostic,UserWideCacheLocator,IPythonCacheLocator"


def install(way: str) -> None:
    """Keep kernels, compiled ``lean`` or ``plain``, in files that :class:`SourceHashLocator` finds."""
    SourceHashLocator.way = way
    if not config.CACHE_LOCATOR_CLASSES:
        config.CACHE_LOCATOR_CLASSES = f"{__name__}.SourceHashLocator,{_STOCK}"


def keep(dispatcher: Any) -> None:
    """Have the cache of a dispatcher tell kernels apart by their content, and bear files that are damaged."""
    dispatcher._cache.__class__ = KernelCache
    dispatcher._cache._cache_file.__class__ = CacheFile
