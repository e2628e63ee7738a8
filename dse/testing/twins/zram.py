"""zram: PTEs hold (device, offset), and zswap's device is a zram: elements with an object or a block of a backing device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dse.testing.twins.parts import Folio, Phase, Zentry, crowded
from dse.testing.twins.slots import Entry
from dse.testing.twins.swap_table import SwapTable
from kernels import demand as d
from kernels.life.registry import Config

HUGE = 3625  # least compressed size that needs a whole page: 3,632 bytes are the largest class of several objects, 8 are the handle


@dataclass
class Element:
    """Content of a slot in the driver: an object, or once it was written back the block that has its content."""

    thing: Zentry
    block: int | None = None
    selected: bool = False


class Zram(SwapTable):
    """Phase IV with a synchronous swap device that compresses."""

    def __init__(self, config: Config) -> None:
        slots = max(config.slots.get("zswap", 0), config.slots.get(config.zdisk, 0)) if config.slots.get("zswap") else 0
        super().__init__(replace(config, slots={**config.slots, "zswap": slots}))
        words = config.parameters
        share, limit = words["C_BACKED"], words["C_MEM_LIMIT"]
        self.behind = d.BACKENDS.index(config.zdisk)
        self.room = slots // share if share else 0
        self.limit = max(1, slots // limit) if limit else None
        self.elements: dict[int, Element] = {}
        self.blocks: dict[int, int] = {}  # of those in use: the content
        self.busy: set[int] = set()  # elements that a writeback has in flight
        if d.ZSWAP in self.devices:
            self.devices[d.ZSWAP].sync = True

    def phase(self) -> int:
        return 4

    def native(self) -> bool:
        return True

    def swap_full(self, entry: Entry) -> bool:
        return self.where(entry).sync or crowded(self.devices, ghost=True)

    def writeout(self, folio: Folio, value: Any, backend: int, size: int, zero: bool, cpu: int) -> int:
        slot = self.slot(folio.entry)
        slot.zero = zero
        if not zero and folio.entry[0] == d.ZSWAP and not self.store(folio.entry[1], size, folio.token):
            return d.REACTIVATED
        slot.token = folio.token
        return 0

    def store(self, offset: int, size: int, token: int) -> bool:
        """A page comes into an element, in place of what it had; not where memory for objects is at its limit."""
        thing = Zentry(4096 if size >= HUGE else max(size, 1), token)
        self.zswap.live.append(thing)
        if self.limit is not None and -(-self.zswap.nbytes // 4096) > self.limit:
            self.zswap.drop(thing)
            return False
        self.discard(offset)
        self.elements[offset] = Element(thing)
        return True

    def discard(self, offset: int) -> None:
        """The element is empty, its block free."""
        element = self.elements.pop(offset, None)
        if element is not None:
            self.zswap.drop(element.thing)
            if element.block is not None:
                del self.blocks[element.block]

    def read(self, entry: Entry, folio: Folio) -> None:
        super().read(entry, folio)
        if entry[0] == d.ZSWAP and not self.slot(entry).zero:
            element = self.elements[entry[1]]
            folio.token = element.thing.token if element.block is None else self.blocks[element.block]
            element.selected = False

    def gone(self, value: Any, entry: Entry) -> None:
        if entry[0] == d.ZSWAP:
            self.discard(entry[1])

    def place(self, entry: Entry) -> int:
        element = self.elements.get(entry[1]) if entry[0] == d.ZSWAP and not self.slot(entry).zero else None
        return entry[0] if element is None or element.block is None else self.behind

    def move_step(self, page: int, phase: Phase, cpu: int) -> int:
        if phase.entry[0] != d.ZSWAP:
            return super().move_step(page, phase, cpu)
        back = phase.source == d.ZSWAP and phase.target == self.behind
        nothing = self.slot(phase.entry).zero or phase.entry[1] not in self.elements if phase.step == 0 else False
        if phase.step == 0 and (self.impossible(phase) or (back and nothing)):
            return d.WRONG_BACKEND
        if back:
            return self.write_back(phase) if phase.step == 0 else self.written_back(phase)
        if phase.step == 0 and self.lookup(phase.entry) is not None:
            return d.BUSY
        return self.reswap(page, phase, cpu)

    def write_back(self, phase: Phase) -> int:
        """Select the element and write it to the first free block."""
        offset = phase.entry[1]
        if not self.room:
            return d.REFUSED
        if offset in self.busy:
            return d.BUSY
        element = self.elements[offset]
        block = next((b for b in range(self.room) if b not in self.blocks), None)
        if block is None:
            element.selected = False
            return d.FULL
        self.blocks[block] = element.thing.token
        element.selected, phase.aux, phase.step = True, block, 1
        self.busy.add(offset)
        return d.STEPPED

    def written_back(self, phase: Phase) -> int:
        """The element names the block, if nobody has touched it meanwhile."""
        offset, block = phase.entry[1], phase.aux
        element = self.elements.get(offset)
        self.busy.remove(offset)
        if element is None or not element.selected:
            del self.blocks[block]
            return d.MOVED_AWAY
        self.zswap.drop(element.thing)
        element.block, element.selected = block, False
        return d.MOVED

    def more(self) -> dict[str, Any]:
        elements = {offset: (e.thing.size, e.block, e.selected) for offset, e in self.elements.items()}
        return super().more() | {"elements": elements, "blocks": self.blocks}
