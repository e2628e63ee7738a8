"""Programs of the simulated machine, made of traced operations.

A line that nobody writes is work: its cost is known. So is a lock that one CPU alone takes. A written line that one CPU alone uses among
the traced operations is work too. It costs what a line of its own does, unless other lines of its structure go from CPU to CPU: then
another CPU had it last, as likely as there are others. Without that, how many operations are traced would decide how many lines move.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse import naming
from dse.predicting import logs
from dse.predicting.costs import of_machine
from dse.predicting.sampling import Sample
from kernels.own import Lock, Region
from kernels.queueing import machine
from kernels.queueing.tree import NEVER
from kernels.structures.common.table import HOOK_NAMES

FAULTS = ("first_touch", "swap_in", "cache_hit", "cow", "reuse")
RECLAIMED = ("swap_out", "clean_drop")
"""Operations around which the rest of a page's reclaim lies."""
KINDS = (*FAULTS, "swap_out", "clean_drop", "writeback_end", "move", "fork", "zap", "swapoff", "begun", "stepped")
"""Kinds of operations by number."""
BACKEND = {
    "zswap_load": "zswap.read", "zram_load": "zram.read", "disk_in": "disk.read", "zswap_store": "zswap.write", "zram_store": "zswap.write",
    "disk_out": "disk.submit",
}  # fmt: skip
"""Costs of the backend by the place of the common steps that an operation passes."""
SOCKET = 64
"""CPUs of a socket."""


@dataclass(frozen=True)
class Programs:
    """Programs of all CPUs.

    Attributes
    ----------
    code : uint64[events]
        Events of all CPUs, one CPU after the other.
    first : uint64[cpus + 1]
        Where those of each CPU that has any begin.
    locks, lines : tuple of str
        Classes of the locks and structures of the lines that several CPUs use, by number.
    costs : mapping
        Times by name [ns].
    apart : float
        Faults a second where nobody shares anything.
    """

    code: NDArray[np.uint64]
    first: NDArray[np.uint64]
    locks: tuple[str, ...]
    lines: tuple[str, ...]
    costs: Mapping[str, float]
    apart: float = 0.0

    @property
    def cpus(self) -> int:
        """Number of CPUs that have a program."""
        return len(self.first) - 1

    def machine(self, opened: Iterable[str] = ()) -> machine.Machine:
        """A machine at time 0.

        Parameters
        ----------
        opened : iterable of str
            Classes of locks that exclude nobody, and regions whose atomics are as if each CPU had its own.
        """
        cpus, gone, code = self.cpus, set(opened), self.code.copy()
        apart = np.array([name in gone for name in self.lines] or [False])
        atomics = np.flatnonzero(code >> machine.KIND_SHIFT == machine.ATOMIC)
        atomics = atomics[apart[(code[atomics] & machine.LOW59).astype(np.int64)]]
        code[atomics] = machine.WORK << 60 | round(self.costs["atomic"] * 1000)
        ctl = np.zeros(machine.CTL_WORDS, np.uint64)
        tree = _tree(cpus)
        ctl[int(machine.S_LEAVES)] = len(tree) // 2
        for word, cost in enumerate(of_machine(self.costs), int(machine.C_LINE)):
            ctl[word] = cost
        state = np.zeros(cpus << int(machine.CPU_SHIFT), np.uint64)
        state[int(machine.T_PC) :: 1 << int(machine.CPU_SHIFT)] = self.first[:-1]
        state[int(machine.T_SOCKET) :: 1 << int(machine.CPU_SHIFT)] = np.arange(cpus) // SOCKET
        return machine.Machine(
            ctl=ctl, code=code, first=self.first, cpus=state,
            locks=np.zeros(max(len(self.locks), 1) << int(machine.LOCK_SHIFT), np.uint64),
            open=np.array([name in gone for name in self.locks] or [False], np.uint8),
            lines=np.zeros(max(len(self.lines), 1) << int(machine.LINE_SHIFT), np.uint64),
            tree=tree, ended=np.zeros(machine.KINDS, np.uint64), spent=np.zeros(machine.KINDS, np.uint64),
            hist=np.zeros(machine.KINDS * machine.BINS, np.uint64),
        )  # fmt: skip


