"""Reuse of traces: stack distances against a plain twin and an LRU list, hand-worked curves, text and picture."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse import cli, workloads
from dse.common.output import printable
from dse.reports import reuse as told
from dse.workloads import reuse, trace
from kernels import demand

Step = int | tuple[int, int]
steps = st.lists(st.integers(0, 11) | st.tuples(st.integers(0, 11), st.integers(1, 6)), min_size=1, max_size=120)


def made(items: list[Step], writes: int = 0) -> trace.Trace:
    """Trace of accesses (numbers) and unmaps (first page, count); bit i of `writes` makes access i a write."""
    accesses, events, positions = [], [], []
    for item in items:
        if isinstance(item, tuple):
            events.append(demand.pack(demand.UNMAP, item[0], count=item[1]))
            positions.append(len(accesses))
        else:
            accesses.append(item | (writes >> len(accesses) & 1) << 31)
    pages = len({a & trace.PAGE for a in accesses})
    given_events = np.array(events, np.uint64).reshape(-1, 2)
    return trace.build(
        np.array(accesses, np.uint32), {"recorder": "csv", "command": None}, pages=pages, space_shift=5, events=given_events,
        positions=np.array(positions, np.int64),
    )  # fmt: skip


class Stack:
    """Plain twin: the LRU stack as a list, the last page used at the end."""

    def __init__(self, items: list[Step]) -> None:
        self.stack: list[int] = []
        self.found: dict[int, int] = {}
        self.peak = 0
        for item in items:
            if isinstance(item, tuple):
                self.stack = [page for page in self.stack if not item[0] <= page < item[0] + item[1]]
                continue
            distance = len(self.stack) - self.stack.index(item) if item in self.stack else 0
            self.found[distance] = self.found.get(distance, 0) + 1
            self.stack = [page for page in self.stack if page != item] + [item]
            self.peak = max(self.peak, len(self.stack))


def simulated(items: list[Step], memory: int) -> int:
    """Misses of an LRU list of `memory` pages, simulated; an unmapped page leaves it and takes no room."""
    held: OrderedDict[int, None] = OrderedDict()
    misses = 0
    for item in items:
        if isinstance(item, tuple):
            for page in range(item[0], item[0] + item[1]):
                held.pop(page, None)
            continue
        if item in held:
            held.move_to_end(item)
            continue
        misses += 1
        held[item] = None
        if len(held) > memory:
            held.popitem(last=False)
    return misses


@pytest.mark.interpreted
@settings(max_examples=60, deadline=None)
@given(items=steps.filter(lambda some: any(isinstance(item, int) for item in some)))
def test_distances_equal_the_twin(items: list[Step]) -> None:
    found, twin = reuse.analyse(made(items)), Stack(items)
    assert {d: int(n) for d, n in enumerate(found.distances) if n} == twin.found
    assert found.peak == twin.peak
    assert int(found.distances.sum()) == found.accesses


@pytest.mark.interpreted
@settings(max_examples=60, deadline=None)
@given(items=st.lists(st.integers(0, 11), min_size=1, max_size=150), memory=st.integers(1, 12))
def test_misses_equal_a_simulated_list(items: list[int], memory: int) -> None:
    """Without unmaps: an unmapped page leaves room, which a stack distance does not know of."""
    assert reuse.analyse(made(list(items))).misses(memory) == simulated(list(items), memory)


def test_a_shipped_trace_misses_as_its_simulation() -> None:
    source = workloads.load("cc1")
    whole = trace.build(source.accesses, dict(source.meta), pages=source.pages, space_shift=source.space_shift, spaces=source.spaces)
    found = reuse.analyse(whole)
    for memory in (64, found.pages // 2):
        assert found.misses(memory) == simulated((whole.accesses & trace.PAGE).tolist(), memory)


def test_a_scan_by_hand() -> None:
    """Ten pages, four rounds: every access but the first ten comes at distance 10: 9 pages miss always, 10 never again."""
    found = reuse.analyse(made(list(range(10)) * 4))
    assert (found.cold, found.pages, found.peak) == (10, 10, 10)
    assert [found.misses(m) for m in (9, 10)] == [40, 10]
    assert [row["swap_ins"] for row in found.curve()] == [30] * 9
    assert found.turnover(5) == 30 / 5
    assert found.turnover(10) == 0.0
    assert found.worth() == list(reuse.SHARES)  # 30 swap-ins for 9 pages that do not fit, or fewer
    assert found.quantiles() == {0.5: 10, 0.9: 10, 0.99: 10}
    assert reuse.analyse(made([0, 1, 2])).worth() == []
    assert reuse.analyse(made([0, 1, 2])).quantiles() == {0.5: None, 0.9: None, 0.99: None}


def test_worth_is_where_swapped_pages_turn_over() -> None:
    """Three rounds over ten pages: 20 swap-ins, 20 / (10 - m) turnovers, which reaches 3 where 10 - m is 6 or less, that is m >= 4."""
    found = reuse.analyse(made(list(range(10)) * 3))
    assert found.worth() == [0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def test_windows_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reuse, "WINDOWS", 2)
    found = reuse.analyse(made([0, 1, 0, 2, 2, 2], writes=0b110001))
    assert found.length == 3
    assert found.windows.tolist() == [[2, 1, 1], [1, 1, 2]]


def test_text_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trace", "info", "sort", "--chart", str(tmp_path / "a.png")]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 45
    assert "Worth a run" in out
    assert "wrote" in err
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert cli.main(["trace", "info", "sort", "--chart", str(tmp_path / "a.svg")]) == 0
    first = (tmp_path / "a.svg").read_bytes()
    assert cli.main(["trace", "info", "sort", "--chart", str(tmp_path / "b.svg")]) == 0
    assert (tmp_path / "b.svg").read_bytes() == first
    capsys.readouterr()
    assert cli.main(["trace", "info", "sort", "--format", "json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert [one["limit"] for one in row["curve"]] == list(reuse.SHARES)
    for argv, said in (
        (["sort", "--chart", "a.gif"], "unknown kind of picture '.gif'"),
        (["--chart", "a.png"], "--chart needs a trace"),
    ):
        assert cli.main(["trace", "info", *argv]) == 2
        assert said in capsys.readouterr().err


def test_verdicts_by_hand() -> None:
    worth = told.verdict(reuse.analyse(made(list(range(10)) * 3)), "x")
    assert worth == [
        "Worth a run at memory.limit=0.4 to 0.9: swapped pages turn over 3 times or more.",
        "Next: dse compare --trace x --set memory.limit=0.5",
    ]
    short = told.verdict(reuse.analyse(made([*range(10), 0])), "x")  # one swap-in, one page does not fit: turns over once
    assert short == [
        "Too short for aged figures: swapped pages turn over 1 times at most, at memory.limit=0.9, and 3 are needed.",
        "Next: dse compare --trace x --set memory.limit=0.9 --set workload.accesses=33",
    ]
    assert told.verdict(reuse.analyse(made(list(range(10)))), "x") == ["Not worth a run: no page comes back, whatever the memory."]


def test_commands_are_printed_on_one_line() -> None:
    assert printable("perl -e 'a\nb\tc\x1b'") == r"perl -e 'a\nb\tc\x1b'"
    assert printable("grüße") == "grüße"
