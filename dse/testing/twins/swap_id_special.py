"""swap_id_special: a PTE holds an ID, which is a number, or an entry, which is a pair."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dse.testing.reading import ctl
from dse.testing.twins.parts import Device, Folio, Phase
from dse.testing.twins.slots import Entry
from dse.testing.twins.swap_id import SwapId
from dse.testing.twins.swapfile import Swapfile
from kernels.designs.swap_id_special import own
from kernels.life.registry import Config


class SwapIdSpecial(SwapId):
    """IDs only for devices that can be the source of moves."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.special = config.parameters["C_SPECIAL"]
        self.pinned = 0

    def more(self) -> dict[str, Any]:
        return super().more() | {"pinned": self.pinned}

    @staticmethod
    def observed(st: Any) -> dict[str, Any]:
        return {"pinned": ctl(st, own.S_PINNED)}

    def resolve(self, value: Any) -> Entry:
        return super().resolve(value) if isinstance(value, int) else value

    def same(self, value: Any, entry: Entry) -> bool:
        return not isinstance(value, int) or super().same(value, entry)

    def publish(self, folio: Folio, entry: Entry, cpu: int) -> Any:
        has_id = isinstance(folio.value, int) and (self.with_cache or not self.unused(entry))
        if self.special >> entry[0] & 1 or has_id:
            value = super().publish(folio, entry, cpu)
            if value is not None:
                return value
            self.pinned += 1
        folio.value = entry
        return entry

    def following(self, value: Any) -> Iterable[Any]:
        return super().following(value) if isinstance(value, int) else Swapfile.following(self, value)

    def unheld(self, value: Any, entry: Entry) -> None:
        if isinstance(value, int):
            super().unheld(value, entry)

    def gone(self, value: Any, entry: Entry) -> None:
        if isinstance(value, int):
            super().gone(value, entry)

    def move_step(self, page: int, phase: Phase, cpu: int) -> int:
        return (SwapId if isinstance(phase.value, int) else Swapfile).move_step(self, page, phase, cpu)

    def move_rest(self, dev: Device) -> None:
        """Fault in what is left: it has no ID, or could not be moved."""
        if dev.slots:
            self.fault_in(dev.number)
