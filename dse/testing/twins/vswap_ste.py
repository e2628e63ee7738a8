"""vswap_ste: one of the devices is virtual. What is behind its slots is a compressed page, a slot of another device, or nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from dse.testing import invariants_ste, slotview
from dse.testing.reading import ctl
from dse.testing.twins.parts import FRAG, NONFULL, Device, Folio, Phase, Slot, Zswap, crowded
from dse.testing.twins.slots import Entry
from dse.testing.twins.swap_table import SwapTable
from dse.testing.twins.xswap import Growing
from kernels import demand as d
from kernels.designs.vswap_ste import own
from kernels.designs.vswap_ste.design import CHUNK, clusters_for
from kernels.designs.xswap.own import S_MAPPED
from kernels.life.registry import Config


class Virtual(Device):
    """The virtual device: clusters are there while they have a slot in use; a new one has the lowest free number above 0."""

    def __init__(self, clusters: int, cluster: int) -> None:
        super().__init__(d.ZSWAP, clusters * cluster, cluster, sync=False, tables=True)
        self.most = clusters
        self.there: set[int] = set()

    def is_usable(self, c: int) -> bool:
        return c in self.there and super().is_usable(c)

    def alloc(self, cpu: int) -> int | None:
        """As any device, but a new cluster is made; a CPU that gets nothing forgets its place (``vswap_alloc``)."""
        if cpu in self.current and self.is_usable(self.current[cpu][0]):
            offset = self.take(cpu, *self.current[cpu])
            if offset is not None:
                return offset
        free = next((n for n in range(1, self.most) if n not in self.there), None)
        if self.lists[NONFULL]:
            c = self.lists[NONFULL].pop(0)
        elif free is not None:
            c = free
            self.there.add(c)
        elif self.lists[FRAG]:
            c = self.lists[FRAG].pop(0)
        else:
            offset = self.steal(cpu)
            if offset is None:
                self.current.pop(cpu, None)
            return offset
        return self.take(cpu, c, 0)

    def free_cluster(self) -> int | None:
        free = next((n for n in range(1, self.most) if n not in self.there), None)
        if free is not None:
            self.there.add(free)
        return free

    def free(self, offset: int) -> None:
        super().free(offset)
        c = offset // self.cluster
        if not self.used(c):
            self.there.remove(c)


class VirtualArray(Growing):
    """The virtual device where its headers are an array."""

    def alloc(self, cpu: int) -> int | None:
        """As xswap, but a CPU that gets nothing forgets its place: ``vswap_alloc`` does so, whatever leads to a cluster."""
        offset = super().alloc(cpu)
        if offset is None:
            self.current.pop(cpu, None)
        return offset


class VSwapSte(SwapTable):
    """Phase IV with a virtual device in front of the others."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        words = config.parameters
        self.zswap = Zswap(config.slots.get("zswap", 0))
        most, size = words.get("C_VCLUSTERS", 0) or clusters_for(config), 1 << config.cluster_shift
        self.array = VirtualArray(most * size, size, words.get("C_CHUNK", 0) or CHUNK, 0) if words["C_INDEX"] else None
        self.virtual = self.array or Virtual(most, size)
        self.devices[d.ZSWAP] = self.virtual
        self.every = not words.get("C_ROUTE", 0)
        self.behind: dict[int, Entry] = {}  # virtual slot -> slot of a disk
        self.hints: set[int] = set()
        self.fell_back = 0

    def phase(self) -> int:
        return 4

    def more(self) -> dict[str, Any]:
        clusters = tuple(sorted({offset // self.virtual.cluster for offset in self.virtual.slots}))
        tables = sum(device.used(c) > 0 for n, device in self.devices.items() if n for c in device.all_clusters)
        return {
            "virtual clusters": clusters, "behind": self.behind, "hints": tuple(sorted(self.hints)), "fell back": self.fell_back,
            "tables": tables + len(clusters), "mapped": self.array.mapped if self.array else 0,
        }  # fmt: skip

    @staticmethod
    def observed(st: Any) -> dict[str, Any]:
        kind, payload = invariants_ste.words(st)
        behind = {int(v): (int(payload[v] >> 58) - 1, int(payload[v]) & (1 << 58) - 1) for v in (kind == 2).nonzero()[0]}
        view = slotview.read(st)
        words = slotview.elements(st, "table", np.flatnonzero(view.reverse >= 0))
        hints = view.reverse[view.reverse >= 0][words & slotview.HINT != 0]
        return {
            "virtual clusters": tuple(np.flatnonzero(st.cluster.reshape(-1, 8)[: ctl(st, own.C_VCLUSTERS), 1]).tolist()),
            "behind": behind, "hints": tuple(sorted(hints.tolist())), "fell back": ctl(st, own.S_FELL_BACK), "mapped": ctl(st, S_MAPPED),
        }  # fmt: skip

    # -- what is behind a virtual slot --------------------------------------------------------------

    @staticmethod
    def is_virtual(entry: Entry) -> bool:
        return entry[0] == d.ZSWAP

    def is_charged(self, entry: Entry) -> bool:
        return not self.is_virtual(entry)

    def back(self, entry: Entry, device: int, cpu: int) -> Entry | None:
        """A new slot of a disk behind a virtual one, which leaves what was there to the caller."""
        place = self.allocate(device, cpu) if device in self.devices else None
        if place is None:
            return None
        if not self.try_charge(self.slot(entry).memcg):
            self.devices[device].free(place[1])
            return None
        self.slot(place).busy = False
        return place

    def vacate(self, entry: Entry) -> None:
        """Nothing is behind the virtual slot any more."""
        self.forget(self.slot(entry))
        place = self.behind.pop(entry[1], None)
        if place is not None:
            self.vacate_disk(entry, place)
        self.slot(entry).zero = False

    def vacate_disk(self, entry: Entry, place: Entry) -> None:
        self.charged[self.slot(entry).memcg] -= 1
        self.hints.discard(entry[1])
        self.forget(self.slot(place))
        self.devices[place[0]].free(place[1])

    def only_cached(self, device: Device, offset: int) -> Folio | None:
        virtual = next((v for v in self.hints if self.behind[v] == (device.number, offset)), None)
        if virtual is None:
            return super().only_cached(device, offset)
        cache = self.virtual.slots[virtual].cache
        assert isinstance(cache, Folio)
        return cache

    # -- steps --------------------------------------------------------------------------------------

    def claim(self, folio: Folio, page: int, memcg: int, backend: int, cpu: int) -> Any:
        if not folio.cached and (self.every or backend == d.ZSWAP):
            offset = self.virtual.alloc(cpu)
            if offset is not None:
                return self.claim_slot(folio, (d.ZSWAP, offset), memcg, cpu)
            self.fell_back += 1
        return super().claim(folio, page, memcg, backend, cpu)

    def claim_run(self, folios: list[Folio], page: int, memcg: int, backend: int, cpu: int) -> list[Any] | None:
        if not self.every and backend != d.ZSWAP:
            return super().claim_run(folios, page, memcg, backend, cpu)
        first = self.virtual.alloc_run(cpu, len(folios).bit_length() - 1)
        return None if first is None else self.claim_slots(folios, [(d.ZSWAP, first + i) for i in range(len(folios))], memcg, cpu)

    def gone(self, value: Any, entry: Entry) -> None:
        if self.array is not None and self.is_virtual(entry):
            self.array.shrink()

    def dup(self, value: Any, entry: Entry) -> bool:
        ok = super().dup(value, entry)
        if ok and self.is_virtual(entry):
            self.hints.discard(entry[1])
        return ok

    def put(self, value: Any, entry: Entry) -> str:
        left = super().put(value, entry)
        if left == "cached" and self.is_virtual(entry) and entry[1] in self.behind:
            self.hints.add(entry[1])
        return left

    def put_run(self, values: list[Any]) -> None:
        if not self.is_virtual(values[0]):
            super().put_run(values)
            return
        if "cached" in [self.put(value, value) for value in values]:
            for value in values:
                folio = self.lookup(value)
                if folio is not None and self.unused(value):
                    tight = crowded(self.devices) or self.memcg_full(folio)
                    if folio.maps == 0 or (tight and value[1] in self.behind):
                        self.drop_unused(folio)

    def free_slot(self, value: Any, entry: Entry) -> None:
        if self.is_virtual(entry):
            self.vacate(entry)
        super().free_slot(value, entry)

    def writeout(self, folio: Folio, value: Any, backend: int, size: int, zero: bool, cpu: int) -> int:
        entry = folio.entry
        if not self.is_virtual(entry):
            return super().writeout(folio, value, backend, size, zero, cpu)
        slot: Slot = self.slot(entry)
        if zero:
            self.vacate(entry)
            slot.zero, slot.token = True, folio.token
            return 0
        slot.zero = False
        self.forget(slot)
        stored = self.zswap.store(size, folio.token) if backend == d.ZSWAP else None
        if stored is not None:
            self.vacate(entry)
            slot.zswap = stored
            return 0
        if entry[1] not in self.behind:
            place = self.back(entry, self.home(backend), cpu)
            if place is None:
                return d.REACTIVATED
            self.behind[entry[1]] = place
        self.slot(self.behind[entry[1]]).token = folio.token
        return 0

    def read(self, entry: Entry, folio: Folio) -> None:
        super().read(entry, folio)
        if self.is_virtual(entry) and entry[1] in self.behind:
            folio.token = self.slot(self.behind[entry[1]]).token

    def swap_full(self, entry: Entry) -> bool:
        if not self.is_virtual(entry):
            return super().swap_full(entry)
        place = self.behind.get(entry[1])
        return place is None or self.where(place).sync or crowded(self.devices)

    # -- moves: hold; a slot, the data, the write; end of writeback -----------------------------------

    def place(self, entry: Entry) -> int:
        if not self.is_virtual(entry):
            return super().place(entry)
        if entry[1] in self.behind:
            return self.behind[entry[1]][0]
        return d.ZSWAP if self.slot(entry).zswap is not None else d.MEMORY

    def move_step(self, page: int, phase: Phase, cpu: int) -> int:
        entry, folio = phase.entry, phase.folio
        if not self.is_virtual(entry):
            return super().move_step(page, phase, cpu)
        if phase.step == 0:
            return d.WRONG_BACKEND if self.impossible(phase) else self.hold(page, phase)
        done = self.over(phase)
        if done is not None:
            return done
        assert folio
        new = self.back(entry, phase.target, cpu)
        if new is None:
            return self.back_out(folio, d.FULL)
        old = self.behind.get(entry[1])
        self.read(entry, folio)
        if old is not None:
            self.vacate_disk(entry, old)
        self.behind[entry[1]] = new
        self.slot(new).token = folio.token
        self.under_way(phase)
        return d.STEPPED

    def swapoff(self, device: int, target: int, cpu: int) -> int:
        dev = self.devices.get(device)
        if device == d.ZSWAP or dev is None or not dev.on:
            return d.DEVICE_OFF
        dev.on = False
        for virtual in [v for v, place in sorted(self.behind.items(), key=lambda item: item[1]) if place[0] == device]:
            self.bring_in((d.ZSWAP, virtual))
        if dev.slots:
            self.fault_in(device)
        return self.sweep(dev)

    def bring_in(self, entry: Entry) -> None:
        """The page comes into the swap cache, and nothing else is behind it."""
        folio = self.lookup(entry)
        if folio is None:
            folio = self.folio(0)
            self.read_begin(entry, folio, around=False)
            folio.value = entry
            self.read(entry, folio)
        elif folio.busy:
            return
        self.vacate(entry)
        folio.dirty = True
