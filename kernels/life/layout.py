"""Layout tables: the bytes of a design, field by field, and the control words and arrays that a live state keeps of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from kernels import control

PER = ("slot", "zswap slot", "cluster", "page", "live", "zswap", "disk", "zero", "block", "extend", "fallback")
"""Valid values of :attr:`Field.per` before a condition; zswap, disk and zero may be joined by +."""


class Tree(NamedTuple):
    """An xarray of a structure.

    Attributes
    ----------
    shape : str
        ``masked``: one for each 64 MiB, indexed inside it; ``offset``: one for each 64 MiB, indexed by the offset on the device; ``one``,
        indexed densely; ``slots``: one, indexed by the number of the slot among those of all devices; ``device``: one for each device,
        indexed by the offset on it; ``virtual``: one, indexed densely from `first` on, with nothing below.
    heads, pool : str
        Fields of the state that hold its heads and its nodes.
    first : int
        First index that is given out.
    """

    shape: str
    heads: str
    pool: str
    first: int = 0


class Objects(NamedTuple):
    """Objects that are allocated one by one: control words of those in use, and of the most that ever were."""

    live: np.uint64
    peak: np.uint64


class Blocks(NamedTuple):
    """Blocks that hold one element for each slot of a cluster.

    Attributes
    ----------
    name : str
        The kind, for tables.
    used, live, peak : np.uint64
        Control words of the elements in use, of the blocks in use, and of the most blocks that ever were.
    first : int
        Elements in front that are never given out; with them the blocks belong to a virtual space, not to the clusters of a device.
    number : int
        Number of the first block that is given out, in the tree that leads to them; likewise of a virtual space, if it is not 0.
    parts : tuple of str
        Pages whose elements lie in the blocks, for what is counted per block; empty: all.
    """

    name: str
    used: np.uint64
    live: np.uint64
    peak: np.uint64
    first: int = 0
    number: int = 0
    parts: tuple[str, ...] = ()

    @property
    def virtual(self) -> bool:
        """Tell whether the blocks belong to a virtual space."""
        return self.first > 0 or self.number > 0


class Arrays(NamedTuple):
    """Arrays of the state that a structure is: how many of their bits make one element (0: all of a number), elements of an object."""

    fields: tuple[str, ...]
    bits: int = 0
    elements: int = 1


class Chunks(NamedTuple):
    """Headers of zswap's device that are mapped a chunk at a time.

    Attributes
    ----------
    parameter : str
        The parameter that says how many make a chunk; empty where `size` does.
    peak : np.uint64
        Control word of the most ever mapped.
    size : int
        Headers of a chunk.
    """

    parameter: str
    peak: np.uint64
    size: int = 0


CACHE_TREE = Tree("masked", "space", "cpool")
ZSWAP_TREE = Tree("offset", "ztree", "zpool")
ZSWAP_ENTRIES = Objects(control.S_ZE_LIVE, control.S_ZE_PEAK)
TABLES = Blocks("table", control.S_SLOTS, control.S_TABLES, control.S_TABLES_PEAK)
MEMCG_TABLES = Blocks("memcg", control.S_SLOTS, control.S_MEMCG_TABLES, control.S_MEMCG_TABLES_PEAK)
EXTEND_TABLES = Objects(control.S_EXTENDS, control.S_EXTENDS_PEAK)


@dataclass(frozen=True)
class Field:
    """A row of a layout table: bytes of a field, per what, and where the figure comes from.

    Attributes
    ----------
    structure, name : str
        The structure that it belongs to, and its content. A field named ``xarray entry`` is allocated as nodes of `tree`.
    nbytes : float
        Bytes [B] of one, as published tables count them.
    per : str
        One what (:data:`PER`); a condition on parameters may follow, as in ``page if zswap=stacked``.
    source : str
        Where the figure comes from.
    tree : Tree, optional
        The xarray, of an ``xarray entry``.
    objects : Objects, optional
        How many are live, of objects that are allocated one by one.
    blocks : Blocks, optional
        The blocks in which the elements lie, where they lie in blocks of a cluster each.
    arrays : Arrays, optional
        Arrays of the state on which a live ledger measures an element.
    chunks : Chunks, optional
        How the headers of zswap's device are mapped, where not all are from swapon on.
    devices : tuple of str
        Devices of whose pages a tree has entries; empty: of all.
    """

    structure: str
    name: str
    nbytes: float
    per: str
    source: str
    tree: Tree | None = None
    objects: Objects | None = None
    blocks: Blocks | None = None
    arrays: Arrays | None = None
    chunks: Chunks | None = None
    devices: tuple[str, ...] = ()

    @property
    def block(self) -> str:
        """Name of its kind of block, empty where it has none."""
        return self.blocks.name if self.blocks else ""

    @property
    def what(self) -> str:
        """The unit that it is counted per, without a condition."""
        return self.per.partition(" if ")[0]

    @property
    def terms(self) -> list[tuple[str, tuple[str, ...]]]:
        """The condition: parameters, and the values of each for which the field is there."""
        test = self.per.partition(" if ")[2]
        parts = (term.partition("=") for term in test.split(" and ")) if test else ()
        return [(name.strip(), tuple(values.strip().split("|"))) for name, _, values in parts]


def where(rows: tuple[Field, ...], values: dict[str, str], *, known: bool = False) -> tuple[Field, ...]:
    """Rows of a layout table under a further condition: parameters have `values`.

    With `known` that is not a condition but a fact: rows whose condition it breaks are left out, and the others lose it.
    """
    out = []
    for row in rows:
        if known:
            if all(values[name] in allowed for name, allowed in row.terms):
                out.append(replace(row, per=row.what))
        else:
            terms = [f"{name}={'|'.join(allowed)}" for name, allowed in row.terms]
            terms += [f"{name}={value}" for name, value in values.items()]
            out.append(replace(row, per=f"{row.what} if {' and '.join(terms)}"))
    return tuple(out)


SWAP_MAP = Field(
    "swap_map", "count, has-cache", 1, "slot", "mm/swapfile.c: unsigned char *swap_map, vzalloc at swapon", arrays=Arrays(("smap",))
)
CGROUP = Field("cgroup", "owner memcg id", 2, "slot", "mm/swap_cgroup.c: 2 B per slot", arrays=Arrays(("cgroup",)))
ZEROMAP = Field("zeromap", "zero bit", 0.125, "slot", "mm/swapfile.c: unsigned long *zeromap", arrays=Arrays(("zeromap",), 1))
ZSWAP_INDEX = Field(
    "zswap tree", "xarray entry", 8, "zswap", "mm/zswap.c: one xarray per 64 MiB, indexed by the slot's full offset", tree=ZSWAP_TREE
)
ZSWAP_ENTRY = Field("zswap_entry", "entry", 56, "zswap", "mm/zswap.c: struct zswap_entry", objects=ZSWAP_ENTRIES)
"""Rows that several designs have."""
