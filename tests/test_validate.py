"""Published figures and the models against them: the structured copy, the rules of verdicts, live figures that hold, and that can fail."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

import dse
from dse import cli, naming, published
from dse.errors import BadInput, CheckFailed
from dse.published import Expected, numbers
from dse.yardsticks import PLANS, VERDICTS, Bench, Plan, checks, exact, judge, posted, timing, validating
from dse.yardsticks.judging import meets

STICKS = {stick.id: stick for stick in published.yardsticks()}
EXPECTED = published.expected()
EXACT = [stick.id for stick in STICKS.values() if stick.kind == "exact"]
KEYS = {"id", "kind", "published", "ours", "tolerance", "verdict", "reason", "source"}
WORDS = {"0", "exact", "report", "order", "sign", "magnitude", ">=", "<="}


# the structured copy ---------------------------------------------------------------------------


@pytest.mark.parametrize("item", EXPECTED, ids=lambda e: f"{e.id} {e.quantity}")
def test_every_number_is_in_the_text_of_its_row(item: Expected) -> None:
    have = numbers(STICKS[item.id].text)
    assert item.value in have
    rest = f"{item.quantity} | {item.inputs} | {item.unit} | {'' if item.tolerance in WORDS else item.tolerance}"
    assert {abs(x) for x in numbers(rest)} <= have


@pytest.mark.parametrize("name", EXACT)
def test_every_expected_number_of_an_exact_row_is_in_the_copy(name: str) -> None:
    copied = set[float]()
    for item in EXPECTED:
        if item.id == name:
            copied |= {abs(item.value)} | numbers(f"{item.quantity} {item.inputs} {item.tolerance}")
    named = {"Y05": {0.0, 100.0}, "Y07": {1.0}, "Y11": {8.0, 100.0, 153.0}}  # ends of the fill; "one page"; what the posts print
    assert {abs(x) for x in numbers(STICKS[name].expected)} - copied <= named.get(name, set())


def test_no_row_is_missing() -> None:
    assert list(PLANS) == list(STICKS)
    assert {item.id for item in EXPECTED} == set(STICKS)
    assert len({(item.id, item.quantity) for item in EXPECTED}) == len(EXPECTED)


def test_a_wrong_number_is_noticed() -> None:
    assert 153.0 in numbers(STICKS["Y02"].text)
    assert 154.0 not in numbers(STICKS["Y02"].text)
    assert numbers("order v3 > v6, x3, 25/57, -0.5..+1.2 %") == {3.0, 25.0, 57.0, -0.5, 0.5, 1.2}


def test_every_file_is_read() -> None:
    for name in ("yardsticks", "expected", "figures", "ab_effects", "label_discrepancies", "sources", "unverified_and_missing"):
        rows = published.rows(name)
        assert rows
        assert all(None not in row and None not in row.values() for row in rows)


# which verdict may be given --------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, plan in PLANS.items() if plan.cannot])
def test_not_reproducible_only_where_the_file_says_so_or_threads_are_needed(name: str) -> None:
    said = STICKS[name].user_space_reproducible
    assert said.startswith(("no", "partly")) or checks.THREADS in PLANS[name].cannot


@pytest.mark.parametrize(
    "name", ["Y01", "Y02", "Y03", "Y04", "Y05", "Y06", "Y07", "Y08", "Y09", "Y11", "Y12", "Y13", "Y15", "Y17", "Y22", "Y30"]
)
def test_rows_that_are_asked_for_can_be_given_a_verdict(name: str) -> None:
    assert not PLANS[name].cannot
    assert any(item.tolerance != "report" for item in EXPECTED if item.id == name)


def test_nanoseconds_of_another_host_are_reported_and_order_and_counts_are_checked() -> None:
    asked = {item.quantity: item.tolerance for item in EXPECTED if item.id == "Y15"}
    assert {tolerance for quantity, tolerance in asked.items() if quantity.startswith("extra of")} == {"report"}
    assert {tolerance for quantity, tolerance in asked.items() if not quantity.startswith("extra of")} == {"order"}
    expected = [item for item in EXPECTED if item.id == "Y15"]
    locks = {"v3": 2.0, "v3 with the fix": 1.0, "v5": 2.0, "v6": 1.0}
    ours = {name: {"locked sections a PTE": value} for name, value in locks.items()} | {"extra of v3": {"vswap_v3": 1.0}}
    assert judge(expected, ours, []).verdict == "holds"
    assert judge(expected, ours | {"v6": {"locked sections a PTE": 3.0}}, []).verdict == "falls short"


def test_what_is_missing_is_named() -> None:
    assert Plan(needs=("direct", "no_such_design", "no such operation")).missing == ["no_such_design", "no such operation"]
    assert not [name for name, plan in PLANS.items() if plan.missing]


# rules -----------------------------------------------------------------------------------------


def figure(value: float, tolerance: str, quantity: str = "q", printed: str | None = None, inputs: str = "") -> Expected:
    return Expected("Y00", quantity, inputs, value, "MiB", tolerance, printed or f"{value:g}")


@pytest.mark.parametrize(
    ("tolerance", "value", "good", "bad"),
    [
        ("0", 25.0, 25.0, 25.001),
        ("exact", -256.0, -256.0, -255.0),
        ("0.01", 89.5, 89.509, 89.52),
        ("4 %", 522.0, 536.0, 544.0),
        ("about 0.5 %", 163.0, 164.3, 164.4),
        ("x3", 27.0, 9.0, 8.9),
        ("x3", 27.0, 81.0, 81.1),
        ("magnitude", 8.0, 79.0, 81.0),
        (">=", 99.0, 99.0, 98.9),
        ("<=", 80.0, 80.0, 80.1),
        ("sign", -11.2, -0.1, 0.1),
        ("sign", 14.6, 99.0, 0.0),
    ],
)
def test_tolerances(tolerance: str, value: float, good: float, bad: float) -> None:
    assert meets(good, figure(value, tolerance)) is True
    assert meets(bad, figure(value, tolerance)) is False


@pytest.mark.parametrize("tolerance", ["strictly", "about", "x", "5 5 percent", ""])
def test_a_tolerance_that_nobody_understands_is_no_pass(tolerance: str) -> None:
    with pytest.raises(CheckFailed, match="not understood"):
        meets(1.0, figure(1.0, tolerance))


def test_verdicts() -> None:
    asked = [figure(1.0, "0", "a"), figure(2.0, "0", "b"), figure(9.0, "report", "c")]
    both = {"a": {"x": 1.0, "y": 1.0}, "b": {"": 2.0}}
    assert judge(asked, both, []).verdict == "holds"
    assert judge(asked, both | {"a": {"x": 1.0, "y": 1.5}}, []).verdict == "falls short"
    assert judge(asked, {"a": {"x": 1.0}}, ["vswap_v3"]).verdict == "design missing"
    assert judge(asked, {"a": {"x": 3.0}}, ["vswap_v3"]).verdict == "falls short"
    assert judge(asked, {"a": {"x": 1.0}}, [], ["b"]).reason == "left out: b"
    for ours in ({"a": {"x": 1.0}}, {"c": {"x": 9.0}}, {}):
        with pytest.raises(CheckFailed, match="nothing was read"):
            judge(asked, ours, [])


def test_order_is_strict_and_among_like_inputs() -> None:
    asked = [
        figure(116, "order", "v3"),
        figure(27, "order", "fix"),
        figure(73, "order", "v5", inputs="other"),
        figure(3, "order", "v6", inputs="other"),
    ]
    good = {"v3": {"locks": 2.0}, "fix": {"locks": 0.1}, "v5": {"locks": 0.05}, "v6": {"locks": 0.01}}
    assert judge(asked, good, []).verdict == "holds"
    assert judge(asked, good | {"fix": {"locks": 2.0}}, []).verdict == "falls short"
    assert judge(asked, good | {"fix": {"locks": 3.0}}, []).verdict == "falls short"
    assert judge(asked, good | {"v6": {"locks": 0.05}}, []).verdict == "falls short"


# live figures ----------------------------------------------------------------------------------

SMALL = 1 << 14


def scaled(name: str) -> list[Expected]:
    """Expected figures of a device of 2^14 slots: bytes of the published tables are straight lines."""
    return [
        dataclasses.replace(e, value=e.value * SMALL / (1 << 23), tolerance="0") if e.unit == "MiB" else e for e in EXPECTED if e.id == name
    ]


def verdict(name: str, bench: Bench) -> str:
    plan = PLANS[name]
    return judge(scaled(name), plan.read(bench), []).verdict


@pytest.mark.parametrize("name", ["Y01", "Y05"])
def test_small_devices_hold(name: str) -> None:
    assert verdict(name, Bench(slots=SMALL)) == "holds"


@pytest.mark.parametrize(
    ("name", "design", "taken"),
    [
        ("Y01", "swap_table_p1", "swap_table_p4"),
        ("Y05", "swap_table_p3", "swap_table_p2"),
        ("Y05", "swap_table_p4", "swap_table_p4_pitched"),
    ],
)
def test_another_structure_falls_short(name: str, design: str, taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(naming.registry(), design, naming.registry()[taken])
    assert verdict(name, Bench(slots=SMALL)) == "falls short"


def test_wrong_headers_fall_short(monkeypatch: pytest.MonkeyPatch) -> None:
    design = naming.registry()["swap_table_p4"]
    rows = tuple(dataclasses.replace(row, nbytes=row.nbytes + 1) if row.structure == "cluster headers" else row for row in design.layout)
    monkeypatch.setitem(naming.registry(), "swap_table_p4", dataclasses.replace(design, layout=rows))
    assert verdict("Y05", Bench(slots=SMALL)) == "falls short"


def test_old_equals_the_published_line_at_every_quarter() -> None:
    found = exact.on_disk(Bench(slots=SMALL))
    old = [
        next(iter(found[f"old {point}"].values())) * (1 << 23) / SMALL for point in ("idle", "a quarter", "half", "three quarters", "full")
    ]
    assert old == [25, 41, 57, 73, 89]


def test_granularity_and_widths_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate", "Y07", "Y12", "Y06", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    rows = json.loads(out)["rows"]
    assert [row["id"] for row in rows] == ["Y06", "Y07", "Y12"]
    assert all(row.keys() >= KEYS and row["verdict"] == "holds" for row in rows)
    assert "3 holds" in err
    widths = {f["quantity"]: f["ours"] for f in rows[2]["figures"]}
    assert widths == {"count before a continuation page": 62, "largest value of the count field": 4194303}


def test_one_that_falls_short_exits_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {item.quantity: {"made up": item.value + 1.0} for item in EXPECTED if item.id == "Y07"}
    monkeypatch.setitem(PLANS, "Y07", Plan(lambda _: wrong))
    assert cli.main(["validate", "Y07", "Y19"]) == 1
    out, err = capsys.readouterr()
    assert "falls short" in out
    assert "not reproducible" in out
    assert "1 falls short" in err


def test_csv_has_the_contract_s_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate", "Y19", "Y24", "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "id,kind,published,ours,tolerance,verdict,reason,source"
    assert len(lines) == 3


def test_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate", "Y99"]) == 2
    assert "unknown yardstick" in capsys.readouterr().err
    with pytest.raises(BadInput):
        dse.validate(["x"])


def test_figures_that_cannot_be_judged_are_printed_only() -> None:
    [row] = dse.validate(["Y20"], counted_only=True)["rows"]
    assert row["verdict"] == "not reproducible"
    assert row["ours"].startswith("lines of a swap-out, one thread, x 0.")


def test_a_partition_of_virtual_slots_spares_meetings_and_nothing_else_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one tree for all the order does not hold; with a partition for each CPU no CPU meets another where slots are given out."""
    monkeypatch.setattr(posted, "SPACE", 8)
    monkeypatch.setattr(posted, "TRACED", 1 << 10)
    expected = [item for item in EXPECTED if item.id == "Y22"]
    found = posted.partition(Bench(counted_only=True))
    assert {where: n for where, n in found["usemem sys partitioned"].items() if "out" in where} == {
        "swap-out to ssd": 0,
        "swap-out to zswap": 0,
    }
    row = judge(expected, found, [], checks.LOST)
    assert (row.verdict, row.reason) == ("holds", f"left out: {', '.join(checks.LOST)}")
    same = found | {"usemem sys partitioned": found["usemem sys global"]}
    assert judge(expected, same, [], checks.LOST).verdict == "falls short"


