"""Parts of the twins: folios, phases, slots, devices, zswap entries, continuation pages; all plain Python objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from kernels.demand import BACKENDS, ZSWAP
from kernels.life.registry import Config

SHADOW = "shadow"
FREE, NONFULL, FULL, FRAG = "free", "nonfull", "full", "fragmented"


@dataclass(eq=False)
class Folio:
    """A page in memory. Several PTEs may map it."""

    page: int
    token: int = 0
    maps: int = 0
    locked: bool = False
    dirty: bool = False
    writeback: bool = False
    cached: bool = False
    bypass: bool = False
    entry: Any = None
    value: Any = None

    @property
    def busy(self) -> bool:
        return self.locked or self.writeback


@dataclass(frozen=True)
class Swapped:
    """PTE of a swapped-out page: it holds the value of the design."""

    value: Any


@dataclass
class Phase:
    """A demand that has begun and not ended."""

    folio: Folio | None
    value: Any = None
    entry: Any = None
    flags: int = 0
    source: int = 0
    target: int = 0
    step: int = 0
    new: Any = None
    borrowed: bool = False
    aux: Any = None


@dataclass
class Zentry:
    """A compressed page."""

    size: int
    token: int


@dataclass
class Zswap:
    """The compressed pool: so many entries at most, the bytes that zsmalloc reserves."""

    most: int
    live: list[Zentry] = field(default_factory=list)

    def store(self, size: int, token: int) -> Zentry | None:
        if len(self.live) >= self.most:
            return None
        entry = Zentry(size, token)
        self.live.append(entry)
        return entry

    def drop(self, entry: Zentry) -> None:
        self.live = [e for e in self.live if e is not entry]

    @property
    def nbytes(self) -> int:
        return sum(class_bytes(e.size) for e in self.live)


@cache
def zspage(size: int) -> tuple[int, int]:
    """Pages and objects of the zspage for `size` bytes: the class that holds it with its handle, in the 1 to 8 pages that waste least."""
    wanted, best = min(max(32, -(-(size + 8) // 16) * 16), 4096), (4096, 1, 1)
    for pages in range(1, 9):
        objects = pages * 4096 // wanted
        best = min(best, (pages * 4096 - objects * wanted, pages, objects))
    return best[1], best[2]


def class_bytes(size: int) -> int:
    """Bytes of an object of `size` bytes: its share of a zspage, rounded up."""
    pages, objects = zspage(size)
    return -(-pages * 4096 // objects) if size else 0


@dataclass
class Slot:
    """A slot of a device that is in use. `busy` is the has-cache flag: somebody has it in the swap cache or is reading it."""

    count: int = 0
    busy: bool = True
    cache: Any = None  # Folio, SHADOW or None
    zero: bool = False
    zswap: Zentry | None = None
    memcg: int = 0
    token: int = 0


class Device:
    """A swap device: slots in use by offset, clusters on four lists, a place in a cluster for each CPU.

    `tables`: as since 6.18; `relocates`: as since 6.14.
    """

    def __init__(self, number: int, size: int, cluster: int, sync: bool, tables: bool, relocates: bool = False) -> None:
        self.number, self.size, self.cluster, self.sync, self.tables = number, size, cluster, sync, tables
        self.relocates = tables or relocates
        self.on = size > 0
        self.slots: dict[int, Slot] = {}
        self.lists: dict[Any, list[int]] = {FREE: list(range(-(-size // cluster))), NONFULL: [], FULL: [], FRAG: []}
        self.current: dict[int, tuple[int, int]] = {}  # cpu -> cluster, where to go on
        self.orders: dict[int, int] = {}  # clusters that are given to runs of an order above 0
        self.own: dict[tuple[int, int], tuple[int, int]] = {}  # cpu, order above 0 -> cluster, where to go on

    @property
    def all_clusters(self) -> range:
        return range(-(-self.size // self.cluster))

    def room(self, c: int) -> range:
        """Offsets of cluster `c`."""
        return range(c * self.cluster, min((c + 1) * self.cluster, self.size))

    def used(self, c: int) -> int:
        return sum(o in self.slots for o in self.room(c))

    def relist(self, c: int, want: str) -> None:
        """Put cluster `c` at the end of list `want`, unless it is there."""
        if c not in self.members(want):
            for members in self.lists.values():
                if c in members:
                    members.remove(c)
            self.lists[want].append(c)

    def home(self, c: int, kind: str) -> Any:
        """List of cluster `c` that `kind`, nonfull or fragmented, means: one of its order."""
        return (kind, self.orders[c]) if c in self.orders else kind

    def members(self, which: Any) -> list[int]:
        """Clusters of a list, first one first."""
        return self.lists.setdefault(which, [])

    def is_usable(self, c: int) -> bool:
        """May a CPU go on in its cluster `c`? Since 6.14 not in one that is full, since 6.18 nor in an empty one, whose table is gone."""
        return not self.relocates or int(self.tables) <= self.used(c) < len(self.room(c))

    def take(self, cpu: int, c: int, start: int) -> int | None:
        """Claim the first free slot of cluster `c` from its `start`-th on; the CPU goes on behind it while the cluster has any left.

        Since 6.14 what was looked through goes where its count belongs, found or not, and an empty one is begun anew; before, an empty
        cluster and one filled just now go, and the CPU goes on in it.
        """
        room, before = self.room(c), self.used(c)
        self.current.pop(cpu, None)
        offset = next((o for o in room[start if before or not self.relocates else 0 :] if o not in self.slots), None)
        if offset is not None:
            self.slots[offset] = Slot()
            if before + 1 < len(room) and offset < room[-1]:
                self.current[cpu] = c, offset + 1 - room[0]
        if self.relocates:
            self.relocate(c)
        elif offset is not None and before + 1 == len(room):
            self.relist(c, FULL)
        elif offset is not None and not before:
            self.relist(c, NONFULL)
        return offset

    def relocate(self, c: int) -> None:
        """Put cluster `c`, which was looked through, where its count belongs."""
        self.relist(c, FREE if not self.used(c) else self.home(c, FRAG) if self.used(c) < len(self.room(c)) else FULL)

    def alloc(self, cpu: int) -> int | None:
        """A free slot: of the CPU's cluster, else of a free or a partly used one, whichever the kernel tries first, else of any other."""
        if not self.on:
            return None
        if cpu in self.current and self.is_usable(self.current[cpu][0]):
            offset = self.take(cpu, *self.current[cpu])
            if offset is not None:
                return offset
        for which in (NONFULL, FREE, FRAG) if self.tables else (FREE, NONFULL, FRAG):
            if self.lists[which]:
                c = self.lists[which][0]
                if self.relocates or which != FREE:
                    self.lists[which].pop(0)
                    if not self.relocates:
                        self.lists[FRAG].append(c)
                offset = self.take(cpu, c, 0)
                assert offset is not None
                return offset
        return self.steal(cpu)

    def steal(self, cpu: int) -> int | None:
        """A slot of the first cluster that has one among those given to runs, by order; of an order a fragmented one first."""
        for which in [(kind, order) for order in range(1, 10) for kind in (FRAG, NONFULL)]:
            if self.members(which):
                c = self.lists[which].pop(0) if self.relocates else self.lists[which][0]
                return self.take(cpu, c, 0)
        return None

    def free_cluster(self) -> int | None:
        """The first free cluster, off its list since 6.14."""
        return (self.lists[FREE].pop(0) if self.relocates else self.lists[FREE][0]) if self.lists[FREE] else None

    def take_run(self, cpu: int, c: int, start: int, order: int) -> int | None:
        """Claim the first free run of 2**order slots of cluster `c`, aligned to its size, from its `start`-th slot on."""
        room, before, n = self.room(c), self.used(c), 1 << order
        self.own.pop((cpu, order), None)
        offset = next((o for o in room[start::n] if o + n <= room[-1] + 1 and not any(p in self.slots for p in range(o, o + n))), None)
        if offset is not None:
            if not before:
                self.orders[c] = order
            self.slots |= {o: Slot() for o in range(offset, offset + n)}
            after = offset + n - room[0]
            if after + n <= len(room) and self.used(c) < len(room):
                self.own[cpu, order] = c, after
        if self.relocates:
            self.relocate(c)
        elif offset is not None and before + n == len(room):
            self.relist(c, FULL)
        elif offset is not None and not before:
            self.relist(c, self.home(c, NONFULL))
        return offset

    def first_run(self, cpu: int, kind: str, order: int, most: int) -> int | None:
        """A run of one of the first `most` clusters of a list of its order. Those before it are fragmented now."""
        for _ in range(most):
            c = self.members((kind, order)).pop(0)
            if not self.relocates:
                self.members((FRAG, order)).append(c)
            offset = self.take_run(cpu, c, 0, order)
            if offset is not None:
                return offset
        return None

    def alloc_run(self, cpu: int, order: int) -> int | None:
        """The first of 2**order slots in a row, None if no cluster of the order and no free one has them."""
        if not self.on or 1 << order > self.cluster:
            return None
        c, start = self.own.get((cpu, order), (None, 0))
        if c is not None and self.is_usable(c) and (not self.relocates or self.orders.get(c) == order):
            offset = self.take_run(cpu, c, start, order)
            if offset is not None:
                return offset
        return self.shared_run(cpu, order)

    def shared_run(self, cpu: int, order: int) -> int | None:
        """A run of a cluster that no CPU brought along. A run that fills a cluster comes from a free one alone."""
        below, nonfull, frag = order < 9, len(self.members((NONFULL, order))), len(self.members((FRAG, order)))
        offset = self.first_run(cpu, NONFULL, order, nonfull) if self.tables and below else None
        if offset is None and (c := self.free_cluster()) is not None:
            offset = self.take_run(cpu, c, 0, order)
        if offset is not None or not below:
            return offset
        if self.tables:
            return self.first_run(cpu, FRAG, order, min(1, len(self.members((FRAG, order)))))
        offset = self.first_run(cpu, NONFULL, order, nonfull)
        return self.first_run(cpu, FRAG, order, frag) if offset is None else offset

    def free(self, offset: int) -> None:
        del self.slots[offset]
        c = offset // self.cluster
        if not self.used(c):
            self.orders.pop(c, None)
        self.relist(c, self.home(c, NONFULL) if self.used(c) else FREE)


