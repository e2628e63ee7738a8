"""Sweeps: spaces, their evaluation, the search over them, and its results."""

from __future__ import annotations

from typing import Any

__all__ = ["sweep"]


def __getattr__(name: str) -> Any:
    if name != "sweep":
        raise AttributeError(f"module 'dse.sweeps' has no attribute {name!r}")
    from dse.sweeps.sweeping import sweep

    return sweep
