"""Words on the precision of a comparison: how narrow its intervals became, and what budget would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _wide(measuring: Mapping[str, Any]) -> str:
    """Name the headline ratios whose intervals stayed wide, by operation and state, with the reason of the first."""
    groups: dict[str, list[str]] = {}
    for at in measuring["open"]:
        groups.setdefault(f"{at['op']} ({at['state']})", []).append(f"{at['design']} against {at['baseline']}: {at['why']}")
    return "; ".join(f"{where} {found[0]}{f', and {len(found) - 1} more' * (len(found) > 1)}" for where, found in groups.items())


def precision(run: Mapping[str, Any]) -> str:
    """Say how narrow the intervals of headline ratios became in which time, which stayed wide and why, and what budget would do.

    Parameters
    ----------
    run : mapping
        Provenance of a variant; without ``measuring`` nothing is said.
    """
    at = run.get("measuring")
    if not at:
        return ""
    pairs = " and ".join(f"{n} {state}" for state, n in at["pairs"].items())
    said = (
        f"Measured for {at['spent_s']:.0f} of {at['budget_s']:.0f} s, {pairs} timed chunks in {at['passes']} passes, until {at['ended']}: "
        f"{at['met']} of {at['headline']} intervals of aged headline ratios are at most {100 * at['target_width']:g} % wide."
    )
    if at["open"]:
        said += f" Still wide: {_wide(at)}."
    if at["needed_s"] is not None:
        said += f" A budget of some {at['needed_s']:,.0f} s for this variant would do (estimate)."
    return said
