"""Order of what is stored: the newest is the last, also where the clock of a machine was set back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from dse.common import names, output

TIME = "%Y%m%dT%H%M%SZ"
"""Time at the beginning of a run's name, UTC."""


def _is_own(path: Path) -> bool:
    """Return True if a run lies under the name under which it was stored."""
    try:
        found = pl.read_parquet(path / "provenance.parquet", columns=["run"], n_rows=1)["run"].to_list()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return False
    return bool(found == [path.name])


def newest(runs: Path, stem: str) -> str | None:
    """Name of the newest run that the clock, which gives the name `stem`, puts into the future; copies are none."""
    now = stem.partition("-")[0]
    later = [path for path in runs.iterdir() if names.STORED["runs"].fullmatch(path.name) and path.name.partition("-")[0] > now]
    return next((path.name for path in sorted(later, reverse=True) if _is_own(path)), None)


def behind(stem: str, newest: str | None) -> str:
    """Name of a run that sorts behind the newest one.

    Parameters
    ----------
    stem : str
        The name that the clock gives.
    newest : str or None
        Name of the newest run that is stored.

    Returns
    -------
    str
        `stem`, or the same with the second after `newest` where the clock is behind that.

    Examples
    --------
    >>> behind("20260101T000000Z-aaaaaaaa", "20251231T235959Z-bbbbbbbb"), behind("20260101T000000Z-aaaaaaaa", "20260102T235959Z-bbbbbbbb")
    ('20260101T000000Z-aaaaaaaa', '20260103T000000Z-aaaaaaaa')
    """
    if newest is None or not names.STORED["runs"].fullmatch(newest) or newest.partition("-")[0] <= stem.partition("-")[0]:
        return stem
    try:
        later = datetime.strptime(newest.partition("-")[0], TIME).replace(tzinfo=UTC) + timedelta(seconds=1)
    except (ValueError, OverflowError):
        return stem
    output.note(f"the clock is behind the newest run, {newest}: this one is named as if it were a second later, so that last finds it")
    return f"{later.strftime(TIME)}-{stem.partition('-')[2]}"


def _times(results: Path) -> list[int]:
    """Times of the last writes to stored runs and studies, and to the settings of those [ns]."""
    found = []
    for path in (*results.glob("runs/[!.]*"), *results.glob("studies/[!.]*"), *results.glob("studies/[!.]*/settings.json")):
        with contextlib.suppress(OSError):
            found.append(path.lstat().st_mtime_ns)
    return found


def stamp(results: str | os.PathLike[str], paths: Sequence[Path]) -> None:
    """Give what was just written a time that is not before that of anything else that is stored, whatever the clock says."""
    newest = max(_times(Path(results)), default=0)
    for path in paths:
        with contextlib.suppress(OSError):
            if path.stat().st_mtime_ns < newest:
                os.utime(path, ns=(newest + 1, newest + 1))
