"""Standard streams that may be closed or full, and names on the command line that are not UTF-8."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence

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
    if lost:
        sys.stdout = os.fdopen(os.dup(1), "w", errors="backslashreplace")
        raise BadInput("stdout is closed: give it a file, or /dev/null")
    if getattr(sys.stdout, "errors", "") == "strict" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


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
