"""Reference pages made from the tables in the code: ``python -m dse.documenting docs``."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path

from dse import catalogue, naming, scenario
from dse.modelling import latency
from dse.workloads import recipes

PAGES: dict[str, Callable[[], str]] = {
    "scenario-keys.md": scenario.reference, "parameters.md": latency.reference, "traces.md": recipes.reference,
}  # fmt: skip


def pages() -> dict[str, Callable[[], str]]:
    """Every page by its path under ``docs``."""
    return PAGES | {f"designs/{name}.md": functools.partial(catalogue.page, name) for name in naming.registry()}


def main(folder: str) -> int:
    """Write every page into `folder`."""
    for name, make in pages().items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(make(), encoding="utf-8")
        sys.stderr.write(f"dse: wrote {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or ["docs"]))
