"""Demand stream of a scenario: its workload, run through reclaim and placement (:mod:`kernels.reclaim`).

Examples
--------
>>> from dse import scenario
>>> stream = build(scenario.load("no-move"))
>>> for block in stream.blocks():  # doctest: +SKIP
...     replay(block)
>>> stream.counters["faults"]  # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import BadInput
from dse.scenario import Scenario
from dse.workloads import folios, generators, make, programs, readahead, trace
from dse.workloads.backing import PAGE, SLACK, backends_of, shares_of, sizes_of, slots_of, zero_share
from dse.workloads.workload import BLOCK, Workload
from kernels import demand
from kernels.compiling.flat import Flat
from kernels.life.registry import Config
from kernels.reclaim import state as s

VERSION = 2  # of the stage: raise it when the same scenario gives another stream
HALF = 1 << 32  # shares are thresholds of 32 random bits
PART = 16  # bits of the fraction in which the daemon's speed is counted
DELAYS = 4  # mean lifetimes per move's delay, see kernels.reclaim.migration
OF_STATES = ("swap_max", "cgroup_depth", "loop")  # keys of the section memory that the stage does not read
WORDS = 2  # of a demand
GENERATIONS = ("mglru", "mglru-6.18")
LISTS = 4  # of generations


@dataclass
class Stream:
    """Demands of a scenario, the same at every iteration.

    Attributes
    ----------
    scenario : Scenario
    workload : Workload
    limit : int
        Memory limit [pages].
    taken : int
        Accesses that :meth:`blocks` has gone through so far.
    counters : dict of str to int
        Counters of the stage, filled when :meth:`blocks` is exhausted. ``avoidable``: faults that a refused RECLAIM would avoid.
    """

    scenario: Scenario
    workload: Workload
    limit: int
    forks: bool
    taken: int = 0
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Name of the work on it, for a line of progress."""
        return self.scenario.label

    @property
    def accesses(self) -> int:
        """Accesses of the workload that the stream covers."""
        return self.scenario.workload.accesses

    @property
    def trace_name(self) -> str:
        """Trace or generator, and copies."""
        return self.workload.name

    @property
    def trace_digest(self) -> str:
        """Digest of the stream of accesses."""
        return self.workload.digest

    @property
    def digest(self) -> str:
        """SHA-256 of the version of the stage, the workload and the sections of the scenario that the stage reads."""
        values = self.scenario.values
        read = {name: values[name] for name in ("memory", "backend", "moves", "swapoff")}
        read["memory"] = {name: value for name, value in read["memory"].items() if name not in OF_STATES}
        read |= {"folio": values["folio"]} if self.scenario.folio.orders else {}
        read |= {"readahead": values["readahead"]} if self.scenario.readahead.page_cluster else {}
        what = [VERSION, self.workload.digest, self.accesses, self.scenario.replay.seed, self.scenario.replay.cpus, read]
        what += ["exit"] * self.scenario.workload.exit + ["closed"] * self.scenario.closed
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    @property
    def nbytes(self) -> int:
        """Most memory of the stage itself while it makes the stream [B]."""
        return sum(n * np.dtype(dtype).itemsize for n, dtype in arrays_of(self).values())

    @property
    def slots(self) -> dict[str, int]:
        """Slots of each backend (zswap: the most entries), by name."""
        return slots_of(self.scenario, self.workload.touched, self.limit)

    @property
    def swap_max(self) -> int:
        """Swap limit of each memory cgroup [pages], 0 for none."""
        return math.ceil(self.scenario.memory.swap_max * self.workload.touched)

    def config(self, design_parameters: dict[str, int] | None = None, tokens: bool = False) -> Config:
        """Configuration of a design's state that this stream fits.

        Parameters
        ----------
        design_parameters : dict of str to int, optional
            Control words of the design's own parameters.
        tokens : bool
            Check content tokens.
        """
        pages, slots = self.workload.pages, self.slots
        room = sum(n for name, n in slots.items() if name != "zswap")
        room = min(room, self.swap_max or room)
        tight = self.forks or may_overshoot(self.scenario) or self.limit + room < self.workload.touched
        return Config(
            pages=pages,
            slots=slots,
            space_shift=self.workload.space_shift,
            memcg=self.workload.memcg_of_space,
            folios=pages if tight else min(pages, self.limit + self.limit // 8 + SLACK),
            tokens=tokens,
            forks=self.forks,
            zdisk=self.scenario.backend.disk,
            cgroup_depth=self.scenario.memory.cgroup_depth,
            swap_max=self.swap_max,
            cpus=self.scenario.replay.cpus,
            parameters=dict(design_parameters or {}),
        )

    def blocks(self) -> Iterator[NDArray[np.uint64]]:
        """Iterate over the demands, from the first one on.

        Yields
        ------
        uint64[n, 2]
            At most ``scenario.replay.block`` records (:mod:`kernels.demand`).
        """
        if self.scenario.closed:
            raise BadInput(f"scenario {self.scenario.name}: memory.loop=closed makes demands for each design: dse compare --counted-only")
        from kernels.reclaim.stage import advance

        block, self.taken = self.scenario.replay.block, 0
        stage = start(self)
        ctl, out = stage.ctl, stage.out.reshape(-1, WORDS)
        for accesses, events, positions in self._input():
            ctl[int(s.S_ACCESS)] = ctl[int(s.S_EVENT)] = 0
            while True:
                advance(stage, accesses, events, positions)
                n = int(ctl[int(s.S_OUT)])
                if n < block:
                    break
                yield out[:block].copy()
                out[: n - block] = out[block:n].copy()
                ctl[int(s.S_OUT)] = n - block
        if n := int(ctl[int(s.S_OUT)]):
            yield out[:n].copy()
        self.counters = counters_of(ctl)

    def _input(self, most: int = BLOCK) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.int64]]]:
        """Blocks of the workload, at most so many accesses each, with the demand to switch off a device in its place."""
        off = self.scenario.swapoff
        at = None if off.device is None else round(off.at * self.accesses)
        restarts = programs.Restarts(self.scenario.workload.restarts, self.accesses, self.workload.pages)
        done = 0
        for accesses, events, positions in self.workload.blocks(self.accesses, block=most):
            if at is not None and (at < done + len(accesses) or done + len(accesses) == self.accesses):
                i = int(np.searchsorted(positions, at - done, side="right"))
                target = demand.MEMORY if off.target == "memory" else demand.BACKENDS.index(off.target)
                record = demand.pack(demand.SWAPOFF, 0, backend=demand.BACKENDS.index(str(off.device)), payload=target)
                events = np.insert(events, i, np.array(record, np.uint64), axis=0)
                positions = np.insert(positions, i, at - done)
                at = None
            yield accesses, *restarts.within(events, positions, done, len(accesses))
            done += len(accesses)
            self.taken = done
        if self.scenario.workload.exit:
            yield from programs.exits(self.workload.pages)


