"""Stored and cached things whose bits changed: refused or made again, never another answer."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dse import storing
from dse.cli import main
from dse.common import digests, writing
from dse.errors import BadInput
from dse.linux import records
from dse.measuring import warming
from dse.storing import querying, studies
from dse.sweeps import caching, distributing, generations, space, storages, sweep
from tests import reportdata
from tests.sweepdata import TEXT, said_by

PLACES = 200


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Folder of results with a swept study, its cache, and a run; and what the sweep found."""
    warming.warm([("direct", "count"), ("swap_id", "count")])
    results = tmp_path_factory.mktemp("results")
    found = sweep(space.parse(TEXT, "small.toml", "small"), trials=10, sampler="random", results=results)
    reportdata.store_run(results)
    return results, found


def read(results: Path, study: str, changed: Path | None = None) -> dict[str, Callable[[], Any]]:
    """List every way of reading a folder of results, or those that read a file."""
    cache = caching.Cache(results)
    of_runs: dict[str, Callable[[], Any]] = {
        "run": lambda: storing.load_run(results, "last"),
        "ops": lambda: storing.scan(results)["ops"].collect().to_dicts() or None,
        "provenance": lambda: storing.scan(results)["provenance"].collect().to_dicts() or None,
    }
    ways: dict[str, Callable[[], Any]] = {
        "study": lambda: studies.read_tables(results, study),
        "settings": lambda: studies.read_settings(results, study),
        "studies": lambda: querying.query("SELECT * FROM trials", results=results).to_dicts() or None,
    }
    for path in sorted((results / "cache").rglob("*.json")):
        key = path.name.partition(".")[0]
        if path.name.endswith("stream.json"):
            ways[key] = lambda key=key: (found := cache.stream(key)) and (found[0].tolist(), found[1])
        else:
            ways[key] = lambda key=key: cache.get(key)
    if changed is None:
        return of_runs | ways
    kind, key = changed.relative_to(results).parts[0], changed.name.partition(".")[0]
    return of_runs if kind == "runs" else {key: ways[key]} if kind == "cache" else {n: ways[n] for n in ("study", "settings", "studies")}


def refused(way: Callable[[], Any]) -> Any:
    """Call a reader; return None where it refuses or leaves out (which it says)."""
    try:
        return way()
    except BadInput:
        return None


