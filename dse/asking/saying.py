"""Outcomes of a rule, and figures in words."""

from __future__ import annotations

from dataclasses import dataclass

from dse.asking.declaring import Rule


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
    text : str
        All figures in words, where they are not those of one baseline.
    table : tuple of dict
        Rows of the answer's table, where they are not the points themselves.
    """

    status: str
    figures: dict[str, str]
    order: tuple[str, ...]
    open: int = 0
    asked: int = 0
    text: str = ""
    table: tuple[dict[str, str], ...] = ()


def written(value: float | None, rule: Rule, lo: float | None = None, hi: float | None = None, signed: bool = False) -> str:
    """Write a figure with its interval.

    Examples
    --------
    >>> written(1234.56, Rule("number", digits=0), 1200.0, 1300.0), written(0.5, Rule("number"), signed=True), written(None, Rule("number"))
    ('1,235 [1,200, 1,300]', '+0.5', '-')
    """
    if value is None:
        return "-"
    sign = "+" if signed else ""
    text = f"{value:{sign},.{rule.digits}f}"
    if lo is None or hi is None or lo == hi:
        return text
    return f"{text} [{lo:{sign},.{rule.digits}f}, {hi:{sign},.{rule.digits}f}]"
