"""The run: the CPU that is earliest does its events until another one is earlier, or it waits for a lock."""

from __future__ import annotations

from kernels.compiling.bits import top_bit
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import inner, outer, u
from kernels.queueing.lines import atomic, own_cost, read, transfer, write
from kernels.queueing.machine import (
    AGAIN_SHIFT,
    BINS,
    C_ATOMIC,
    C_HANDOVER,
    CPU_SHIFT,
    FRACTION,
    KIND_SHIFT,
    L_CONTENDED,
    L_HEAD,
    L_HELD,
    L_HOLDER,
    L_SINCE,
    L_TAIL,
    L_TAKEN,
    L_WAITED,
    LOCK_SHIFT,
    LOW59,
    S_DONE,
    S_NOW,
    T_ASKED,
    T_BEGUN,
    T_NEXT,
    T_PC,
    T_TIME,
)
from kernels.queueing.tree import any_runs, earliest, enter, leave, next_time

WORK, READ, WRITE, ATOMIC, LOCK, UNLOCK, END, TRYLOCK = (u(number) for number in range(8))
LAST_BIN = u(BINS - 1)


@inner
def bin_of(ps):  # type: ignore[no-untyped-def]
    """Bin of a latency: 16 for each power of two."""
    if ps < u(16):
        return ps
    shift = top_bit(ps) - FRACTION
    return min(((shift + U1) << FRACTION) + (ps >> shift) - u(16), LAST_BIN)


@inner
def hold(m, base, cpu, now):  # type: ignore[no-untyped-def]
    """Note that `cpu` has the lock from `now` on."""
    m.locks[base + L_HOLDER] = cpu + U1
    m.locks[base + L_SINCE] = now
    m.locks[base + L_TAKEN] += U1


@inner
def take(m, lock, cpu, now, waits):  # type: ignore[no-untyped-def]
    """Take a lock, or wait for it if that is wanted; False if `cpu` waits."""
    base = lock << LOCK_SHIFT
    if m.locks[base + L_HOLDER] == U0 or m.open[lock] != 0:
        hold(m, base, cpu, now)
        return True
    m.locks[base + L_CONTENDED] += U1
    if not waits:
        return True
    own = cpu << CPU_SHIFT
    m.cpus[own + T_ASKED] = now
    m.cpus[own + T_NEXT] = U0
    if m.locks[base + L_TAIL] == U0:
        m.locks[base + L_HEAD] = cpu + U1
    else:
        m.cpus[((m.locks[base + L_TAIL] - U1) << CPU_SHIFT) + T_NEXT] = cpu + U1
    m.locks[base + L_TAIL] = cpu + U1
    return False


@inner
def release(m, lock, cpu, now):  # type: ignore[no-untyped-def]
    """Release a lock; the first that waits has it as soon as it has been handed over."""
    base = lock << LOCK_SHIFT
    if m.locks[base + L_HOLDER] != cpu + U1:
        return
    head = m.locks[base + L_HEAD]
    if head == U0:
        m.locks[base + L_HELD] += now - m.locks[base + L_SINCE]
        m.locks[base + L_HOLDER] = U0
        return
    waiter = head - U1
    own = waiter << CPU_SHIFT
    there = now + m.ctl[C_HANDOVER] * transfer(m, cpu + U1, waiter)
    m.locks[base + L_HELD] += there - m.locks[base + L_SINCE]
    m.locks[base + L_HEAD] = m.cpus[own + T_NEXT]
    if m.cpus[own + T_NEXT] == U0:
        m.locks[base + L_TAIL] = U0
    m.locks[base + L_WAITED] += there - m.cpus[own + T_ASKED]
    hold(m, base, waiter, there)
    m.cpus[own + T_TIME] = there
    enter(m, waiter, there)


@inner
def end(m, kind, cpu, now):  # type: ignore[no-untyped-def]
    """Note the end of an operation, and go to the next one of the program."""
    own = cpu << CPU_SHIFT
    took = now - m.cpus[own + T_BEGUN]
    m.ended[kind] += U1
    m.spent[kind] += took
    m.hist[kind * u(BINS) + bin_of(took)] += U1
    m.cpus[own + T_BEGUN] = now
    m.ctl[S_DONE] += U1
    pc = m.cpus[own + T_PC] + U1
    return m.first[cpu] if pc == m.first[cpu + U1] else pc


@inner
def touch(m, kind, word, cpu, now):  # type: ignore[no-untyped-def]
    """Do an event that takes time and never waits; return when it is over [ps]."""
    argument, again = word & LOW59, word >> AGAIN_SHIFT & U1
    if kind == WORK:
        return now + argument
    if kind == READ:
        return now + read(m, argument, cpu, again)
    if kind == WRITE:
        return now + write(m, argument, cpu, own_cost(m, again))
    return atomic(m, argument, cpu, now)


@inner
def advance(m, cpu):  # type: ignore[no-untyped-def]
    """Run `cpu` until its operation ends, another CPU is earlier, or it waits."""
    own = cpu << CPU_SHIFT
    now = m.cpus[own + T_TIME]
    limit = next_time(m, cpu)
    while True:
        word = m.code[m.cpus[own + T_PC]]
        kind = word >> KIND_SHIFT
        if kind <= ATOMIC:
            now = touch(m, kind, word, cpu, now)
        elif kind == UNLOCK:
            release(m, word & LOW59, cpu, now)
            limit = next_time(m, cpu)
        elif kind == END:
            m.cpus[own + T_PC] = end(m, word & LOW59, cpu, now)
            break
        else:
            if not take(m, word & LOW59, cpu, now, kind == LOCK):
                m.cpus[own + T_PC] += U1
                leave(m, cpu)
                return
            now += m.ctl[C_ATOMIC]
        m.cpus[own + T_PC] += U1
        if now >= limit:
            break
    m.cpus[own + T_TIME] = now
    m.ctl[S_NOW] = now
    enter(m, cpu, now)


@outer
def simulate(m, operations):  # type: ignore[no-untyped-def]
    """Run until `operations` have ended in all.

    Parameters
    ----------
    m : Machine
        It is changed, and may be run on.
    operations : uint64
        Ends of operations, counted from the start of the machine. Fewer end where every CPU waits for another.
    """
    while m.ctl[S_DONE] < operations and any_runs(m):
        advance(m, earliest(m))
