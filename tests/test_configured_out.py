"""Indirection configured out: swap_id_off counts what direct counts, to the bit, and compiles to the same instructions."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from dse.testing import conformance, streams
from kernels.compiling.jit import INTERPRETED
from kernels.life import registry as state
from kernels.observing import probe

NAMES = conformance.names()


def replayed(name: str, world: streams.World, *, count: bool, **parameters: int) -> conformance.Run:
    run = conformance.Run.of(name, world, **parameters)
    run.probe = run.probe if count else probe.make("off")
    run.replay(streams.random_demands(world, 300 if INTERPRETED else 20_000, 7))
    return run


@pytest.mark.interpreted
@pytest.mark.parametrize("move", range(3))
@pytest.mark.parametrize("world", streams.WORLDS, ids=lambda x: x.name)
def test_counters_and_state_equal_those_of_direct(world: streams.World, move: int) -> None:
    off, direct = (replayed(name, world, count=True, C_MOVE=move) for name in ("swap_id_off", "direct"))
    assert np.array_equal(off.probe.tally, direct.probe.tally)
    assert np.array_equal(off.probe.hist, direct.probe.hist)
    ours, theirs = off.st.arrays(), direct.st.arrays()
    assert list(ours) == list(theirs)
    assert all(np.array_equal(ours[k], theirs[k]) for k in ours)


def optimised(name: str) -> str:
    """Optimised LLVM of the design's replay with the probe that observes nothing."""
    replayed(name, streams.TINY, count=False)
    dispatcher: Any = state.REGISTRY[name].replay
    return compiled_text(dispatcher, state.REGISTRY[name].state)


def compiled_text(dispatcher: Any, cls: type) -> str:
    for signature, result in dispatcher.overloads.items():
        if "Off" in str(signature[1]) and getattr(signature[0], "instance_class", None) is cls:
            return str(result.library._get_module_for_linking())  # also there when the code came from the cache
    msg = f"no compiled replay with {probe.Off.__name__}"
    raise AssertionError(msg)


def normalised(text: str) -> list[str]:
    """Instructions with the names of functions, globals, labels and values replaced in the order of their appearance."""
    names: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        return names.setdefault(match.group(), f"{match.group()[0]}{len(names)}")

    text = re.sub(r"^!.*$", "", text, flags=re.MULTILINE)  # metadata holds names in strings
    text = re.sub(r'^("[^"]*"|[-\w.$]+):', r"%\1:", text, flags=re.MULTILINE)  # a label where it stands, as where it is jumped to
    text = re.sub(r'[@%]"[^"]*"|[@%][-\w.$]+', stand_in, text)
    lines = (re.sub(r"#\d+|!\d+|![a-z.]+|, align \d+", "", line).strip() for line in text.splitlines())
    skipped = (";", "!", "source_filename", "attributes", "target", "@")
    return [line for line in lines if line and not line.startswith(skipped)]


@pytest.mark.skipif(INTERPRETED, reason="nothing is compiled")
def test_the_layer_that_is_off_compiles_to_nothing() -> None:
    off, direct = normalised(optimised("swap_id_off")), normalised(optimised("direct"))
    differing = [(a, b) for a, b in zip(off, direct, strict=False) if a != b]
    assert len(off) == len(direct)
    assert not differing, f"{len(differing)} of {len(off)} lines differ, first {differing[:1]}"


@pytest.mark.skipif(INTERPRETED, reason="nothing is compiled")
@pytest.mark.parametrize("name", NAMES)
def test_no_kernel_counts_references(name: str) -> None:
    text = optimised(name)
    assert "NRT_incref" not in text
    assert "NRT_decref" not in text
    assert "NRT_Allocate" not in text
