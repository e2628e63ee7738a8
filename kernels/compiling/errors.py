"""The error of a design that cannot be used."""

from __future__ import annotations


class BadDesign(ValueError):
    """A design breaks a contract.

    The message is one line: the design or the place, the fault, the nearest valid name where there is one.
    """
