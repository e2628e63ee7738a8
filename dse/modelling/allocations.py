"""The bytes of an object of the allocation log (:mod:`kernels.observing.allocations`), and whether it waits for an RCU grace period.

Bytes come from the layout table of the design, where the object is one of its structures.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import NamedTuple

from dse.modelling.ledger import condition
from dse.modelling.objects import bytes_in_object
from dse.modelling.sizes import PAGE
from kernels.life import registry as s
from kernels.structures.xarray import NODE_BYTES

V6 = "20260505153854.1612033-1-nphamcs@gmail.com"

RECLAIM = ("swap_out", "clean_drop", "writeback_end")
"""Operations inside reclaim, where an allocation may not wait for reclaim: memory is needed to free memory."""
FAULT = ("first_touch", "swap_in", "cache_hit", "cow", "reuse")
MOVE = ("move", "stepped")
"""Writeback of zswap among them runs in a worker when the pool is full, and inside reclaim when the shrinker asks (mm/zswap.c)."""
OTHER = ("nothing", "fork", "zap", "swapoff", "begun", "refused")
BURSTS = ("fork", "zap", "swapoff", "refused")
"""Operations whose frees come all at once, or that are not at the pace of faults."""
BACKEND = ("zswap_entry", "zsmalloc object")
"""What every design allocates alike for a page in zswap."""


class Object(NamedTuple):
    """A class of objects.

    Attributes
    ----------
    structures : tuple of str
        Rows of a layout table that it is made of, as far as they lie in it; empty where `nbytes` says it all.
    nbytes : int
        Its bytes [B] where no layout table has them, 0 where they differ from object to object.
    rcu : bool
        Is its memory free only after a grace period?
    source : str
        Where the last is from.
    """

    structures: tuple[str, ...]
    nbytes: int
    rcu: bool
    source: str


OBJECTS = {
    "xa_node": Object((), NODE_BYTES, True, "lib/xarray.c: xa_node_free, call_rcu"),
    "zswap_entry": Object(("zswap_entry",), 0, False, "mm/zswap.c: zswap_entry_cache_free, kmem_cache_free"),
    "zsmalloc object": Object((), 0, False, "mm/zsmalloc.c: zs_free"),
    "swap_desc": Object(("swap_desc",), 0, True, "this model's reading: looked up without a lock"),
    "continuation page": Object((), PAGE, False, "mm/swapfile.c: free_swap_count_continuations, at swapoff"),
    "swap table": Object(("swap table", "reverse table"), 0, True, "mm/swapfile.c of 6.18: swap_table_free, call_rcu"),
    "memcg table": Object(("memcg table",), 0, False, "mm/swapfile.c of 7.0: kfree with the table of its cluster"),
    "extend table": Object(("extend table",), 0, False, "mm/swapfile.c: kfree when no count needs it"),
    "virtual cluster with descriptors": Object(("virtual cluster",), 0, True, f"{V6}: RCU protects the cluster"),
    "virtual cluster header": Object(("virtual cluster",), 0, True, f"{V6}: RCU protects the cluster"),
    "virtual descriptors": Object(("virtual descriptors",), 0, True, f"{V6}: they go with the cluster"),
}
"""By the names of :data:`kernels.observing.allocations.NAMES`."""


def nbytes_of(name: str, design: s.Design, values: Mapping[str, str], cluster_slots: int = 512) -> int | None:
    """Bytes of one object of class `name` [B]; None where they differ from object to object, or the design has none.

    Parameters
    ----------
    name : str
        Of :data:`kernels.observing.allocations.NAMES`.
    design, values
        The design, and its parameters by name.
    cluster_slots : int
        Slots of a cluster.
    """
    known = OBJECTS[name]
    if not known.structures:
        return known.nbytes or None
    total = 0.0
    for row in design.layout:
        per = condition(row.per, values)
        if row.structure in known.structures and per and row.name != "xarray entry":
            total += bytes_in_object(row, per, cluster_slots)
    return ceil(total) or None
