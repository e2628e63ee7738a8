"""The parameter table: latencies of backends and of a whole page fault, each with its source.

Every latency is a constant without queueing: one request at a time, no load. Figures computed from it are `modelled`,
never measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dse.errors import BadInput, unknown

Level = Literal["low", "typical", "high"]
QUEUEING = "constant without queueing"

HOST = "whole faults timed on Linux 6.18, two cores of an AMD EPYC (Zen 4), backend work left out for the plain fault"
ZRAM_NOTES = "zram analysis at notes.xeome.dev/notes/Zram, desktop, tables credited to Linux Reviews"
SMALL = "9 to 10 us on a small board"
LZ4 = f"lz4, 4 KiB, mean (99th percentile 3.6 us), {QUEUEING}"
ONE_DEEP = f"4 KiB, queue depth 1, {QUEUEING}"
LISTS = "latency lists at adam-abed-abud.com and dataobjectexception.atlassian.net: seek and rotation"
RCU = "P. McKenney, Is Parallel Programming Hard, on RCU: grace periods take several milliseconds"
DRIVES = "NVMe benchmark of 20 devices at treeru.com; latency table at adam-abed-abud.com; ScaleSwap (FAST 2026)"


@dataclass(frozen=True)
class Parameter:
    """One latency.

    Attributes
    ----------
    name : str
        Its key in the table.
    low, typical, high : float
        Nanoseconds.
    source : str
        Origin of the figure, in words.
    note : str
        Conditions under which it holds.
    verdict : bool
        True if a latency verdict may rest on it. Not for the hard disk, as long as readahead is not modelled.
    table : str
        Table that it comes from where it is not the shipped one (:mod:`dse.modelling.tables`), in words.
    """

    name: str
    low: float
    typical: float
    high: float
    source: str
    note: str = QUEUEING
    verdict: bool = True
    table: str = ""

    @property
    def status(self) -> str:
        """Status of a figure that is computed with it: ``ok``, with the table's origin where it is not the shipped one."""
        return f"ok: {self.table}" if self.table else "ok"

    def at(self, level: Level = "typical") -> float:
        """Nanoseconds at a level of the range."""
        return {"low": self.low, "typical": self.typical, "high": self.high}[level]


def _table(*rows: Parameter) -> dict[str, Parameter]:
    """Index the rows by name."""
    return {row.name: row for row in rows}


PARAMETERS = _table(
    Parameter("fault.frame", 3_300, 3_600, 3_900, HOST, "a whole page fault without backend work; the middle is ours"),
    Parameter("fault.zswap", 4_500, 6_200, 7_900, HOST, "a whole page fault from zswap; the middle is ours"),
    Parameter("fault.zram", 5_400, 7_700, 10_000, HOST, "a whole page fault from zram; the middle is ours"),
    Parameter("zswap.read", 1_700, 1_700, 9_500, f"{ZRAM_NOTES}; {SMALL}; 6 us in Google's ASPLOS 2019 paper", LZ4),
    Parameter("zswap.read.lzo-rle", 2_200, 2_200, 6_300, ZRAM_NOTES, f"mean, high is the 99th percentile, {QUEUEING}"),
    Parameter("zswap.read.lzo", 2_400, 2_400, 7_500, ZRAM_NOTES, f"mean, high is the 99th percentile, {QUEUEING}"),
    Parameter("zswap.read.zstd", 5_700, 5_700, 13_000, ZRAM_NOTES, f"mean, high is the 99th percentile, {QUEUEING}"),
    Parameter("zram.read", 1_700, 1_700, 9_500, f"{ZRAM_NOTES}; {SMALL}", LZ4),
    Parameter("ssd.read", 30_000, 80_000, 100_000, DRIVES, f"NAND NVMe, {ONE_DEEP}; loaded tails reach 2.4 ms"),
    Parameter("optane.read", 11_000, 11_000, 11_000, DRIVES, f"Optane NVMe, {ONE_DEEP}"),
    Parameter("sata.read", 100_000, 125_000, 150_000, DRIVES, f"SATA SSD, the middle is ours, {ONE_DEEP}"),
    Parameter("hdd.read", 10_000_000, 10_000_000, 10_000_000, LISTS, f"no readahead yet, {ONE_DEEP}", verdict=False),
    Parameter("rcu.grace", 3_000_000, 10_000_000, 30_000_000, RCU, "memory freed by call_rcu is free only then; all three are ours"),
    Parameter("zero.fill", 0, 0, 0, "a zero-filled page stores no data", "the clearing of the page is in the frame"),
)  # fmt: skip


def parameter(name: str, rows: Mapping[str, Parameter] = PARAMETERS) -> Parameter:
    """Look a latency up, in the shipped table or in `rows`.

    Raises
    ------
    BadInput
        Unknown latency. The message gives the nearest name.
    """
    if name not in rows:
        raise BadInput(unknown("latency", name, rows))
    return rows[name]


def backend_read(backend: str, rows: Mapping[str, Parameter] = PARAMETERS) -> Parameter:
    """Latency of reading one page from ``zswap``, ``ssd``, ``hdd``, ``zram`` or ``zero``."""
    return parameter("zero.fill" if backend == "zero" else f"{backend}.read", rows)


def frame(rows: Mapping[str, Parameter] = PARAMETERS) -> Parameter:
    """Latency of a whole page fault without backend work."""
    return parameter("fault.frame", rows)


def share(ns: float, of: Parameter) -> tuple[float, float, float]:
    """Share of `ns` in a latency, at its typical, high and low value.

    Returns
    -------
    tuple of float
        Typical share and its range from the smallest to the largest; infinite for a latency of 0.

    Examples
    --------
    >>> share(33.0, frame())[2]
    0.01
    """
    at_typical, smallest, largest = (ns / x if x else float("inf") for x in (of.typical, of.high, of.low))
    return at_typical, smallest, largest


def reference() -> str:
    """Return the parameter table as a Markdown page."""
    out = [
        "# Parameter table",
        "",
        "Made by `make docs` from dse/modelling/latency.py. Nanoseconds, each a constant.",
        "[`dse calibrate`](calibrate.md) times the rows `fault.*` on your own kernel.",
        "",
    ]
    out += ["| name | low | typical | high | holds for | source |", "|---|---|---|---|---|---|"]
    for p in PARAMETERS.values():
        out.append(f"| {p.name} | {p.low:,.0f} | {p.typical:,.0f} | {p.high:,.0f} | {p.note} | {p.source} |")
    return "\n".join(out) + "\n"
