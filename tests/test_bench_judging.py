"""The gate's judgement: reader of asv's files, limits of a regression, selection by pattern."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from dse.benching import gate, judging
from dse.benching.families import EXACT_PATTERN, INSTRUCTIONS_PATTERN, Exit, family_of
from dse.benching.results import Figure, Suite, read_results, stored, text_of
from dse.errors import BadInput
from tests.benchdata import DIRECT, HEAD, LINES, ONE, PEAK, TIME, figures, listed, only, write

# reading ----------------------------------------------------------------------------------------


def test_result_files_are_read_case_by_case(tmp_path: Path) -> None:
    rows = {
        LINES: ([1.5, math.nan, None, 2.0], [["'direct'", "'swap_id'"], ["1", "2"]]),
        "startup.time_x": ([0.25], [], [[0.25, 0.26, math.nan]]),
        "gone.track_z": (None, [["1", "2"]]),
    }
    found = read_results(write(tmp_path, "m", HEAD, rows))
    assert found[LINES, ("'direct'", "1")].value == 1.5
    assert found[LINES, ("'direct'", "2")].skipped
    assert found[LINES, ("'swap_id'", "1")].failed
    assert found["startup.time_x", ()].samples == (0.25, 0.26)
    assert found["gone.track_z", ("2",)].failed
    assert found[LINES, ("'swap_id'", "2")].version == "v1"


def test_only_the_commits_own_file_is_taken(tmp_path: Path) -> None:
    write(tmp_path, "m", HEAD, {LINES: ([1.0], [])})
    assert stored(tmp_path, "m", HEAD)
    assert stored(tmp_path, "m", HEAD[:8] + "c" * 32) == {}
    assert stored(tmp_path, "other", HEAD) == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 1}'])
def test_what_is_no_result_file_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"x\.json"):
        read_results(path)


def test_asv_reads_the_same(tmp_path: Path) -> None:
    """Our reader against asv's own."""
    from asv.results import Results

    params = [["'direct'", "'swap_id'"], ["1", "2"]]
    path = write(tmp_path, "m", HEAD, {LINES: ([1.5, 2.5, 3.5, 4.5], params)})
    document = json.loads(path.read_text()) | {"params": {"machine": "m"}, "requirements": {}, "date": 0, "python": "3.11", "env_name": "e"}
    path.write_text(json.dumps(document))
    values = Results.load(str(path)).get_result_value(LINES, params)
    ours = read_results(path)
    assert [ours[case].value for case in ours] == values


# judging ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "head", "status"),
    [(10.0, 10.0, "same"), (10.0, 10.0000001, "regression"), (10.0, 9.0, "better"), (0.0, 1.0, "regression"), (1e6, 1e6 + 1, "regression")],
)
def test_exact_figures_are_equal_or_not(base: float, head: float, status: str) -> None:
    assert only(figures(base), figures(head)).status == status


def test_what_cannot_be_compared() -> None:
    assert only(figures(1.0), figures(None)).status == "broken"
    assert only(figures(1.0), {}).status == "broken"
    assert only(figures(1.0), figures(math.nan)).status == "removed"
    assert only(figures(None), figures(1.0)).note == "fails on the base"
    assert only({}, figures(1.0), ONE, Suite()).status == "added"
    assert judging.compare(figures(math.nan), figures(math.nan), ONE, ONE) == []


def test_removed_renamed_and_added() -> None:
    wide = listed((LINES, [["'direct'", "'swap_id'"]]))
    both = figures(1.0) | figures(2.0, params=("'swap_id'",))
    assert [f.case for f in judging.compare(both, both, ONE, wide) if f.status == "removed"] == [(LINES, ("'swap_id'",))]
    assert [f.case for f in judging.compare(both, both, wide, ONE) if f.status == "added"] == [(LINES, ("'swap_id'",))]
    renamed = listed(("counted.Operations.track_line", [["'direct'"]]))
    found = judging.compare({}, figures(1.0, name="counted.Operations.track_line"), renamed, ONE)
    assert found[0].note == "renamed to counted.Operations.track_line?"
    assert judging.status_of(found) == Exit.REMOVED


def test_a_new_benchmark_that_finds_a_regression_says_so() -> None:
    old = listed((TIME, []))
    both = listed((TIME, []), (LINES, [["'direct'"]]))
    same = figures(1.0, name=TIME, params=())
    for head, status in ((2.0, "regression"), (1.0, "added"), (0.5, "added")):
        found = judging.compare(figures(1.0) | same, figures(head) | same, both, old)
        assert {f.case[0]: f.status for f in found}[LINES] == status


FAST = [0.0100 + 0.00001 * i for i in range(12)]
SLOW = [0.0130 + 0.00001 * i for i in range(12)]


def timed(a: list[float], b: list[float], name: str = TIME) -> judging.Finding:
    suite = listed((name, []))
    return only(figures(a[6], name=name, params=(), samples=a), figures(b[6], name=name, params=(), samples=b), suite, suite)


