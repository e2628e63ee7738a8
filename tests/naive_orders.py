"""The allocator of runs in plain Python, twin of :mod:`kernels.structures.orders`: clusters are sets of free slots, lists Python lists."""

from __future__ import annotations

from dataclasses import dataclass, field

FREE, NONFULL, FULL, FRAG = "free", "nonfull", "full", "fragmented"
Place = tuple[str, int]
"""A list: its kind, and its order (0 for free and full ones)."""


@dataclass
class Cluster:
    """Slots of a cluster: those that are free, how many there are, and the order that it was given to."""

    first: int
    size: int
    free: set[int]
    order: int = 0
    place: Place | None = None

    @property
    def used(self) -> int:
        return self.size - len(self.free)


@dataclass
class Plain:
    """A device with `slots` slots, the first of them bad.

    Attributes
    ----------
    late : bool
        The rules since 6.18.
    """

    slots: int
    shift: int
    cpus: int
    policy: str
    late: bool
    lists: dict[Place, list[Cluster]] = field(default_factory=dict)
    own: dict[tuple[int, int], tuple[Cluster, int]] = field(default_factory=dict)
    base: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        per = 1 << self.shift
        self.clusters = [
            Cluster(at, min(per, self.slots - at), set(range(at, min(at + per, self.slots)))) for at in range(0, self.slots, per)
        ]
        for cluster in self.clusters:
            self.put(cluster, FREE)
        self.clusters[0].free.discard(0)
        self.put(self.clusters[0], NONFULL)

    def members(self, kind: str, order: int = 0) -> list[Cluster]:
        return self.lists.setdefault((kind, order if kind in (NONFULL, FRAG) else 0), [])

    def put(self, cluster: Cluster, kind: str) -> None:
        """Put a cluster at the end of a list of its order, unless it is on that list."""
        wanted = (kind, cluster.order if kind in (NONFULL, FRAG) else 0)
        if cluster.place != wanted:
            self.take_off(cluster)
            self.members(*wanted).append(cluster)
            cluster.place = wanted

    def take_off(self, cluster: Cluster) -> None:
        if cluster.place is not None:
            self.lists[cluster.place].remove(cluster)
            cluster.place = None

    def isolate(self, kind: str, order: int = 0) -> Cluster | None:
        """First cluster of a list; since 6.18 off any list, before at the end of the fragmented ones unless it is free."""
        found = self.members(kind, order)
        if not found:
            return None
        cluster = found[0]
        if self.late or kind != FREE:
            self.take_off(cluster)
            if not self.late:
                self.put(cluster, FRAG)
        return cluster

    def is_usable(self, cluster: Cluster, order: int) -> bool:
        """May a CPU go on in its cluster? Since 6.18 not in a full one, an empty one, whose table is gone, or one of another order."""
        return not self.late or (0 < cluster.used < cluster.size and order in (0, cluster.order))

    def claim(self, cpu: int, cluster: Cluster, start: int, order: int) -> int | None:
        """First aligned free run of a cluster from offset `start` in it on. The CPU goes on behind it; not where the cluster is used up."""
        n = 1 << order
        self.own.pop((cpu, order), None)
        for offset in range(cluster.first + start, cluster.first + cluster.size - n + 1, n):
            if all(slot in cluster.free for slot in range(offset, offset + n)):
                self.mark(cluster, offset, order)
                after = offset + n - cluster.first
                if after + n <= cluster.size and (cluster.free or self.policy == "empty-only"):
                    self.own[cpu, order] = cluster, after
                return offset
        if self.late:
            self.put(cluster, FREE if not cluster.used else FRAG if cluster.free else FULL)
        return None

    def mark(self, cluster: Cluster, offset: int, order: int) -> None:
        before = cluster.used
        if not before:
            cluster.order = order
        cluster.free -= set(range(offset, offset + (1 << order)))
        if not cluster.free:
            self.put(cluster, FULL)
        elif self.late:
            self.put(cluster, FRAG)
        elif not before:
            self.put(cluster, NONFULL)

    def first_of(self, clusters: list[Cluster | None], cpu: int, order: int) -> int | None:
        for cluster in clusters:
            found = None if cluster is None else self.claim(cpu, cluster, 0, order)
            if found is not None:
                return found
        return None

    def drain(self, kind: str, cpu: int, order: int, most: int) -> int | None:
        """Isolate at most `most` clusters of a list, until one has a run."""
        for _ in range(most):
            found = self.first_of([self.isolate(kind, order)], cpu, order)
            if found is not None:
                return found
        return None

    def shared(self, cpu: int, order: int) -> int | None:
        """A run of a cluster that is no CPU's own."""
        steps = [lambda: self.drain(FREE, cpu, order, 1)]
        if self.policy != "empty-only" and order < 9:
            nonfull, frag = len(self.members(NONFULL, order)), len(self.members(FRAG, order))
            if self.policy == "nonfull":
                steps.append(lambda: self.first_of(list(self.members(NONFULL, order)), cpu, order))
            elif self.late:
                steps.insert(0, lambda: self.drain(NONFULL, cpu, order, nonfull))
                steps.append(lambda: self.drain(FRAG, cpu, order, 1))
            else:
                steps += [lambda: self.drain(NONFULL, cpu, order, nonfull), lambda: self.drain(FRAG, cpu, order, frag)]
        for step in steps:
            found = step()
            if found is not None:
                return found
        return None

    def steal(self, cpu: int) -> int | None:
        for order in range(1, 10):
            for kind in (FRAG, NONFULL):
                if self.members(kind, order):
                    cluster = self.isolate(kind, order) if self.late else self.members(kind, order)[0]
                    return self.first_of([cluster], cpu, 0)
        return None

    def anywhere(self, cpu: int) -> int | None:
        base = self.base.get(cpu, 0)
        for slot in (*range(base, self.slots), *range(base)):
            cluster = self.clusters[slot >> self.shift]
            if slot in cluster.free:
                self.mark(cluster, slot, 0)
                return slot
        return None

    def alloc(self, cpu: int, order: int) -> int | None:
        """First slot of a run, None if there is none; a folio that is larger than a cluster is split at once."""
        if order > self.shift:
            return None
        found, current = None, self.own.get((cpu, order))
        if current is not None and self.is_usable(current[0], order):
            found = self.claim(cpu, *current, order)
        if found is None:
            found = self.shared(cpu, order)
        if found is None and order == 0:
            found = self.anywhere(cpu) if self.policy == "empty-only" else self.steal(cpu)
        if found is not None and order == 0:
            self.base[cpu] = found + 1
        return found

    def release(self, slot: int) -> None:
        cluster = self.clusters[slot >> self.shift]
        assert slot not in cluster.free
        cluster.free.add(slot)
        if not cluster.used:
            cluster.order = 0
        self.put(cluster, NONFULL if cluster.used else FREE)

    def positions(self) -> dict[Place, list[int]]:
        """Clusters by list, by number."""
        return {place: [c.first >> self.shift for c in members] for place, members in self.lists.items() if members}
