"""Searches of a sweep: each environment by itself, or all of them at once; spaces in which nothing meets the constraints."""

from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.cli import main
from dse.errors import BadInput
from dse.sweeps import feasible, overall, proposing, replaying, samplers, space, sweep, sweeping
from dse.sweeps.searching import Search
from dse.sweeps.space import Configuration, Space

TEXT = """
objectives = ["swap_in", "bytes_per_page"]
winner = "swap_in"
[scenario]
workload = { generator = "zipf", pages = 2_048, accesses = 8_192 }
[axes.design]
values = ["direct", "swap_id"]
[axes.policy]
values = ["lowest", "percpu", "cyclic", "reuse"]
[axes.zswap]
values = ["native", "stacked"]
[axes."memory.batch"]
role = "choice"
values = [1, 2, 4, 8, 16, 32]
[axes."moves.rate"]
values = [0.0, 0.3, 1.0]
"""
"""54 choices in 3 environments."""
CONSTRAINED = TEXT + '[constraints]\nmemory = "bytes_per_page <= 60"\n'


def figures(configuration: Configuration, shift: float = 0.0) -> dict[str, float]:
    """Smooth figures: small batches are dear to fault, large ones dear in bytes; other rates have another best policy."""
    batch, rate = configuration.choice.get("memory.batch", 1), configuration.environment["moves.rate"]
    policy = ("lowest", "percpu", "cyclic", "reuse").index(configuration.choice.get("policy", "lowest"))
    layer = configuration.design.startswith("swap_id")
    away = abs(policy - 3 * rate) + layer + ("stacked" in configuration.design)
    return {"swap_in": 100.0 * (1 + rate) + 20.0 / batch + away + shift, "bytes_per_page": 107.8 + batch + 2 * away}


class Made:
    """Evaluation that is computed, not counted; the rate whose figures are shifted; how many were evaluated."""

    def __init__(self, shifted: float | None = None) -> None:
        self.shifted, self.n = shifted, 0

    def __call__(self, batch: Any) -> list[dict[str, Any]]:
        self.n += len(batch)
        return [
            {"status": "ok", "values": figures(c, 5.0 * c.choice.get("memory.batch", 1) * (c.environment["moves.rate"] == self.shifted))}
            for c in batch
        ]


def searched(text: str, sampler: str, trials: int | None, made: Made | None = None, **more: Any) -> Search:
    """Run a search on computed figures."""
    where = space.parse(text, "f.toml", "f")
    more.setdefault("environments", proposing.places_at_a_time(where, sampler, trials))
    search = Search(where, sampler, 3, trials, made or Made(), quiet=True, figure=replaying.figure, **more)
    search.run()
    return search


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_no_sampler_chooses_an_environment(sampler: str) -> None:
    trials = searched(TEXT, sampler, 60).trials
    assert len({t.key for t in trials}) == 60
    counts = collections.Counter(t.configuration.environment["moves.rate"] for t in trials)
    assert set(counts) == {0.0, 0.3, 1.0}
    assert max(counts.values()) - min(counts.values()) <= samplers.GENERATION[sampler] // 3
    # what an environment costs has no say in the search of another
    other = searched(TEXT, sampler, 60, Made(shifted=1.0)).trials
    for rate in (0.0, 0.3):
        mine, theirs = ([t.key for t in run if t.configuration.environment["moves.rate"] == rate] for run in (trials, other))
        assert mine == theirs


def test_a_longer_search_begins_like_a_shorter_one() -> None:
    long = searched(TEXT, "tpe", 40).trials
    short = searched(TEXT, "tpe", 13, environments=3).trials
    assert [t.key for t in long[:13]] == [t.key for t in short]


def test_few_trials_search_few_environments_and_go_on_when_one_is_through() -> None:
    where = space.parse(TEXT, "f.toml", "f")
    assert proposing.places_at_a_time(where, "tpe", 16) == 2
    assert proposing.places_at_a_time(where, "tpe", 3) == 1
    assert proposing.places_at_a_time(where, "exhaustive", None) is None
    assert len({t.configuration.place for t in searched(TEXT, "random", 16).trials}) == 2
    every = searched(TEXT, "random", None, environments=1).trials  # one environment after the other, until all are through
    assert len(every) == where.size == 3 * 9 * 6
    assert len({t.configuration.place for t in every[:54]}) == 1


def test_environments_are_drawn_by_the_seed() -> None:
    assert sorted(proposing.ordered(7, 1)) == list(range(7))
    assert list(proposing.ordered(50, 1)) == list(proposing.ordered(50, 1)) != list(proposing.ordered(50, 2))
    many = proposing.ordered(10**9, 1)
    assert len({next(many) for _ in range(100)}) == 100


