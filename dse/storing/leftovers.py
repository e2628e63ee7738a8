"""Leftovers of processes that were killed in the middle of writing: hidden files and folders among what is stored."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

HIDDEN = re.compile(r"\.writing-[a-z0-9_]{8}|\.(?:writing|removing)-.+-(?P<whole>\d{1,9})|\.probe-(?P<probe>\d{1,9})")
"""Names under which files and folders are written, or removed, before they have their own; a number is that of the process."""
OLD = 3600.0
"""Seconds after which nobody writes any more: a file takes seconds, and its process may be one of another machine."""


def _alive(process: str | None) -> bool:
    """Return True if a process of that number runs on this machine."""
    if process is None:
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _folders(results: Path) -> Iterator[Path]:
    """Folders of results in which something is written; none of them is a link."""
    for kind in ("runs", "linux", "answers", "reports", "studies", "cache"):
        here = results / kind
        if not here.is_symlink() and here.is_dir():
            yield here
            if kind in ("studies", "cache"):
                yield from (path for path in here.iterdir() if not path.is_symlink() and path.is_dir() and not path.name.startswith("."))


def found(results: str | os.PathLike[str]) -> list[Path]:
    """Leftovers in a folder of results: older than an hour, of a process that does not run here, neither link nor pipe."""
    out = []
    for folder in _folders(Path(results)):
        for path in folder.iterdir():
            name = HIDDEN.fullmatch(path.name)
            if name is None:
                continue
            about = path.lstat()
            old = time.time() - about.st_mtime > OLD and not _alive(name["whole"] or name["probe"])
            if old and (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
                out.append(path)
    return out


@functools.cache
def clear(results: str | os.PathLike[str]) -> None:
    """Remove the leftovers in a folder of results, once in a process; what cannot be removed stays."""
    try:
        left = found(results)
    except OSError:
        return
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
