"""Queries: whole numbers do not wrap, large ones stay apart, and each form has every value of an answer."""

from __future__ import annotations

import errno
import io
import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from dse import storing
from dse.cli import main
from dse.errors import BadInput
from dse.measuring import provenance
from dse.naming import processes
from dse.storing import limited, querying, studies, widening, widths, wrapping

OPS = pl.LazyFrame(
    {"count": [1, 5, None], "n": [7, 2, 3], "v": [1.5, float("inf"), float("nan")], "d": ["a", "b", "a"]},
    schema={"count": pl.UInt64, "n": pl.UInt64, "v": pl.Float64, "d": pl.String},
)
DATE = "CAST('2020-12-01' AS DATE)"


@pytest.mark.parametrize(("sql", "answer"), [
    ("count - n AS x FROM ops WHERE count < n", [-6]),
    ("-count AS x FROM ops", [-1, -5, None]),
    ("a.count - b.n AS x FROM ops a JOIN ops b ON a.n = b.n ORDER BY x", [-6, 3, None]),
    ("n - 9 AS x FROM ops WHERE n - 9 < 0", [-2, -7, -6]),
    ("SUM(count) * 1000000000000000 AS x FROM ops", [6 * 10**15]),
    ("SUM(n) - 99 AS x FROM ops", [-87]),
    ("SUM(n) FILTER (WHERE n > 2) - 99 AS x FROM ops", [-89]),
    ("COUNT(*) FILTER (WHERE n > 2) - 99 AS x FROM ops", [-97]),
    ("COUNT(*) OVER (PARTITION BY d) - 9 AS x FROM ops", [-7, -8, -7]),
    ("ROW_NUMBER() OVER w - 9 AS x FROM ops WINDOW w AS (ORDER BY n)", [-6, -8, -7]),
    ("COUNT(*) AS x FROM ops GROUP BY d HAVING COUNT(*) > 1 ORDER BY COUNT(*)", [2]),
    ("LENGTH(d) - 5 AS x FROM ops", [-4, -4, -4]),
    ("STRPOS(d, 'a') - 4 AS x FROM ops", [-3, -4, -3]),
    ("CAST(n AS BIGINT UNSIGNED) - 8 AS x FROM ops", [-1, -6, -5]),
    ("n::UINTEGER - 8 AS x FROM ops", [-1, -6, -5]),
    (f"DATE_PART('month', {DATE}) * 100 AS x FROM ops LIMIT 1", [1200]),
    ("SUM(CASE WHEN n > 2 THEN 2000000000 ELSE 0 END) AS x FROM ops", [4 * 10**9]),
    ("SUM(k) AS x FROM (SELECT 2000000000 AS k FROM ops) a", [6 * 10**9]),
    ("POW(2, 40) AS x FROM ops LIMIT 1", [2.0**40]),
    ("n AS x FROM ops WHERE count IN (100000, 5) ORDER BY 1 LIMIT 100000", [2]),
    ("'it''s count(1)' AS x FROM ops LIMIT 1 -- count(*)", ["it's count(1)"]),
])  # fmt: skip
def test_whole_numbers_do_not_wrap(sql: str, answer: list[object]) -> None:
    assert querying.asked(f"SELECT {sql}", {"ops": OPS})["x"].to_list() == answer


YES = pl.LazyFrame({"a": [True, True, None], "b": [False, True, False], "n": [1, 2, 3], "big": [2**62, 1, 1], "s": ["xa", "ya", "z"]})
DAY = "DATE('2026-12-31')"


