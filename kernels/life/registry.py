"""Building the flat arrays that designs share, and the registry of designs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import demand
from kernels import memory as w
from kernels.compiling.flat import Flat, U16Array, U32Array, U64Array, aligned_zeros
from kernels.structures import cluster as cl
from kernels.structures import swap_map
from kernels.structures import xarray as xa
from kernels.structures.zswap import ZE_WORDS

TREE_SHIFT = 14


@dataclass(frozen=True)
class Config:
    """What a state is built for.

    Attributes
    ----------
    pages : int
        PTEs of all spaces [pages], at most 2^28.
    slots : dict of str to int
        Slots of each backend that is a device (``ssd``, ``hdd``, ``zram``; ``zswap`` is the most entries it may hold).
    space_shift : int
        Pages of a space are ``1 << space_shift``.
    memcg : numpy.ndarray
        ``uint16[spaces]``, memory cgroup of each space.
    folios : int
        Most folios in memory at once; 0 means one a page.
    tokens, forks : bool
        Check content tokens; keep rings of kin (needed with FORK).
    cluster_shift : int
        Slots of a cluster are ``1 << cluster_shift`` (9 with THP swap, 8 without).
    zdisk : str
        The disk behind zswap.
    continuation_pages : int
        Most continuation pages [4 KiB].
    cpus : int
        CPUs, each with a current cluster.
    parameters : dict of str to int
        Control words of the design's own parameters.
    """

    pages: int
    slots: dict[str, int]
    space_shift: int = 28
    memcg: NDArray[np.uint16] = field(default_factory=lambda: np.ones(1, np.uint16))
    folios: int = 0
    tokens: bool = True
    forks: bool = True
    cluster_shift: int = 9
    zdisk: str = "ssd"
    continuation_pages: int = 64
    cpus: int = 8
    parameters: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a design: its control word, the values it takes by name, what it means."""

    word: int
    values: dict[str, int]
    default: str
    help: str


@dataclass(frozen=True)
class Field:
    """A row of a layout table: bytes of a field, per what, and where the figure comes from.

    Attributes
    ----------
    structure, name : str
        What it belongs to, and what it says.
    nbytes : float
        Bytes [B] of one, as published tables count them.
    per : str
        One what: slot, cluster, page, zswap, disk, zero, joined by +; a condition on parameters may follow.
    source : str
        Where the figure comes from.
    block : str
        How elements are allocated that lie in blocks of a cluster each (:mod:`kernels.structures.blocks`): the kind, empty for others.
    """

    structure: str
    name: str
    nbytes: float
    per: str
    source: str
    block: str = ""


def where(rows: tuple[Field, ...], values: dict[str, str], *, known: bool = False) -> tuple[Field, ...]:
    """Rows of a layout table under a further condition: parameters have `values`.

    With `known` that is not a condition but a fact: rows whose condition it breaks are left out, and the others lose it.
    """
    out = []
    for row in rows:
        what, _, test = row.per.partition(" if ")
        terms = test.split(" and ") if test else []
        if known:
            if all(values[name] in allowed.split("|") for name, _, allowed in (term.partition("=") for term in terms)):
                out.append(replace(row, per=what))
        else:
            terms += [f"{name}={value}" for name, value in values.items()]
            out.append(replace(row, per=f"{what} if {' and '.join(terms)}"))
    return tuple(out)


BASES = {"direct": 0, "swap_table_p4": 1}
"""What a layer may stand on (C_BASE)."""


@dataclass(frozen=True)
class Design:
    """A registered design.

    ``state`` is the class that ``build`` returns with default parameters; where parameters choose another one, ``state_of`` says which.
    """

    name: str
    title: str
    state: type
    build: Callable[[Config], Any]
    replay: Callable[..., Any]
    layout: tuple[Field, ...]
    parameters: dict[str, Parameter]
    locks: tuple[str, ...]
    sources: tuple[str, ...]
    notes: str
    file: str
    state_of: Callable[[Config], type] | None = None
    lost_when_off: tuple[str, ...] = ()

    def class_for(self, config: Config) -> type:
        """The class of the state that ``build(config)`` returns."""
        return self.state if self.state_of is None else self.state_of(with_defaults(config, self.parameters))


class World(Flat):
    """What every design has: PTEs, folios, phases, devices, zswap entries, contents (:func:`common`, :func:`device_tables`)."""

    ctl: U64Array
    pte: U64Array
    truth: U32Array
    folio: U64Array
    ring: U32Array
    mm: U16Array
    txn: U64Array
    dev: U64Array
    cluster: U32Array
    percpu: U32Array
    token: U32Array
    ze: U64Array


REGISTRY: dict[str, Design] = {}


def register(design: Design) -> Design:
    """Enter `design` into the registry under its name; its ``build`` finds the control words of all its parameters set."""
    build = design.build

    @functools.wraps(build)
    def with_parameters(config: Config) -> Any:
        return build(with_defaults(config, design.parameters))

    REGISTRY[design.name] = replace(design, build=with_parameters)
    return REGISTRY[design.name]


