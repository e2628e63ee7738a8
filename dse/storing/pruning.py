"""``dse.prune``: remove what nobody needs any more; nothing is removed without being named."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dse import storing
from dse.errors import BadInput
from dse.storing import studies

DAY = 86_400.0
KINDS = ("runs", "studies", "cache", "reports")


def _size(path: Path) -> int:
    """Bytes of a file or a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def _candidates(results: Path, kind: str) -> list[Path]:
    """Everything of a kind, oldest first."""
    if kind == "runs":
        return [results / "runs" / name for name in storing.run_names(results)]
    if kind == "studies":
        return [results / "studies" / name for name in studies.names(results)]
    folder = results / kind
    pattern = "*/*" if kind == "cache" else "*"
    found = [p for p in folder.glob(pattern) if p.is_file() and not p.name.startswith(".")]
    return sorted(found, key=lambda p: (p.stat().st_mtime_ns, p.name))


def prune(
    results: str | os.PathLike[str] = "results",
    *,
    kinds: Sequence[str] = ("runs", "studies"),
    keep: int | None = None,
    days: float | None = None,
    remove: bool = False,
) -> list[dict[str, Any]]:
    """List, or remove, what is stored and old.

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
        ``kind``, ``name``, ``bytes``, ``days`` (age), ``removed``.

    Raises
    ------
    BadInput
        Neither `keep` nor `days` says what is old.
    """
    if keep is None and days is None:
        raise BadInput("say what is old: --keep N (newest of each kind) or --days D")
    rows = []
    now = time.time()
    for kind in kinds:
        if kind not in KINDS:
            raise BadInput(f"kinds are {', '.join(KINDS)}, got {kind!r}")
        found = _candidates(Path(results), kind)
        for path in found[: max(0, len(found) - keep)] if keep is not None else found:
            age = (now - path.stat().st_mtime) / DAY
            if days is not None and age < days:
                continue
            row = {"kind": kind, "name": path.name, "bytes": _size(path), "days": round(age, 2), "removed": remove}
            if remove:
                _remove(path)
            rows.append(row)
    return rows


def _remove(path: Path) -> None:
    """Remove a file, or a folder by a name under which no reader looks first."""
    if path.is_file():
        path.unlink(missing_ok=True)
        return
    hidden = path.with_name(f".removing-{path.name}-{os.getpid()}")
    path.rename(hidden)
    shutil.rmtree(hidden)
