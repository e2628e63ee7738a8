"""Progress of sweeps: the best so far, by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import optuna

from dse.sweeps import recording
from dse.sweeps import space as spaces
from dse.sweeps.searching import best_so_far
from tests.sweepdata import trial

LOW, HIGH = {"moves.rate": 0.0}, {"moves.rate": 1.0}


def test_the_best_so_far_is_that_of_each_environment() -> None:
    trials = [
        trial(0, "direct", LOW, cost=2.0), trial(1, "swap_id", LOW, cost=3.0), trial(2, "direct", HIGH, cost=9.0),
        trial(3, "swap_id", HIGH, cost=4.0), trial(4, "swap_desc", HIGH, "failed", cost=1.0),
    ]  # fmt: skip
    assert best_so_far(trials, "cost") == "feasible 80%, best so far by cost (of 2 environments): direct in 1, swap_id in 1"
    cheap = dataclasses.replace(trial(5, "swap_desc", LOW, cost=1.0), violations={"memory": 0.1})
    assert "swap_desc" not in best_so_far([*trials, cheap], "cost")
    met = dataclasses.replace(cheap, violations={"memory": 0.0})
    assert best_so_far([*trials, met], "cost").endswith("swap_desc in 1, swap_id in 1")
    assert best_so_far([], "cost") == "feasible 0%, best so far by cost (of 0 environments): none"


def test_the_dashboard_sees_the_feasible_share(tmp_path: Path) -> None:
    text = 'objectives = ["swap_in"]\n[scenario]\nworkload = { generator = "zipf" }\n[axes.design]\nvalues = ["direct"]\n'
    space = spaces.parse(text, "s", "s")
    journal = tmp_path / "journal.log"
    one = trial(0, "direct", {}, swap_in=1.0)
    two = dataclasses.replace(trial(1, "direct", {}, swap_in=2.0), violations={"memory": 0.5})
    with recording.Recorder(journal, "s", space) as recorder:
        recorder.record([one])
        recorder.record([two])
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))
    stored = optuna.load_study(study_name="s", storage=storage)
    assert stored.user_attrs[recording.SHARE] == 0.5
    assert [t.user_attrs["feasible"] for t in stored.trials] == [True, False]
