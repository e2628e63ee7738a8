"""Live states that several yardsticks share, filled once a run."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterable
from dataclasses import dataclass, field

from dse import naming
from dse.common import machine, output
from dse.modelling.filling import Filled
from dse.modelling.sizes import Ledger

SLOTS = 1 << 23  # 32 GiB of slots of 4 KiB, as the published tables
MIB = 1 << 20
POINTS = ("idle", "a quarter", "half", "three quarters", "full")


@dataclass
class Bench:
    """Readings of a validation so far.

    Attributes
    ----------
    counted_only : bool
        Leave timed figures out.
    slots : int
        Slots of the device of the curves.
    """

    counted_only: bool = False
    slots: int = SLOTS
    curves: dict[tuple[str, str], list[Ledger]] = field(default_factory=dict)

    def curve(self, design: str, backend: str) -> list[Ledger]:
        """Ledgers of a design at the five points, read off one live state while it fills through replay."""
        key = (design, backend)
        if key not in self.curves:
            state = Filled(design, self.slots, backend)
            found = []
            for quarter in range(len(POINTS)):
                state.fill(self.slots * quarter // 4)
                found.append(state.ledger())
            self.curves[key] = found
        return self.curves[key]

    def prepare(self, curves: Iterable[tuple[str, str]]) -> None:
        """Fill the states of `curves` ahead, on all cores (kernels run without the interpreter's lock)."""
        wanted = [key for key in dict.fromkeys(curves) if has(key[0]) and key not in self.curves]
        with output.Progress("live states", len(wanted)) as progress, concurrent.futures.ThreadPoolExecutor(machine.cores()) as pool:
            for _ in progress.over(pool.map(lambda key: self.curve(*key), wanted)):
                pass


def has(design: str) -> bool:
    """Tell whether a design is registered, ``NAME`` or ``NAME[...]``."""
    return design.partition("[")[0] in naming.registry()
