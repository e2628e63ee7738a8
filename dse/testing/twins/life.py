"""The life of a page in plain Python: the demands, whatever the design. Written for reading, from docs/contracts.md.

Memory, and the steps in which designs differ, are in :mod:`dse.testing.twins.memory`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from dse.testing.twins.memory import Memory
from dse.testing.twins.parts import Folio, Phase, Swapped
from kernels import demand as d

PHASES = 2048  # most phases in flight
RETRIES = 8


class Life(Memory):
    """The demands, whatever the design: :mod:`kernels.life.lifecycle` in plain Python.

    The base class of a twin. A subclass overrides the steps of :class:`dse.testing.twins.memory.Memory`, and
    :meth:`more` where its state is to be compared as well.

    Parameters
    ----------
    config : Config
        Sizes of the state that the design builds, with every parameter's control word.
    """

    def demand(self, word: int, more: int) -> int:
        """Run one record; returns the reply code."""
        kind, backend, cpu, page = word & 255, word >> 16 & 255, word >> 24 & 255, word >> 32
        count, payload, flags = more & 0xFFFF_FFFF, more >> 32 & 0xFF_FFFF, more >> 56
        order = word >> 8 & 255
        if order and kind not in (d.RECLAIM, d.RECLAIM_BEGIN):
            return d.NOTHING
        if kind == d.FAULT:
            return self.fault(page, flags)
        if kind == d.FAULT_BEGIN:
            return self.fault(page, flags, until={1: "walk", 2: "check"}.get(count, "read"))
        if kind == d.FAULT_END:
            return self.fault_end(page)
        if kind == d.RECLAIM and 0 < order <= min(9, self.config.space_shift):
            return self.reclaim_folio(page >> order << order, order, backend, payload, flags, cpu, count)
        if kind in (d.RECLAIM, d.RECLAIM_BEGIN):
            return self.reclaim(page, backend, payload, flags, cpu, count, kind == d.RECLAIM_BEGIN)
        if kind == d.RECLAIM_END:
            return self.reclaim_end(page)
        return self.other(kind, page, backend, cpu, count, payload)

    def other(self, kind: int, page: int, backend: int, cpu: int, count: int, payload: int) -> int:
        """Run a demand that is neither a fault nor one of reclaim."""
        if kind in (d.MOVE, d.MOVE_BEGIN):
            steps = 0 if kind == d.MOVE else count or 1
            return self.move_begin(page, backend, payload, cpu, steps)
        if kind in (d.MOVE_STEP, d.MOVE_END):
            return self.move_on(page, cpu, 0 if kind == d.MOVE_END else count or 1)
        if kind == d.FORK:
            return self.fork(page, count, payload)
        if kind == d.UNMAP:
            return self.unmap(page, count)
        if kind == d.COW:
            return self.cow(page)
        if kind == d.SWAPOFF:
            return self.swapoff(backend, payload, cpu)
        if kind == d.READAHEAD:
            return self.read_ahead(page)
        return d.NOTHING

    def fault(self, page: int, flags: int, until: str | None = None) -> int:
        pte = self.pte.get(page)
        if isinstance(pte, Folio):
            return d.AVOIDED
        if pte is None:
            self.fresh(page)
            return d.FIRST_TOUCH
        if until and (("fault", page) in self.phases or len(self.phases) >= PHASES):
            return d.BUSY
        phase = Phase(None, pte.value, self.resolve(pte.value), flags)
        if until == "walk":
            self.phases["fault", page] = phase
            return d.BEGUN
        return self.fault_on(page, phase, until)

    def fault_on(self, page: int, phase: Phase, until: str | None) -> int:
        """From the walk on: the swap cache, or the device."""
        code = self.enter(phase)
        if code == d.CACHE_HIT:
            self.install(page, phase)
        elif code == d.SWAP_IN:
            assert phase.folio
            phase.folio.locked = True
            if until != "read":
                self.arrive(phase)
            if until:
                self.phases["fault", page] = phase
                return d.BEGUN
            return self.complete(page, phase)
        return code

    def fault_end(self, page: int) -> int:
        phase = self.phases.pop(("fault", page), None)
        if phase is None:
            return d.NO_BEGIN
        if phase.folio is not None:
            if phase.step == 0:
                self.arrive(phase)
            return self.complete(page, phase)
        if self.pte.get(page) != Swapped(phase.value):
            return d.GONE
        return self.fault_on(page, phase, None)

    def enter(self, phase: Phase) -> int:
        """Find or begin to fill the swap cache; walk again while the entry turns out to be an old one."""
        for _ in range(RETRIES):
            folio = self.lookup(phase.entry)
            if folio is not None:
                if self.same(phase.value, phase.entry):
                    phase.folio = folio
                    return d.BUSY if folio.locked else d.CACHE_HIT
            else:
                folio = self.folio(0)
                folio.value = phase.value
                if self.read_begin(phase.entry, folio):
                    if self.read_same(phase.value, phase.entry):
                        phase.folio = folio
                        return d.SWAP_IN
                    self.read_abort(phase.entry, folio)
                self.release(folio)
            phase.entry = self.resolve(phase.value)
        return d.BUSY

    def arrive(self, phase: Phase) -> None:
        """The data is in the folio, which stays locked."""
        assert phase.folio
        self.read_end(phase.entry, phase.folio)
        phase.step = 1

    def complete(self, page: int, phase: Phase) -> int:
        """Look at the PTE again, under its lock, and map the folio."""
        folio = phase.folio
        assert folio
        folio.locked = False
        folio.page = page
        if self.pte.get(page) != Swapped(phase.value) or not self.still(phase.value, phase.entry):
            self.read_done(phase.value, phase.entry, folio)
            self.orphan(folio)
            return d.GONE
        self.install(page, phase)
        self.read_done(phase.value, phase.entry, folio)
        return d.SWAP_IN

    def install(self, page: int, phase: Phase) -> None:
        """Map the folio; the PTE gives its count back."""
        folio = phase.folio
        assert folio
        self.map(page, folio)
        crowded = self.swap_full(phase.entry) or self.memcg_full(folio, page)
        folio.value = phase.value
        self.put(phase.value, phase.entry)
        if phase.flags & d.WRITE and not self.written_in_cache(page, folio):
            self.make_writable(page, folio)
            return
        if crowded and folio.cached and not folio.writeback:
            self.free_swap(folio)

    def written_in_cache(self, page: int, folio: Folio) -> bool:
        """Write to a page that no fork shared, whose folio stays in the swap cache; False: not so here."""
        if not self.keeps() or not folio.cached or folio.busy or folio.maps != 1 or list(self.kin(page)) != [page]:
            return False
        self.write(page, folio)
        return True

    def keeps(self) -> bool:
        """Tell whether a write fault keeps slot and cache copy (7.0 to 7.2)."""
        return False

    def reclaim(self, page: int, backend: int, size: int, flags: int, cpu: int, fail_after: int, phased: bool) -> int:
        pte = self.pte.get(page)
        if pte is None:
            return d.NOT_RESIDENT
        folio = pte if isinstance(pte, Folio) else self.lookup(self.resolve(pte.value))
        if folio is None:
            return d.NOT_RESIDENT
        if folio.busy:
            return d.BUSY
        if phased and (("reclaim", page) in self.phases or len(self.phases) >= PHASES):
            return d.BUSY
        sharers = [p for p in self.kin(page) if self.pte.get(p) is folio]
        if pte is folio and flags & d.DIRTY and len(sharers) == folio.maps and (not folio.cached or self.unused(folio.entry)):
            self.write(page, folio)
            self.truth |= dict.fromkeys(sharers, folio.token)
        code = self.swap_out(folio, page, backend, size, flags, cpu, fail_after)
        if code == d.SWAP_OUT:
            if phased:
                self.phases["reclaim", page] = Phase(folio)
            else:
                self.writeback_end(folio)
        return code

    def reclaim_folio(self, page: int, order: int, backend: int, size: int, flags: int, cpu: int, fail_after: int) -> int:
        """The pages of a large folio leave together, or else alone."""
        code = self.reclaim_whole(page, order, backend, size, flags, cpu)
        if code == d.FOLIO_SPLIT:
            for p in range(page, page + (1 << order)):
                one = self.reclaim(p, backend, size, flags, cpu, fail_after, False)
                code = one if one >= d.REASON_BASE else code
        return code

    def reclaim_whole(self, page: int, order: int, backend: int, size: int, flags: int, cpu: int) -> int:
        pages = range(page, page + (1 << order))
        folios = [folio for p in pages if isinstance(folio := self.pte.get(p), Folio)]
        if len(folios) < len(pages) or any(folio.maps != 1 or folio.cached or folio.busy for folio in folios):
            return d.FOLIO_SPLIT
        for p, folio in zip(pages, folios, strict=True):
            if flags & d.DIRTY:
                self.write(p, folio)
        values = self.claim_run(folios, page, self.memcg(page), backend, cpu)
        if values is None:
            return d.FOLIO_SPLIT
        for p, folio, value in zip(pages, folios, values, strict=True):
            if not self.dup(value, folio.entry):
                return d.NO_MEMORY
            self.unmap_one(p, folio, Swapped(value))
        why, gone = 0, []
        for folio, lost in zip(folios, self.writeout_run(folios, values, backend, size, bool(flags & d.ZERO), cpu), strict=True):
            why = lost or why
            gone += [] if lost else [folio]
        for folio in gone:
            self.evict(folio)
            self.release(folio)
        return why or d.FOLIO_OUT

    def writeout_run(self, folios: list[Folio], values: list[Any], backend: int, size: int, zero: bool, cpu: int) -> list[int]:
        """For each page of a large folio what :meth:`writeout` returns."""
        return [self.writeout(folio, value, backend, size, zero, cpu) for folio, value in zip(folios, values, strict=True)]

    def swap_out(self, folio: Folio, page: int, backend: int, size: int, flags: int, cpu: int, fail_after: int) -> int:
        clean = folio.cached and not folio.dirty
        value = self.claim(folio, page, self.memcg(page), backend, cpu)
        if value is None:
            return d.FULL
        entry = folio.entry
        n, why = self.unmap_all(folio, page, value, entry, fail_after)
        if n == 0 and self.unused(entry):
            self.unclaim(folio, value)
        if why:
            return why
        if clean:
            self.evict(folio)
            self.release(folio)
            return d.CLEAN_DROP
        why = self.writeout(folio, value, backend, size, bool(flags & d.ZERO), cpu)
        if why:
            return why
        folio.dirty, folio.writeback = False, True
        return d.SWAP_OUT

    def unmap_all(self, folio: Folio, page: int, value: Any, entry: Any, fail_after: int) -> tuple[int, int]:
        n = 0
        for p in self.kin(page):
            if folio.maps == 0:
                break
            if self.pte.get(p) is folio:
                if fail_after and n == fail_after:
                    return n, d.UNMAP_FAILED
                if not self.dup(value, entry):
                    return n, d.NO_MEMORY
                self.unmap_one(p, folio, Swapped(value))
                n += 1
        return n, 0

    def reclaim_end(self, page: int) -> int:
        phase = self.phases.pop(("reclaim", page), None)
        if phase is None or phase.folio is None:
            return d.NO_BEGIN
        self.writeback_end(phase.folio)
        return d.WRITEBACK_END

    def writeback_end(self, folio: Folio) -> None:
        folio.writeback = False
        if folio.maps == 0:
            self.evict(folio)
            self.release(folio)

    def fork(self, page: int, count: int, child: int) -> int:
        n, shift = 0, self.config.space_shift
        for p in range(page, page + count):
            c = child << shift | p & (1 << shift) - 1
            pte = self.pte.get(p)
            if pte is None or c in self.pte:
                continue
            if isinstance(pte, Folio):
                pte.maps += 1
            elif not self.dup(pte.value, self.resolve(pte.value)):
                return d.NO_MEMORY
            self.pte[c] = pte
            self.truth[c] = self.truth[p]
            self.join(p, c)
            n += 1
        return d.FORKED if n else d.EMPTY

    def unmap(self, page: int, count: int) -> int:
        n, p, end = 0, page, page + count
        while p < end:
            pte = self.pte.get(p)
            p += 1
            if pte is None:
                continue
            n += 1
            if isinstance(pte, Folio):
                self.unmap_one(p - 1, pte, None)
                self.leave(p - 1)
                self.orphan(pte)
                continue
            run = [pte.value]
            for value in itertools.islice(self.following(pte.value), 1, None):
                if p + len(run) - 1 >= end or self.pte.get(p + len(run) - 1) != Swapped(value):
                    break
                run.append(value)
            for q in range(p - 1, p - 1 + len(run)):
                del self.pte[q]
                self.leave(q)
            n, p = n + len(run) - 1, p + len(run) - 1
            self.put_run(run)
        return d.ZAPPED if n else d.EMPTY

    def following(self, value: Any) -> Iterable[Any]:
        """The values from `value` on that a zap puts in one go: no more than that one, where a design does not batch."""
        return [value]

    def put_run(self, values: list[Any]) -> None:
        """One PTE less holds each of `values`; then cache copies that nothing needs go."""
        entries = [self.resolve(value) for value in values]
        left = [self.put(value, entry) for value, entry in zip(values, entries, strict=True)]
        for entry, how in zip(entries, left, strict=True):
            folio = self.lookup(entry) if how == "cached" else None
            if folio is not None and (folio.maps == 0 or self.swap_full(entry) or self.memcg_full(folio)):
                self.drop_unused(folio)

    def drop_unused(self, folio: Folio) -> None:
        """The last PTE that held the value of a cached folio has gone."""
        if not folio.busy and self.free_swap(folio) and folio.maps == 0:
            self.release(folio)

    def cow(self, page: int) -> int:
        pte = self.pte.get(page)
        return self.make_writable(page, pte) if isinstance(pte, Folio) else d.NOT_RESIDENT

    def make_writable(self, page: int, folio: Folio) -> int:
        alone = folio.maps == 1
        if alone and folio.cached:
            alone = not folio.busy and self.free_swap(folio)
        if alone:
            self.write(page, folio)
            return d.REUSED
        self.unmap_one(page, folio, None)
        self.fresh(page)
        self.orphan(folio)
        return d.COWED

    def move_begin(self, page: int, source: int, target: int, cpu: int, steps: int) -> int:
        if ("move", page) in self.phases or len(self.phases) >= PHASES:
            return d.BUSY
        pte = self.pte.get(page)
        if not isinstance(pte, Swapped):
            return d.NOT_SWAPPED
        self.phases["move", page] = Phase(None, pte.value, self.resolve(pte.value), source=source, target=target)
        return self.move_on(page, cpu, steps)

    def move_on(self, page: int, cpu: int, steps: int) -> int:
        """Run `steps` steps of a move, 0: all."""
        phase = self.phases.get(("move", page))
        if phase is None:
            return d.NO_BEGIN
        done = 0
        while True:
            code = self.move_step(page, phase, cpu)
            done += 1
            if code != d.STEPPED:
                del self.phases["move", page]
                self.moves += code == d.MOVED
                return code
            if done == steps:
                return code

    def more(self) -> dict[str, Any]:
        """View of what only this design has, by name: compared with :meth:`observed`, or with what the suite reads itself."""
        return {}

    @staticmethod
    def observed(st: Any) -> dict[str, Any]:
        """The same names as in :meth:`more`, read off the arrays of the design's state `st`.

        Twins of designs outside the package override both; what the suite reads of states of this package need not be read again.
        """
        return {}
