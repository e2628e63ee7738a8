"""Cache lines that several CPUs use: who holds a copy, and what it costs another CPU to get it.

A store takes all other copies away, a load makes one. Capacity is not modelled: a copy stays until somebody writes the line.
"""

from __future__ import annotations

from kernels.compiling.bits import low_bit
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import inner, u
from kernels.queueing.machine import (
    C_AGAIN,
    C_ATOMIC,
    C_FAR,
    C_LINE,
    C_NEAR,
    CPU_SHIFT,
    LINE_SHIFT,
    N_FREE,
    N_HELD,
    N_MOVED,
    N_SHARERS,
    N_TAKEN,
    N_WAITED,
    N_WRITER,
    T_SOCKET,
)

WORD, BIT = u(6), u(63)


@inner
def transfer(m, holder, cpu):  # type: ignore[no-untyped-def]
    """Cost of a line that CPU ``holder - 1`` has, for another one [ps]."""
    there, here = (holder - U1 << CPU_SHIFT) + T_SOCKET, (cpu << CPU_SHIFT) + T_SOCKET
    return m.ctl[C_NEAR] if m.cpus[there] == m.cpus[here] else m.ctl[C_FAR]


@inner
def own_cost(m, again):  # type: ignore[no-untyped-def]
    """Cost of a line that no other CPU took away [ps]."""
    return m.ctl[C_AGAIN] if again != U0 else m.ctl[C_LINE]


@inner
def moved(m, base, holder, cpu, own):  # type: ignore[no-untyped-def]
    """Cost of a line that is not here [ps]: from CPU ``holder - 1``, else (0) from memory or a shared cache; `own` at least."""
    if holder == U0:
        return max(own, m.ctl[C_LINE])
    m.lines[base + N_MOVED] += U1
    return max(own, transfer(m, holder, cpu))


@inner
def read(m, line, cpu, again):  # type: ignore[no-untyped-def]
    """Load a line; return what it costs [ps]."""
    base = line << LINE_SHIFT
    word, bit = base + N_SHARERS + (cpu >> WORD), U1 << (cpu & BIT)
    if m.lines[word] & bit != U0:
        return own_cost(m, again)
    m.lines[word] |= bit
    writer = m.lines[base + N_WRITER]
    return moved(m, base, U0 if writer == cpu + U1 else writer, cpu, own_cost(m, again))


@inner
def is_alone(m, base, cpu):  # type: ignore[no-untyped-def]
    """Tell if `cpu` is the only one that holds a line."""
    for i in range(4):
        expected = U1 << (cpu & BIT) if u(i) == cpu >> WORD else U0
        if m.lines[base + N_SHARERS + u(i)] != expected:
            return False
    return True


@inner
def other_copy(m, base, cpu):  # type: ignore[no-untyped-def]
    """CPU that the line comes from, or whose copy goes (+ 1): the last writer, else the first other one that holds it; 0: none."""
    writer = m.lines[base + N_WRITER]
    if writer != U0 and writer != cpu + U1:
        return writer
    for i in range(4):
        word = m.lines[base + N_SHARERS + u(i)]
        if u(i) == cpu >> WORD:
            word &= ~(U1 << (cpu & BIT))
        if word != U0:
            return (u(i) << WORD) + low_bit(word) + U1
    return U0


@inner
def write(m, line, cpu, alone):  # type: ignore[no-untyped-def]
    """Store to a line; return what it costs [ps], `alone` where no other CPU has it."""
    base = line << LINE_SHIFT
    if is_alone(m, base, cpu):
        return alone
    holder = other_copy(m, base, cpu)
    for i in range(4):
        m.lines[base + N_SHARERS + u(i)] = U1 << (cpu & BIT) if u(i) == cpu >> WORD else U0
    m.lines[base + N_WRITER] = cpu + U1
    return moved(m, base, holder, cpu, alone)


@inner
def atomic(m, line, cpu, now):  # type: ignore[no-untyped-def]
    """Read, modify and write a line, one CPU after the other; return the time at which it is done [ps]."""
    base = line << LINE_SHIFT
    start = max(now, m.lines[base + N_FREE])
    cost = write(m, line, cpu, m.ctl[C_ATOMIC])
    m.lines[base + N_TAKEN] += U1
    m.lines[base + N_WAITED] += start - now
    m.lines[base + N_HELD] += cost
    m.lines[base + N_FREE] = start + cost
    return start + cost
