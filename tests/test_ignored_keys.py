"""Keys of a scenario that cannot act, or that are given twice: refused in a file, behind ``--set`` and as an axis alike."""

from __future__ import annotations

from pathlib import Path

import pytest

import dse
from dse import scenario
from dse.cli import main
from dse.errors import BadInput
from dse.sweeps import setting, space, sweep
from dse.sweeps.axes import ways

SMALL = '[workload]\ngenerator = "zipf"\npages = 512\naccesses = 2_000\n[backend]\nmix = { zswap = 0.6, ssd = 0.4 }\n'
SPACE = (
    'objectives = ["swap_in"]\n[scenario]\nworkload = { generator = "zipf", pages = 512, accesses = 2_000 }\n'
    '[axes.design]\nvalues = ["direct", "swap_desc"]\n'
)
IDLE = {
    "memory.flush=1000": "of the policy active-inactive",
    "backend.writeback=false": "not used where mix gives the shares",
    "moves.batch=7": "of pages that move, and moves.rate is 0",
    "moves.in_window=0.5": "of pages that move",
    'moves.tiers=["zswap","ssd"]': "of pages that move",
}


@pytest.mark.parametrize("text", IDLE)
def test_a_key_that_cannot_act(text: str) -> None:
    chosen = scenario.parse(SMALL, "s.toml", "s")
    key, value = scenario.override(text)
    with pytest.raises(BadInput, match=f"{key} has no effect in scenario s: it is {IDLE[text]}"):
        scenario.changed(chosen, {key: value})
    section, _, option = key.partition(".")
    line = f"{option} = {text.partition('=')[2]}\n"
    source = SMALL + (line if section == "backend" else f"[{section}]\n{line}")
    with pytest.raises(BadInput, match=f"{option} has no effect: it is {IDLE[text]}"):
        scenario.parse(source, "s.toml", "s")
    values = {"backend.writeback": "[true, false]", "moves.tiers": '[["zswap", "ssd"], ["ssd", "zswap"]]', "moves.in_window": "[0.0, 0.5]"}
    mixed = SPACE.replace("[axes.design]", "backend = { mix = { zswap = 0.6, ssd = 0.4 } }\n[axes.design]")
    with pytest.raises(BadInput, match=rf"s.toml:\d+: axis '{key}' has no effect: it is {IDLE[text]}"):
        space.parse(mixed + f'[axes."{key}"]\nvalues = {values.get(key, "[7, 1000]")}\n', "s.toml", "s")


def test_a_key_that_can_act() -> None:
    chosen = scenario.parse(SMALL, "s.toml", "s")
    for settings in (
        {"memory.flush": 1000, "memory.policy": "active-inactive"}, {"moves.batch": 7, "moves.rate": 0.5},
        {"backend.writeback": False, "backend.placement": "zswap"}, {"moves.batch": 7, "backend.placement": "zswap"},
    ):  # fmt: skip
        assert scenario.changed(chosen, settings)
    for settings, why in (
        ({"backend.placement": "ssd", "backend.zswap_share": 0.3}, "of zswap, to which no page goes"),
        ({"backend.placement": "ssd", "backend.compression_ratio": 3.0}, "of zswap and zram"),
        ({"backend.disk": "hdd", "backend.hdd_slots": 1.0}, "of a further hard disk"),
        ({"replay.state": "hot", "replay.footprint_kib": 128}, "of the state footprint"),
    ):
        with pytest.raises(BadInput, match=why):
            scenario.changed(chosen, settings)
    assert str(scenario.changed(chosen, {"moves.rate": -0.0}).moves.rate) == "0.0"


@pytest.mark.parametrize(("axis", "said"), [
    ('"workload.copies"]\nrole = "environment"\nvalues = [1, 2]', "axis 'workload.copies' has no effect: it is of a trace"),
    ('"moves.rate"]\nvalues = [0.0, -0.0]', "axis 'moves.rate' has 0 twice"),
    ('"moves.in_window"]\nvalues = [0.1, 0.2]\n[axes."backend.placement"]\nvalues = ["ssd", "zswap"]', "of pages that move"),
    ('"replay.state"]\nvalues = ["hot", "cold"]', "axis 'replay.state' has no effect: a sweep counts whole streams, and times nothing"),
    ('"replay.pairs"]\nvalues = [8, 16]', "axis 'replay.pairs' has no effect"),
])  # fmt: skip
def test_an_axis_that_cannot_act(axis: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        space.parse(f"{SPACE}[axes.{axis}\n", "s.toml", "s")


def test_another_axis_lets_a_key_act() -> None:
    found = space.parse(SPACE + '[axes."moves.rate"]\nvalues = [0.0, 0.5]\n[axes."moves.in_window"]\nvalues = [0.0, 0.5]\n', "s.toml", "s")
    assert [way.moves.rate for way in ways(found.base, found.axes)] == [0.0, 0.5]
    assert setting.on(found, None, ["moves.batch=7"]).base.moves.batch == 7
    with pytest.raises(BadInput, match=r"memory\.flush has no effect in scenario s: it is of the policy"):
        setting.on(found, None, ["memory.flush=7"])
    with pytest.raises(BadInput, match="theta' has no effect: it is of "):
        setting.on(space.parse(SPACE + '[axes."workload.theta"]\nvalues = [0.5, 0.9]\n', "s.toml", "s"), "sort", [])
    with pytest.raises(BadInput, match=r"replay\.state has no effect: a sweep counts whole streams"):
        setting.on(found, None, ["replay.state=hot"])
    assert setting.on(found, None, ["replay.state=hot"], timed=True).base.replay.state == "hot"


@pytest.mark.parametrize(("more", "said"), [
    (["--seed", "1", "--set", "replay.seed=2"], "replay.seed is set twice: by --seed and by --set"),
    (["--set", "replay.state=hot"], "replay.state has no effect: with counted figures only nothing is timed"),
    (["--set", "replay.footprint_kib=8"], "replay.footprint_kib has no effect: with counted figures only"),
])  # fmt: skip
def test_settings_of_a_comparison(more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "small.toml"
    file.write_text(SMALL)
    assert main(["compare", str(file), "--designs", "direct", "--counted-only", "--results", str(tmp_path / "r"), *more]) == 2
    assert said in capsys.readouterr().err
    with pytest.raises(BadInput, match=r"replay\.state is set twice: by --state and by --set"):
        dse.compare(str(file), "direct", state="cold", settings=["replay.state=hot"])
    with pytest.raises(BadInput, match=r"replay\.footprint_kib has no effect: it is of the state footprint, and --state is cold"):
        dse.compare(str(file), "direct", state="cold", settings=["replay.footprint_kib=8"])


def test_the_seed_of_a_sampler_that_draws_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = space.parse(SPACE, "s.toml", "s")
    with pytest.raises(BadInput, match=r"a seed of the sampler has no effect: exhaustive draws nothing; .* --set replay\.seed=N"):
        sweep(found, seed=2, results=tmp_path)
    assert not list(tmp_path.iterdir())
    assert sweep(found, seed=2, trials=1, sampler="random", results=tmp_path)["study"].startswith("s-random-s2-")
    assert main(["sweep", "--help"]) == 0
    assert "seed of the sampler (default: 1)" in " ".join(capsys.readouterr().out.split())