def _tree(cpus: int) -> NDArray[np.uint64]:
    """Tournament of CPUs that all begin at time 0."""
    leaves = 1 << max(cpus - 1, 0).bit_length()
    tree = np.zeros(2 * leaves, np.uint64)
    tree[leaves + cpus :] = NEVER
    tree[leaves : leaves + cpus] = np.arange(cpus)
    for at in range(leaves - 1, 0, -1):
        tree[at] = min(tree[2 * at], tree[2 * at + 1])
    return tree


@dataclass(frozen=True)
class Uses:
    """Who uses which lock and line.

    Attributes
    ----------
    key : int64[n]
        Number of the lock or line of each event, -1 for work.
    felt : bool[n]
        Events in which another CPU has a part.
    again : bool[n]
        Touches of lines that the operation touched before.
    away : bool[n]
        First touches and first stores of written lines of structures whose lines go from CPU to CPU: a store has to take the copy of
        another CPU away that the load before it left there.
    number : int64[keys]
        Number among the shared locks, or lines; -1 for others.
    locks, lines : tuple of str
        Classes of the shared ones.
    """

    key: NDArray[np.int64]
    felt: NDArray[np.bool_]
    again: NDArray[np.bool_]
    away: NDArray[np.bool_]
    number: NDArray[np.int64]
    locks: tuple[str, ...]
    lines: tuple[str, ...]

    @classmethod
    def of(cls, events: logs.Events, cpu_of: NDArray[np.int64]) -> Uses:
        """Look at all events."""
        keys, key = np.unique(events.key, return_inverse=True)
        cpu, writes = cpu_of[events.operation], ~np.isin(events.kind, (machine.READ, machine.WORK))
        least, most, written = np.full(len(keys), 1 << 30), np.full(len(keys), -1), np.zeros(len(keys), bool)
        np.minimum.at(least, key, cpu)
        np.maximum.at(most, key, cpu)
        written[key[writes]] = True
        real = keys >= 0
        shared = real & written & (least < most)
        group = keys >> logs.ADDRESS
        common = np.isin(group, group[shared])
        pair, stores = events.operation * len(keys) + key, np.flatnonzero(writes)
        first, store = np.zeros(len(key), bool), np.zeros(len(key), bool)
        first[np.unique(pair, return_index=True)[1]] = True
        store[stores[np.unique(pair[stores], return_index=True)[1]]] = True
        is_lock = np.zeros(len(keys), bool)
        is_lock[key[np.isin(events.kind, logs.LOCKING)]] = True
        number = np.full(len(keys), -1)
        named: list[tuple[str, ...]] = []
        for of in (shared & is_lock, shared & ~is_lock):
            number[of] = np.arange(int(of.sum()))
            named.append(tuple(events.name(int(one)) for one in keys[of]))
        touches = real[key] & ~is_lock[key]
        away = touches & (common & written)[key] & (first | store)
        return cls(key, shared[key], touches & ~first, away, number, named[0], named[1])

    def alone(self, events: logs.Events, elsewhere: float, costs: Mapping[str, float]) -> NDArray[np.float64]:
        """Time of each event that is nobody else's [ns]; `elsewhere` is that of a line that any CPU may have had last."""
        touch = np.where(self.away, elsewhere, np.where(self.again, costs["line.again"], costs["line"]))
        alone = np.where(np.isin(events.kind, (machine.READ, machine.WRITE)), touch, 0.0)
        alone += np.where(np.isin(events.kind, (machine.ATOMIC, machine.LOCK, machine.TRYLOCK)), costs["atomic"], 0.0)
        return alone + np.where((events.kind == machine.ATOMIC) & self.away, elsewhere, 0.0)

    def words(self, events: logs.Events) -> NDArray[np.int64]:
        """Words of the events that others feel, -1 for the rest."""
        words = events.kind << 60 | self.again.astype(np.int64) << 59 | self.number[self.key]
        return np.where(self.felt, words, -1)


