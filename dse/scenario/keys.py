"""The table of scenario keys.

One line gives type, range, default and help of a key. Validation, defaults and the reference page are made from it. A new
key is a new line.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from dse.common.limits import PAGES_MAX

BACKENDS = ("zswap", "ssd", "hdd", "zram")
POLICIES = ("lru", "active-inactive", "clock", "mglru", "mglru-6.18")
STATES = ("hot", "footprint", "cold")
LOOPS = ("open", "closed")
ORDERS = tuple(str(order) for order in range(1, 10))
SHARE = (0.0, 1.0)


def key(default: Any, text: str, bounds: tuple[float, float] | None = None, choices: tuple[str, ...] | None = None) -> Any:
    """Declare a key with its default, help, inclusive range, and valid values (of a table: valid names)."""
    meta = {"help": text, "bounds": bounds, "choices": choices}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=meta)
    return field(default=default, metadata=meta)


@dataclass(frozen=True)
class Workload:
    """The source of accesses: a recorded program's trace or a seeded generator."""

    trace: str | None = key(None, "name or file of a recorded trace (instead of generator)")
    generator: str | None = key(None, "seeded generator (instead of trace)", choices=("zipf", "uniform", "scan", "phase", "fork"))
    copies: int = key(1, "copies of the trace that run interleaved", (1, 2**20))
    pages_at_least: int = key(0, "raise copies until this many pages are touched", (0, PAGES_MAX))
    accesses: int = key(4_000_000, "accesses to replay, over all copies", (1, 2**40))
    quantum: int = key(256, "accesses of one copy before the next one runs", (1, 2**31))
    filter_pages: int = key(
        0, "leave out accesses that hit in an LRU list of so many pages of each copy (at most 1/8 of its memory), 0: none", (0, 2**20)
    )
    pages: int = key(65_536, "pages of the generator", (1, PAGES_MAX))
    theta: float = key(0.99, "skew of the generators zipf, phase and fork; 0: uniform, zipf alone", (0.0, 2.0))
    write_share: float = key(0.3, "share of the generator's accesses that write", SHARE)
    working_set: float = key(0.1, "share of the pages that one phase of the phase generator touches", SHARE)
    phase_accesses: int = key(1_000_000, "accesses of one phase of the phase generator", (1, 2**40))
    exit: bool = key(False, "true: at the end every address space exits, which unmaps its pages a page table (512 PTEs) at a time")
    restarts: int = key(
        0, "how often one of 16 programs, each with its sixteenth of the pages, exits and begins anew; spread evenly, in turn", (0, 2**20)
    )


@dataclass(frozen=True)
class Memory:
    """The size of memory, and the choice of pages to swap out."""

    limit: float = key(0.5, "memory limit: at most 1 a share of the workload's pages, above 1 pages", (0.0, PAGES_MAX))
    policy: str = key("lru", "policy that picks the pages to swap out", choices=POLICIES)
    batch: int = key(32, "pages reclaimed at once, at least", (1, 4096))
    flush: int = key(
        0,
        "accesses after which reclaim sees new sizes of the two lists (Linux flushes them every 2 s), 0: always",
        (0, 2**40),
    )
    swap_max: float = key(
        0.0, "swap limit of each memory cgroup (memory.swap.max) per page of the workload, 0: none; half of it used is full", (0.0, 64.0)
    )
    cgroup_depth: int = key(
        2, "page counters that a charge of swap passes, with the root's: 2 is one cgroup, a service of systemd has 3", (2, 32)
    )
    charge_zswap: bool = key(True, "does zswap's pool count within the limit (of placement)? cgroup v2: yes, v1: no")
    loop: str = key(
        "open",
        "open: one stream of demands for all designs; closed: the limit also covers zsmalloc's pages and the design's own bytes, so that "
        "reclaim runs for each design (docs/method.md)",
        choices=LOOPS,
    )


@dataclass(frozen=True)
class Backend:
    """The backends that take swapped pages."""

    placement: str | None = key(None, "first backend of a page (instead of mix), default zswap", choices=BACKENDS)
    mix: Mapping[str, float] = key(
        {}, "exact share of the pages by backend (instead of placement), sum 1; the pool has no limit", SHARE, (*BACKENDS, "zero")
    )
    disk: str = key("ssd", "disk that takes the pages that zswap writes back or rejects", choices=("ssd", "hdd"))
    zswap_share: float = key(0.2, "most memory of zswap's pool, share of the memory limit", SHARE)
    shrink_to: float = key(0.9, "a full pool is shrunk to this share before it accepts again", SHARE)
    writeback: bool = key(True, "true: zswap may write pages back to the disk")
    compression_ratio: float = key(2.6, "mean compression ratio of compressible pages", (1.0, 100.0))
    zero_share: float = key(0.1, "share of zero-filled pages; a mix gives its own", SHARE)
    incompressible_share: float = key(0.1, "share of pages that do not compress, for placement; a mix is exact", SHARE)
    reject_above: int = key(
        4095, "largest compressed size that zswap takes [B] (mm/zswap.c: any below a page; Google, ASPLOS 2019: 2990)", (32, 4096)
    )
    slots: float = key(1.25, "slots of the disk per page of the workload", (0.0, 64.0))
    hdd_slots: float = key(0.0, "slots of a further hard disk per page of the workload", (0.0, 64.0))


@dataclass(frozen=True)
class Moves:
    """Moves of swapped pages between backends."""

    rate: float = key(0.0, "moves per swapped lifetime of a page (0.3: 30 % of pages once)", (0.0, 10.0))
    tiers: tuple[str, ...] = key((), "backends to move between, in order; empty: zswap to disk", choices=BACKENDS)
    in_window: float = key(0.0, "share of moves that a fault of the same page interrupts", SHARE)
    batch: int = key(32, "pages moved at once, which share the cost of a page-table scan", (1, 1_000_000))


