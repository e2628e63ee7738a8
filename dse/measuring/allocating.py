"""Rows of objects that operations allocate and free, by class, and of bytes that wait for a grace period."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.modelling import allocations, latency
from dse.modelling.tables import SHIPPED, Table
from dse.storing import Figure, More, figure
from kernels import control, demand
from kernels.observing import probe
from kernels.own import CLASSES

OPS = (*demand.OPS, "refused")


def log_of(pr: Any) -> NDArray[np.int64]:
    """The log of a probe: ``[operations of OPS, classes, allocated and freed]``."""
    return np.asarray(pr.tally[int(probe.ALLOC_LOG) :].reshape(len(OPS), CLASSES, 2), np.int64)


def slug(name: str) -> str:
    """Turn the name of a class into a part of a metric's name.

    Examples
    --------
    >>> slug("zsmalloc object")
    'zsmalloc_object'
    """
    return name.replace(" ", "_")


def rows(side: Any, table: Table | None) -> list[Figure]:
    """Objects allocated and freed in the counted chunks, by operation; bytes of one; and, with `table`, bytes that wait for RCU."""
    out = []
    slots = 1 << int(side.state.ctl[int(control.C_CLUSTER_SHIFT)])
    known = allocations.classes(side.named.design)
    sizes = {name: allocations.nbytes_of(name, side.named.design, side.named.values, slots) for name in known}
    names = {entry.number: name for name, entry in known.items()}
    seen = set()
    for age, pr in side.count.items():
        log = log_of(pr)
        for code, which in np.argwhere(log.any(2)).tolist():
            name = names[which]
            seen.add(name)
            for what, n in zip(("allocated", "freed"), log[code, which].tolist(), strict=True):
                out.append(figure(side.name, OPS[code], f"{what}_{slug(name)}", "counted", "objects", n, stat="total", age=age, n=n))
        out += waiting(side, age, pr, sizes, table) if table is not None else []
    sized = ((name, sizes[name]) for name in known if name in seen)
    out += [figure(side.name, "page", f"object_bytes_{slug(name)}", "counted", "B", nbytes) for name, nbytes in sized if nbytes]
    return out


def waiting(side: Any, age: str, pr: Any, sizes: dict[str, int | None], table: Table = SHIPPED) -> list[Figure]:
    """Bytes freed that wait for the end of a grace period, on average, while one CPU faults from zswap without a pause.

    Frees of zap (the exit of a process), fork and swapoff are left out: they come all at once.
    """
    steady = [op not in allocations.BURSTS for op in OPS]
    freed = log_of(pr)[steady, :, 1].sum(0).tolist()
    faults = sum(int(pr.tally[demand.OPS.index(op) * probe.COLUMNS]) for op in ("swap_in", "cache_hit"))
    if not faults:
        return []
    grace, fault = latency.parameter("rcu.grace", table.rows), latency.parameter("fault.zswap", table.rows)
    times = ((grace.typical, fault.typical), (grace.low, fault.high), (grace.high, fault.low))
    status = fault.status if fault.table else grace.status
    out = []
    for name, entry in allocations.classes(side.named.design).items():
        n = freed[entry.number]
        if n and entry.rcu:
            value, low, high = (n * (sizes[name] or 0) / faults * a / b for a, b in times)
            more: More = {"stat": "mean", "age": age, "lo": low, "hi": high, "n": faults, "status": status}
            out.append(figure(side.name, "page", f"rcu_waiting_bytes_{slug(name)}", "modelled", "B", value, **more))
    return out
