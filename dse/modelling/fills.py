"""``dse.break_even``: bytes of designs over the fill of their devices."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dse import naming
from dse.errors import BadInput
from dse.modelling.bookkeeping import checked

SLOTS = 1 << 23
COMPRESSED = 1  # bytes of compressed pages are in no sum
SAMPLES = 256
MEASURES = ("counted", "counted with headers", "allocated")
"""As published tables count; the same with cluster headers; as the kernel allocates, headers included."""


@dataclass(frozen=True)
class Curve:
    """Bytes of a design as a function of the swapped pages.

    Attributes
    ----------
    name : str
        The design.
    slots : int
        Slots of the devices.
    at : callable
        Ledger of a number of pages.
    """

    name: str
    slots: int
    at: Callable[[int], Any]

    def bytes(self, measure: str, pages: int) -> int:
        """Bytes by one of :data:`MEASURES`, `pages` swapped out."""
        book = self.at(pages)
        return int(
            {
                "counted": book.total_bytes, "counted with headers": book.total_bytes + book.header_bytes,
                "allocated": book.allocated_bytes,
            }[measure]
        )  # fmt: skip


def curve(design: str, slots: int = SLOTS, backend: str | Mapping[str, float] = "zswap") -> Curve:
    """The closed form of a design's ledger as a function of the fill.

    Parameters
    ----------
    design : str
        ``NAME[param=value,...]``.
    slots : int
        Slots of the devices, 1 to 2^28.
    backend : str or mapping
        As for :func:`dse.ledger`.
    """
    from dse.modelling.ledger import closed

    named = naming.parse(design)
    mix, _ = checked(slots, backend, COMPRESSED)
    return Curve(named.text, slots, lambda pages: closed(named.design, named.values, slots, pages / slots, mix, COMPRESSED))


def line(one: Curve, measure: str) -> tuple[int, int] | None:
    """Bytes when idle and when full of a curve that is straight to within 16 bytes (rounding to words); None for any other curve."""
    idle, full = one.bytes(measure, 0), one.bytes(measure, one.slots)
    for part in range(1, 8):
        pages = one.slots * part // 8
        if abs(one.bytes(measure, pages) - (idle + Fraction(full - idle, one.slots) * pages)) > 16:
            return None
    return idle, full


def crossings(a: Curve, b: Curve, measure: str) -> list[tuple[float, str]]:
    """Fills at which two curves cross, each with the method that found it.

    The crossing of two straight lines follows from their ends, exactly. Other curves are compared at 257 points. Between two points of
    opposite sign the page is found by bisection. Of several crossings within 1/256 of the device, one is given.
    """
    one, two = line(a, measure), line(b, measure)
    if one is not None and two is not None:
        (a0, a1), (b0, b1) = one, two
        start, end = a0 - b0, a1 - b1
        if start * end < 0 or (end == 0 and start) or (start == 0 and end):
            return [(float(Fraction(start, start - end)), "closed form")]
        return []

    def difference(pages: int) -> int:
        return a.bytes(measure, pages) - b.bytes(measure, pages)

    points = sorted({a.slots * i // SAMPLES for i in range(SAMPLES + 1)})
    signs = [(pages, difference(pages)) for pages in points]
    signs = [(pages, sign) for pages, sign in signs if sign]
    out = []
    for (low, before), (high, after) in itertools.pairwise(signs):
        if (before > 0) == (after > 0):
            continue
        first, last = low, high
        while last - first > 1:
            middle = (first + last) // 2
            first, last = (middle, last) if (difference(middle) > 0) == (before > 0) else (first, middle)
        out.append((last / a.slots, "bisection"))
    return out


def break_even(a: str, b: str, slots: int = SLOTS, backend: str | Mapping[str, float] = "zswap") -> dict[str, Any]:
    """Find the fill at which two designs take the same bytes.

    Parameters
    ----------
    a, b : str
        ``NAME[param=value,...]``.
    slots : int
        Slots (4 KiB) of the devices, 1 to 2^28.
    backend : str or mapping
        As for :func:`dse.ledger`.

    Returns
    -------
    dict
        ``rows``, for each measure (counted, counted with headers, allocated) and each crossing, or one row where there is none: measure,
        fill (0 to 1, None), percent, pages, smaller_below and smaller_above (designs), method.

    Raises
    ------
    BadInput
        Unknown designs, sizes out of range, or a design against itself.

    Examples
    --------
    >>> break_even("direct", "swap_id[base=swap_table_p4]", backend="ssd")["rows"][0]["percent"]
    31.25
    """
    one, two = curve(a, slots, backend), curve(b, slots, backend)
    if one.name == two.name:
        raise BadInput(f"break-even needs two designs, got {one.name} twice")
    rows: list[dict[str, Any]] = []
    for measure in MEASURES:
        found = crossings(one, two, measure)
        if not found:
            ends = {"smaller_below": _smaller(one, two, measure, 0), "smaller_above": _smaller(one, two, measure, slots)}
            rows.append({"measure": measure, "fill": None, "percent": None, "pages": None, **ends, "method": "none"})
        for fill, method in found:
            below, above = round(fill * slots) // 2, round((1 + fill) / 2 * slots)
            rows.append(
                {
                    "measure": measure, "fill": fill, "percent": 100.0 * fill, "pages": round(fill * slots),
                    "smaller_below": _smaller(one, two, measure, below), "smaller_above": _smaller(one, two, measure, above),
                    "method": method,
                }
            )  # fmt: skip
    return {
        "a": one.name,
        "b": two.name,
        "slots": slots,
        "backend": checked(slots, backend, COMPRESSED)[1],
        "kind": "counted",
        "rows": rows,
    }


def sentence(found: Mapping[str, Any], measure: str = MEASURES[-1]) -> str:
    """Say which of two designs is smaller at which fill.

    Parameters
    ----------
    found : mapping
        What :func:`break_even` returns.
    measure : str
        One of :data:`MEASURES`.

    Examples
    --------
    >>> row = {"measure": "allocated", "percent": 57.0, "smaller_below": "vswap_v6", "smaller_above": "direct"}
    >>> sentence({"a": "direct", "b": "vswap_v6", "rows": [row]})
    'Allocated bytes: below 57 % of the slots in use vswap_v6 is smaller, above direct.'
    """
    rows = [row for row in found["rows"] if row["measure"] == measure]
    what = measure[:1].upper() + measure[1:]
    if rows[0]["percent"] is None:
        ends = {rows[0]["smaller_below"], rows[0]["smaller_above"]} - {"equal"}
        if not ends:
            return f"{what} bytes: {found['a']} and {found['b']} are equal at every fill."
        return f"{what} bytes: {' and '.join(sorted(ends))} is smaller at every fill."
    parts = [f"below {_percent(rows[0]['percent'])} % of the slots in use {_is(rows[0]['smaller_below'])}"]
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        above = row["smaller_above"] if after is None else after["smaller_below"]
        upto = "above" if after is None else f"from {_percent(row['percent'])} to {_percent(after['percent'])} %"
        parts.append(f"{upto} {above if above != 'equal' else 'they are equal'}")
    return f"{what} bytes: {', '.join(parts)}."


def _is(name: str) -> str:
    """Say of a design that it is smaller."""
    return "they are equal" if name == "equal" else f"{name} is smaller"


def _percent(value: float) -> str:
    """Write a percentage with at most one digit behind the point."""
    return f"{value:.1f}".removesuffix(".0")


def _smaller(one: Curve, two: Curve, measure: str, pages: int) -> str:
    """The design that takes fewer bytes."""
    x, y = one.bytes(measure, pages), two.bytes(measure, pages)
    return "equal" if x == y else one.name if x < y else two.name