def test_a_swapoff_by_slots_scans_no_page_tables_and_costs_more_a_page() -> None:
    """A line of PTEs for each swapped page against 32 slots in one; the lines of its page tip the scale."""
    by_table, by_slot = (posted.swapoff_lines(name, 0) for name in (posted.BASE, posted.FIRST))
    slots = posted.DEVICE
    assert by_table == (posted.MAPPED * slots / 8 + slots / 64, 0)
    assert by_slot == (slots / 64, 0)
    assert posted.swapoff_work(posted.FIRST, 2) - posted.swapoff_work(posted.FIRST, 1) == pytest.approx(2 / 64)
    assert 1.0 < posted.swapoff(Bench(counted_only=True))["sys of a swapoff"]["lines of a swapoff, x"] < 1.2


def test_crossing_of_the_published_lines() -> None:
    assert math.isclose(exact.crossing((25, 89), (2, 259)), 11.917098445595855)


def test_timed_extra_needs_more_than_the_noise() -> None:
    rng = np.random.default_rng(1)
    base = 100 + rng.normal(0, 1, 64)
    times = {"b": base, "A/Ab": base + rng.normal(0, 1, 64), "d": base + 30, "same": base + rng.normal(0, 1, 64)}
    more = timing.compared(times, "b", "d")
    assert more is not None
    assert more.ns == pytest.approx(30)
    assert more.lo <= 30 <= more.hi + 1e-9
    assert timing.compared(times, "b", "same") is None


