"""A design from outside the package, for tests/test_toy.py: direct with a hint a slot that every lookup reads."""

from __future__ import annotations

from typing import Any

from kernels.compiling.jit import inner, outer, u
from kernels.designs import direct
from kernels.life import registry as s
from kernels.life import replay, swapfile
from kernels.observing.probe import R_OWNER, touch

HINTS = u(1)
"""Lines of hints that a lookup reads."""
LINE = u(8)  # words of 8 bytes


class Toy(direct.Direct):
    """State of the toy: that of direct."""


@inner
def lookup(st, pr, entry):  # type: ignore[no-untyped-def]
    """The hint first, then the swap cache."""
    for i in range(HINTS):
        touch(pr, R_OWNER, (entry & u(0xFFFF)) * HINTS * LINE + u(i) * LINE)
    return swapfile.lookup(st, pr, entry)


def build(config: s.Config) -> Toy:
    """State for `config`, all slots free."""
    return Toy(**direct.build(config).arrays())


OPERATIONS: dict[str, Any] = direct.OPERATIONS | {"lookup": lookup}
s.bind(Toy, OPERATIONS)


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


s.register(
    s.Design(
        name="toy",
        title="direct with a hint a slot",
        state=Toy,
        build=build,
        replay=run,
        layout=(*direct.LAYOUT, s.Field("hints", "a guess", 1, "slot", "tests/toy.py")),
        parameters=direct.PARAMETERS,
        locks=direct.LOCKS,
        sources=("tests/toy.py",),
        notes="Only there to show what a design from outside gets.",
        file=__file__,
    )
)
