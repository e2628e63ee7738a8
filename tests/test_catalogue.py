"""Pages of designs: facts read off a design, wherever it was registered."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from dse import cli, naming
from dse.common import machine
from dse.describing import catalogue


@pytest.mark.parametrize("name", list(naming.registry()))
def test_every_design_says_which_file_registers_it(name: str) -> None:
    said = catalogue.source_of(naming.registry()[name])
    assert said.startswith("kernels/designs/")
    assert (machine.ROOT / said).is_file()


def test_a_design_from_outside_the_package_has_a_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    toy = dataclasses.replace(naming.registry()["swap_table_p4"], name="toy", title="a toy", file=str(tmp_path / "toy.py"))
    monkeypatch.setitem(naming.registry(), "toy", toy)
    page = catalogue.page("toy")
    assert page.startswith("# toy\n\na toy. Made by `make docs` from toy.py.")
    assert str(tmp_path) not in page
    assert "## Lookup chain" in page


def test_tables_have_the_same_number_of_cells_in_every_row() -> None:
    page = catalogue.page("swap_table_p1")
    columns = 0
    for line in page.splitlines():
        if not line.startswith("|"):
            columns = 0
            continue
        columns = columns or line.count("|")
        assert line.count("|") == columns, line
    assert "if phase=1 or 2" in page


def test_rows_that_count_by_default() -> None:
    rows = {(row["structure"], row["nbytes"]): row["by_default"] for row in catalogue.designs("swap_table_p4")[0]["layout"]}
    assert not rows["swap_map", 1]
    assert rows["memcg table", 2]
    assert rows["cluster headers", 48]
    assert not rows["cluster headers", 32]


def test_lookup_chains() -> None:
    direct, table = (catalogue.lookup_chain(name) for name in ("direct", "swap_table_p4"))
    assert [row["backend"] for row in direct] == ["zswap", "ssd"]
    for rows in (direct, table):
        assert all(row["length"] == len(row["objects"]) for row in rows)
        assert rows[0]["objects"][-1] == "zsmalloc object"
    assert "swap cache node" in direct[1]["objects"]
    assert "swap table" in table[1]["objects"]
    assert "swap cache node" not in table[1]["objects"]
    layer = catalogue.lookup_chain("swap_id")[1]
    assert layer["length"] > direct[1]["length"]
    assert "ID node" in layer["objects"]


def test_sizes_are_the_ledger_s() -> None:
    rows = {(row["backend"], row["fill"]): row for row in catalogue.sizes("swap_table_p4")}
    assert rows["ssd", 1.0]["counted"] == 80
    assert rows["ssd", 0.0]["headers"] == 0.75


def test_the_command_prints_the_chain(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["designs", "swap_table_p1"]) == 0
    out = capsys.readouterr().out
    assert "Lookup chain of a swap-in, from the PTE to the data" in out
    assert "swap device > cluster header > swap table" in out
    assert max(len(line) for line in out.splitlines()) < 1000