def build(scenario: Scenario) -> Stream:
    """Build the stream of a scenario.

    Raises
    ------
    BadInput
        The scenario names a trace that is not there, or sections that do not go together.
    """
    workload = make(specification(scenario), scenario.replay.seed)
    check(scenario)
    made = Stream(scenario, workload, scenario.limit_pages(workload.touched), has_forks(scenario))
    folios.refuse(made)
    readahead.refuse(made)
    return made


def check(scenario: Scenario) -> None:
    """Refuse sections that do not go together, before anything is made of them.

    Raises
    ------
    BadInput
        A backend that is used has no slots, zswap is switched off, or there is nothing to move.
    """
    used, slots = backends_of(scenario), slots_of(scenario, 1, 1)  # whether there are any does not depend on the pages
    for name in used:
        if not slots.get(name):
            option = "hdd_slots" if name == "hdd" and scenario.backend.disk != "hdd" else "slots"
            raise BadInput(f"scenario {scenario.name}: {name} is used but has no slots; set backend.{option}")
    off = scenario.swapoff
    if "zswap" in (off.device, off.target):
        raise BadInput(f"scenario {scenario.name}: swapoff.device and target are devices or memory, not zswap")
    if scenario.moves.rate and not scenario.moves.tiers and "zswap" not in used:
        raise BadInput(f"scenario {scenario.name}: moves.rate is {scenario.moves.rate:g}, but nothing is in zswap; set moves.tiers")


