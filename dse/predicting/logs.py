"""Logs of traced operations as events of the simulated machine, all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dse.predicting.sampling import Sample
from kernels.observing import probe
from kernels.queueing import machine
from kernels.structures.common import table

BATCHES = {("isolate", "mem_cgroup_per_node"): 32, ("disk_out", "mem_cgroup_per_node"): 31}
"""Pages for which a lock of the common steps is taken once: SWAP_CLUSTER_MAX (include/linux/swap.h), PAGEVEC_SIZE (linux/pagevec.h)."""
UNDER = {"isolate": "lru_gen_del_folio", "disk_out": "lru_gen_add_folio"}
"""Functions that run for each page of a batch under that lock: part of the section, and not of their own page."""
SHARED_READERS = frozenset({"zs_pool"})
"""Read-write locks of which the common steps are readers: two atomics on one line, and nobody waits for the other's section."""
OWN_LOCK = frozenset({"zspage", "swap_slots_cache"})
"""Locks that are never contended: of one page's zspage, and of a CPU."""
LOCK_NAMES = {"mem_cgroup_per_node": "lruvec", "size_class": "zsmalloc class"}
"""Classes of the common steps' locks, as the designs name theirs."""
OF_PROBE = {
    probe.E_CHASE: machine.READ, probe.E_TOUCH: machine.READ, probe.E_WROTE: machine.WRITE, probe.E_ATOMIC: machine.ATOMIC,
    probe.E_LOCK: machine.LOCK, probe.E_UNLOCK: machine.UNLOCK,
}  # fmt: skip
"""Kinds of events by those of the probe."""
LOCKING = (machine.LOCK, machine.UNLOCK, machine.TRYLOCK)
ADDRESS = 48
"""Bits of a key below its class."""

Words = NDArray[np.int64]


class Part(NamedTuple):
    """An event of a function of the common steps.

    Attributes
    ----------
    kind : int
    name : str
        Class of the lock, or structure of the line; empty for work.
    by_class : bool
        One for each class of zsmalloc.
    first, again, atomics : float
        Of work: lines, lines again, atomics.
    """

    kind: int
    name: str = ""
    by_class: bool = False
    first: float = 0.0
    again: float = 0.0
    atomics: float = 0.0


@dataclass(frozen=True)
class Events:
    """Events of all operations, in order.

    Attributes
    ----------
    operation : int64[n]
        Number of the operation.
    kind : int64[n]
        Of :mod:`kernels.queueing.machine`.
    key : int64[n]
        Lock or line: class << 48 | index; -1 for work.
    work : float64[n, 3]
        Of work: lines, lines again, atomics.
    names : tuple of str
        Classes by number.
    passed : bool[operations, hooks]
        Places of the table of common steps that each operation passed.
    """

    operation: Words
    kind: Words
    key: Words
    work: NDArray[np.float64]
    names: tuple[str, ...]
    passed: NDArray[np.bool_]

    def name(self, key: int) -> str:
        """Class of a lock or a line."""
        return self.names[key >> ADDRESS]


def parts(hook: str, function: str, lines: int, first: int, era: int) -> list[Part]:
    """Events of a function of the common steps: its lines are of the CPU or the page, its locks are everybody's.

    Where the kernel takes a lock once for a batch, this is the event of the page for which it does, with what it does for each page.
    """
    if UNDER.get(hook) == function:
        return []
    taken = [t.structure for t in table.TOUCHES[era] if t.lock and t.function == function and t.hook == hook]
    exclusive = [name for name in taken if name not in SHARED_READERS | OWN_LOCK]
    found = []
    for name in taken:
        if name in SHARED_READERS:
            found += [Part(machine.ATOMIC, f"{name} lock")] * 2
        elif name in OWN_LOCK:
            found.append(Part(machine.WORK, atomics=1))
    for name in exclusive:
        said, by_class, pages = LOCK_NAMES.get(name, name), name == "size_class", BATCHES.get((hook, name), 0)
        under = pages * sum(not t.lock for t in table.TOUCHES[era] if t.hook == hook and t.function == UNDER.get(hook))
        found += [
            Part(machine.LOCK, said, by_class), Part(machine.WRITE, f"{said} line", by_class),
            Part(machine.WORK, first=first / len(exclusive) + under, again=(lines - first) / len(exclusive)),
            Part(machine.UNLOCK, said, by_class),
        ]  # fmt: skip
    return found if exclusive else [*found, Part(machine.WORK, first=first, again=lines - first)]


