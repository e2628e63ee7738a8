"""Readahead of the plain twin of kernels/reclaim: a set of pages that are in the swap cache alone, and the memory of each space."""

from __future__ import annotations

from dataclasses import dataclass

from kernels import demand
from tests.naive_faults import Faulting


@dataclass
class Remembered:
    """State of readahead of a VMA, which is a space."""

    page: int | None = None
    width: int = 0
    hits: int = 4


class Ahead(Faulting):
    """The twin with the section [readahead] of its scenario."""

    def __init__(self, scenario, workload, limit, forks):
        super().__init__(scenario, workload, limit, forks)
        self.most = 2**scenario.readahead.page_cluster
        self.ahead: set[int] = set()
        self.vmas = [Remembered() for _ in range(workload.spaces)]
        self.read = self.met = 0

    def width(self, vma, page):
        """Pages of the window of a fault on `page`."""
        near = vma.page is not None and abs(page - vma.page) == 1
        wanted = next(n for n in (4, 8, 16, 32, 64, 128) if n >= vma.hits + 2) if vma.hits else 2 if near else 1
        return max(min(wanted, self.most), vma.width // 2)

    def pages_of(self, page):
        """The window of a fault on `page`, which the space remembers."""
        vma = self.vmas[page >> self.shift]
        before, n = vma.page, self.width(vma, page)
        vma.page, vma.width, vma.hits = page, n, 0
        if before == page - 1:
            first = page
        elif before == page + 1:
            first = page - n + 1
        else:
            first = page - (n - 1) // 2
        return [p for p in range(first, first + n) if p >> self.shift == page >> self.shift and p // 512 == page // 512]

    def waits(self, page):
        """Is `page` on a device that is worth reading ahead from?"""
        o = self.objects.get(page)
        return o is not None and o.where == "swap" and o.home != demand.ZRAM

    def access(self, page, write):
        if page in self.ahead:
            vma = self.vmas[page >> self.shift]
            vma.page, vma.hits = page, min(vma.hits + 1, 63)
            self.met += 1
            self.ahead.remove(page)
            super().access(page, write)
            return
        if self.most == 1 or page in self.present or page not in self.objects:
            super().access(page, write)
            return
        self.run_on(page)
        self.make_room()
        around = self.waits(page)
        o = self.objects[page]
        self.fault(page, o, write)
        self.load(o, write)
        self.present.add(page)
        if not around:
            return
        for p in self.pages_of(page):
            if p != page and self.waits(p):
                if not self.has_room(1):
                    break
                self.emit(demand.READAHEAD, p)
                self.load(self.objects[p], False)
                self.objects[p].young = False
                self.ahead.add(p)
                self.read += 1

    def swap_out(self, o):
        self.ahead.discard(o.number)
        return super().swap_out(o)

    def detach(self, page):
        self.ahead.discard(page)
        super().detach(page)
