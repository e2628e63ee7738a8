"""The set of lines that the operation under way has touched. Entries carry the number of the operation, so it is never cleared."""

from __future__ import annotations

from kernels.compiling.constants import U0, U1, U2
from kernels.compiling.jit import called, u

STAMPS = 1 << 15  # slots of the set
SPILL = 1 << 22  # slots for lines beyond the set: one operation may touch some 3 M lines, and only such an operation uses this memory
WORDS = 2 * (STAMPS + SPILL)


@called
def _spilled(stamps, stamp, line):  # type: ignore[no-untyped-def]
    """Enter a line that does not fit into the set into the larger one behind it; 1 if the line is new or does not fit there, else 0."""
    i = (line * u(0x9E3779B97F4A7C15)) >> u(42)
    for _ in range(1024):
        at = (i + u(STAMPS)) * U2
        if stamps[at] != stamp:
            stamps[at], stamps[at + U1] = stamp, line
            return U1
        if stamps[at + U1] == line:
            return U0
        i = (i + U1) & u(SPILL - 1)
    return U1


@called
def enter(stamps, stamp, line):  # type: ignore[no-untyped-def]
    """Enter `line` into the set of operation `stamp`; 1 if it was not there, else 0."""
    i = (line * u(0x9E3779B97F4A7C15)) >> u(49)
    for _ in range(64):
        if stamps[i * U2] != stamp:
            stamps[i * U2], stamps[i * U2 + U1] = stamp, line
            return U1
        if stamps[i * U2 + U1] == line:
            return U0
        i = (i + U1) & u(STAMPS - 1)
    return _spilled(stamps, stamp, line)