@pytest.mark.parametrize(("sql", "answer"), [
    ("-SUM(b) AS x FROM t", [-1]),
    ("SUM(b) - SUM(a) AS x FROM t", [-1]),
    ("SUM(n > 2) - SUM(n > 1) AS x FROM t", [-1]),
    ("MAX(k) AS x FROM (SELECT SUM(b) OVER () - SUM(a) OVER () AS k FROM t) y", [-1]),
    ("SUM(DISTINCT b) - SUM(a) FILTER (WHERE n < 3) AS x FROM t", [-1]),
    ("ARRAY_SUM(ARRAY_AGG(b)) - ARRAY_SUM(ARRAY_AGG(a)) AS x FROM t", [-1]),
    ("SUM(k) AS x FROM (SELECT (n > 2) + (n > 2) - ((n > 1) + (n > 0)) AS k FROM t) y", [-3]),
    ("SUM(k) AS x FROM (SELECT b + b - (a + t.a) AS k FROM t) y", [-2]),
    ("SUM(k) AS x FROM (SELECT -POSITION('a' IN s) AS k FROM t) y", [-4]),
    (f"MAX(MONTH({DAY}) * MONTH({DAY})) AS x FROM t", [144]),
    (f"MAX(DAY({DAY}) + DAY({DAY}) + DAY({DAY}) + DAY({DAY}) + DAY({DAY})) AS x FROM t", [155]),
    ("MAX(DIV(big, 1) + DIV(big, 1)) - 9223372036854775000 AS x FROM t", [808]),
    ("MAX(IF(a, 9999, 1) * IF(a, 9999, 1) * IF(a, 9999, 1)) AS x FROM t", [9999**3]),
    ("MAX(9999) * MAX(9999) * MAX(9999) AS x FROM t", [9999**3]),
    ("MIN(k * k * k) AS x FROM (SELECT CASE WHEN n > 2 THEN -9999 ELSE -1 END AS k FROM t) y", [-(9999**3)]),
    ("MAX((9999 - 0) * (9999 + 0) * (9999 + 0)) AS x FROM t", [9999**3]),
    ("SUM(-(7 + 13)) AS x FROM t", [-60]),
    ("SUM(k) AS x FROM (SELECT k FROM (VALUES (1), (-2)) AS v(k)) y", [-1]),
    ("MAX(1.5e+2) AS x FROM t", [150.0]),
    ("MAX(1.5e-2) AS x FROM t", [0.015]),
])  # fmt: skip
def test_what_the_engine_gives_32_bits_does_not_wrap(sql: str, answer: list[object]) -> None:
    assert querying.asked(f"SELECT {sql}", {"t": YES})["x"].to_list() == answer


def test_a_name_of_a_sum_is_that_of_its_column() -> None:
    assert querying.asked("SELECT SUM(n), MAX(b) FROM t", {"t": YES}).to_dict(as_series=False) == {"n": [6], "b": [True]}


@pytest.mark.parametrize("x", [
    "11165 <= CASE WHEN n < 0 THEN 10534 ELSE 49335 END", "SUM(3 * 1.5 <> IF(n < 0, 1, 2))", "2 BETWEEN 1 * COALESCE(7, n) AND 9",
    "LENGTH('abc') < NULLIF(3.5, n)", "NULLIF(19, NULLIF(62155, n))", "SUM(n = 1 AND 0.5 > (CASE WHEN n < 0 THEN 1 ELSE 2 END))",
    "5.5 NOT IN (IF(n > 0, 5, 3), 2)", "CASE 5.5 WHEN IF(n > 0, 5, 3) THEN 1 END", "5.5 IS NOT DISTINCT FROM IF(n > 0, 5, 3)",
])  # fmt: skip
def test_a_constant_before_a_case_is_refused_as_the_engine_loses_rows(x: str) -> None:
    with pytest.raises(BadInput, match="write it the other way round"):
        querying.asked(f"SELECT {x} AS x FROM t", {"t": YES})


@pytest.mark.parametrize(("x", "answer"), [
    ("n + 2 <= CASE WHEN n > 3 THEN 1 ELSE 2 END", [False] * 3), ("CASE WHEN n < 0 THEN 1 ELSE 2 END = 2", [True] * 3),
    ("n < COALESCE(n, 3)", [False] * 3), ("NULLIF(n, CASE WHEN n > 3 THEN 1 ELSE 2 END)", [1, None, 3]),
    ("CASE WHEN n = 1 THEN 5 WHEN IF(n > 2, a, TRUE) THEN 6 ELSE IF(n > 2, 6, 7) END", [5, 6, 6]),
    ("POSITION('y' IN CASE WHEN n = 2 THEN s ELSE 'y' END)", [1, 1, 1]), ("n IN (IF(n > 1, 2, 1), 7)", [True, True, False]),
    ("'x' || CASE WHEN n < 0 THEN 'a' ELSE 'b' END", ["xb"] * 3),
])  # fmt: skip
def test_comparisons_with_columns_are_answered(x: str, answer: list[object]) -> None:
    assert querying.asked(f"SELECT {x} AS x FROM t", {"t": YES})["x"].to_list() == answer


