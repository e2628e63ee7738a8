"""The side-by-side measurements: both sides are the same algorithm, the page says what was stored, the stored figures meet the bars."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.limits import __main__ as command
from benchmarks.limits import build, drivers, micro, report, whole
from dse.measuring.stats import Interval
from kernels import demand
from kernels.jit import u


def test_our_side_and_c_leave_the_same_tree() -> None:
    try:
        build.compiler()
    except build.NoCompilerError as missing:
        pytest.skip(str(missing))
    with build.library() as entry:
        micro.same_results(10, entry)


def test_a_different_algorithm_is_found_out() -> None:
    """Negative control: a side that does nothing is told from ours."""
    with pytest.raises(ValueError, match="different trees"):
        micro.same_results(10, lambda name: lambda *args: 0)


def test_no_compiler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(build.NoCompilerError, match="no C compiler"):
        build.compiler()


def test_the_bare_array_is_one_cycle() -> None:
    tree = micro.new_tree(10, tracked=False)
    seen, at = set(), 0
    for _ in range(1 << 10):
        at = int(tree.arrays()["plain"][at])
        seen.add(at)
    assert len(seen) == 1 << 10
    assert at == 0
    assert int(drivers.plain_dependent(tree, u(0), u(1 << 10), u(10))) == 0


def test_verdicts_follow_the_bars() -> None:
    case, one = micro.Case("load", micro.FENCED, micro.BAR_BITS), Interval(1.0, 0.99, 1.01, 64)
    over = Interval(2.9, 2.8, 3.0, 64)
    assert micro.verdict(case, {"over_plain": over, "over_c": one}) == "met"
    assert micro.verdict(case, {"over_plain": one, "over_c": one}).startswith("missed: 1.00 times")
    assert micro.verdict(case, {"over_plain": over, "over_c": Interval(1.0, 0.9, 1.01, 64)}).startswith("missed: 0.900..1.010 of C")
    assert micro.verdict(micro.Case("erase", micro.FENCED, 24), {"over_plain": over, "over_c": one}) == "-"


def naive_lru(accesses: list[int], frames: int) -> list[tuple[int, int, bool]]:
    """(kind, page, flagged) of each demand, by a dictionary in the order of use."""
    held: dict[int, bool] = {}
    out = []
    for access in accesses:
        page, write = access & 0x7FFF_FFFF, access >> 31 == 1
        if page in held:
            held[page] = held.pop(page) or write
            continue
        if len(held) == frames:
            victim = next(iter(held))
            out.append((demand.RECLAIM, victim, held.pop(victim)))
        held[page] = write
        out.append((demand.FAULT, page, write))
    return out


def test_demands_are_those_of_exact_lru() -> None:
    case = whole.Case("zipf", 8, 0.25)
    accesses = whole.accesses_of(case, 4096, seed=3)
    blocks = whole.demands_of(case, accesses, chunk=512)
    words = np.concatenate(blocks)
    kinds, pages = words[:, 0] & np.uint64(0xFF), words[:, 0] >> np.uint64(32)
    made = [(int(k), int(p), bool(x)) for k, p, x in zip(kinds, pages, words[:, 1], strict=True)]
    assert made == naive_lru([int(a) for a in accesses], case.frames)


@pytest.mark.skipif(not report.STORED.exists(), reason="no figures are stored")
def test_the_page_shows_the_stored_figures() -> None:
    document = json.loads(report.STORED.read_text(encoding="utf-8"))
    text = report.PAGE.read_text(encoding="utf-8")
    assert report.page(document, text) == text
    barred = {(r["op"], r["mode"]): r["bar"] for r in document["rows"] if r["op"] in micro.BARRED and r["bar"] != "-"}
    assert barred == {("load", "fenced"): "met", ("overwrite", "fenced"): "met"}


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--only", "lode"]) == 2
    said = capsys.readouterr()
    assert "not one of load, overwrite" in said.err
    assert said.out == ""
