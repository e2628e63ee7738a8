"""oracle: PTEs hold the number of a word, which knows place, count and owner. Which slot of a device is free is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dse.testing import invariants_oracle
from dse.testing.twins.life import Life
from dse.testing.twins.parts import Folio, Phase, Zentry, Zswap, disks
from kernels import demand as d
from kernels.life.registry import Config


@dataclass(frozen=True)
class Zero:
    """A zero-filled page; the token only stands for its content."""

    token: int


@dataclass
class Place:
    """A slot of a device."""

    device: int
    offset: int
    token: int = 0


@dataclass(eq=False)
class Word:
    """Record of a page."""

    memcg: int
    cache: Folio | None
    count: int = 0
    place: Zero | Place | Zentry | None = None


class Oracle(Life):
    """The lower bound."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.devices = disks(config, tables=True)
        self.spare = {n: list(reversed(range(device.size))) for n, device in self.devices.items()}
        self.zswap = Zswap(config.slots.get("zswap", 0))
        self.words: dict[int, Word] = {}
        self.numbers: list[int] = []
        self.high = 1

    def more(self) -> dict[str, Any]:
        return {
            "words": {v: (x.count, x.cache is not None, x.memcg, kind(x.place)) for v, x in self.words.items()},
            "used slots": {(n, o) for n, device in self.devices.items() for o in set(range(device.size)) - set(self.spare[n])},
            "zswap": len(self.zswap.live), "zswap bytes": self.zswap.nbytes,
        }  # fmt: skip

    @staticmethod
    def observed(st: Any) -> dict[str, Any]:
        return invariants_oracle.observed(st)

    # -- steps ------------------------------------------------------------------------------------

    def resolve(self, value: int) -> int:
        return value

    def same(self, value: int, entry: int) -> bool:
        return True

    def lookup(self, entry: int) -> Folio | None:
        return self.words[entry].cache if entry in self.words else None

    def claim_run(self, folios: list[Folio], page: int, memcg: int, backend: int, cpu: int) -> list[Any] | None:
        return self.claim_each(folios, page, memcg, backend, cpu)

    def claim(self, folio: Folio, page: int, memcg: int, backend: int, cpu: int) -> Any:
        if folio.cached:
            return folio.entry
        if not self.try_charge(memcg):
            return None
        if self.numbers:
            v = self.numbers.pop()
        else:
            v, self.high = self.high, self.high + 1
        self.words[v] = Word(memcg, folio)
        folio.cached, folio.entry, folio.value = True, v, v
        return v

    def unclaim(self, folio: Folio, value: int) -> None:
        pass

    def dup(self, value: int, entry: int) -> bool:
        room = self.words[entry].count < (1 << 16) - 1
        self.words[entry].count += room
        return room

    def put(self, value: int, entry: int) -> str:
        word = self.words[entry]
        assert word.count > 0
        word.count -= 1
        if word.count:
            return "held"
        if word.cache is not None:
            return "cached"
        self.free(entry)
        return "freed"

    def free(self, v: int) -> None:
        word = self.words.pop(v)
        assert word.count == 0
        self.drop(word)
        self.charged[word.memcg] -= 1
        self.numbers.append(v)

    def drop(self, word: Word) -> None:
        """The data is in no place any more."""
        if isinstance(word.place, Zentry):
            self.zswap.drop(word.place)
        elif isinstance(word.place, Place):
            self.spare[word.place.device].append(word.place.offset)
            del self.devices[word.place.device].slots[word.place.offset]
        word.place = None

    def take(self, device: int) -> Place | None:
        """A free slot: the one that was freed last, else the first."""
        if device not in self.devices or not self.devices[device].on or not self.spare[device]:
            return None
        place = Place(device, self.spare[device].pop())
        self.devices[device].slots[place.offset] = place  # type: ignore[assignment]
        return place

    def unused(self, entry: int) -> bool:
        return entry not in self.words or self.words[entry].count == 0

    def writeout(self, folio: Folio, value: int, backend: int, size: int, zero: bool, cpu: int) -> int:
        word = self.words[folio.entry]
        if zero or not isinstance(word.place, Place) or word.place.device != backend:
            self.drop(word)
            if zero:
                word.place = Zero(folio.token)
            else:
                word.place = self.zswap.store(size, folio.token) if backend == d.ZSWAP else self.take(backend)
            if word.place is None:
                return d.REACTIVATED
        if isinstance(word.place, Place):
            word.place.token = folio.token
        return 0

    def evict(self, folio: Folio) -> None:
        v = self.uncache(folio)
        if self.words[v].count == 0:
            self.free(v)

    def uncache(self, folio: Folio) -> int:
        v: int = folio.entry
        self.words[v].cache = None
        folio.cached, folio.entry = False, None
        return v

    def read_begin(self, entry: int, folio: Folio) -> bool:
        word = self.words.get(entry)
        if word is None or word.cache is not None or word.count == 0:
            return False
        word.cache, folio.cached, folio.entry = folio, True, entry
        return True

    def read_abort(self, entry: int, folio: Folio) -> None:
        self.uncache(folio)

    def read_end(self, entry: int, folio: Folio) -> None:
        word = self.words[entry]
        assert word.place is not None
        folio.token = word.place.token
        if isinstance(word.place, Zentry):
            self.drop(word)
            folio.dirty = True

    def free_swap(self, folio: Folio) -> bool:
        if self.words[folio.entry].count:
            return False
        self.free(self.uncache(folio))
        folio.dirty = True
        return True

    def swap_full(self, entry: int) -> bool:
        place = self.words[entry].place
        on = [device for device in self.devices.values() if device.on]
        full = 2 * sum(len(device.slots) for device in on) > sum(device.size for device in on)
        return full or (isinstance(place, Place) and self.devices[place.device].sync)

    # -- moves and swapoff --------------------------------------------------------------------------

    def backend(self, word: Word) -> int:
        if isinstance(word.place, Place):
            return word.place.device
        return d.ZSWAP if isinstance(word.place, Zentry) else d.MEMORY

    def move_step(self, page: int, phase: Phase, cpu: int) -> int:
        v, folio = phase.entry, phase.folio
        phase.step += 1
        if phase.step == 1:
            word = self.words[v]
            if phase.target in (d.ZSWAP, phase.source) or self.backend(word) != phase.source:
                return d.WRONG_BACKEND
            if word.cache is not None:
                return d.BUSY
            phase.folio = self.folio(page)
            self.read_begin(v, phase.folio)
            phase.folio.locked, phase.folio.value = True, v
            return d.STEPPED
        assert folio
        if phase.step == 3:
            self.writeback_end(folio)
            return d.MOVED
        word = self.words[v]
        new = self.take(phase.target) if word.count else None
        if new is None:
            why = d.FULL if word.count else d.MOVED_AWAY
            folio.locked = False
            self.evict(folio)
            self.release(folio)
            return why
        self.read_end(v, folio)
        self.drop(word)
        word.place, new.token = new, folio.token
        folio.locked, folio.dirty, folio.writeback = False, False, True
        return d.STEPPED

    def swapoff(self, device: int, target: int, cpu: int) -> int:
        dev = self.devices.get(device)
        if dev is None or not dev.on:
            return d.DEVICE_OFF
        dev.on = False
        for v in sorted(self.words):
            if self.backend(self.words[v]) == device:
                self.bring_in(v)
        if dev.slots:
            dev.on = True
            return d.BUSY
        return d.SWAPPED_OFF

    def bring_in(self, v: int) -> None:
        word = self.words[v]
        folio = word.cache
        if folio is None:
            folio = self.folio(0)
            self.read_begin(v, folio)
            folio.value = v
            self.read_end(v, folio)
        elif folio.busy:
            return
        self.drop(word)
        folio.dirty = True
        if word.count == 0:
            self.drop_unused(folio)


def kind(place: Zero | Place | Zentry | None) -> str:
    """Kind of a place, in a word."""
    if isinstance(place, Place):
        return f"slot {place.offset} of device {place.device}"
    return {Zero: "zero", Zentry: "zswap"}.get(type(place), "none")
