"""redirect: the swap tables of phase IV, and slots of other devices that have the data of moved pages."""

from __future__ import annotations

from typing import Any

from dse.testing import invariants_redirect
from dse.testing.twins.parts import Folio, Phase
from dse.testing.twins.slots import Entry
from dse.testing.twins.swap_table import SwapTable
from kernels import demand as d
from kernels.life.registry import Config


class Redirect(SwapTable):
    """Phase IV with redirects."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.elsewhere: dict[Entry, Entry] = {}
        self.arrays: set[tuple[int, int]] = set()

    def phase(self) -> int:
        return 4

    def cluster(self, entry: Entry) -> tuple[int, int]:
        return entry[0], entry[1] // self.where(entry).cluster

    def more(self) -> dict[str, Any]:
        return super().more() | {"redirects": self.elsewhere, "arrays": len(self.arrays)}

    @staticmethod
    def observed(st: Any) -> dict[str, Any]:
        return invariants_redirect.observed(st)

    # -- where the data is ------------------------------------------------------------------------

    def come_home(self, entry: Entry) -> None:
        """The data is in no slot but that of the entry any more."""
        place = self.elsewhere.pop(entry, None)
        if place is not None:
            self.release_slot(place)

    def release_slot(self, entry: Entry) -> None:
        super().release_slot(entry)
        if self.where(entry).used(self.cluster(entry)[1]) == 0:
            self.arrays.discard(self.cluster(entry))

    def free_slot(self, value: Any, entry: Entry) -> None:
        self.come_home(entry)
        super().free_slot(value, entry)

    def writeout(self, folio: Folio, value: Any, backend: int, size: int, zero: bool, cpu: int) -> int:
        self.come_home(folio.entry)
        return super().writeout(folio, value, backend, size, zero, cpu)

    def read(self, entry: Entry, folio: Folio) -> None:
        if entry in self.elsewhere:
            folio.token = self.slot(self.elsewhere[entry]).token
        else:
            super().read(entry, folio)

    # -- moves: hold; a slot, the data, the redirect; end of writeback ----------------------------------

    def place(self, entry: Entry) -> int:
        if self.slot(entry).zero:
            return d.MEMORY
        return self.elsewhere[entry][0] if entry in self.elsewhere else super().place(entry)

    def move_step(self, page: int, phase: Phase, cpu: int) -> int:
        entry, folio = phase.entry, phase.folio
        if phase.step == 0:
            if self.impossible(phase):
                return d.WRONG_BACKEND
            if self.lookup(entry) is not None:
                return d.BUSY
        if phase.source == d.ZSWAP and phase.target == entry[0]:
            return self.zswap_writeback(page, phase)
        if phase.step == 0:
            return self.hold(page, phase)
        done = self.over(phase)
        if done is not None:
            return done
        assert folio
        home = phase.target == entry[0]
        new = entry if home else self.allocate(phase.target, cpu)
        if new is None:
            return self.back_out(folio, d.FULL)
        self.read(entry, folio)
        self.slot(new).token = folio.token
        self.come_home(entry)
        if not home:
            self.slot(new).busy = False
            self.elsewhere[entry] = new
            self.arrays.add(self.cluster(entry))
        self.under_way(phase)
        return d.STEPPED

    # -- swapoff ------------------------------------------------------------------------------------

    def swapoff(self, device: int, target: int, cpu: int) -> int:
        dev = self.devices.get(device)
        if dev is None or not dev.on:
            return d.DEVICE_OFF
        dev.on = False
        if self.config.parameters["C_REVERSE"]:
            self.bring_in(device, by_place=True)
        self.fault_in(device)
        self.bring_in(device, by_place=False)
        return self.sweep(dev)

    def bring_in(self, device: int, by_place: bool) -> None:
        """Every page whose data the device has comes into the swap cache, unless its folio is busy; in order of entries, or of slots."""
        here = [(place, entry) if by_place else (entry, place) for entry, place in self.elsewhere.items() if place[0] == device]
        for pair in sorted(here):
            entry = pair[by_place]
            folio = self.lookup(entry)
            if folio is None:
                folio = self.folio(0)
                self.read_begin(entry, folio, around=False)
                folio.value = entry
                self.read(entry, folio)
            elif folio.busy:
                continue
            self.come_home(entry)
            folio.dirty = True