@dataclass(frozen=True)
class Traced:
    """Traced operations of a design, before costs are known.

    Attributes
    ----------
    events : Events
    uses : Uses
    cpu, kind : int64[operations]
        CPU and kind of each operation.
    cpus : int
        CPUs of the machine.
    """

    events: logs.Events
    uses: Uses
    cpu: NDArray[np.int64]
    kind: NDArray[np.int64]
    cpus: int

    @classmethod
    def of(cls, named: naming.Named, found: Sequence[Sample], cpus: int) -> Traced:
        """Read samples."""
        own = named.design.own
        events = logs.events(found, own.names(Lock), own.names(Region))
        cpu = np.array([sample.cpu for sample in found])
        return cls(events, Uses.of(events, cpu), cpu, np.array([KINDS.index(sample.outcome) for sample in found]), cpus)

    def around(self, costs: Mapping[str, float]) -> NDArray[np.float64]:
        """Time of each operation apart from what is traced [ns]: the rest of the fault or of reclaim, and the backend.

        A whole fault holds the common steps, which are traced: they are taken off it.
        """
        common = np.bincount(self.events.operation, self.events.work @ prices(costs), len(self.kind))
        rest = np.where(self.kind < len(FAULTS), np.maximum(costs["fault.frame"] - common, 0.0), 0.0)
        rest[np.isin(self.kind, [KINDS.index(outcome) for outcome in RECLAIMED])] = costs["reclaim.page"]
        backend = np.array([costs[BACKEND[hook]] if hook in BACKEND else 0.0 for hook in HOOK_NAMES])
        return np.asarray(rest + self.events.passed @ backend)

    def programs(self, costs: Mapping[str, float]) -> Programs:
        """Programs of the CPUs: before each operation its rest, behind it its end, work summed up to the next event that others feel."""
        events, n = self.events, len(self.cpu)
        own, around = events.work @ prices(costs), self.around(costs)
        work = np.where(self.uses.felt, 0.0, own + self.uses.alone(events, expected(self.cpus, costs), costs))
        operation = np.concatenate([np.arange(n), events.operation, np.arange(n)])
        stage = np.repeat([0, 1, 2], [n, len(events.kind), n])
        word = np.concatenate([np.zeros(n, np.int64), self.uses.words(events), machine.END << 60 | self.kind])
        ns = np.concatenate([around, work, np.zeros(n)])
        order = np.lexsort((stage, operation, self.cpu[operation]))
        code, of = _merged(word[order], ns[order], self.cpu[operation][order])
        apart = around + np.bincount(events.operation, own + self.uses.alone(events, costs["line"], costs), n)
        return _whole(code, of, self.uses, self._rate(apart), costs)

    def _rate(self, ns: NDArray[np.float64]) -> float:
        """Faults a second of CPUs that share nothing, whose operations take so long."""
        time = np.bincount(self.cpu, ns, self.cpus)
        faults = np.bincount(self.cpu, self.kind < len(FAULTS), self.cpus)
        return float(np.divide(faults, time, out=np.zeros(self.cpus), where=time > 0).sum() * 1e9)


def prices(costs: Mapping[str, float]) -> NDArray[np.float64]:
    """Times of the work of the common steps [ns]: a line, a line again, an atomic."""
    return np.array([costs["line"], costs["line.again"], costs["atomic"]])


def _merged(word: NDArray[np.int64], ns: NDArray[np.float64], cpu: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Events with the work before each of them as one event; and the CPU of each."""
    real = np.flatnonzero(word > 0)
    sums = np.concatenate([[0.0], np.cumsum(ns)])
    before = np.rint((sums[real] - sums[np.concatenate([[0], real[:-1]])]) * 1000).astype(np.int64)
    both = np.stack([machine.WORK << 60 | before, word[real]], axis=1).ravel()
    keep = np.stack([before > 0, np.ones(len(real), bool)], axis=1).ravel()
    return both[keep].astype(np.uint64), np.repeat(cpu[real], 2)[keep]


def _whole(code: NDArray[np.uint64], of: NDArray[np.int64], uses: Uses, apart: float, costs: Mapping[str, float]) -> Programs:
    """Programs of the CPUs that have one: others have no operation among the traced ones."""
    _, first = np.unique(of, return_index=True)
    return Programs(code, np.array([*first, len(code)], np.uint64), uses.locks, uses.lines, costs, apart)


def expected(cpus: int, costs: Mapping[str, float], socket: int = SOCKET) -> float:
    """Cost of a line that any of the CPUs may have had last [ns].

    Examples
    --------
    >>> costs = {"line": 18.0, "transfer.socket": 50.0, "transfer.far": 134.0}
    >>> expected(1, costs), expected(2, costs), expected(128, costs)
    (18.0, 34.0, 91.75)
    """
    total = 0.0
    for holder in range(cpus):
        far = "transfer.socket" if holder // socket == 0 else "transfer.far"
        total += costs["line"] if holder == 0 else max(costs["line"], costs[far])
    return total / cpus
