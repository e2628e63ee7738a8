"""The model's side of the experiment ``trace``: reclaim on the same accesses, with the memory that the kernel left to pages."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dse import linux, scenario

PAGE = 4096
COUNTERS = ("swap_ins", "swap_outs")
POLICIES = {"6.12": "mglru-6.18", "6.18": "mglru-6.18", "7.0": "mglru", "7.1": "mglru", "7.2": "mglru", "7.3": "mglru"}
"""Policy of the model for the generations of a release. That of 6.12 is the nearest one: its own rules have none (docs/method.md)."""
TWO_LISTS = "active-inactive"
NEVER = 1_000_000_000
"""Accesses between two flushes of the statistics that reclaim sees: none in a replay. The guest's time is that of its instructions, so a
replay ends before two seconds have passed, and nobody reads memory.stat before its end."""
SPECS = Path(linux.__file__).with_name("traces.toml")
"""Workloads of the experiment, as the guest replays them."""


class Run(NamedTuple):
    """Replay of a trace by a kernel.

    Attributes
    ----------
    trace, backend, lists : str
        Name of the workload; zswap, zero or disk; ``two`` or ``mglru``.
    policy : str
        That of the model.
    limit : int
        Most pages that the memory cgroup may hold, page tables and other kernel memory apart, zswap's pool not.
    ratio : float
        Bytes of a page by those that zswap keeps of it; 0 where it keeps none.
    counters : dict
        Means over the repeats.
    spread : dict
        Difference of the largest and the smallest repeat, as a share of the mean.
    """

    trace: str
    backend: str
    lists: str
    policy: str
    limit: int
    ratio: float
    counters: Mapping[str, float]
    spread: Mapping[str, float]


def runs(record: linux.Record, release: str, trace: str) -> list[Run]:
    """Replays of a trace in the record of a release; none where the record lacks the experiment."""
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
        counters = {name: mean(name) for name in COUNTERS}
        spread = {name: (max(row[name] for row in rows) - min(row[name] for row in rows)) / max(counters[name], 1.0) for name in COUNTERS}
        policy = TWO_LISTS if lists == "two" else POLICIES[release]
        found.append(Run(trace, backend, lists, policy, limit, ratio, counters, spread))
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
        "workload": dict(_specs()["trace"][run.trace]),
        "memory": {"limit": float(run.limit), "policy": run.policy, "flush": NEVER, "charge_zswap": True},
        "backend": {"slots": 8.0, **backends[run.backend]}, "replay": {"seed": int(_specs()["seed"])},
    })  # fmt: skip


def modelled(run: Run) -> dict[str, float]:
    """Swap-ins and swap-outs (pages written) of the model's reclaim.

    They are those of every design: a stream of demands knows of none, and slots are plenty.
    """
    from dse.workloads import stream as streams

    stream = streams.build(scenario_of(run))
    for _ in stream.blocks():
        pass
    counted = stream.counters
    written = counted["reclaims_zswap" if run.backend == "zswap" else "reclaims_changed"]
    return {"swap_ins": float(counted["swap_ins"]), "swap_outs": float(written)}
