"""Reference pages made from the tables in the code: ``python -m dse.documenting docs``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from dse import scenario
from dse.modelling import latency

PAGES: dict[str, Callable[[], str]] = {"scenario-keys.md": scenario.reference, "parameters.md": latency.reference}


def main(folder: str) -> int:
    """Write every page into `folder`."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (Path(folder) / name).write_text(make(), encoding="utf-8")
        sys.stderr.write(f"dse: wrote {Path(folder) / name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or ["docs"]))
