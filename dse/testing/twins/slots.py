"""Swap devices whose slots have a count and a cached folio each; moves and swapoff are in :mod:`dse.testing.twins.swapfile`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dse.testing.twins.life import Life
from dse.testing.twins.parts import FULL, SHADOW, Continuation, Device, Extend, Folio, Slot, Zswap, crowded
from kernels import demand as d
from kernels.life.registry import Config

Entry = tuple[int, int]  # device, offset


class Slots(Life):
    """The steps on (device, offset) entries, moves apart."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        pool = config.slots.get("zswap", 0)
        native = self.apart = self.native() and pool > 0
        tables, relocates = self.phase() > 0, config.parameters.get("C_CLUSTER_ORDER", 0) == 2
        self.devices = {
            n: Device(n, config.slots.get(name, 0), 1 << config.cluster_shift, name == "zram", tables, relocates)
            for n, name in enumerate(d.BACKENDS)
            if native or n != d.ZSWAP
        }
        self.disk = d.ZSWAP if native else d.BACKENDS.index(config.zdisk)
        self.zswap = Zswap(min(pool, max(self.devices[self.disk].size if pool else 0, 1)))
        most = config.parameters.get("C_COUNT_MAX", 15)
        limit = config.continuation_pages
        self.pages = Continuation(limit) if self.phase() <= 2 else Extend(limit, most, self.devices)
        self.how = {name: config.parameters.get(name, 0) for name in ("C_MOVE", "C_REWRITE")}

    def slot(self, entry: Entry) -> Slot:
        return self.devices[entry[0]].slots[entry[1]]

    def where(self, entry: Entry) -> Device:
        return self.devices[entry[0]]

    def phase(self) -> int:
        """Phase of the swap tables, 0 where there are none."""
        return 0

    def keeps(self) -> bool:
        """As its parameter says; a design that stands on phase IV, which is that of 7.2, has none."""
        return bool(self.config.parameters.get("C_WRITE_KEEPS", self.phase() == 4))

    def set_count(self, entry: Entry, count: int) -> None:
        slot = self.slot(entry)
        before, slot.count = slot.count, count
        self.pages.changed(*entry, before, count)

    def release_slot(self, entry: Entry) -> None:
        """The slot is free; the blocks of a cluster go with its last slot."""
        self.set_count(entry, 0)
        device = self.where(entry)
        self.charged[device.slots[entry[1]].memcg] -= self.is_charged(entry)
        device.free(entry[1])
        if device.used(entry[1] // device.cluster) == 0:
            self.pages.emptied(*entry)

    def is_charged(self, entry: Entry) -> bool:
        """Does a page with this entry count against the swap limit of its memory cgroup?"""
        return True

    def native(self) -> bool:
        """Has zswap entries of its own, rather than sitting on the slots of a disk?"""
        return False

    # -- what a layer changes ---------------------------------------------------------------------

    def resolve(self, value: Any) -> Entry:
        entry: Entry = value
        return entry

    def same(self, value: Any, entry: Entry) -> bool:
        return True

    def publish(self, folio: Folio, entry: Entry, cpu: int) -> Any:
        """The value that PTEs will hold for `entry`; None if there is none to be had."""
        return entry

    def unheld(self, value: Any, entry: Entry) -> None:
        """No PTE holds `value` any more."""

    def gone(self, value: Any, entry: Entry) -> None:
        """The slot of `entry` was freed."""

    # -- steps ------------------------------------------------------------------------------------

    def lookup(self, entry: Entry) -> Folio | None:
        slot = self.where(entry).slots.get(entry[1])
        return slot.cache if slot is not None and isinstance(slot.cache, Folio) else None

    def home(self, backend: int) -> int:
        """A page in zswap takes a slot of the disk behind."""
        return self.disk if backend == d.ZSWAP else backend

    def allocate(self, device: int, cpu: int) -> Entry | None:
        offset = self.devices[device].alloc(cpu)
        if offset is None:
            offset = self.squeeze(self.devices[device], cpu)
        return None if offset is None else (device, offset)

    def squeeze(self, device: Device, cpu: int) -> int | None:
        """Take slots that only the swap cache holds out of full clusters, until one is found."""
        for _ in range(8):
            if not device.lists[FULL]:
                return None
            c = device.lists[FULL][0]
            useless = [folio for o in device.room(c) if (folio := self.only_cached(device, o)) is not None and not folio.busy]
            for folio in useless:
                self.free_swap(folio)
            if useless:
                return device.alloc(cpu)
            device.lists[FULL].append(device.lists[FULL].pop(0))
        return None

    def only_cached(self, device: Device, offset: int) -> Folio | None:
        """The folio that alone holds a slot which is in use."""
        slot = device.slots[offset]
        return slot.cache if slot.count == 0 and isinstance(slot.cache, Folio) else None

    def claim(self, folio: Folio, page: int, memcg: int, backend: int, cpu: int) -> Any:
        if folio.cached and not self.misplaced(folio, self.home(backend)):
            return self.publish(folio, folio.entry, cpu)
        entry = self.allocate(self.home(backend), cpu)
        return None if entry is None else self.claim_slot(folio, entry, memcg, cpu)

    def claim_slot(self, folio: Folio, entry: Entry, memcg: int, cpu: int) -> Any:
        """Enter the folio as the cache of a fresh slot."""
        slot = self.slot(entry)
        if self.is_charged(entry) and not self.try_charge(memcg):
            self.release_slot(entry)
            return None
        slot.memcg, slot.cache = memcg, folio
        folio.cached, folio.entry = True, entry
        folio.value = None
        value = self.publish(folio, entry, cpu)
        if value is None:
            self.uncache(folio)
            self.release_slot(entry)
        return value

    def claim_run(self, folios: list[Folio], page: int, memcg: int, backend: int, cpu: int) -> list[Any] | None:
        device, n = self.home(backend), len(folios)
        first = self.devices[device].alloc_run(cpu, n.bit_length() - 1)
        return None if first is None else self.claim_slots(folios, [(device, first + i) for i in range(n)], memcg, cpu)

    def claim_slots(self, folios: list[Folio], entries: list[Entry], memcg: int, cpu: int) -> list[Any] | None:
        """Enter the folios as the cache of fresh slots; those that a layer has no value for keep their slots."""
        if self.is_charged(entries[0]) and not self.try_charge(memcg, len(entries)):
            for entry in entries:
                self.release_slot(entry)
            return None
        for folio, entry in zip(folios, entries, strict=True):
            slot = self.slot(entry)
            slot.memcg, slot.cache = memcg, folio
            folio.cached, folio.entry, folio.value = True, entry, None
        values = self.publish_run(folios, entries, cpu)
        if None not in values:
            return values
        for folio, value in zip(folios, values, strict=True):
            if value is not None:
                self.unclaim(folio, value)
        return None

    def publish_run(self, folios: list[Folio], entries: list[Entry], cpu: int) -> list[Any]:
        """The values that PTEs of a large folio will hold, None where there is none to be had."""
        return [self.publish(folio, entry, cpu) for folio, entry in zip(folios, entries, strict=True)]

    def misplaced(self, folio: Folio, device: int) -> bool:
        """With a zswap of its own: a dirty folio goes where it is sent, if no PTE holds its entry, which it then gives back."""
        return self.apart and folio.entry[0] != device and folio.dirty and self.free_swap(folio)

    def unclaim(self, folio: Folio, value: Any) -> None:
        self.unheld(value, folio.entry)

    def dup(self, value: Any, entry: Entry) -> bool:
        slot = self.slot(entry)
        if not self.pages.raised(*entry, slot.count):
            return False
        self.set_count(entry, slot.count + 1)
        return True

    def put(self, value: Any, entry: Entry) -> str:
        slot = self.slot(entry)
        assert slot.count > 0, f"count of {entry} below zero"
        self.set_count(entry, slot.count - 1)
        if slot.count:
            return "held"
        self.unheld(value, entry)
        if slot.busy:
            return "cached"
        self.free_slot(value, entry)
        return "freed"

    def following(self, value: Any) -> Iterable[Any]:
        device, offset = value
        return [(device, o) for o in self.where(value).room(offset // self.where(value).cluster) if o >= offset]

    def free_slot(self, value: Any, entry: Entry) -> None:
        slot = self.slot(entry)
        assert slot.count == 0, f"slot {entry} was freed with count {slot.count}"
        self.forget(slot)
        self.release_slot(entry)
        self.gone(value, entry)

    def let_go(self, value: Any, entry: Entry) -> None:
        """The cache no longer has the slot."""
        slot = self.slot(entry)
        assert slot.busy, f"slot {entry} was let go of twice"
        slot.busy = False
        if slot.count == 0:
            self.free_slot(value, entry)
        elif self.phase() >= 2:
            slot.cache = SHADOW  # the word has to hold something

    def uncache(self, folio: Folio) -> None:
        self.slot(folio.entry).cache = None
        folio.cached, folio.entry = False, None

    def unused(self, entry: Entry) -> bool:
        return self.slot(entry).count == 0

    def writeout(self, folio: Folio, value: Any, backend: int, size: int, zero: bool, cpu: int) -> int:
        slot = self.slot(folio.entry)
        slot.zero = zero
        if zero:  # never reaches zswap, which keeps what it had
            slot.token = folio.token
            return 0
        stale, slot.zswap = slot.zswap, None
        taken = self.zswap_takes(backend)
        if self.apart:
            backend = folio.entry[0]
        if backend == d.ZSWAP and taken:
            slot.zswap = self.zswap.store(size, folio.token)
        if stale is not None:
            self.zswap.drop(stale)
        if backend == d.ZSWAP and slot.zswap is None and folio.entry[0] == d.ZSWAP:
            return d.REACTIVATED
        if slot.zswap is None:
            slot.token = folio.token
        return 0

    def zswap_takes(self, backend: int) -> bool:
        """May zswap take a page that a demand sends to `backend`, where the slot is zswap's own?"""
        return True

    def forget(self, slot: Slot) -> None:
        """Drop the compressed copy."""
        if slot.zswap is not None:
            self.zswap.drop(slot.zswap)
            slot.zswap = None

    def evict(self, folio: Folio) -> None:
        entry, value = folio.entry, folio.value
        self.uncache(folio)
        self.slot(entry).cache = SHADOW
        self.let_go(value, entry)

    def read_begin(self, entry: Entry, folio: Folio, around: bool = True) -> bool:
        """`around`: a synchronous device with a single user is read around the cache (faults only)."""
        slot = self.where(entry).slots.get(entry[1])
        if slot is None or slot.busy:
            return False
        slot.busy = True
        folio.entry = entry
        if around and self.phase() < 2 and slot.count == 1 and self.where(entry).sync:
            folio.bypass = True
        else:
            slot.cache, folio.cached = folio, True
        return True

    def read(self, entry: Entry, folio: Folio) -> None:
        """The content of `entry` comes into the folio; the compressed copy goes, unless the folio is not in the cache."""
        slot = self.slot(entry)
        folio.token = slot.token
        if not slot.zero and slot.zswap is not None:
            folio.token = slot.zswap.token
            if not folio.bypass:
                self.forget(slot)
                folio.dirty = True

    def read_end(self, entry: Entry, folio: Folio) -> None:
        self.read(entry, folio)

    def read_done(self, value: Any, entry: Entry, folio: Folio) -> None:
        if folio.bypass:
            folio.bypass, folio.entry, folio.dirty = False, None, True
            self.let_go(value, entry)

    def read_abort(self, entry: Entry, folio: Folio) -> None:
        if folio.bypass:
            folio.bypass, folio.entry = False, None
        else:
            self.uncache(folio)
        self.let_go(folio.value, entry)

    def free_swap(self, folio: Folio) -> bool:
        entry, value = folio.entry, folio.value
        if self.slot(entry).count:
            return False
        self.uncache(folio)
        self.let_go(value, entry)
        folio.dirty = True
        return True

    def swap_full(self, entry: Entry) -> bool:
        return (self.phase() >= 2 and self.where(entry).sync) or crowded(self.devices)
