"""The names and numbers of a design: control words, regions, locks, allocation classes, announced functions.

Kernels know all of these by number. :data:`COMMON` has those that every design shares; an :class:`Own` has those of one design, numbered
behind the ones of the designs that it builds on. Numbers depend on nothing else that is loaded, so a compiled kernel stays valid.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple, TypeVar

import numpy as np

from kernels.compiling.errors import BadDesign, nearest

WORDS, COMMON_WORDS = 160, 96
"""Words of the control array, and how many of them are :data:`COMMON`'s."""
REGIONS, COMMON_REGIONS = 64, 40
CLASSES, COMMON_CLASSES = 16, 8
STEPS, COMMON_STEPS = 128, 64
RANKS, GAP = 64, 4
"""Ranks of locks: a bit of one word each. A common lock takes every fourth, sixteen in all; three of a design's own fit in between."""
PARAMETER, STATE, STATISTIC = "parameter", "state", "statistic"
ATOMIC = "atomic"
"""Guard of a region that read-modify-writes change without a lock."""
READ_ONLY = "read only"
"""Guard of a region that is never written once the state is built."""
PAGE_TABLE, FOLIO, OWN_CPU, RACY, DRIVER = "page table lock", "folio lock", "own CPU", "racy by intent", "lock of the driver"
UNMODELLED = (PAGE_TABLE, FOLIO, OWN_CPU, RACY, DRIVER)
"""Guards that the model does not take: a write of a region that has one of them is not looked at."""


class Word(NamedTuple):
    """A word of the control array.

    Attributes
    ----------
    number : int
        Its index.
    name : str
        The name of its constant.
    section : str
        ``parameter`` (set when a state is built), ``state`` (changed by kernels) or ``statistic`` (only ever counted up, or a maximum:
        kept for each CPU where there are several).
    meaning : str
        One phrase, with the unit.
    default : int
        Its value in a fresh state.
    """

    number: int
    name: str
    section: str
    meaning: str
    default: int = 0


class Region(NamedTuple):
    """A structure whose cache lines are counted.

    Attributes
    ----------
    number : int
        What kernels call it.
    name : str
        What tables call it.
    row : str
        The structure of the layout table that has its bytes; empty where it has the same name.
    uncounted : str
        Why no row has them, where none does.
    function : str
        The kernel function that touches it, for ``dse explain``; empty where it depends on the operation.
    guards : tuple of str
        What keeps writers of it apart: locks, of which one has to be held, :data:`ATOMIC`, or one of :data:`UNMODELLED`.
    """

    number: int
    name: str
    row: str = ""
    uncounted: str = ""
    function: str = ""
    guards: tuple[str, ...] = ()


class Lock(NamedTuple):
    """A class of locks. One may be taken while only locks of lower rank are held."""

    number: int
    name: str


class Allocation(NamedTuple):
    """A class of objects in the allocation log.

    Attributes
    ----------
    number : int
        What kernels call it.
    name : str
        What tables call it.
    structures : tuple of str
        Structures of the layout table that it is made of; empty where `nbytes` says it all.
    nbytes : int
        Its bytes [B] where no layout table has them; 0 where they differ from object to object.
    rcu : bool
        Is its memory free only after a grace period?
    source : str
        Where the last is from.
    """

    number: int
    name: str
    structures: tuple[str, ...] = ()
    nbytes: int = 0
    rcu: bool = False
    source: str = ""


class Step(NamedTuple):
    """A kernel function that kernels announce where a touch alone does not tell it."""

    number: int
    name: str


Entry = Word | Region | Lock | Allocation | Step
Kind = TypeVar("Kind", bound=Entry)
KINDS: dict[type, tuple[str, int, int]] = {
    Word: ("control word", COMMON_WORDS, WORDS),
    Region: ("region", COMMON_REGIONS, REGIONS),
    Allocation: ("allocation class", COMMON_CLASSES, CLASSES),
    Step: ("step", COMMON_STEPS, STEPS),
}


