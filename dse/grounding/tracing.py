"""The model's side of the experiment ``trace``: reclaim on the same accesses, with the memory that the kernel left to pages."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dse import linux, naming, scenario
from dse.measuring import warming
from dse.scenario.keys import keys
from kernels import demand
from kernels.observing import probe

PAGE = 4096
POLICIES = {"two": "active-inactive", "mglru": "mglru"}
"""Policy of the model by the lists of the kernel."""
SPECS = Path(linux.__file__).with_name("traces.toml")
"""Workloads of the experiment, as the guest replays them."""


class Run(NamedTuple):
    """Replay of a trace by a kernel.

    Attributes
    ----------
    trace, backend, lists : str
        Name of the workload; zswap, zero or disk; ``two`` or ``mglru``.
    limit : int
        Most pages that the memory cgroup may hold, page tables and other kernel memory apart, zswap's pool not.
    ratio : float
        Bytes of a page by those that zswap keeps of it; 0 where it keeps none.
    counters : dict
        Means over the repeats.
    """

    trace: str
    backend: str
    lists: str
    limit: int
    ratio: float
    counters: Mapping[str, float]


def runs(record: linux.Record, trace: str) -> list[Run]:
    """Replays of a trace in a record; none where the record lacks the experiment."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in record.tables.get("trace", []):
        if row["trace"] == trace:
            groups.setdefault((row["backend"], row["lists"]), []).append(row)
    found = []
    for (backend, lists), rows in groups.items():

        def mean(name: str, rows: list[dict[str, Any]] = rows) -> float:
            return float(sum(row[name] for row in rows)) / len(rows)

        limit = round((mean("limit") - mean("kernel") + mean("zswap")) / PAGE)
        ratio = mean("zswapped") / mean("zswap") if mean("zswap") else 0.0
        found.append(Run(trace, backend, lists, limit, ratio, {name: mean(name) for name in ("swap_ins", "swap_outs")}))
    return found


@functools.cache
def _specs() -> dict[str, Any]:
    return tomllib.loads(SPECS.read_text(encoding="utf-8"))


def scenario_of(run: Run) -> scenario.Scenario:
    """Scenario of the model that does what the guest did: no moves, every page with data to one backend."""
    backends: dict[str, dict[str, Any]] = {
        "zero": {"mix": {"zero": 1.0}},
        "disk": {"placement": "ssd", "zero_share": 0.0},
        "zswap": {
            "placement": "zswap", "zero_share": 0.0, "incompressible_share": 0.0, "zswap_share": 1.0,
            "compression_ratio": min(max(run.ratio, 1.0), 100.0),
        },
    }  # fmt: skip
    return scenario.from_values(f"{run.trace}-{run.backend}-{run.lists}", {
        "workload": dict(_specs()["trace"][run.trace]), "memory": {"limit": float(run.limit), "policy": POLICIES[run.lists]},
        "backend": {"slots": 8.0, **backends[run.backend]}, "replay": {"seed": int(_specs()["seed"])},
    })  # fmt: skip


def has_policy(lists: str) -> bool:
    """Tell whether the model has a policy for the lists of a kernel."""
    [choices] = [key.choices for key in keys() if (key.section, key.name) == ("memory", "policy")]
    return POLICIES[lists] in (choices or ())


def modelled(run: Run, design: str) -> dict[str, float]:
    """Swap-ins and swap-outs (pages written) of a design; nothing where the model has no such policy."""
    from dse.workloads import stream as streams

    if not has_policy(run.lists):
        return {}
    named = naming.parse(design)
    warming.warm([(named.text, "off")])
    stream = streams.build(scenario_of(run))
    state, pr = named.design.build(stream.config(named.control)), probe.make("off")
    counts = np.zeros(256, np.int64)
    for block in stream.blocks():
        replies = np.zeros(len(block), np.uint8)
        named.design.replay(state, pr, block, replies)
        counts += np.bincount(replies, minlength=256)
    return {"swap_ins": float(counts[demand.SWAP_IN]), "swap_outs": float(counts[demand.SWAP_OUT])}