@dataclass(frozen=True)
class Folio:
    """Large folios: aligned blocks of pages that are mapped at once and leave as one."""

    orders: Mapping[str, float] = key(
        {},
        "share of the aligned blocks of 2^order pages that may become one folio, by order; empty: single pages. The pages of a trace are "
        "those that its program touches, so a folio has no other pages",
        SHARE,
        ORDERS,
    )


@dataclass(frozen=True)
class Readahead:
    """Readahead by virtual addresses: a fault that reads a page reads its neighbours too."""

    page_cluster: int = key(
        0, "a fault reads at most 2^page_cluster pages (vm.page-cluster of Linux, where it is 3), 0: no readahead", (0, 5)
    )


@dataclass(frozen=True)
class Fork:
    """Address spaces that share pages."""

    children: int = key(0, "children that share the parent's pages; 0 means 1", (0, 100_000))
    every: int = key(0, "accesses between two forks; 0: all children are forked by half of the accesses", (0, 2**40))
    access_share: float = key(0.2, "share of the accesses made by the children", SHARE)
    writes_share: float = key(0.1, "share of the children's accesses that write", SHARE)
    sharers_theta: float = key(0.0, "child s shares the first s**-theta of the pages; 0: every child shares every page", (0.0, 4.0))


@dataclass(frozen=True)
class Swapoff:
    """The device that is switched off, if any."""

    device: str | None = key(None, "device that is switched off, none by default", choices=BACKENDS)
    target: str = key("memory", "target of its pages", choices=("memory", *BACKENDS))
    at: float = key(1.0, "time of the swapoff, as a share of the accesses", SHARE)


@dataclass(frozen=True)
class Replay:
    """Replay and timing of the stream."""

    seed: int = key(1, "seed of everything random", (0, 2**63 - 1))
    cpus: int = key(4, "CPUs among which the demands are divided", (1, 256))
    block: int = key(1 << 20, "most demands in one block", (64, 1 << 22))
    state: str = key(
        "footprint",
        "state of the caches between two timed operations: untouched, some memory read, no data of the design in them; footprint: cold too",
        choices=STATES,
    )
    footprint_kib: int = key(64, "KiB read between timed operations in the state footprint", (1, 1 << 20))
    warm_turnover: float = key(3.0, "turnovers of the swapped pages after which the end of the stream counts as aged", (0.0, 100.0))
    pairs: int = key(
        16, "chunks counted in the fresh window, and most that are timed there; the aged window has twice as many counted", (2, 4096)
    )


SECTIONS: dict[str, type] = {
    "workload": Workload,
    "memory": Memory,
    "backend": Backend,
    "moves": Moves,
    "folio": Folio,
    "readahead": Readahead,
    "fork": Fork,
    "swapoff": Swapoff,
    "replay": Replay,
}
TEXTS = {"title": str, "why": str, "questions": list}


@dataclass(frozen=True)
class KeyInfo:
    """One row of the table of keys."""

    section: str
    name: str
    kind: str
    default: Any
    bounds: tuple[float, float] | None
    choices: tuple[str, ...] | None
    help: str
    optional: bool

    @property
    def full(self) -> str:
        """Its name with that of its section, as ``--set`` takes it."""
        return f"{self.section}.{self.name}"


def keys() -> Iterator[KeyInfo]:
    """Every key of every section, in order."""
    for section, cls in SECTIONS.items():
        hints = typing.get_type_hints(cls)
        for item in fields(cls):
            hint = hints[item.name]
            optional = isinstance(hint, types.UnionType)
            bare = next(arg for arg in typing.get_args(hint) if arg is not type(None)) if optional else hint
            default = {} if item.default is MISSING else item.default
            kind = {tuple: "list", Mapping: "table"}.get(typing.get_origin(bare) or bare, getattr(bare, "__name__", ""))
            if typing.get_origin(bare) is not None and kind not in ("list", "table"):
                kind = "table"
            meta = item.metadata
            yield KeyInfo(section, item.name, kind, default, meta["bounds"], meta["choices"], meta["help"], optional)


def reference() -> str:
    """Return the reference of every key as a Markdown page."""
    out = ["# Scenario keys", "", "Made by `make docs` from the table in dse/scenario/keys.py.", ""]
    out += ["Top level: `title`, `why` (text), `questions` (numbers). They do not enter the digest.", ""]
    section = ""
    for info in keys():
        if info.section != section:
            section = info.section
            out += [f"## [{section}]", "", SECTIONS[section].__doc__ or "", ""]
            out += ["| key | type | default | valid | meaning |", "|---|---|---|---|---|"]
        default = "" if info.default in (None, (), {}) else json.dumps(info.default)
        out.append(f"| {info.name} | {info.kind} | {default} | {_valid(info)} | {info.help} |")
        following = [i for i in keys() if i.section == section]
        if following[-1].name == info.name:
            out.append("")
    return "\n".join(out).rstrip() + "\n"


def _valid(info: KeyInfo) -> str:
    """Describe the valid values of a key."""
    parts = []
    if info.choices:
        parts.append(", ".join(info.choices))
    if info.bounds:
        parts.append(
            f"{info.bounds[0]:,g} to {info.bounds[1]:,g}" if info.kind != "int" else f"{int(info.bounds[0]):,} to {int(info.bounds[1]):,}"
        )
    return ": ".join(parts)
