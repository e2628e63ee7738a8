"""Verdict on the bars of a row: they hold, a figure missed one, or one cannot be had on this machine.

A bar against something else than C (a bare array, another program) is out of reach
where the same algorithm in C misses it too and ours is no slower than C. The machine is
then the reason, and the row says so with the figure of C.
"""

from __future__ import annotations

from dataclasses import dataclass

NONE = "-"
HOLDS, MISSED, BEYOND = "holds: ", "missed: ", "out of reach: "


@dataclass(frozen=True)
class Bar:
    """One bar of a row.

    Attributes
    ----------
    holds : bool
        True if the figure reaches it.
    text : str
        The bar in words, with its unit.
    figure : str
        The figure held against it.
    of_c : str
        The figure of C, if it misses the bar as well and ours is no slower.
    """

    holds: bool
    text: str
    figure: str
    of_c: str = ""


def at_least(figure: float, bar: float, of: str, of_c: float | None = None) -> Bar:
    """`figure` must reach `bar`, if that of C, where ours is no slower, does."""
    return Bar(figure >= bar, f"at least {bar:.4g} {of}", f"{figure:.3g}", "" if of_c is None or of_c >= bar else f"{of_c:.3g}")


def inside(figure: float, low: float, high: float, of: str, of_c: float | None = None) -> Bar:
    """`figure` must lie in `low` .. `high`, if that of C, where ours is no slower, does."""
    beyond = "" if of_c is None or low <= of_c <= high else f"{of_c:.2f}"
    return Bar(low <= figure <= high, f"{low}..{high} {of}", f"{figure:.2f}", beyond)


def at_most(figure: float, bar: float, of: str) -> Bar:
    """`figure` must not go beyond `bar`."""
    return Bar(figure <= bar, f"at most {bar:.4g} {of}", f"{figure:.3g}")


def verdict(*bars: Bar) -> str:
    """The verdict on all bars of a row; a dash where there is none.

    Examples
    --------
    >>> verdict(at_most(1.1, 1.3, "of C"), at_least(2.5, 2.0, "of the peer"))
    'holds: at most 1.3 of C; at least 2 of the peer'
    >>> verdict(at_most(1.4, 1.3, "of C"), at_least(2.5, 2.0, "of the peer"))
    'missed: 1.4, not at most 1.3 of C'
    >>> verdict(at_most(1.1, 1.3, "of C"), at_least(1.5, 2.0, "of the peer", of_c=1.6))
    'holds: at most 1.3 of C; out of reach: 1.5 and C 1.6, not at least 2 of the peer'
    """
    missed = [f"{bar.figure}, not {bar.text}" for bar in bars if not bar.holds and not bar.of_c]
    if missed:
        return MISSED + "; ".join(missed)
    held = [bar.text for bar in bars if bar.holds]
    beyond = [f"{BEYOND}{bar.figure} and C {bar.of_c}, not {bar.text}" for bar in bars if not bar.holds]
    return "; ".join([HOLDS + "; ".join(held)] * bool(held) + beyond) if bars else NONE
