"""Queries: our tables and nothing else."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import polars as pl
import pytest

from dse import storing
from dse.cli import main
from dse.errors import BadInput
from dse.storing import querying, studies

FIGURE = {"study": "s", "number": 1, "design": "direct", "objective": "swap_in", "kind": "counted", "value": 2.0, "front": True}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for n in (1, 2):
        rows = [storing.figure(d, "swap_in", "lines", "counted", "lines", 10 * n, stat="total") for d in ("direct", "swap_id")]
        storing.write_run(tmp_path, rows, [], {"scenario_digest": "x", "seed": 1, "trace_digest": "t", "created": f"2026-01-0{n}"})
    studies.write_settings(tmp_path, "s", {"version": 1})
    studies.write_tables(tmp_path, "s", {"trials": [FIGURE], "winners": [], "provenance": [{"study": "s"}]})
    folder = tmp_path / "asv" / "box"
    folder.mkdir(parents=True)
    (tmp_path / "asv" / "benchmarks.json").write_text(json.dumps({"a.track_x": {"unit": "lines", "type": "track"}, "version": 2}))
    for i, commit in enumerate("ab"):
        columns = ["result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b"]
        packed = [[10.0 + i, None], [["'p'", "'q'"]], "1", 1, 1, [9.0, None], [11.0, None]]
        document = {"commit_hash": commit, "date": 1000 + i, "result_columns": columns, "results": {"a.track_x": packed, "a.gone": [None]}}
        (folder / f"{commit}-env.json").write_text(json.dumps(document))
    return tmp_path


REFUSED = [
    *(f"SELECT * FROM {name}('/etc/passwd')" for name in (
        "read_csv", "read_ipc", "read_json", "read_ndjson", "read_parquet", "READ_CSV", "scan_parquet", "read_anything")),
    'SELECT * FROM "read_csv"(\'/etc/passwd\')',
    "SELECT * FROM read_csv/* */('/etc/passwd')",
    "SELECT * FROM read_csv--\n('/etc/passwd')",
    "SELECT * FROM read_csv('http://127.0.0.1/x')",
    "CREATE TABLE t AS SELECT * FROM read_csv('/etc/passwd')",
    "WITH t AS (SELECT * FROM read_csv('/etc/passwd')) SELECT * FROM t",
    "SELECT * FROM ops WHERE op IN (SELECT c FROM read_csv('/etc/passwd'))",
    "SELECT * FROM ops, read_csv('/etc/passwd')",
    "SELECT * FROM ops JOIN read_csv('/etc/passwd') ON 1 = 1",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM other('/etc/passwd')",
    "SELECT * FROM a.b('/etc/passwd')",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE ops",
    "DROP TABLE ops", "DELETE FROM ops", "TRUNCATE ops", "INSERT INTO ops VALUES (1)", "EXPLAIN SELECT 1", "SHOW TABLES", "",
    "WITH t AS (SELECT 1) DELETE FROM t", "WITH t AS (SELECT 1), u AS (SELECT 2) INSERT INTO t SELECT 1",
    "WITH t AS (DROP TABLE ops) SELECT 1",
    "SELECT * INTO t FROM ops", "SELECT * FROM (SHOW TABLES)",
    "SELECT " + "+".join(["1"] * 20_000), "SELECT 1 FROM ops WHERE " + " AND ".join(["value = 1"] * 400),
    "SELECT " + "(" * 60 + "1" + ")" * 60,
    " UNION ALL ".join(["SELECT 1 AS a"] * 60), "SELECT " + "1," * 60_000 + "1",
    "SELECT CASE " + "WHEN value = 1 THEN 1 " * 300 + "END FROM ops",
    "SELECT $$x$$", "SELECT 'open", 'SELECT "open', "SELECT /* open",
]  # fmt: skip


@pytest.mark.parametrize("sql", REFUSED)
def test_refused(results: Path, sql: str) -> None:
    with pytest.raises(BadInput):
        querying.query(sql, results=results)


def test_every_reader_of_polars_is_refused() -> None:
    readers = [name for name in dir(pl) if name.startswith(("read_", "scan_"))]
    assert len(readers) > 10
    for name in readers:
        with pytest.raises(BadInput, match="is not allowed"):
            querying.guard(f"SELECT * FROM {name}('x')")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) AS n FROM ops WHERE op IN ('swap_in', 'it''s') -- a comment",
        "WITH t AS (SELECT design, value FROM ops) SELECT design, MAX(value) AS n FROM t GROUP BY design ORDER BY design;",
        "SELECT a.design, b.design FROM ops a JOIN ops AS b ON a.design = b.design, runs",
        "SELECT op AS show, value AS set, stat AS use, run AS call FROM ops",
        "SELECT show.design, use.set FROM ops show JOIN (SELECT design, value AS set FROM ops) use ON show.design = use.design",
        "WITH call AS (SELECT design AS explain FROM ops) SELECT explain FROM call",
        "SELECT 1 AS n FROM ops WHERE value IN (" + ",".join(map(str, range(10_000))) + ")",
        'SELECT "design", ROUND(AVG(value), 2) AS n FROM (SELECT * FROM ops) AS x GROUP BY "design"',
    ],
)
def test_allowed(sql: str) -> None:
    assert querying.guard(sql) == sql


def test_tables(results: Path) -> None:
    n = querying.query("SELECT design, SUM(value) AS v, COUNT(*) AS n FROM ops GROUP BY design ORDER BY design", results=results)
    assert n.to_dicts() == [{"design": "direct", "v": 30.0, "n": 2}, {"design": "swap_id", "v": 30.0, "n": 2}]
    assert querying.query("SELECT COUNT(*) AS n FROM runs", results=results).item() == 2
    assert querying.query("SELECT value FROM trials WHERE design = 'direct'", results=results).item() == 2.0
    asv = querying.query('SELECT "commit", param, kind, unit, value, lo FROM asv ORDER BY "commit", param', results=results).to_dicts()
    assert asv[0] == {"commit": "a", "param": "'p'", "kind": "counted", "unit": "lines", "value": 10.0, "lo": 9.0}
    assert len(asv) == 4
    frames = querying.scan(results)
    assert all(isinstance(frame, pl.LazyFrame) for frame in frames.values())
    assert {"runs", "trials", "ops", "ledger", "provenance", "asv"} <= frames.keys()
    assert querying.query("SELECT * FROM trials", results=results / "nothing").is_empty()


@pytest.fixture
def swept(tmp_path: Path) -> Path:
    """Two studies by hand: axes of numbers, of mixes and of texts; a parameter that one design alone has."""
    mix = {"ssd": 1.0}
    values = {"design": ["direct", "swap_id"], "base": ["direct", "x"], "moves.rate": [0, 0.5], "unit": ["a"], "backend.mix": [mix]}
    space = {"axes": [{"name": name, "role": "choice", "values": given} for name, given in values.items()]}
    for study, rates in (("s", (0, 0.5)), ("t", (0.5,))):
        rows = []
        for number, rate in enumerate(rates):
            for objective, value in (("swap_in", 2.0 + rate), ("lifetime.ns", 100.0 * (number + 1))):
                place = {"moves.rate": rate, "backend.mix": mix}
                rows.append({
                    "study": study, "number": number, "design": "swap_id", "environment": place, "params": {"base": "x"}, "status": "ok",
                    "feasible": True, "front": number == 0, "objective": objective, "kind": "counted", "unit": "lines", "value": value,
                })  # fmt: skip
        studies.write_settings(tmp_path, study, {"version": 1})
        about = {"study": study, "document": space if study == "s" else "torn"}
        studies.write_tables(tmp_path, study, {"trials": rows, "winners": [], "provenance": [about]})
    return tmp_path


def test_axes_are_columns(swept: Path) -> None:
    found = querying.query("SELECT study, number, moves_rate, backend_mix, base, unit, axis_unit, value FROM trials "
                           "WHERE objective = 'swap_in' AND moves_rate > 0 ORDER BY study", results=swept).to_dicts()  # fmt: skip
    same = {"moves_rate": 0.5, "backend_mix": '{"ssd":1.0}', "base": "x", "unit": "lines", "axis_unit": None, "value": 2.5}
    assert found == [{"study": "s", "number": 1, **same}, {"study": "t", "number": 0, **same}]


def test_wide_trials_have_a_row_each(swept: Path) -> None:
    found = querying.query("SELECT study, number, moves_rate, swap_in, lifetime_ns, front FROM trials_wide ORDER BY study, number",
                           results=swept).rows()  # fmt: skip
    assert found == [("s", 0, 0.0, 2.0, 100.0, True), ("s", 1, 0.5, 2.5, 200.0, False), ("t", 0, 0.5, 2.5, 100.0, True)]
    empty = querying.scan(swept / "nothing")
    assert empty["trials_wide"].collect().is_empty()


def test_scenario_keys_are_columns_of_runs(tmp_path: Path) -> None:
    case = json.dumps({"memory": {"limit": 0.3, "policy": "lru"}, "workload": {"trace": None, "exit": True}})
    row = storing.figure("direct", "swap_in", "lines", "counted", "lines", 1, stat="total")
    storing.write_run(tmp_path, [row], [], {"scenario_json": case, "seed": 1})
    found = querying.query("SELECT memory_limit, memory_policy, workload_trace, workload_exit FROM runs", results=tmp_path)
    assert found.rows() == [(0.3, "lru", None, "true")]


def test_the_worked_examples_of_the_documentation_run(swept: Path) -> None:
    text = (Path(__file__).resolve().parent.parent / "docs" / "query.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    shapes = []
    for block in blocks:
        names: dict[str, object] = {}
        exec(block.replace('"results"', repr(str(swept))), names)
        assert isinstance(names["found"], pl.DataFrame)
        shapes.append(names["found"])
    assert shapes[0].rows() == [("s", 0.0, "swap_id", 100.0), ("s", 0.5, "swap_id", 200.0), ("t", 0.5, "swap_id", 100.0)]
    assert shapes[1].rows() == [("swap_id", 0.25)]
    assert shapes[2].is_empty()
    queries = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    assert queries
    for sql in queries:
        querying.query(sql, results=swept)


def test_presets(results: Path) -> None:
    for name in querying.PRESETS:
        assert isinstance(querying.query(preset=name, results=results), pl.DataFrame)
    found = querying.query(preset="regressions", results=results).to_dicts()
    assert [(r["source"], r["what"], r["before"], r["value"]) for r in found] == [
        ("asv", "a.track_x", 10.0, 11.0), ("run", "swap_in.lines", 10.0, 20.0), ("run", "swap_in.lines", 10.0, 20.0),
    ]  # fmt: skip
    assert querying.query(preset="pareto", results=results)["number"].to_list() == [1]


def test_foreign_files_are_named_and_skipped(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (results / "asv" / "box" / "c-env.json").write_text('{"torn')
    studies.write_settings(results, "bad", {"version": 1})
    (studies.folder(results, "bad") / "trials.parquet").write_bytes(b"PAR1 torn")
    assert querying.query("SELECT COUNT(*) AS n FROM trials", results=results).item() == 1
    said = capsys.readouterr().err
    assert "c-env.json" in said
    assert "bad/trials.parquet" in said


ASV = {"commit_hash": "a", "date": 5, "result_columns": ["result", "params"], "results": {"b": [[1.5], []]}}


@pytest.mark.parametrize("change", [
    {"date": 10**30}, {"date": -5}, {"date": 1e300}, {"commit_hash": [1]}, {"commit_hash": 5}, {"result_columns": "x"},
    {"result_columns": ["resumt", "params"]}, {"results": {"b": "x"}}, {"results": {"b": [[10**400], []]}},
    {"results": {"b": [[1.5], [["1"] * 1000] * 3]}},
])  # fmt: skip
def test_a_damaged_file_of_asv_is_named_and_hides_no_other(
    change: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "asv" / "m"
    folder.mkdir(parents=True)
    (folder / "good.json").write_text(json.dumps(ASV), encoding="utf-8")
    (folder / "bad.json").write_text(json.dumps({**ASV, **change}), encoding="utf-8")
    assert querying.query("SELECT value FROM asv", results=tmp_path)["value"].to_list() == [1.5]
    assert "bad.json: not an asv result file (truncated?)" in capsys.readouterr().err


def test_command_line(results: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    base = ["query", "--results", str(results)]
    assert main([*base, "SELECT design, value FROM ops ORDER BY value, design LIMIT 1", "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out) == [{"design": "direct", "value": 10.0}]
    assert main([*base, "SELECT design FROM ops LIMIT 0", "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out) == []
    assert main([*base, "SELECT design FROM ops LIMIT 1", "--format", "csv"]) == 0
    assert capfd.readouterr().out.splitlines() == ["design", "direct"]
    file = tmp_path / "x.parquet"
    assert main([*base, "--preset", "pareto", "--format", "parquet", "--output", str(file)]) == 0
    assert pl.read_parquet(file)["design"].to_list() == ["direct"]
    assert main([*base, "--tables"]) == 0
    assert "counters_hash" in capfd.readouterr().out
    for bad, said in (
        (["SELECT dsign FROM ops"], "unknown column 'dsign', did you mean 'design'?"),
        (["SELECT * FROM opps"], "unknown table 'opps', did you mean 'ops'?"),
        (["SELECT design FROM ops WHERE"], "query: "),
        (["SELECT nothing(design) FROM ops"], "query: "),
        ([f"SELECT {'z' * 3000} FROM ops"], "zzz ..., dse query --tables lists all"),
        ([], "give a query or a --preset"),
        (["--preset", "winers"], "did you mean 'winners'?"),
    ):
        assert main([*base, *bad]) == 2
        output = capfd.readouterr()
        assert said in output.err
        assert output.err.count("\n") == 1
        assert output.out == ""


def test_a_column_of_another_table_is_named_with_its_table(results: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--results", str(results), "SELECT scenario FROM ops"]) == 2
    said = capfd.readouterr().err
    assert "column 'scenario' is in " in said
    assert "not in the tables of this query" in said


def test_what_cannot_be_had_is_refused_at_once(results: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    many = " CROSS JOIN ".join(f"ops t{n}" for n in range(9))
    for sql, given, says in (
        ("SELECT 1", ["--memory", "1"], "the least that the query engine starts in"),
        ("SELECT 1", ["--output", str(tmp_path / "pipe")], "is a pipe"),
        (f"SELECT t0.run FROM {many} LIMIT 100001", [], "100,001 rows are too many for table"),
    ):
        assert main(["query", "--results", str(results), sql, *given]) == 2
        output = capfd.readouterr()
        assert says in output.err
        assert output.out == ""


def test_limits_of_time_and_memory(results: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cross = "ops a CROSS JOIN ops b CROSS JOIN ops c CROSS JOIN ops d CROSS JOIN ops e CROSS JOIN ops f"
    many, more = (" CROSS JOIN ".join(f"ops t{n}" for n in range(tables)) for tables in (14, 24))
    for sql, limits, says in (
        (f"SELECT COUNT(*) AS n FROM {more}", ["--timeout", "1"], "the query took more than 1 s"),
        (f"SELECT a.run, {'x' * 10} FROM {cross}", [], "unknown column 'xxxxxxxxxx'"),
        (f"SELECT t0.run FROM {many} ORDER BY t1.value", ["--memory", "200M", "--timeout", "30"], "the query needs more than 0.195 GiB"),
    ):
        assert main(["query", "--results", str(results), sql, *limits]) == 2
        output = capfd.readouterr()
        assert says in output.err
        assert output.err.count("\n") == 1
        assert output.out == ""


def test_control_characters_are_escaped_on_a_terminal(results: Path, tmp_path: Path) -> None:
    import os
    import pty
    import sys

    evil = "SELECT design || CHR(27) || '[2J' AS a FROM ops LIMIT 1".replace("CHR(27)", "'" + chr(27) + chr(0x9B) + "'")
    for form in ("table", "csv", "json"):
        ours, theirs = pty.openpty()
        pid = os.fork()
        if not pid:  # the child has the terminal as its stdout alone
            os.dup2(theirs, 1)
            os.execv(sys.executable, [sys.executable, "-m", "dse.cli", "query", "--results", str(results), evil, "--format", form])
        os.close(theirs)
        said = b""
        while True:
            try:
                more = os.read(ours, 4096)
            except OSError:
                break
            if not more:
                break
            said += more
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        os.close(ours)
        text = said.decode().replace("\r\n", "\n")
        assert "direct" in text
        assert text.replace("\n", "").isprintable(), text


def test_a_parquet_file_that_ends_the_reader_is_named(results: Path, tmp_path: Path) -> None:
    from dse.storing import limited

    files = sorted(results.rglob("*.parquet"))
    assert limited.unreadable(files) == ""
    size = files[1].stat().st_size
    damaged = []
    for at in range(4, size, size // 40):
        content = bytearray(files[1].read_bytes())
        content[at : at + 9] = b"\xff" * 9
        path = tmp_path / f"{at}.parquet"
        path.write_bytes(content)
        damaged.append(path)
    first = limited.unreadable(damaged)
    assert first in {path.name for path in damaged}
    (tmp_path / "none.parquet").write_bytes(b"PAR1")
    assert limited.unreadable([files[0], tmp_path / "none.parquet", files[1]]) == "none.parquet"


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT moves.rate FROM trials_wide", "unknown column 'moves.rate', did you mean 'moves_rate'?"),
        ("SELECT r.moves.rate FROM runs AS r", "unknown column 'moves.rate', did you mean 'moves_rate'?"),
        ("SELECT run FROM runs WHERE memory.limt > 0", "unknown column 'memory.limt', did you mean 'memory_limit'?"),
        ("SELECT run FROM runs ORDER BY Backend.Mix", "unknown column 'Backend.mix', did you mean 'backend_mix'?"),
        ("SELECT r.desing FROM ops AS r", "unknown column 'desing', did you mean 'design'?"),
        ("SELECT zzzz.qqqq FROM ops", "unknown column 'zzzz.qqqq', dse query --tables lists all"),
    ],
)
def test_a_key_with_a_dot(sql: str, says: str, tmp_path) -> None:
    """Scenario files write ``moves.rate``; the column is ``moves_rate``."""
    with pytest.raises(BadInput) as said:
        querying.query(sql, results=tmp_path)
    assert str(said.value) == says
