"""xswap: a ghost of which only the first clusters exist; their number grows a chunk at a time and shrinks."""

from __future__ import annotations

from typing import Any

from dse.testing.reading import ctl
from dse.testing.twins.ghost import Ghost
from dse.testing.twins.parts import FREE, NONFULL, Device, Folio
from dse.testing.twins.slots import Entry
from kernels import demand as d
from kernels.designs.xswap import own
from kernels.life.registry import Config


class Growing(Device):
    """The device: clusters that are not mapped are on no list. `pages`: most pages of headers, 85 of 48 bytes fit into one."""

    def __init__(self, size: int, cluster: int, chunk: int, pages: int) -> None:
        super().__init__(d.ZSWAP, size, cluster, sync=False, tables=True)
        self.chunk, self.most = chunk, pages
        self.mapped = min(chunk, len(self.all_clusters))
        self.lists[FREE] = list(range(self.mapped))

    def alloc(self, cpu: int) -> int | None:
        own = self.current[cpu][0] if cpu in self.current else None
        others = [c for c in self.lists[NONFULL] if c != own]  # its own, in which it finds nothing, becomes a fragmented one
        if self.on and not self.own_has_room(cpu) and not others and not self.lists[FREE]:
            self.grow()
        return super().alloc(cpu)

    def own_has_room(self, cpu: int) -> bool:
        """Can the CPU go on in its cluster?"""
        if cpu not in self.current:
            return False
        c, start = self.current[cpu]
        return self.is_usable(c) and any(o not in self.slots for o in self.room(c)[start:])

    def free_cluster(self) -> int | None:
        if not self.lists[FREE]:
            self.grow()
        return super().free_cluster()

    def grow(self) -> None:
        end = min(self.mapped + self.chunk, len(self.all_clusters))
        if not self.most or -(-end * 48 // 4096) <= self.most:
            self.lists[FREE] += range(self.mapped, end)
            self.mapped = end

    def shrink(self) -> None:
        """Chunks at the end that nobody uses go, one apart, if at least half of all that there are do nothing."""
        used = [c for c in range(self.mapped) if self.used(c)]
        chunks = -(-(max(used, default=-1) + 1) // self.chunk) + 1
        if 2 * len(used) <= self.mapped:
            self.keep(min(self.mapped, chunks * self.chunk))

    def keep(self, clusters: int) -> None:
        self.mapped = clusters
        self.lists[FREE] = [c for c in self.lists[FREE] if c < clusters]
        self.current = {cpu: at for cpu, at in self.current.items() if at[0] < clusters}
        self.own = {place: at for place, at in self.own.items() if at[0] < clusters}


class Xswap(Ghost):
    """A ghost that grows."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        words, size = config.parameters, config.slots.get("zswap", 0)
        self.grown = Growing(size, 1 << config.cluster_shift, words["C_CHUNK"], words.get("C_ARRAY_LIMIT", 0))
        if d.ZSWAP in self.devices:
            self.devices[d.ZSWAP] = self.grown

    def claim(self, folio: Folio, page: int, memcg: int, backend: int, cpu: int) -> Any:
        value = super().claim(folio, page, memcg, backend, cpu)
        if value is None:
            self.grown.shrink()
        return value

    def claim_run(self, folios: list[Folio], page: int, memcg: int, backend: int, cpu: int) -> list[Any] | None:
        values = super().claim_run(folios, page, memcg, backend, cpu)
        if values is None:
            self.grown.shrink()
        return values

    def gone(self, value: Any, entry: Entry) -> None:
        self.grown.shrink()

    def swapoff(self, device: int, target: int, cpu: int) -> int:
        code = super().swapoff(device, target, cpu)
        if code == d.SWAPPED_OFF and device == d.ZSWAP:
            self.grown.keep(0)
        return code

    def more(self) -> dict[str, Any]:
        return super().more() | {"mapped": self.grown.mapped}

    @staticmethod
    def observed(st: Any) -> dict[str, Any]:
        return {"mapped": ctl(st, own.S_MAPPED)}
