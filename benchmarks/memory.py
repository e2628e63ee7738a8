"""Bytes of metadata per page of every design, in closed form from its layout table: exact, nothing is compiled or replayed."""

from __future__ import annotations

from typing import Any

from benchmarks import fixtures
from benchmarks.counted import PARTS

version = fixtures.version(__file__)
DESIGNS = fixtures.designs()
FILL = 0.5


def bytes_of(design: str, pages: int, backend: str) -> dict[str, Any]:
    """Ledger of `pages` slots, half of them in use."""
    from dse.modelling.bookkeeping import ledger

    return ledger(design, slots=pages, fill=FILL, backend=PARTS[backend])


class Bytes:
    """Bytes a slot, half of the slots in use."""

    params = [DESIGNS, list(PARTS), fixtures.SIZES]
    param_names = ["design", "backend", "slots"]

    def setup(self, design: str, backend: str, slots: int) -> None:
        """Skip what this commit does not have."""
        fixtures.known(design)

    def track_bytes_counted(self, design: str, backend: str, slots: int) -> float:
        """Bytes as published tables count: entries, without headers."""
        return float(bytes_of(design, slots, backend)["total_bytes"] / slots)

    def track_bytes_allocated(self, design: str, backend: str, slots: int) -> float:
        """Bytes as the kernel allocates: nodes, slabs, pages, with headers."""
        return float(bytes_of(design, slots, backend)["allocated_bytes"] / slots)

    track_bytes_counted.unit = "bytes per slot"  # type: ignore[attr-defined]
    track_bytes_allocated.unit = "bytes per slot"  # type: ignore[attr-defined]
