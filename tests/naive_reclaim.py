"""The plain twin of kernels/reclaim: dictionaries and lists, no arrays, no logs, nothing clever.

It computes every threshold from the scenario by itself; only the workload's accesses and the derivation of seeds are shared.
tests/naive_faults.py adds faults and mapping events to the stage of this file, tests/naive_folios.py large folios.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cache

from dse.workloads.generators import scramble
from kernels import demand
from tests.naive_lists import Generations, TwoLists

MASK64, MASK32 = (1 << 64) - 1, (1 << 32) - 1
PAGE = 4096
GOLDEN = 0x9E37_79B9_7F4A_7C15
RETRIES, DELAYS = 16, 4


def mix(x: int) -> int:
    x &= MASK64
    x = (x ^ x >> 30) * 0xBF58_476D_1CE4_E5B9 & MASK64
    x = (x ^ x >> 27) * 0x94D0_49BB_1331_11EB & MASK64
    return x ^ x >> 31


@cache
def class_bytes(size: int) -> int:
    """Share of a zspage of 1 to 8 pages, the least wasteful, of the class of 16 bytes more each that holds a handle and the object."""
    wanted = min(max(32, -(-(size + 8) // 16) * 16), PAGE)
    pages = min(range(1, 9), key=lambda n: (n * PAGE % wanted, n))
    return math.ceil(pages * PAGE / (pages * PAGE // wanted))


@dataclass
class Object:
    """A content: what one or more PTEs map, or hold the swap entry of."""

    number: int
    span: int = 1  # pages of a large folio, which is one object while it is resident
    ptes: list[int] = field(default_factory=list)
    where: str = "none"  # none, memory, swap
    home: int | None = None  # backend that has, or last had, the data
    version: int = 0
    zero: bool = False
    young: bool = False
    referenced: bool = False
    active: bool = False
    dirty: bool = False
    changed: bool = False
    moves: int = 0
    window: bool = False
    shadow: int | tuple[int, int] = 0
    seq: int = 0
    listed: bool = False
    references: int = 0
    workingset: bool = False
    cached: bool = False


class Stage(TwoLists, Generations):
    def __init__(self, scenario, workload, limit, forks):
        self.scenario, self.limit, self.forks = scenario, limit, forks
        self.policy, self.batch = scenario.memory.policy, scenario.memory.batch
        self.shift = workload.space_shift
        self.in_use = math.ceil(workload.touched / workload.spaces)
        self.key, self.life_key = (int(scramble(scenario.replay.seed, n)) for n in (4, 5))
        self.inactive: OrderedDict[int, Object] = OrderedDict()  # also the LRU order and the clock; the first one goes first
        self.active: OrderedDict[int, Object] = OrderedDict()
        self.zlist: OrderedDict[int, Object] = OrderedDict()
        self.objects: dict[int, Object] = {}  # by PTE
        self.numbers: dict[int, Object] = {}  # by number
        self.free: list[int] = []
        self.present: set[int] = set()
        self.protected: set[int] = set()
        self.pool_bytes, self.pool_full = 0, False
        self.resident = self.swapped = 0
        self.pending: list[Object] = []
        self.credit = self.picks = self.time = self.cpu = 0
        self.out: list[tuple[int, int]] = []
        self.set_backends()
        self.start_lists()
        self.start_generations(workload.pages)
        self.generational = self.policy.startswith("mglru")

    def set_backends(self):
        given, moves = self.scenario.backend, self.scenario.moves
        names = demand.BACKENDS
        self.exact = bool(given.mix)
        self.charged = not self.exact and self.scenario.memory.charge_zswap
        self.disk = names.index(given.disk)
        other = "hdd" if given.disk == "ssd" else "ssd"
        used = {given.placement, self.scenario.swapoff.target if self.scenario.swapoff.device else None}
        used |= {name for name, share in given.mix.items() if share} | set(moves.tiers if moves.rate else ())
        self.spare = names.index(other) if other in used or (other == "hdd" and given.hdd_slots) else None
        self.dest: dict[int, int | None] = {d: d for d in range(4)}
        if given.mix:
            self.zero_share = given.mix.get("zero", 0.0)
            data = {name: share for name, share in given.mix.items() if name != "zero" and share > 0} or {given.disk: 1.0}
        else:
            self.zero_share, data = given.zero_share, {given.placement or "zswap": 1.0}
        total = sum(data.values())
        self.shares, sum_so_far = [], 0.0
        for name in names:
            sum_so_far += data.get(name, 0.0) / total
            self.shares.append(round(min(sum_so_far, 1.0) * 2**32))
        mean = min(round(PAGE / given.compression_ratio), PAGE - 1)
        self.half = min(mean // 2, PAGE - 1 - mean)
        self.low = mean - self.half
        rest = 1 - self.zero_share
        self.incompressible = 0 if self.exact or rest <= 0 else round(min(given.incompressible_share / rest, 1.0) * 2**32)
        self.pool_limit = math.inf if self.exact else math.floor(given.zswap_share * self.limit)
        self.pool_accept = math.inf if self.exact else math.floor(self.pool_limit * given.shrink_to)
        tiers = [names.index(name) for name in moves.tiers]
        self.next = {t: tiers[(i + 1) % len(tiers)] for i, t in enumerate(tiers)} or {demand.ZSWAP: self.disk}
        self.pending_most = 0

    # demands ----------------------------------------------------------------------------------
    def emit(self, kind, page, backend=0, count=0, payload=0, flags=0, order=0):
        self.out.append(demand.pack(kind, page, order=order, backend=backend, cpu=self.cpu, count=count, payload=payload, flags=flags))

    def run_on(self, page):
        self.cpu = ((page >> self.shift) + (self.time >> 16)) % self.scenario.replay.cpus

    # content ----------------------------------------------------------------------------------
    def bits(self, o, version):
        return mix(self.key + (o.number | version << 32))

    def size(self, bits):
        more = mix(bits)
        if more & MASK32 < self.incompressible:
            return PAGE
        return self.low + (self.half * ((more >> 32 & 0xFFFF) + (more >> 48)) >> 16)

    def stored(self, o):
        return class_bytes(self.size(self.bits(o, o.version)))

    def pool_pages(self):
        return -(-self.pool_bytes // PAGE)

    # lists ------------------------------------------------------------------------------------
    def touched(self, o):
        if self.policy == "lru":
            self.inactive.move_to_end(o.number)
        else:
            o.young = True

    def enter(self, o, changed):
        refault = o.where == "swap"
        o.where, o.changed, o.dirty = "memory", changed, False
        o.young, o.referenced, o.active = self.policy not in ("lru", "clock"), False, False
        self.resident += o.span
        if self.generational:
            self.enter_generation(o, refault, changed)
        elif self.policy == "active-inactive" and refault and self.near(o):
            self.activations += 1
            self.activate(o)
        else:
            self.inactive[o.number] = o

    def victim(self):
        while self.inactive:
            number, o = self.inactive.popitem(last=False)
            if not o.young:
                return o
            o.young = False
            self.inactive[number] = o
        return None

    # zswap ------------------------------------------------------------------------------------
    def accepts(self, size):
        if self.pool_pages() >= self.pool_limit:
            self.pool_full = True
        elif self.pool_pages() <= self.pool_accept:
            self.pool_full = False
        return not self.pool_full and size <= (PAGE if self.exact else self.scenario.backend.reject_above)

    def pool_add(self, o):
        self.pool_bytes += self.stored(o)
        self.zlist[o.number] = o

    def pool_remove(self, o):
        self.pool_bytes -= self.stored(o)
        del self.zlist[o.number]

    def in_pool(self, o):
        return o.where == "swap" and o.home == demand.ZSWAP and not o.zero

    def shrink_pool(self):
        if not self.pool_full or not self.scenario.backend.writeback or self.disk is None:
            return
        for _ in range(self.scenario.moves.batch):
            if self.pool_pages() <= self.pool_accept or not self.zlist:
                return
            o = next(iter(self.zlist.values()))
            self.pool_remove(o)
            o.home = self.disk
            self.emit(demand.MOVE, o.ptes[0], demand.ZSWAP, payload=self.disk)

    # reclaim ----------------------------------------------------------------------------------
    def place(self, bits, zero, home):
        wanted = next(d for d in range(4) if bits >> 32 < self.shares[d] or d == 3) if home is None else home
        d = self.dest[wanted]
        if zero or d is None:
            return d, 0
        if d in (demand.SSD, demand.HDD):
            return d, PAGE
        size = self.size(bits)
        if d == demand.ZSWAP and not self.accepts(size):
            return (self.disk if self.scenario.backend.writeback else None), PAGE
        return d, size

    def swap_out(self, o):
        version = (o.version + 1) % 256 if o.changed else o.version
        home = None if o.changed or o.home == demand.ZSWAP else o.home
        bits = self.bits(o, version)
        zero = bits & MASK32 < round(self.zero_share * 2**32)
        d, size = self.place(bits, zero, home)
        if d is None:
            self.keep(o)
            return 0
        flags = (demand.DIRTY if o.dirty else 0) | (demand.ZERO if zero else 0)
        name = next((p for p in o.ptes if p in self.present), o.ptes[0])
        self.emit(demand.RECLAIM, name, d, payload=size, flags=flags)
        self.present -= set(o.ptes)
        if self.generational:
            self.gone[self.tier(o)] += 1
            o.shadow = self.min_seq, self.tier(o)
        elif self.policy == "active-inactive":
            o.shadow = self.age
            self.age += 1
        o.version = version
        self.resident -= 1
        self.left(o, d, zero)
        return 1

    def keep(self, o):
        """Put back a victim that no backend takes."""
        if self.policy == "active-inactive":
            self.activate(o)
        elif self.generational:
            self.place_active(o)
        else:
            self.inactive[o.number] = o

    def left(self, o, d, zero):
        """Begin the swapped lifetime of a page that went to `d`."""
        o.where, o.home, o.zero = "swap", d, zero
        self.swapped += 1
        if d == demand.ZSWAP and not zero:
            self.pool_add(o)
        if self.scenario.moves.rate > 0 and not zero:
            self.draw_lifetime(o)

    def excess(self, n):
        return max(self.resident + n + (self.pool_pages() if self.charged else 0) - self.limit, 0)

    def make_room(self):
        self.has_room(1)

    def has_room(self, n):
        if not self.excess(n):
            return True
        goal = max(self.batch, n)
        for _ in range(RETRIES):
            if self.policy == "active-inactive":
                self.reclaim_lists(goal)
            elif self.generational:
                self.reclaim_generations()
            else:
                self.reclaim_batch(goal)
            self.shrink_pool()
            if self.scenario.moves.rate > 0:
                self.run_daemon()
            if not self.excess(n):
                return True
        return False

    def reclaim_batch(self, goal):
        while goal > 0 and (o := self.victim()) is not None:
            goal -= o.span
            self.swap_out(o)

    # migration --------------------------------------------------------------------------------
    def draw_lifetime(self, o):
        rate = self.scenario.moves.rate
        self.credit += len(self.pending) * round(DELAYS * (rate + 1) * 2**16) // self.swapped
        if o.home not in self.next:
            return
        bits = mix(self.life_key + o.number + self.time * GOLDEN)
        o.moves = math.floor(rate) + (bits & MASK32 < round(rate % 1.0 * 2**32))
        o.window = bits >> 32 < o.moves * round(self.scenario.moves.in_window * 2**32)
        if o.moves > o.window:
            self.wait(o)

    def wait(self, o):
        if len(self.pending) < self.pending_most:
            self.pending.append(o)

    def due(self, o):
        return o.moves - o.window

    def target(self, o):
        to = self.next.get(o.home)
        if to is not None:
            to = self.dest[to]
        if to == demand.ZSWAP and not self.accepts(self.size(self.bits(o, o.version))):
            return None
        return None if to == o.home else to

    def move(self, o):
        source, to = o.home, self.target(o)
        if to is None:
            o.moves, o.window = 0, False
            return False
        self.emit(demand.MOVE, o.ptes[0], source, payload=to)
        o.moves -= 1
        if source == demand.ZSWAP:
            self.pool_remove(o)
        o.home = to
        if to == demand.ZSWAP:
            self.pool_add(o)
        return True

    def run_daemon(self):
        n = min(self.credit >> 16, len(self.pending))
        if n == 0 or n < min(self.scenario.moves.batch, len(self.pending)):
            return
        n = min(n, self.scenario.moves.batch)
        self.credit -= n << 16
        for _ in range(n):
            i = (mix(self.life_key ^ self.picks) >> 32) * len(self.pending) >> 32
            self.picks += 1
            o = self.pending[i]
            self.pending[i] = self.pending[-1]
            self.pending.pop()
            if o.where == "swap" and self.due(o) and self.move(o) and self.due(o):
                self.wait(o)
