"""Outcomes of a rule, and figures in words."""

from __future__ import annotations

from dataclasses import dataclass

from dse.asking.studies import Rule


@dataclass(frozen=True)
class Said:
    """Outcome of a rule.

    Attributes
    ----------
    status : str
        ``yes``, ``no``, ``number``, ``curve``, ``inconclusive``.
    figures : dict of str to str
        Figure of each design in words.
    order : tuple of str
        Designs, worst first.
    open, asked : int
        Figures that decide nothing, and all of them.
    text, line : str
        All figures in words, where they are not those of one baseline, and the least that tells the verdict.
    table : tuple of dict
        Rows of the answer's table, where they are not the points themselves.
    caption : str
        What the columns of that table are, and in which units.
    limits : str
        The limit of a yes or no, and which designs keep it.
    note : str
        What the certainty has to say besides.
    """

    status: str
    figures: dict[str, str]
    order: tuple[str, ...]
    open: int = 0
    asked: int = 0
    text: str = ""
    table: tuple[dict[str, str], ...] = ()
    line: str = ""
    caption: str = ""
    limits: str = ""
    note: str = ""


DIGITS_MOST = 9
PART = 20
"""A figure is rounded by at most this part of what it differs by."""


def digits_of(value: float, rule: Rule, lo: float | None = None, hi: float | None = None, middle: float = 0.0) -> int:
    """Digits behind the point of a figure: those of the rule, or else enough to tell it from `middle`, one at least.

    Examples
    --------
    >>> digits_of(0.9701, Rule("number"), middle=1.0), digits_of(34.5678, Rule("number")), digits_of(0.9701, Rule("number", digits=1))
    (2, 1, 1)
    """
    if rule.digits >= 0:
        return rule.digits
    most = max(abs(value - middle), 0.0 if lo is None or hi is None else (hi - lo) / 2) / PART
    return next((n for n in range(1, DIGITS_MOST) if abs(round(value, n) - value) <= most), DIGITS_MOST)


def written(
    value: float | None, rule: Rule, lo: float | None = None, hi: float | None = None, signed: bool = False, middle: float = 0.0
) -> str:
    """Write a figure with its interval.

    Examples
    --------
    >>> written(1234.56, Rule("number", digits=0), 1200.0, 1300.0), written(0.5, Rule("number"), signed=True), written(None, Rule("number"))
    ('1,235 [1,200, 1,300]', '+0.5', '-')
    """
    if value is None:
        return "-"
    form = f"{'+' if signed else ''},.{digits_of(value, rule, lo, hi, middle)}f"
    text = f"{value:{form}}"
    if lo is None or hi is None or lo == hi:
        return text
    return f"{text} [{lo:{form}}, {hi:{form}}]"
