"""All boots of a record, two at a time: one fills and counts, the other replays traces."""

from __future__ import annotations

import functools
import itertools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dse.common import threads
from dse.errors import BadInput
from dse.linux import booting, counting, experiments, functions, histograms, initramfs, streams, tools, tracing
from dse.linux import image as images

Say = Callable[[str], None]
Rows = list[dict[str, Any]]
Made = tuple[dict[str, Rows], list[str]]
AT_ONCE = 2
"""Most boots at the same time."""


class Guest(NamedTuple):
    """Settings that all boots of a record share.

    Attributes
    ----------
    folder : Path
        Scratch folder with the first file system in it.
    image : Image
        The kernel.
    qemu : Qemu
        The machine.
    settings : dict
        Variables of guest/init.sh.
    memory, slots : int
        Memory of the guest [MiB], pages of the swap disk.
    timeout : float
        Longest time of a boot [s].
    traces : dict
        Streams by name.
    console : Path or None
        File that keeps what the guest's console said.
    """

    folder: Path
    image: images.Image
    qemu: tools.Qemu
    settings: Mapping[str, int | str]
    memory: int
    slots: int
    timeout: float
    traces: Mapping[str, streams.Stream]
    console: Path | None = None


class Session:
    """Boots of one guest."""

    def __init__(self, guest: Guest, say: Say) -> None:
        self.guest, self.say = guest, say
        self.stop = threading.Event()

    def boot(self, name: str, steps: Sequence[str], plugin: Sequence[str] = ()) -> list[str]:
        """Boot once in a folder of its own; return the guest's report."""
        guest = self.guest
        folder = guest.folder / name
        folder.mkdir(exist_ok=True)
        first = guest.folder / "initramfs"
        given = booting.Boot(
            guest.qemu, guest.image.path, first, folder, steps, dict(guest.settings), guest.memory, guest.slots, plugin,
        )  # fmt: skip
        try:
            return booting.run(given, guest.timeout, self.say, guest.console, self.stop)
        finally:
            (folder / booting.SWAP).unlink(missing_ok=True)

    def _fill_and_count(self, wanted: Sequence[str]) -> tuple[dict[str, Rows], list[str]]:
        """Boot for fill and for the list of functions, then with the plugin; return tables and the first report."""
        counted = experiments.counted_steps(wanted)
        steps = ["symbols"] if counted else []
        steps += [f"fill-{backend}" for backend in counting.FILLED] if "fill" in wanted else []
        if not steps:
            return {}, []
        report = self.boot("fill", steps)
        tables: dict[str, Rows] = {}
        if "fill" in wanted:
            sites = histograms.site_rows(report)
            filled = counting.fill_rows(report, int(self.guest.settings["pages"]))
            tables = {"fill": filled + histograms.page_rows(sites) + histograms.large_rows(report), "sites": sites}
        if counted:
            found = self._count(counted, functions.read(report))
            tables |= {name: rows for name, rows in found.items() if name in (*wanted, "folios")}
        return tables, report

    def _count(self, steps: Sequence[str], listed: Sequence[functions.Function]) -> dict[str, Rows]:
        """Boot with the plugin; return rows by experiment."""
        folder = self.guest.folder / "count"
        folder.mkdir()
        (folder / "functions").write_text(functions.table(listed), encoding="ascii")
        tools.plugin(initramfs.GUEST / "plugin.c", folder / "plugin.so")
        said = self.boot("count", steps, ["file=./plugin.so", "functions=functions", "out=counts", f"marks={tools.MARKS:#x}"])
        counts = folder / "counts"
        lines = counts.read_text(encoding="ascii").splitlines() if counts.exists() else []
        found = counting.counted_rows(lines, experiments.marks(int(self.guest.settings["many"])), said)
        if not found:
            raise BadInput("the plugin counted no operation: this qemu does not load it or was built without plugins")
        folios = counting.folio_rows(said)
        return found | ({"folios": folios} if folios else {})

    def _trace(self, lists: str) -> tuple[dict[str, Rows], list[str]]:
        """Boot for the replays with one kind of lists; return rows and the report."""
        guest = self.guest
        pages = {name: stream.pages for name, stream in guest.traces.items()}
        accesses = {name: stream.accesses for name, stream in guest.traces.items()}
        backends = {backend: [name for name in of if name in pages] for backend, of in streams.settings()["backends"].items()}
        report = self.boot(f"trace-{lists}", experiments.trace_steps(lists, backends, pages))
        return {"trace": tracing.trace_rows(report, accesses, int(guest.settings["limit"]) << 20)}, report

    def run(self, wanted: Sequence[str]) -> tuple[dict[str, Rows], list[str]]:
        """Boot for all experiments; return tables by name in their order, and one report.

        Raises
        ------
        BadInput
            A guest fails; the other one is stopped.
        """
        work: list[Callable[[], Made]] = [lambda: self._fill_and_count(wanted)]
        if "trace" in wanted:
            work += [functools.partial(self._trace, lists) for lists in experiments.LISTS]
        found = self._all(work)
        tables: dict[str, Rows] = {}
        for made, _ in found:
            for name, rows in made.items():
                tables.setdefault(name, []).extend(rows)
        return tables, next(report for _, report in found if report)

    def _all(self, work: Sequence[Callable[[], Made]]) -> list[Made]:
        """Do the work, :data:`AT_ONCE` parts at a time, and return what each made."""
        made: dict[int, Made] = {}
        numbers = itertools.count()

        def take(_: threading.Event) -> None:
            try:
                while (number := next(numbers)) < len(work) and not self.stop.is_set():
                    made[number] = work[number]()
            except BaseException:
                self.stop.set()
                raise

        threads.together([take] * min(AT_ONCE, len(work), len(os.sched_getaffinity(0))), self.stop.set)
        return [made[number] for number in range(len(work))]