@pytest.mark.parametrize("number", ["1_000", "0x10", "10G", "1.5.2"])
def test_what_begins_as_a_number_is_one(number: str) -> None:
    with pytest.raises(BadInput, match=f"'{number}' is no number of SQL"):
        querying.asked(f"SELECT {number} FROM t", {"t": YES})


@pytest.mark.parametrize("x", ["SUM(count) * 9000000000000000000", "n * 9000000000000000000", "9223372036854775807 * 3"])
def test_a_whole_number_beyond_64_bits_is_refused(x: str) -> None:
    with pytest.raises(BadInput, match="column 'x' of the answer is beyond 64 bits"):
        querying.asked(f"SELECT {x} AS x FROM ops", {"ops": OPS})


WRAPS = "whole numbers of this query have more than 38 digits on the way"
FAR, NEAR = "9223372036854775807", "90000000000000000000000000000000000000"
TEXT = "CAST('99999999999999' AS BIGINT)"


@pytest.mark.parametrize("sql", [
    f"CAST({FAR} * {FAR} * {FAR} AS DOUBLE) AS x FROM ops",
    f"{' * '.join(['m'] * 12)} AS x FROM ops",
    f"COUNT(*) AS x FROM ops WHERE {' * '.join(['m'] * 12)} > 0",
    f"CAST(SUM({NEAR}) AS DOUBLE) AS x FROM ops",
    f"CAST({NEAR} + {NEAR} AS DOUBLE) AS x FROM ops",
    f"CAST({TEXT} * {TEXT} * {TEXT} AS DOUBLE) AS x FROM ops",
    "CAST(CAST(1e30 AS BIGINT) * CAST(1e30 AS BIGINT) AS DOUBLE) AS x FROM ops",
    f"CAST({'*'.join(['ARRAY_AGG(m)[1]'] * 12)} AS DOUBLE) AS x FROM ops",
    f"CAST(MAX({' * '.join(['LENGTH(d)', *['m'] * 12])}) AS DOUBLE) AS x FROM ops",
    f"CAST({'*'.join(['9999'] * 10)} AS DOUBLE) AS x FROM ops",
    "s * s AS x FROM (SELECT m * m * m * m * m * m AS s FROM ops) a",
    f"d, CAST(SUM({NEAR}) OVER (PARTITION BY d) AS DOUBLE) * 1 AS x FROM ops",
    *(f"CAST(CAST(1e38 AS {kind}) + CAST(1e38 AS {kind}) AS DOUBLE) AS x FROM ops" for kind in ("HUGEINT", "INT128", "UHUGEINT")),
    "CAST(CAST(1.2e38 AS BIGINT) AS DOUBLE) AS x FROM ops",
])  # fmt: skip
def test_a_whole_number_that_wraps_within_a_query_is_refused(sql: str) -> None:
    with pytest.raises(BadInput, match=WRAPS):
        querying.asked(f"SELECT {sql}", {"ops": OPS.with_columns(m=pl.lit(2048, pl.UInt64))})


@pytest.mark.parametrize("x", ["a > 0", "CAST(a AS DOUBLE)"])
def test_nested_sums_that_wrap_are_refused(x: str) -> None:
    """Each table doubles a number twice: 64 bits and more without a product."""
    tables = ", ".join(f"t{n} AS (SELECT a + a + a + a AS a FROM t{n - 1})" for n in range(1, 40))
    with pytest.raises(BadInput, match=WRAPS):
        querying.asked(f"WITH t0 AS (SELECT n AS a FROM ops), {tables} SELECT {x} AS x FROM t39", {"ops": OPS.with_columns(n=2**62 - 1)})
    assert not wrapping.may_wrap("SELECT SUM(a) + SUM(b) - SUM(c), SUM(d), MAX(e) FROM (SELECT * FROM ops) x")