@pytest.mark.parametrize("op", ["zap", "swap_in"])
def test_times_are_taken_of_every_design_and_the_base_twice(op: str) -> None:
    times = timing.measure(("swap_table_p1", "direct"), "ssd", op, pages=1 << 12, rounds=4)
    assert list(times) == ["swap_table_p1", "direct", "A/Aswap_table_p1"]
    assert all(len(found) == 4 and (found > 0).all() for found in times.values())


@pytest.mark.slow
def test_all_yardsticks() -> None:
    rows = {row["id"]: row for row in validating.validate(counted_only=True)["rows"]}
    assert list(rows) == list(STICKS)
    assert {row["verdict"] for row in rows.values()} <= set(VERDICTS)
    assert not [row for row in rows.values() if row["verdict"] == "falls short"]
    judged = ("Y01", "Y02", "Y03", "Y04", "Y05", "Y06", "Y07", "Y08", "Y09", "Y11", "Y12", "Y13", "Y15", "Y16", "Y17", "Y22", "Y26", "Y30")
    for name in judged:
        assert rows[name]["verdict"] == "holds", rows[name]
    assert not [name for name, row in rows.items() if row["verdict"] == "design missing"]
    assert rows["Y23"]["verdict"] == "not reproducible"
    assert rows["Y23"]["ours"].startswith("lines of a swapoff, x 1.")
    assert all(row["ours"] for row in rows.values() if row["verdict"] == "holds")
