"""Journal of a study that one process writes: a generation at a time, each under a seal, so that a changed bit is no other answer.

Optuna's entries carry no digest. The seal beside the journal has the size and the SHA-256 of what was written, before and after the last
generation. It is written first. A process that is killed between the two leaves a journal that is as it was before, or has a part of the
generation behind that: the part is cut off and counted anew. What other programs append behind is left as it is, and is under the next
seal.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend

from dse.common import digests, reading
from dse.common.writing import write_atomically
from dse.errors import BadInput
from dse.sweeps import locks, storages

SEAL = ".seal"
"""End of the name of a journal's seal."""


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold the lock of a journal."""
    lock = locks.FileLock(path)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _seal_of(path: Path) -> Path:
    """Path of a journal's seal."""
    return path.with_name(path.name + SEAL)


def _seal(path: Path) -> tuple[tuple[int, str], ...]:
    """Sizes and digests that a journal's seal has, before and after the last generation; none where there is no seal.

    Raises
    ------
    BadInput
        The seal itself was changed.
    """
    seal = _seal_of(path)
    try:
        found = reading.kept_json(seal)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError):
        found = None
    if not digests.whole(found, path.name):
        raise BadInput(f"{seal}: {digests.CHANGED}; remove it and {path.name}, and the trials are counted anew")
    return tuple((int(size), str(digest)) for size, digest in (found["before"], found["after"]))


def _whole(path: Path, content: bytes) -> int:
    """Bytes of a journal that are whole: without a line that a killed process had begun, and without a last generation that has changed.

    Raises
    ------
    BadInput
        What was written before is not what is there now.
    """
    seal = _seal(path)
    if not seal:
        return content.rfind(b"\n") + 1
    before, after = seal
    if _is(content, *after):
        return content.rfind(b"\n") + 1
    if len(content) <= after[0] and _is(content, *before):
        return before[0]
    raise BadInput(f"{path}: {digests.CHANGED}; remove it and {path.name}{SEAL}, and the trials are counted anew")


def _is(content: bytes, size: int, digest: str) -> bool:
    """Return True if a content begins with so many bytes of that digest."""
    return len(content) >= size and hashlib.sha256(content[:size]).hexdigest() == digest


class Generations(BaseJournalBackend):  # type: ignore[misc]  # optuna is not read
    """Journal that is written once a generation: appended entries stay in memory until :meth:`flush`.

    Raises
    ------
    BadInput
        The journal is not what was written.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, storages.journal(path)
        self._read, self._all = 0, False
        self._pending: list[dict[str, Any]] = []
        self._begin()

    def _begin(self) -> None:
        """Hold the journal against its seal, and cut off what is not whole."""
        with _held(self._path), self._path.open("rb+") as file:
            content = file.read()
            if not content:
                _seal_of(self._path).unlink(missing_ok=True)  # of a journal that was removed
            end = _whole(self._path, content)
            if end != len(content):
                file.truncate(end)
            self._sealed, self._hash = end, hashlib.sha256(content[:end])

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Entries from a number on: the file as it was at first, then what was appended here. Others may append to the file meanwhile."""
        if not self._all:
            for number, entry in enumerate(self._file.read_logs(0)):
                self._read = number + 1
                if number >= log_number_from:
                    yield entry
            self._all = True
        yield from self._pending[max(0, log_number_from - self._read) :]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries."""
        self._pending += logs

    def flush(self) -> None:
        """Write everything appended since the last time, in one go, behind its seal."""
        if not self._pending:
            return
        content = "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in self._pending).encode()
        with _held(self._path), self._path.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            if size < self._sealed:
                raise BadInput(f"{self._path}: shorter than it was; another program cut it")
            file.seek(self._sealed)
            digest = self._hash.copy()
            digest.update(file.read())
            before = (size, digest.hexdigest())
            digest.update(content)
            sealed = digests.sealed({"before": before, "after": (size + len(content), digest.hexdigest())}, self._path.name)
            write_atomically(_seal_of(self._path), json.dumps(sealed).encode())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._sealed, self._hash = size + len(content), digest
        self._read += len(self._pending)
        self._pending = []
