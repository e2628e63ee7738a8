"""dse explain and dse designs: one operation step by step, the pages made from the designs' own files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import dse
from dse import cli, documenting, naming
from dse.describing import catalogue, explaining
from dse.modelling.functions import Event, attribute
from kernels.own import Step

ROOT = Path(__file__).resolve().parent.parent
DESIGNS = list(naming.registry())


def events(op: str, design: str = "direct", **more: object) -> list[dict[str, object]]:
    return dse.explain(op, design, slots=256 if op == "swapoff" else 2048, **more)["designs"][0]["events"]


@pytest.mark.parametrize("op", explaining.OPERATIONS)
@pytest.mark.parametrize("design", DESIGNS)
def test_every_operation_can_be_explained(op: str, design: str) -> None:
    kept = op == "move" and naming.parse(design).values.get("zswap") == "ghost"  # pages of a ghost do not move
    found = dse.explain(op, design, fill=0.4, slots=256 if op == "swapoff" else 2048, backend="ssd" if kept else None)
    one = found["designs"][0]
    assert one["design"] == design
    assert one["events"]
    assert all(event["function"] for event in one["events"])
    assert one["totals"]["lines"] == max(event["line"] for event in one["events"])
    assert one["totals"]["chain"] == sum(event["event"] == "chase" for event in one["events"])
    assert one["totals"]["locked_sections"] == sum(event["event"] == "lock" for event in one["events"])


def test_locks_are_taken_and_given_back() -> None:
    for op in explaining.OPERATIONS:
        held: list[str] = []
        for event in events(op, fill=0.4):
            if event["event"] == "lock":
                held.append(str(event["what"]))
            elif event["event"] == "unlock":
                held.remove(str(event["what"]))
        assert held == []


def test_the_fault_of_direct_in_the_kernels_words() -> None:
    functions = [event["function"] for event in events("swap_in")]
    order = ["do_swap_page", "filemap_get_folio", "swapcache_prepare", "add_to_swap_cache", "zswap_load", "swap_free_nr"]
    places = [functions.index(name) for name in order]
    assert places == sorted(places)


def test_designs_stand_side_by_side() -> None:
    found = dse.explain("move", "direct,direct[move=rewrite]", backend="ssd", slots=2048)
    names = [design["design"] for design in found["designs"]]
    for name, design in zip(names, found["designs"], strict=True):
        cells = [row[name] for row in found["rows"] if row[name]]
        assert len(cells) == len(design["events"])
        assert [cell.split(", line")[0] for cell in cells] == [f"{e['event']} {e['what']}" for e in design["events"]]
    assert any(row[names[0]] and not row[names[1]] for row in found["rows"])
    assert any(row[names[0]] and row[names[1]] for row in found["rows"])


def test_the_same_design_differs_in_nothing() -> None:
    traced = explaining.trace(naming.parse("direct"), "zap", 0.5, 2048, "ssd", "ssd")
    assert all(len(set(row.values()) - {row["step"], row["function"]}) == 1 for row in explaining.aligned([traced, traced]))


def test_steps_that_kernels_announce_win() -> None:
    direct = naming.parse("direct").design
    number = {name: n for n, name in direct.own.names(Step).items()}["add_to_swap_cache"]
    log = [Event("lock", "cluster", step=number), Event("write", "swap_map", 1, step=number), Event("read", "PTE", 2)]
    attribute("zap", log, direct)
    assert [event.function for event in log] == ["add_to_swap_cache", "add_to_swap_cache", "zap_pte_range"]


def test_explain_prints_data_on_stdout_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "fork", "--designs", "direct", "--fill", "0.5", "--slots", "2048", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "counted"
    assert cli.main(["explain", "fork", "--designs", "direct", "--slots", "2048"]) == 0
    out, err = capsys.readouterr()
    assert "swap_duplicate" in out
    assert err.startswith("dse: fork on zswap")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["swap_inn"], "did you mean 'swap_in'"),
        (["swap_in", "--designs", "dirct"], "did you mean 'direct'"),
        (["swap_in", "--designs", "direct,direct"], "twice"),
        (["swap_in", "--designs", "direct", "--fill", "0"], "nothing is swapped out"),
        (["swap_in", "--designs", "direct", "--fill", "-1"], "not from 0 to 1"),
        (["swap_in", "--designs", "direct", "--backend", "sdd"], "did you mean"),
        (["clean_drop", "--designs", "direct", "--backend", "zswap", "--slots", "2048"], "take --backend ssd"),
        (["move", "--designs", "direct[move=refuse]", "--backend", "ssd", "--slots", "2048"], "refuse"),
        (["swap_in", "--slots", "-4"], "negative"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err


def test_more_memory_than_there_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("dse.common.machine.memory_available", lambda: 1 << 20)
    assert cli.main(["explain", "swap_in", "--designs", "direct", "--slots", "2^20"]) == 2
    assert "GiB of memory" in capsys.readouterr().err


def test_designs_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["designs", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [about["name"] for about in found] == DESIGNS
    assert all({"name", "parameters", "operations", "sources"} <= about.keys() for about in found)
    assert {"swap_out", "swap_in", "fork", "zap", "move", "swapoff"} <= set(found[0]["operations"])
    assert next(p for p in found[0]["parameters"] if p["name"] == "move")["values"] == ["reswap", "rewrite", "refuse"]


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_one_design(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["designs", "direct", "--format", form]) == 0
    out = capsys.readouterr().out
    assert "swap_map" in out
    assert form != "table" or "zswap_store" in out


def test_an_unknown_design(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["designs", "swap_map"]) == 2
    assert capsys.readouterr().err.startswith("dse: error: unknown design 'swap_map'")


def test_a_descent_is_one_walk() -> None:
    labels = ["chase a tree", "chase node", "read node", "chase node", "read node", "write node"]
    assert catalogue._does(labels) == "chase a tree, walk 2 nodes, write node"


@pytest.mark.parametrize("name", sorted(documenting.pages()))
def test_the_made_pages_are_up_to_date(name: str) -> None:
    path = ROOT / "docs" / name
    assert path.is_file(), "run make docs"
    assert path.read_text(encoding="utf-8") == documenting.pages()[name](), "run make docs"
