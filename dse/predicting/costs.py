"""Times of which a prediction is made: lines, atomics, lines of other CPUs, and what an operation does besides swap.

All figures that come of them are modelled. Each has a low and a high value; a prediction says which of its findings depend on them.
"""

from __future__ import annotations

from collections.abc import Mapping

from dse.modelling.latency import PARAMETERS, Level, Parameter

CORES = (
    "github.com/nviennot/core-to-core-latency: medians of compare-and-exchange between two cores of one socket (Xeon 44 to 51 ns; EPYC 23 "
    "within a core complex, 107 to 115 across)"
)
SOCKETS = "github.com/nviennot/core-to-core-latency: medians between two sockets (Xeon 108 to 136 ns; EPYC 7R13 197)"
OWN = "measured: 19 more lines of a swap-in (Q9) took 336 ns, 813 cold, on an AMD EPYC, and 140 ns, 1,280 cold, on a Xeon"
HANDS = "assumption; low: lock and data lie in one line that comes once; high: as an MCS queue hands over two lines"
ASSUMED = "assumption, no source was found"

COSTS: Mapping[str, Parameter] = {
    row.name: row
    for row in (
        Parameter("line", 7, 18, 67, OWN, "a line's first touch by an operation"),
        Parameter("line.again", 1, 1, 2, ASSUMED, "a later touch of a line by the same operation: first-level cache"),
        Parameter(
            "atomic", 2.2, 5, 10, "low: as sweeps measured it on an AMD EPYC (docs/sweeps.md); the rest is ours", "on a line that is here"
        ),
        Parameter("transfer.socket", 23, 50, 115, CORES, "a line that another core of the socket has"),
        Parameter("transfer.far", 108, 134, 197, SOCKETS, "a line that a core of another socket has"),
        Parameter("handover", 0, 1, 2, HANDS, "transfers until who waits for a lock has it, apart from that of the lock's own line"),
        Parameter("reclaim.page", 500, 1_000, 2_000, ASSUMED, "reclaim of a page apart from swap: isolate, unmap, flush"),
        Parameter("zswap.write", 2_000, 4_000, 12_000, ASSUMED, "compressing a page"),
        Parameter("disk.submit", 1_000, 2_000, 4_000, ASSUMED, "submitting a write; nobody waits for it"),
    )
}
"""Costs of a prediction [ns], apart from those of :data:`dse.modelling.latency.PARAMETERS`."""
OF_LINES = ("line", "line.again", "atomic", "transfer.socket", "transfer.far")
"""Costs of the simulated machine, in the order of its control words."""


def at(level: Level = "typical", table: Mapping[str, Parameter] = PARAMETERS) -> dict[str, float]:
    """Every cost at a level [ns]: those of this module, and those of a table of latencies."""
    return {name: row.at(level) for name, row in [*COSTS.items(), *table.items()]}


def of_machine(costs: Mapping[str, float]) -> list[int]:
    """Costs of the simulated machine: line, line again, atomic, line of the socket, line of another socket [ps]; transfers of a hand-over.

    Examples
    --------
    >>> of_machine(at())
    [18000, 1000, 5000, 50000, 134000, 1]
    """
    return [*(round(costs[name] * 1000) for name in OF_LINES), round(costs["handover"])]
