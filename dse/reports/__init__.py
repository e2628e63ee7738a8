"""Reports: a stored run or study as one page, a picture or a mail."""

from __future__ import annotations

from typing import Any

__all__ = ["report"]


def __getattr__(name: str) -> Any:
    if name != "report":
        raise AttributeError(f"module 'dse.reports' has no attribute {name!r}")
    from dse.reports.reporting import report

    return report
