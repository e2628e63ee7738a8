"""Operations of a scenario on many CPUs: its demands are dealt out, replayed one after the other, and the last ones traced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from dse import naming
from dse.modelling.sizes import class_of
from kernels import control, demand
from kernels.observing import probe

TRACED = 1 << 14
"""Demands that are traced, the same for any number of CPUs; fewer where the stream is short."""
KIND, PAGE, PAYLOAD = np.uint64(0xFF), np.uint64(32), np.uint64(0xFF_FFFF)
CPU, CPU_MASK = np.uint64(24), np.uint64(0xFF << 24)
FAULTS = (demand.FAULT, demand.FAULT_BEGIN)
RECLAIMS = (demand.RECLAIM, demand.RECLAIM_BEGIN, demand.RECLAIM_END)


@dataclass(frozen=True)
class Sample:
    """A traced operation.

    Attributes
    ----------
    cpu : int
    outcome : str
        What the demand turned out to be: ``swap_in``, ``swap_out`` ...
    size_class : int
        Bytes of the zsmalloc class of its page.
    era : int
        Kernel of the common steps.
    log : numpy.ndarray
        ``uint64[words]``, as the probe ``trace`` has it.
    """

    cpu: int
    outcome: str
    size_class: int
    era: int
    log: NDArray[np.uint64]


def dealt(demands: NDArray[np.uint64], cpus: int, pages: int, shift: int) -> NDArray[np.uint64]:
    """Give each demand a CPU.

    Each CPU runs a program of its own: an address space, or its part of the only one. A batch of reclaim runs on the CPU that has had the
    most faults for the pages that it has reclaimed, as each makes room for its own: so all have the same mix.

    Parameters
    ----------
    demands : uint64[n, 2]
    cpus : int
    pages : int
        Pages of the workload.
    shift : int
        Pages of an address space, as a power of two.

    Returns
    -------
    uint64[n, 2]
    """
    page = (demands[:, 0] >> PAGE).astype(np.int64)
    spaces = -(-pages >> shift)
    owner = page * cpus // pages if spaces < cpus else (page >> shift) % cpus
    is_fault = np.isin(demands[:, 0] & KIND, FAULTS)
    owner = np.clip(owner, 0, cpus - 1)
    _deal_reclaim(owner, is_fault, np.isin(demands[:, 0] & KIND, RECLAIMS), cpus)
    found = demands.copy()
    found[:, 0] = (found[:, 0] & ~CPU_MASK) | (owner.astype(np.uint64) << CPU)
    return found


def _deal_reclaim(owner: NDArray[np.int64], is_fault: NDArray[np.bool_], reclaims: NDArray[np.bool_], cpus: int) -> None:
    """Give each batch of reclaim, a run of such demands, the CPU that has the most faults to pay for; `owner` is changed."""
    if not reclaims.any():
        return
    price = int(is_fault.sum()) / int(reclaims.sum())
    edges = np.flatnonzero(np.diff(np.concatenate([[False], reclaims, [False]])))
    debt, done = np.zeros(cpus), 0
    for start, end in edges.reshape(-1, 2).tolist():
        debt += np.bincount(owner[done:start][is_fault[done:start]], minlength=cpus)
        payer = int(debt.argmax())
        owner[start:end] = payer
        debt[payer] -= (end - start) * price
        done = end


def classes(demands: NDArray[np.uint64], pages: int) -> NDArray[np.uint32]:
    """Compressed bytes of each page when it last went out: ``uint32[pages]``, 0 for one that never did."""
    out = np.isin(demands[:, 0] & KIND, (demand.RECLAIM, demand.RECLAIM_BEGIN))
    found = np.zeros(pages, np.uint32)
    found[(demands[out, 0] >> PAGE).astype(np.int64)] = (demands[out, 1] >> PAGE & PAYLOAD).astype(np.uint32)
    return found


def samples(named: naming.Named, stream: Any, demands: NDArray[np.uint64], sizes: NDArray[np.uint32], cpus: int) -> Iterator[Sample]:
    """Replay demands on a design, and trace the last ones.

    `sizes` are the compressed bytes of each page (:func:`classes`).

    Left out are demands of which nothing comes, and those whose log is full: a page table of an exit, in some designs.
    """
    st = named.design.build(replace(stream.config(named.control), cpus=cpus))
    traced = min(TRACED, len(demands) // 2)
    off, pr = probe.make("off"), cast("probe.Trace", probe.make("trace"))
    before = np.ascontiguousarray(demands[:-traced])
    named.design.replay(st, off, before, np.empty(len(before), np.uint8))
    reply, era = np.zeros(1, np.uint8), int(st.ctl[control.C_ERA])
    for row in demands[-traced:]:
        pr.log[0] = 0
        named.design.replay(st, pr, row.reshape(1, 2), reply)
        code = int(reply[0])
        if code >= demand.REASON_BASE or not 2 <= int(pr.log[0]) < probe.LOG_WORDS - 2:
            continue
        page = int(row[0]) >> 32
        size = class_of(int(sizes[page]))[0]
        yield Sample(int(row[0]) >> 24 & 0xFF, demand.OPS[code], size, era, pr.log[: int(pr.log[0]) + 1].copy())
