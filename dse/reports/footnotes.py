"""Footnotes of the tables of ``dse compare --full``: what the words mean, and where a median and a mean say different things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dse.measuring.figures import Figures
from dse.naming import status_of
from dse.storing import Figure

WORDS = (
    "Words: lines are distinct cache lines of 64 B that an operation touches, a mean. fresh is right after the first page went out. aged "
    "is at the end of the run, when slots and IDs have been freed and taken again many times. tax is what a page's swap-out and return "
    "cost more than on the baseline. must agree is the number of structures that hold something about one swapped page, and so have to "
    "be changed together. A ratio is one of means, ns p50 and p99 are of single operations: the mean has the tail, the median has not."
)
MOST = 4
"""Most operations that are named."""


def latencies(run: Mapping[str, Any]) -> str:
    """Say which table of latencies modelled figures rest on, where it is not the shipped one.

    Parameters
    ----------
    run : mapping
        Provenance of a variant.
    """
    table = run.get("parameters")
    if not table:
        return ""
    given = ", ".join(f"{name} {at[1]:,.0f} ns ({at[0]:,.0f}..{at[2]:,.0f})" for name, at in table["values"].items())
    return f"Modelled figures rest on a table of yours, {table['said']}: {given}; other latencies are the shipped ones."


def tails(rows: Sequence[Figure], designs: Sequence[str], ops: Sequence[str], age: str) -> list[str]:
    """Say where the median orders a design and the baseline otherwise than the ratio of means does, and why.

    Parameters
    ----------
    rows : sequence of Figure
        Figures of one variant.
    designs, ops : sequences of str
        The baseline first; operations that are shown.
    age : str
        ``fresh`` or ``aged``.

    Returns
    -------
    list of str
        One sentence, or nothing. Only ratios that were found faster or slower count.
    """
    figures, base, found = Figures(rows), designs[0], []
    for op in ops:
        for design in designs[1:]:
            ratio = figures.row(design, op, "ratio", stat="mean", age=age, against=base)
            finding = "" if ratio is None else str(ratio["status"]).partition(":")[0]
            p50, under = (figures.value(d, op, "ns", stat="p50", age=age) for d in (design, base))
            if ratio is None or ratio["value"] is None or finding not in ("faster", "slower") or p50 is None or under is None:
                continue
            if (finding == "slower" and p50 < under) or (finding == "faster" and p50 > under):
                found.append(_said(figures, design, base, op, age, f"{finding} by the mean (x {ratio['value']:.2f})", (p50, under)))
    if not found:
        return []
    more = f"; and {len(found) - MOST} more" if len(found) > MOST else ""
    return [
        f"Median and mean disagree ({age}), as the mean has the tail: {'; '.join(found[:MOST])}{more}. The finding is that of the mean."
    ]


def _said(figures: Figures, design: str, base: str, op: str, age: str, finding: str, p50: tuple[float, float]) -> str:
    """One operation: finding, medians, and the 99th percentiles where both are known."""
    p99 = [figures.value(d, op, "ns", stat="p99", age=age) for d in (design, base)]
    tail = "" if p99[0] is None or p99[1] is None else f", p99 {p99[0]:,.0f} against {p99[1]:,.0f} ns"
    return f"{op} of {design} is {finding}, p50 {p50[0]:,.0f} against {p50[1]:,.0f}{tail}"


def statuses(designs: Sequence[str]) -> str:
    """Say how far each design got, as it declares it.

    Examples
    --------
    >>> statuses(["swap_table_p4", "swap_desc"])
    'Designs: swap_table_p4 (merged in 7.2), swap_desc (proposed in mails of 2023).'
    """
    return "Designs: " + ", ".join(f"{design} ({status_of(design) or 'status not declared'})" for design in designs) + "."
