"""Swap indirection measured: every command of ``dse`` as a typed Python call.

The doors are this module, the calls of which :data:`_CALLS` says where they live, and ``dse/cli.py`` with ``dse/commands``, a module
for each verb. Every other folder is a room. Rooms never import doors. The floors on which they stand are a contract in pyproject.toml.

``import dse`` is cheap: the module of a call is imported when the call is first asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

from dse.errors import require_kernels

__version__ = "0.1.0"

_CALLS = {
    "ask": "dse.reports.results",
    "bench": "dse.benching.gate",
    "calibrate": "dse.calibrating",
    "check": "dse.testing.checking",
    "compare": "dse.reports.results",
    "explain": "dse.describing.explaining",
    "explain_beside": "dse.grounding.beside",
    "ledger": "dse.modelling.bookkeeping",
    "break_even": "dse.modelling.fills",
    "chart": "dse.reports.charts",
    "designs": "dse.describing.catalogue",
    "prune": "dse.storing.pruning",
    "validate": "dse.grounding.validating",
    "predict": "dse.predicting",
    "query": "dse.storing.querying",
    "report": "dse.reports",
    "scan": "dse.storing.querying",
    "sweep": "dse.reports.results",
}

__all__ = ["__version__", *sorted(_CALLS)]  # noqa: PLE0604 - strings all of them


def __getattr__(name: str) -> Any:
    if name not in _CALLS:
        raise AttributeError(f"module 'dse' has no attribute {name!r}")
    require_kernels()
    return getattr(importlib.import_module(_CALLS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_CALLS})
