"""Scenarios on other traces and with other keys: ``--trace``, ``--set``, and the refusal of what swaps nothing out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import dse
from dse import cli, scenario
from dse.measuring import lacking
from dse.workloads import trace


def test_the_refusal_names_a_limit_that_is_nearly_the_largest() -> None:
    """A scan of 100 pages, one batch of 32 reclaimed at a time: what fits 100 pages does not fit 99."""
    calm = scenario.from_values("calm", {"workload": {"generator": "scan", "pages": 128, "accesses": 100}, "memory": {"limit": 1.0}})
    assert not lacking.swaps(calm)
    found = lacking.memory(calm, 128)
    assert found is not None
    assert 90 <= found < 100
    assert lacking.swaps(calm.but(memory__limit=float(found)))
    assert lacking.accesses(calm.but(memory__limit=0.9)) == 200
    assert lacking.accesses(calm) is None


def test_a_trace_and_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages = np.arange(4000, dtype=np.uint32) % 500
    trace.save(trace.build(pages | trace.WRITE, {"recorder": "csv", "command": None}, pages=500), tmp_path / "mine.npz")
    mine = str(tmp_path / "mine.npz")
    found = dse.compare("no-move", "direct", counted_only=True, trace=mine, settings=["memory.limit=0.3", "memory.policy=lru"])
    about = found["provenance"]["runs"][0]
    assert about["label"] == "no-move on mine, memory.limit=0.3, memory.policy=lru, moves.rate=0"
    values = json.loads(about["scenario_json"])
    assert (values["workload"]["trace"], values["workload"]["accesses"], values["memory"]["limit"]) == (mine, 4000, 0.3)
    assert about["stream"]["faults"] == 4000  # a scan of 500 pages in 150 misses at each access
    capsys.readouterr()
    for argv, said in (
        (["compare", mine], f"{mine} is a trace, not a scenario: dse compare --trace {mine} replays it"),
        (["compare", "--trace", "x.toml"], "x.toml is a scenario, not a trace: dse compare x.toml"),
        (["compare", "--trace", mine, "--set", "workload.generator=zipf"], "--trace gives the workload"),
        (["compare", "--set", "memory.limt=0.3"], "unknown key 'memory.limt', did you mean 'memory.limit'?"),
        (["compare", "--set", "memory.limit=-1"], "memory.limit is from 0 to 268,435,456, got -1"),
        (["compare", "--set", "memory.limit"], "'memory.limit' is not of the form section.key=value"),
        (["compare", "--set", "memory.limit=1", "--set", "memory.limit=2"], "memory.limit is set twice"),
        (["compare", "--set", "workload.theta=0.5"], "workload.theta has no effect in scenario writeback"),
        (["sweep", "--set", "moves.rate=1"], "moves.rate is an axis of space default"),
        (["sweep", "x.npz"], "x.npz is a trace"),
    ):
        assert cli.main(argv) == 2
        told = capsys.readouterr().err
        assert said in told
        assert told.count("\n") == 1


def test_settings_take_the_other_way_away() -> None:
    chosen = scenario.load("writeback")
    mixed = scenario.changed(chosen, {"backend.mix": {"ssd": 1.0}})
    assert (mixed.backend.placement, dict(mixed.backend.mix)) == (None, {"ssd": 1.0})
    assert scenario.changed(chosen, {"workload.generator": "zipf"}).workload.trace is None
    assert scenario.changed(chosen, {}) is chosen