def events(found: Sequence[Sample], locks: Mapping[int, str], regions: Mapping[int, str]) -> Events:
    """Read the logs of operations.

    Parameters
    ----------
    found : sequence of Sample
    locks, regions : mapping
        Names of the design's lock classes and regions, by number.
    """
    logs = np.concatenate([sample.log[1:].astype(np.int64) for sample in found]).reshape(-1, 2)
    operation = np.repeat(np.arange(len(found)), [len(sample.log) // 2 for sample in found])
    names: dict[str, int] = {}
    event, what = logs[:, 0] & 0xFF, logs[:, 0] >> 8 & 0xFFFFFF
    kinds = np.full(16, -1)
    kinds[[int(number) for number in OF_PROBE]] = list(OF_PROBE.values())
    kind = kinds[event]
    kind[np.flatnonzero(event == int(probe.E_TRY)) + 1] = machine.TRYLOCK
    locking = np.isin(kind, LOCKING)
    of_lock, of_line = (_numbers(of, mark, names) for of, mark in ((locks, MARK), (regions, "")))
    owner = np.where(locking, of_lock[np.minimum(what, len(of_lock) - 1)], of_line[np.minimum(what, len(of_line) - 1)])
    key = owner << ADDRESS | np.where(locking, logs[:, 1], logs[:, 1] >> 3)
    own = np.flatnonzero(kind >= 0)
    at = np.flatnonzero(event == int(probe.E_COMMON))
    shared = _common(found, logs[at], operation[at], names)
    place = np.concatenate([own, at[shared.of]])
    order = np.argsort(place, kind="stable")
    passed = np.zeros((len(found), len(table.HOOK_NAMES)), bool)
    passed[operation[at], logs[at, 1] >> 24 & 0xFF] = True
    return Events(
        operation[place][order], np.concatenate([kind[own], shared.kind])[order], np.concatenate([key[own], shared.key])[order],
        np.concatenate([np.zeros((len(own), 3)), shared.work])[order], tuple(name.removeprefix(MARK) for name in names), passed,
    )  # fmt: skip


MARK = "lock "
"""In front of the name of a lock's class, which a structure may have as well."""


def _numbers(of: Mapping[int, str], mark: str, names: dict[str, int]) -> Words:
    """Number of a class by that of the design's lock or region."""
    found = np.zeros(max(of, default=0) + 1, np.int64)
    for number, name in of.items():
        found[number] = names.setdefault(mark + name, len(names))
    return found


class Shared(NamedTuple):
    """Events of the common steps; `of` says to which entry of the log each belongs."""

    of: Words
    kind: Words
    key: Words
    work: NDArray[np.float64]


def _common(found: Sequence[Sample], entries: Words, operation: Words, names: dict[str, int]) -> Shared:
    """Events of entries of the log, whose operations are given."""
    which, of = np.unique(entries, axis=0, return_inverse=True)
    made = [
        parts(table.HOOK_NAMES[word >> 24 & 0xFF], table.FUNCTIONS[head >> 8 & 0xFFFFFF], word & 0xFF, word >> 8 & 0xFF, found[0].era)
        for head, word in which.tolist()
    ]
    flat = [part for several in made for part in several]
    owner = [names.setdefault((MARK if part.kind in LOCKING else "") + part.name, len(names)) if part.name else -1 for part in flat]
    kind, by_class = np.array([part.kind for part in flat], np.int64), np.array([part.by_class for part in flat], bool)
    work = np.array([[part.first, part.again, part.atomics] for part in flat], np.float64).reshape(-1, 3)
    length = np.array([len(several) for several in made], np.int64)
    start = np.cumsum(length) - length
    of = of.ravel()
    cpu = np.array([sample.cpu for sample in found])[operation]
    count = np.where(_skipped(entries[:, 1] >> 24 & 0xFF, cpu, np.array([_locks(several) for several in made], bool)[of]), 0, length[of])
    entry = np.repeat(np.arange(len(of)), count)
    at = np.repeat(start[of] - (np.cumsum(count) - count), count) + np.arange(len(entry))
    index = np.where(by_class[at], np.array([sample.size_class for sample in found])[operation[entry]], 0)
    numbers = np.array(owner, np.int64)[at]
    return Shared(entry, kind[at], np.where(numbers < 0, -1, numbers << ADDRESS | index), work[at])


def _locks(several: list[Part]) -> bool:
    """Tell if events hold a lock that the kernel takes once for a batch."""
    batched = {LOCK_NAMES.get(structure, structure) for _, structure in BATCHES}
    return any(part.kind == machine.LOCK and part.name in batched for part in several)


def _skipped(hook: Words, cpu: Words, locks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Entries whose section belongs to a batch that another page began: all but each 32nd of a CPU, say."""
    skipped = np.zeros(len(hook), bool)
    for (name, _), batch in BATCHES.items():
        at = np.flatnonzero(locks & (hook == table.HOOK_NAMES.index(name)))
        order = at[np.argsort(cpu[at], kind="stable")]
        turn = np.arange(len(order)) - np.searchsorted(cpu[order], cpu[order])
        skipped[order] = turn % batch > 0
    return skipped
