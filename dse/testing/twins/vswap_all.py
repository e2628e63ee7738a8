"""vswap_all: every entry is one of the virtual device; disks have a bit for each slot, and by choice a word that leads back."""

from __future__ import annotations

from typing import Any

from dse.testing.twins.parts import Device, Folio
from dse.testing.twins.slots import Entry
from dse.testing.twins.vswap_ste import VSwapSte
from kernels import demand as d
from kernels.life.registry import Config


class VSwapAll(VSwapSte):
    """The swap-table edition without direct entries."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.words = bool(config.parameters["C_REVERSE"])

    def more(self) -> dict[str, Any]:
        clusters = super().more()["virtual clusters"]
        return super().more() | ({} if self.words else {"tables": len(clusters), "hints": ()})

    def claim(self, folio: Folio, page: int, memcg: int, backend: int, cpu: int) -> Any:
        if folio.cached:
            return folio.entry
        offset = self.virtual.alloc(cpu)
        return None if offset is None else self.claim_slot(folio, (d.ZSWAP, offset), memcg, cpu)

    def squeeze(self, device: Device, cpu: int) -> int | None:
        """Without words a disk does not know what the swap cache alone holds."""
        return super().squeeze(device, cpu) if self.words else None

    def swapoff(self, device: int, target: int, cpu: int) -> int:
        dev = self.devices.get(device)
        if device == d.ZSWAP or dev is None or not dev.on:
            return d.DEVICE_OFF
        dev.on = False
        here: list[tuple[Entry, int]] = [(place, virtual) for virtual, place in self.behind.items() if place[0] == device]
        for _, virtual in sorted(here, key=lambda pair: pair if self.words else (pair[1],)):
            self.bring_in((d.ZSWAP, virtual))
        return self.sweep(dev)