def test_timings_need_ratio_floor_samples_and_significance() -> None:
    assert timed(FAST, SLOW).status == "regression"
    assert timed(SLOW, FAST).status == "better"
    assert timed(FAST, [x * 1.1 for x in FAST]).status == "same"
    assert timed([x / 10 for x in FAST], [x / 10 for x in SLOW]).status == "unjudged"
    assert timed(FAST[:9], SLOW[:9]).status == "unjudged"
    mixed = [SLOW[i] if i % 2 else FAST[i] * 0.9 for i in range(11)] + [SLOW[3]]
    mixed[6] = 0.0125
    assert timed(FAST, mixed).note == "not significant"


def test_load_beside_one_commit_is_no_regression() -> None:
    loaded = [*SLOW[:-1], FAST[0]]
    for base, head in ((FAST, loaded), (loaded, FAST)):
        assert judging.significant(base, head)
        assert timed(base, head).note == "the fastest samples do not differ"
    assert timed(FAST, [x * 1.16 for x in FAST]).status == "regression"
    assert timed([x * 1.16 for x in FAST], FAST).status == "better"


def test_a_timing_is_confirmed_by_a_second_run() -> None:
    worse, same = timed(FAST, SLOW), timed(FAST, FAST)
    assert judging.confirmed([worse], [worse])[0].status == "regression"
    assert judging.confirmed([worse], [same])[0].note == "not confirmed"
    assert judging.confirmed([worse], [])[0].status == "regression"
    better = timed(SLOW, FAST)
    assert judging.confirmed([better], [better])[0].status == "better"
    assert judging.confirmed([better], [same])[0].note == judging.confirmed([better], [worse])[0].note == "not confirmed"
    exact = only(figures(1.0), figures(2.0))
    assert judging.confirmed([exact], []) == [exact]


def test_instructions_and_memory_have_a_tolerance() -> None:
    name = "instructions.Instructions.track_instructions_round_trip"
    assert timed([1000.0] * 7, [1000.9] * 7, name).status == "same"
    assert timed([1000.0] * 7, [1001.1] * 7, name).status == "regression"
    assert timed([2.0e8] * 7, [2.09e8] * 7, PEAK).status == "same"
    assert timed([2.0e8] * 7, [2.11e8] * 7, PEAK).status == "regression"


def test_the_exit_status_is_the_gravest() -> None:
    worse, same = only(figures(1.0), figures(2.0)), only(figures(1.0), figures(1.0))
    broken, removed = only(figures(1.0), figures(None)), only(figures(1.0), figures(math.nan))
    assert judging.status_of([same]) == Exit.OK
    assert judging.status_of([worse, same]) == Exit.REGRESSION
    assert judging.status_of([worse, removed]) == Exit.REMOVED
    assert judging.status_of([worse, removed, broken]) == Exit.BROKEN
    assert judging.status_of([]) == Exit.NO_COMPARISON
    assert judging.status_of([only({}, figures(1.0), ONE, Suite())]) == Exit.NO_COMPARISON


def test_what_a_commit_message_names_is_accepted() -> None:
    worse, broken = only(figures(1.0), figures(2.0)), only(figures(1.0), figures(None))
    for pattern in ("*track_lines*", "track_lines", text_of(DIRECT)):
        (found,) = judging.accept([worse], [pattern])
        assert found.status == "accepted"
        assert judging.status_of([found]) == Exit.OK
    assert judging.accept([worse], ["*track_chain*"]) == [worse]
    assert judging.accept([broken], ["*"]) == [broken]


def test_only_changes_are_shown_and_new_ones_in_one_row() -> None:
    wide = listed((LINES, [["'a'", "'b'", "'c'"]]))
    head = {case: Figure(1.0) for case in wide.cases}
    before = listed((LINES, [["'a'"]]))
    found = judging.compare({(LINES, ("'a'",)): Figure(1.0)}, head, wide, before)
    (row,) = judging.shown(found)
    assert row.note == f"2 cases, the first {LINES}('b')"
    assert row.row({LINES: "lines"})["unit"] == "lines"


# selection --------------------------------------------------------------------------------------


def test_families_by_name() -> None:
    names = [LINES, "instructions.Instructions.track_instructions_round_trip", TIME, PEAK]
    assert [family_of(name).name for name in names] == ["exact", "instructions", "time", "peakmem"]
    assert [bool(re.search(EXACT_PATTERN, name)) for name in names] == [True, False, False, False]
    assert [bool(re.search(INSTRUCTIONS_PATTERN, name)) for name in names] == [False, True, False, False]


def test_a_pattern_selects_exactly_its_cases() -> None:
    suite = listed((LINES, [["'direct'", "'direct[move=rewrite]'"], ["1", "16"]]))
    part = gate.matching(suite, gate.exactly([(LINES, ("'direct'", "1"))]), "")
    assert part.cases == {(LINES, ("'direct'", "1"))}
    assert gate.matching(suite, [EXACT_PATTERN], "swap_id").cases == frozenset()


def test_the_smallest_case_of_every_name() -> None:
    cases = [(TIME, (name, size)) for name in ("'a'", "'b'") for size in ("1048576", "65536")] + [(LINES, ())]
    assert gate.smallest(cases) == {(TIME, ("'a'", "65536")), (TIME, ("'b'", "65536")), (LINES, ())}
