"""Counted figures of comparisons that were made before: the same code, scenario, trace and designs count the same.

They lie in the cache of a folder of results, each under the digest of everything that decides it and with a digest of its own. What is
damaged or was counted by other code is counted anew. ``dse rerun`` never looks here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dse.common import digests, machine, output, reading
from dse.common.writing import stored_under, write_atomically
from dse.measuring.provenance import code_digest, origin
from dse.modelling.tables import Table


class Kept:
    """Counted halves of comparisons under a folder of results.

    Parameters
    ----------
    results : path or None
        Folder of results; None: nothing is kept and nothing found.
    designs : sequence of str
        The first one is the baseline.
    state : str or None
        The only state of the caches.
    table : Table or None
        Latencies of modelled figures; None: counted figures only.
    """

    def __init__(self, results: str | Path | None, designs: Sequence[str], state: str | None, table: Table | None) -> None:
        self._results = results
        about = table.about() if table is not None else None
        self._same = [code_digest(), machine.packages(), list(designs), state, about]

    def _place(self, stream: Any) -> tuple[Path, str]:
        """File of a stream's figures, and their key."""
        what = [*self._same, stream.scenario.name, stream.scenario.canonical, stream.scenario.label, stream.trace_digest]
        key = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()
        return Path(self._results or "") / "cache" / key[:2] / f"{key}.json", key

    def get(self, stream: Any) -> dict[str, Any] | None:
        """Figures of a stream: ``rows``, ``ledger``, ``provenance`` of this machine; None where there are none that are whole."""
        if self._results is None:
            return None
        path, key = self._place(stream)
        try:
            found = reading.kept_json(path)
        except (OSError, ValueError):
            return None
        if not digests.whole(found, key):
            return None
        return {"rows": found["rows"], "ledger": found["ledger"], "provenance": {**origin(), **found["provenance"]}}

    def put(self, stream: Any, found: dict[str, Any]) -> None:
        """Keep the figures of a stream. What says where and when they were counted is left out."""
        if self._results is None:
            return
        path, key = self._place(stream)
        here = origin()
        about = {name: value for name, value in found["provenance"].items() if name not in here}
        document = output.plain({"rows": found["rows"], "ledger": found["ledger"], "provenance": about})
        with stored_under(self._results):
            write_atomically(path, json.dumps(digests.sealed(document, key)).encode(), durable=False)
