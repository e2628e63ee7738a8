"""Faults, copies and mapping events of the plain twin of kernels/reclaim, and all its demands."""

from __future__ import annotations

from kernels import demand
from tests.naive_reclaim import Object, Stage


class Faulting(Stage):
    def fault(self, page, o, write):
        """The FAULT demand; the moves of its swapped lifetime before it, or around it."""
        source = to = None
        if o.where == "swap" and not o.zero and self.scenario.moves.rate > 0:
            while self.due(o) and self.move(o):
                pass
            if o.window and (to := self.target(o)) is not None:
                source = o.home
                self.emit(demand.MOVE_BEGIN, page, source, payload=to)
            o.moves, o.window = 0, False
        self.emit(demand.FAULT, page, flags=demand.WRITE if write else 0)
        if to is not None:
            self.emit(demand.MOVE_END, page, source, payload=to)
            self.emit(demand.FAULT, page, flags=demand.WRITE if write else 0)

    def load(self, o, write):
        if o.where == "swap":
            self.swapped -= 1
            if self.in_pool(o):
                self.pool_remove(o)
            self.enter(o, write)
        else:
            self.enter(o, True)

    def new_object(self, page):
        if not self.forks:
            number = page
        elif self.free:
            number = self.free.pop()
        else:
            number = len(self.numbers)
        o = self.numbers.setdefault(number, Object(number))
        o.ptes = [page]
        self.objects[page] = o
        return o

    def detach(self, page):
        o = self.objects.pop(page)
        o.ptes.remove(page)
        self.present.discard(page)
        self.protected.discard(page)
        if o.ptes:
            return
        if o.where == "memory":
            self.resident -= 1
            self.inactive.pop(o.number, None)
            self.active.pop(o.number, None)
            self.drop(o)
        elif o.where == "swap":
            self.swapped -= 1
            if self.in_pool(o):
                self.pool_remove(o)
        o.where, o.home, o.active, o.moves, o.window = "none", None, False, 0, False
        if self.forks:
            self.free.append(o.number)

    def copy(self, page):
        self.detach(page)
        self.enter(self.new_object(page), True)
        self.present.add(page)

    def cow(self, page, o):
        shared = len(o.ptes) > 1
        if shared:
            self.make_room()
            if page not in self.present:
                return False
        self.emit(demand.COW, page)
        if shared:
            self.copy(page)
        else:
            self.protected.discard(page)
            self.touched(o)
            o.changed = True
        return True

    def access(self, page, write):
        self.run_on(page)
        o = self.objects.get(page)
        if o is None:
            self.make_room()
            o = self.new_object(page)
            self.fault(page, o, write)
            self.load(o, write)
            self.present.add(page)
            return
        if page in self.present:
            if not (write and page in self.protected):
                self.touched(o)
                if write:
                    o.dirty = o.changed = True
                return
            if self.cow(page, o):
                return
        copy = write and len(o.ptes) > 1
        if copy or o.where != "memory":
            self.make_room()
        self.fault(page, o, write)
        if copy:
            self.copy(page)
            return
        if o.where == "memory":
            self.touched(o)
            o.changed |= write
        else:
            self.load(o, write)
        self.present.add(page)
        self.protected.discard(page)
        if len(o.ptes) > 1:
            self.protected.add(page)

    # mapping events ---------------------------------------------------------------------------
    def event(self, row):
        kind, page, run, arg = int(row["kind"]), int(row["page"]), int(row["count"]), int(row["arg"])
        self.run_on(page)
        self.emit(kind, page, int(row["backend"]), run, arg)
        if kind == demand.FORK:
            for p in range(page, page + run):
                child = arg << self.shift | p & (1 << self.shift) - 1
                if p in self.objects and child not in self.objects:
                    o = self.objects[child] = self.objects[p]
                    o.ptes.insert(o.ptes.index(p) + 1, child)
                    if p in self.present:
                        self.present.add(child)
                        self.protected |= {p, child}
        elif kind == demand.UNMAP:
            for p in range(page, page + run):
                if p in self.objects:
                    self.detach(p)
        else:
            self.swapoff(int(row["backend"]), arg)

    def swapoff(self, device, target):
        if self.disk == device:
            self.disk = self.spare
        self.dest = {d: self.disk if to == device else to for d, to in self.dest.items()}
        for _, o in sorted(self.numbers.items()):
            if o.where == "swap" and o.home == device:
                o.moves, o.window = 0, False
                if target == demand.MEMORY:
                    self.load(o, True)
                    self.present |= set(o.ptes)
                    self.protected |= set(o.ptes) if len(o.ptes) > 1 else set()
                    self.protected -= set(o.ptes) if len(o.ptes) == 1 else set()
                else:
                    o.home = target


def demands(scenario, workload, limit, forks, kind=Faulting):
    """All demands of a workload whose stream fits in one block, by a twin of class `kind`."""
    stage = kind(scenario, workload, limit, forks)
    stage.pending_most = min(workload.pages, 2 * workload.touched)
    off, total = scenario.swapoff, scenario.workload.accesses
    at = None if off.device is None else round(off.at * total)
    ((accesses, events, positions),) = workload.blocks(total)
    rows, e = demand.records(events), 0
    for i in range(len(accesses) + 1):
        while e < len(rows) and positions[e] <= i:
            stage.event(rows[e])
            e += 1
        if i == at:
            target = demand.MEMORY if off.target == "memory" else demand.BACKENDS.index(off.target)
            words = demand.pack(demand.SWAPOFF, 0, backend=demand.BACKENDS.index(off.device), payload=target)
            stage.event(demand.records(demand.np.array([words], demand.np.uint64))[0])
        if i < len(accesses):
            stage.access(int(accesses[i]) & 0x7FFF_FFFF, bool(accesses[i] >> 31))
            stage.time += 1
    return stage
