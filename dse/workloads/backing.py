"""Backends of a scenario: which a page may go to, how many slots each has, sizes of compressed pages."""

from __future__ import annotations

import math

from dse.scenario import Scenario

PAGE = 4096
SLACK = 1 << 13  # folios above the memory limit: in the swap cache, in a move, in a batch


def shares_of(scenario: Scenario) -> dict[str, float]:
    """Share of the pages with data that each backend is meant for."""
    given = scenario.backend
    if not given.mix:
        return {given.placement or "zswap": 1.0}
    data = {name: share for name, share in given.mix.items() if name != "zero" and share > 0}
    total = sum(data.values())
    return {name: share / total for name, share in data.items()} if data else {given.disk: 1.0}


def zero_share(scenario: Scenario) -> float:
    """Share of zero-filled pages."""
    return scenario.backend.mix.get("zero", 0.0) if scenario.backend.mix else scenario.backend.zero_share


def backends_of(scenario: Scenario) -> list[str]:
    """Backends that a page may go to."""
    names = set(shares_of(scenario)) | set(scenario.moves.tiers if scenario.moves.rate else ())
    if "zswap" in names:
        names.add(scenario.backend.disk)
    if scenario.swapoff.device and scenario.swapoff.target != "memory":
        names.add(scenario.swapoff.target)
    return sorted(names)


def slots_of(scenario: Scenario, touched: int, limit: int) -> dict[str, int]:
    """Slots of each backend that has any, for `touched` pages and a memory limit of `limit` pages."""
    given, used = scenario.backend, backends_of(scenario)
    slots = {name: math.ceil(given.slots * touched) for name in used if name in ("zram", given.disk)}
    if given.hdd_slots and given.disk != "hdd":
        slots["hdd"] = math.ceil(given.hdd_slots * touched)
    if "ssd" in used and given.disk != "ssd":
        slots["ssd"] = math.ceil(given.slots * touched)
    if "zswap" in used:
        zero = zero_share(scenario)
        if given.mix:
            most = shares_of(scenario).get("zswap", 1.0) * touched
        else:
            low, _ = sizes_of(scenario)
            most = zero * touched + given.zswap_share * limit * PAGE / max(low // 16 * 16, 32)
        slots["zswap"] = min(touched, math.ceil(most * 1.05) + SLACK)
    return slots


def sizes_of(scenario: Scenario) -> tuple[int, int]:
    """Least compressed size [B] and half the range of sizes [B] of the triangular distribution."""
    mean = min(round(PAGE / scenario.backend.compression_ratio), PAGE - 1)
    half = min(mean // 2, PAGE - 1 - mean)
    return mean - half, half
