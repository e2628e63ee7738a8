"""The flat arrays that states are built from: what every design has, devices, swap_map, swap cache, zswap trees, blocks of clusters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import control, demand
from kernels import memory as w
from kernels.compiling.flat import Flat, U8Array, U16Array, U32Array, U64Array, aligned_zeros
from kernels.life.config import Config
from kernels.own import Word
from kernels.structures import cluster as cl
from kernels.structures import orders, page_counter, swap_map
from kernels.structures import xarray as xa
from kernels.structures.common.table import LINES
from kernels.structures.zswap import ZE_WORDS

TREE_SHIFT = 14
PARTS = 2 << int(orders.MOST)  # of a large folio: the folio of each of its pages, and the value that its PTE gets
FREED_WORDS = 72  # of a CPU's cache of freed slots (kernels.life.slot_cache): how many, then up to 64
DISKS = ("ssd", "hdd", "zram")


class World(Flat):
    """Fields that every state has: PTEs, folios, phases, devices, zswap entries, contents (:func:`common`, :func:`device_tables`).

    The last four are those of the common steps (:mod:`kernels.structures.common`): lines that all pages share, and handles, zspages and
    page descriptors of zsmalloc.
    """

    ctl: U64Array
    pte: U64Array
    truth: U32Array
    folio: U64Array
    ring: U32Array
    mm: U16Array
    memcgs: U64Array
    txn: U64Array
    parts: U64Array
    dev: U64Array
    cluster: U32Array
    orders: U8Array
    percpu: U32Array
    token: U32Array
    ze: U64Array
    hot: U64Array
    zhandle: U64Array
    zspage: U64Array
    zpdesc: U64Array


def folios_of(config: Config) -> int:
    """Folios to reserve."""
    return (config.folios or config.pages) + 2 + 2 * int(w.TXNS)


def control_array(config: Config) -> NDArray[np.uint64]:
    """Control array of a fresh state: defaults of all words of the design, what `config` says, the design's parameters."""
    ctl = aligned_zeros(control.CTL_WORDS, np.uint64)
    for entry in config.own.all(Word).values():
        ctl[entry.number] = entry.default
    for word, value in (
        (control.C_SPACE_SHIFT, config.space_shift), (control.C_PAGES, config.pages), (control.C_TOKENS, config.tokens),
        (control.C_FORKS, config.forks), (control.C_CLUSTER_SHIFT, config.cluster_shift), (control.C_CPUS, config.cpus),
        (control.C_ZDISK, demand.BACKENDS.index(config.zdisk)), (control.C_CONT_LIMIT, config.continuation_pages),
        (control.C_FOLIOS, folios_of(config)),
    ):  # fmt: skip
        ctl[int(word)] = int(value)
    for name, value in config.parameters.items():
        ctl[config.own.number(name)] = value
    return ctl


def common(config: Config) -> dict[str, NDArray[Any]]:
    """Arrays that every design has: PTEs, expected tokens, folios, kin rings, memory cgroups, phases."""
    folios, ctl = folios_of(config), control_array(config)
    memcgs, first = page_counter.new(int(config.memcg.max()), config.cgroup_depth, config.swap_max)
    ctl[int(control.C_MEMCGS)] = first
    return {
        "ctl": ctl,
        "memcgs": memcgs,
        "pte": aligned_zeros(config.pages, np.uint64),
        "truth": aligned_zeros(config.pages if config.tokens else 1, np.uint32),
        "folio": aligned_zeros(folios * int(w.FOLIO_WORDS), np.uint64),
        "ring": aligned_zeros(2 * config.pages if config.forks else 2, np.uint32),
        "mm": np.ascontiguousarray(config.memcg, np.uint16),
        "txn": aligned_zeros(int(w.TXNS * w.TXN_WORDS), np.uint64),
        "hot": aligned_zeros(LINES * 8, np.uint64),
        "parts": aligned_zeros(PARTS, np.uint64),
    }


