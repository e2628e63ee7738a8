"""Storages of Optuna by URL: a journal file, SQLite, PostgreSQL, the gRPC proxy. Passwords never leave this module."""

from __future__ import annotations

import contextlib
import importlib.util
import mmap
import os
import re
import time
import urllib.parse
import warnings
from collections.abc import Iterator
from pathlib import Path

import optuna
from optuna.storages.journal import JournalFileBackend

from dse import secrets
from dse.common import options, output, reading
from dse.common.writing import JOURNAL
from dse.errors import BadInput
from dse.sweeps.locks import FileLock
from dse.sweeps.urls import check, shown, sqlite_file

HEARTBEAT = options.variable("DSE_HEARTBEAT", 5, 1, 3600)
GRACE = 4 * HEARTBEAT
"""Seconds between two signs of life, and without one until a worker counts as dead."""
FORMS = "a journal file, sqlite:///file, postgresql://user@host/database or grpc://host:port"
PATIENCE = 10
"""Seconds that a server has for its first answer."""
MEANT = re.compile(
    rf"\s*(?:{secrets.DATABASES}|sqlite|grpc|file)\s*(?::|//)|\s*(?:host|hostaddr|port|dbname|user|service|sslmode)\s*=", re.IGNORECASE
)
"""Start of a text that names a database, though not as a URL does."""
REFUSALS = 3
"""Times that an evaluation may come back as another than was asked for."""
ENTRY_MOST = 1 << 24
"""Most bytes of a journal's line that is looked at."""
ATTEMPTS = 6
"""Attempts to make the tables of a database that others are making at the same time."""


class SharedLock(FileLock):
    """Lock of a journal that any number of programs write: whoever has it ends the last line first."""

    def _locked(self) -> None:
        """End the journal where its last whole line does: behind half of one, of a killed writer, nothing could be read.

        Raises
        ------
        BadInput
            What it ends with is no beginning of an entry: somebody's text, which is left.
        """
        if _is_ended(self._path):
            return
        with self._path.open("r+b") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            start = content.rfind(b"\n") + 1
            line = content[start:]
        with self._path.open("r+b") as file:
            if _is_entry(line):
                file.seek(0, os.SEEK_END)
                file.write(b"\n")
            elif not _is_begun(line):
                raise BadInput(f"{self._path}: its last line is no beginning of an entry of Optuna's; nothing is written to it")
            else:
                file.truncate(start)
                output.note(f"{self._path}: its last line, {len(line):,} B that a killed writer left, was not whole and is cut")


def journal(path: Path) -> JournalFileBackend:
    """Open the journal file at `path`, of one study."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalFileBackend(str(path), lock_obj=FileLock(path))


def shared(path: Path) -> JournalFileBackend:
    """Open the journal file at `path`, of many studies and programs; its last line is whole afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = SharedLock(path)
    if not _is_ended(path) and _has_entries(path):
        lock.acquire()
        lock.release()
    return JournalFileBackend(str(path), lock_obj=lock)