def test_an_environment_that_does_not_go_together_is_left() -> None:
    text = TEXT + '[axes."moves.tiers"]\nvalues = [["zswap"], ["zswap", "ssd"]]\n'  # one tier is refused
    counts = collections.Counter(json.dumps(t.configuration.environment["moves.tiers"]) for t in searched(text, "random", 120).trials)
    assert counts == {'["zswap"]': 3, '["zswap", "ssd"]': 117}


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_choice_is_evaluated_in_every_environment(sampler: str) -> None:
    search = searched('over = { measure = "worst" }\n' + TEXT, sampler, 50)
    assert len(search.trials) == 48  # 16 choices; no third of one
    groups = collections.Counter(overall.identity(t) for t in search.trials)
    assert set(groups.values()) == {3}
    assert search.proposer is not None
    told = [t.values for t in search.proposer.searches[0].study.get_trials() if t.values]
    firsts = search.trials[::3]
    worst = [max(figures(t.configuration)["swap_in"] for t in search.trials if overall.identity(t) == overall.identity(f)) for f in firsts]
    assert [values[0] for values in told] == pytest.approx(worst)


def test_too_few_trials_for_all_environments(tmp_path: Path) -> None:
    where = space.parse('over = { measure = "worst" }\n' + TEXT, "f.toml", "f")
    with pytest.raises(BadInput, match="a choice is judged over 3 environments: give at least as many --trials, got 2"):
        sweep(where, trials=2, sampler="random", results=tmp_path)


def test_the_name_of_a_study_says_what_its_trials_depend_on() -> None:
    where = space.parse(TEXT, "f.toml", "f")
    names = [sweeping._settings(where, trials, "random", 1)["study"] for trials in (16, 17, 60, 61)]
    assert names[0] == names[1] != names[2] == names[3]
    assert sweeping._settings(where, 60, "random", 1, 2)["study"] == names[0]


def table(where: Space) -> replaying.Recorded:
    values = [[figures(c)[name] for name in where.objectives] for c in where.every()]
    return replaying.Recorded.of(where, np.array(values))


def test_the_gain_over_random_is_that_of_each_environment() -> None:
    recorded = table(space.parse(TEXT, "f.toml", "f"))
    assert len(recorded.scored) == 3
    every = recorded.search("exhaustive", recorded.space.size)
    assert recorded.qualities(every) == dict.fromkeys(recorded.scored, pytest.approx(1.0))
    one = [t for t in every if t.configuration.environment["moves.rate"] == 0.3]
    assert sorted(recorded.qualities(one).values()) == [0.0, 0.0, pytest.approx(1.0)]
    assert recorded.quality(one) == pytest.approx(1 / 3)
    gains = recorded.gains("tpe", 72, range(1, 6))
    assert set(gains) == set(recorded.scored)
    chance = [recorded.qualities(recorded.search("random", 72, seed)) for seed in range(1, 6)]
    found = [recorded.qualities(recorded.search("tpe", 72, seed)) for seed in range(1, 6)]
    for place, gain in gains.items():
        assert gain == pytest.approx(np.median([q[place] for q in found]) - np.median([q[place] for q in chance]))
    assert recorded.gains("random", 72, [1]) == dict.fromkeys(recorded.scored, 0.0)


def test_nothing_meets_the_constraints_and_that_is_said_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feasible, "TRIED", 16)
    monkeypatch.setattr("dse.sweeps.searching.TRIED", 16)
    made = Made()
    said = (
        r"^no configuration meets memory: bytes_per_page <= 60; the closest is 1\d\d\.?\d* \(\S+ at moves.rate \S+\); 16 of 162 were tried"
    )
    with pytest.raises(BadInput, match=said):
        searched(CONSTRAINED, "exhaustive", None, made, probing=True)
    assert made.n == 16
    assert len(searched(CONSTRAINED, "exhaustive", None).trials) == 162  # resumed: to the end
    loose = CONSTRAINED.replace("60", "150")
    assert len(searched(loose, "exhaustive", None, probing=True).trials) == 162


def test_the_closest_is_named() -> None:
    trials = searched(CONSTRAINED, "exhaustive", None).trials
    where = space.parse(CONSTRAINED, "f.toml", "f")
    least = min(t.values["bytes_per_page"] or 0.0 for t in trials)
    assert least == 107.8 + 1
    assert feasible.closest(trials, where) == (
        "no configuration meets memory: bytes_per_page <= 60; the closest is 108.8 (direct at moves.rate 0)"
    )
    relative = TEXT + '[constraints]\nmemory = "bytes_per_page <= 0.5 * baseline"\n'
    bound = space.parse(relative, "f.toml", "f")
    few = [t for t in searched(relative, "exhaustive", None).trials if t.configuration.environment["moves.rate"] == 0.0][:1]
    assert feasible.closest(few, bound) == (
        "no configuration meets memory: bytes_per_page <= 0.5 * baseline; the closest is 108.8, where 54.4 is allowed "
        "(direct at moves.rate 0)"
    )
    assert feasible.closest(searched(TEXT, "random", 8).trials, where) is None


def test_resume_needs_a_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        (["--resume"], f"--resume needs the name of a study: there are none under {tmp_path}"),
        (["default", "--resume", "last"], "--resume last goes on with the settings of that study; leave SPACE out"),
        (["--resume", "last", "--sampler", "tpe"], "leave --sampler out"),
    ):
        assert main(["sweep", *arguments, "--results", str(tmp_path)]) == 2
        output = capsys.readouterr()
        assert said in output.err
        assert output.err.count("\n") == 1
        assert not output.out
    assert not list(tmp_path.iterdir())
