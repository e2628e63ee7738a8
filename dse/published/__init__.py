"""Published figures as data of the package (README.md beside this file), and the yardsticks of ``dse validate``."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from importlib import resources

NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:\.\d+)?|(?<![A-Za-wyz\d.])\d+(?:\.\d+)?")  # not the 3 of v3, but that of x3


@dataclass(frozen=True)
class Yardstick:
    """Row of ``yardsticks.csv``; fields as in the file."""

    id: str
    kind: str
    check: str
    inputs: str
    expected: str
    tolerance: str
    why: str
    user_space_reproducible: str
    source: str

    @property
    def text(self) -> str:
        """Full text of the row."""
        return f"{self.check} | {self.inputs} | {self.expected} | {self.tolerance} | {self.why}"


@dataclass(frozen=True)
class Expected:
    """Expected figure of a yardstick, as in ``expected.csv``."""

    id: str
    quantity: str
    inputs: str
    value: float
    unit: str
    tolerance: str
    printed: str


def rows(name: str) -> list[dict[str, str]]:
    """Read a CSV file of this package.

    Parameters
    ----------
    name : str
        File name without ``.csv``.
    """
    text = resources.files(__name__).joinpath(f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def yardsticks() -> list[Yardstick]:
    """Every yardstick, in the order of the file."""
    return [Yardstick(**row) for row in rows("yardsticks")]


def expected() -> list[Expected]:
    """Every expected figure, in the order of the file."""
    return [
        Expected(row["id"], row["quantity"], row["inputs"], float(row["value"]), row["unit"], row["tolerance"], row["value"])
        for row in rows("expected")
    ]


def numbers(text: str) -> set[float]:
    """Numbers in a text, with their sign and without; digits of names such as v3 are none.

    Examples
    --------
    >>> sorted(numbers("p3: -256 MiB, 0.75-1.0, 2^28"))
    [-256.0, 0.75, 1.0, 2.0, 28.0, 256.0]
    """
    found = {float(item) for item in NUMBER.findall(text)}
    return found | {abs(x) for x in found}
