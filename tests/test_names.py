"""Names out of files, and ``dse prune``: nothing is written or removed elsewhere than said."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

import dse
from dse.cli import main
from dse.common import digests, names
from dse.errors import BadInput
from dse.reports import bundles
from dse.storing import pruning, studies
from dse.sweeps import space, sweep
from dse.workloads import trace
from tests import reportdata
from tests.sweepdata import TEXT

ELSEWHERE = ("../up", "../../up", "/up", "a/../../up", "..", ".hidden", "", " ", "a\\b", "a\nb", "a\0b", "x" * 300, None, 7)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_no_name(name: object, tmp_path: Path) -> None:
    assert not names.is_name(name)
    with pytest.raises(BadInput, match="is no name of a study"):
        studies.folder(tmp_path, name)  # type: ignore[arg-type]
    document = space.parse(TEXT, "small.toml", "small").document
    if isinstance(name, str):
        with pytest.raises(BadInput, match="is no name of a space"):
            space.from_document({**document, "name": name})


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a small study."""
    folder = tmp_path_factory.mktemp("bundle")
    found = sweep(space.parse(TEXT, "small.toml", "small"), trials=2, sampler="random", results=folder / "r")
    return Path(dse.report(found["study"], path=folder / "a.zip", bundle=True, results=folder / "r"))


