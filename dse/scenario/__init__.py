"""Scenarios: workload, memory, backends and replay, from a TOML file or by a built-in name."""

from dse.scenario.keys import Backend, Fork, KeyInfo, Memory, Moves, Replay, Swapoff, Workload, keys, reference
from dse.scenario.parsing import Scenario, builtin, from_values, line_of, load, parse
from dse.scenario.setting import changed, override

__all__ = [
    "Backend", "Fork", "KeyInfo", "Memory", "Moves", "Replay", "Scenario", "Swapoff", "Workload",
    "builtin", "changed", "from_values", "keys", "line_of", "load", "override", "parse", "reference",
]  # fmt: skip
