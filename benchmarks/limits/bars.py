"""What a row says of its bars: that they hold, or which figure missed which."""

from __future__ import annotations

from dataclasses import dataclass

NONE = "-"
HOLDS, MISSED = "holds: ", "missed: "


@dataclass(frozen=True)
class Bar:
    """One bar of a row.

    Attributes
    ----------
    holds : bool
        Whether the figure reaches it.
    text : str
        The bar in words, with its unit.
    figure : str
        The figure that was held against it.
    """

    holds: bool
    text: str
    figure: str


def at_least(figure: float, bar: float, of: str) -> Bar:
    """`figure` must reach `bar`."""
    return Bar(figure >= bar, f"at least {bar:.4g} {of}", f"{figure:.3g}")


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
    """
    missed = [f"{bar.figure}, not {bar.text}" for bar in bars if not bar.holds]
    if missed:
        return MISSED + "; ".join(missed)
    return HOLDS + "; ".join(bar.text for bar in bars) if bars else NONE
