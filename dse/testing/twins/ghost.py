"""ghost: PTEs hold (device, offset), and zswap is one of the devices. What it refuses stays in memory; nothing moves from it."""

from __future__ import annotations

from dse.testing.twins.parts import Phase, crowded
from dse.testing.twins.slots import Entry
from dse.testing.twins.swap_table import SwapTable
from kernels import demand as d


class Ghost(SwapTable):
    """Phase IV with a swap device that has no disk."""

    def phase(self) -> int:
        return 4

    def native(self) -> bool:
        return True

    def zswap_takes(self, backend: int) -> bool:
        return backend == d.ZSWAP

    def swap_full(self, entry: Entry) -> bool:
        return self.where(entry).sync or crowded(self.devices, ghost=True)

    def move_step(self, page: int, phase: Phase, cpu: int) -> int:
        if phase.entry[0] != d.ZSWAP:
            return super().move_step(page, phase, cpu)
        return d.WRONG_BACKEND if phase.source != d.ZSWAP or phase.target == d.ZSWAP else d.REFUSED
