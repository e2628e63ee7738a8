"""Reclaim beside unmodified kernels: swap-ins and swap-outs of replays that were counted in qemu (tests/stored/replays.csv).

A row is one boot of a distribution kernel under TCG. The guest's program made the accesses that the generator makes in a memory cgroup
of 64 MiB, page-cluster 0, zswap with lzo, and read memory.stat every `flush` accesses, which flushes the statistics that reclaim sees.
`limit` is what page tables and other kernel memory left of it, in pages; `ratio` is zswapped over zswap of memory.stat at the end.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from dse import scenario
from dse.workloads import stream

TOLERANCE = 0.03
ROWS = list(csv.DictReader((Path(__file__).parent / "stored" / "replays.csv").read_text(encoding="ascii").splitlines()))


def policy_of(row: dict[str, str]) -> str:
    """Policy of the model for the lists of a kernel."""
    if row["lists"] == "two":
        return "active-inactive"
    return "mglru-6.18" if row["kernel"] == "6.18" else "mglru"


def scenario_of(row: dict[str, str]) -> scenario.Scenario:
    """Scenario that does what the guest did."""
    backend = {"mix": {"zero": 1.0}}
    if row["backend"] == "zswap":
        backend = {
            "placement": "zswap", "zero_share": 0.0, "incompressible_share": 0.0, "zswap_share": 1.0,
            "compression_ratio": float(row["ratio"]),
        }  # fmt: skip
    workload = {"generator": row["generator"], "pages": int(row["pages"]), "accesses": int(row["accesses"]), "write_share": 0.3}
    return scenario.from_values(
        "replay",
        {
            "workload": workload | ({"theta": float(row["theta"])} if row["theta"] else {}),
            "memory": {
                "limit": float(row["limit"]), "policy": policy_of(row), "flush": int(row["flush"]),
                "charge_zswap": row["charged"] == "yes",
            },
            "backend": {"slots": 8.0, **backend}, "replay": {"seed": int(row["seed"])},
        },
    )  # fmt: skip


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: "-".join(row[k] for k in ("kernel", "lists", "backend", "generator", "accesses", "flush"))
)
def test_swaps_as_often_as_the_kernel(row):
    made = stream.build(scenario_of(row))
    assert sum(1 for _ in made.blocks())
    counted = made.counters
    out = counted["reclaims_zswap"] if row["backend"] == "zswap" else counted["reclaims_changed"]
    assert counted["swap_ins"] == pytest.approx(int(row["swap_ins"]), rel=TOLERANCE)
    assert out == pytest.approx(int(row["swap_outs"]), rel=TOLERANCE)


def test_the_rows_tell_policies_and_flushes_apart():
    """The tolerance is narrower than what a wrong policy or unseen statistics would change."""
    rows = [row for row in ROWS if row["accesses"] == "500000"]
    swaps = {(row["kernel"], row["lists"], row["flush"]): int(row["swap_ins"]) for row in rows}
    assert swaps["7.2", "two", "200"] > 1.1 * swaps["7.2", "two", "1000000"]
    assert swaps["7.2", "mglru", "200"] > 1.09 * swaps["6.18", "mglru", "200"]
