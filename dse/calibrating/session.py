"""A calibration: set the host up, measure each kind in each repeat, and put everything back."""

from __future__ import annotations

import contextlib
import signal
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dse.calibrating.checking import KINDS, Kind, Wanted, cgroup
from dse.calibrating.journal import PAGE_CLUSTER, ZSWAP, Journal
from dse.calibrating.system import System
from dse.common import output
from dse.errors import CheckFailed, Ended

OFF, ON = "N", "Y"
STRAY = 0.01
"""Share of the pages by which a counter of swap may be off: above it, others swapped too, or pages stayed."""
COUNTERS = ("pswpin", "pswpout", "swpin_zero", "swpout_zero", "zswpin", "zswpout", "zswpwb")
PHASES = {"out": ("before", "between"), "in": ("between", "after")}


@dataclass
class Sample:
    """One repeat of one kind.

    Attributes
    ----------
    kind : str
    repeat : int
    own : list of int
        Nanoseconds of the clock and a read of memory, without a fault.
    out, into : list of int
        Nanoseconds of each page-out and of each fault, the clock's own included.
    wrong : str
        Why the repeat does not count, if so.
    """

    kind: str
    repeat: int
    own: list[int] = field(default_factory=list)
    out: list[int] = field(default_factory=list)
    into: list[int] = field(default_factory=list)
    wrong: str = ""


def read(text: str, kind: str, repeat: int, pages: int) -> Sample:
    """Read what the program that measures said.

    Raises
    ------
    CheckFailed
        Pages came back with another content, or a part is missing.
    """
    sample = Sample(kind, repeat)
    counts: dict[str, dict[str, int]] = {}
    lost = 0
    for line in text.splitlines():
        word, *rest = line.split()
        if word == "ns":
            setattr(sample, {"own": "own", "out": "out", "in": "into"}[rest[0]], [int(value) for value in rest[1:]])
        elif word == "count":
            counts.setdefault(rest[0], {})[rest[1]] = int(rest[2])
        elif word == "lost":
            lost = int(rest[0])
    if lost:
        raise CheckFailed(f"{kind}: the kernel gave {lost:,} pages a content that is not theirs")
    if len(sample.into) != pages or not sample.own or len(sample.out) not in (0, pages):
        raise CheckFailed(f"{kind}: the program that measures did not say all")
    sample.wrong = strayed(KINDS[kind], counts, pages)
    return sample


def strayed(kind: Kind, counts: Mapping[str, Mapping[str, int]], pages: int) -> str:
    """Say which counter of swap is not what the pages of a repeat make it; empty if all are."""
    for phase, (first, last) in PHASES.items():
        if first not in counts or last not in counts:
            continue
        expected = kind.out if phase == "out" else kind.into
        for name in COUNTERS:
            moved, right = counts[last].get(name, 0) - counts[first].get(name, 0), pages * (name == expected)
            if abs(moved - right) > STRAY * pages:
                return f"{name} is {moved:,} and not {right:,} (swap-{phase})"
    return ""


@contextlib.contextmanager
def ended_gently() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does, so that the host is put back."""

    def end(number: int, _frame: Any) -> None:
        raise Ended(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def unbroken() -> Iterator[None]:
    """Hold signals back while the host is put back."""
    held = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)


class Session:
    """The host while it is measured."""

    def __init__(self, system: System, wanted: Wanted, kinds: list[str]) -> None:
        self.system, self.wanted, self.kinds = system, wanted, kinds
        self.journal = Journal(system, wanted.state)
        self.places: dict[str, str] = {}
        self.group = ""
        self.facts: dict[str, str] = {}
        self.cpu = system.cores()[-1]

    def set_up(self) -> None:
        """Make swap file, zram device and memory cgroup, and set what the measurement needs."""
        journal, wanted = self.journal, self.wanted
        journal.begin()
        token = uuid.uuid4().hex[:8]
        needed = {KINDS[kind].swap for kind in self.kinds}
        if needed - {""}:
            journal.setting(PAGE_CLUSTER, "0")
        if self.system.there(f"{ZSWAP}/enabled"):
            journal.setting(f"{ZSWAP}/enabled", OFF)
        parent, controller = cgroup(self.system)
        if controller:
            journal.controller(f"{parent}/cgroup.subtree_control")
        self.group = f"{parent}/dse-calibrate-{token}"
        journal.group(self.group)
        if "file" in needed:
            self.places["file"] = f"{wanted.folder.resolve()}/.dse-calibrate-{token}.swap"
            journal.file(self.places["file"], wanted.nbytes)
        if "zram" in needed:
            self.places["zram"] = journal.zram(wanted.nbytes)
            offered = self.system.read(f"/sys/block/{self.places['zram'].rpartition('/')[2]}/comp_algorithm")
            self.facts["zram_compressor"] = next((name.strip("[]") for name in offered.split() if name.startswith("[")), offered)

    def one(self, name: str, repeat: int) -> Sample:
        """Measure a kind once, with its own swap on and no other."""
        kind = KINDS[name]
        if name == "zswap":
            self.journal.setting(f"{ZSWAP}/enabled", ON)
        place = self.places.get(kind.swap, "")
        if place:
            self.journal.swap_on(place)
        text = self.system.measure(self.wanted.state, self.group, kind.program, self.wanted.pages, repeat + 1, self.cpu)
        if place:
            self.journal.swap_off(place)
        if name == "zswap":
            self.journal.setting(f"{ZSWAP}/enabled", OFF)
        return read(text, name, repeat, self.wanted.pages)

    def all(self) -> list[Sample]:
        """Measure every kind in every repeat, every other repeat in the reverse order."""
        samples = []
        with output.Progress("calibrate", self.wanted.repeats * len(self.kinds), watched=False) as progress:
            for repeat in range(self.wanted.repeats):
                for kind in self.kinds[:: -1 if repeat % 2 else 1]:
                    samples.append(self.one(kind, repeat))
                    progress.step(1, f"repeat {repeat + 1}, {kind}")
        return samples


def measure(system: System, wanted: Wanted, kinds: list[str]) -> tuple[list[Sample], dict[str, str]]:
    """Set the host up, measure, and put everything back, whatever happens.

    Parameters
    ----------
    system : System
    wanted : Wanted
    kinds : list of str
        Kinds of :data:`KINDS` that the host can show.

    Returns
    -------
    list of Sample
        Repeats of all kinds.
    dict
        What was found meanwhile: ``zram_compressor``.

    Raises
    ------
    BadInput
        The host refused a change.
    CheckFailed
        Pages came back with another content, or something could not be put back.
    """
    session = Session(system, wanted, kinds)
    with ended_gently():
        try:
            system.prepare(wanted.state)
            session.set_up()
            return session.all(), session.facts
        finally:
            with unbroken():
                if session.journal.there():
                    session.journal.undo()
                system.clean(wanted.state)
