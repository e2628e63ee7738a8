"""Writing of files: whole or not at all, with the permissions of the user's mask, and one line where a disk is full."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from dse.common import digests, names, reading
from dse.errors import BadInput, refusal


@functools.cache
def _mask() -> int:
    """The process's mask of permissions. Temporary files are for their owner only."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file by rename: readers see nothing or all of it."""
    write_together({path: content}, durable=durable)


def sync_folder(path: Path) -> None:
    """Make the entries of a folder durable, where the file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


OF_A_FOLDER = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOTDIR, errno.EEXIST, errno.ENOENT,
)  # fmt: skip
"""Refusals that come from a folder of results or its disk."""


@contextlib.contextmanager
def stored_under(results: str | os.PathLike[str]) -> Iterator[None]:
    """One line where a folder of results cannot be written or the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in OF_A_FOLDER:
            raise
        file = f" ({error.filename})" if error.filename else ""
        raise BadInput(f"cannot store under {os.fspath(results)}: {refusal(error)}{file}; what was stored stays") from error


@contextlib.contextmanager
def locked(path: Path, refused: str) -> Iterator[None]:
    """Hold a lock file alone. The kernel frees the lock of a process that is killed.

    Raises
    ------
    BadInput
        Another process holds it; the message is `refused`. Or the path is no file: a pipe would be waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if (why := reading.why_not(path)) in reading.KINDS.values():
        raise BadInput(f"{path}: {why}: it is in the way of a lock file; remove it")
    with path.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(refused) from None
        yield


def write_together(contents: Mapping[Path, bytes], *, durable: bool = True) -> None:
    """Write files by rename, once all of them are written. On a full disk all files stay unchanged.

    Parameters
    ----------
    contents : mapping of Path to bytes
        The files, in the order in which they appear.
    durable : bool
        Have each on the disk before it gets its name. Not needed for what is checked when it is read and can be made again.
    """
    hidden: dict[Path, Path] = {}
    path = Path()
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
            hidden[path] = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            hidden[path].chmod(0o666 & ~_mask())
        for path, written in hidden.items():
            written.replace(path)
        for folder in {path.parent for path in contents} if durable else ():
            sync_folder(folder)
    except BaseException as error:
        for written in hidden.values():
            with contextlib.suppress(OSError):
                written.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = os.fspath(path)  # the final name, not the temporary one
        raise


JOURNAL = b'{"op_code":'
"""Beginning of every entry of a journal of Optuna."""
TRACE = b"header.npy"
"""First member of the archive of a trace, whose name stands :data:`MEMBER` bytes behind the beginning."""
MEMBER = 30
SQLITE = (b"SQLite format 3\0", b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
"""First bytes of a database of SQLite, of its write-ahead log, and of its journal (sqlite.org/fileformat.html)."""
LINKS_MOST = 40
"""Most links that lead from one to the next, as in Linux."""
PATIENCE = 10.0
"""Seconds that the reader of a pipe has to open it."""


def _opened(path: Path) -> int:
    """Open a pipe or device to write. An ordinary open of a pipe would wait for its reader for ever."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        if time.monotonic() >= end:
            raise BadInput(f"{path} is a pipe that nobody reads")
        time.sleep(0.02)


def _write_directly(path: Path, content: bytes) -> None:
    """Write to a pipe or device."""
    handle = _opened(path)
    os.set_blocking(handle, True)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def _holds(target: Path, trace: bool = True) -> bool:
    """Return True for a file whose first bytes are those of a journal, a database or a `trace`, whatever its name."""
    if not target.is_file():
        return False
    with target.open("rb") as file:
        head = file.read(64)
    return head.startswith((JOURNAL, *SQLITE)) or (trace and head.startswith(b"PK\3\4") and head[MEMBER:].startswith(TRACE))


FOLDERS = ("runs", "studies", "cache", "answers", "reports", "asv", "linux")
"""Folders that a folder of results keeps."""
RESULTS = "results"
"""Name of a folder of results that commands make where none is named."""


def _is_place(target: Path) -> bool:
    """Return True for a name that results will take as a folder: a part of a cache, or one of their folders, there or not yet."""
    within, stored = target.parent, ("runs", "studies")
    if within.name == "cache" and re.fullmatch("[0-9a-f]{2}", target.name):
        return True
    if within.name in stored and names.STORED[within.name].fullmatch(target.name):
        return True
    kept = any((within / name).is_dir() for name in FOLDERS if name not in ("reports", "linux", target.name))
    return target.name in FOLDERS and (within.name == RESULTS or kept)