def edited(path: Path, to: Path, change: Any) -> Path:
    """Write a copy of a bundle whose description is changed."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    about = json.loads(members[bundles.ABOUT])
    change(about)
    to.write_bytes(bundles._zip({**members, bundles.ABOUT: json.dumps(about).encode()}))
    return to


@pytest.mark.parametrize("name", ["../up", "../../../up", "/up/up", ".up"])
@pytest.mark.parametrize("where", ["name", "settings.study", "settings.space.name", "both"])
def test_a_bundle_that_names_another_folder(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str, name: str
) -> None:
    scratch = tmp_path / "scratch" / "of" / "ours"
    scratch.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(scratch))

    def change(about: dict[str, Any]) -> None:
        if where == "settings.space.name":
            about["settings"]["space"]["name"] = name
        if where in ("settings.study", "both"):
            about["settings"]["study"] = name
        if where in ("name", "both"):
            about["name"] = name

    path = edited(bundle, tmp_path / "b.zip", change)
    assert main(["rerun", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert any(text in said for text in ("is no name of a", "its settings are those of study", "says another space than the tables"))
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["b.zip"]
    assert list(scratch.iterdir()) == []


def test_settings_that_name_another_study(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundles.unpack(bundle, tmp_path / "r")
    study = studies.names(tmp_path / "r")[0]
    path = studies.folder(tmp_path / "r", study) / studies.SETTINGS
    about = {key: value for key, value in json.loads(path.read_text()).items() if key != "sha256"}
    path.write_text(json.dumps({**about, "study": "../../up"}))
    assert main(["sweep", "--resume", study, "--results", str(tmp_path / "r")]) == 2
    assert "these are the settings of study '../../up'" in capsys.readouterr().err
    path.write_text(json.dumps(digests.sealed({**about, "space": {**about["space"], "name": "../up"}}, study)))
    assert main(["sweep", "--resume", study, "--results", str(tmp_path / "r")]) == 2
    assert "'../up' is no name of a space" in capsys.readouterr().err
    for key, value in (("seed", "1"), ("trials", [3]), ("environments", True), ("sampler", None)):
        path.write_text(json.dumps({**about, key: value}))
        assert main(["sweep", "--resume", study, "--results", str(tmp_path / "r")]) == 2
        assert "damaged, or not written by swapdse" in capsys.readouterr().err


def test_unpacked_size_is_bounded_over_all_members(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "UNPACKED_MOST", 1 << 20)
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(bundle) as file, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name in file.namelist():
            out.writestr(name, file.read(name))
        for n in range(8):
            out.writestr(f"{n}.parquet", bytes(1 << 18))
    with pytest.raises(BadInput, match="a bundle has up to"):
        bundles.unpack(path, tmp_path / "r")
    monkeypatch.setattr(bundles, "MEMBERS_MOST", 3)
    with pytest.raises(BadInput, match="a bundle has up to 3"):
        bundles.unpack(bundle, tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_hidden_space(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / ".hidden.toml"
    path.write_text(TEXT)
    assert main(["sweep", str(path), "--trials", "1", "--workers", "1", "--results", str(tmp_path / "r")]) == 0
    (study,) = studies.names(tmp_path / "r")
    assert names.is_name(study)
    assert main(["report", study, "--format", "text", "--results", str(tmp_path / "r")]) == 0
    assert study in capsys.readouterr().out


def listing(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """Folder with 3 runs and 2 studies, a report and a cache entry, and links of every kind to a folder elsewhere."""
    results, elsewhere = tmp_path / "results", tmp_path / "elsewhere"
    for _ in range(3):
        reportdata.store_run(results)
    for name in ("a-1", "b-1"):
        reportdata.store_study(results, name)
    for path in ("reports/a-s1-0123abcd.html", f"cache/ab/{'ab' * 32}.json"):
        (results / path).parent.mkdir(parents=True)
        (results / path).write_text("x")
    reportdata.store_run(elsewhere)
    reportdata.store_study(elsewhere, "c-1")
    (elsewhere / "page.html").write_text("kept")
    (results / "runs" / "0-linked").symlink_to(next((elsewhere / "runs").iterdir()))
    (results / "studies" / "linked-1").symlink_to(elsewhere / "studies" / "c-1")
    (results / "reports" / "linked.html").symlink_to(elsewhere / "page.html")
    (results / "cache" / "cd").symlink_to(elsewhere)
    (results / "runs" / "gone").symlink_to(elsewhere / "gone")
    return results


@pytest.mark.parametrize(
    "options",
    [["--kinds", "runs,studdies", "--keep", "1"], ["--kinds", "runs,", "--days", "0"], ["--kinds", "runs"], ["--keep", "-1"],
     ["--kinds", "runs,studies", "--days", "-1"], ["--days", "nan"], ["--kinds", "../elsewhere", "--days", "0"]],
)  # fmt: skip
def test_prune_looks_before_it_removes(full: Path, capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    before = listing(full.parent)
    assert main(["prune", "--results", str(full), "--yes", *options]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert not said.out
    assert listing(full.parent) == before
    with pytest.raises(BadInput):
        pruning.prune(full, kinds=("runs", "nothing"), keep=0, remove=True)
    assert listing(full.parent) == before


def test_prune_leaves_links_alone(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = listing(full.parent / "elsewhere")
    assert main(["prune", "--results", str(full), "--kinds", "runs,studies,cache,reports", "--keep", "0", "--yes", "--format", "json"]) == 0
    said = capsys.readouterr()
    rows = json.loads(said.out)
    assert all(row["removed"] for row in rows)
    assert [row["kind"] for row in rows] == ["runs"] * 3 + ["studies"] * 2 + ["cache", "reports"]
    assert said.err.count("is a link: left alone") == 5
    assert "7 removed" in said.err
    assert listing(full.parent / "elsewhere") == elsewhere
    left = sorted(path.name for path in full.rglob("*") if path.is_symlink())
    assert left == ["0-linked", "cd", "gone", "linked-1", "linked.html"]
    assert not [path for path in full.rglob("*") if path.is_file() and not path.is_symlink()]


def test_prune_leaves_what_others_put_there(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (full / "reports" / "notes.txt").write_text("mine")
    (full / "cache" / "ab" / "notes").write_text("mine")
    shutil.copytree(full / "studies" / "a-1", full / "studies" / "a-1-copy")
    run = next(path for path in (full / "runs").iterdir() if not path.is_symlink())
    shutil.copytree(run, run.with_name(f"{run.name}-copy"))
    assert main(["prune", "--results", str(full), "--kinds", "runs,studies,cache,reports", "--keep", "0", "--yes"]) == 0
    said = capsys.readouterr()
    assert said.err.count("was not stored by dse under that name: left alone") == 4
    assert "7 removed" in said.err
    left = {str(path.relative_to(full)) for path in full.rglob("*") if not path.is_symlink()}
    assert {"reports/notes.txt", "cache/ab/notes", "studies/a-1-copy/settings.json", f"runs/{run.name}-copy/ops.parquet"} <= left


def test_prune_of_a_folder_that_is_a_link(full: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "runs").symlink_to(full / "runs")
    before = listing(full)
    assert main(["prune", "--results", str(other), "--keep", "0", "--yes"]) == 0
    assert f"{other / 'runs'} is a link: left alone" in capsys.readouterr().err
    assert listing(full) == before


def test_prune_says_what_it_could_not_remove(full: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    real, refused = pruning._remove, "b-1"

    def remove(path: Path, *more: Any) -> None:
        if path.parent.name == "runs" and path.name.endswith("-2"):
            raise PermissionError(13, "Permission denied")
        real(path, *more)

    monkeypatch.setattr(pruning, "_remove", remove)
    with studies.held(full, refused):
        assert main(["prune", "--results", str(full), "--keep", "0", "--yes"]) == 2
    said = capsys.readouterr().err
    assert said.count("was not removed: permission denied") == 1
    assert f"studies/{refused} was not removed: study {refused} is being run by another process" in said
    assert "3 removed" in said
    assert refused in studies.names(full)


def test_prune_leaves_copies_and_what_lies_beside_a_result(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = sorted(path for path in (full / "runs").iterdir() if not path.is_symlink())
    copied = runs[0].with_name("20200101T000000Z-0123abcd")
    shutil.copytree(runs[0], copied)
    (runs[1] / "my-notes.txt").write_text("mine")
    (runs[2] / "ops.parquet").write_bytes(b"damaged")
    thesis = full / "studies" / "thesis"
    thesis.mkdir()
    (thesis / "settings.json").write_text("{")
    (thesis / "chapter.tex").write_text("mine")
    (full / "studies" / "b-1" / "mine").mkdir()
    elsewhere = full / "cache" / "zz" / f"{'a' * 64}.json"
    elsewhere.parent.mkdir()
    elsewhere.write_text("mine")
    assert main(["prune", "--results", str(full), "--kinds", "runs,studies,cache,reports", "--keep", "0", "--yes"]) == 0
    said = capsys.readouterr().err
    assert f"{runs[1]} holds my-notes.txt, which dse did not store there: left alone" in said
    assert f"{full / 'studies' / 'b-1'} holds mine, which dse did not store there: left alone" in said
    for path in (copied, thesis, elsewhere):
        assert f"{path} was not stored by dse under that name: left alone" in said
    left = {path.name for kind in ("runs", "studies") for path in (full / kind).iterdir() if not path.is_symlink()}
    assert left == {copied.name, runs[1].name, "thesis", "b-1"}
    assert elsewhere.exists()


def test_output_replaces_nothing_that_is_stored(full: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = {
        full / "answers" / "which-0123456789abcdef.json": b"{}", tmp_path / "shared.log": b'{"op_code":0,"worker_id":"x"}\n',
        tmp_path / "pages.npz": (trace.SHIPPED / f"{trace.shipped()[0]}.npz").read_bytes(), tmp_path / "sh.txt": b"SQLite format 3\0...",
        full / "cache" / "ab" / f"{'ab' * 32}.json": b"x", tmp_path / "sh.txt-wal": b"\x37\x7f\x06\x82...",
    }  # fmt: skip
    for path, content in places.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        assert main(["query", "SELECT 1 AS a", "--results", str(full), "--format", "csv", "--output", str(path)]) == 2
        assert "is a stored result, or lies among them" in capsys.readouterr().err
        assert path.read_bytes() == content
    mine = tmp_path / "mine.csv"
    mine.write_bytes(b"PK\3\4 another archive")
    assert main(["query", "SELECT 1 AS a", "--results", str(full), "--format", "csv", "--output", str(mine)]) == 0


def test_traces_and_consoles_replace_nothing_that_is_stored(full: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--out`` and ``--console`` ask as ``--output`` does; a trace may take the place of another trace."""
    (tmp_path / "pages.csv").write_text("page\n1\n2\n")
    run = next(path for path in (full / "runs").iterdir() if (path / "ops.parquet").is_file() and not path.is_symlink())
    record = full / "linux" / "20260101T000000Z-7.2"
    record.mkdir(parents=True)
    (record / "provenance.json").write_text("{}")
    journal = tmp_path / "shared.npz"
    journal.write_bytes(b'{"op_code":0,"worker_id":"x"}\n')
    before = listing(full.parent)
    importing = ["trace", "import", str(tmp_path / "pages.csv"), "--format", "csv", "--page-column", "1", "--write-column", "0", "-o"]
    for path in (run / "x", run / "ops.parquet", record / "x", journal):
        for command in ([*importing, str(path)], ["trace", "record", "--out", str(path), "--", "true"],
                        ["linux", "record", "--image", str(tmp_path / "no"), "--results", str(full), "--console", str(path)]):  # fmt: skip
            assert main(command) == 2
            assert "is a stored result, or lies among them" in capsys.readouterr().err, (command, path)
    assert listing(full.parent) == before
    mine = tmp_path / "mine.npz"
    shutil.copy(trace.SHIPPED / f"{trace.shipped()[0]}.npz", mine)
    assert main([*importing, str(mine)]) == 0
    assert trace.load(mine).pages == 2


@pytest.mark.parametrize(
    "options", [["query", "SELECT 1 AS a"], ["report", "b-1"], ["report", "b-1", "--bundle"], ["report", "b-1", "--format", "text"]]
)
def test_output_makes_no_folders(options: list[str], full: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = listing(full.parent)
    assert main([*options, "--results", str(full), "--output", str(tmp_path / "new" / "deep" / "x")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert listing(full.parent) == before
