"""Options, keys and variables that would have no effect: refused, never passed over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dse import scenario
from dse.cli import main
from dse.errors import BadInput
from dse.storing import querying
from dse.sweeps import space
from tests import reportdata

IGNORED = [
    ("compare --counted-only --budget 5", "--budget has no effect: --counted-only times nothing"),
    ("compare --counted-only --width 0.1", "--width has no effect"),
    ("compare --counted-only --state cold", "--state has no effect"),
    ("compare --format json --full", "--full has no effect: --format json has all rows"),
    ("sweep --format csv --full", "--full has no effect"),
    ("sweep --sampler=", "--sampler is empty"),
    ("sweep --objectives=", "--objectives is empty"),
    ("sweep --trace=", "an empty name is no file"),
    ("query --tables SELECT", "SQL has no effect: --tables lists tables"),
    ("query --tables --preset pareto", "--preset has no effect"),
    ("query --tables --output x.csv", "--output has no effect"),
    ("query --tables --format parquet", "--tables is not written as Parquet"),
    ("report --figure bytes", "--figure has no effect: it is for png and svg; html has all figures"),
    ("report --bundle --format svg", "--format has no effect: --bundle writes what was stored"),
    ("report --bundle --full --format text", "--format has no effect"),
    ("report --bundle --figure bytes", "--figure has no effect"),
    ("rerun last --trust", "--trust has no effect: a stored run carries no source"),
    ("ask --again", "--again has no effect"),
    ("ledger direct --chart a.svg --format json", "--format has no effect"),
    ("linux show 7.2 --backend disk", "--backend has no effect: it is one of an --operation"),
    ("linux show 7.2 --pages 512", "--pages has no effect"),
    ("linux record --release 7.2 --experiments fill --traces a", "--traces has no effect: it is of the experiment trace, not of fill"),
    ("bench --quick --against HEAD", "--against has no effect: --quick compares nothing"),
    ("bench --quick --exact", "--exact has no effect"),
]


@pytest.mark.parametrize(("command", "said"), IGNORED, ids=[command for command, _ in IGNORED])
def test_an_option_without_effect(
    command: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 2
    output = capsys.readouterr()
    assert said in output.err
    assert output.err.count("\n") == 1
    assert not output.out
    assert not list(tmp_path.iterdir())


def test_options_at_their_default_are_no_matter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = reportdata.store_run(tmp_path)
    assert main(["report", name, "--bundle", "--format", "html", "--results", str(tmp_path)]) == 0
    assert main(["query", "--tables", "--format", "csv", "--results", str(tmp_path)]) == 0
    assert "provenance,command,String" in capsys.readouterr().out


@pytest.mark.parametrize("key", ["memory.charge_zswap", "backend.shrink_to", "backend.incompressible_share", "backend.reject_above"])
def test_keys_that_a_mix_leaves_without_effect(key: str) -> None:
    section, _, name = key.partition(".")
    value = {"charge_zswap": False, "shrink_to": 0.5, "incompressible_share": 0.2, "reject_above": 3000}[name]
    text = f'[workload]\ngenerator = "zipf"\n[backend]\nmix = {{ zswap = 0.5, ssd = 0.5 }}\n[{section}]\n{name} = {json.dumps(value)}\n'
    text = text.replace("[backend]\n[backend]\n", "[backend]\n") if section != "backend" else text.replace("}\n[backend]\n", "}\n")
    with pytest.raises(BadInput, match=f"{name} has no effect: it is not used where mix gives the shares"):
        scenario.parse(text, "x.toml", "x")
    scenario.parse(text.replace("mix = { zswap = 0.5, ssd = 0.5 }\n", ""), "x.toml", "x")


def test_a_key_of_a_space_that_acts_in_none_of_its_configurations() -> None:
    text = '[scenario]\nworkload = { generator = "zipf", pages = 2048, working_set = 0.2 }\n[axes.design]\nvalues = ["direct"]\n'
    with pytest.raises(BadInput, match=r"x\.toml:2: workload\.working_set has no effect: it is of the generator phase"):
        space.parse(text, "x.toml", "x")
    space.parse(f'{text}[axes."workload.generator"]\nvalues = ["zipf", "phase"]\n', "x.toml", "x")


def test_a_benchmark_with_fewer_figures_than_parameters_is_not_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "asv" / "machine"
    folder.mkdir(parents=True)
    about = {"commit_hash": "c", "date": 1, "result_columns": ["result", "params"]}
    for name, values in (("whole", [1.0, 2.0]), ("cut", [1.0])):
        (folder / f"{name}.json").write_text(json.dumps({**about, "results": {name: [values, [["a", "b"]]]}}))
    rows = querying.asv_rows(tmp_path)
    assert [row["benchmark"] for row in rows] == ["whole", "whole"]
    assert f"skipped {folder / 'cut.json'}: not an asv result file" in capsys.readouterr().err