def test_a_flipped_bit_is_never_another_answer(stored: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """200 places of cache, run and study, drawn anew each time: every reader gives what was stored, or refuses it."""
    results, found = stored
    study = str(found["study"])
    whole = {name: way() for name, way in read(results, study).items()}
    files = [path for path in results.rglob("*") if path.stat().st_size and path.is_file()]
    seed = random.SystemRandom().randrange(1 << 32)
    draw = random.Random(seed)
    caught = 0
    for _ in range(PLACES):
        path = draw.choice(files)
        content = path.read_bytes()
        bit = draw.randrange(8 * len(content))
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            again = {name: refused(way) for name, way in read(results, study, path).items()}
            assert all(value in (None, whole[name]) for name, value in again.items()), (seed, path, bit)
            caught += any(value is None for value in again.values())
        finally:
            path.write_bytes(content)
    assert caught > PLACES // 2
    for path, name in ((next((results / "cache").rglob("*.npy")), "npy"), (next((results / "cache").rglob(f"{'?' * 64}.json")), "json")):
        other = tmp_path / name
        shutil.copytree(results, other)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        (other / path.relative_to(results)).write_bytes(content)
        assert said_by(sweep(resume=study, results=other)) == said_by(found)


def test_one_line_for_a_damaged_run_and_study(
    stored: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, found = tmp_path / "r", stored[1]
    shutil.copytree(stored[0], results)
    run, study = storing.run_names(results)[0], str(found["study"])
    for path in (results / "runs" / run / "ops.parquet", results / "studies" / study / "trials.parquet"):
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 4
        path.write_bytes(content)
    for name in (run, study):
        assert main(["report", name, "--format", "text", "--results", str(results)]) == 2
        said = capsys.readouterr().err
        assert "not what was stored: its SHA-256 differs" in said
        assert said.count("\n") == 1
    assert main(["query", "SELECT COUNT(*) AS n FROM ops", "--results", str(results), "--format", "csv"]) == 0
    output = capsys.readouterr()
    assert output.out == "n\n0\n"
    assert output.err.count("skipped") == 2
    assert said_by(sweep(resume=study, results=results)) == said_by(found)
    assert studies.read_tables(results, study)["trials"]


def test_lists_are_those_of_sha256sum(stored: tuple[Path, dict[str, Any]]) -> None:
    for folder in (next((stored[0] / "runs").iterdir()), studies.folder(stored[0], stored[1]["study"])):
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", digests.SUMS], cwd=folder, check=True)


def test_tables_without_a_list_are_those_of_an_earlier_version(tmp_path: Path) -> None:
    name = reportdata.store_run(tmp_path)
    folder = tmp_path / "runs" / name
    (folder / digests.SUMS).unlink()
    with pytest.raises(BadInput, match="no SHA256SUMS beside it"):
        storing.load_run(tmp_path, name)
    import polars as pl

    for path in folder.glob("*.parquet"):
        known = {key: value for key, value in pl.read_parquet_metadata(path).items() if key.startswith("swapdse.") and "digests" not in key}
        pl.read_parquet(path).write_parquet(path, metadata=known)
    assert storing.load_run(tmp_path, name).ops


def test_a_damaged_record_of_a_kernel(tmp_path: Path) -> None:
    name = records.store(tmp_path, "7.2", {"fill": []}, {"release": "7.2"})
    assert records.load(name, tmp_path).provenance == {"release": "7.2"}
    path = tmp_path / "linux" / name / "provenance.json"
    path.write_text(path.read_text().replace("7.2", "7.3"))
    with pytest.raises(BadInput, match="its SHA-256 differs"):
        records.load(name, tmp_path)
    with pytest.raises(BadInput, match="no name of a record"):
        records.store(tmp_path, "../../7.2", {}, {})


def test_an_entry_of_another_key(tmp_path: Path) -> None:
    cache = caching.Cache(tmp_path)
    first, second = "a" * 64, "b" * 64
    cache.put(first, {"status": "ok", "lines": 1})
    shutil.copytree(tmp_path / "cache" / "aa", tmp_path / "cache" / "bb")
    (tmp_path / "cache" / "bb" / f"{first}.json").rename(tmp_path / "cache" / "bb" / f"{second}.json")
    fresh = caching.Cache(tmp_path)
    assert fresh.get(first) == {"status": "ok", "lines": 1}
    assert fresh.get(second) is None


def test_an_evaluation_that_a_worker_made_of_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial whose measures are not those of its configuration is evaluated again; one that always is ends the sweep."""
    small = space.parse(TEXT, "small.toml", "small")
    url = str(tmp_path / "journal.log")
    tell, wrong = distributing._tell, [0]

    def forged(storage: Any, trial: Any, key: str, measures: Any, names: Any) -> None:
        wrong[0] += 1
        tell(storage, trial, key if wrong[0] > most else "0" * 64, {**measures, "pages": 1}, names)

    def inside(self: Any) -> None:
        distributing.work(url, self.name, tmp_path / "w", once=True)

    monkeypatch.setattr(distributing, "_tell", forged)
    monkeypatch.setattr(distributing.Shared, "_replace_workers", inside)
    monkeypatch.setattr(storages, "GRACE", 0)
    most = 1
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(caching.Cache, "put", lambda self, key, measures: seen.append(measures) or self._known.update({key: measures}))
    sweep(small, trials=2, sampler="random", storage=url, workers=0, results=tmp_path / "r")
    assert wrong[0] == 3
    assert all(digests.DIGEST not in measures for measures in seen)
    most, wrong[0], url = 99, 0, str(tmp_path / "other.log")
    with pytest.raises(BadInput, match="came back 3 times as what was not asked for"):
        sweep(small, trials=1, sampler="random", storage=url, workers=0, results=tmp_path / "q")


def test_results_are_on_the_disk_before_they_have_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("sync"), sync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda self, to: (done.append("rename"), replace(self, to))[1])
    writing.write_together({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert done == ["sync", "sync", "rename", "rename", "sync"]
    done.clear()
    caching.Cache(tmp_path).put("c" * 64, {"status": "ok"})
    assert done == ["rename"]


def test_a_document_is_checked_as_it_was_written() -> None:
    document = digests.sealed({"values": [0.1, 1e300, None], "names": {"b": 1, "a": "é"}}, "x")
    again = json.loads(json.dumps(document, indent=3))
    assert digests.whole(again, "x")
    assert not digests.whole([], "x")
    assert not digests.whole({}, "x")


def test_an_output_overwrites_no_stored_result(stored: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    results, found = stored
    table = results / "studies" / str(found["study"]) / "trials.parquet"
    before = table.read_bytes()
    key = next((results / "cache").rglob("*.json"))
    inside = [table.parent / name for name in (digests.SUMS, studies.SETTINGS, studies.JOURNAL, "mine.csv")]
    for target in (table, *inside, key, results / "cache" / "00" / ".." / ".." / "studies" / str(found["study"]) / studies.JOURNAL):
        assert main(["query", "SELECT 1 AS a", "--results", str(results), "--format", "csv", "--output", str(target)]) == 2
        assert "is a stored result" in capsys.readouterr().err
    assert table.read_bytes() == before
    assert storing.load_run(results, "last")


def test_a_flipped_bit_of_a_journal(stored: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sweep that goes on from a changed journal refuses it, or counts the trials of the last generation anew."""
    results, found = stored
    study = str(found["study"])
    draw = random.Random(17)
    for place in [0.1, 0.5, 0.97, 0.999, "seal", *(draw.random() for _ in range(5))]:
        other = tmp_path / str(place)
        shutil.copytree(results, other)
        journal = other / "studies" / study / studies.JOURNAL
        path = journal if isinstance(place, float) else journal.with_name(journal.name + generations.SEAL)
        content = bytearray(path.read_bytes())
        content[int(len(content) * (place if isinstance(place, float) else 0.5))] ^= 1
        path.write_bytes(content)
        status = main(["sweep", "--resume", study, "--results", str(other), "--workers", "1"])
        said = capsys.readouterr().err
        assert status in (0, 2)
        if status:
            assert "not what was stored" in said
            assert path.read_bytes() == content
        else:
            names = ("index", "design", "key", "status", "feasible", "environment")
            stored_at = [storages.opened(str(p / "studies" / study / studies.JOURNAL)).get_all_trials(0) for p in (results, other)]
            ours, theirs = ([(t.values, [t.user_attrs[n] for n in names]) for t in trials] for trials in stored_at)
            assert ours == theirs
            assert studies.read_tables(other, study)["trials"] == studies.read_tables(results, study)["trials"]


def test_a_journal_that_was_removed_is_made_again(stored: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    shutil.copytree(stored[0], tmp_path / "r")
    study = str(stored[1]["study"])
    journal = tmp_path / "r" / "studies" / study / studies.JOURNAL
    entries = len(journal.read_bytes().splitlines())
    journal.unlink()
    assert said_by(sweep(resume=study, results=tmp_path / "r")) == said_by(stored[1])
    assert len(journal.read_bytes().splitlines()) <= entries
    assert generations.Generations(journal)


def test_a_copy_under_another_name_is_not_read(
    stored: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "r"
    shutil.copytree(stored[0], results)
    run, study = storing.run_names(results)[0], str(stored[1]["study"])
    whole = storing.scan(results)["ops"].collect()
    shutil.copytree(results / "runs" / run, results / "runs" / "20261129T083505Z-ffffffff")
    shutil.copytree(results / "studies" / study, results / "studies" / f"copy-{study}")
    capsys.readouterr()
    assert storing.scan(results)["ops"].collect().equals(whole)
    assert f"stored as {run}: a run that was copied or renamed is not read" in capsys.readouterr().err
    count = "SELECT COUNT(*) AS n FROM trials"
    assert querying.query(count, results=results).equals(querying.query(count, results=stored[0]))
    for name in ("20261129T083505Z-ffffffff", f"copy-{study}"):
        assert main(["report", name, "--format", "text", "--results", str(results)]) == 2
        assert "that was copied or renamed is not read" in capsys.readouterr().err


def test_settings_without_their_digest_are_refused(stored: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    shutil.copytree(stored[0], tmp_path / "r")
    study = str(stored[1]["study"])
    path = tmp_path / "r" / "studies" / study / studies.SETTINGS
    document = json.loads(path.read_bytes())
    document["sha257"] = document.pop(digests.DIGEST)
    path.write_text(json.dumps({**document, "seed": 7}))
    with pytest.raises(BadInput, match="not what was stored"):
        studies.read_settings(tmp_path / "r", study)


def test_a_table_that_is_gone_is_not_an_empty_one(stored: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    shutil.copytree(stored[0], tmp_path / "r")
    study = str(stored[1]["study"])
    folder = tmp_path / "r" / "studies" / study
    (folder / "winners.parquet").unlink()
    sums = folder / digests.SUMS
    sums.write_text(sums.read_text().replace("  winners", "  xinners"))
    with pytest.raises(BadInput, match=r"lists 'xinners\.parquet', which is no table"):
        studies.read_tables(tmp_path / "r", study)
