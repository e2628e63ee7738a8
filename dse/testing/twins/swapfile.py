"""Swap devices with counts and caches of their own, and moves without a layer: what direct is, and what an ID layer stands on."""

from __future__ import annotations

from typing import Any

from dse.testing.twins.parts import Device, Folio, Phase, Swapped
from dse.testing.twins.slots import Entry, Slots
from kernels import demand as d


class Swapfile(Slots):
    """Every step on (device, offset) entries.

    The base class of a twin that stands on swap devices. A layer overrides resolve, same, publish, unheld, gone and the moves; a design
    without a layer of its own is this class as it is.

    Parameters
    ----------
    config : Config
        Sizes of the state that the design builds, with every parameter's control word.
    """

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
        done = self.over(phase)
        if done is None:
            assert folio
            self.read(entry, folio)
            self.slot(entry).token = folio.token
            self.under_way(phase)
        return d.STEPPED if done is None else done

    def over(self, phase: Phase) -> int | None:
        """The reply of a step after the hold with which the move is over: its end, or nobody holds the page any more."""
        assert phase.folio
        if phase.step == 2:
            self.writeback_end(phase.folio)
            return d.MOVED
        return self.back_out(phase.folio, d.MOVED_AWAY) if self.unused(phase.entry) else None

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
        self.charged[slot.memcg] += 1
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
        self.fault_in(device)
        return self.sweep(dev)

    def fault_in(self, device: int) -> None:
        """Look at every PTE."""
        for page in sorted(self.pte):
            pte = self.pte[page]
            if isinstance(pte, Swapped) and self.resolve(pte.value)[0] == device:
                self.fault(page, 0)

    def sweep(self, dev: Device) -> int:
        for offset in sorted(dev.slots):
            folio = self.only_cached(dev, offset) if offset in dev.slots else None
            if folio is not None:
                self.drop_unused(folio)
        if dev.slots:
            dev.on = True
            return d.BUSY
        if not any(other.slots for other in self.devices.values()):
            self.pages.drop_all()
        return d.SWAPPED_OFF
