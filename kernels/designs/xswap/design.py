"""xswap: a swap device without a backing store, whose cluster array grows and shrinks (Baoquan He, Chris Li, 2026; D7).

What a ghost is (kernels/designs/ghost.py), with no size to choose. It is made without a
file. Its headers of clusters are an array in a sparse vmalloc area, which is reserved for
a device of the size of memory and mapped as far as it is needed
(kernels/designs/xswap/array.py). Everything else is as on the ghost: pages live in zswap
only, what zswap refuses stays, and nothing moves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from kernels import codes
from kernels.compiling.jit import called, inner, outer
from kernels.control import C_CPUS
from kernels.designs import ghost
from kernels.designs.swap_table import design as swap_table
from kernels.designs.swap_table import functions
from kernels.designs.xswap import array, own
from kernels.life import folio_slots, moves, replay, runs, swapfile
from kernels.life import registry as s
from kernels.life.arrays import cpu_rows
from kernels.life.layout import Chunks
from kernels.life.steps import FREE_UNLOCKED
from kernels.own import Word
from kernels.structures import cluster as cl
from kernels.structures.cluster import device_of


class Xswap(ghost.Ghost):
    """State of the ghost, with the device's clusters mapped in front."""


def build(config: s.Config) -> Xswap:
    """State for `config`, all slots free; the area has room for a slot of each entry that zswap may hold, the first chunk is mapped."""
    made = ghost.build(config).arrays()
    map_front(made)
    return Xswap(**made)


def map_front(made: dict[str, Any]) -> None:
    """Leave mapped, of the clusters of the first device, what the first chunk has."""
    ctl, dev, headers = made["ctl"], made["dev"], made["cluster"].reshape(-1, int(cl.CI_WORDS))
    ceiling = int(dev[int(cl.D_CLUSTERS)])
    mapped = min(int(ctl[int(own.C_CHUNK)]), ceiling)
    ctl[int(own.C_CEILING)] = ceiling
    ctl[int(own.S_MAPPED)] = ctl[int(own.S_MAPPED_PEAK)] = dev[int(cl.D_CLUSTERS)] = mapped
    ctl[int(own.S_ARRAY_PAGES)] = pages_of(mapped, int(ctl[int(own.C_HEADER)]))
    if ceiling:
        headers[mapped:ceiling] = 0
        headers[mapped - 1, int(cl.CI_NEXT)] = 0
        dev[int(cl.D_LISTS + 2 * (cl.FREE_LIST - 1)) + 1] = mapped


