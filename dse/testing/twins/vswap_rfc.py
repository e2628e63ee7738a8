"""vswap_rfc*: PTEs hold a virtual slot with a descriptor of its own; a dirty page takes a fresh slot of its device when it goes out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dse.testing import invariants_rfc
from dse.testing.twins.parts import SHADOW, Folio, Zentry, Zswap, crowded, disks
from dse.testing.twins.swap_desc import Place, Zero, backing_kind, cache_kind
from dse.testing.twins.virtual import Desc, Virtual
from kernels import demand as d
from kernels.life.registry import Config

LEAF = 64
"""Virtual slots that a zap puts in one go."""


class VSwapRfc(Virtual):
    """Both versions: what they differ in are bytes and atomics."""

    by_page = "C_RBACKING"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.cluster = 1 << (config.cluster_shift if config.cluster_shift < 8 else 9)
        self.shards = config.parameters["C_SHARDS"]
        self.devices = disks(config, tables=False)
        self.zswap = Zswap(config.slots.get("zswap", 0))
        self.descs: dict[int, Desc] = {}
        self.pinned: set[int] = set()  # read around the swap cache
        self.reverse: dict[tuple[int, int], int] = {}

    def more(self) -> dict[str, Any]:
        counts: dict[int, int] = {}
        for value in self.descs:
            counts[value // self.cluster] = counts.get(value // self.cluster, 0) + 1
        return {
            "virtual slots": {v: (x.count, cache_kind(x.cache), x.memcg, backing_kind(x.backing)) for v, x in self.descs.items()},
            "virtual clusters": counts, "reverse": self.reverse, "pinned": tuple(sorted(self.pinned)),
            "zswap": len(self.zswap.live), "zswap bytes": self.zswap.nbytes,
        }  # fmt: skip

    @staticmethod
    def observed(st: Any) -> dict[str, Any]:
        return invariants_rfc.observed(st)

    def known(self, value: int) -> Desc:
        return self.descs[value]

    def bring_into_cache(self, value: int, folio: Folio) -> None:
        self.read_begin(value, folio, around=False)

    def busy(self, value: int) -> bool:
        """Has the swap cache the slot, or somebody who reads around it?"""
        return isinstance(self.descs[value].cache, Folio) or value in self.pinned

    # -- virtual slots ------------------------------------------------------------------------------

    def alloc(self, desc: Desc, cpu: int) -> int:
        """The lowest free slot of the CPU's partition; the first one of each is never given out."""
        value = (cpu % self.shards << 32) + 1
        while value in self.descs:
            value += 1
        self.descs[value] = desc
        return value

    def free(self, value: int) -> None:
        """Nothing holds `value` any more."""
        desc = self.descs[value]
        assert desc.count == 0
        assert not self.busy(value)
        self.drop(desc)
        del self.descs[value]

    def drop(self, desc: Desc) -> None:
        """Free the backing."""
        if isinstance(desc.backing, Zentry):
            self.zswap.drop(desc.backing)
        elif isinstance(desc.backing, Place):
            place = desc.backing
            self.charged[desc.memcg] -= 1
            self.devices[place.device].free(place.offset)
            del self.reverse[place.device, place.offset]
        desc.backing = None

    # -- physical slots -----------------------------------------------------------------------------

    def only_cached(self, device: int, offset: int) -> Folio | None:
        value = self.reverse.get((device, offset))
        desc = self.descs[value] if value is not None else None
        ours = desc is not None and desc.count == 0 and isinstance(desc.cache, Folio) and not desc.cache.busy
        return desc.cache if desc is not None and ours else None

    # -- steps --------------------------------------------------------------------------------------

    def resolve(self, value: int) -> int:
        return value

    def same(self, value: int, entry: int) -> bool:
        return True

    def lookup(self, entry: int) -> Folio | None:
        desc = self.descs.get(entry)
        return desc.cache if desc and isinstance(desc.cache, Folio) else None

    def claim(self, folio: Folio, page: int, memcg: int, backend: int, cpu: int) -> Any:
        if not folio.cached:
            folio.value = folio.entry = self.alloc(Desc(memcg, folio), cpu)
            folio.cached = True
        return folio.value

    def claim_run(self, folios: list[Folio], page: int, memcg: int, backend: int, cpu: int) -> list[Any] | None:
        """The first slots of the lowest cluster without any in use, but the first one."""
        if len(folios) > self.cluster:
            return None
        used = {value // self.cluster for value in self.descs}
        c = (cpu % self.shards << 32) // self.cluster + 1
        while c in used:
            c += 1
        values = [*range(c * self.cluster, c * self.cluster + len(folios))]
        for value, folio in zip(values, folios, strict=True):
            self.descs[value] = Desc(memcg, folio)
            folio.cached, folio.value, folio.entry = True, value, value
        return values

    def unclaim(self, folio: Folio, value: int) -> None:
        pass

    def dup(self, value: int, entry: int) -> bool:
        self.descs[value].count += 1
        return True

    def put(self, value: int, entry: int) -> str:
        desc = self.descs[value]
        assert desc.count > 0
        desc.count -= 1
        if desc.count:
            return "held"
        if self.busy(value):
            return "cached"
        self.free(value)
        return "freed"

    def following(self, value: int) -> Iterable[int]:
        return range(value, (value // LEAF + 1) * LEAF)

    def put_run(self, values: list[int]) -> None:
        """As by free_swap_and_cache_nr, which asks no more than whether the swap cache alone holds a slot."""
        if "cached" in [self.put(value, value) for value in values]:
            for value in values:
                folio = self.lookup(value)
                if folio is not None and self.unused(value):
                    self.drop_unused(folio)

    def writeout(self, folio: Folio, value: int, backend: int, size: int, zero: bool, cpu: int) -> int:
        desc = self.descs[value]
        self.drop(desc)
        if zero:
            desc.backing = Zero(folio.token)
        elif backend == d.ZSWAP:
            desc.backing = self.zswap.store(size, folio.token)
        else:
            desc.backing = self.place_for(backend, value, cpu)
            if desc.backing is not None:
                self.store(desc.backing, folio)
        return 0 if desc.backing is not None else d.REACTIVATED

    def uncache(self, folio: Folio, instead: Any) -> None:
        value = folio.entry
        self.descs[value].cache = instead
        folio.cached, folio.entry = False, None
        if self.unused(value):
            self.free(value)

    def evict(self, folio: Folio) -> None:
        self.uncache(folio, SHADOW)

    def read_begin(self, entry: int, folio: Folio, around: bool = True) -> bool:
        """`around`: a synchronous device with a single user is read around the cache (faults only)."""
        desc = self.descs.get(entry)
        if desc is None or desc.count == 0 or self.busy(entry):
            return False
        folio.entry = entry
        if around and isinstance(desc.backing, Place) and self.devices[desc.backing.device].sync and desc.count == 1:
            folio.bypass = True
            self.pinned.add(entry)
        else:
            desc.cache, folio.cached = folio, True
        return True

    def read_end(self, entry: int, folio: Folio) -> None:
        desc = self.descs[entry]
        assert desc.backing is not None
        if isinstance(desc.backing, Place):
            folio.token = self.devices[desc.backing.device].slots[desc.backing.offset].token
        else:
            folio.token = desc.backing.token
        if isinstance(desc.backing, Zentry):
            self.drop(desc)
            folio.dirty = True

    def read_done(self, value: int, entry: int, folio: Folio) -> None:
        if folio.bypass:
            folio.bypass, folio.entry, folio.dirty = False, None, True
            self.pinned.remove(value)
            if self.unused(value):
                self.free(value)

    def read_abort(self, entry: int, folio: Folio) -> None:
        if folio.bypass:
            self.read_done(entry, entry, folio)
        else:
            self.uncache(folio, None)

    def swap_full(self, entry: int) -> bool:
        return crowded(self.devices)

    # -- swapoff: all pages of the device are read, then each leaves its slot ---------------------------

    def swapoff(self, device: int, target: int, cpu: int) -> int:
        dev = self.devices.get(device)
        if dev is None or not dev.on:
            return d.DEVICE_OFF
        dev.on = False
        for offset in sorted(dev.slots):
            self.page_in(self.reverse[device, offset])
        for offset in sorted(dev.slots):
            if offset in dev.slots:
                self.bring_in(self.reverse[device, offset], target, cpu)
        dev.on = bool(dev.slots)
        return d.BUSY if dev.slots else d.SWAPPED_OFF

    def page_in(self, value: int) -> Folio | None:
        """The cached folio of `value`, read if it was not there; None while somebody reads it around the cache."""
        folio = self.lookup(value)
        if folio is None and not self.busy(value):
            folio = self.folio(0)
            self.bring_into_cache(value, folio)
            folio.value = value
            self.read_end(value, folio)
        return folio

    def bring_in(self, value: int, target: int, cpu: int) -> None:
        desc, folio = self.descs[value], self.page_in(value)
        if folio is None or folio.busy:
            return
        new = self.place_for(target, value, cpu)
        self.rehouse(desc, folio, new)
