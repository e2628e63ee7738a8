"""The bytes of an object of the allocation log (:mod:`kernels.observing.allocations`), and whether it waits for an RCU grace period.

Bytes come from the layout table of the design, where the object is one of its structures.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from dse.modelling.ledger import condition
from dse.modelling.objects import bytes_in_object
from kernels.life import registry as s
from kernels.own import Allocation

RECLAIM = ("swap_out", "clean_drop", "writeback_end", "folio_out", "folio_split")
"""Operations inside reclaim. Their allocations may not wait for reclaim: memory is needed to free memory."""
FAULT = ("first_touch", "swap_in", "cache_hit", "cow", "reuse", "read_ahead")
MOVE = ("move", "stepped")
"""Writeback of zswap among them runs in a worker when the pool is full, and inside reclaim when the shrinker asks (mm/zswap.c)."""
OTHER = ("nothing", "fork", "zap", "swapoff", "begun", "refused")
BURSTS = ("fork", "zap", "swapoff", "refused")
"""Operations whose frees come all at once, or at another pace than faults."""
BACKEND = ("zswap_entry", "zsmalloc object")
"""Objects that every design allocates alike for a page in zswap."""


def classes(design: s.Design) -> dict[str, Allocation]:
    """Classes of objects that `design` may allocate, by name."""
    return design.own.all(Allocation)


def nbytes_of(name: str, design: s.Design, values: Mapping[str, str], cluster_slots: int = 512) -> int | None:
    """Bytes of one object of class `name` [B], None where objects differ or the design has none.

    Parameters
    ----------
    name : str
        Of :func:`classes`.
    design, values
        The design, and its parameters by name.
    cluster_slots : int
        Slots of a cluster.
    """
    known = classes(design).get(name)
    if known is None:
        return None
    if not known.structures:
        return known.nbytes or None
    total = 0.0
    for row in design.layout:
        per = condition(row.per, values)
        if row.structure in known.structures and per and row.name != "xarray entry":
            total += bytes_in_object(row, per, cluster_slots)
    return ceil(total) or None