def crowded(devices: dict[int, Device], *, ghost: bool = False) -> bool:
    """Cache copies are not worth their slots: more than half of those of all disks that are on are used, and of a ghost if there is one."""
    disks_ = [device for n, device in devices.items() if (n != ZSWAP or ghost) and device.on]
    return 2 * sum(len(device.slots) for device in disks_) > sum(device.size for device in disks_)


def disks(config: Config, *, tables: bool) -> dict[int, Device]:
    """Every device but zswap, by its number."""
    return {
        n: Device(n, config.slots.get(name, 0), 1 << config.cluster_shift, sync=name == "zram", tables=tables)
        for n, name in enumerate(BACKENDS)
        if n != ZSWAP
    }


@dataclass
class Continuation:
    """Pages for counts past 62: base-128 digits above a digit of 63 values, one page a digit for 4,096 slots."""

    most: int
    used: int = 0
    chains: dict[tuple[int, int], int] = field(default_factory=dict)

    def raised(self, device: int, offset: int, count: int) -> bool:
        """May `count` become one more? Allocates the page of a new digit."""
        return count % 63 != 62 or self.prepare(device, offset, count + 1)

    def prepare(self, device: int, offset: int, count: int) -> bool:
        """Chain all pages that `count` needs."""
        high, digits = count // 63, 0
        while high:
            high, digits = high // 128, digits + 1
        group = device, offset >> 12
        while self.chains.get(group, 0) < digits:
            if self.used >= self.most:
                return False
            self.used += 1
            self.chains[group] = self.chains.get(group, 0) + 1
        return True

    def fits(self, device: int, offset: int, count: int) -> bool:
        """Are the pages for `count` chained?"""
        most: int = 63 * 128 ** self.chains.get((device, offset >> 12), 0)
        return count < most

    def changed(self, device: int, offset: int, before: int, count: int) -> None:
        """Pages stay."""

    def emptied(self, device: int, offset: int) -> None:
        """Pages stay."""

    def drop_all(self) -> None:
        self.used = 0
        self.chains.clear()


