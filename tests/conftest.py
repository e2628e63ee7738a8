"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def wrap_around() -> Iterator[None]:
    """Unsigned arithmetic wraps in compiled kernels; interpreted ones must not warn of it."""
    with np.errstate(over="ignore"):
        yield
