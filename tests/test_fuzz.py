"""A thousand damaged inputs for each reader: taken, or refused in one line. ``make fuzz`` feeds many more."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from dse.errors import BadInput
from tests import fuzz, fuzzreaders

INPUTS, MOST = 1000, 30.0
"""Inputs of a reader, and seconds after which the rest is left to the nightly run."""


@pytest.mark.parametrize("name", fuzzreaders.READERS)
def test_damaged_inputs_are_taken_or_refused_in_one_line(name: str) -> None:
    found = fuzz.feed(name, range(INPUTS), most=MOST)
    assert not found.tracebacks
    assert not found.hangs
    assert found.codes["0"] > 0
    assert found.codes["2"] > found.inputs // 10
    assert set(found.codes) == {"0", "2"}


def test_a_reader_that_fails_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path, _: random.Random) -> None:
        content = path.read_bytes()
        if b"x" in content:
            raise KeyError(content)
        if b"y" in content:
            raise BadInput("two" + chr(10) + "lines")
        if b"z" in content:
            time.sleep(0.2)

    seeds = [b"a", b"x", b"y", b"z"]
    monkeypatch.setitem(fuzzreaders.READERS, "bad", lambda _: fuzzreaders.Reader(seeds, read))
    monkeypatch.setattr(fuzz, "PATIENCE", 0.1)
    found = fuzz.feed("bad", range(4))
    assert found.inputs == 4
    assert found.codes == {"0": 1, "2": 1}
    assert found.hangs == [3]
    assert sorted(where for where, _ in found.tracebacks.values()) == [1, 2]
    assert any("KeyError at test_fuzz.py" in what for what in found.tracebacks)


def test_an_input_is_made_again_from_its_number(tmp_path: Path) -> None:
    for name in ("csv", "scenario", "npz"):
        reader = fuzzreaders.READERS[name](tmp_path)
        assert [reader.made(n)[0] for n in range(60)] == [reader.made(n)[0] for n in range(60)]
        assert len({reader.made(n)[0] for n in range(60)}) > 30


def test_a_reader_is_fed_for_some_seconds() -> None:
    found = fuzz.whole("csv", 10**9, 0, seconds=4.0)
    assert 0 < found.inputs < 10**9
    assert sum(found.codes.values()) == found.inputs
    assert fuzz.whole("csv", 3, 7).inputs == 3
