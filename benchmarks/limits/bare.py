"""Probe that observes nothing, under which the driver does not prefetch either (:mod:`kernels.life.prefetch`)."""

from __future__ import annotations

from kernels.compiling.jit import outer
from kernels.life import prefetch as ahead
from kernels.life import replay
from kernels.observing import atomics, counting, lock, probe

_OPERATIONS = (
    probe.chase, probe.touch, probe.wrote, probe.bump, probe.allocated, probe.freed, probe.step, probe.begin, probe.finish,
    lock.lock, lock.trylock, lock.unlock, counting.counts,
    atomics.atomic_seen, atomics.atomic_add, atomics.atomic_sub, atomics.atomic_or, atomics.atomic_and, atomics.atomic_xchg,
)  # fmt: skip


class Off(probe.Off):
    """Probe with the name of its base, by which the linker knows one that observes nothing (:data:`kernels.compiling.linking.PLAIN`)."""


for _operation in _OPERATIONS:
    _operation.register(Off, _operation.table[probe.Off])
ahead.look_ahead.register(Off, ahead.nothing)


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands. It is an entry of its own: the cache of a design's own entry names importable modules only."""
    replay.run(st, pr, demands, replies)


def make() -> Off:
    """A fresh probe."""
    return Off(**probe.make("off").arrays())
