"""Slots that have the data of others, in designs that keep the data of a page elsewhere than its slot."""

from __future__ import annotations

from typing import Any

from dse.testing import invariants_redirect, invariants_ste
from dse.testing.reading import Ints


def data(st: Any, slots: Ints) -> Ints:
    """The slots that have the data of `slots`, themselves where no other has."""
    if len(slots) == 0:
        return slots
    if hasattr(st, "vtable"):
        return invariants_ste.data(st, slots)
    return invariants_redirect.data(st, slots) if hasattr(st, "rtail") else slots