@pytest.mark.parametrize(("x", "answer"), [
    ("1.0 * n / 1000000000", 7e-9), (".5 * n / 1000000000", 3.5e-9), ("n * 1. / 3", 7 / 3),
    ("(SELECT SUM(n) FROM ops) * 1.0 / big", 12 / 2**62),
    ("n * 100.0 / SUM(n) OVER ()", 700 / 12), ("1 / 3.0", 1 / 3), ("CAST(n AS DECIMAL(10, 2)) / 1000000000", 7e-9),
    ("n::NUMERIC / 1000000000", 7e-9), ("CAST(n / 3 AS DECIMAL(10, 2))", 2.33), ("big * 0.5 * big * 0.5", 2.0**122),
    (f"{' * '.join(['0.1'] * 42)} * n", 7e-42), ("1.0 * n / 0", float("inf")), ("ops.n * .5", 3.5), ("n + .5 AS y, 1.5e0 * n", 10.5),
    ("n / 2 * big * big", 3.5 * 2.0**124), ("(n / 3) * (n / 3) * (n / 3) * (n / 3) * (n / 3) * (n / 3) * (n / 3)", (7 / 3) ** 7),
    ("SUM(CAST(d = 'a' AS INT)) OVER () * 1.0 / 3", 2 / 3), ("SUM((d = 'a')::INT) OVER ()", 2), ("n / 2 /* of two */ * 3", 10.5),
    ("n/*of two*/*2", 14), ("n / 2*2", 7),
])  # fmt: skip
def test_quotients_are_fractions(x: str, answer: float, capsys: pytest.CaptureFixture[str]) -> None:
    """The engine gives a number with a point a fixed scale, at which quotients are cut: 1.0 * 7 / 10^9 was 0."""
    table = {"ops": OPS.with_columns(big=pl.lit(2**62))}
    assert querying.asked(f"SELECT {x} AS x FROM ops WHERE n = 7 OR n < 4 ORDER BY n DESC", table)["x"][0] == pytest.approx(
        answer, rel=1e-12
    )
    assert not capsys.readouterr().err


@pytest.mark.parametrize(("sql", "answer"), [
    (f"EXTRACT(year FROM {DATE}) * 2 AS x FROM ops LIMIT 1", [4040]), ("TRIM(LEADING 'a' FROM LOWER(d)) AS x FROM ops", ["", "b", ""]),
    ("n AS x FROM ops WHERE count IS DISTINCT FROM COALESCE(n, 0)", [7, 2, 3]),
    ("n AS x FROM ops WHERE count IS NOT DISTINCT FROM ABS(count)", [7, 2, 3]),
])  # fmt: skip
def test_from_within_a_function_is_no_table(sql: str, answer: list[object]) -> None:
    assert querying.asked(f"SELECT {sql}", {"ops": OPS})["x"].to_list() == answer


@pytest.mark.parametrize("sql", [
    f"EXTRACT(year FROM {DATE}), n FROM ops, f(1)", "EXTRACT(year FROM (SELECT a FROM f('x'))) FROM ops",
    "TRIM(SELECT a FROM f(1)) FROM ops",
    "DISTINCT FROM f(1)", "extract FROM f(1)", "TRIM(a, (SELECT b FROM 'x.csv')) FROM ops",
])  # fmt: skip
def test_functions_as_tables_are_refused_still(sql: str) -> None:
    with pytest.raises(BadInput, match=r"a query sees the stored tables only|only SELECT"):
        querying.asked(f"SELECT {sql}", {"ops": OPS})


@pytest.mark.parametrize(("sql", "answer"), [
    ("big * n * n * n * k AS x FROM (SELECT big, n, 1 AS k FROM ops WHERE big = 1) a ORDER BY x", [27, 343]),
    (f"CAST({FAR} AS DOUBLE) * {FAR} * {FAR} AS x FROM ops", [2.0**189] * 3),
    ("COUNT(*) * 2 AS x FROM ops", [6]),
    ("ops.d, SUM(ops.n * ops.n) AS x FROM ops GROUP BY ops.d ORDER BY x", [4, 58]),
    ("CAST(SUM(n * n) AS TEXT) AS x FROM ops", ["62"]),
    ("9999 * 9999 * 9999 * 9999 * 9999 / 9999 AS x FROM ops LIMIT 1", [9999.0**4]),
    ("n * 1.5 AS x FROM ops", [10.5, 3.0, 4.5]),
    ("big * n / 2 AS x FROM ops WHERE n = 7", [3.5]),
])  # fmt: skip
def test_large_products_that_fit_or_are_fractions_are_answered(sql: str, answer: list[object]) -> None:
    table = {"ops": OPS.with_columns(big=pl.Series([1, 2**62, 1], dtype=pl.UInt64))}
    found = querying.asked(f"SELECT {sql}", table)["x"].to_list()
    assert found == (pytest.approx(answer) if isinstance(answer[0], float) else answer)


def test_what_decimal_numbers_do_not_know_is_answered_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert querying.asked("SELECT (n & 3) * 2 AS x FROM ops", {"ops": OPS})["x"].to_list() == [6, 4, 6]
    assert "nothing checked that no whole number passed 2^127" in capsys.readouterr().err


