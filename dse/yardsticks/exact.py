"""Yardsticks of bytes and counts: arithmetic that the live structures must meet exactly.

"Old" and "6.19" in the published tables are swap tables of phase I with zswap, "vss" is the virtual space of v3 to v6. A curve of a
published table leaves cluster headers out, those of phases II to IV have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dse.modelling.filling import Filled, run
from dse.modelling.sizes import NODE, PAGE, slab_of
from dse.yardsticks.bench import MIB, POINTS, Bench, has
from kernels import control, demand
from kernels.designs.swap_table import table as swap_table
from kernels.structures.xarray import NODE_BYTES, NODE_WORDS

OLD, VSS = "swap_table_p1", ("vswap_v3", "vswap_v6")
TEBI = 1 << 28  # slots of 1 TiB
DENSE = 1 << 18  # entries of a dense tree: nodes an entry are 1/63 from some thousands on
APART = 1 << 12
FORKS = (1 << 22) + 8  # past a field of 22 bits
STEP = 1 << 16
Ours = dict[str, dict[str, float]]


def old_and_vss(bench: Bench, backend: str) -> Ours:
    """Counted bytes at the five points [MiB]."""
    out: Ours = {}
    for name, designs in (("old", (OLD,)), ("vss", VSS)):
        for design in filter(has, designs):
            for point, book in zip(POINTS, bench.curve(design, backend), strict=True):
                out.setdefault(f"{name} {point}", {})[design] = book.total_bytes / MIB
    return out


def static(bench: Bench) -> Ours:
    """Y01: allocation at swapon, without headers [MiB]."""
    return {"static bytes": {OLD: bench.curve(OLD, "zswap")[0].static_bytes / MIB}}


def on_zswap(bench: Bench) -> Ours:
    """Y02."""
    return old_and_vss(bench, "zswap")


def on_disk(bench: Bench) -> Ours:
    """Y03."""
    return old_and_vss(bench, "ssd")


def crossing(below: Sequence[float], above: Sequence[float]) -> float:
    """Share at which two straight lines from 0 to 1, given by their ends, cross [%].

    Examples
    --------
    >>> crossing((25.0, 153.0), (0.0, 193.0))
    38.46153846153847
    """
    return 100.0 * (below[0] - above[0]) / ((above[1] - above[0]) - (below[1] - below[0]))


def break_even(bench: Bench) -> Ours:
    """Y04: usage at which the counted bytes of old and vss are equal [%]."""
    out: Ours = {}
    for backend, name in (("zswap", "zswap"), ("ssd", "disk")):
        for design in filter(has, VSS):
            ends = [(float(c[0].total_bytes), float(c[-1].total_bytes)) for c in (bench.curve(OLD, backend), bench.curve(design, backend))]
            out.setdefault(f"break-even on {name}", {})[design] = crossing(*ends)
    return out


PHASES = {"p2": "swap_table_p2", "p3": "swap_table_p3", "p4": "swap_table_p4_pitched", "merged p4": "swap_table_p4"}


PRINTED = {"swap_table_p3": 32}
"""Bytes of a cluster header that the mail counts, where the merged phase has more: 40 in 7.1."""


def phases(bench: Bench) -> Ours:
    """Y05: headers included [MiB], those of phase III as printed."""
    out: Ours = {}
    for name, design in PHASES.items():
        curve = bench.curve(design, "ssd")
        for point, book in (("idle", curve[0]), ("full", curve[-1])):
            clusters = book.row("cluster headers").objects
            headers = PRINTED[design] * clusters if design in PRINTED else book.header_bytes
            out[f"{name} {point}"] = {design: (book.total_bytes + headers) / MIB}
    return out


def _idle(design: str) -> Any:
    """Ledger of an idle device of 1 TiB."""
    return Filled(design, TEBI, "ssd", pages=0).ledger()


def tebibyte(_: Bench) -> Ours:
    """Y06: bytes of an idle device of 1 TiB that phases III and IV save [MiB]."""
    p2, p3, p4 = (_idle(design) for design in ("swap_table_p2", "swap_table_p3", "swap_table_p4"))

    def change(before: Any, after: Any, structure: str) -> float:
        return float(after.row(structure).static_bytes - before.row(structure).static_bytes) / MIB

    saved = (p3.allocated_bytes - p4.allocated_bytes) / MIB
    return {
        "p3 drops the map": {"p3 against p2": change(p2, p3, "swap_map")},
        "p4 drops the cgroup array": {"p4 against p3": change(p3, p4, "cgroup")},
        "p4 drops the zeromap": {"p4 against p3": change(p3, p4, "zeromap")},
        "p4 saves by free -m (first)": {"p4 against p3": saved},
        "p4 saves by free -m (second)": {"p4 against p3": saved},
    }


def granularity(_: Bench) -> Ours:
    """Y07: bytes of the blocks of one cluster, by the change that the first page of a cluster makes."""
    state = Filled("swap_table_p4", 1 << 14, "ssd")
    words, ctl = state.state, state.state.ctl
    cluster = 1 << int(ctl[int(control.C_CLUSTER_SHIFT)])
    live = int(control.S_TABLES)
    idle = state.ledger()
    state.fill(cluster)
    one, tables = state.ledger(), int(ctl[live])
    state.fill(cluster + 1)
    two = int(ctl[live])
    if (tables, two) != (1, 2):
        raise RuntimeError(f"a full cluster has {tables} tables, and {two} with one page more")
    where = "swap_table_p4"
    return {
        "swap table": {where: float(words.table.itemsize * cluster)},
        "memcg table": {where: float(words.owner.itemsize * cluster)},
        "cluster header": {where: one.header_bytes / idle.row("cluster headers").objects},
        "swap of a table": {where: cluster * PAGE / MIB},
        "idle bytes a slot": {where: (idle.header_bytes + idle.total_bytes) / (1 << 14)},
    }


def descriptors(_: Bench) -> Ours:
    """Y08: bytes of a descriptor, and of those of a cluster, of the versions that are built [B]."""
    out: Ours = {}
    for name, designs in (("RFC1", ("vswap_rfc1",)), ("RFC2", ("vswap_rfc2",)), ("v3+", VSS)):
        for design in filter(has, designs):
            state = Filled(design, 1 << 14, "ssd")
            idle = state.ledger()
            state.fill(1 << 13)
            rows = [row for row in state.ledger().rows if row.in_total and ("descriptor" in row.structure or "cluster" in row.structure)]
            grown = sum(row.dynamic_bytes for row in rows) - sum(idle.row(row.structure).dynamic_bytes for row in rows)
            size = float(int(grown / (1 << 13)))  # the bit of the allocation bitmap is no part of it
            out.setdefault(f"descriptor of {name}", {})[design] = size
            if name == "v3+":
                out.setdefault("descriptors of a cluster", {})[design] = 512 * size
                out.setdefault("pages of the descriptors", {})[design] = 512 * size / PAGE
    return out


def edition(_: Bench) -> Ours:
    """Y09: counted bytes of a page of the swap-table edition, by what it has behind it [B].

    Without memcg tables they are those of the dynamic ghost, which has the same tables.
    """
    out: Ours = {}
    ways = (("zswap-backed", "vswap_ste", "zswap"), ("disk-backed", "vswap_ste[route=all]", "ssd"), ("direct entry", "vswap_ste", "ssd"))
    for name, design, backend in ways:
        state = Filled(design, APART, backend)
        state.fill(APART)
        book = state.ledger()
        out[name] = {design: book.total_bytes / APART}
        owners = sum(row.dynamic_bytes for row in book.rows if "memcg table" in row.structure)
        if name != "direct entry":
            out[f"ghost {name}"] = {f"{design} without memcg tables": (book.total_bytes - owners) / APART}
    return out


def reach(_: Bench) -> Ours:
    """Y13: address range of the virtual space where pages have numbers of 32 bits [TiB], and where clusters have [PB]."""
    cluster = 1 << int(Filled("vswap_ste", APART, "zswap").state.ctl[int(control.C_CLUSTER_SHIFT)])
    return {
        "32-bit page index": {"vswap_ste": PAGE * (1 << 32) / (1 << 40)},
        "after widening": {"vswap_ste": PAGE * cluster * (1 << 32) / 1e15},
    }


def nodes(bench: Bench) -> Ours:
    """Y11: a tree's bytes an entry as allocated, dense and with one entry a node, and the whole of "old" as allocated [MiB]."""
    dense = Filled("swap_id", DENSE, "ssd")
    dense.fill(DENSE)
    used = dense.ledger().row("ID tree").objects
    lone = Filled("swap_id", APART, "ssd")
    lone.fill(APART)
    ids = lone.state.pte[:APART] >> np.uint64(1)
    others = np.flatnonzero(ids % np.uint64(64)).astype(np.uint64)
    lone.replay(run(demand.UNMAP, others, count=1))
    pool = lone.state.idpool
    first = pool[NODE_WORDS : int(pool[1]) : NODE_WORDS]
    held = (first >> np.uint64(16)) & np.uint64(0xFF)
    leaves = int(((first & np.uint64(0xFF) == 0) & (held > 0)).sum()) - 1  # index 0 is taken for good, no ID is in its leaf
    kept = APART - len(others)
    full = bench.curve(OLD, "zswap")[-1]
    nbytes, held_by = slab_of(NODE)
    slab = nbytes / held_by
    return {
        "entry of a dense tree": {"swap_id": used * NODE_BYTES / DENSE},
        "entry of a dense tree with slab": {"swap_id": used * slab / DENSE},
        "entry alone in its node": {"swap_id": leaves * NODE_BYTES / kept},
        "entry alone in its node with slab": {"swap_id": leaves * slab / kept},
        "old zswap full": {OLD: (full.allocated_bytes - full.header_bytes) / MIB},
    }