@dataclass
class Extend:
    """Extend tables for counts that their word has no room for: one a cluster, while a count in it needs it."""

    most: int
    marker: int  # first count that does not fit
    devices: dict[int, Device]
    clusters: set[tuple[int, int]] = field(default_factory=set)

    @property
    def used(self) -> int:
        return len(self.clusters)

    def cluster(self, device: int, offset: int) -> tuple[int, int]:
        return device, offset // self.devices[device].cluster

    def raised(self, device: int, offset: int, count: int) -> bool:
        return self.prepare(device, offset, count + 1)

    def prepare(self, device: int, offset: int, count: int) -> bool:
        if self.fits(device, offset, count):
            return True
        if self.used >= self.most:
            return False
        self.clusters.add(self.cluster(device, offset))
        return True

    def fits(self, device: int, offset: int, count: int) -> bool:
        return count < self.marker or self.cluster(device, offset) in self.clusters

    def changed(self, device: int, offset: int, before: int, count: int) -> None:
        """The table goes when the last count that needed it has become small."""
        slots = self.devices[device].slots
        room = self.devices[device].room(self.cluster(device, offset)[1])
        if before >= self.marker > count and not any(o in slots and slots[o].count >= self.marker for o in room):
            self.clusters.discard(self.cluster(device, offset))

    def emptied(self, device: int, offset: int) -> None:
        self.clusters.discard(self.cluster(device, offset))

    def drop_all(self) -> None:
        """Nothing: they went with the slots."""