def test_a_mistake_is_named_where_the_user_wrote_it() -> None:
    with pytest.raises(BadInput, match="Column: 23"):
        querying.asked("SELECT COUNT(*), FROM + ops", {"ops": OPS})


@pytest.fixture
def results(tmp_path: Path) -> Path:
    seed = 9_007_199_254_740_992
    axes = [{"name": "replay.seed", "role": "environment", "values": [seed, seed + 1]},
            {"name": "moves.rate", "role": "environment", "values": [0, 0.5]}]  # fmt: skip
    figure = {"study": "s", "design": "direct", "objective": "swap_in", "kind": "counted", "unit": "lines", "value": 2.0, "front": True}
    rows = [{**figure, "number": n, "environment": {"replay.seed": seed + n, "moves.rate": 0}} for n in (0, 1)]
    studies.write_settings(tmp_path, "s", {"version": 1})
    about = {"study": "s", "document": json.dumps({"axes": axes})}
    studies.write_tables(tmp_path, "s", {"trials": rows, "winners": [], "provenance": [about]})
    row = storing.figure("direct", "swap_in", "lines", "counted", "lines", 1, stat="total")
    case = json.dumps({"replay": {"seed": 2**63 - 1}, "memory": {"limit": 0.3}})
    storing.write_run(tmp_path, [row], [], {"scenario_json": case, "seed": 2**63 - 1})
    return tmp_path


def test_axes_and_keys_of_whole_numbers_are_whole(results: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = querying.query("SELECT DISTINCT replay_seed, moves_rate FROM trials ORDER BY replay_seed", results=results)
    assert found.rows() == [(2**53, 0.0), (2**53 + 1, 0.0)]
    assert found.dtypes == [pl.Int64, pl.Float64]
    assert querying.query("SELECT replay_seed, seed, memory_limit FROM runs", results=results).rows() == [(2**63 - 1, 2**63 - 1, 0.3)]
    assert main(["query", "SELECT seed, replay_seed FROM runs", "--results", str(results)]) == 0
    assert capfd.readouterr().out.count("9,223,372,036,854,775,807") == 2
    mixed = [json.dumps({"axes": [{"name": "a", "values": values}]}) for values in ([1, 2], [1.0, 2.5])]
    assert widening.axes_of(mixed[:1]) == {"a": pl.Int64}
    assert widening.axes_of(mixed) == {"a": pl.Float64}
    assert widening.axes_of([json.dumps({"axes": [{"name": "a", "values": [True, 1]}]})]) == {"a": pl.String}


def test_tables_of_python_have_no_numbers_without_a_sign(results: Path) -> None:
    tables = querying.scan(results)
    assert not [name for name, frame in tables.items() if any(kind.is_unsigned_integer() for kind in frame.collect_schema().dtypes())]
    assert tables["trials"].select(pl.col("number").min() - pl.col("number").max()).collect().item() == -1


@pytest.mark.parametrize(("seconds", "parent", "ends"), [(0.3, "os.getppid()", signal.SIGALRM), (60, "1", signal.SIGTERM)])
def test_a_query_ends_with_its_time_and_with_its_parent(seconds: float, parent: str, ends: int) -> None:
    text = (
        "import os, time; from dse.storing import limited; limited.GRACE = 0.1; "
        f"limited._guarded({{'seconds': {seconds}, 'parent': {parent}}}); time.sleep(60)"
    )
    assert subprocess.run([sys.executable, "-c", text], check=False, timeout=50).returncode == -ends


@pytest.mark.parametrize(("error", "says"), [
    (KeyError("axes"), "the query failed, and not for its size: KeyError: no 'axes'"),
    (OSError(errno.ENOSPC, "No space left on device"), "the query failed, and not for its size: no space left on the disk"),
])  # fmt: skip
def test_an_unexpected_error_is_not_told_as_one_of_memory(
    error: Exception, says: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    asked = {"sql": "SELECT 1", "preset": None, "results": "r", "memory": 1 << 30, "answer": "a", "seconds": 9, "parent": 0}
    monkeypatch.setattr(querying, "query", failing)
    monkeypatch.setattr(limited, "_guarded", lambda _: None)
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(asked)))
    assert limited.serve() == 2
    assert json.loads(capfd.readouterr().out) == {"refused": says}


