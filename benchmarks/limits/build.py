"""Compile the C side into a temporary shared library."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
FLAGS = ("-O3", "-march=native", "-shared", "-fPIC", "-fvisibility=hidden")
WORD, POINTER = ctypes.c_uint64, ctypes.c_void_p
Entry = Callable[..., int]
LOOP = (POINTER, POINTER, WORD, WORD, WORD)  # of xarray.c: head, pool, first, n, bits


class NoCompilerError(Exception):
    """There is no working C compiler; the message says what is missing."""


def compiler() -> str:
    """Path of the C compiler: ``$CC``, else gcc or cc.

    Raises
    ------
    NoCompilerError
        None is installed.
    """
    for name in (os.environ.get("CC", ""), "gcc", "cc"):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise NoCompilerError("no C compiler (gcc, cc or $CC): the comparison with C is skipped")


def version(path: str) -> str:
    """First line of what the compiler says of itself."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    return done.stdout.splitlines()[0] if done.stdout else path


@contextmanager
def library(source: str = "xarray.c", signature: tuple[type, ...] = LOOP) -> Iterator[Callable[[str], Entry]]:
    """Compile `source` and give access to its entries, all of one `signature`, by name.

    Yields
    ------
    callable
        From the name of an entry to a function of those arguments, which releases the interpreter lock and returns a word.

    Raises
    ------
    NoCompilerError
        No compiler, or it refuses the source.
    """
    tool = compiler()
    with tempfile.TemporaryDirectory(prefix="swapdse-limits-") as folder:
        target = Path(folder) / "limits.so"
        command = [tool, *FLAGS, "-o", str(target), str(HERE / source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            why = done.stderr.strip().splitlines()
            raise NoCompilerError(f"{tool} cannot compile {source}: {why[0] if why else 'no reason given'}")
        loaded = ctypes.CDLL(str(target))

        def entry(name: str) -> Entry:
            function = loaded[name]
            function.restype, function.argtypes = WORD, signature
            return function

        yield entry