def pages_of(clusters: int, header: int) -> int:
    """Pages that hold the headers, of `header` bytes, of the first `clusters` clusters."""
    return -(-clusters * header // int(array.PAGE))


@inner
def retire(st, pr, value, entry, moment):  # type: ignore[no-untyped-def]
    """See if the array may shrink, as a slot was freed and its cluster's lock dropped."""
    if moment == FREE_UNLOCKED and device_of(entry) == codes.ZSWAP:
        array.try_shrink(st, pr)


@called
def put_run(st, pr, value, n):  # type: ignore[no-untyped-def]
    """Zap a run, then see the same."""
    runs.put_run(st, pr, value, n)
    if device_of(value) == codes.ZSWAP:
        array.try_shrink(st, pr)


@called
def claim(st, pr, f, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """Claim a slot; one that was given back at once may have been the first of its cluster."""
    value = swapfile.claim(st, pr, f, page, memcg, backend, cpu)
    if value == 0:
        array.try_shrink(st, pr)
    return value


@called
def claim_run(st, pr, order, page, memcg, backend, cpu):  # type: ignore[no-untyped-def]
    """Claim a run; one that was given back at once may have been the first of its cluster."""
    whole = folio_slots.claim_run(st, pr, order, page, memcg, backend, cpu)
    if not whole:
        array.try_shrink(st, pr)
    return whole


@called
def swapoff(st, pr, d, target, cpu):  # type: ignore[no-untyped-def]
    """Swap a device off; the array goes with the device (``xswap_destroy``)."""
    code = moves.swapoff(st, pr, d, target, cpu)
    if code == codes.SWAPPED_OFF and d == codes.ZSWAP:
        array.destroy(st, pr)
    return code


s.bind(
    Xswap,
    ghost.OPERATIONS
    | {
        "clusters_grow": array.clusters_grow,
        "slot_mark": array.slot_mark,
        "retire": retire,
        "put_run": put_run,
        "claim": claim,
        "claim_run": claim_run,
        "swapoff": swapoff,
    },
)  # fmt: skip

V2 = f"{own.V2} ([PATCH v2 00/12] mm, swap: extendable swap devices (xswap), 2026-09-13, linux-mm), in a digest of the list"
RFC3 = "20260813104857.3450386-1-hebaoquan@kylinos.cn (RFC v3, 2026-08-13), in a digest of the list"
AUDIT = "notes of a distributor who carried the patches of 2026-09-16: chunk of 85 clusters x 48 B, locks, device of the size of memory"


def grown(row: s.Field) -> s.Field:
    """Row of the cluster headers as far as they are mapped."""
    if row.structure != "cluster headers":
        return row
    name = f"{row.name}; of the xswap device those that are mapped"
    return replace(row, name=name, source=f"{row.source}; {V2}", chunks=Chunks("chunk", own.S_MAPPED_PEAK))


def check(st: Any) -> Iterable[str]:
    """The array is mapped in front, as far as it is needed and with a chunk to spare at most; what is not mapped is on no list."""
    word = {entry.name: int(st.ctl[entry.number]) for entry in own.OWN.entries_of(Word)}
    mapped, chunk = word["S_MAPPED"], word["C_CHUNK"]
    headers, percpu = st.cluster.reshape(-1, int(cl.CI_WORDS)), cpu_rows(st.percpu, int(st.ctl[int(C_CPUS)]))
    used = np.flatnonzero(headers[: word["C_CEILING"], int(cl.CI_COUNT)])
    for what, have, want in (
        ("clusters of the device", int(st.dev[int(cl.D_CLUSTERS)]), mapped),
        ("pages of the cluster array", word["S_ARRAY_PAGES"], pages_of(mapped, word["C_HEADER"])),
        ("clusters in use", word["S_USED_CLUSTERS"], len(used)),
        ("clusters in use that are not mapped", int((used >= mapped).sum()), 0),
        ("headers that are not mapped and not empty", int(headers[mapped : word["C_CEILING"]].any(1).sum()), 0),
        ("CPUs with a cluster that is not mapped", int((percpu[:, 0] > mapped).sum()), 0),
    ):
        if have != want:
            yield f"{what}: {have} should be {want}"
    needed = -(-(int(used[-1]) + 1 if len(used) else 0) // chunk) * chunk + chunk
    if 2 * len(used) <= mapped and mapped > needed:
        yield f"clusters that should have been given back: {mapped} are mapped, {len(used)} in use, {needed} would do"


@outer
def run(st, pr, demands, replies):  # type: ignore[no-untyped-def]
    """Replay a block of demands."""
    replay.run(st, pr, demands, replies)


PARAMETERS = {
    **ghost.ON_A_GHOST,
    "chunk": s.Parameter(int(own.C_CHUNK), {"85": array.CHUNK, "1": 1}, "85", "clusters that are mapped at once: those of a page, or one"),
}
s.register(
    s.Design(
        name="xswap",
        title="swap device without a backing store, cluster array grown on demand",
        state=Xswap,
        build=build,
        replay=run,
        layout=tuple(map(grown, ghost.LAYOUT)),
        parameters=PARAMETERS,
        locks=("xswap", *swap_table.TEMPLATE.locks),
        sources=(V2, RFC3, AUDIT, *ghost.SOURCES[-2:]),
        notes=f"{ghost.REFUSED}{ghost.BESIDE}The device is of the size of memory by default and counts with it in nr_swap_pages, grown or "
        "not; here it has a slot for each entry that zswap may hold. Allocation maps the next chunk of headers when it finds no partly "
        "used and no free cluster, before it takes one that another CPU left. A free that leaves at most half of the mapped clusters in "
        "use unmaps the chunks behind the last slot in use, but for a spare one. The order in the allocator, and where the spare chunk is "
        "counted from, are a reading of digests: the patches themselves were not at hand. The series shrinks in a worker; here the free "
        "that sets it off pays for it. Without a page for the array the CPU takes what other CPUs left, else the page stays in memory. "
        "Tables of clusters are always to be had, as in the swap tables. The page tables of the area are not counted.",
        file=__file__,
        status="posted, v3 (September 2026)",
        own=own.OWN,
        function_of=functions.function_of,
        check=check,
    )
)
