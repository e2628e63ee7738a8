"""Designs that have the record of a kernel, with the modelled share of its lines: marks of ``dse compare`` and reports.

The shares are in shares.csv, which ``python -m dse.documenting docs`` writes from the model, as a comparison should not wait for them.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dse import naming
from dse.common import output, writing
from dse.grounding import beside, declared

FILE = Path(__file__).with_name("shares.csv")
COLUMNS = ("design", "release", "share")


@functools.cache
def computed() -> str:
    """Text of the file, from the model as it is. A design whose parameters say which kernel it is has the mark of its name."""
    rows = [
        {"design": naming.parse(design).design.name, "release": release, "share": f"{share:.3f}"}
        for design in dict.fromkeys(declared.kernels().values()) for release, share in beside.modelled(design)
    ]  # fmt: skip
    return output.render_csv(rows, COLUMNS) + "\n"


def write() -> None:
    """Write the file."""
    writing.write_atomically(FILE, computed().encode())


def marks(designs: Iterable[str]) -> list[dict[str, Any]]:
    """Rows of design, release and share, for those of `designs` that a recorded kernel has as they are, without other parameters."""
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = list(designs)
    return [{"design": r["design"], "kernel": r["release"], "share": float(r["share"])} for r in rows if r["design"] in wanted]


def said(designs: Iterable[str]) -> str:
    """Marks in a sentence; empty where no design has a record.

    Examples
    --------
    >>> said(["vswap_v6"])
    ''
    """
    found = marks(designs)
    if not found:
        return ""
    names = ", ".join(f"{mark['design']} is that of Linux {mark['kernel']} ({mark['share'] * 100:.0f} %)" for mark in found)
    return (
        f"Designs with a recorded kernel, and the share of the lines of its swap operations that the model has: {names}. "
        f"dse explain swap_in --linux {found[-1]['kernel']} sets the functions side by side."
    )
