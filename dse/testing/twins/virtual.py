"""Virtual slots with descriptors, as all posted versions of virtual swap have them: physical slots, moves, the end of a swapoff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dse.testing.twins.life import Life
from dse.testing.twins.parts import FULL, Device, Folio, Phase, Zentry
from dse.testing.twins.swap_desc import Place, Zero
from kernels import demand as d


@dataclass(eq=False)
class Desc:
    """Descriptor of a virtual slot. Without a backing the folio is all there is."""

    memcg: int
    cache: Any  # Folio or SHADOW
    count: int = 0
    backing: Zero | Place | Zentry | None = None


class Virtual(Life):
    """Twin of a design whose virtual slots have descriptors, apart from how those are found."""

    devices: dict[int, Device]
    reverse: dict[tuple[int, int], int]
    charges_early = False
    """True where the virtual slot is charged, not the physical one."""
    by_page: str
    """Control word that says if a large folio takes its slots page by page."""

    def known(self, value: int) -> Desc:
        """Descriptor of `value`, which is in use."""
        raise NotImplementedError

    def drop(self, desc: Desc) -> None:
        """Free the backing."""
        raise NotImplementedError

    def uncache(self, folio: Folio, instead: Any) -> None:
        """Take a folio out of the swap cache, and leave `instead`, a shadow or nothing."""
        raise NotImplementedError

    def only_cached(self, device: int, offset: int) -> Folio | None:
        """Folio of a slot that the swap cache alone holds."""
        raise NotImplementedError

    def busy(self, value: int) -> bool:
        """Has the swap cache the slot?"""
        return isinstance(self.known(value).cache, Folio)

    def bring_into_cache(self, value: int, folio: Folio) -> None:
        """Enter a folio into the swap cache, never around it."""
        self.read_begin(value, folio)

    def place_for(self, device: int, value: int, cpu: int) -> Place | None:
        offset = self.devices[device].alloc(cpu) if device in self.devices else None
        if offset is None and device in self.devices and self.devices[device].on:
            offset = self.alloc_after_reclaim(self.devices[device], cpu)
        if offset is None:
            return None
        if not self.charges_early and not self.try_charge(self.known(value).memcg):
            self.devices[device].free(offset)
            return None
        self.reverse[device, offset] = value
        return Place(device, offset)

    def places_for(self, device: int, values: list[int], cpu: int) -> list[Place] | None:
        """Slots in a row for the pages of a large folio; None if there are none, or not all of them can be charged."""
        n = len(values)
        first = self.devices[device].alloc_run(cpu, n.bit_length() - 1) if device in self.devices else None
        if first is None:
            return None
        if not self.charges_early and not self.try_charge(self.known(values[0]).memcg, n):
            for i in range(n):
                self.devices[device].free(first + i)
            return None
        self.reverse |= {(device, first + i): value for i, value in enumerate(values)}
        return [Place(device, first + i) for i in range(n)]

    def writeout_run(self, folios: list[Folio], values: list[Any], backend: int, size: int, zero: bool, cpu: int) -> list[int]:
        """A large folio goes to a device as a whole, or stays as a whole, unless its slots are taken page by page."""
        if zero or backend == d.ZSWAP or self.config.parameters[self.by_page]:
            return super().writeout_run(folios, values, backend, size, zero, cpu)
        places = self.places_for(backend, values, cpu)
        for folio, value, place in zip(folios, values, places or (), strict=places is not None):
            self.known(value).backing = place
            self.store(place, folio)
        return [d.REACTIVATED if places is None else 0] * len(folios)

    def alloc_after_reclaim(self, device: Device, cpu: int) -> int | None:
        """Drop slots that only the swap cache holds, cluster by cluster of the full ones."""
        for _ in range(8):
            if not device.lists[FULL]:
                return None
            c = device.lists[FULL][0]
            dropped = [self.free_swap(folio) for o in device.room(c) if (folio := self.only_cached(device.number, o)) is not None]
            if any(dropped):
                return device.alloc(cpu)
            device.lists[FULL].append(device.lists[FULL].pop(0))
        return None

    def store(self, place: Place, folio: Folio) -> None:
        self.devices[place.device].slots[place.offset].token = folio.token

    def unused(self, entry: int) -> bool:
        return self.known(entry).count == 0

    def free_swap(self, folio: Folio) -> bool:
        if not self.unused(folio.entry):
            return False
        self.uncache(folio, None)
        folio.dirty = True
        return True

    def place(self, desc: Desc) -> int:
        if isinstance(desc.backing, Place):
            return desc.backing.device
        return d.ZSWAP if isinstance(desc.backing, Zentry) else d.MEMORY

    def move_step(self, page: int, phase: Phase, cpu: int) -> int:
        desc, folio = self.known(phase.value), phase.folio
        phase.step += 1
        if phase.step == 1:
            if phase.target in (d.ZSWAP, phase.source) or self.place(desc) != phase.source:
                return d.WRONG_BACKEND
            if self.busy(phase.value):
                return d.BUSY
            folio = self.folio(page)
            self.bring_into_cache(phase.value, folio)
            folio.locked, folio.value, phase.folio = True, phase.value, folio
            return d.STEPPED
        assert folio
        if phase.step == 2:
            phase.new = None if desc.count == 0 else self.place_for(phase.target, phase.value, cpu)
            if phase.new is not None:
                return d.STEPPED
            why = d.MOVED_AWAY if desc.count == 0 else d.FULL
            folio.locked = False
            self.evict(folio)
            self.release(folio)
            return why
        if phase.step == 3:
            self.read_end(phase.value, folio)
            self.store(phase.new, folio)
            self.drop(desc)
            desc.backing = phase.new
            folio.locked, folio.dirty, folio.writeback = False, False, True
            return d.STEPPED
        self.writeback_end(folio)
        return d.MOVED

    def rehouse(self, desc: Desc, folio: Folio, new: Place | None) -> None:
        """Make `new` the backing of a page that leaves its device; None keeps it in memory, dirty, while a PTE holds it."""
        self.drop(desc)
        desc.backing = new
        if new is None:
            folio.dirty = True
            if desc.count == 0:
                self.drop_unused(folio)
            return
        self.store(new, folio)
        folio.dirty = False
        if folio.maps == 0:
            self.evict(folio)
            self.release(folio)
