"""Figures of a comparison, found by what they are of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dse.storing import Figure

FULL, MEMCG_FULL = "swap_ins_seeing_swap_full", "swap_ins_seeing_memcg_swap_full"
"""Metrics of the share of the swap-ins that saw swap full: by the device, by the memory cgroup."""
LIFETIME = ("swap_out", "writeback_end", "swap_in")
"""A page's swapped lifetime, a swap-out and return. An ID costs something in each, whether or not the page moves."""
CLOSED = "closed_loop"
"""Operation under which the figures of a closed loop stand: pages in memory, faults."""


class Key(NamedTuple):
    """The name of a figure. Columns that do not apply are empty; `against` is the design that it compares with.

    Without a `state` it names the figure of the first state of the caches that was measured.
    """

    design: str
    op: str
    metric: str
    stat: str = ""
    age: str = ""
    against: str = ""
    state: str = ""


class Figures:
    """Figures by what they are of."""

    def __init__(self, rows: Sequence[Figure]) -> None:
        self.rows, self._rows = rows, dict[Key, Figure]()
        for row in rows:
            key = self._key(row)
            self._rows.setdefault(key, row)
            self._rows[key._replace(state=row.get("state") or "")] = row

    @staticmethod
    def _key(row: Figure) -> Key:
        return Key(row["design"], row["op"], row["metric"], row.get("stat") or "", row.get("age") or "", row.get("baseline") or "")

    def row(self, design: str, op: str, metric: str, *, stat: str = "", age: str = "", against: str = "", state: str = "") -> Figure | None:
        """One row, None where there is none."""
        return self._rows.get(Key(design, op, metric, stat, age, against, state))

    def value(
        self, design: str, op: str, metric: str, *, stat: str = "", age: str = "", against: str = "", state: str = ""
    ) -> float | None:
        """One figure, None where there is none."""
        found = self.row(design, op, metric, stat=stat, age=age, against=against, state=state)
        return None if found is None else found["value"]


def percent(value: float | None) -> str:
    """Write a share."""
    if value is None:
        return "-"
    return f"{value * 100:.3g} %"
