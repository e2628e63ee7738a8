"""A small space, and the values of a study that must be the same each time."""

from __future__ import annotations

import json
from typing import Any

from dse import naming
from dse.sweeps.analysing import Trial
from dse.sweeps.space import Configuration

TEXT = """
objectives = ["swap_in", "bytes_per_page", "move"]
[scenario]
workload = { generator = "zipf", pages = 2_048, accesses = 8_192, theta = 0.9 }
memory = { limit = 0.5 }
[axes.design]
values = ["direct", "swap_id"]
[axes.policy]
values = ["lowest", "cyclic"]
[axes.zswap]
values = ["native", "stacked"]
[axes."moves.rate"]
values = [0.0, 0.3, 1.0]
[axes."backend.mix"]
simplex = { of = ["zswap", "ssd"], steps = 2 }
[axes."memory.limit"]
range = { low = 0.4, high = 0.6, count = 2 }
[constraints]
memory = "bytes_per_page <= 1.5 * baseline"
"""


def said_by(found: dict[str, Any]) -> str:
    """Values that must be the same."""
    names = ("study", "trials", "front", "winners", "breakeven", "sensitivity", "regret")
    return json.dumps([found[name] for name in names], sort_keys=True)


def trial(number: int, design: str, environment: dict[str, Any], status: str = "ok", **values: float | None) -> Trial:
    """Trial of a design at an environment, with figures that the test chose."""
    named = naming.parse(design)
    choice = {"design": design, **{k: v for k, v in named.values.items() if v != named.design.parameters[k].default}}
    scenario_json = json.dumps(environment, sort_keys=True)
    return Trial(number, Configuration(named.text, choice, environment, scenario_json), f"key{number}", status, dict(values))