def bind(cls: type, operations: dict[str, Any]) -> None:
    """Bind the steps of a design to its state class."""
    from kernels.life import steps
    from kernels.structures import slots

    operations = {"on_cpu": steps.any_cpu, **operations}
    for module in (steps, slots):
        for name in module.NAMES:
            if name in operations:
                getattr(module, name).register(cls, operations[name])


def with_defaults(config: Config, parameters: dict[str, Parameter]) -> Config:
    """`config` with the control words of all `parameters`, at their defaults where it says nothing."""
    words = {name: int(getattr(w, name)) for name in dir(w) if name.startswith("C_")}
    names = {word: name for name, word in words.items()}
    full = {names[p.word]: p.values[p.default] for p in parameters.values()}
    return replace(config, parameters=full | config.parameters)


def folios_of(config: Config) -> int:
    """Folios to reserve."""
    return (config.folios or config.pages) + 2 + 2 * int(w.TXNS)


def control(config: Config) -> NDArray[np.uint64]:
    """Control array of a fresh state."""
    ctl = aligned_zeros(w.CTL_WORDS, np.uint64)
    for word, value in (
        (w.C_SPACE_SHIFT, config.space_shift), (w.C_PAGES, config.pages), (w.C_TOKENS, config.tokens),
        (w.C_FORKS, config.forks), (w.C_CLUSTER_SHIFT, config.cluster_shift), (w.C_CPUS, config.cpus),
        (w.C_ZDISK, demand.BACKENDS.index(config.zdisk)), (w.C_CONT_LIMIT, config.continuation_pages),
        (w.C_BATCH, 1), (w.C_SYNC_BYPASS, 1), (w.C_FOLIOS, folios_of(config)), (w.S_FOLIO_HIGH, 1), (w.S_ZE_HIGH, 1), (w.S_DESC_HIGH, 1),
    ):  # fmt: skip
        ctl[int(word)] = int(value)
    for word_name, value in config.parameters.items():
        ctl[int(getattr(w, word_name))] = value
    return ctl


def common(config: Config) -> dict[str, NDArray[Any]]:
    """Arrays that every design has: PTEs, expected tokens, folios, kin rings, phases."""
    folios = folios_of(config)
    return {
        "ctl": control(config),
        "pte": aligned_zeros(config.pages, np.uint64),
        "truth": aligned_zeros(config.pages if config.tokens else 1, np.uint32),
        "folio": aligned_zeros(folios * 8, np.uint64),
        "ring": aligned_zeros(2 * config.pages if config.forks else 2, np.uint32),
        "mm": np.ascontiguousarray(config.memcg, np.uint16),
        "txn": aligned_zeros(int(w.TXNS * w.TXN_WORDS), np.uint64),
    }