def specification(scenario: Scenario) -> dict[str, Any]:
    """Specification for :func:`dse.workloads.make`."""
    given, fork = scenario.workload, scenario.fork
    if given.trace is not None:
        spec: dict[str, Any] = {
            "trace": given.trace, "copies": given.copies, "pages_at_least": max(given.pages_at_least, 1),
            "quantum": given.quantum, "accesses": given.accesses,
        }  # fmt: skip
        return spec | ({"filter_pages": given.filter_pages} if given.filter_pages else {})
    name = str(given.generator)
    common = {"pages": given.pages, "accesses": given.accesses, "write_share": given.write_share}
    if name == "zipf" and given.theta == 0.0:
        name = "uniform"
    spec = {"generator": name, **common}
    if name in ("zipf", "phase", "fork"):
        spec["theta"] = given.theta
    if name == "phase":
        spec |= {"working_set": given.working_set, "phase_accesses": given.phase_accesses}
    if name == "fork":
        children = max(fork.children, 1)
        spec |= {"children": children, "fork_every": fork.every or max(given.accesses // (2 * children), 1)}
        spec |= {"child_share": fork.access_share, "child_write_share": fork.writes_share}
        spec["sharers_theta"] = fork.sharers_theta
    return spec


def has_forks(scenario: Scenario) -> bool:
    """Return True if the workload forks."""
    if scenario.workload.trace is None:
        return scenario.workload.generator == "fork"
    return bool(np.any(demand.records(trace.load(scenario.workload.trace).events)["kind"] == demand.FORK))


def may_overshoot(scenario: Scenario) -> bool:
    """Return True if more pages may be resident than the memory limit allows."""
    off = scenario.swapoff
    kept = "zswap" in shares_of(scenario) and not scenario.backend.writeback
    return kept or (off.device is not None and (off.target == "memory" or off.device in backends_of(scenario)))


def arrays_of(stream: Stream) -> dict[str, tuple[int, type[np.generic]]]:
    """Length and type of every array of the stage but its control words."""
    scenario, pages = stream.scenario, stream.workload.pages
    moves = scenario.moves.rate > 0
    objects = pages if stream.forks else 1
    resident = pages if may_overshoot(scenario) else min(pages, stream.limit)
    lists = {"ring": resident, "active": resident if scenario.memory.policy == "active-inactive" else 1}
    two, generations = scenario.memory.policy == "active-inactive", scenario.memory.policy in GENERATIONS
    lists["zswap"] = min(stream.slots.get("zswap", 1), pages)
    return {
        **{name: (1 << (2 * most).bit_length(), np.uint32) for name, most in lists.items()},
        "out": (WORDS * (scenario.replay.block + margin_of(scenario) + (resident if generations else 0)), np.uint64),
        "state": (pages, np.uint8), "version": (pages, np.uint8), "pos": (pages, np.uint32),
        "left": (pages if moves else 1, np.uint8), "pending": (most_pending(stream) or 1, np.uint32),
        "shadow": (pages if two or generations else 1, np.uint32),
        "held": (max(scenario.memory.batch, 64), np.uint32),
        "mark": (pages if generations else 1, np.uint8),
        "links": (2 * (pages + LISTS) if generations else 1, np.uint32),
        "tables": (2 * (pages >> table_shift(stream)) if generations else 1, np.uint8),
        "order": (pages if scenario.folio.orders else 1, np.uint8), **readahead.arrays(scenario, stream.workload),
        "object": (objects, np.uint32), "refs": (objects, np.uint32), "first": (objects, np.uint32),
        "flags": (objects, np.uint8), "kin": (2 * objects, np.uint32),
    }  # fmt: skip


def table_shift(stream: Stream) -> int:
    """PTEs of a page table, as a power of two; a small space has one smaller table."""
    return min(programs.TABLE, stream.workload.space_shift)


def most_pending(stream: Stream) -> int:
    """Pages that may wait for a move at a time; 0 without moves."""
    return min(stream.workload.pages, 2 * stream.workload.touched) if stream.scenario.moves.rate > 0 else 0


def start(stream: Stream) -> Any:
    """Make a fresh state of the stage."""
    arrays: dict[str, NDArray[Any]] = {name: np.zeros(n, dtype) for name, (n, dtype) in arrays_of(stream).items()}
    arrays["ctl"] = ctl = control(stream, most_pending(stream))
    for name, base in (("ring", s.RING), ("active", s.ACTIVE_RING), ("zswap", s.ZSWAP_RING)):
        ctl[int(base + s.MASK)] = len(arrays[name]) - 1
    if stream.scenario.memory.policy in GENERATIONS:
        heads = np.arange(stream.workload.pages, stream.workload.pages + LISTS, dtype=np.uint32)
        arrays["links"][2 * heads], arrays["links"][2 * heads + 1] = heads, heads
        arrays["tables"][:] = 1
        ctl[int(s.S_MAX_SEQ)] = LISTS - 1  # lru_gen_init_lruvec: MIN_NR_GENS + 1
    readahead.begin(arrays["near"])
    kind: type[Flat] = s.Stage
    return kind(**arrays)


def margin_of(scenario: Scenario) -> int:
    """Most demands of one access or event: batches of reclaim, the daemons' turn after each, moves at the fault.

    Each order of folios that is tried has its rounds of reclaim, as has each page that is read ahead, and the largest folio that many
    faults.
    """
    from kernels.reclaim.reclaim import RETRIES

    memory, largest = scenario.memory, folios.largest(scenario)
    goal = max(memory.batch, largest)
    round_ = goal if memory.policy in ("lru", "clock") else 3 * goal + 64
    charges = 1 + len(scenario.folio.orders) + readahead.most(scenario)
    return charges * int(RETRIES) * (round_ + 2 * scenario.moves.batch) + 63 + largest + readahead.most(scenario)


def control(stream: Stream, pending: int) -> NDArray[np.uint64]:
    """Control array: parameters in, everything else 0."""
    scenario, limit = stream.scenario, stream.limit
    given, moves, seed = scenario.backend, scenario.moves, scenario.replay.seed
    exact = bool(given.mix)
    pool = math.floor(given.zswap_share * limit)
    low, half = sizes_of(scenario)
    zero = zero_share(scenario)
    rest = 1.0 - zero
    words: dict[np.uint64, int] = {
        s.C_POLICY: s.POLICIES.index(scenario.memory.policy), s.C_LIMIT: limit,
        s.C_BATCH: scenario.memory.batch, s.C_SHIFT: stream.workload.space_shift, s.C_CPUS: scenario.replay.cpus,
        s.C_FORKS: int(stream.forks), s.C_BLOCK: scenario.replay.block, s.C_RATIO: max(math.isqrt(10 * (limit >> 18)), 1),
        s.C_CHARGED: int(scenario.memory.charge_zswap and not exact), s.C_POOL_LIMIT: (1 << 63) if exact else pool,
        s.C_POOL_ACCEPT: (1 << 63) if exact else math.floor(pool * given.shrink_to),
        s.C_WRITEBACK: int(given.writeback), s.C_DISK: demand.BACKENDS.index(given.disk), s.C_SPARE: spare_of(scenario),
        s.C_KEY: int(generators.scramble(seed, 4)), s.C_LIFE_KEY: int(generators.scramble(seed, 5)),
        s.C_ZERO: generators.share(zero),
        s.C_INCOMPRESSIBLE: 0 if exact or rest <= 0 else generators.share(min(given.incompressible_share / rest, 1.0)),
        s.C_SIZE_LOW: low, s.C_SIZE_WIDTH: half, s.C_REJECT_ABOVE: PAGE if exact else given.reject_above,
        s.C_MOVES: math.floor(moves.rate), s.C_MOVE_PART: generators.share(moves.rate % 1.0),
        s.C_WINDOW: generators.share(moves.in_window), s.C_MOVE_BATCH: moves.batch,
        s.C_MOVE_SPEED: round(DELAYS * (moves.rate + 1) * (1 << PART)), s.C_PENDING_MOST: pending, s.C_PAGES: stream.workload.pages,
        s.C_FLUSH: scenario.memory.flush, s.C_TABLE: table_shift(stream),
    }  # fmt: skip
    words |= folios.words(scenario, stream.workload) | readahead.words(scenario)
    shares, total = shares_of(scenario), 0.0
    for d, name in enumerate(demand.BACKENDS):
        total += shares.get(name, 0.0)
        words[s.C_SHARES + np.uint64(d)] = generators.share(min(total, 1.0))
        words[s.C_DEST + np.uint64(d)] = d
        words[s.C_NEXT + np.uint64(d)] = next_of(scenario, name)
    ctl = np.zeros(s.CTL_WORDS, np.uint64)
    for word, value in words.items():
        ctl[int(word)] = value
    return ctl


def next_of(scenario: Scenario, name: str) -> int:
    """Number of the backend to which a page of backend `name` moves."""
    tiers = scenario.moves.tiers
    if tiers:
        return demand.BACKENDS.index(tiers[(tiers.index(name) + 1) % len(tiers)]) if name in tiers else int(s.NOWHERE)
    return demand.BACKENDS.index(scenario.backend.disk) if name == "zswap" else int(s.NOWHERE)


def spare_of(scenario: Scenario) -> int:
    """Number of the other disk, which takes over when the disk is switched off; NOWHERE if it has no slots."""
    other = "hdd" if scenario.backend.disk == "ssd" else "ssd"
    there = other in backends_of(scenario) or (other == "hdd" and scenario.backend.hdd_slots > 0)
    return demand.BACKENDS.index(other) if there else int(s.NOWHERE)


def counters_of(ctl: NDArray[np.uint64]) -> dict[str, int]:
    """Counters by name; those of large folios and of readahead only where there may be any."""
    absent = (() if ctl[int(s.C_FOLIO)] else s.OF_FOLIOS) + (() if ctl[int(s.C_AHEAD)] else s.OF_READAHEAD)
    values = {name: int(ctl[s.COUNTER_BASE + i]) for i, name in enumerate(s.COUNTERS) if name not in absent}
    values["accesses"] = int(ctl[int(s.S_TIME)])
    values["avoidable"] = values["faults"] - values["first_touches"]
    values["pool_pages"] = (int(ctl[int(s.S_POOL_BYTES)]) + PAGE - 1) // PAGE
    values["resident"], values["swapped"] = int(ctl[int(s.S_RESIDENT)]), int(ctl[int(s.S_SWAPPED)])
    return values
