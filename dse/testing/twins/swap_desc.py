"""swap_desc: PTEs hold the index of a descriptor, which knows backing, count, cached folio and owner. Slots are taken at writeout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dse.testing.twins.life import Life
from dse.testing.twins.parts import SHADOW, Folio, Phase, Zentry, Zswap, crowded, disks
from kernels import demand as d
from kernels.life.registry import Config


@dataclass(frozen=True)
class Zero:
    """A zero-filled page is stored nowhere; the token only stands for its content."""

    token: int


@dataclass
class Place:
    """A slot of a device."""

    device: int
    offset: int


@dataclass(eq=False)
class Desc:
    """A swap descriptor."""

    memcg: int
    count: int = 0
    cache: Any = None  # Folio or SHADOW
    backing: Zero | Place | Zentry | None = None


class SwapDesc(Life):
    """Yosry Ahmed's descriptor, one xarray."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.devices = disks(config, tables=config.parameters["C_BASE"] != 0)
        self.disk = d.BACKENDS.index(config.zdisk)
        self.zswap = Zswap(config.slots.get("zswap", 0))
        self.descs: dict[int, Desc] = {}

    def more(self) -> dict[str, Any]:
        return {
            "descriptors": {i: (x.count, cache_kind(x.cache), x.memcg, backing_kind(x.backing)) for i, x in self.descs.items()},
            "used slots": {(n, offset): True for n, device in self.devices.items() for offset in device.slots},
            "zswap": len(self.zswap.live), "zswap bytes": self.zswap.nbytes,
        }  # fmt: skip

    def keeps(self) -> bool:
        return self.config.parameters["C_BASE"] != 0

    # -- steps ------------------------------------------------------------------------------------

    def resolve(self, value: int) -> Desc | None:
        return self.descs.get(value)

    def same(self, value: int, entry: Desc) -> bool:
        return self.descs.get(value) is entry

    def still(self, value: int, entry: Desc) -> bool:
        return self.same(value, entry)

    def lookup(self, entry: Desc) -> Folio | None:
        return entry.cache if isinstance(entry.cache, Folio) else None

    def claim_run(self, folios: list[Folio], page: int, memcg: int, backend: int, cpu: int) -> list[Any] | None:
        return self.claim_each(folios, page, memcg, backend, cpu)

    def claim(self, folio: Folio, page: int, memcg: int, backend: int, cpu: int) -> Any:
        if folio.cached:
            return folio.value
        if len(self.descs) >= self.config.pages + 2:
            return None
        if not self.try_charge(memcg):
            return None
        value = next(i for i in range(1, len(self.descs) + 2) if i not in self.descs)
        self.descs[value] = Desc(memcg, cache=folio)
        folio.cached, folio.entry, folio.value = True, self.descs[value], value
        return value

    def unclaim(self, folio: Folio, value: int) -> None:
        pass

    def dup(self, value: int, entry: Desc) -> bool:
        entry.count += 1
        return True

    def put(self, value: int, entry: Desc) -> str:
        assert entry.count > 0
        entry.count -= 1
        if entry.count:
            return "held"
        if isinstance(entry.cache, Folio):
            return "cached"
        self.free(value)
        return "freed"

    def free(self, value: int) -> None:
        entry = self.descs.pop(value)
        assert entry.count == 0
        self.drop(entry)
        self.charged[entry.memcg] -= 1

    def drop(self, entry: Desc) -> None:
        """Free the backing."""
        if isinstance(entry.backing, Zentry):
            self.zswap.drop(entry.backing)
        elif isinstance(entry.backing, Place):
            self.devices[entry.backing.device].free(entry.backing.offset)
        entry.backing = None

    def unused(self, entry: Desc) -> bool:
        return entry.count == 0

    def writeout(self, folio: Folio, value: int, backend: int, size: int, zero: bool, cpu: int) -> int:
        entry: Desc = folio.entry
        old = entry.backing
        if not zero and isinstance(old, Place) and old.device == backend:
            self.store(old, folio)
            return 0
        self.drop(entry)
        if zero:
            entry.backing = Zero(folio.token)
        elif backend == d.ZSWAP:
            entry.backing = self.zswap.store(size, folio.token)
        else:
            entry.backing = self.place_on(backend, cpu)
            if entry.backing is not None:
                self.store(entry.backing, folio)
        return 0 if entry.backing is not None else d.REACTIVATED

    def place_on(self, device: int, cpu: int) -> Place | None:
        offset = self.devices[device].alloc(cpu) if device in self.devices else None
        return None if offset is None else Place(device, offset)

    def store(self, place: Place, folio: Folio) -> None:
        self.devices[place.device].slots[place.offset].token = folio.token

    def evict(self, folio: Folio) -> None:
        entry: Desc = folio.entry
        folio.cached, folio.entry = False, None
        entry.cache = SHADOW
        if entry.count == 0:
            self.free(folio.value)

    def read_begin(self, entry: Desc, folio: Folio) -> bool:
        if isinstance(entry.cache, Folio):
            return False
        entry.cache = folio
        folio.cached, folio.entry = True, entry
        return True

    def read_end(self, entry: Desc, folio: Folio) -> None:
        backing = entry.backing
        assert backing is not None
        if isinstance(backing, Place):
            folio.token = self.devices[backing.device].slots[backing.offset].token
        else:
            folio.token = backing.token
        if isinstance(backing, Zentry):
            self.drop(entry)
            folio.dirty = True

    def read_abort(self, entry: Desc, folio: Folio) -> None:
        entry.cache = SHADOW
        folio.cached, folio.entry = False, None

    def free_swap(self, folio: Folio) -> bool:
        if folio.entry.count:
            return False
        self.free(folio.value)
        folio.cached, folio.entry, folio.dirty = False, None, True
        return True

    def swap_full(self, entry: Desc) -> bool:
        there = isinstance(entry.backing, Place) and self.devices[entry.backing.device].sync
        return there or crowded(self.devices)

    # -- moves: hold; take a slot; switch; end of writeback -----------------------------------------

    def place(self, entry: Desc) -> int:
        if isinstance(entry.backing, Place):
            return entry.backing.device
        return d.ZSWAP if isinstance(entry.backing, Zentry) else d.MEMORY

    def move_step(self, page: int, phase: Phase, cpu: int) -> int:
        entry: Desc = phase.entry
        phase.step += 1
        if phase.step == 1:
            if phase.target in (d.ZSWAP, phase.source) or self.place(entry) != phase.source:
                return d.WRONG_BACKEND
            if self.lookup(entry) is not None:
                return d.BUSY
            folio = self.folio(page)
            self.read_begin(entry, folio)
            folio.locked, folio.value, phase.folio = True, phase.value, folio
            return d.STEPPED
        assert phase.folio
        if phase.step == 2:
            if self.unused(entry):
                return self.give_up(phase.folio, d.MOVED_AWAY)
            phase.new = self.place_on(phase.target, cpu)
            return d.STEPPED if phase.new is not None else self.give_up(phase.folio, d.FULL)
        if phase.step == 3:
            self.read_end(entry, phase.folio)
            self.store(phase.new, phase.folio)
            self.drop(entry)
            entry.backing = phase.new
            phase.folio.locked, phase.folio.dirty, phase.folio.writeback = False, False, True
            return d.STEPPED
        self.writeback_end(phase.folio)
        return d.MOVED

    def give_up(self, folio: Folio, why: int) -> int:
        folio.locked = False
        self.evict(folio)
        self.release(folio)
        return why

    # -- swapoff: every descriptor is looked at -------------------------------------------------------

    def swapoff(self, device: int, target: int, cpu: int) -> int:
        dev = self.devices.get(device)
        if dev is None or not dev.on:
            return d.DEVICE_OFF
        dev.on = False
        for value in sorted(self.descs):
            entry = self.descs.get(value)
            if entry is not None and self.place(entry) == device:
                self.bring_in(entry, value, target, cpu)
        dev.on = bool(dev.slots)
        return d.BUSY if dev.slots else d.SWAPPED_OFF

    def bring_in(self, entry: Desc, value: int, target: int, cpu: int) -> None:
        folio = self.lookup(entry)
        if folio is None:
            folio = self.folio(0)
            self.read_begin(entry, folio)
            folio.value = value
            self.read_end(entry, folio)
        elif folio.busy:
            return
        new = self.place_on(target, cpu)
        self.drop(entry)
        entry.backing = new
        if new is None:
            folio.dirty = True
            if self.unused(entry):
                self.drop_unused(folio)
            return
        self.store(new, folio)
        folio.dirty = False
        if folio.maps == 0:
            self.evict(folio)
            self.release(folio)


def cache_kind(cache: Any) -> str:
    return "folio" if isinstance(cache, Folio) else "shadow" if cache == SHADOW else "none"


def backing_kind(backing: Zero | Place | Zentry | None) -> tuple[Any, ...]:
    if isinstance(backing, Place):
        return "slot", backing.device, backing.offset
    return ("none",) if backing is None else (type(backing).__name__.lower(),)
