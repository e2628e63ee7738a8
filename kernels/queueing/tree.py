"""A tournament tree of the CPUs that run. Of two at the same time the lower number comes first.

A CPU's leaf says when it goes on, and its number; every node above has the lesser of the two below. The way from a leaf to the top has no
branch, which a processor could only guess. A CPU whose events are done just now keeps its leaf meanwhile.
"""

from __future__ import annotations

from kernels.compiling.constants import BYTE, U1, U8
from kernels.compiling.jit import inner, u
from kernels.queueing.machine import S_LEAVES

NEVER = u(0xFFFF_FFFF_FFFF_FFFF)
"""Leaf of a CPU that waits for a lock."""


@inner
def put(m, cpu, key):  # type: ignore[no-untyped-def]
    """Write a leaf."""
    at, least = m.ctl[S_LEAVES] + cpu, key
    m.tree[at] = key
    while at > U1:
        least = min(least, m.tree[at ^ U1])
        at >>= U1
        m.tree[at] = least


@inner
def enter(m, cpu, time):  # type: ignore[no-untyped-def]
    """Let a CPU go on at `time` [ps], which is below 2^56: 20 hours."""
    put(m, cpu, time << U8 | cpu)


@inner
def leave(m, cpu):  # type: ignore[no-untyped-def]
    """Let a CPU wait."""
    put(m, cpu, NEVER)


@inner
def any_runs(m):  # type: ignore[no-untyped-def]
    """Tell if a CPU runs."""
    return m.tree[U1] != NEVER


@inner
def earliest(m):  # type: ignore[no-untyped-def]
    """CPU that goes on first."""
    return m.tree[U1] & BYTE


@inner
def next_time(m, cpu):  # type: ignore[no-untyped-def]
    """Time of the earliest of the CPUs apart from `cpu`, a very large number where none runs."""
    at, least = m.ctl[S_LEAVES] + cpu, NEVER
    while at > U1:
        least = min(least, m.tree[at ^ U1])
        at >>= U1
    return least >> U8
