"""The ledger: exact bytes of every structure, in closed form for any size and fill, and read off the arrays of a live state.

Both follow the layout table of the design (:class:`kernels.life.registry.Field`). ``per`` gives the number of objects:

========== =====================================================================================
per        objects
========== =====================================================================================
slot       one a slot, allocated at swapon (static); ``zswap slot``: one a slot of a zswap with its own entries
cluster    one a cluster, or one that is mapped: headers, which published tables leave out (``header_bytes``)
page, live one a swapped page
zswap      one a page whose data zswap has; likewise disk and zero, joined by ``+``
block      one a block (below), counted apart as headers are; as ``xarray entry``: a tree of the blocks
extend     one an extend table: none in closed form, where no page has so many sharers
fallback   one a page that took another way than its backend's: none in closed form
========== =====================================================================================

A field with a ``block`` is counted by element and allocated by block: one for each cluster in use. The closed form fills clusters densely.
Fields of one structure with the same block are one object a block, rounded as a whole: to pages above a page, to a slab below.

A condition may follow: ``page if zswap=stacked``. A field named ``xarray entry`` counts 8 bytes and is allocated as nodes.

Counted are entries, as the mails count them (20260208215839.87595-1-nphamcs@gmail.com). Allocated are the same structures as the
kernel allocates them: vmalloc areas in pages, ``xa_node`` of 576 B in slabs of 14 (8 KiB, 585.14 B each), others in slabs of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dse.modelling import objects as ob
from dse.modelling.sizes import PAGE, Ledger, class_of
from kernels import control, demand
from kernels.life import registry as s
from kernels.life.arrays import device_rows
from kernels.life.layout import Blocks, Chunks, Tree
from kernels.structures.xarray import NODE_WORDS

PARTS = ("zswap", "disk", "zero")
DISKS = ("ssd", "hdd", "zram")


class Device(NamedTuple):
    """A device of the closed form: its slots, and the pages of each part in it, dense from 0 in this order."""

    slots: int
    zswap: int
    disk: int
    zero: int
    name: str


def swapped(pte: NDArray[np.uint64]) -> int:
    """Number of PTEs that hold a swap value.

    Examples
    --------
    >>> swapped(np.array([0, 3, 4, 6], np.uint64))
    2
    """
    return int(np.count_nonzero((pte != 0) & (pte & np.uint64(1) == 0)))


def condition(per: str, parameters: Mapping[str, str]) -> str:
    """Return the unit that a field is counted by, an empty string where its condition does not hold.

    Examples
    --------
    >>> condition("page if zswap=stacked", {"zswap": "native"}), condition("zswap+disk", {})
    ('', 'zswap+disk')
    """
    what, _, test = per.partition(" if ")
    for term in test.split(" and ") if test else ():
        name, _, values = term.partition("=")
        if parameters.get(name.strip()) not in values.strip().split("|"):
            return ""
    return "+".join(PARTS) if what in ("page", "live") else what


def counts_in_map(design: s.Design, parameters: Mapping[str, str]) -> bool:
    """Tell whether counts are in a swap_map, which continuation pages extend."""
    return any(row.structure == "swap_map" and condition(row.per, parameters) for row in design.layout)


def slots_tied_up(design: s.Design, parameters: Mapping[str, str], parts: Mapping[str, int]) -> int:
    """Slots that pages hold: those on disks, and those of zswap and zero pages that have a swap cache entry by slot."""
    held = {"disk"}
    for row in design.layout:
        if row.structure in ("swap cache", "swap table") and (row.tree is None or row.tree.shape != "virtual"):
            held |= set(condition(row.per, parameters).split("+"))
    return sum(parts.get(part, 0) for part in held & set(PARTS))


def split(pages: int, mix: Mapping[str, float]) -> dict[str, int]:
    """Divide `pages` among the parts of a mix; remainders go to the largest shares first.

    Examples
    --------
    >>> split(10, {"zswap": 0.7, "ssd": 0.2, "zero": 0.1})
    {'zswap': 7, 'ssd': 2, 'zero': 1}
    """
    exact = {name: pages * share for name, share in mix.items()}
    out = {name: int(x + 1e-9) for name, x in exact.items()}
    for name in sorted(mix, key=lambda n: out[n] - exact[n])[: pages - sum(out.values())]:
        out[name] += 1
    return out


def is_native(parameters: Mapping[str, str]) -> bool:
    """Tell whether zswap has an entry space of its own, that of a ghost or another."""
    return parameters.get("zswap", "stacked") != "stacked"


def is_virtual(design: s.Design) -> bool:
    """Tell whether the design has a virtual space. A page that is on no disk then needs no slot of a disk."""
    return any(row.blocks is not None and row.blocks.virtual for row in design.layout)


def devices_of(slots: int, fill: float, mix: Mapping[str, float], native: bool = False, virtual: bool = False) -> list[Device]:
    """The devices of a mix, with `fill` of `slots` slots' worth of pages.

    zswap and zero pages stand in front of the first disk of the mix (an SSD where there is none). This disk has slots for them unless the
    design is `virtual`. Further disks get their share of the slots. So does a `native` zswap, which has an entry space of its own.
    """
    parts = split(round(fill * slots), mix)
    disks = [name for name in DISKS if mix.get(name)]
    if native and mix.get("zswap"):
        disks.append("zswap")
    disks = disks or ["ssd"]
    weight = {name: mix.get(name, 0.0) for name in disks}
    in_front = mix.get("zero", 0.0) + (mix.get("zswap", 0.0) if "zswap" not in disks else 0.0)
    if virtual:
        sizes = split(
            round(slots * (1.0 - in_front)), {name: share / (1.0 - in_front) if in_front < 1.0 else 0.0 for name, share in weight.items()}
        )
    else:
        weight[disks[0]] += in_front
        sizes = split(slots, weight)
    home = {"zero": disks[0], "zswap": "zswap" if "zswap" in disks else disks[0]}
    out = []
    for name in disks:
        front = {part: parts.get(part, 0) if home[part] == name else 0 for part in home}
        out.append(Device(sizes[name], front["zswap"], 0 if name == "zswap" else parts.get(name, 0), front["zero"], name))
    return out


def _made(design: s.Design, devices: list[Device]) -> list[Device]:
    """The devices with the slots that the design makes of those that it is given; the first disk is the one behind zswap."""
    if design.sizes is None:
        return devices
    given = {device.name: device.slots for device in devices}
    made = design.sizes(given, next((name for name in given if name != "zswap"), "ssd"))
    return [device._replace(slots=made[device.name]) for device in devices]


def _elements(kind: Blocks, per: str, devices: list[Device]) -> list[int]:
    """Elements in use of blocks: on every device, or in the one virtual space."""
    parts = kind.parts or PARTS if per == "block" else per.split("+")
    if per == "fallback":
        return []
    used = [sum(getattr(device, part) for part in parts) for device in devices]
    return [sum(used)] if kind.virtual else used


def _mapped(design: s.Design, parameters: Mapping[str, str], item: s.Field, device: Device, cluster_slots: int) -> int:
    """Clusters of `device` that have a header: all, or those of the chunks that slots in use need, at least one."""
    every = -(-device.slots // cluster_slots)
    if item.chunks is None or device.name != "zswap":
        return every
    used = -(-(device.zswap + device.disk + device.zero) // cluster_slots)
    return min(every, _in_chunks(design, parameters, item.chunks, used))


def _in_chunks(design: s.Design, parameters: Mapping[str, str], chunks: Chunks, used: int) -> int:
    """Headers of the chunks that have those of `used` clusters, at least one."""
    size = chunks.size or design.parameters[chunks.parameter].values[parameters[chunks.parameter]]
    return max(1, -(-used // size)) * size


def _bases(devices: list[Device]) -> dict[str, int]:
    """First slot of each device in the numbers of all slots: devices begin at boundaries of 64 MiB."""
    sizes = {device.name: -(-device.slots // ob.TREE_SLOTS) * ob.TREE_SLOTS for device in devices}
    order = [name for name in demand.BACKENDS if name in sizes]
    return {name: sum(sizes[other] for other in order[:i]) for i, name in enumerate(order)}


def _spans(tree: Tree, per: str, devices: list[Device], stacked: set[str], only: tuple[str, ...]) -> list[tuple[int, int]]:
    """Index ranges of a tree on every device. The parts that hold slots follow each other in the order zswap, disk, zero.

    With `only`, of these devices alone.
    """
    wanted = per.split("+")
    bases = _bases(devices) if tree.shape == "slots" else {}
    out = []
    for device in devices:
        start, n = 0, 0
        first = bases.get(device.name, 0)
        for part in PARTS:
            pages = getattr(device, part)
            if part in wanted and (not only or device.name in only):
                start = start if n else first
                n += pages
            if part in stacked or part == "disk" or tree.shape == "one":
                first += pages
        out.append((start, n))
    return out


def closed(
    design: s.Design,
    parameters: Mapping[str, str],
    slots: int,
    fill: float,
    mix: Mapping[str, float],
    compressed: int,
    cluster_slots: int = 512,
) -> Ledger:
    """The ledger in closed form.

    Parameters
    ----------
    design : Design
        The design whose layout table is read.
    parameters : mapping
        Values of the design's parameters by name.
    slots : int
        Slots of all devices.
    fill : float
        Swapped pages as a share of `slots`; they fill slots densely from 0.
    mix : mapping
        Share of the pages by backend (zswap, ssd, hdd, zram, zero), sum 1.
    compressed : int
        Bytes of a compressed page.
    cluster_slots : int
        Slots of a cluster.

    Returns
    -------
    Ledger
        Counted and allocated bytes. Peaks equal the allocated bytes.
    """
    devices = _made(design, devices_of(slots, fill, mix, is_native(parameters), is_virtual(design)))
    count = {part: sum(getattr(d, part) for d in devices) for part in PARTS}
    stacked = {part for part in PARTS if slots_tied_up(design, parameters, {part: 1})}
    ledger, groups = Ledger(), ob.Groups()
    for item in design.layout:
        per = condition(item.per, parameters)
        if per == "slot":
            ob.add_static(ledger, item, [d.slots for d in devices])
        elif per == "zswap slot":
            ob.add_static(ledger, item, [d.slots for d in devices if d.name == "zswap"])
        elif per == "cluster":
            ob.add_headers(ledger, item, [_mapped(design, parameters, item, d, cluster_slots) for d in devices])
        elif per and item.blocks and item.chunks:
            used = sum(_elements(item.blocks, per, devices))
            ob.add_headers(ledger, item, [_in_chunks(design, parameters, item.chunks, -(-used // cluster_slots))])
        elif per and item.blocks:
            groups.closed(ledger, item, item.blocks, per, _elements(item.blocks, per, devices), cluster_slots)
        elif per and item.tree:
            tree = item.tree
            spans = _spans(tree, per, devices, stacked, item.devices)
            nodes = ob.tree_nodes(tree, spans)
            ob.add_entries(ledger, item, sum(n for _, n in spans), nodes, nodes)
        elif per == "extend":
            ob.add_objects(ledger, item, 0, 0)
        elif per:
            n = sum(count[part] for part in per.split("+"))
            ob.add_objects(ledger, item, n, n)
    groups.finish(ledger)
    if counts_in_map(design, parameters):
        ledger.row(ob.CONTINUATION)
    ob.add_zram(ledger, sum(d.slots for d in devices if d.name == "zram"))
    n, (nbytes, part) = count["zswap"], class_of(compressed)
    ob.add_zsmalloc(ledger, (n, n), (n * nbytes, n * nbytes), (n * part, n * part))
    return ob.finished(ledger)


def _tree_entries(state: Any, tree: Tree) -> int:
    """Entries of the trees of one structure: the counts of all leaf nodes, and entries in a head itself."""
    pool, heads = getattr(state, tree.pool), getattr(state, tree.heads)
    first = pool[NODE_WORDS : int(pool[1]) : NODE_WORDS]
    leaves = first[(first & np.uint64(0xFF)) == 0]
    alone = heads[1::8]
    inside = int(((leaves >> np.uint64(16)) & np.uint64(0xFF)).sum())
    taken = 0 if tree.shape == "virtual" else tree.first  # some trees never free index 0
    return inside + int(((alone != 0) & ((alone & np.uint64(3)) != 2)).sum()) - taken


def live(design: s.Design, parameters: Mapping[str, str], state: Any, *, entries: bool = True) -> Ledger:
    """The ledger read off the arrays of a live state.

    Parameters
    ----------
    design, parameters
        As for :func:`closed`.
    state : Flat
        State that ``design.build`` made.
    entries : bool
        Count the entries of trees, which takes a look at all their nodes. Allocated bytes do not depend on them.

    Returns
    -------
    Ledger
        Counted and allocated bytes now, and the peak of each structure.
    """
    ctl, rows = state.ctl, device_rows(state.dev)
    devices = [row for row in rows[demand.SSD if is_virtual(design) else demand.ZSWAP :] if row[1]]
    ledger, groups = Ledger(), ob.Groups()
    for item in design.layout:
        per = condition(item.per, parameters)
        item = ob.as_built(item, state) if per else item
        if per == "slot":
            ob.add_static(ledger, item, [int(row[1]) for row in devices])
        elif per == "zswap slot":
            ob.add_static(ledger, item, [int(rows[demand.ZSWAP][1])])
        elif per == "cluster" or (per and item.chunks):
            first = demand.SSD if is_virtual(design) else demand.ZSWAP
            headers = rows[first:, 3] if per == "cluster" else rows[: demand.SSD, 3]
            ob.add_headers(ledger, item, headers.tolist())
            if item.chunks:
                ob.add_peak(ledger, item, int(rows[demand.ZSWAP][3]), int(ctl[int(item.chunks.peak)]))
        elif per and item.tree:
            tree = item.tree
            if tree.pool in state.fields and not any(row.structure == item.structure for row in ledger.rows):
                pool = getattr(state, tree.pool)
                n = _tree_entries(state, tree) if entries else 0
                ob.add_entries(ledger, item, n, int(pool[2]), int(pool[3]))
        elif per and item.blocks:
            groups.live(ledger, item, item.blocks, per, ctl)
        elif per and item.objects:
            now, most = item.objects
            ob.add_objects(ledger, item, int(ctl[int(now)]), int(ctl[int(most)]))
    groups.finish(ledger)
    if counts_in_map(design, parameters):
        row = ledger.row(ob.CONTINUATION)
        row.objects = int(ctl[int(control.S_CONT_USED)])
        row.dynamic_bytes = row.allocated_bytes = row.objects * PAGE
        row.peak_bytes = int(ctl[int(control.S_CONT_PEAK)]) * PAGE
    ob.add_zram(ledger, int(rows[demand.ZRAM][1]))
    ob.add_zsmalloc(
        ledger,
        (int(ctl[int(control.S_ZE_LIVE)]), int(ctl[int(control.S_ZE_PEAK)])),
        (int(ctl[int(control.S_ZOBJ_BYTES)]), int(ctl[int(control.S_ZOBJ_PEAK)])),
        (int(ctl[int(control.S_ZSPAGES)]), int(ctl[int(control.S_ZSPAGES_PEAK)])),
    )
    return ob.finished(ledger)
