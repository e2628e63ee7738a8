"""Figures of the K rows: what a record has, and what the model gives for the same experiment."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from dse import linux
from dse.grounding import beside, declared, folios, tracing
from dse.grounding.declared import Asked
from dse.grounding.operations import COMPRESSED
from dse.linux import Record
from dse.modelling.filling import Filled
from dse.modelling.sizes import Ledger

Figure = dict[str, Any]
"""Figure: quantity, where (release and backend), published (the kernel's), ours, unit, tolerance, holds, said, apart."""


LEAST = 1000
"""A structure of fewer objects than the pages by this is none that filling swap makes: the records leave it out (docs/linux.md)."""


@dataclass
class Read:
    """Figures of a row, and what of it is not recorded, in words."""

    figures: list[Figure] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def add(
        self, asked: Asked, where: str, real: float, ours: float | None, *, holds: bool, unit: str, said: str = "",
        apart: Iterable[str] = (),
    ) -> None:  # fmt: skip
        """Add a figure; `ours` is None where the model has none, `apart` has the groups of functions in which the two differ."""
        self.figures.append({
            "quantity": asked.check, "where": where, "published": real, "ours": ours, "unit": unit, "tolerance": asked.said,
            "holds": holds, "said": said, "apart": list(apart),
        })  # fmt: skip


def records() -> dict[str, Record]:
    """Shipped record of every release that has a design, the oldest first."""
    return {release: linux.load(release) for release in declared.kernels() if release in linux.shipped()}


def near(ours: float, real: float, tolerance: float) -> bool:
    """Tell whether a figure is within a share of the kernel's; where that is 0 it has to be 0.

    Examples
    --------
    >>> near(1005, 1000, 0.005), near(1006, 1000, 0.005), near(1, 0, 0.005)
    (True, False, False)
    """
    return abs(ours - real) <= tolerance * abs(real) + 1e-12


@functools.lru_cache(maxsize=32)
def filled(design: str, backend: str, slots: int, pages: int) -> Ledger:
    """Ledger of a live state that was filled as the guest's program does. The device has one more slot, its header."""
    state = Filled(design, slots + 1, {"disk": "ssd"}.get(backend, backend), pages=pages)
    state.fill(pages, compressed=COMPRESSED)
    return state.ledger()


def _recorded(record: Record, experiment: str) -> bool:
    return bool(record.tables.get(experiment))


def _records(asked: Asked, found: Mapping[str, Record]) -> Read:
    """Releases that have a record."""
    read = Read()
    for release in declared.kernels():
        read.add(asked, release, 1.0, float(release in found), holds=release in found, unit="record")
    return read


def _whole(row: Mapping[str, Any], slots: int, each: int) -> bool:
    """Tell whether an array (``FUNCTION:BYTES``) has words for each so many slots, those of the header included.

    Examples
    --------
    >>> _whole({"structure": "swapon:6168"}, 131072, 512), _whole({"structure": "swapon:16392"}, 131072, 512)
    (True, False)
    """
    size, elements = int(row["structure"].rpartition(":")[2]), -(-(slots + 1) // each)
    return size % (8 * elements) == 0


def _real_of(record: Record, release: str, asked: Asked, backend: str) -> tuple[bool, float]:
    """Tell whether the record has the structure of a row, and how much of it."""
    kind, names, figure = asked.of.get("real_of", {}).get(release, asked.of["real"])
    stage = asked.of.get("stage", "filled")
    rows = [
        row for row in record.tables["fill"]
        if (row["backend"], row["stage"], row["kind"]) == (backend, stage, kind)
        and any(fnmatchcase(row["structure"], name) for name in names)
        and ("each" not in asked.of or _whole(row, int(record.provenance["slots"]), asked.of["each"]))
    ]  # fmt: skip
    return bool(rows), float(sum(row[figure] for row in rows))


def _objects(asked: Asked, found: Mapping[str, Record]) -> Read:
    """Objects or bytes of a structure that filling swap leaves; nothing is asked where neither has more than single objects of it."""
    read = Read()
    structures, figure = asked.of["model"]
    for release, record in found.items():
        if release not in asked.of.get("releases", [release]):
            continue
        if not _recorded(record, "fill"):
            read.missing.append(f"{release} has no experiment fill")
            continue
        for backend in asked.of["backends"]:
            made = record.provenance
            ledger = filled(declared.design_of(release), backend, int(made["slots"]), int(made["pages"]))
            ours = float(sum(getattr(row, figure) for row in ledger.rows if row.structure in structures))
            there, real = _real_of(record, release, asked, backend)
            if not there and "unseen" in asked.of:
                read.missing += [asked.of["unseen"]] * bool(ours)
            elif max(real, ours) * LEAST > made["pages"] or (figure.endswith("bytes") and (real or ours)):
                unit = "B" if figure.endswith("bytes") else "objects"
                read.add(asked, f"{release} {backend}", real, ours, holds=near(ours, real, asked.tolerance), unit=unit)
    return read


def _trace(asked: Asked, found: Mapping[str, Record]) -> Read:
    """Counter of a replayed trace, the mean of the repeats. Where they spread by more than the tolerance, that is the tolerance."""
    read = Read()
    for release, record in found.items():
        runs = tracing.runs(record, release, asked.of["trace"])
        if not runs:
            read.missing.append(f"{release} has no experiment trace {asked.of['trace']}")
        for run in runs:
            ours, real, spread = (figures[asked.of["counter"]] for figures in (tracing.modelled(run), run.counters, run.spread))
            holds = near(ours, real, max(asked.tolerance, spread))
            said = f"repeats spread by {spread:.1%}" if spread > asked.tolerance else ""
            read.add(asked, f"{release} {run.backend} {run.lists}", real, ours, holds=holds, unit="pages", said=said)
    return read


def _operations(found: Mapping[str, Record], operation: str, read: Read) -> Iterator[tuple[str, str, beside.Sums]]:
    """(release, backend, sums) of every record of an operation."""
    for release, record in found.items():
        backends = [backend for name, backend in beside.recorded(record) if name == operation]
        if not backends:
            read.missing.append(f"{release} has no experiment operation")
        for backend in backends:
            yield release, backend, beside.sums(declared.design_of(release), record, operation, backend)


def _locks(asked: Asked, found: Mapping[str, Record]) -> Read:
    """Locked sections of an operation, those of the core groups."""
    read = Read()
    for release, backend, sums in _operations(found, asked.of["operation"], read):
        real, ours = sums.real["core"]["locks"], sums.model["core"]["locks"]
        apart = {
            group: f"{group} {sums.model[group]['locks']:.2f} of {sums.real[group]['locks']:.2f}" for group in beside.CORE
            if abs(sums.model[group]["locks"] - sums.real[group]["locks"]) > asked.tolerance
        }  # fmt: skip
        holds = abs(real - ours) <= asked.tolerance
        read.add(asked, f"{release} {backend}", real, ours, holds=holds, unit="locks", said=", ".join(apart.values()), apart=apart)
    return read


def _lines(asked: Asked, found: Mapping[str, Record]) -> Read:
    """Share of the lines of an operation that is modelled."""
    read = Read()
    for release, backend, sums in _operations(found, asked.of["operation"], read):
        real = sums.real["core"]["first"]
        less = {group: sums.real[group]["first"] - sums.model[group]["first"] for group in beside.CORE}
        apart = sorted((group for group, lines in less.items() if lines >= 1.0), key=lambda group: -less[group])
        said = ", ".join(f"{group} {less[group]:.1f}" for group in apart)
        holds = sums.share >= 1.0 - asked.tolerance
        where = f"{release} {backend}"
        read.add(asked, where, real, sums.share * real, holds=holds, unit="lines", said=f"absent: {said}" if said else "", apart=apart)
    return read


def agrees(ours: float, real: float, tolerance: float, noise: float) -> bool:
    """Tell whether a ratio between releases has the kernel's sign and is near it; one within `noise` of 1 has no sign.

    Examples
    --------
    >>> agrees(0.8, 0.9, 0.15, 0.04), agrees(1.02, 0.98, 0.15, 0.04), agrees(1.02, 0.9, 0.15, 0.04), agrees(0.6, 0.9, 0.15, 0.04)
    (True, True, False, False)
    """
    signless = abs(real - 1.0) <= noise
    return (signless or (ours > 1.0) == (real > 1.0)) and abs(ours / real - 1.0) <= tolerance


def _change(asked: Asked, found: Mapping[str, Record]) -> Read:
    """Figure of a release by that of the recorded release before it."""
    read = Read()
    figure, done = asked.of["figure"], {}
    for release, backend, sums in _operations(found, asked.of["operation"], read):
        done[release, backend] = sums
    for before, after in itertools.pairwise(found):
        for backend in dict.fromkeys(backend for release, backend in done if release == after and (before, backend) in done):
            old, new = done[before, backend], done[after, backend]
            real = new.real["core"][figure] / old.real["core"][figure]
            ours = new.model["core"][figure] / max(old.model["core"][figure], 1e-9)
            holds = agrees(ours, real, asked.tolerance, asked.of["noise"])
            read.add(asked, f"{before} to {after} {backend}", real, ours, holds=holds, unit="x")
    return read


def _folio_locks(asked: Asked, found: Mapping[str, Record]) -> Read:
    """Locked sections a page of a large folio's way out."""
    read = Read()
    for release, order, backend, sums, apart in folios.recorded(asked, found, read.missing):
        real, ours = (side["core"]["locks"] / (1 << order) for side in (sums.real, sums.model))
        said = ", ".join(f"{group} {sums.model[group]['locks']:.2f} of {sums.real[group]['locks']:.2f} a folio" for group in apart)
        holds = abs(real - ours) <= asked.tolerance
        read.add(asked, f"{release} {backend} order {order}", real, ours, holds=holds, unit="locks a page", said=said, apart=apart)
    return read


def _folio_lines(asked: Asked, found: Mapping[str, Record]) -> Read:
    """Share of the lines of a large folio's way out that is modelled."""
    read = Read()
    for release, order, backend, sums, _ in folios.recorded(asked, found, read.missing):
        real = sums.real["core"]["first"]
        less = {g: sums.real[g]["first"] - sums.model[g]["first"] for g in beside.CORE if g in sums.real}
        apart = sorted((g for g, lines in less.items() if lines >= 1.0), key=lambda g: -less[g])
        said = "absent: " + ", ".join(f"{g} {less[g]:.1f}" for g in apart) if apart else ""
        holds = sums.share >= 1.0 - asked.tolerance
        where = f"{release} {backend} order {order}"
        read.add(asked, where, real, sums.share * real, holds=holds, unit="lines a folio", said=said, apart=apart)
    return read


def _folio_change(asked: Asked, found: Mapping[str, Record]) -> Read:
    """Figure of a page in a folio by that in one of the order before."""
    read = Read()
    done: dict[tuple[str, str], list[tuple[int, beside.Sums]]] = {}
    for release, order, backend, sums, _ in folios.recorded(asked, found, read.missing):
        done.setdefault((release, backend), []).append((order, sums))
    for (release, backend), orders in done.items():
        for (few, old), (many, new) in itertools.pairwise(orders):
            real, ours = (_a_page(asked, new, many, who) / _a_page(asked, old, few, who) for who in ("real", "model"))
            holds = agrees(ours, real, asked.tolerance, asked.of["noise"])
            read.add(asked, f"{release} {backend} order {few} to {many}", real, ours, holds=holds, unit="x")
    return read


def _a_page(asked: Asked, sums: beside.Sums, order: int, who: str) -> float:
    """Figure of a page; of lines those of the kernel, and of the model as many of them as it has."""
    if asked.of["figure"] == "locks":
        means: beside.Means = getattr(sums, who)["core"]
        return means["locks"] / (1 << order)
    return sums.real["core"]["first"] * (sums.share if who == "model" else 1.0) / (1 << order)


READERS: dict[str, Callable[[Asked, Mapping[str, Record]], Read]] = {
    "records": _records, "objects": _objects, "trace": _trace, "locks": _locks, "lines": _lines, "change": _change,
    "folio_locks": _folio_locks, "folio_lines": _folio_lines, "folio_change": _folio_change,
}  # fmt: skip
"""Readers by kind of row."""
