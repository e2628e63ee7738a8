"""Swap devices with counts and caches of their own, and moves without a layer: what direct is, and what an ID layer stands on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kernels import demand as d
from kernels.life.registry import Config
from tests.twins.life import Life
from tests.twins.parts import FULL, SHADOW, Continuation, Device, Extend, Folio, Phase, Slot, Swapped, Zswap, crowded

Entry = tuple[int, int]  # device, offset


class Swapfile(Life):
    """The steps on (device, offset) entries. A layer overrides resolve, same, publish, unpublish and the moves."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        pool = config.slots.get("zswap", 0)
        native = self.native() and pool > 0
        self.devices = {
            n: Device(n, config.slots.get(name, 0), 1 << config.cluster_shift, sync=name == "zram")
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

    def narrow(self, entry: Entry) -> bool:
        """Is the count of `entry` one that can run out of room?"""
        return True

    def set_count(self, entry: Entry, count: int) -> None:
        slot = self.slot(entry)
        before, slot.count = slot.count, count
        self.pages.changed(*entry, before, count)

    def release_slot(self, entry: Entry) -> None:
        """The slot is free; the blocks of a cluster go with its last slot."""
        self.set_count(entry, 0)
        device = self.where(entry)
        device.free(entry[1])
        if device.used(entry[1] // device.cluster) == 0:
            self.pages.emptied(*entry)

    def native(self) -> bool:
        """Has zswap entries of its own, rather than sitting on the slots of a disk?"""
        return False

    # -- what a layer changes ---------------------------------------------------------------------

    def resolve(self, value: Any) -> Entry:
        return value

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
            useless = [
                device.slots[o].cache
                for o in device.room(c)
                if device.slots[o].count == 0 and isinstance(device.slots[o].cache, Folio) and not device.slots[o].cache.busy
            ]
            for folio in useless:
                self.free_swap(folio)
            if useless:
                return device.alloc(cpu)
            device.lists[FULL].append(device.lists[FULL].pop(0))
        return None

    def claim(self, folio: Folio, page: int, memcg: int, backend: int, cpu: int) -> Any:
        if folio.cached and not self.misplaced(folio, self.home(backend)):
            return self.publish(folio, folio.entry, cpu)
        entry = self.allocate(self.home(backend), cpu)
        if entry is None:
            return None
        slot = self.slot(entry)
        slot.memcg, slot.cache = memcg, folio
        folio.cached, folio.entry = True, entry
        folio.value = None
        value = self.publish(folio, entry, cpu)
        if value is None:
            self.uncache(folio)
            self.release_slot(entry)
        return value

    def misplaced(self, folio: Folio, device: int) -> bool:
        """With a zswap of its own: a dirty folio goes where it is sent, if no PTE holds its entry, which it then gives back."""
        return d.ZSWAP in self.devices and folio.entry[0] != device and folio.dirty and self.free_swap(folio)

    def unclaim(self, folio: Folio, value: Any) -> None:
        self.unheld(value, folio.entry)

    def dup(self, value: Any, entry: Entry) -> bool:
        slot = self.slot(entry)
        if self.narrow(entry) and not self.pages.raised(*entry, slot.count):
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
        stale, slot.zswap = slot.zswap, None
        if d.ZSWAP in self.devices:
            backend = folio.entry[0]
        if backend == d.ZSWAP and not zero:
            slot.zswap = self.zswap.store(size, folio.token)
        if stale is not None:
            self.zswap.drop(stale)
        if backend == d.ZSWAP and not zero and slot.zswap is None and folio.entry[0] == d.ZSWAP:
            return d.REACTIVATED
        if slot.zswap is None:
            slot.token = folio.token
        return 0

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
        if folio.bypass:
            folio.bypass, folio.entry, folio.dirty = False, None, True
            self.let_go(folio.value, entry)

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

    # -- moves without a layer --------------------------------------------------------------------

    def place(self, entry: Entry) -> int:
        """The backend that has the data."""
        slot = self.slot(entry)
        return d.ZSWAP if slot.zswap is not None and not slot.zero else entry[0]

    def impossible(self, phase: Phase) -> bool:
        """The data is not where the demand says, or the demand makes no sense."""
        return phase.target in (d.ZSWAP, phase.source) or self.place(phase.entry) != phase.source

    def move_step(self, page: int, phase: Phase, cpu: int) -> int:
        if phase.step == 0:
            if self.impossible(phase):
                return d.WRONG_BACKEND
            if self.lookup(phase.entry) is not None:
                return d.BUSY
        if phase.source == d.ZSWAP and phase.target == phase.entry[0]:
            return self.zswap_writeback(page, phase)
        return (self.reswap, self.rewrite, self.refuse)[self.how["C_MOVE"]](page, phase, cpu)

    def zswap_writeback(self, page: int, phase: Phase) -> int:
        """From the compressed pool into the slot that the page has anyway."""
        entry, folio = phase.entry, phase.folio
        if phase.step == 0:
            return self.hold(page, phase)
        assert folio
        if phase.step == 2:
            self.writeback_end(folio)
            return d.MOVED
        if self.unused(entry):
            return self.back_out(folio, d.MOVED_AWAY)
        self.read(entry, folio)
        self.slot(entry).token = folio.token
        self.under_way(phase)
        return d.STEPPED

    def hold(self, page: int, phase: Phase) -> int:
        """A new, locked folio in the swap cache; its content is read later."""
        folio = self.folio(page)
        if not self.read_begin(phase.entry, folio, around=False):
            self.release(folio)
            return d.BUSY
        folio.locked, folio.value, phase.folio, phase.step = True, phase.value, folio, 1
        return d.STEPPED

    def under_way(self, phase: Phase) -> None:
        folio = phase.folio
        assert folio
        folio.locked, folio.dirty, folio.writeback = False, False, True
        phase.step += 1

    def back_out(self, folio: Folio, why: int) -> int:
        """The folio that a move held goes; the page stays where it was."""
        folio.locked = False
        if not self.free_swap(folio):
            self.evict(folio)
        self.release(folio)
        return why

    def reswap(self, page: int, phase: Phase, cpu: int) -> int:
        """Fault in, drop the slot; swap out to the target; end of writeback."""
        phase.step += 1
        if phase.step == 1:
            phase.flags = d.ZERO if self.slot(phase.entry).zero else 0
            folio = self.fault_all(page, phase.value)
            if folio is None or (folio.cached and (folio.busy or not self.free_swap(folio))):
                return d.BUSY
            phase.folio, phase.aux = folio, folio.token
            return d.STEPPED
        if phase.step == 2:
            now = self.pte.get(page)  # a folio may have come back in another guise: what counts is the content
            if not isinstance(now, Folio) or now.token != phase.aux or now.busy or now.cached:
                return d.MOVED_AWAY
            phase.folio = now
            code = self.swap_out(now, page, phase.target, 4096, phase.flags, cpu, 0)
            return d.STEPPED if code == d.SWAP_OUT else code
        assert phase.folio
        self.writeback_end(phase.folio)
        return d.MOVED

    def fault_all(self, page: int, value: Any) -> Folio | None:
        """Everybody who shares `value` faults; what `page` maps then."""
        for p in self.kin(page):
            if self.pte.get(p) == Swapped(value) and self.fault(p, 0) not in (d.SWAP_IN, d.CACHE_HIT):
                return None
        pte = self.pte.get(page)
        return pte if isinstance(pte, Folio) else None

    def rewrite(self, page: int, phase: Phase, cpu: int) -> int:
        """Hold; take a slot on the target, patch all PTEs, copy; end of writeback."""
        old, folio = phase.entry, phase.folio
        if phase.step == 0:
            return self.hold(page, phase)
        assert folio
        if phase.step == 2:
            self.writeback_end(folio)
            return d.MOVED
        if self.unused(old):
            return self.back_out(folio, d.MOVED_AWAY)
        new = self.allocate(phase.target, cpu)
        if new is None:
            return self.back_out(folio, d.FULL)
        slot = self.slot(new)
        slot.memcg = self.slot(old).memcg
        patched = self.patch(page, old, new)
        if not patched or not self.unused(old):  # no memory for a count, or a PTE that is no kin any more holds the old entry
            self.patch(page, new, old)
            self.let_go(new, new)
            return self.back_out(folio, d.MOVED_AWAY if patched else d.NO_MEMORY)
        self.copy(folio, old, new)
        self.uncache(folio)
        self.let_go(old, old)
        slot.cache, folio.cached, folio.entry, folio.value = folio, True, new, new
        self.under_way(phase)
        return d.STEPPED

    def patch(self, page: int, old: Entry, new: Entry) -> bool:
        """Every PTE among the kin of `page` that holds `old` holds `new`."""
        for p in self.kin(page):
            if self.pte.get(p) == Swapped(old):
                if not self.dup(new, new):
                    return False
                self.pte[p] = Swapped(new)
                self.put(old, old)
        return True

    def copy(self, folio: Folio, old: Entry, new: Entry) -> None:
        """Read `old` into the folio and write it to `new`."""
        self.slot(new).zero = self.slot(old).zero
        self.read(old, folio)
        self.slot(new).token = folio.token

    def refuse(self, page: int, phase: Phase, cpu: int) -> int:
        return d.REFUSED

    def swapoff(self, device: int, target: int, cpu: int) -> int:
        """Every PTE is looked at; what is on the device is faulted in; what only the cache holds is dropped."""
        dev = self.devices.get(device)
        if dev is None or not dev.on:
            return d.DEVICE_OFF
        dev.on = False
        for page in sorted(self.pte):
            pte = self.pte[page]
            if isinstance(pte, Swapped) and self.resolve(pte.value)[0] == device:
                self.fault(page, 0)
        return self.sweep(dev)

    def sweep(self, dev: Device) -> int:
        for offset in sorted(dev.slots):
            slot = dev.slots.get(offset)
            if slot is not None and slot.count == 0 and isinstance(slot.cache, Folio):
                self.drop_unused(slot.cache)
        if dev.slots:
            dev.on = True
            return d.BUSY
        if not any(other.slots for other in self.devices.values()):
            self.pages.drop_all()
        return d.SWAPPED_OFF
