"""A binary heap of the CPUs that run. Of two at the same time the lower number comes first."""

from __future__ import annotations

from kernels.compiling.constants import U0, U1, U2
from kernels.compiling.jit import inner, u
from kernels.queueing.machine import CPU_SHIFT, S_HEAP, T_TIME

NEVER = u(0xFFFF_FFFF_FFFF_FFFF)


@inner
def time_of(m, cpu):  # type: ignore[no-untyped-def]
    """Time at which `cpu` goes on."""
    return m.cpus[(cpu << CPU_SHIFT) + T_TIME]


@inner
def before(m, a, b):  # type: ignore[no-untyped-def]
    """Tell if CPU `a` goes on before CPU `b`."""
    first, second = time_of(m, a), time_of(m, b)
    return first < second or (first == second and a < b)


@inner
def push(m, cpu):  # type: ignore[no-untyped-def]
    """Enter a CPU."""
    at = m.ctl[S_HEAP]
    m.ctl[S_HEAP] = at + U1
    while at > U0:
        above = (at - U1) >> U1
        other = m.heap[above]
        if not before(m, cpu, other):
            break
        m.heap[at] = other
        at = above
    m.heap[at] = cpu


@inner
def pop(m):  # type: ignore[no-untyped-def]
    """Take the earliest CPU out."""
    top = m.heap[U0]
    size = m.ctl[S_HEAP] - U1
    m.ctl[S_HEAP] = size
    moved = m.heap[size]
    at = U0
    while True:
        child = U2 * at + U1
        if child >= size:
            break
        if child + U1 < size and before(m, m.heap[child + U1], m.heap[child]):
            child += U1
        if not before(m, m.heap[child], moved):
            break
        m.heap[at] = m.heap[child]
        at = child
    m.heap[at] = moved
    return top


@inner
def next_time(m):  # type: ignore[no-untyped-def]
    """Time of the earliest CPU in the heap, the largest number where it is empty."""
    return time_of(m, m.heap[U0]) if m.ctl[S_HEAP] > U0 else NEVER