def device_rows(dev: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """View the words of the devices, without the lists of orders behind them, as ``uint64[devices, 16]``."""
    return dev[: len(demand.BACKENDS) * int(cl.DEV_WORDS)].reshape(-1, int(cl.DEV_WORDS))


def cpu_rows(percpu: NDArray[np.uint32], cpus: int) -> NDArray[np.uint32]:
    """View the words of the CPUs, without their clusters of orders behind them, as ``uint32[cpus, 16]``."""
    return percpu[: cpus * int(cl.CPU_WORDS)].reshape(-1, int(cl.CPU_WORDS))


def devices(config: Config, backends: tuple[str, ...]) -> tuple[NDArray[np.uint64], NDArray[np.uint32], int]:
    """Device table, cluster headers (all free, in order), and slots in all (each device starts at a 64 MiB boundary)."""
    dev = aligned_zeros(int(orders.LIST_WORDS), np.uint64)
    table, shift, base = device_rows(dev), config.cluster_shift, 0
    for d, name in enumerate(demand.BACKENDS):
        n = config.slots.get(name, 0) if name in backends else 0
        first, clusters = base >> shift, -(-n >> shift)
        row = table[d]
        row[int(cl.D_BASE)], row[int(cl.D_SLOTS)], row[int(cl.D_CLUSTER)], row[int(cl.D_CLUSTERS)] = base, n, first, clusters
        if n:
            row[int(cl.D_FLAGS)] = int(cl.DEV_ON) | (int(cl.DEV_SYNC) if name == "zram" else 0)
            head = int(cl.D_LISTS) + 2 * (int(cl.FREE_LIST) - 1)
            row[head], row[head + 1] = first + 1, first + clusters
        base += -(-n // (1 << TREE_SHIFT)) << TREE_SHIFT
    headers = aligned_zeros(((base >> shift) + 1) * int(cl.CI_WORDS), np.uint32)
    for row in table[table[:, int(cl.D_SLOTS)] > 0]:
        first, clusters = int(row[int(cl.D_CLUSTER)]), int(row[int(cl.D_CLUSTERS)])
        index = np.arange(first, first + clusters, dtype=np.uint32)
        rows = headers.reshape(-1, int(cl.CI_WORDS))[first : first + clusters]
        rows[:, int(cl.CI_LIST)] = int(cl.FREE_LIST)
        rows[:-1, int(cl.CI_NEXT)] = index[1:] + 1
        rows[1:, int(cl.CI_PREV)] = index[:-1] + 1
    return dev, headers, base


def dense_nodes(entries: int) -> int:
    """Nodes of a tree that holds the indices 0 .. `entries` - 1, by the kernel's rule (an entry at index 0 alone needs none)."""
    if entries <= 1:
        return 0
    nodes, level = 0, entries
    while level > 1:
        level = -(-level // 64)
        nodes += level
    return nodes


def worst_nodes(entries: int, span: int) -> int:
    """Nodes that `entries` entries below index `span` need at most: every entry a path of its own, or the full tree."""
    height, reach = 1, 64
    while reach < span:
        height, reach = height + 1, reach * 64
    full = sum(-(-span // 64**level) for level in range(1, height + 1))
    return int(min(entries * height, full) + height + 1)


def device_tables(config: Config, ctl: NDArray[np.uint64], backends: tuple[str, ...], zmost: int) -> dict[str, NDArray[Any]]:
    """Build the fields of :class:`World` that concern devices, with up to `zmost` zswap entries."""
    dev, headers, slots = devices(config, backends)
    ctl[int(control.C_ALL_SLOTS)], ctl[int(control.C_ZENTRIES)] = slots, zmost
    swap = backends if ctl[int(control.C_NATIVE)] == int(cl.GHOST) else tuple(name for name in backends if name != "zswap")
    ctl[int(control.S_NR_SWAP_PAGES)] = sum(config.slots.get(name, 0) for name in swap)
    return {
        "dev": dev,
        "cluster": headers,
        "orders": aligned_zeros(len(headers) // int(cl.CI_WORDS), np.uint8),
        "percpu": aligned_zeros(orders.cpu_words(config.cpus), np.uint32),
        "token": aligned_zeros(slots + 1 if config.tokens else 1, np.uint32),
        "ze": aligned_zeros((zmost + 2) * int(ZE_WORDS), np.uint64),
        "zhandle": aligned_zeros(zmost + 16, np.uint64),
        "zspage": aligned_zeros(zmost + 8 * 16, np.uint64),
        "zpdesc": aligned_zeros((zmost + 16) * 4, np.uint64),
    }


def device_arrays(config: Config, ctl: NDArray[np.uint64], virtual: int = 0) -> dict[str, NDArray[Any]]:
    """Arrays of the swap devices and of zswap in front of one of them, or with entries of its own (C_NATIVE).

    `virtual`: slots of a virtual device beside them, which has the number of zswap.
    """
    native = config.parameters.get("C_NATIVE", 0) != 0 and config.slots.get("zswap", 0) > 0
    zdisk = "zswap" if native else config.zdisk
    zslots = config.slots.get(zdisk, 0) if config.slots.get("zswap") else 0
    zmost = config.slots.get("zswap", 0)
    zmost = zmost if virtual else min(zmost, max(zslots, 1))
    ctl[int(control.C_ZDISK)] = demand.BACKENDS.index(zdisk)
    ctl[int(control.C_ZSLOTS)] = config.slots["zswap"] if native else 0
    if virtual:
        arrays = device_tables(replace(config, slots=config.slots | {"zswap": virtual}), ctl, ("zswap", *DISKS), zmost)
    else:
        arrays = device_tables(config, ctl, ("zswap", *DISKS) if native else DISKS, zmost)
    znodes = min(zmost * 5 + 8, (-(-zslots // (1 << TREE_SHIFT))) * (worst_nodes(1 << TREE_SHIFT, 1 << TREE_SHIFT) + 4))
    trees = max(1, int(ctl[int(control.C_ALL_SLOTS)]) >> TREE_SHIFT)
    return arrays | {"ztree": xa.new_heads(trees), "zpool": xa.new_pool(znodes + 1)}


def without_clusters(dev: NDArray[np.uint64], headers: NDArray[np.uint32]) -> None:
    """Take its clusters off the first device: all are to be made."""
    headers[: int(dev[int(cl.D_CLUSTERS)]) * int(cl.CI_WORDS)] = 0
    dev[int(cl.D_CLUSTERS)] = 0
    dev[int(cl.D_LISTS) : int(cl.DEV_WORDS)] = 0


def map_arrays(
    config: Config, ctl: NDArray[np.uint64], *, smap: bool = True, owners: bool = True, zero: bool = True
) -> dict[str, NDArray[Any]]:
    """Arrays with an element a slot, of one element where the design has no such array: swap_map, cgroup array, zeromap."""
    slots = int(ctl[int(control.C_ALL_SLOTS)])
    heads = -(-slots // 4096) + 1
    ctl[int(control.C_CHAIN)] = heads
    return {
        "smap": aligned_zeros(slots + 8 if smap else 1, np.uint8),
        "cgroup": aligned_zeros(slots + 8 if owners else 1, np.uint16),
        "zeromap": aligned_zeros((slots >> 6) + 1 if zero else 1, np.uint64),
        "cont": aligned_zeros((config.continuation_pages + 1) * int(swap_map.PAGE) if smap else 1, np.uint8),
        "chain": aligned_zeros(heads + config.continuation_pages + 3, np.uint32),
    }


def cache_arrays(config: Config, ctl: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
    """Heads and nodes of the swap cache, an xarray for each 64 MiB."""
    slots = int(ctl[int(control.C_ALL_SLOTS)])
    trees = max(1, slots >> TREE_SHIFT)
    nodes = trees * worst_nodes(1 << TREE_SHIFT, 1 << TREE_SHIFT)
    return {"space": xa.new_heads(trees), "cpool": xa.new_pool(min(nodes, (config.pages + slots) * 3 + 8))}


def table_arrays(config: Config, ctl: NDArray[np.uint64], *, tables: bool = True, memcg: bool = False) -> dict[str, NDArray[Any]]:
    """Blocks of clusters (:mod:`kernels.structures.blocks`): swap and memcg tables for every cluster, extend tables to their limit."""
    size = 1 << config.cluster_shift
    clusters = (int(ctl[int(control.C_ALL_SLOTS)]) >> config.cluster_shift) + 1
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
    freed = {"freed": aligned_zeros(config.cpus * FREED_WORDS, np.uint64)}
    return device_arrays(config, ctl) | map_arrays(config, ctl) | cache_arrays(config, ctl) | freed
