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
SOURCES = ("xarray.c", "replay.c")
FLAGS = ("-O3", "-march=native", "-shared", "-fPIC", "-fvisibility=hidden")
WORD, POINTER = ctypes.c_uint64, ctypes.c_void_p
LOOP = (POINTER, POINTER, WORD, WORD, WORD)
"""Arguments of a loop over an operation: two arrays, first index, number of indices, bits of an index."""
REPLAY = (POINTER, POINTER, WORD, POINTER)
"""Arguments of a replay: table of arrays, demands, number of demands, replies."""
Entry = Callable[..., int]
Entries = Callable[..., Entry]
"""From the name of an entry, and its arguments where it is no loop, to a function that releases the interpreter lock."""


class NoCompilerError(Exception):
    """Error: no working C compiler; the message names the missing part."""


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
    """First line of the compiler's version text."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    return done.stdout.splitlines()[0] if done.stdout else path


def words() -> str:
    """The control words of *direct* and *swap_id* as a C header."""
    from kernels.designs.swap_id import own
    from kernels.own import Word

    lines = (f"\t{name} = {number}," for number, name in sorted(own.OWN.names(Word).items()))
    return "\n".join(["enum {", *lines, "};", ""])


@contextmanager
def library() -> Iterator[Entries]:
    """Compile all of the C side and give access to its entries by name.

    Raises
    ------
    NoCompilerError
        No compiler, or it refuses the sources.
    """
    tool = compiler()
    with tempfile.TemporaryDirectory(prefix="swapdse-limits-") as folder:
        target = Path(folder) / "limits.so"
        (Path(folder) / "words.h").write_text(words())
        command = [tool, *FLAGS, "-I", folder, "-o", str(target), *(str(HERE / source) for source in SOURCES)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            why = done.stderr.strip().splitlines()
            raise NoCompilerError(f"{tool} cannot compile {', '.join(SOURCES)}: {why[0] if why else 'no reason given'}")
        loaded = ctypes.CDLL(str(target))

        def entry(name: str, signature: tuple[type, ...] = LOOP) -> Entry:
            function = loaded[name]
            function.restype, function.argtypes = WORD, signature
            return function

        yield entry
