"""Plain twins of the kernel's two reclaim schemes: dictionaries in the order of the lists, the oldest page first."""

from __future__ import annotations

import math
from collections import OrderedDict

PRIORITIES = range(12, -1, -1)
WIDE, LEAST, MOST = 64, 2, 4


class TwoLists:
    """Active and inactive lists with refault distances."""

    def start_lists(self):
        self.age = self.activations = self.snapshot = self.flushed = 0
        self.view = (0, 0, 0)
        self.agings = 0

    def look(self):
        flush = self.scenario.memory.flush
        if flush and self.time < self.flushed:
            return
        if flush:
            self.flushed = self.time // flush * flush + flush
        self.view = (self.resident - self.active_pages(), self.active_pages(), self.activations)

    def active_pages(self):
        return sum(o.span for o in self.active.values()) if self.scenario.folio.orders else len(self.active)

    def inactive_is_low(self):
        self.look()
        return self.view[0] * max(math.isqrt(10 * (self.limit >> 18)), 1) < self.view[1]

    def activate(self, o):
        o.active = True
        self.age += o.span
        self.active[o.number] = o

    def deactivate(self, n):
        while n > 0 and self.active:
            number, o = self.active.popitem(last=False)
            n -= o.span
            o.active = o.young = False
            self.inactive[number] = o

    def near(self, o):
        self.look()
        return (self.age - o.shadow) % 2**32 <= self.view[1]

    def scan_inactive(self, n):
        held, kept, left = [], [], 0
        while n > 0 and self.inactive:
            held.append(self.inactive.popitem(last=False)[1])
            n -= held[-1].span
        for o in held:
            if o.young:
                kept.append((o, o.referenced))
                o.young, o.referenced = False, True
            else:
                left += self.swap_out(o)
        for o, again in kept:
            if again:
                self.activate(o)
            else:
                self.inactive[o.number] = o
        return left

    def shrink_lists(self, priority, force, goal):
        may = self.inactive_is_low() or force or self.view[2] != self.snapshot
        sizes = [self.resident - self.active_pages() >> priority, self.active_pages() >> priority]
        inactive, active = sizes if priority == 0 else [size * 89 // 508 for size in sizes]
        left = 0
        while inactive and left < goal:
            left += self.scan_inactive(min(inactive, self.batch))
            inactive -= min(inactive, self.batch)
            n = min(active, self.batch)
            active -= n
            if may:
                self.deactivate(n)
            elif n:
                self.skipped = True
        if self.inactive_is_low():
            self.deactivate(self.batch)
        return left

    def reclaim_lists(self, goal):
        self.skipped = False
        for attempt in range(3):
            if attempt == 2 and not self.skipped:
                return
            left = 0
            for priority in PRIORITIES:
                left += self.shrink_lists(priority, attempt == 2, goal)
                if left >= goal:
                    break
            self.look()
            self.snapshot = self.view[2]
            if left:
                return


class Generations:
    """Multi-generational LRU: `lists` by generation, `o.seq` the generation that a page was promoted to."""

    def start_generations(self, pages):
        self.max_seq, self.min_seq = MOST - 1, 0
        self.lists = [OrderedDict() for _ in range(MOST)]
        self.old = self.policy == "mglru-6.18"
        self.table = min(512, 1 << self.shift)
        self.pages = pages
        self.dense = [set(range(pages // self.table)), set(range(pages // self.table))]  # by parity of the generation
        self.refaulted, self.gone, self.protected_, self.avg_refaulted, self.avg_total = ([0] * 4 for _ in range(5))

    def place_in(self, o, n):
        """Put `o` into the `n`-th youngest generation."""
        o.seq, o.listed = max(self.max_seq - n + 1, self.min_seq), True
        self.lists[o.seq % 4][o.number] = o

    def place_active(self, o):
        self.place_in(o, 1 if o.workingset else LEAST)

    def drop(self, o):
        for generation in self.lists:
            generation.pop(o.number, None)
        o.listed = False

    def tier(self, o):
        return 3 if o.workingset else o.references // 2

    def enter_generation(self, o, refault, write):
        o.workingset, o.references, o.cached = False, 0, refault and not write
        if refault and self.max_seq - o.shadow[0] < MOST:
            self.refaulted[o.shadow[1]] += 1
            o.workingset = o.shadow[1] == 3
        if o.workingset or self.old:
            self.place_active(o)
        else:
            o.references = 1
            self.place_in(o, 3 if o.cached else LEAST)

    def referenced_again(self, o):
        if not o.references and not o.workingset:
            o.references = 1
            return False
        if self.old or o.references > 1:
            o.references, o.workingset = 0, True
        else:
            o.references += 1
        return True

    def promote(self, o):
        if not o.references and not o.workingset:
            o.references = 1
        else:
            o.references, o.workingset, o.seq = 0, True, self.max_seq

    def young_at(self, page):
        o = self.objects.get(page)
        if o is None or page not in self.present or not (o.where == "memory" and o.young and o.listed):
            return None
        o.young = False
        return o

    def grow_older(self):
        now, later = self.dense[self.max_seq % 2], self.dense[(self.max_seq + 1) % 2]
        later.clear()
        for t in sorted(now):
            young = [o for p in range(t * self.table, (t + 1) * self.table) if (o := self.young_at(p)) is not None]
            for o in young:
                self.promote(o)
            if len(young) * 8 >= self.table:
                later.add(t)
        self.max_seq += 1
        self.agings += 1

    def look_around(self, o, walked):
        page = o.ptes[0]
        first = page // self.table * self.table
        last = first + self.table
        if self.table > WIDE:
            first = min(max(page - WIDE // 2, first), last - WIDE)
            last = first + WIDE
        near = 1
        for p in range(first, last):
            other = self.young_at(p)
            if other is None:
                continue
            near += 1
            if walked:
                self.promote(other)
            elif self.referenced_again(other) and other.seq != self.max_seq:
                self.drop(other)
                self.place_active(other)
        if near * 8 >= last - first:
            self.dense[self.max_seq % 2].add(page // self.table)

    def highest(self):
        def rate(t):
            return self.avg_refaulted[t] + self.refaulted[t], self.avg_total[t] + self.protected_[t] + self.gone[t]

        refaulted, total = rate(0)
        for t in (1, 2, 3):
            again, of = rate(t)
            if again >= WIDE and again * (total + WIDE) * 2 > (refaulted + 1) * of * 3:
                return t - 1
        return 3

    def advance(self):
        seq = self.min_seq
        while seq + LEAST <= self.max_seq and not self.lists[seq % 4]:
            seq += 1
        if seq == self.min_seq:
            return 0
        self.min_seq = seq
        for t in range(4):
            self.avg_refaulted[t] = (self.avg_refaulted[t] + self.refaulted[t]) // 2
            self.avg_total[t] = (self.avg_total[t] + self.protected_[t] + self.gone[t]) // 2
            self.refaulted[t] = self.protected_[t] = self.gone[t] = 0
        return 1

    def isolate(self, budget):
        held, scanned = [], 0
        if self.max_seq - self.min_seq + 1 == LEAST:
            return 0, held
        oldest, highest = self.lists[self.min_seq % 4], self.highest()
        while oldest and scanned < budget and len(held) < WIDE:
            number, o = oldest.popitem(last=False)
            scanned += 1
            tier = self.tier(o)
            if o.seq != self.min_seq:
                self.lists[o.seq % 4][number] = o
            elif tier > highest:
                self.protected_[tier] += 1
                o.references, o.seq = 0, self.min_seq + 1
                self.lists[o.seq % 4][number] = o
            else:
                o.listed = False
                held.append(o)
        return scanned, held

    def shrink_held(self, held, walked):
        kept, left = [], 0
        for o in held:
            if o.young:
                o.young = False
                self.look_around(o, walked)
                kept.append((o, self.referenced_again(o)))
            else:
                left += self.swap_out(o)
        for o, activated in kept:
            above = o.workingset or (not self.old and o.references > 0)
            n = (1 if o.workingset else LEAST) if activated else (3 if above else MOST) if o.cached else LEAST
            if max(self.max_seq - n + 1, self.min_seq) == self.min_seq:
                o.references = 0
                self.place_active(o)
            else:
                self.place_in(o, n)
        return left

    def shrink_generations(self, priority, left):
        todo, walked = self.resident >> priority, False
        while todo:
            if self.min_seq + LEAST > self.max_seq or (self.min_seq + LEAST == self.max_seq and priority < 12):
                self.grow_older()
                walked = True
            self.advance()
            scanned, held = self.isolate(min(todo, WIDE))
            self.advance()
            left += self.shrink_held(held, walked)
            if not scanned or left >= self.batch:
                break
            todo -= scanned
        return left

    def shrink_generations_before(self, priority, left):
        done = 0
        while True:
            if self.min_seq + LEAST >= self.max_seq and priority < 12:
                self.grow_older()
                return left
            todo = 0 if self.min_seq + LEAST > self.max_seq else self.resident >> priority
            if not todo:
                return left
            scanned, held = self.isolate(WIDE * WIDE)
            done_now = (scanned if held or scanned == WIDE * WIDE else 0) + self.advance()
            if self.min_seq + LEAST > self.max_seq:
                done_now = 0
            left += self.shrink_held(held, False)
            done += done_now
            if not done_now or done >= todo:
                return left

    def reclaim_generations(self):
        for _ in range(2):
            left = 0
            for priority in PRIORITIES:
                left = (self.shrink_generations_before if self.old else self.shrink_generations)(priority, left)
                if left >= self.batch:
                    return
            if left:
                return
