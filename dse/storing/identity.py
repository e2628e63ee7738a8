"""Identity of runs: the hash of their counted figures, and their names."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from dse.storing.schema import COUNTED, IDENTITY


def identity(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Say which figure a row is, as a tuple that sorts (a missing label is an empty string)."""
    return tuple("" if row.get(name) is None else str(row[name]) for name in IDENTITY)


def exact(row: Mapping[str, Any]) -> str:
    """Return the counted figure of a row as text without loss: its count, else its value to the last bit."""
    count, value = row.get("count"), row.get("value")
    if count is not None:
        return str(int(count))
    return "none" if value is None else float(value).hex()


def counters_hash(rows: Iterable[Mapping[str, Any]]) -> str:
    """Hash the counted rows in an order of their own, so that equal counters have equal hashes on every machine.

    Parameters
    ----------
    rows : iterable of mappings
        Rows of ops; those that are not counted are passed over.

    Returns
    -------
    str
        SHA-256 in hexadecimal.
    """
    lines = sorted((*identity(row), exact(row), str(row.get("status") or "ok")) for row in rows if row["kind"] == COUNTED)
    return hashlib.sha256(json.dumps(lines, separators=(",", ":")).encode()).hexdigest()


def new_run_id(counters: str, now: float | None = None) -> str:
    """Name a run: its time (UTC) and the start of its counters' hash, so names sort by time.

    Examples
    --------
    >>> new_run_id("3fa9c1d2e5", now=0)
    '19700101T000000Z-3fa9c1d2'
    """
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}-{counters[:8]}"


def combined_hash(hashes: Iterable[str]) -> str:
    """Hash of several runs' hashes, in the order given."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()
