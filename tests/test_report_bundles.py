"""Bundles: packed alike each time, refused where foreign or damaged, rerun elsewhere."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

import dse
from dse import cli, storing
from dse.errors import BadInput
from dse.reports import bundles, reporting
from tests import reportdata


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reportdata.store_both(tmp_path_factory.mktemp("results"))


@pytest.mark.parametrize("kind", ["run", "study"])
def test_bundles_are_alike_and_whole(results: Path, kind: str, tmp_path: Path) -> None:
    name = reportdata.run_name(results) if kind == "run" else "made-up-s1"
    first = Path(dse.report(name, path=tmp_path / "a.zip", bundle=True, results=results))
    second = Path(dse.report(name, path=tmp_path / "b.zip", bundle=True, results=results))
    assert first.read_bytes() == second.read_bytes()
    about = bundles.unpack(first, tmp_path / "out")
    assert about["name"] == name
    assert {"command", "counters_hash"} <= about.keys()
    assert reporting.resolve("last", tmp_path / "out") == (kind, name)


def test_a_bundle_of_a_run_says_yes_and_no(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = dse.report(reportdata.run_name(results), path=tmp_path / "a.zip", bundle=True, results=results)
    kept = storing.counters_hash(storing.load_run(results, "last").ops)

    def again(name: str, where: Path) -> dict[str, object]:
        stored = storing.counters_hash(storing.load_run(where, name).ops)
        return {"run": name, "equal": outcome == stored, "stored": stored, "again": outcome, "same_code": True}

    monkeypatch.setattr("dse.measuring.comparing.rerun", again)
    for result, code, said in ((kept, 0, "yes"), ("other", 1, "no")):
        outcome = result
        assert cli.main(["rerun", path]) == code
        assert capsys.readouterr().out.strip() == said
    assert cli.main(["rerun", path, "--results", str(tmp_path / "r")]) == cli.BAD
    assert "--results has no effect: a bundle holds what was stored" in capsys.readouterr().err


def changed(path: Path, edit: dict[str, object], drop: str = "") -> Path:
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist() if name != drop}
    if bundles.ABOUT in members:
        members[bundles.ABOUT] = json.dumps(json.loads(members[bundles.ABOUT]) | edit).encode()
    out = path.with_name("changed.zip")
    out.write_bytes(bundles._zip(members))
    return out


SETTINGS = {"study": "x", "space": {}, "sampler": "tpe", "seed": 1, "trials": 1, "code_digest": "", "environments": 1}
WRONG: list[dict[str, object]] = [
    {"seed": -5}, {"seed": 2**70}, {"seed": True}, {"environments": -3}, {"environments": 2**63}, {"trials": 0}, {"trials": 1.5},
]  # fmt: skip


@pytest.mark.parametrize(
    ("edit", "drop", "said"),
    [
        ({"name": "../../evil"}, "", "is no name"),
        ({"counters_hash": 3}, "", "bundle.json is damaged"),
        ({"kind": "study"}, "", "bundle.json is damaged"),
        ({"kind": "study", "settings": {"space": {}}}, "", "bundle.json is damaged"),
        ({"version": 99}, "", "bundle version 99"),
        ({"kind": "virus"}, "", "does not say run or study"),
        ({}, bundles.ABOUT, "not a bundle"),
        *(({"kind": "study", "settings": SETTINGS | wrong}, "", "bundle.json is damaged") for wrong in WRONG),
    ],
)
def test_foreign_bundles(results: Path, tmp_path: Path, edit: dict[str, object], drop: str, said: str) -> None:
    path = Path(dse.report(reportdata.run_name(results), path=tmp_path / "a.zip", bundle=True, results=results))
    with pytest.raises(BadInput, match=said):
        bundles.unpack(changed(path, edit, drop), tmp_path / "x")


def test_a_file_that_is_no_bundle_is_told_before_an_option_that_bundles_do_not_take(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rerun", __file__, "--results", "r"]) == 2
    assert "not a bundle (it does not begin as a ZIP file does)" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"), [("missing.zip", "no such bundle"), ("/no/where", "no such bundle"), (__file__, "not a bundle (")]
)
def test_what_is_no_bundle(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rerun", name]) == cli.BAD
    output = capsys.readouterr()
    assert said in output.err
    assert output.err.count("\n") == 1


def test_a_bundle_whose_tables_were_changed(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(dse.report(reportdata.run_name(results), path=tmp_path / "a.zip", bundle=True, results=results))
    monkeypatch.setattr("dse.measuring.comparing.rerun", lambda name, _: {"run": name, "equal": True, "stored": "0", "again": "0"})
    with pytest.raises(BadInput, match="not those that were bundled"):
        bundles.rerun(path)


LIES = {"command": "rm", "designs": "swap_id", "scenario": "x", "scenario_json": "{}", "seed": 77, "trace": "x", "trace_digest": "0"}


@pytest.mark.parametrize("key", LIES)
def test_what_a_bundle_of_a_run_says_is_that_of_its_tables(
    key: str, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(dse.report(reportdata.run_name(results), path=tmp_path / "a.zip", bundle=True, results=results))
    kept = storing.counters_hash(storing.load_run(results, "last").ops)
    monkeypatch.setattr("dse.measuring.comparing.rerun", lambda name, _: {"run": name, "equal": True, "stored": kept, "again": kept})
    assert bundles.rerun(path)["equal"]
    with pytest.raises(BadInput, match=f"bundle.json says another {key} than the tables of the bundle"):
        bundles.rerun(changed(path, {key: LIES[key]}))


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 nonsense"])
def test_no_bundle_at_all(tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.zip"
    if content is not None:
        path.write_bytes(content)
    assert cli.main(["rerun", str(path)]) == cli.BAD
    assert capsys.readouterr().err.count("\n") == 1


SPACE = """
objectives = ["swap_in"]
[scenario]
workload = { generator = "zipf", pages = 2_048, accesses = 8_192 }
memory = { limit = 0.5 }
[axes."moves.rate"]
values = [0.0, 1.0]
"""


def test_a_refusal_names_the_bundle_and_no_folder_that_is_gone(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = dse.report(reportdata.run_name(results), path=tmp_path / "a.zip", bundle=True, results=results)

    def refused(about: dict[str, object], where: Path) -> dict[str, object]:
        raise BadInput(f"{where}/some/ops.parquet: damaged; dse sweep --results {where} makes it anew")

    monkeypatch.setattr(bundles, "_repeated", refused)
    assert cli.main(["rerun", path]) == 2
    assert capsys.readouterr().err == f"dse: error: {path}: some/ops.parquet: damaged; ask for the bundle again\n"


@pytest.mark.parametrize("member", ["settings.json", "trials.parquet", "winners.parquet", "SHA256SUMS"])
def test_a_bundle_of_a_study_without_a_part(results: Path, tmp_path: Path, member: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It cannot be mended where it was unpacked, and that folder is gone."""
    path = changed(Path(dse.report("made-up-s1", path=tmp_path / "a.zip", bundle=True, results=results)), {}, member)
    assert cli.main(["rerun", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"dse: error: {path}: studies/made-up-s1/")
    assert said.endswith("is not whole; ask for the bundle again\n")
    assert "missing" in said or member == "SHA256SUMS"
    assert member in said
    assert "--resume" not in said


def test_the_folder_of_a_run_is_no_bundle(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = reportdata.run_name(results)
    assert cli.main(["rerun", f"{results}/runs/{name}", "--results", str(results)]) == 2
    folder = f"dse: error: {results}/runs/{name} is a folder, neither a run's name nor a bundle"
    assert capsys.readouterr().err == f"{folder}: dse rerun {name} --results {results}\n"


def test_a_bundle_of_a_study_is_swept_again(tmp_path: Path) -> None:
    space = tmp_path / "small.toml"
    space.write_text(SPACE)
    study = dse.sweep(space, results=tmp_path)["study"]
    path = Path(dse.report(study, path=tmp_path / "a.zip", bundle=True, results=tmp_path))
    assert bundles.rerun(path)["equal"]
    with zipfile.ZipFile(path) as file:
        settings = json.loads(file.read(bundles.ABOUT))["settings"]
    for lie in ({"command": "rm"}, {"settings": settings | {"seed": 2}}, {"settings": settings | {"version": 1}}):
        with pytest.raises(BadInput, match=r"bundle.json says another (command|seed|version) than the tables of the bundle"):
            bundles.rerun(changed(path, lie))
    settings["space"]["scenario"]["memory"]["limit"] = 0.6
    with pytest.raises(BadInput, match=r"bundle.json says another space than the tables of the bundle"):
        bundles.rerun(changed(path, {"settings": settings}))