def _is_ended(path: Path) -> bool:
    """Return True for a file that is not there, is empty, or ends with a line."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 1))
            return file.read() in (b"", b"\n")
    except FileNotFoundError:
        return True


def _has_entries(path: Path) -> bool:
    """Return True for a file whose whole lines are entries, and that has one: what it ends with is a journal's, nobody's text."""
    with path.open("rb") as file:
        lines = [_is_entry(line) for line in file if line.endswith(b"\n")]
    return bool(lines) and all(lines)


def is_journal(path: Path) -> bool:
    """Return True for an empty file, and where the first and last lines are entries; a killed writer leaves half of the last."""
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.readline(ENTRY_MOST)
        file.seek(max(0, size - ENTRY_MOST))
        last = file.read().removesuffix(b"\n").rpartition(b"\n")[2]
    if not size:
        return True
    if not first.endswith(b"\n"):
        return first.startswith(JOURNAL) or JOURNAL.startswith(first)
    return _is_entry(first) and (_is_entry(last) or (not _is_ended(path) and (len(last) == ENTRY_MOST or _is_begun(last))))


def _is_begun(line: bytes) -> bool:
    """Return True for what a killed writer leaves of an entry: its beginning, or the zeros that a file system had in its place."""
    begun = line.lstrip(b"\0")
    return begun.startswith(JOURNAL) or JOURNAL.startswith(begun)


def _is_entry(line: bytes) -> bool:
    """Return True for an operation as Optuna writes it."""
    try:
        found = reading.parsed_json(line)
    except (BadInput, ValueError):
        return False
    return isinstance(found, dict) and "op_code" in found


@contextlib.contextmanager
def whole(path: Path, *, ours: bool = True) -> Iterator[None]:
    """Turn what Optuna raises on a file that is no journal of its own into one line.

    Parameters
    ----------
    path : path
        The journal.
    ours : bool
        True for that of one study, which can be made anew; False for one that may have studies of others.

    Raises
    ------
    BadInput
        The path is a folder, pipe or device, or the journal is none or damaged.
    """
    why = reading.why_not(path)
    if why and why != "no such file":
        raise BadInput(f"{path}: {why}")
    if not why and not is_journal(path):
        raise BadInput(f"{path}: no journal of Optuna, or a damaged one; nothing is written to it")
    try:
        how = " (remove it to begin anew)" if ours else "; nothing is written to it"
        with reading.parsing(path, f"no journal of Optuna, or a damaged one{how}"):
            yield
    except optuna.exceptions.OptunaError as error:
        raise BadInput(f"{path}: a damaged journal: {reading.reason(error)}") from None


def missing(module: str, extra: str, what: str) -> None:
    """Refuse `what` where `module` is not installed."""
    if importlib.util.find_spec(module) is None:
        raise BadInput(f"{what} needs {module}: pip install 'swapdse[{extra}]'")


@contextlib.contextmanager
def reported(url: str) -> Iterator[None]:
    """Turn a database's message into one line without secrets."""
    try:
        yield
    except (BadInput, KeyboardInterrupt):
        raise
    except Exception as error:
        if not _is_storage_error(error):
            raise
        said = " ".join(secrets.safe(str(getattr(error, "orig", None) or error)).split())
        raise BadInput(f"storage {shown(url)}: {said[:300] or type(error).__name__}") from None


def _is_storage_error(error: Exception) -> bool:
    """Return True if an exception comes from a database or its client."""
    clients = {"sqlalchemy", "psycopg", "psycopg2", "pg8000", "grpc", "optuna", "sqlite3", "alembic"}
    modules = {cls.__module__.partition(".")[0] for cls in type(error).__mro__}
    return bool(modules & clients) or isinstance(error, OSError)


