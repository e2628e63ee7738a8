"""Sweeps: evaluation, determinism, resuming, results of a study."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse import naming
from dse.cli import main
from dse.common import digests
from dse.errors import BadInput
from dse.measuring import warming
from dse.storing import studies
from dse.sweeps import analysing, breakeven, caching, counting, evaluating, samplers, space, sweep, workers
from tests.sweepdata import TEXT, said_by


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    warming.warm([("direct", "count"), ("swap_id", "count")])


@pytest.fixture(scope="module")
def small() -> space.Space:
    return space.parse(TEXT, "small.toml", "small")


def test_evaluation_is_cached_and_paired(small: space.Space, tmp_path: Path) -> None:
    cache = caching.Cache(tmp_path)
    by_design = {}
    for c in small.every():
        if c.environment == {"moves.rate": 0.3, "backend.mix": {"zswap": 0.5, "ssd": 0.5}, "memory.limit": 0.4}:
            by_design[c.design] = (c, evaluating.evaluate(c, cache))
    c = by_design["direct"][0]
    direct, layer = by_design["direct"][1], by_design["swap_id"][1]
    assert direct["status"] == layer["status"] == "ok"
    assert direct["demands"] == layer["demands"]
    assert direct["pages"] == layer["pages"]
    assert layer["ops"]["swap_in"]["lines"] > direct["ops"]["swap_in"]["lines"]
    assert direct["ops"]["swap_in"]["n"] == layer["ops"]["swap_in"]["n"]
    assert direct["free"]["pages"] > 0
    assert direct["swapoff"]["pages"] > 0
    assert len(list(tmp_path.rglob("*.npy"))) == 1  # one stream for the environment
    stored = cache.stream(caching.stream_key(c))
    assert stored is not None
    assert stored[0].flags.writeable  # else every kernel would be compiled once more for read-only arrays
    before = len(naming.registry()["direct"].replay.overloads)
    again = caching.Cache(tmp_path)
    assert evaluating.evaluate(c, again) == direct
    assert len(naming.registry()["direct"].replay.overloads) == before
    assert evaluating.evaluate(c, caching.Cache(tmp_path)) == direct
    with workers.Evaluator(tmp_path) as evaluator:
        evaluator([c, c])
        assert evaluator.evaluated == 1
    with workers.Evaluator(tmp_path) as evaluator:
        evaluator([c])
        assert evaluator.evaluated == 0
    path = next(tmp_path.rglob(f"{caching.key_of(c)}.json"))
    path.write_bytes(path.read_bytes()[:20])  # torn: evaluated anew
    with workers.Evaluator(tmp_path) as evaluator:
        assert evaluator([c])[0] == json.loads(json.dumps(direct))
        assert evaluator.evaluated == 1


def test_failures_are_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = TEXT.replace('simplex = { of = ["zswap", "ssd"], steps = 2 }', "values = [{ ssd = 1.0 }, { zswap = 1.0 }]")
    found = sweep(space.parse(text, "f.toml", "f"), results=tmp_path)
    statuses = {row["status"] for row in studies.read_tables(tmp_path, found["study"])["trials"]}
    assert "ok" in statuses
    assert any(s.startswith("infeasible: ") and "nothing is in zswap" in s for s in statuses)
    assert found["trials"] == 60
    monkeypatch.setattr(counting, "_book", lambda *_: 1 / 0)
    c = next(space.parse(TEXT, "f.toml", "f").every())
    assert evaluating.evaluate(c, caching.Cache(tmp_path / "x"))["status"] == "failed: ZeroDivisionError: division by zero"


def test_nothing_could_be_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "small.toml"
    for old, new, said in (
        (
            "[constraints]",
            '[axes."workload.trace"]\nvalues = ["nothere"]\n[constraints]',
            "give workload.trace or workload.generator, not both",
        ),
        ("accesses = 8_192", "accesses = 1_000_000_000_000", "at most 67,108,864 accesses, the scenario has 1,000,000,000,000"),
        ("pages = 2_048", "pages = 268_435_456", "at most 67,108,864 pages"),
    ):
        file.write_text(TEXT.replace(old, new))
        arguments = ["sweep", str(file), "--trials", "3", "--sampler", "random", "--workers", "1", "--results", str(tmp_path)]
        assert main(arguments) == 2
        output = capsys.readouterr()
        assert "none of 3 configurations could be evaluated; 3 of them infeasible: " in output.err
        assert said in output.err
        assert not output.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "damaged or not readable"), ("[]", "damaged, or not written by swapdse"), ('{"version": "x"}', "damaged, or not written by"),
        ('{"version": 1, "space": {}}', "damaged, or not written"), (None, "settings of study {} are damaged"),
        ('{"version": 9, "study": "a", "space": {}, "sampler": "", "seed": 1, "trials": 1, "code_digest": ""}', "version 9"),
        ('{"version": 1, "study": "a", "space": {}, "sampler": "", "seed": 1, "trials": 1, "code_digest": ""}', "settings of study 'a'"),
        ('{"version": 1, "study": "STUDY", "space": {}, "sampler": "", "seed": 1, "trials": 1, "code_digest": ""}', "begun by other code"),
    ],
)  # fmt: skip
def test_damaged_settings(small: space.Space, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str) -> None:
    found = sweep(small, trials=2, sampler="random", results=tmp_path)
    path = studies.folder(tmp_path, found["study"]) / studies.SETTINGS
    changed = digests.sealed({**json.loads(path.read_text()), "space": {"axes": 3}}, found["study"])
    path.write_text(json.dumps(changed) if text is None else text.replace("STUDY", found["study"]))
    capsys.readouterr()
    assert main(["sweep", "--resume", found["study"], "--results", str(tmp_path)]) == 2
    output = capsys.readouterr()
    assert said.format(found["study"]) in output.err
    assert output.err.count("\n") == 1


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2", "nsga3", "exhaustive"])
def test_same_for_any_number_of_workers(small: space.Space, tmp_path: Path, sampler: str) -> None:
    runs = {}
    for n in (1, 2, 4) if sampler == "tpe" else (1, 2):
        results = tmp_path / str(n)
        found = sweep(small, trials=40, sampler=sampler, seed=None if sampler == "exhaustive" else 3, workers=n, results=results)
        rows = studies.read_tables(results, found["study"])["trials"]
        runs[n] = (said_by(found), json.dumps(rows))
        assert found["trials"] == 40
        assert found["provenance"]["evaluated"] >= 40
        assert len({row["key"] for row in rows}) == 40  # nothing is evaluated twice
    assert len(set(runs.values())) == 1
    again = sweep(small, trials=40, sampler=sampler, seed=None if sampler == "exhaustive" else 3, results=tmp_path / "1")
    assert again["provenance"]["evaluated"] == 0
    assert said_by(again) == runs[1][0]


def test_a_longer_study_begins_like_a_shorter_one(small: space.Space, tmp_path: Path) -> None:
    short = sweep(small, trials=13, sampler="tpe", results=tmp_path)
    rows = {r["number"]: r["key"] for r in studies.read_tables(tmp_path, short["study"])["trials"]}
    longer = sweep(resume=short["study"], trials=30, results=tmp_path)
    assert longer["study"] == short["study"]
    more = {r["number"]: r["key"] for r in studies.read_tables(tmp_path, short["study"])["trials"]}
    assert len(more) == 30
    assert {n: more[n] for n in rows} == rows
    with pytest.raises(BadInput, match="can only be raised"):
        sweep(resume="last", trials=5, results=tmp_path)


def test_killed_at_random_points_and_resumed(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(TEXT)
    command = [
        sys.executable, "-m", "dse.cli", "sweep", str(file), "--trials", "60", "--sampler", "tpe", "--workers", "2", "--seed", "5",
        "--format", "json", "--results",
    ]  # fmt: skip
    whole = sweep(str(file), trials=60, sampler="tpe", seed=5, results=tmp_path / "whole")
    results = tmp_path / "killed"
    seed = random.SystemRandom().randrange(1 << 32)
    points = random.Random(seed)
    for after in sorted(points.sample(range(1, 46), 5)):  # entries of the journal; 60 trials and the beginning of a study
        process = subprocess.Popen([*command, str(results)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        began = time.monotonic()
        journal = results / "studies" / whole["study"] / studies.JOURNAL
        while time.monotonic() - began < 20 and (journal.read_bytes().count(b"\n") if journal.exists() else 0) < after:
            time.sleep(0.01)
        time.sleep(points.random() * 0.1)
        assert process.poll() is None, seed  # killed in the middle
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    found = sweep(resume="last", results=results, workers=2)
    assert said_by(found) == said_by(whole), seed
    rows = [studies.read_tables(r, whole["study"])["trials"] for r in (results, tmp_path / "whole")]
    assert rows[0] == rows[1]
    import optuna

    from dse.sweeps import storages

    journal = results / "studies" / whole["study"] / studies.JOURNAL
    stored = optuna.load_study(study_name=whole["study"], storage=storages.opened(str(journal)))
    assert [t.user_attrs["index"] for t in stored.trials] == list(range(60))  # nothing lost, nothing doubled


def test_timeout_stops_between_generations(small: space.Space, tmp_path: Path) -> None:
    found = sweep(small, sampler="random", timeout=1e-6, results=tmp_path)
    assert found["timed_out"]
    assert found["trials"] == 0
    assert sweep(resume="last", results=tmp_path)["trials"] == small.size


def test_front_and_winners_against_a_plain_twin(small: space.Space, tmp_path: Path) -> None:
    found = sweep(small, results=tmp_path)
    rows = studies.read_tables(tmp_path, found["study"])["trials"]
    trials: dict[int, dict[str, Any]] = {}
    for row in rows:
        trials.setdefault(row["number"], dict(row))[row["objective"]] = row["value"]
    fit = [t for t in trials.values() if t["feasible"]]
    assert 0 < len(fit) < len(trials)  # the constraint bites
    names = ("swap_in", "bytes_per_page", "move")
    plain = {
        t["number"] for t in fit
        if not any(
            o["environment"] == t["environment"] and all(o[n] <= t[n] for n in names) and any(o[n] < t[n] for n in names) for o in fit
        )
    }  # fmt: skip
    assert {row["number"] for row in found["front"]} == plain == {t["number"] for t in trials.values() if t["front"]}
    for place, group in itertools.groupby(sorted(fit, key=lambda t: t["environment"]), key=lambda t: t["environment"]):
        here = list(group)
        best = min(here, key=lambda t: (t["lifetime.ns"], t["number"]))
        others = [t["lifetime.ns"] for t in here if t["design"].partition("[")[0] != best["design"].partition("[")[0]]
        row = next(w for w in found["winners"] if json.dumps(w["environment"], sort_keys=True) == place)
        assert row["design"] == best["design"]
        assert row["margin"] == (pytest.approx(min(others) / best["lifetime.ns"] - 1) if others else None)
    assert {r["axis"] for r in found["sensitivity"]} == {"design", "policy", "zswap", "moves.rate", "backend.mix", "memory.limit"}
    assert all(r["worst"] >= r["mean"] >= 0 for r in found["regret"])


def test_nondominated_and_hypervolume_against_plain_twins() -> None:
    rng = np.random.default_rng(1)
    for d in (1, 2, 3, 4):
        values = rng.integers(0, 6, (40, d)).astype(float)
        plain = [not any((o <= v).all() and (o < v).any() for o in values) for v in values]
        assert analysing.nondominated(values).tolist() == plain
        cells = np.stack(np.meshgrid(*[np.arange(6) + 0.5] * d, indexing="ij"), -1).reshape(-1, d)
        covered = (cells[:, None, :] >= values[None, :, :]).all(2).any(1).sum()
        assert analysing.hypervolume(values, np.full(d, 6.0)) == pytest.approx(covered)


def test_crossing() -> None:
    assert breakeven.crossing([0, 1, 3], [2.0, 1.0, -1.0]) == (2.0, "above")
    assert breakeven.crossing([0, 1], [-1.0, 1.0]) == (0.5, "below")
    assert breakeven.crossing([0, 1], [-1.0, -2.0]) == (None, "always")
    assert breakeven.crossing([0, 1], [0.0, 2.0]) == (None, "never")


def test_samplers_of_extras_name_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(samplers.importlib.util, "find_spec", lambda _: None)
    for name, modules, extra in (("sobol", "scipy", "qmc"), ("halton", "scipy", "qmc"), ("gp", "torch and scipy", "gp")):
        assert main(["sweep", "--sampler", name, "--trials", "4", "--results", str(tmp_path)]) == 2
        assert capsys.readouterr().err == f"dse: error: sampler {name} needs {modules}: pip install 'swapdse[{extra}]'\n"
    with pytest.raises(BadInput, match="did you mean 'nsga"):
        samplers.check("nsga")


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "small.toml"
    file.write_text(TEXT)
    results = str(tmp_path / "r")
    arguments = ["sweep", str(file), "--trials", "16", "--workers", "1", "--seed", "2", "--results", results]
    assert main([*arguments, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["trials"] == 16
    assert all({"params", "values"} <= row.keys() for row in document["front"])
    assert all({"environment", "design", "params", "margin"} <= row.keys() for row in document["winners"])
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80
    assert main([*arguments, "--full"]) == 0
    assert "Winners by lifetime" in capsys.readouterr().out
    for bad, said in (
        (["sweep", "nothing", "--results", results], "unknown space 'nothing'"),
        (["sweep", "--sampler", "tpee", "--results", results], "did you mean 'tpe'"),
        (["sweep", "--objectives", "speed", "--results", results], "unknown objective 'speed'"),
        (["sweep", "--resume", "nothing", "--results", results], "unknown study 'nothing'"),
        (["sweep", str(file), "--trials", "0", "--results", results], "not at least 1"),
        (["sweep", str(file), "--timeout", "-1", "--results", results], "above 0"),
        (["sweep", str(file), "--trials", str(2**62), "--sampler", "random", "--results", results], "trials are 1 to 1,000,000,000"),
        (["sweep", str(file), "--workers", "1000", "--results", results], "workers are 1 to 256"),
        (["sweep", str(file), "--results", str(file)], "is not a folder"),
    ):
        assert main(bad) == 2
        output = capsys.readouterr()
        assert said in output.err.lower() or said in output.err
        assert output.err.count("\n") == 1
        assert output.out == ""


def test_replay_mode(small: space.Space, tmp_path: Path) -> None:
    from dse.sweeps import replaying

    sweep(small, results=tmp_path)
    recorded = replaying.Recorded.load(tmp_path, "last")
    assert len(recorded.trials) == small.size
    searched = recorded.search("nsga2", trials=30, seed=3)
    real = sweep(small, trials=30, sampler="nsga2", seed=3, results=tmp_path / "real")
    rows = studies.read_tables(tmp_path / "real", real["study"])["trials"]
    assert [t.key for t in searched] == [r["key"] for r in rows if r["objective"] == "swap_in"]
    assert [t.values["swap_in"] for t in searched] == [r["value"] for r in rows if r["objective"] == "swap_in"]
    every = recorded.search("exhaustive", trials=small.size)
    assert np.isnan(recorded.quality(every))  # direct alone is on the front
    rng = np.random.default_rng(1)
    for trial in recorded.trials.values():
        trial["values"] |= {name: float(rng.random()) for name in small.objectives}
    recorded = replaying.Recorded(recorded.space, recorded.trials)  # scored anew
    assert recorded.quality(recorded.search("exhaustive", trials=small.size)) == pytest.approx(1.0)
    assert 0.0 < recorded.quality(recorded.search("random", trials=30)) < 1.0
    c = next(small.every())
    recorded.trials.pop(c.identity)
    with pytest.raises(BadInput, match="not in the stored study"):
        recorded.look_up(c)


def test_prune(small: space.Space, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (1, 2):
        sweep(small, trials=4, sampler="random", seed=seed, results=tmp_path)
    names = studies.names(tmp_path)
    assert main(["prune", "--results", str(tmp_path), "--keep", "1"]) == 0
    assert names[0] in capsys.readouterr().out
    assert studies.names(tmp_path) == names
    assert main(["prune", "--results", str(tmp_path), "--keep", "1", "--yes", "--format", "json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == names[:1]
    assert studies.names(tmp_path) == names[1:]
    assert main(["prune", "--results", str(tmp_path), "--kinds", "cache", "--days", "0", "--yes"]) == 0
    assert not list((tmp_path / "cache").rglob("*.json"))
    for bad, said in (([], "--keep"), (["--days", "-1"], "from 0"), (["--keep", "1", "--kinds", "x"], "unknown kind 'x'")):
        assert main(["prune", "--results", str(tmp_path), *bad]) == 2
        assert said in capsys.readouterr().err
