"""Files that users give: whether one can be read at all, and one place that turns every failure of parsing into a line."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import lzma
import os
import re
import stat
import struct
import tokenize
import tomllib
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dse import secrets
from dse.errors import BadInput, refusal

TEXT_MOST = 1 << 20
"""Most bytes of a TOML text; a longer one is no scenario, space or question."""
DEEPEST = 32
"""Most tables and lists within one another."""
WHOLE_MOST = (1 << 63) - 1
"""Largest whole number of a TOML text, as its specification asks for."""
SHOWN = 200
"""Most characters of a reason."""
SHORT = 60
"""Most characters of a value in a message."""
FAILURES = (
    OSError, EOFError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, MemoryError, RecursionError, SyntaxError,
    AssertionError, NotImplementedError, Warning, RuntimeError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zipfile.LargeZipFile,
    zlib.error, lzma.LZMAError,
)  # fmt: skip
"""Errors of the readers of NumPy, zipfile and json, and of ours, on bytes that they do not expect."""
KINDS = {
    stat.S_IFDIR: "is a folder, not a file", stat.S_IFIFO: "is a pipe, not a file", stat.S_IFSOCK: "is a socket, not a file",
    stat.S_IFCHR: "is a device, not a file", stat.S_IFBLK: "is a device, not a file",
}  # fmt: skip
STATEMENT = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?!")|\'\'\'.*?\'\'\'(?!\')|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|(?P<bracket>[\[\]{}])|(?P<end>\n)',
    re.DOTALL,
)
"""Parts of TOML that tell where a statement ends."""


def why_not(path: str | os.PathLike[str]) -> str:
    """Say why a path is no file that can be read; return an empty string if it is one. Nothing is opened, so that no pipe is waited for.

    Examples
    --------
    >>> why_not("/dev/null"), why_not("/"), why_not("/nowhere")
    ('is a device, not a file', 'is a folder, not a file', 'no such file')
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return "no such file"
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        return refusal(error) if isinstance(error, OSError) else "no such file"
    return KINDS.get(stat.S_IFMT(mode), "" if os.access(path, os.R_OK) else "permission denied")


def file(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file that is there and can be read.

    Raises
    ------
    BadInput
        It is missing, a folder, a pipe, a socket or a device, or may not be read.
    """
    if not os.fspath(path):
        raise BadInput("an empty name is no file")
    why = why_not(path)
    if why:
        raise BadInput(f"{os.fspath(path)}: {why}")
    return Path(path)


def folder(path: str | os.PathLike[str], *, made: bool = True) -> Path:
    """Return the path of a folder that is there or can be made.

    Parameters
    ----------
    path : path
        The folder.
    made : bool
        Refuse one that links or files in its way keep from being made.

    Raises
    ------
    BadInput
        The path is empty, not UTF-8, or something else than a folder.
    """
    if not os.fspath(path):
        raise BadInput("an empty name is no folder")
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        raise BadInput(f"{os.fspath(path)!a} is not UTF-8, and Parquet files are read from folders of UTF-8 names only") from None
    found = Path(path)
    try:
        if not stat.S_ISDIR(found.stat().st_mode):
            raise BadInput(f"{found} is not a folder")
    except FileNotFoundError:
        if made and found.is_symlink():
            raise BadInput(f"{found} is a link to nothing") from None
    except OSError as error:
        shown = short(os.fspath(path)) if error.errno == errno.ENAMETOOLONG else os.fspath(path)
        if made or error.errno == errno.ENAMETOOLONG:
            raise BadInput(f"{shown}: {refusal(error)}") from None
    except ValueError:
        pass  # a zero byte in the name
    return found


def resolved(path: str | os.PathLike[str]) -> Path:
    """Return a path without its links; ``Path.resolve`` fails in its own way on those that lead in a circle.

    Raises
    ------
    BadInput
        They do.
    """
    try:
        os.stat(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise BadInput(f"{os.fspath(path)}: {refusal(error)}") from None
    return Path(os.path.realpath(path))


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[io.BufferedReader]:
    """Open a file that is kept, without waiting for what is a pipe.

    Raises
    ------
    OSError
        It cannot be read, or is no file.
    """
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(number, "rb") as kept:
        kind = stat.S_IFMT(os.fstat(number).st_mode)
        if kind != stat.S_IFREG:
            raise OSError(errno.EINVAL, KINDS.get(kind, "no file"), os.fspath(path))
        yield kept


def content(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a file that is kept; an OSError as of :func:`opened` where there are none."""
    with opened(path) as kept:
        return kept.read()


def reason(error: BaseException) -> str:
    """Say in one line why a parser failed.

    Examples
    --------
    >>> reason(KeyError("accesses")), reason(RecursionError("maximum recursion depth exceeded")), reason(ValueError("a" + chr(10) + "b"))
    ("no 'accesses'", 'nested too deeply', 'a')
    """
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, MemoryError):
        return "more than the memory holds"
    if isinstance(error, OSError):
        return refusal(error)
    if isinstance(error, KeyError) and error.args:
        return f"no {str(error.args[0])[:SHOWN]!r}"
    text = str(error).strip() or type(error).__name__
    if "pickle" in text:  # NumPy would advise to load it all the same
        return "it holds Python objects, which are not loaded"
    if "limit" in text and "integer string" in text:
        return "a whole number of thousands of digits"
    return text.splitlines()[0][:SHOWN]