def _forked(design: str, children: int, continuation_pages: int) -> tuple[Filled, int]:
    """Fork a swapped-out page into `children` address spaces of a page each, one by one; return the state and the number of forks."""
    spaces = np.ones(children + 1, np.uint16)
    state = Filled(
        design, 512, "ssd", pages=children + 1, forks=True, space_shift=0, memcg=spaces, continuation_pages=continuation_pages
    )  # fmt: skip
    state.fill(1)
    done, one = 0, np.array([demand.pack(demand.FORK, 0, count=1)], np.uint64)
    while done < children:
        block = np.tile(one, (min(STEP, children - done), 1))
        block[:, 1] |= np.arange(done + 1, done + 1 + len(block), dtype=np.uint64) << np.uint64(32)
        good = int((state.replay(block) == demand.FORKED).sum())
        done += good
        if good < len(block):
            break
    return state, done


def widths(_: Bench) -> Ours:
    """Y12: most references in the map byte, and the full count field of a word of phase III."""
    children = _forked(OLD, 256, 0)[1]
    full = _forked("swap_table_p3", FORKS, 8)[0]
    words = full.state.table
    field = int(words[words != 0][0] & swap_table.KEPT & ~swap_table.ZERO) >> int(swap_table.COUNT_AT)
    return {
        "count before a continuation page": {OLD: float(children + 1)},
        "largest value of the count field": {"swap_table_p3": float(field)},
    }


def without_a_design(_: Bench) -> Ours:
    """Figures of a yardstick that has none here."""
    return {}
