"""Sweeps that did not try everything, on cases worked by hand: what they may say for certain, who has a vote, what has no result."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dse.cli import main
from dse.measuring import warming
from dse.reports import environments, heads
from dse.storing import studies
from dse.sweeps import searching, space, sweeping, winning, wording
from dse.sweeps.analysing import Trial
from dse.sweeps.covering import Cover, covered, covers, without_result
from tests.sweepdata import TEXT, trial
from tests.test_sweep_answers import COUNTS, NS, PLACES, toy

SPACE = """
baseline = "BASELINE"
objectives = ["lifetime.ns", "bytes_per_page"]
scenario = { workload = { generator = "zipf", pages = 2_048, accesses = 8_192 } }
axes.design.values = ["direct", "swap_table_p4", "swap_id"]
axes."moves.rate".values = [0.0, 1.0]
"""
"""The space of the toy: 3 designs in 2 environments, 6 configurations."""
POLICY = 'axes.policy.values = ["lowest", "cyclic"]\n'
"""A parameter that swap_id alone has: 8 configurations."""


def of(text: str = SPACE, baseline: str = "direct") -> space.Space:
    return space.parse(text.replace("BASELINE", baseline), "hand.toml", "hand")


def without(*numbers: int) -> list[Trial]:
    """The toy without some of its trials: 0 to 2 are at rate 0, 3 to 5 at rate 1, by design as in COUNTS."""
    return [t for t in toy() if t.number not in numbers]


def study(made: list[Trial], where: space.Space) -> tuple[dict[str, Any], dict[str, Any]]:
    """Results of a study, and what its provenance says of how much was tried."""
    found = sweeping.analyse(where, made)
    about = {"space": "hand", "command": "dse sweep hand", "places": where.places, "size": where.most, "covered": covered(where, made)}
    return found, about


def screen(made: list[Trial], where: space.Space) -> str:
    """Screen of a sweep, as one line."""
    found, about = study(made, where)
    head = environments.head(found, about, NS)
    assert head is not None
    return " ".join(" ".join(heads.text(head, 80, 25)).split())


def test_a_whole_sweep_is_as_it_was() -> None:
    found, about = study(toy(), of())
    asked = [{k: v for k, v in row.items() if k not in Cover._fields} for row in found["winners"]]
    assert asked == [{k: v for k, v in row.items() if k not in Cover._fields} for row in winning.winners(toy(), NS)]
    assert [row["certain"] for row in found["winners"]] == [False, True]
    assert {tuple(row[name] for name in Cover._fields) for row in found["winners"]} == {(3, 3, True, True)}
    assert (wording.partial(about, found), found["missing"]) == ([], [])
    said = screen(toy(), of())
    assert "in each of 2 environments of hand?" in said
    assert "Sure: 1 of 2 undecided; times are" in said
    for word in ("PARTIAL", "tried", "no vote", "no result"):
        assert word not in said


def test_a_design_that_was_not_tried_may_be_the_cheapest() -> None:
    """At rate 1 swap_id beats direct at every corner; swap_table_p4 was not tried there."""
    found, _ = study(without(4), of())
    first, second = found["winners"]
    assert (first["tried"], first["of"], first["whole"], first["certain"], first["tied"]) == (3, 3, True, False, ["swap_table_p4"])
    assert (second["design"], second["tried"], second["of"], second["whole"]) == ("swap_id", 2, 3, False)
    assert (second["certain"], second["tied"]) == (False, [])
    assert [wording.sure(row) for row in found["winners"]] == ["no", "of 2/3"]
    said = screen(without(4), of())
    assert "PARTIAL: 5 of 6 configurations were tried; what was not may be cheaper." in said
    assert "swap_id where moves.rate 1 (1 of 2, before direct, among 2 of 3 designs tried)" in said
    assert "swap_id 1/2 proposed of 2/3" in said
    assert "Sure: 1 of 2 undecided; in 1 of 2 not all designs were tried; times" in said
    assert "for certain" not in said
    words = wording.winning(found["winners"], NS)[0]
    assert words.endswith("undecided in 1, where swap_table_p4 may be cheaper; in 1 of 2 not all designs were tried.")


def test_one_environment_of_two() -> None:
    """Only rate 1 was begun, and only two of the three designs there."""
    said = screen(without(0, 1, 2, 4), of())
    assert "in 1 of 2 environments of hand? PARTIAL: 2 of 6 configurations were tried, in 1 of 2 environments;" in said
    words = wording.winning(study(without(0, 1, 2, 4), of())[0]["winners"], NS)[0]
    assert "no other design that was tried may be cheaper; in 1 of 1 not all designs were tried." in words


def test_a_variant_that_was_not_tried() -> None:
    """Every design was tried at rate 1, swap_id[policy=cyclic] was not."""
    where = of(SPACE + POLICY)
    assert where.size == 8
    found, about = study(toy(), where)
    assert [(row["tried"], row["of"], row["whole"], row["certain"]) for row in found["winners"]] == [(3, 3, False, False)] * 2
    assert [wording.sure(row) for row in found["winners"]] == ["no", "of tried"]
    assert wording.lacking(found["winners"]) == ["in 2 of 2 not all variants were tried"]
    assert (about["covered"], about["size"]) == (6, 8)
    more = [trial(6 + n, "swap_id[policy=cyclic]", place, **{NS: 9999.0, "bytes_per_page": 24.0}) for n, place in enumerate(PLACES)]
    whole, _ = study([*toy(), *more], where)
    assert [(row["whole"], row["certain"]) for row in whole["winners"]] == [(True, False), (True, True)]


def test_an_environment_without_the_baseline_has_no_vote() -> None:
    made = without(4)
    found, about = study(made, of(baseline="swap_table_p4"))
    assert [row["baseline"] for row in found["winners"]] == [True, False]
    assert [row["design"] for row in wording.voting(found["winners"])] == ["direct"]
    said = screen(made, of(baseline="swap_table_p4"))
    assert "in 1 of 2 environments of hand?" in said
    assert "1 more without the baseline has no vote" in said
    assert "swap_id" not in said.partition("Repeat")[0].partition("What would change")[0]
    assert "(1 more without the baseline has no vote)" in wording.winning(found["winners"], NS)[0]
    found, about = study(without(1, 4), of(baseline="swap_table_p4"))
    assert environments.head(found, about, NS) is None
    nobody = "No design wins: in 2 environments the baseline was not tried, and without it there is no vote."
    assert wording.nobody(found["winners"]) == nobody
    assert nobody in wording.first_lines(found, about, NS)
    assert {row["baseline"] for row in study(without(4), of(baseline="vswap_v6"))[0]["winners"]} == {None}  # no design of the space


def test_an_environment_with_one_design_is_told() -> None:
    found, _ = study(without(3, 4), of(baseline="swap_id"))
    assert [row["certain"] for row in found["winners"]] == [False, None]
    said = screen(without(3, 4), of(baseline="swap_id"))
    assert "in 1 of 2 environments of hand?" in said
    assert "1 more with one design each is left out" in said
    assert "(1 more with one design each is left out)" in wording.winning(found["winners"], NS)[0]


def test_a_baseline_that_failed_was_tried() -> None:
    made = [replace(t, status="failed: x", values={}) if t.number == 4 else t for t in toy()]
    found, about = study(made, of(baseline="swap_table_p4"))
    second = found["winners"][1]
    assert (second["tried"], second["whole"], second["baseline"], second["certain"]) == (3, True, True, True)
    assert wording.partial(about, found) == []


def test_winners_with_patches_need_only_those_to_be_tried() -> None:
    """swap_id was only proposed: that it was not tried says nothing of the others."""
    found, _ = study(without(2, 5), of())
    assert [(row["tried"], row["of"], row["whole"]) for row in found["winners"]] == [(2, 3, False)] * 2
    assert [(row["tried"], row["of"], row["whole"]) for row in found["patched"]] == [(2, 2, True)] * 2


@pytest.mark.parametrize(("numbers", "cover"), [((), Cover(3, 3, True, True)), ((5,), Cover(2, 3, False, True)),
                                                ((3, 4, 5), Cover(0, 3, False, False))])  # fmt: skip
def test_a_choice_over_all_environments_is_tried_in_all_of_them(numbers: tuple[int, ...], cover: Cover) -> None:
    where = of('over = { measure = "worst" }' + SPACE)
    assert covers(where, without(*numbers)) == {"{}": cover}


def test_a_scenario_that_does_not_go_together_is_tried_once() -> None:
    """zswap alone has no disk to move to: one trial stands for the three designs."""
    where = of()
    one = toy()[3]
    odd = replace(one, configuration=replace(one.configuration, scenario_json="infeasible: no disk; {}"), status="infeasible: no disk")
    assert covered(where, [*toy()[:3], odd]) == 6
    assert covered(where, [*toy()[:2], odd]) == 5


def test_what_follows_from_a_part_of_the_space_says_so() -> None:
    """Break-evens, regrets and other yardsticks hold among what was tried; of a whole sweep nothing is said of that."""
    where, tried = of(), "among what was tried"
    for made, partly in ((toy(), False), (without(0), True)):
        found, about = study(made, where)
        assert bool(wording.among_tried(about)) is partly
        lines = wording.first_lines(found, about, NS)
        told = [line for line in lines if "best layer against best design without" in line or line.startswith("Yardsticks disagree")]
        assert told
        assert all((tried in line) is partly for line in told)
        head = environments.head(found, about, NS)
        assert head is not None
        assert (tried in " ".join(head.missing)) is partly


REASON = "infeasible: scenario sweep: moves.rate is {}, but nothing is in zswap; set moves.tiers"


def test_environments_without_a_result_are_told() -> None:
    made = [replace(t, status=REASON.format("1"), values={}) if t.number > 2 else t for t in toy()]
    found, about = study(made, of())
    reason = "moves.rate is 1, but nothing is in zswap; set moves.tiers"
    assert found["missing"] == [{"environment": PLACES[1], "reason": reason, "trials": 3}]
    said = screen(made, of())
    assert "Which design is the cheapest in 1 of 2 environments of hand?" in said
    assert f"1 of 2 environments has no result: {reason}." in said
    assert f"1 of 2 environments has no result: {reason}." in wording.first_lines(found, about, NS)
    assert "PARTIAL" not in said
    assert not study(without(3, 4, 5), of())[0]["missing"]  # not begun is another thing


def test_reasons_that_differ_in_figures_are_told_once() -> None:
    rows = [{"reason": REASON.format(rate).partition("sweep: ")[2]} for rate in (0.1, 0.1, 0.5)]
    assert wording.without(rows, 60) == [
        "3 of 60 environments have no result: moves.rate is 0.1, but nothing is in zswap; set moves.tiers and the like."
    ]
    assert wording.without([*rows, {"reason": "full"}], 60)[0].endswith("set moves.tiers and the like (in 3); full (in 1).")
    assert wording.without([], 60) == []


def test_constraints_that_nothing_meets_are_a_reason() -> None:
    where = of(SPACE + 'constraints.memory = "bytes_per_page <= 15"\n')
    made = [replace(t, violations={"memory": 0.1 if t.number > 2 else -0.1}) for t in toy()]
    (row,) = without_result(where, made)
    assert row == {"environment": PLACES[1], "reason": "no configuration meets memory: bytes_per_page <= 15", "trials": 3}


def test_coverage_by_hand() -> None:
    places = [json.dumps(place) for place in PLACES]
    assert covers(of(), without(0, 4, 5)) == {places[0]: Cover(2, 3, False, False), places[1]: Cover(1, 3, False, True)}
    assert len(COUNTS) == 3


def test_a_partial_sweep_as_it_is_stored_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 2 designs in 2 environments, in the order of the axes, 3 of 4 are tried: swap_id is missing in the second."""
    warming.warm([("direct", "count"), ("swap_id", "count")])
    file = tmp_path / "small.toml"
    design = '[axes.design]\nvalues = ["direct", "swap_id"]\n'
    file.write_text(TEXT.partition("[axes.design]")[0] + '[axes."moves.rate"]\nvalues = [0.0, 0.3]\n' + design)
    results = ["--results", str(tmp_path / "r"), "--workers", "1"]
    command = ["sweep", str(file), "--trials", "3", "--sampler", "exhaustive", "--format", "json", *results]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    about = found["provenance"]
    assert (found["partial"], about["covered"], about["trials"], about["size"]) == (True, 3, 3, 4)
    assert main(["sweep", "--resume", found["study"], "--full", *results]) == 0
    full = capsys.readouterr().out
    assert "\nRegret of a fixed choice over the environments, among what was tried\n" in full
    assert "\nSensitivity, among what was tried: " in full
    assert main(["sweep", "--resume", found["study"], *results]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "PARTIAL: 3 of 4 configurations were tried; what was not may be cheaper." in said
    tables = studies.read_tables(tmp_path / "r", found["study"])
    assert [row["whole"] for row in tables["winners"]] == [row["whole"] for row in found["winners"]] == [True, False]
    assert [(row["tried"], row["of"]) for row in tables["winners"]] == [(2, 2), (1, 2)]
    assert [row["certain"] for row in tables["winners"]] == [row["certain"] for row in found["winners"]]
    assert main(["report", found["study"], "--format", "text", "--results", str(tmp_path / "r")]) == 0
    assert "PARTIAL: 3 of 4" in capsys.readouterr().out
    assert main(["report", found["study"], "--format", "text", "--full", "--results", str(tmp_path / "r")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Among what was tried; the sweep is partial." in said.partition("Regret of a fixed choice")[2]


def test_a_bundle_of_a_study_whose_time_was_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It has fewer trials than it wanted; these are what is repeated."""
    warming.warm([("direct", "count"), ("swap_id", "count")])
    file, results = tmp_path / "small.toml", ["--results", str(tmp_path / "r")]
    file.write_text(TEXT)
    began = itertools.count()
    with monkeypatch.context() as patch:
        search = searching.Search.run

        def shortly(self: searching.Search) -> list[Trial]:
            patch.setattr(searching, "time", SimpleNamespace(monotonic=lambda: 0.0 if next(began) < 2 else 1e9))
            return search(self)

        patch.setattr(searching.Search, "run", shortly)
        sweeping = ["sweep", str(file), "--sampler", "random", "--timeout", "5", "--workers", "1", *results]
        assert main(sweeping) == 0
    (study,) = studies.names(tmp_path / "r")
    made = len({row["number"] for row in studies.read_tables(tmp_path / "r", study)["trials"]})
    assert 0 < made < studies.read_tables(tmp_path / "r", study)["provenance"][0]["wanted"]
    bundle = str(tmp_path / "b.zip")
    assert main(["report", study, "--bundle", "--output", bundle, *results]) == 0
    capsys.readouterr()
    assert main(["rerun", bundle]) == 0
    assert capsys.readouterr().out.strip() == "yes"
