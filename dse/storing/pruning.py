"""``dse.prune``: remove what nobody needs any more; nothing is removed without being named."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dse import storing
from dse.common import digests, names, reading
from dse.errors import BadInput, refusal, unknown
from dse.storing import files, schema, studies

DAY = 86_400.0
KINDS = ("runs", "studies", "cache", "reports")


def _size(path: Path) -> int:
    """Bytes of a file, or of the files of a folder; what is linked lies elsewhere."""
    if not path.is_dir():
        return path.lstat().st_size
    return sum((Path(folder) / name).lstat().st_size for folder, _, names in os.walk(path) for name in names)


OTHER = "was not stored by dse under that name"
OF_STUDIES = re.compile(rf"{re.escape(studies.SETTINGS)}|{re.escape(studies.JOURNAL)}(?:\.\w+)?|\.lock|\.writing-\w+")
"""Files of a study beside its tables and their digests: the settings, the journal and what lies beside that, and what a crash left."""


def _why_not_ours(path: Path, kind: str) -> str:
    """Say why an entry is a copy, or holds or is what somebody put there; empty for what was stored under the name that it has."""
    named = bool(names.STORED[kind].fullmatch(path.name))
    if kind == "cache":
        return "" if named and path.name.startswith(path.parent.name) and len(path.parent.name) == 2 else OTHER
    if kind == "reports":
        return "" if named else OTHER
    if kind == "studies":
        owner = studies.owner(path)
        named = named if owner is None else owner == path.name
    if not named or any(files.owner(table) not in (None, path.name) for table in sorted(path.glob("*.parquet"))):
        return OTHER
    return _foreign(path, kind)


def _foreign(path: Path, kind: str) -> str:
    """Say what a run's or study's folder holds that dse did not store there; empty where there is nothing."""
    tables = schema.TABLES if kind == "runs" else studies.TABLES
    known = {digests.SUMS, *(f"{table}.parquet" for table in tables), *(digests.listed(path) or ())}
    for inside in sorted(path.iterdir()):
        is_known = inside.name in known or (kind == "studies" and OF_STUDIES.fullmatch(inside.name))
        if not is_known or inside.is_symlink() or not inside.is_file():
            return f"holds {inside.name}, which dse did not store there"
    return ""


def _entries(results: Path, kind: str) -> list[Path]:
    """Everything of a kind, oldest first; links are left out."""
    folder = results / kind
    if folder.is_symlink():
        return []
    if kind == "runs":
        found = [folder / name for name in storing.run_names(results)]
    elif kind == "studies":
        found = [folder / name for name in studies.names(results)]
    else:
        inside = [p for p in folder.glob("*/*" if kind == "cache" else "*") if p.is_file() and not p.name.startswith(".")]
        found = sorted(inside, key=lambda p: (p.stat().st_mtime_ns, p.name))
    return [path for path in found if not path.is_symlink() and not path.parent.is_symlink()]


def others(results: str | os.PathLike[str], kinds: Sequence[str]) -> list[tuple[Path, str]]:
    """Entries of some kinds that :func:`prune` leaves alone, each with the reason: copies, and what somebody put there."""
    return [(path, why) for kind in kinds for path in _entries(Path(results), kind) if (why := _why_not_ours(path, kind))]


def links(results: str | os.PathLike[str], kinds: Sequence[str]) -> list[Path]:
    """Links among the entries of some kinds, and folders of entries that are links: :func:`prune` leaves them alone."""
    found = []
    for folder in (Path(results) / kind for kind in kinds):
        inside = [] if folder.is_symlink() or not folder.is_dir() else [p for p in folder.iterdir() if p.is_symlink()]
        found += [folder] if folder.is_symlink() else sorted(inside)
    return found


def _kinds(given: Sequence[str]) -> list[str]:
    """Kinds, each once.

    Raises
    ------
    BadInput
        One is unknown.
    """
    for kind in given:
        if kind not in KINDS:
            raise BadInput(unknown("kind", kind, KINDS))
    return list(dict.fromkeys(given))


def prune(
    results: str | os.PathLike[str] = "results",
    *,
    kinds: Sequence[str] = ("runs", "studies"),
    keep: int | None = None,
    days: float | None = None,
    remove: bool = False,
) -> list[dict[str, Any]]:
    """List, or remove, what is stored and old.

    Everything is looked at before the first entry is removed. Links, and what they point to, are left alone, and so is what was not
    stored under the name that it has.

    Parameters
    ----------
    results : path
        Folder of stored results.
    kinds : sequence of str
        Of runs, studies, cache, reports.
    keep : int, optional
        Keep so many of the newest of each kind.
    days : float, optional
        Only what was last written so many days ago or earlier.
    remove : bool
        Remove it; without, nothing is touched.

    Returns
    -------
    list of dict
        ``kind``, ``name``, ``bytes``, ``days`` (age), ``removed``, ``why`` (it could not be removed, or would not be, such as a study
        that runs; else empty).

    Raises
    ------
    BadInput
        Neither `keep` nor `days` says what is old, one of them is negative, or a kind is unknown. Nothing is removed.
    """
    wanted = _kinds(kinds)
    if keep is None and days is None:
        raise BadInput("say what is old: --keep N (newest of each kind) or --days D")
    if (keep is not None and keep < 0) or (days is not None and not 0 <= days < math.inf):
        raise BadInput(f"--keep and --days are 0 or more, got {keep if days is None else days}")
    now = time.time()
    found: list[tuple[Path, dict[str, Any]]] = []
    for kind in wanted:
        paths = [path for path in _entries(Path(results), kind) if not _why_not_ours(path, kind)]
        for path in paths[: max(0, len(paths) - keep)] if keep is not None else paths:
            age = (now - path.stat().st_mtime) / DAY
            if days is None or age >= days:
                row = {
                    "kind": kind,
                    "name": path.name,
                    "bytes": _size(path),
                    "days": round(age, 2),
                    "removed": False,
                    "why": _runs(path, kind),
                }
                found.append((path, row))
    for path, row in found if remove else ():
        if row["why"]:
            continue
        try:
            _remove(path, results if row["kind"] == "studies" else None)
            row["removed"] = True
        except OSError as error:
            row["why"] = refusal(error)
        except BadInput as error:
            row["why"] = str(error)
    return [row for _, row in found]


def _runs(path: Path, kind: str) -> str:
    """Say that an entry is a study that runs; an empty string where it does not. Nothing is written."""
    if kind != "studies" or reading.why_not(path / ".lock"):
        return ""
    try:
        with (path / ".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return f"study {path.name} is being run by another process"
    except OSError:
        return ""
    return ""


def _remove(path: Path, study_of: str | os.PathLike[str] | None = None) -> None:
    """Remove a file, or a folder by a name under which no reader looks first; a study only where nobody runs it."""
    if path.is_file():
        path.unlink(missing_ok=True)
        return
    hidden = path.with_name(f".removing-{path.name}-{os.getpid()}")
    with studies.held(study_of, path.name) if study_of is not None else contextlib.nullcontext():
        path.rename(hidden)
    shutil.rmtree(hidden)
