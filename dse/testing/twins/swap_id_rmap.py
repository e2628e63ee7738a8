"""swap_id_rmap: a second dict says which ID a slot has. A swapoff goes through the slots of its device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dse.testing import reading
from dse.testing.twins.parts import Folio, Phase
from dse.testing.twins.slots import Entry
from dse.testing.twins.swap_id import SwapId
from kernels import demand as d
from kernels.life.registry import Config


class SwapIdRmap(SwapId):
    """Huang Ying's two xarrays."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.reverse: dict[Entry, int] = {}

    def more(self) -> dict[str, Any]:
        return super().more() | {"reverse": dict(self.reverse)}

    @staticmethod
    def observed(st: Any) -> dict[str, Any]:
        return {"reverse": {(device, offset): value for device, offset, value in reading.reverse(st)}}

    def publish(self, folio: Folio, entry: Entry, cpu: int) -> Any:
        value = super().publish(folio, entry, cpu)
        if value is not None:
            self.reverse[entry] = value
        return value

    def publish_run(self, folios: list[Folio], entries: list[Entry], cpu: int) -> list[Any]:
        values = super().publish_run(folios, entries, cpu)
        self.reverse |= {entry: value for entry, value in zip(entries, values, strict=True) if value is not None}
        return values

    def unheld(self, value: int, entry: Entry) -> None:
        if not self.with_cache:
            del self.reverse[entry]
        super().unheld(value, entry)

    def gone(self, value: int, entry: Entry) -> None:
        if self.with_cache:
            del self.reverse[entry]
        super().gone(value, entry)

    # -- moves: both slots have the ID from the moment that B's is taken until A's is left ------------------------------------

    def take_slot(self, phase: Phase, cpu: int) -> int:
        code = super().take_slot(phase, cpu)
        if code == d.STEPPED:
            self.reverse[phase.new] = phase.value
        return code

    def leave_a(self, phase: Phase) -> int:
        del self.reverse[phase.entry]
        return super().leave_a(phase)

    def give_up(self, phase: Phase, why: int) -> int:
        self.reverse.pop(phase.new, None)
        return super().give_up(phase, why)

    def leaving(self, device: int) -> Iterator[tuple[int, Entry]]:
        for offset in range(self.devices[device].size):
            if (device, offset) in self.reverse:
                yield self.reverse[device, offset], (device, offset)
