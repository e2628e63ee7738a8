"""Large folios of the plain twin of kernels/reclaim: one object with `span` pages, as long as it is resident."""

from __future__ import annotations

from dse.workloads.generators import scramble
from kernels import demand
from tests.naive_faults import Faulting
from tests.naive_reclaim import PAGE, mix

MASK32 = (1 << 32) - 1


class Folios(Faulting):
    """The twin with the section [folio] of its scenario."""

    folios = wholes = splits = 0

    def block(self, page):
        """Pages of the largest folio that the first touch of `page` makes, or none."""
        for order, share in sorted(((int(k), v) for k, v in self.scenario.folio.orders.items()), reverse=True):
            size = 1 << order
            pages = range(page // size * size, page // size * size + size)
            drawn = mix(int(scramble(self.scenario.replay.seed, 6)) + (page // size | order << 32)) & MASK32 < round(share * 2**32)
            one_space = len({p >> self.shift for p in pages}) == 1 and pages[-1] % (1 << self.shift) < self.in_use
            if drawn and one_space and not any(p in self.objects for p in pages) and self.has_room(size):
                return pages
        return None

    def access(self, page, write):
        o = self.objects.get(page)
        if o is None and self.scenario.folio.orders:
            self.run_on(page)
            pages = self.block(page)
            if pages is not None:
                self.begin(page, pages, write)
                return
        super().access(page, write)

    def begin(self, page, pages, write):
        others = [self.new_object(p) for p in pages]
        o = others[0]
        o.span, o.ptes = len(pages), list(pages)
        for p in [page, *(p for p in pages if p != page)]:
            self.fault(p, o, write and p == page)
            self.objects[p] = o
        self.load(o, write)
        self.present |= set(pages)
        self.folios += 1

    def parts(self, o):
        """Single pages in place of `o`: they have its content and flags, and are on no list but its own."""
        pages, o.span = o.ptes, 1
        found = []
        for p in pages:
            part = self.numbers[p]
            part.ptes = [p]
            self.objects[p] = part
            part.where, part.young, part.referenced, part.active = o.where, o.young, o.referenced, o.active
            part.dirty, part.changed, part.home = o.dirty, o.changed, o.home
            found.append(part)
        return found

    def swap_out(self, o):
        if o.span == 1:
            return super().swap_out(o)
        contents = [self.bits(self.numbers[p], (self.numbers[p].version + 1) % 256) for p in o.ptes]
        zero = all(bits & MASK32 < round(self.zero_share * 2**32) for bits in contents)
        d, size = self.place_whole(contents, zero)
        if d is None:
            self.keep(o)
            return 0
        flags = (demand.DIRTY if o.dirty else 0) | (demand.ZERO if zero else 0)
        n = o.span
        self.emit(demand.RECLAIM, o.ptes[0], d, payload=size, flags=flags, order=n.bit_length() - 1)
        self.wholes += 1
        shadow, self.age = self.age, self.age + n
        self.resident -= n
        for part in self.parts(o):
            self.present.discard(part.number)
            part.version = (part.version + 1) % 256
            part.shadow = shadow
            self.left(part, d, zero)
        return n

    def place_whole(self, contents, zero):
        d = self.dest[next(i for i in range(4) if contents[0] >> 32 < self.shares[i] or i == 3)]
        sizes = [self.size(bits) for bits in contents]
        if zero or d is None:
            return d, 0
        if d in (demand.SSD, demand.HDD):
            return d, PAGE
        if d == demand.ZSWAP and not self.accepts(max(sizes)):
            return (self.disk if self.scenario.backend.writeback else None), PAGE
        return d, sum(sizes) // len(sizes)

    def event(self, row):
        if int(row["kind"]) == demand.UNMAP:
            gone = range(int(row["page"]), int(row["page"]) + int(row["count"]))
            for o in {id(o): o for p in gone if (o := self.objects.get(p)) is not None and o.span > 1}.values():
                whole = set(o.ptes) <= set(gone)
                head, *others = self.parts(o)
                for part in others:
                    self.place_like(head, part)
                self.splits += not whole
        super().event(row)

    def place_like(self, head, part):
        """Put a new single page at the end of the list that `head` is on."""
        (self.active if head.active else self.inactive)[part.number] = part
