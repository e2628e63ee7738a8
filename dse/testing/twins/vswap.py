"""vswap_*: PTEs hold a virtual slot of a cluster; devices know which virtual slot each of their slots belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dse.testing.twins.life import Life
from dse.testing.twins.parts import FULL, SHADOW, Device, Folio, Phase, Zentry, Zswap, crowded, disks
from dse.testing.twins.swap_desc import Place, Zero, backing_kind, cache_kind
from kernels import demand as d
from kernels.life.registry import Config


@dataclass(eq=False)
class Desc:
    """Descriptor of a virtual slot. Without a backing the folio is all there is."""

    memcg: int
    cache: Any  # Folio or SHADOW
    count: int = 0
    backing: Zero | Place | Zentry | None = None


@dataclass(eq=False)
class Cluster:
    """Virtual slots under one id."""

    id: int
    size: int
    descs: dict[int, Desc] = field(default_factory=dict)
    current: bool = False
    full: bool = False

    @property
    def room(self) -> bool:
        return len(self.descs) < self.size

    def take(self, desc: Desc) -> int | None:
        """Enter `desc` at the first free offset; value 0 is none."""
        for offset in range(self.id == 0, self.size):
            if offset not in self.descs:
                self.descs[offset] = desc
                return self.id * self.size + offset
        return None


class VSwap(Life):
    """Every version: what they differ in besides cost is batching, and who finds slots that only the cache holds."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.size = 1 << (config.cluster_shift if config.cluster_shift < 8 else 9)
        self.devices = disks(config, tables=True)
        self.disk = d.BACKENDS.index(config.zdisk)
        self.zswap = Zswap(config.slots.get("zswap", 0))
        self.clusters: dict[int, Cluster] = {}
        self.partial: list[Cluster] = []
        self.early = bool(config.parameters["C_VCHARGE"])
        self.current: dict[int, Cluster] = {}
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

    def alloc(self, desc: Desc, cpu: int) -> int:
        """Of the CPU's cluster, of the first partly used one, of a new one with the lowest free id."""
        mine = self.current.get(cpu)
        value = None
        if mine is not None:
            value = mine.take(desc)
            if value is None or not mine.room:
                mine.current, mine.full = False, True
                del self.current[cpu]
            if value is not None:
                return value
        cluster = None
        while value is None and self.partial:
            cluster = self.partial.pop(0)
            value = cluster.take(desc)
            cluster.full = value is None or not cluster.room
        if value is None or cluster is None:
            cluster = Cluster(next(i for i in range(len(self.clusters) + 1) if i not in self.clusters), self.size)
            self.clusters[cluster.id] = cluster
            value = cluster.take(desc)
            assert value is not None
        if cluster.room:
            cluster.current = True
            self.current[cpu] = cluster
        return value

    def free(self, value: int) -> None:
        """Nothing holds `value` any more."""
        desc = self.known(value)
        assert desc.count == 0
        self.drop(desc)
        self.charged[desc.memcg] -= self.early
        cluster = self.clusters[value // self.size]
        del cluster.descs[value % self.size]
        if not cluster.descs and not cluster.current:
            del self.clusters[cluster.id]
            if cluster in self.partial:
                self.partial.remove(cluster)
        elif cluster.full:
            cluster.full = False
            if not cluster.current:
                self.partial.append(cluster)

    def drop(self, desc: Desc) -> None:
        """Free the backing."""
        if isinstance(desc.backing, Zentry):
            self.zswap.drop(desc.backing)
        elif isinstance(desc.backing, Place):
            self.drop_place(desc.backing)
        desc.backing = None

    def drop_place(self, place: Place) -> None:
        self.charged[self.known(self.reverse[place.device, place.offset]).memcg] -= not self.early
        self.devices[place.device].free(place.offset)
        del self.reverse[place.device, place.offset]
        self.hints.discard((place.device, place.offset))

    def hint(self, desc: Desc, only: bool) -> None:
        """Note at the slot that the swap cache alone holds it, or not any more."""
        if self.config.parameters["C_VHINT"] and isinstance(desc.backing, Place):
            where = desc.backing.device, desc.backing.offset
            (self.hints.add if only else self.hints.discard)(where)

    # -- physical slots -----------------------------------------------------------------------------

    def place_for(self, device: int, value: int, cpu: int) -> Place | None:
        offset = self.devices[device].alloc(cpu) if device in self.devices else None
        if offset is None and device in self.devices and self.devices[device].on:
            offset = self.alloc_after_reclaim(self.devices[device], cpu)
        if offset is None:
            return None
        if not self.early and not self.try_charge(self.known(value).memcg):
            self.devices[device].free(offset)
            return None
        self.reverse[device, offset] = value
        return Place(device, offset)

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

    def only_cached(self, device: int, offset: int) -> Folio | None:
        where = device, offset
        if where not in self.reverse or (self.config.parameters["C_VHINT"] and where not in self.hints):
            return None
        desc = self.known(self.reverse[where])
        ours = desc.count == 0 and isinstance(desc.cache, Folio) and not desc.cache.busy
        return desc.cache if ours else None

    def store(self, place: Place, folio: Folio) -> None:
        self.devices[place.device].slots[place.offset].token = folio.token

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
            if self.early and not self.try_charge(memcg):
                return None
            folio.value = folio.entry = self.alloc(Desc(memcg, folio), cpu)
            folio.cached = True
        return folio.value

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

    def unused(self, entry: int) -> bool:
        return self.known(entry).count == 0

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

    def free_swap(self, folio: Folio) -> bool:
        if not self.unused(folio.entry):
            return False
        self.uncache(folio, None)
        folio.dirty = True
        return True

    def swap_full(self, entry: int) -> bool:
        backing = self.known(entry).backing
        return not isinstance(backing, Place) or self.devices[backing.device].sync or crowded(self.devices)

    # -- moves: hold; take a slot; switch; end of writeback -------------------------------------------

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
            if isinstance(desc.cache, Folio):
                return d.BUSY
            folio = self.folio(page)
            self.read_begin(phase.value, folio)
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