class Own:
    """The names of one design, or those that all share.

    Parameters
    ----------
    owner : str
        The design, for messages.
    *bases : Own
        Names of the designs that it builds on; :data:`COMMON` belongs to all.

    Raises
    ------
    BadDesign
        Two of the bases use the same numbers.
    """

    def __init__(self, owner: str, *bases: Own) -> None:
        self.owner, self.bases = owner, bases
        self.entries: list[Entry] = []
        self.other_guards: dict[str, tuple[str, ...]] = {}
        self._closed = ""
        for one, other in itertools.combinations(bases, 2):
            mine, theirs = one._apart_from(other), other._apart_from(one)
            if mine & theirs:
                raise BadDesign(f"{owner}: {one.owner} and {other.owner} use the same numbers: build on one of them")
        for base in bases:
            base.close(f"{owner} is built on them")

    def close(self, why: str) -> None:
        """Take no further names: their numbers, or those of others, would depend on what else is loaded."""
        self._closed = self._closed or why

    def _apart_from(self, other: Own) -> set[tuple[type, int | str]]:
        """Numbers and names that it knows and `other` does not share."""
        entries = [entry for own in self.above() if own not in other.above() for entry in own.entries]
        return {(type(entry), entry.number) for entry in entries} | {(type(entry), entry.name) for entry in entries}

    def above(self) -> tuple[Own, ...]:
        """Itself and everything it builds on, nearest first, each once."""
        found = {self: None}
        for base in self.bases:
            found.update(dict.fromkeys(base.above()))
        return tuple(found)

    def all(self, kind: type[Kind]) -> dict[str, Kind]:
        """Every entry of `kind` that this design knows, its own last, by name."""
        chain = dict.fromkeys((COMMON, *reversed(self.above())))
        return {entry.name: entry for own in chain for entry in own.entries if isinstance(entry, kind)}

    def names(self, kind: type[Entry]) -> dict[int, str]:
        """Names by number."""
        return {entry.number: entry.name for entry in self.all(kind).values()}

    def number(self, name: str) -> int:
        """Number of the control word `name`.

        Raises
        ------
        BadDesign
            There is none, with the nearest name.
        """
        words = self.all(Word)
        if name not in words:
            raise BadDesign(f"{self.owner}: no control word is called {name!r}{nearest(name, words)}")
        return words[name].number

    def _enter(self, entry: Entry, what: str) -> np.uint64:
        if self._closed:
            raise BadDesign(f"{self.owner}: {what} {entry.name!r} comes after the names were closed: {self._closed}")
        if entry.name in self.all(type(entry)):
            raise BadDesign(f"{self.owner}: a {what} called {entry.name!r} is there already")
        self.entries.append(entry)
        return np.uint64(entry.number)

    def _next(self, kind: type) -> int:
        what, first, end = KINDS[kind]
        low, high = (0, first) if self is COMMON else (first, end)
        known = (entry.number for own in self.above() for entry in own.entries if isinstance(entry, kind))
        number = max((n for n in known if low <= n < high), default=low - 1) + 1
        if number >= high:
            raise BadDesign(f"{self.owner}: no number is left for another {what}, {high - low} are in use")
        return number

    def word(self, name: str, section: str, meaning: str, default: int = 0) -> np.uint64:
        """Declare a control word; its number."""
        return self._enter(Word(self._next(Word), name, section, meaning, default), "control word")

    def parameter(self, name: str, meaning: str, default: int = 0) -> np.uint64:
        """Declare a control word that is set when a state is built."""
        return self.word(name, PARAMETER, meaning, default)

    def state(self, name: str, meaning: str, default: int = 0) -> np.uint64:
        """Declare a control word that kernels change."""
        return self.word(name, STATE, meaning, default)

    def statistic(self, name: str, meaning: str) -> np.uint64:
        """Declare a control word that only counts, or keeps a maximum."""
        return self.word(name, STATISTIC, meaning)

    def row(self, names: str, meaning: str) -> tuple[np.uint64, ...]:
        """Declare words of state that stand one behind the other, as code steps from one to the next; their numbers."""
        return tuple(self.state(name, meaning) for name in names.split())

    def region(self, name: str, row: str = "", *, uncounted: str = "", function: str = "", guards: tuple[str, ...] | str = ()) -> np.uint64:
        """Declare a structure whose lines are counted; see :class:`Region`. One guard may stand alone."""
        held = (guards,) if isinstance(guards, str) else tuple(guards)
        return self._enter(Region(self._next(Region), name, row, uncounted, function, held), "region")

    def guard(self, name: str, *guards: str) -> None:
        """Declare what guards region `name`, which a design below has declared, in this design."""
        self.other_guards[name] = guards

    def guards(self) -> dict[int, tuple[str, ...]]:
        """Guards of every region that this design knows, by number; what it says itself of one goes before what its bases say."""
        found = {region.number: region.guards for region in self.all(Region).values()}
        for own in reversed(self.above()):
            found |= {self.all(Region)[name].number: guards for name, guards in own.other_guards.items() if name in self.all(Region)}
        return found

    def allocation(self, name: str, structures: tuple[str, ...] = (), *, nbytes: int = 0, rcu: bool = False, source: str = "") -> np.uint64:
        """Declare a class of objects that are allocated; see :class:`Allocation`."""
        return self._enter(Allocation(self._next(Allocation), name, structures, nbytes, rcu, source), "allocation class")

    def step(self, name: str) -> np.uint64:
        """Declare a kernel function that kernels announce."""
        return self._enter(Step(self._next(Step), name), "step")

    def lock(self, name: str, *, inside: str = "", outside: str = "") -> np.uint64:
        """Declare a class of locks.

        Parameters
        ----------
        name : str
            What tables call it.
        inside, outside : str
            A lock that may be held when it is taken, or the common lock that may be taken while it is held. One of the two.
        """
        if self is COMMON:
            number = len(self.entries_of(Lock)) * GAP + GAP - 1
            if number >= RANKS:
                raise BadDesign(f"{self.owner}: no number is left for another lock, {RANKS // GAP} are in use")
            return self._enter(Lock(number, name), "lock")
        ranks = {entry.name: entry.number for entry in self.all(Lock).values()}
        beside = inside or outside
        if beside not in ranks or bool(inside) == bool(outside):
            raise BadDesign(f"{self.owner}: lock {name!r} needs one lock that it is inside of or outside of, {beside!r} is none"
                            f"{nearest(beside, ranks)}")  # fmt: skip
        low = ranks[inside] + 1 if inside else (ranks[outside] - 1) // GAP * GAP
        end = ranks[outside] if outside else (low // GAP + 1) * GAP - 1 if low <= max_common() else RANKS
        rank = next((n for n in range(low, end) if n not in ranks.values()), None)
        if rank is None:
            raise BadDesign(f"{self.owner}: no rank is left for lock {name!r} beside {beside!r}")
        return self._enter(Lock(rank, name), "lock")

    def entries_of(self, kind: type[Kind]) -> list[Kind]:
        """Entries of `kind` that it declares itself."""
        return [entry for entry in self.entries if isinstance(entry, kind)]


def max_common() -> int:
    """The highest rank of a common lock."""
    return max(entry.number for entry in COMMON.entries_of(Lock))


COMMON = Own("every design")
"""Names that all designs share: :mod:`kernels.control`, :mod:`kernels.observing`."""