def opened(url: str, *, make: bool = True) -> optuna.storages.BaseStorage:
    """Open the storage at `url`.

    Parameters
    ----------
    url : str
        Path of a journal file, ``sqlite:///file``, ``postgresql://...``, ``grpc://host:port``.
    make : bool
        Make a journal file, or a file of SQLite, that is not there.

    Raises
    ------
    BadInput
        Unknown kind, an extra that is missing, a file that is not there and not to be made, or a database that does not answer.
    """
    scheme = url.partition("://")[0] if "://" in url else ""
    if not url:
        raise BadInput(f"a storage is {FORMS}")
    secrets.know(url)
    check(url)
    engine = url
    if re.match(r"sqlite(?:\+\w+)?:(?!///)(?!//(?:\?|$))", url):
        raise BadInput(f"storage {shown(url)!r}: a file of SQLite has three slashes before it, sqlite:///FILE")
    with reported(url), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if scheme in ("", "journal"):
            _require_file(url)
            path = Path(url.removeprefix("journal://"))
            _require_there(path, make)
            with whole(path, ours=False):
                return optuna.storages.JournalStorage(shared(path))
        if scheme == "grpc":
            host, _, port = url.removeprefix("grpc://").strip("/").partition(":")
            if not (host and port.isdigit()) or "@" in host:
                raise BadInput(f"storage {shown(url)!r} is not of the form grpc://host:port")
            missing("grpc", "grpc", "storage grpc://")
            proxy = optuna.storages.GrpcStorageProxy(host=host, port=int(port))
            proxy.wait_server_ready(timeout=PATIENCE)
            return proxy
        if scheme.partition("+")[0] == "postgresql":
            missing("psycopg", "postgres", "storage postgresql://")
            if "@" in re.split(r"[/?]", url.partition("://")[2].partition("@")[2], maxsplit=1)[0]:
                raise BadInput(f"storage {shown(url)!r}: a password in a URL has %40 for @ (urllib.parse.quote writes it)")
            engine = "postgresql+psycopg://" + url.partition("://")[2]
        elif scheme != "sqlite":
            raise BadInput(f"storage {shown(url)!r}: a storage is {FORMS}")
        elif secrets.holds(url):
            raise BadInput(f"storage {shown(url)!r}: SQLite takes no password")
        else:
            _require_there(sqlite_file(url), make)
        try:
            return _database(engine)
        except ValueError:  # whose text may hold a part of the password
            raise BadInput(f"storage {shown(url)!r} is not of the form {scheme}://user:password@host:port/database") from None


def _require_file(url: str) -> None:
    """Refuse what would become a journal file of a name that was meant for a database.

    Raises
    ------
    BadInput
        The name holds a password, a scheme, or is libpq's ``host=... dbname=...``.
    """
    path = url.removeprefix("journal://")
    if secrets.holds(path) or MEANT.match(path) or MEANT.match(urllib.parse.unquote(path)):
        raise BadInput(f"storage {shown(path)!r} is no file: a storage is {FORMS}")


def _require_there(path: Path, make: bool) -> None:
    """Refuse a file that is not there and is not to be made.

    Raises
    ------
    BadInput
        It is not there.
    """
    if not make and not path.exists():
        raise BadInput(f"storage {path}: no such file; dse sweep --storage makes it")


def _database(url: str) -> optuna.storages.RDBStorage:
    """Open a database, with a heartbeat whose dead trials come back as waiting ones.

    Several processes may be the first to open it. Optuna has each make the tables, and all but one fail. Those find them on
    another try. Optuna takes a URL for a template: braces are doubled.
    """
    template = url.replace("{", "{{").replace("}", "}}")
    retry = optuna.storages.RetryHeartbeatStaleTrialCallback()
    patience = {"connect_timeout": PATIENCE} if url.startswith("postgresql") else {"timeout": 60}
    attempt = 1
    while True:
        try:
            return optuna.storages.RDBStorage(
                template, engine_kwargs={"connect_args": patience}, heartbeat_interval=HEARTBEAT, grace_period=GRACE,
                heartbeat_stale_trial_callback=retry,
            )  # fmt: skip
        except Exception as error:
            if attempt == ATTEMPTS or not _is_made_already(error):
                raise
            time.sleep(0.2 * attempt)
            attempt += 1


def _is_made_already(error: Exception) -> bool:
    """Return True if an exception says that another process has just made a table, or its first row."""
    import sqlalchemy.exc

    exists = isinstance(error, sqlalchemy.exc.DBAPIError) and "already exists" in str(error.orig)
    return exists or isinstance(error, sqlalchemy.exc.IntegrityError)


def close(storage: optuna.storages.BaseStorage) -> None:
    """Give connections back."""
    storage.remove_session()
    if isinstance(storage, optuna.storages.RDBStorage):
        storage.engine.dispose()
    elif isinstance(storage, optuna.storages.GrpcStorageProxy):
        storage.close()
