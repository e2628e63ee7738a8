"""Swap indirection measured: every command of ``dse`` as a typed Python call.

``import dse`` is cheap; what a call needs is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_CALLS = {
    "bench": "dse.benching.gate",
    "check": "dse.testing.checking",
    "compare": "dse.comparing",
    "explain": "dse.explaining",
    "ledger": "dse.ledgers",
    "break_even": "dse.fills",
    "chart": "dse.fills",
    "designs": "dse.catalogue",
    "prune": "dse.pruning",
    "validate": "dse.validating",
    "query": "dse.querying",
    "report": "dse.reports",
    "scan": "dse.querying",
    "sweep": "dse.sweeps",
}

__all__ = ["__version__", *sorted(_CALLS)]  # noqa: PLE0604 - strings all of them


def __getattr__(name: str) -> Any:
    if name not in _CALLS:
        raise AttributeError(f"module 'dse' has no attribute {name!r}")
    return getattr(importlib.import_module(_CALLS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_CALLS})
