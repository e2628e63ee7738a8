"""Standard streams that may be closed or full, and names on the command line that are not UTF-8."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from dse.errors import BadInput


def prepare() -> None:
    """Make the standard streams usable: what this process opens later never becomes its stdout, and no text is without an encoding.

    Raises
    ------
    BadInput
        Stdout is closed, so that what is asked for cannot be printed. Stderr may be closed: messages are dropped.
    """
    lost = sys.stdout is None
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        for number in range(3):
            try:
                os.fstat(number)
            except OSError:
                os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.dup(2), "w", errors="backslashreplace")
    _keep_stderr()
    if lost:
        sys.stdout = os.fdopen(os.dup(1), "w", errors="backslashreplace")
        raise BadInput("stdout is closed: give it a file, or /dev/null")
    if getattr(sys.stdout, "errors", "") == "strict" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


_kept: dict[str, int] = {}
"""A duplicate of stderr as it was at first, by that name."""
_one_at_a_time = threading.RLock()
"""Held while the streams are another's."""


def _keep_stderr() -> None:
    """Keep a duplicate of stderr: the code of a design may close it."""
    if "stderr" not in _kept:
        with contextlib.suppress(OSError):
            _kept["stderr"] = os.dup(2)


def say(text: str) -> None:
    """Write on stderr, or on its duplicate where it was closed; nothing where both are, or are full."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        if "stderr" in _kept:
            with contextlib.suppress(OSError):
                os.write(_kept["stderr"], text.encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Run code of others: what it prints goes to stderr, since stdout is for results.

    Both streams and the current directory are as they were afterwards, even where it closed or changed them.
    """
    with _one_at_a_time:
        streams, here = (sys.stdout, sys.stderr), _opened_here()
        spare = {number: kept for number in (1, 2) if (kept := _duplicate(number)) >= 0}
        sys.stdout = sys.stderr
        try:
            yield
        finally:
            for number, kept in spare.items():
                os.dup2(kept, number)
                os.close(kept)
            sys.stdout, sys.stderr = (_reopened(stream, number) for number, stream in enumerate(streams, 1))
            if here >= 0:
                with contextlib.suppress(OSError):
                    os.fchdir(here)
                os.close(here)


def _opened_here() -> int:
    """Open the current directory; -1 where that cannot be."""
    try:
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return -1


def _duplicate(number: int) -> int:
    """Duplicate an open file by its number; -1 where it is closed."""
    try:
        return os.dup(number)
    except OSError:
        return -1


def _reopened(stream: Any, number: int) -> Any:
    """The stream, or another on the same file where it was closed."""
    if not getattr(stream, "closed", False):
        return stream
    return os.fdopen(os.dup(number), "w", errors="backslashreplace")


def command_line(argv: Sequence[str]) -> str:
    """Write a command line as it is stored: quoted as in a shell, bytes that are no UTF-8 as escapes.

    Examples
    --------
    >>> command_line(["compare", "my file.toml"])
    "dse compare 'my file.toml'"
    """
    return shlex.join(["dse", *(plain(part) for part in argv)])


def plain(text: str) -> str:
    r"""Write bytes of a name that are no UTF-8 (the interpreter has them as surrogates) as escapes, so that every file can hold it.

    Examples
    --------
    >>> plain("a\udcff")
    'a\\xff'
    """
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
