"""Shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def unsigned_words_wrap() -> Iterator[None]:
    """Kernels run as plain Python (NUMBA_DISABLE_JIT=1) wrap around in uint64, as they do compiled; NumPy would warn."""
    with np.errstate(over="ignore"):
        yield