def _is_stored(target: Path, trace: bool = True) -> bool:
    """Return True for a place within a stored run, study or record, among what a folder of results keeps, and for a store by its content.

    A `trace` counts as one unless another takes its place.
    """
    within = target.parent
    inside = {
        "runs": (digests.SUMS, "ops.parquet"),
        "studies": (digests.SUMS, "settings.json", "journal.log"),
        "linux": (digests.SUMS, "provenance.json"),
    }
    if any((within / name).exists() for name in inside.get(within.parent.name, ())):
        return True
    if within.parent.name == "runs" and names.STORED["runs"].fullmatch(within.name):
        return True
    if _is_place(target):
        return True
    kept = ("cache", within.parent.name), ("answers", within.name)
    if any(kind == folder and names.STORED[kind].fullmatch(target.name) for kind, folder in kept):
        return True
    return target.name in (digests.listed(within) or ()) or _holds(target, trace)


def check_stored(target: Path, *, trace: bool = True) -> None:
    """Refuse to write over something that is stored, or among it.

    Parameters
    ----------
    target : path
        Where something is to be written.
    trace : bool
        Refuse a file that is a trace, too: where a trace is written, another one may be replaced.

    Raises
    ------
    BadInput
        It is stored there.
    """
    if _is_stored(reading.resolved(target), trace):
        raise BadInput(f"{target} is a stored result, or lies among them; say another file")


def form_of(path: str | os.PathLike[str] | None, endings: Mapping[str, str], asked: str | None = None) -> str | None:
    """Form of a file by its ending, None where the ending is that of none.

    Parameters
    ----------
    path : path, optional
        The file.
    endings : mapping of str to str
        Endings by form.
    asked : str, optional
        What was asked for.

    Raises
    ------
    BadInput
        The ending is that of another form than was asked for.

    Examples
    --------
    >>> form_of("q.CSV", {"csv": ".csv"}), form_of("q.txt", {"csv": ".csv"}, "json")
    ('csv', None)
    """
    suffix = Path(path).suffix.lower() if path is not None else ""
    found = next((form for form, ending in endings.items() if ending == suffix), None)
    if found is not None and asked not in (None, found):
        raise BadInput(f"{path} ends as {found} does, and {asked} was asked for: give it another ending")
    return found


def check_target(path: str | os.PathLike[str], results: str | os.PathLike[str] | None = None) -> Path:
    """Refuse a file that a user named and that cannot be written as it is meant: a name that was mistyped makes no folders.

    Parameters
    ----------
    path : path
        The file.
    results : path, optional
        Folder of results of the command, there or not yet.

    Raises
    ------
    BadInput
        The path is a folder or a stored result, or lies in a folder that is not there.
    """
    target = Path(path)
    if target.is_dir():
        raise BadInput(f"{target} is a folder; say a file")
    check_stored(target)
    if results is not None and reading.resolved(target).parent == reading.resolved(results) and target.name in FOLDERS:
        raise BadInput(f"{target} is a stored result, or lies among them; say another file")
    for parent in (target.parent, reading.resolved(target).parent):
        if not parent.exists() and _descriptor(target) is None:
            raise BadInput(f"{target}: no such folder {os.fspath(parent)!r}")
    return target


def save(path: str | os.PathLike[str], content: bytes) -> str:
    """Write a file whole or not at all and return its path. A pipe or device is written directly, and so is /dev/stdout.

    What a link points to is written, and the link stays: /dev/stdout is one, which a rename would replace for all programs.

    Raises
    ------
    BadInput
        The path is a folder, a pipe that nobody reads, or a stored result, or lies in a folder that is not there.
    """
    target = check_target(path)
    number = _descriptor(target)
    if number is not None:
        with os.fdopen(os.dup(number), "wb") as file:
            file.write(content)
    elif target.exists() and not target.is_file():
        _write_directly(target, content)
    else:
        write_atomically(reading.resolved(target), content)
    return os.fspath(path)


def _descriptor(target: Path) -> int | None:
    """Descriptor of this process that a link such as /dev/stdout names; None for any other path. It may append, or be behind other text."""
    for _ in range(LINKS_MOST):
        folder = os.path.realpath(target.parent)
        if folder in (f"/proc/{os.getpid()}/fd", f"/proc/self/task/{os.getpid()}/fd") and target.name.isdigit():
            return int(target.name)
        if not target.is_symlink():
            return None
        target = Path(folder, os.readlink(target))
    return None