def short(value: Any) -> str:
    r"""Write a value of a file for a message: on one line, and not longer than it helps.

    Examples
    --------
    >>> short("a" + chr(10)), short([1] * 100)
    ("'a\\n'", '[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 ...')
    """
    text = repr(value)
    return text if len(text) <= SHORT else f"{text[: SHORT - 4]} ..."


@contextlib.contextmanager
def parsing(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Turn whatever a parser raises on foreign bytes into one line: the file, what it is not, and why.

    Parameters
    ----------
    path : path
        The file, for the message.
    what : str
        Such as ``not a swapdse trace, or damaged``.

    Raises
    ------
    BadInput
        Instead of each of :data:`FAILURES`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a size that overflows is one
            yield
    except FAILURES as error:
        raise BadInput(f"{os.fspath(path)}: {what}: {reason(error)}") from error


def parsed_json(text: str | bytes) -> Any:
    """Parse JSON; every failure is a ValueError (nesting too, which json reports as an error of recursion)."""
    try:
        return json.loads(text)
    except (RecursionError, UnicodeDecodeError) as error:
        raise ValueError(reason(error)) from None


def kept_json(path: str | os.PathLike[str]) -> Any:
    """Parse a file of JSON that is kept: an OSError where it cannot be read, a ValueError where it is no JSON."""
    return parsed_json(content(path))


def toml(source: str, name: str) -> dict[str, Any]:
    """Parse TOML; `name` is the name of its file in messages.

    Raises
    ------
    BadInput
        A mistake, with file and line; whole numbers of more than 64 bits; lists and tables that are nested too deeply.
    """
    source = source.removeprefix("\ufeff")
    if len(source) > TEXT_MOST:
        raise BadInput(f"{name}: longer than {TEXT_MOST >> 20} MiB")
    try:
        found = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(_located(str(error), source, name)) from None
    except (RecursionError, ValueError, OverflowError) as error:
        raise BadInput(f"{name}: {reason(error)}") from None
    why = _outside(found)
    if why:
        raise BadInput(f"{name}: {why}")
    return found


def without_secrets(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the document of a file whose keys and texts are stored with what is made of it.

    Raises
    ------
    BadInput
        One holds a secret, which is not shown.
    """
    for path, hidden in secrets.within(document):
        raise BadInput(f"{name}: {'.'.join(map(str, path)) or 'a key'}: {short(hidden)} holds a password, and it would be stored")
    return document


def is_toml(source: str) -> bool:
    """Return False for a text with a mistake, True also for one that :func:`toml` refuses for its size."""
    try:
        tomllib.loads(source)
    except tomllib.TOMLDecodeError:
        return False
    except (RecursionError, ValueError, OverflowError):
        return True
    return True


def _outside(document: Any) -> str:
    """Say what a document holds that no text of ours does; empty if nothing."""
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        if any(isinstance(value, int) and not -WHOLE_MOST - 1 <= value <= WHOLE_MOST for value in level):
            return "a whole number has more than 64 bits"
        level = [
            inner for value in level if isinstance(value, (dict, list)) for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return ""
    return f"more than {DEEPEST} lists and tables within one another"


def _located(message: str, source: str, name: str) -> str:
    """Turn tomllib's "... (at line 3, column 5)" into "name:3: ..."."""
    text, _, place = message.rpartition(" (at ")
    place = place.rstrip(")")
    if place.startswith("line "):
        return f"{name}:{place.split(',')[0][5:]}: {text}"
    return f"{name}:{max(1, source.rstrip().count(chr(10)) + 1)}: {text or message}"


def lines(source: str) -> dict[tuple[str, ...], int]:
    """Line (from 1) where the statement starts that first defines each key of a TOML text; tomllib keeps no positions.

    Examples
    --------
    >>> lines("title = 'x'" + chr(10) + "[moves]" + chr(10) + "rate = 1")[("moves", "rate")]
    3
    """
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] | None = ()
    for line, text in _statements(source.replace("\r\n", "\n")):
        try:
            given: dict[str, Any] = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError, ValueError):
            continue
        if text.lstrip().startswith("["):
            table = _header(given)
            for n in range(1, len(table or ()) + 1):
                found.setdefault((table or ())[:n], line)
        elif table is not None:
            _enter(found, table, given, line)
    return found


def _statements(source: str) -> Iterator[tuple[int, str]]:
    """Statements of a TOML text that parses, each with the line where it starts."""
    depth, begin, line, here = 0, 0, 1, 1
    for part in STATEMENT.finditer(source):
        here += part[0].count("\n")
        if part["bracket"]:
            depth += 1 if part[0] in "[{" else -1
        elif part["end"] and depth <= 0:
            if (text := source[begin : part.end()]).strip():
                yield line, text
            begin, line, depth = part.end(), here, 0
    if (text := source[begin:]).strip():
        yield line, text


def _header(given: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Path of a table by its header alone; None in a list of tables."""
    path: list[str] = []
    node: Any = given
    while isinstance(node, dict) and node:
        name, node = next(iter(node.items()))
        path.append(name)
    return tuple(path) if isinstance(node, dict) else None


def _enter(found: dict[tuple[str, ...], int], table: tuple[str, ...], given: Mapping[str, Any], line: int) -> None:
    """Enter every key of a statement."""
    todo: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [(table, given)]
    while todo:
        path, node = todo.pop()
        for name, value in node.items():
            found.setdefault((*path, name), line)
            if isinstance(value, dict):
                todo.append(((*path, name), value))
