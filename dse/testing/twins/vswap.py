"""vswap_*: PTEs hold a virtual slot of a cluster; devices know which virtual slot each of their slots belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dse.testing.twins.parts import SHADOW, Folio, Zentry, Zswap, crowded, disks
from dse.testing.twins.swap_desc import Place, Zero, backing_kind, cache_kind
from dse.testing.twins.virtual import Desc, Virtual
from kernels import demand as d
from kernels.life.registry import Config


@dataclass(eq=False)
class Cluster:
    """Virtual slots under one id, given out in runs of an order."""

    id: int
    size: int
    order: int
    descs: dict[int, Desc] = field(default_factory=dict)
    current: bool = False
    full: bool = False

    @property
    def room(self) -> bool:
        return len(self.descs) + (1 << self.order) <= self.size

    def take(self, descs: list[Desc]) -> int | None:
        """Enter `descs` at the first free run; value 0 is none, so that the first run of id 0 is never given out."""
        for offset in range(len(descs) * (self.id == 0), self.size, len(descs)):
            run = range(offset, offset + len(descs))
            if not any(o in self.descs for o in run):
                self.descs |= dict(zip(run, descs, strict=True))
                return self.id * self.size + offset
        return None


class VSwap(Virtual):
    """Every version: what they differ in besides cost is batching, and who finds slots that only the cache holds."""

    by_page = "C_VBACKING"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.size = 1 << (config.cluster_shift if config.cluster_shift < 8 else 9)
        self.devices = disks(config, tables=True)
        self.disk = d.BACKENDS.index(config.zdisk)
        self.zswap = Zswap(config.slots.get("zswap", 0))
        self.clusters: dict[int, Cluster] = {}
        self.partial: dict[int, list[Cluster]] = {order: [] for order in range(10)}
        self.charges_early = bool(config.parameters["C_VCHARGE"])
        self.current: dict[tuple[int, int], Cluster] = {}
        self.reverse: dict[tuple[int, int], int] = {}
        self.hints: set[tuple[int, int]] = set()

    def more(self) -> dict[str, Any]:
        every = {v: self.desc(v) for c in self.clusters.values() for v in (c.id * self.size + o for o in c.descs)}
        return {
            "virtual slots": {v: (x.count, cache_kind(x.cache), x.memcg, backing_kind(x.backing)) for v, x in every.items() if x},
            "virtual clusters": tuple(sorted(self.clusters)), "reverse words": self.reverse, "hints": tuple(sorted(self.hints)),
            "tables": sum(device.used(c) > 0 for device in self.devices.values() for c in device.all_clusters),
            "zswap": len(self.zswap.live), "zswap bytes": self.zswap.nbytes,
        }  # fmt: skip

    def desc(self, value: int) -> Desc | None:
        cluster = self.clusters.get(value // self.size)
        return cluster.descs.get(value % self.size) if cluster else None

    def known(self, value: int) -> Desc:
        desc = self.desc(value)
        assert desc is not None, f"virtual slot {value} was freed"
        return desc

    # -- virtual slots ------------------------------------------------------------------------------

    def alloc(self, descs: list[Desc], cpu: int) -> int:
        """Of the CPU's cluster of the order, of the first partly used one, of a new one with the lowest free id."""
        order = len(descs).bit_length() - 1
        mine, partial = self.current.get((cpu, order)), self.partial[order]
        value = None
        if mine is not None:
            value = mine.take(descs)
            if value is None or not mine.room:
                mine.current, mine.full = False, True
                del self.current[cpu, order]
            if value is not None:
                return value
        cluster = None
        while value is None and partial:
            cluster = partial.pop(0)
            value = cluster.take(descs)
            cluster.full = value is None or not cluster.room
        if value is None or cluster is None:
            least = int(len(descs) == self.size)
            cluster = Cluster(next(i for i in range(least, len(self.clusters) + 2) if i not in self.clusters), self.size, order)
            self.clusters[cluster.id] = cluster
            value = cluster.take(descs)
            assert value is not None
        if cluster.room:
            cluster.current = True
            self.current[cpu, order] = cluster
        return value

    def free(self, value: int) -> None:
        """Nothing holds `value` any more."""
        desc = self.known(value)
        assert desc.count == 0
        self.drop(desc)
        self.charged[desc.memcg] -= self.charges_early
        cluster = self.clusters[value // self.size]
        del cluster.descs[value % self.size]
        if not cluster.descs and not cluster.current:
            del self.clusters[cluster.id]
            if cluster in self.partial[cluster.order]:
                self.partial[cluster.order].remove(cluster)
        elif cluster.full and cluster.room:
            cluster.full = False
            if not cluster.current:
                self.partial[cluster.order].append(cluster)

    def drop(self, desc: Desc) -> None:
        """Free the backing."""
        if isinstance(desc.backing, Zentry):
            self.zswap.drop(desc.backing)
        elif isinstance(desc.backing, Place):
            self.drop_place(desc.backing)
        desc.backing = None

    def drop_place(self, place: Place) -> None:
        self.charged[self.known(self.reverse[place.device, place.offset]).memcg] -= not self.charges_early
        self.devices[place.device].free(place.offset)
        del self.reverse[place.device, place.offset]
        self.hints.discard((place.device, place.offset))

    def hint(self, desc: Desc, only: bool) -> None:
        """Note at the slot that the swap cache alone holds it, or not any more."""
        if self.config.parameters["C_VHINT"] and isinstance(desc.backing, Place):
            where = desc.backing.device, desc.backing.offset
            (self.hints.add if only else self.hints.discard)(where)

    # -- physical slots -----------------------------------------------------------------------------

    def only_cached(self, device: int, offset: int) -> Folio | None:
        where = device, offset
        if where not in self.reverse or (self.config.parameters["C_VHINT"] and where not in self.hints):
            return None
        desc = self.known(self.reverse[where])
        ours = desc.count == 0 and isinstance(desc.cache, Folio) and not desc.cache.busy
        return desc.cache if ours else None

    # -- steps --------------------------------------------------------------------------------------

    def resolve(self, value: int) -> int:
        return value

    def same(self, value: int, entry: int) -> bool:
        return True

    def lookup(self, entry: int) -> Folio | None:
        desc = self.desc(entry)
        return desc.cache if desc and isinstance(desc.cache, Folio) else None

    def claim(self, folio: Folio, page: int, memcg: int, backend: int, cpu: int) -> Any:
        if not folio.cached:
            if self.charges_early and not self.try_charge(memcg):
                return None
            folio.value = folio.entry = self.alloc([Desc(memcg, folio)], cpu)
            folio.cached = True
        return folio.value

    def claim_run(self, folios: list[Folio], page: int, memcg: int, backend: int, cpu: int) -> list[Any] | None:
        """Contiguous virtual slots of one cluster, aligned to the size of the folio."""
        if len(folios) > self.size or (self.charges_early and not self.try_charge(memcg, len(folios))):
            return None
        first = self.alloc([Desc(memcg, folio) for folio in folios], cpu)
        for value, folio in enumerate(folios, first):
            folio.cached, folio.value, folio.entry = True, value, value
        return [*range(first, first + len(folios))]

    def unclaim(self, folio: Folio, value: int) -> None:
        pass

    def dup(self, value: int, entry: int) -> bool:
        desc = self.known(value)
        self.hint(desc, False)
        desc.count += 1
        return True

    def put(self, value: int, entry: int) -> str:
        left = self.put_one(value)
        if left == "freed":
            self.free(value)
        return left

    def put_one(self, value: int) -> str:
        desc = self.known(value)
        assert desc.count > 0
        desc.count -= 1
        if desc.count:
            return "held"
        if not isinstance(desc.cache, Folio):
            return "freed"
        self.hint(desc, True)
        return "cached"

    def following(self, value: int) -> Iterable[int]:
        end = (value // self.size + 1) * self.size if self.config.parameters["C_VFREE"] else value + 1
        return range(value, end)

    def put_run(self, values: list[int]) -> None:
        left = [self.put(value, value) for value in values]
        if "cached" in left:
            for value in values:
                folio = self.lookup(value)
                if folio is not None and self.unused(value) and (folio.maps == 0 or self.swap_full(value) or self.memcg_full(folio)):
                    self.drop_unused(folio)

    def writeout(self, folio: Folio, value: int, backend: int, size: int, zero: bool, cpu: int) -> int:
        desc = self.known(value)
        old = desc.backing
        if not zero and isinstance(old, Place) and old.device == backend:
            self.store(old, folio)
            return 0
        if not zero and isinstance(old, Place) and backend == d.ZSWAP:
            stored = self.zswap.store(size, folio.token)  # the slot stays until zswap has the page
            if stored is None:
                return d.REACTIVATED
            self.drop(desc)
            desc.backing = stored
            return 0
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
        desc = self.known(value)
        desc.cache = instead
        folio.cached, folio.entry = False, None
        if desc.count == 0:
            self.free(value)

    def evict(self, folio: Folio) -> None:
        self.uncache(folio, SHADOW)

    def read_begin(self, entry: int, folio: Folio) -> bool:
        desc = self.desc(entry)
        if desc is None or desc.count == 0 or isinstance(desc.cache, Folio):
            return False
        desc.cache = folio
        folio.cached, folio.entry = True, entry
        return True

    def read_end(self, entry: int, folio: Folio) -> None:
        desc = self.known(entry)
        assert desc.backing is not None
        if isinstance(desc.backing, Place):
            folio.token = self.devices[desc.backing.device].slots[desc.backing.offset].token
        else:
            folio.token = desc.backing.token
        if isinstance(desc.backing, Zentry):
            self.drop(desc)
            folio.dirty = True

    def read_abort(self, entry: int, folio: Folio) -> None:
        self.uncache(folio, SHADOW)

    def swap_full(self, entry: int) -> bool:
        backing = self.known(entry).backing
        return not isinstance(backing, Place) or self.devices[backing.device].sync or crowded(self.devices)

    # -- swapoff: from each used slot to its virtual slot ---------------------------------------------

    def swapoff(self, device: int, target: int, cpu: int) -> int:
        dev = self.devices.get(device)
        if dev is None or not dev.on:
            return d.DEVICE_OFF
        dev.on = False
        for offset in sorted(dev.slots):
            if offset in dev.slots:
                value = self.reverse[device, offset]
                backing = self.known(value).backing
                if isinstance(backing, Place) and (backing.device, backing.offset) == (device, offset):
                    self.bring_in(value, target, cpu)
        dev.on = bool(dev.slots)
        return d.BUSY if dev.slots else d.SWAPPED_OFF

    def bring_in(self, value: int, target: int, cpu: int) -> None:
        desc = self.known(value)
        folio = desc.cache if isinstance(desc.cache, Folio) else None
        if folio is None:
            folio = self.folio(0)
            self.read_begin(value, folio)
            folio.value = value
            self.read_end(value, folio)
        elif folio.busy:
            return
        new = self.place_for(target, value, cpu)
        self.rehouse(desc, folio, new)