def devices(config: Config, backends: tuple[str, ...]) -> tuple[NDArray[np.uint64], NDArray[np.uint32], int]:
    """Device table, cluster headers (all free, in order), and slots in all (each device starts at a 64 MiB boundary)."""
    dev = aligned_zeros(int(cl.DEV_WORDS) * len(demand.BACKENDS), np.uint64)
    size = 1 << config.cluster_shift
    base = 0
    for d, name in enumerate(demand.BACKENDS):
        n = config.slots.get(name, 0) if name in backends else 0
        clusters = -(-n // size)
        flags = int(cl.DEV_ON) | (int(cl.DEV_SYNC) if name == "zram" else 0)
        row = d * int(cl.DEV_WORDS)
        dev[row : row + 6] = (base, n, base >> config.cluster_shift, clusters, 0, flags if n else 0)
        if n:
            dev[row + 8 : row + 10] = ((base >> config.cluster_shift) + 1, (base >> config.cluster_shift) + clusters)
        base += -(-n // (1 << TREE_SHIFT)) << TREE_SHIFT
    headers = aligned_zeros((base >> config.cluster_shift) * 8 + 8, np.uint32)
    table = headers.reshape(-1, 8)
    for d in range(len(demand.BACKENDS)):
        _, n, first, clusters = (int(x) for x in dev[d * 16 : d * 16 + 4])
        if n:
            index = np.arange(first, first + clusters, dtype=np.uint32)
            rows = table[first : first + clusters]
            rows[:, 2] = 1
            rows[:-1, 4] = index[1:] + 1
            rows[1:, 6] = index[:-1] + 1
    return dev, headers, base


def worst_nodes(entries: int, span: int) -> int:
    """Nodes that `entries` entries below index `span` need at most: every entry a path of its own, or the full tree."""
    height, reach = 1, 64
    while reach < span:
        height, reach = height + 1, reach * 64
    full = sum(-(-span // 64**level) for level in range(1, height + 1))
    return int(min(entries * height, full) + height + 1)


DISKS = ("ssd", "hdd", "zram")


def device_tables(config: Config, ctl: NDArray[np.uint64], backends: tuple[str, ...], zmost: int) -> dict[str, NDArray[Any]]:
    """What :class:`World` has of devices: their table, cluster headers, CPUs' clusters, contents of slots; up to `zmost` zswap entries."""
    dev, headers, slots = devices(config, backends)
    ctl[int(w.C_ALL_SLOTS)], ctl[int(w.C_ZENTRIES)] = slots, zmost
    return {
        "dev": dev,
        "cluster": headers,
        "percpu": aligned_zeros(config.cpus * int(cl.CPU_WORDS), np.uint32),
        "token": aligned_zeros(slots + 1 if config.tokens else 1, np.uint32),
        "ze": aligned_zeros((zmost + 2) * int(ZE_WORDS), np.uint64),
    }


def device_arrays(config: Config, ctl: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
    """Arrays of the swap devices and of zswap in front of one of them, or with entries of its own (C_NATIVE)."""
    native = config.parameters.get("C_NATIVE", 0) != 0 and config.slots.get("zswap", 0) > 0
    zdisk = "zswap" if native else config.zdisk
    zslots = config.slots.get(zdisk, 0) if config.slots.get("zswap") else 0
    zmost = min(config.slots.get("zswap", 0), max(zslots, 1))
    ctl[int(w.C_ZDISK)] = demand.BACKENDS.index(zdisk)
    ctl[int(w.C_ZSLOTS)] = config.slots["zswap"] if native else 0
    arrays = device_tables(config, ctl, ("zswap", *DISKS) if native else DISKS, zmost)
    znodes = min(zmost * 5 + 8, (-(-zslots // (1 << TREE_SHIFT))) * (worst_nodes(1 << TREE_SHIFT, 1 << TREE_SHIFT) + 4))
    trees = max(1, int(ctl[int(w.C_ALL_SLOTS)]) >> TREE_SHIFT)
    return arrays | {"ztree": xa.new_heads(trees), "zpool": xa.new_pool(znodes + 1)}


def map_arrays(
    config: Config, ctl: NDArray[np.uint64], *, smap: bool = True, owners: bool = True, zero: bool = True
) -> dict[str, NDArray[Any]]:
    """Arrays with an element a slot, of one element where the design has no such array: swap_map, cgroup array, zeromap."""
    slots, native = int(ctl[int(w.C_ALL_SLOTS)]), int(ctl[int(w.C_ZSLOTS)])
    heads = -(-slots // 4096) + 1
    ctl[int(w.C_CHAIN)] = heads
    return {
        "smap": aligned_zeros(slots + 8 if smap else 1, np.uint8),
        "cgroup": aligned_zeros(slots + 8 if owners else 1, np.uint16),
        "zeromap": aligned_zeros((slots >> 6) + 1 if zero else 1, np.uint64),
        "zcount": aligned_zeros(native + 1 if smap else 1, np.uint32),
        "cont": aligned_zeros((config.continuation_pages + 1) * int(swap_map.PAGE) if smap else 1, np.uint8),
        "chain": aligned_zeros(heads + config.continuation_pages + 3, np.uint32),
    }


def cache_arrays(config: Config, ctl: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
    """Heads and nodes of the swap cache, an xarray for each 64 MiB."""
    slots = int(ctl[int(w.C_ALL_SLOTS)])
    trees = max(1, slots >> TREE_SHIFT)
    nodes = trees * worst_nodes(1 << TREE_SHIFT, 1 << TREE_SHIFT)
    return {"space": xa.new_heads(trees), "cpool": xa.new_pool(min(nodes, (config.pages + slots) * 3 + 8))}


def table_arrays(config: Config, ctl: NDArray[np.uint64], *, tables: bool = True, memcg: bool = False) -> dict[str, NDArray[Any]]:
    """Blocks of clusters (:mod:`kernels.structures.blocks`): swap and memcg tables for every cluster, extend tables to their limit."""
    size = 1 << config.cluster_shift
    clusters = (int(ctl[int(w.C_ALL_SLOTS)]) >> config.cluster_shift) + 1
    clusters = clusters if tables else 0
    extends = min(clusters, config.continuation_pages)
    return {
        "table": aligned_zeros((clusters + 1) * size, np.uint64),
        "owner": aligned_zeros((clusters + 1) * size if memcg else 1, np.uint16),
        "extend": aligned_zeros((extends + 1) * size, np.uint32),
        "blink": aligned_zeros((clusters + 2) * 3, np.uint32),
    }


def swapfile_arrays(config: Config, ctl: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
    """Arrays of the swap devices with swap_map, cgroup array, zeromap, swap cache and zswap trees."""
    return device_arrays(config, ctl) | map_arrays(config, ctl) | cache_arrays(config, ctl)
