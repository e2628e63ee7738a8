"""Compiling without some of Numba's ways (kernels/compiling/pipeline.py): refusals, places in errors, a cache that may be damaged."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core import errors

from kernels.compiling.errors import BadDesign
from kernels.compiling.jit import INTERPRETED, inner, outer, u
from kernels.structures import swap_map

pytestmark = pytest.mark.skipif(INTERPRETED, reason="nothing is compiled")
WORD = u(7)


@inner
def raising(x):  # type: ignore[no-untyped-def]
    """Raise an exception that no caller would see."""
    if x > WORD:
        msg = "too large"
        raise ValueError(msg)
    return x


@inner
def puzzling(x):  # type: ignore[no-untyped-def]
    """Use a name of a module that it does not have."""
    return swap_map.no_such_name(x)


@inner
def several(x):  # type: ignore[no-untyped-def]
    """Reply with more than one value, one of them a constant of another module."""
    return x + WORD, swap_map.PAGE, x > WORD


@outer
def calls_raising(x):  # type: ignore[no-untyped-def]
    """Call a function that raises."""
    return raising(x)


@outer
def calls_puzzling(x):  # type: ignore[no-untyped-def]
    """Call a function that does not compile."""
    return puzzling(x)


@inner
def yielding(x):  # type: ignore[no-untyped-def]
    """Yield, which no caller would see."""
    yield x


@inner
def catching(x):  # type: ignore[no-untyped-def]
    """Catch what is not raised."""
    try:
        return WORD // x
    except ZeroDivisionError:
        return x


@outer
def calls_yielding(x):  # type: ignore[no-untyped-def]
    """Call what yields."""
    return yielding(x)


@outer
def calls_catching(x):  # type: ignore[no-untyped-def]
    """Call what catches."""
    return catching(x)


@outer
def calls_several(x):  # type: ignore[no-untyped-def]
    """Add up the replies of :func:`several`."""
    total, page, large = several(x)
    if large:
        total += page
    return total


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (calls_raising, "a kernel replies with a code; it raises nothing"),
        (calls_puzzling, "kernels.structures.swap_map has no no_such_name"),
        (calls_yielding, "a kernel returns; it yields nothing"),
        (calls_catching, "a kernel catches nothing: it has no try-block and no with-block"),
    ],
    ids=["raises", "puzzles", "yields", "catches"],
)
def test_what_is_refused_is_said_in_one_line_with_its_place(run: Any, says: str) -> None:
    with pytest.raises(BadDesign, match=rf"^[^\n]*test_jit\.py:\d+: {says}$") as found:
        run(u(1))
    assert isinstance(found.value.__cause__, errors.NumbaError)


@pytest.mark.parametrize("x", [0, 7, 8, 1 << 40])
def test_values_come_back_through_plain_calls(x: int) -> None:
    want = x + 7 + (int(swap_map.PAGE) if x > 7 else 0)
    assert int(calls_several(np.uint64(x))) == want


DAMAGE = {"cut": b"", "garbage": b"\x80\x05nonsense", "unknown module": b"\x80\x05cnowhere_at_all\nProbe\n."}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("part", ["nbi", "nbc"])
def test_a_damaged_cache_is_as_none(part: str, damage: bytes) -> None:
    total = outer(calls_several.py_func)
    assert int(total(np.uint64(7))) == 14
    paths = [path for path in Path(total._cache.cache_path).glob("test_jit.calls_several-*") if path.suffix == f".{part}"]
    assert paths
    for path in paths:
        path.write_bytes((pickle.dumps(total._cache._cache_file._version) if part == "nbi" else b"") + damage)
    again = outer(calls_several.py_func)
    assert int(again(np.uint64(7))) == 14
    assert sum(again.stats.cache_misses.values()) == 1
    assert sum(outer(calls_several.py_func).stats.cache_misses.values()) == 0
