"""Break-even fills and charts of bytes over fill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import dse
from dse import cli
from dse.errors import BadInput
from dse.modelling import fills
from dse.reports import charts

MIB = 1 << 20


class Book:
    """Ledger made up for a test."""

    header_bytes = 0

    def __init__(self, total: int) -> None:
        self.total_bytes = self.allocated_bytes = total


def straight(name: str, idle: int, full: int, slots: int = 1000) -> fills.Curve:
    return fills.Curve(name, slots, lambda pages: Book(idle + (full - idle) * pages // slots))


def test_published_lines_cross_where_published() -> None:
    # 20260208215839.87595-1-nphamcs@gmail.com: lines in MiB for 32 GiB; the crossings follow
    slots = 1 << 23
    old, new = straight("old", 25 * MIB, 153 * MIB, slots), straight("new", 0, 193 * MIB, slots)
    [(fill, method)] = fills.crossings(old, new, "counted")
    assert fill == pytest.approx(25 / 65)
    assert method == "closed form"
    disk = straight("old", 25 * MIB, 89 * MIB, slots), straight("new", 2 * MIB, 259 * MIB, slots)
    assert fills.crossings(*disk, "counted")[0][0] == pytest.approx(23 / 193)


@pytest.mark.parametrize(("a", "b"), [((10, 20), (30, 40)), ((10, 20), (10, 20)), ((0, 0), (0, 0))])
def test_no_crossing(a: tuple[int, int], b: tuple[int, int]) -> None:
    assert fills.crossings(straight("a", *a), straight("b", *b), "counted") == []


def test_bent_curves_are_bisected() -> None:
    bent = fills.Curve("bent", 1000, lambda pages: Book(10_000 if pages < 333 else 90_000))
    flat = straight("flat", 50_000, 50_000)
    assert fills.crossings(bent, flat, "allocated") == [(0.333, "bisection")]
    hump = fills.Curve("hump", 1000, lambda pages: Book(90_000 if 100 <= pages < 700 else 10_000))
    assert [fill for fill, _ in fills.crossings(hump, flat, "allocated")] == [0.1, 0.7]


@pytest.mark.parametrize("backend", ["zswap", "ssd"])
def test_break_even_is_where_the_ledgers_are_equal(backend: str) -> None:
    found = dse.break_even("direct", "swap_table_p4" if backend == "zswap" else "swap_id[base=swap_table_p4]", backend=backend)
    for row in found["rows"]:
        if row["fill"] is None:
            assert row["smaller_below"] == row["smaller_above"]
            continue
        at = [dse.ledger(found[side], found["slots"], row["fill"], backend) for side in "ab"]
        key = "allocated_bytes" if row["measure"] == "allocated" else "total_bytes"
        extra = [f["header_bytes"] if row["measure"] == "counted with headers" else 0 for f in at]
        sums = [f[key] + more for f, more in zip(at, extra, strict=True)]
        assert abs(sums[0] - sums[1]) <= (65536 if row["measure"] == "allocated" else 32)
        assert row["smaller_below"] != row["smaller_above"]


def test_smaller_below_and_above() -> None:
    row = dse.break_even("direct", "swap_id[base=swap_table_p4]", backend="ssd")["rows"][0]
    assert row["percent"] == 31.25  # 25 MiB and 8 B a page against 18 B a page
    assert row["smaller_below"].startswith("swap_id")
    assert row["smaller_above"] == "direct"


def test_break_even_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ledger", "direct", "swap_desc", "--break-even", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["measure"] for row in found["rows"]] == list(fills.MEASURES)
    assert cli.main(["ledger", "direct,swap_desc", "--break-even", "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("measure,fill,percent,pages,")
    assert cli.main(["ledger", "direct", "--design", "swap_desc", "--break-even"]) == 0
    assert "closed form" in capsys.readouterr().out


def test_designs_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ledger", "direct", "swap_table_p4", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [f["design"] for f in found["ledgers"]] == ["direct", "swap_table_p4"]
    assert cli.main(["ledger", "direct", "swap_table_p4"]) == 0
    assert "swap_table_p4" in capsys.readouterr().out


def test_picture_is_written_whole_and_the_same_again(tmp_path: Path) -> None:
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    for path in (first, second):
        assert dse.chart("direct,swap_table_p4", path, slots=1 << 16) == str(path)
    assert first.read_bytes() == second.read_bytes()
    assert "allocated, with headers" in first.read_text() or b"<path" in first.read_bytes()
    dse.chart(["direct"], tmp_path / "c.png", slots=1 << 12)
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.svg", "b.svg", "c.png"]


def told(*rows: tuple[float | None, str, str]) -> str:
    given = [{"measure": "allocated", "percent": p, "smaller_below": below, "smaller_above": above} for p, below, above in rows]
    return fills.sentence({"a": "x", "b": "y", "rows": given})


def test_the_sentence_of_a_break_even() -> None:
    assert told((57.04, "y", "x")) == "Allocated bytes: below 57 % of the slots in use y is smaller, above x."
    assert told((None, "x", "x")) == "Allocated bytes: x is smaller at every fill."
    assert told((None, "equal", "x")) == "Allocated bytes: x is smaller at every fill."
    assert told((None, "equal", "equal")) == "Allocated bytes: x and y are equal at every fill."
    assert told((10.0, "x", "y"), (70.25, "y", "x")) == (
        "Allocated bytes: below 10 % of the slots in use x is smaller, from 10 to 70.2 % y, above x."
    )


def test_the_command_ends_in_the_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ledger", "swap_table_p4", "vswap_v6", "--break-even"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    row = next(r for r in dse.break_even("swap_table_p4", "vswap_v6")["rows"] if r["measure"] == "allocated")
    assert last == (
        f"Allocated bytes: below {row['percent']:.1f}".removesuffix(".0") + f" % of the slots in use {row['smaller_below']} is smaller, "
        f"above {row['smaller_above']}."
        if row["percent"] is not None
        else f"Allocated bytes: {row['smaller_above']} is smaller at every fill."
    )


def test_text_chart() -> None:
    said = charts.text([straight("flat", 10 * MIB, 10 * MIB), straight("rising", 0, 20 * MIB)], "zswap")
    lines = said.splitlines()
    assert lines[1].endswith("+")
    assert all("o" in line or "+" in line for line in lines if line.startswith("    20.0"))
    flat = [line for line in lines[1 : charts.HEIGHT + 1] if line.count("o") > 40]
    assert len(flat) == 1
    assert lines[-2:] == ["          o flat", "          + rising"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["direct", "--chart", "x.gif"], "unknown kind of picture"),
        (["direct", "--chart", ".png"], ".png is a suffix without a name: such as ledger.png"),
        (["direct", "--chart", "/nowhere/at/all.png"], "no such folder"),
        (["direct", "--chart", "-", "--fill", "0.5"], "leave out --fill"),
        (["direct", "swap_desc", "--break-even", "--compressed", "900"], "leave out --compressed"),
        (["direct", "--break-even"], "needs two designs"),
        (["direct", "direct[move=reswap]", "--break-even"], "twice"),
        (["direct", "swap_tabel_p4", "--break-even"], "did you mean 'swap_table_p4'"),
        (["direct", "--chart", "-", "--backend", "zswp"], "did you mean 'zswap'"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ledger", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err


def test_a_chart_has_a_mark_for_every_design() -> None:
    many = ",".join(
        f"swap_id[policy={p},upkeep={u},id_life={n}]"
        for p in ("percpu", "cyclic")
        for u in ("ride", "apart")
        for n in ("count", "count+cache")
    )
    assert dse.chart(many, slots=4096).count("swap_id[") == 8
    with pytest.raises(BadInput, match="at most 8"):
        dse.chart(many + ",direct", slots=4096)


@pytest.mark.parametrize("value", ["bogus", "module://nowhere", "svg"])
def test_pictures_do_not_depend_on_what_shows_windows(value: str, tmp_path: Path) -> None:
    script = "import os, sys; from dse import cli; status = cli.main(sys.argv[1:]); print(os.environ['MPLBACKEND']); sys.exit(status)"
    command = [sys.executable, "-c", script, "ledger", "direct", "--slots", "4096", "--chart", str(tmp_path / "c.png")]
    done = subprocess.run(command, env={**os.environ, "MPLBACKEND": value}, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, f"{value}\n"), done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_matplotlib_says_nothing_of_a_home_that_holds_no_cache(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from dse.reports import charts; charts.matplotlib(); import matplotlib; matplotlib.get_cachedir()"]
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), os.devnull)
    environ = {**os.environ, **nowhere, "TMPDIR": str(tmp_path)}
    environ.pop("MPLCONFIGDIR", None)
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
