"""Lock of a journal file, which Optuna's own programs heed and no killed process holds."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import re
import stat
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileOpenLock

from dse.errors import BadInput

MARK, PART, MARK_MOST = re.compile(rb"(?:\d+ \d+ \d+)?"), re.compile(rb"\d*(?: \d*){0,2}"), 62
"""Content of the file beside a journal that says who holds its lock, the beginning of it, and its most bytes."""
NO_MARK = "{path} is in the way: a file of that name, which is not of dse, is left as it is; rename it, or the journal"


class FileLock:
    """Lock of a journal file: Optuna's own, so that other programs wait for us and we for them, behind one of the operating system.

    Optuna's is a file, which a killed process leaves behind. Ours queue for the system's lock, which no killed process holds; whoever has
    it notes which of Optuna's files is ours, and the next one removes that at once instead of after half a minute.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._optuna = JournalFileOpenLock(str(path.absolute()))
        self._theirs, self._ours = Path(f"{path}.lock"), Path(f"{path}.owner")
        self._file: Any = None

    def _opened(self) -> Any:
        """Open the file of the mark.

        Raises
        ------
        BadInput
            Something else lies there: a link, a pipe or a folder.
        """
        try:
            number = os.open(self._ours, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise
            raise BadInput(NO_MARK.format(path=self._ours)) from None
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise BadInput(NO_MARK.format(path=self._ours))
        return io.FileIO(number, "r+")

    def _left(self, *, alone: bool) -> bytes:
        """Read what the last holder left; without the system's lock that may be a part of a mark.

        Raises
        ------
        BadInput
            No mark of ours, or Optuna's file has content: it would be removed after a while.
        """
        self._file.seek(0)
        left: bytes = self._file.read(MARK_MOST + 1)
        if not (MARK if alone else PART).fullmatch(left):
            raise BadInput(NO_MARK.format(path=self._ours))
        with contextlib.suppress(FileNotFoundError):
            found = self._theirs.lstat()
            if not stat.S_ISLNK(found.st_mode) and (found.st_size or not stat.S_ISREG(found.st_mode)):
                raise BadInput(NO_MARK.format(path=self._theirs))
        return left

    def _mark(self) -> bytes:
        """Mark of Optuna's file that no other file has; empty where there is none."""
        try:
            found = self._theirs.lstat()
        except OSError:
            return b""
        return f"{found.st_dev} {found.st_ino} {found.st_mtime_ns}".encode()

    def _queued(self) -> bool:
        """Wait for the system's lock; False where the file system has none, so that only Optuna's holds."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError:
            return False
        return True

    def _note(self, mark: bytes) -> None:
        """Write whose file Optuna's is; where the disk is full, a killed process is waited for."""
        with contextlib.suppress(OSError):
            self._file.truncate(0)
            self._file.write(mark)

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._file = self._opened()
        try:
            alone = self._queued()
            left = self._left(alone=alone)
            if alone and left and left == self._mark():
                self._theirs.unlink(missing_ok=True)
            self._optuna.acquire()
        except BaseException:
            self._file.close()
            raise
        try:
            self._note(self._mark())
            self._locked()
        except BaseException:
            self.release()
            raise
        return True

    def _locked(self) -> None:
        """Look after the journal, whose lock is held."""

    def release(self) -> None:
        """Give the lock back."""
        with contextlib.suppress(RuntimeError):  # somebody took it away after Optuna's grace period: what was written is whole
            self._optuna.release()
        self._note(b"")
        self._file.close()