def test_another_repository_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook of git has variables that name its own repository."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    before = provenance._git("rev-parse", "--show-toplevel")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    assert provenance._git("rev-parse", "--show-toplevel") == before != str(tmp_path)
    assert not {"GIT_DIR", "GIT_WORK_TREE"} & processes.environ().keys()


FORMS = {
    "1.5": 1.5, "MAX(value) * 1.5": 3.0, "AVG(value) * 1.5": 3.0, DATE: "2020-12-01", "INTERVAL '1 day 3 hours'": "P1DT3H",
    "CAST('2020-12-01 03:04:05' AS TIMESTAMP)": "2020-12-01T03:04:05.000000", "ARRAY_AGG(design)": ["direct", "direct"],
    "ARRAY_AGG(value * 1.5)": [3.0, 3.0], "MIN(number) = 0": True, "MAX(number) - 9": -8,
}  # fmt: skip


def test_every_form_has_every_answer(results: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sql = f"SELECT {', '.join(f'{text} AS x{n}' for n, text in enumerate(FORMS))} FROM trials GROUP BY study"
    answer = {f"x{n}": value for n, value in enumerate(FORMS.values())}
    base = ["query", sql, "--results", str(results), "--format"]
    for form in ("table", "csv", "json"):
        file = tmp_path / f"x.{form}"
        assert main([*base, form]) == 0
        shown = capfd.readouterr().out
        assert main([*base, form, "--output", str(file)]) == 0
        assert file.read_text(encoding="utf-8") == shown
        capfd.readouterr()
    assert json.loads((tmp_path / "x.json").read_text()) == [answer]
    assert main([*base, "parquet", "--output", str(tmp_path / "x.parquet")]) == 0
    assert pl.read_parquet(tmp_path / "x.parquet").to_dicts() == [answer]


def test_bytes_are_refused(results: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for form in ("json", "csv", "table"):
        assert main(["query", "SELECT X'41' AS b FROM trials", "--results", str(results), "--format", form]) == 2
        assert "column 'b' of the answer holds binary" in capfd.readouterr().err


def test_csv_keeps_what_is_no_number_and_every_row() -> None:
    found = widths.answered(OPS.select("v", pl.col("n") > 2, pl.lit(None).alias("e")).collect())
    assert widths.csv(found) == "v,n,e\n1.5,true,\ninf,false,\nNaN,true,\n"


@pytest.mark.parametrize("name", ["x.html", "x.tsv", "x.csv.gz", "x.jsonl", "x.parq", "x.csv~", "x.xlsx"])
def test_an_ending_of_no_form_is_refused(name: str, results: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    base = ["query", "SELECT design FROM trials", "--results", str(results), "--output"]
    assert main([*base, str(tmp_path / name)]) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert ("leave .gz out" if name.endswith("gz") else "unknown kind of answer") in said
    assert not (tmp_path / name).exists()
    assert main([*base, str(tmp_path / name), "--format", "csv"]) == (2 if name.endswith("gz") else 0)
    for plain in ("answer", "answer.txt", "answer.TXT"):
        assert main([*base, str(tmp_path / plain)]) == 0
        assert (tmp_path / plain).read_text().startswith("design\n---")


def test_the_beginning_of_an_option_names_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT 1", "--res", "x"]) == 2
    assert "did you mean '--results'?" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("sql", "right"),
    [
        ("WITH x AS (SELECT a > 1 AS c, a > 2 AS d FROM t) SELECT d - c AS r FROM x", [0, 0, -1, 0]),
        ("SELECT -c AS r FROM (SELECT a > 1 AS c FROM t) AS y", [0, 0, -1, -1]),
        ("SELECT e - c AS r FROM (SELECT c, d AS e FROM (SELECT a > 1 AS c, b AS d FROM t) AS z) AS y", [1, 0, -1, 0]),
        ("SELECT s + 1.5 AS r FROM (SELECT CASE WHEN a > 1 THEN 1.25 ELSE 2.5 END AS s FROM t) AS y", [4.0, 4.0, 2.75, 2.75]),
    ],
)
def test_yes_or_no_of_an_inner_query_has_a_sign(sql: str, right: list[float]) -> None:
    """The engine counts them with 32 bits without a sign: minus one would be 4,294,967,295."""
    tables = {"t": pl.LazyFrame({"a": [0, 1, 2, 3], "b": [True, False, False, True]})}
    assert querying.asked(sql, tables)["r"].to_list() == right
