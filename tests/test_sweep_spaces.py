"""Spaces: canonical configurations, and files that are refused."""

from __future__ import annotations

import itertools
import json

import pytest

from dse.errors import BadInput
from dse.sweeps import space
from tests.sweepdata import TEXT


@pytest.fixture(scope="module")
def small() -> space.Space:
    return space.parse(TEXT, "small.toml", "small")


def failing(text: str) -> str:
    with pytest.raises(BadInput) as caught:
        space.parse(text, "s.toml", "s")
    return str(caught.value)


def test_canonical_configurations(small: space.Space) -> None:
    every = list(small.every())
    assert small.points == 2 * 2 * 2 * 3 * 3 * 2
    assert len(every) == small.size == small.distinct == (1 + 4) * 18  # direct has none of the parameters
    assert len({c.identity for c in every}) == len(every)
    assert {c.design for c in every} == {
        "direct", "swap_id", "swap_id[policy=cyclic]", "swap_id[zswap=native]", "swap_id[policy=cyclic,zswap=native]",
    }  # fmt: skip
    plain = {c.identity: c for c in map(small.at, itertools.product(*(range(len(a.values)) for a in small.axes)))}
    assert every == list({c.identity: plain[c.identity] for c in every}.values())
    assert plain.keys() == {c.identity for c in every}
    direct = next(c for c in every if c.design == "direct")
    assert direct.choice == {"design": "direct"}
    assert set(direct.environment) == {"moves.rate", "backend.mix", "memory.limit"}
    assert space.from_document(json.loads(json.dumps(small.document))).digest == small.digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('[axes.polcy]\nvalues = ["lowest"]', "no design of this space declares axis 'polcy': unknown axis 'polcy', did you mean 'policy'"),
        ('[axes.lock_shards]\nvalues = ["1"]', "no design of this space declares axis 'lock_shards'"),
        ('[axes."moves.rat"]\nvalues = [1.0]', "unknown axis 'moves.rat', did you mean 'moves.rate'?"),
        ('[axes.upkeep]\nvalues = ["rid"]', "unknown value of upkeep 'rid', did you mean 'ride'?"),
        ('[axes."backend.compression_ratio"]\nvalues = [0.5]', "compression_ratio is from 1 to 100, got 0.5"),
        ("[axes.upkeep]\nvalues = []", "at least one value"),
        ('[axes.upkeep]\nvalues = ["ride", "ride"]', "has ride twice"),
        ('[axes.upkeep]\nvalues = ["ride"]\nrole = "chioce"', "unknown role 'chioce', did you mean 'choice'?"),
        ('[axes.upkeep]\nvalue = ["ride"]', "unknown key of axis upkeep 'value', did you mean 'values'?"),
        ('[axes."memory.batch"]\nrange = { low = 3, high = 1, count = 2 }', "range needs low < high"),
        ('[axes."config.cluster_shift"]\nvalues = [7]', "unknown value of config.cluster_shift '7'"),
        ('[axes."replay.cpus"]\nrole = "environment"\nsimplex = 3', "simplex is {"),
        ('[axes."swapoff.at"]\nsimplex = { of = ["a", "b", "c", "d", "e", "f", "g", "h"], steps = 100 }', "has 26,075,972,546 points"),
        ('[axes."swapoff.at"]\nsimplex = { of = ["zswap", "zswap"], steps = 2 }', "at least two names, each once"),
        ('[axes."swapoff.at"]\nrange = { low = 0, high = 1, count = 2, log = "no" }', "range is {"),
        ('[axes."swapoff.at"]\nrange = { low = 0, high = 1, count = 2.5 }', "range is {"),
        ('[axes."swapoff.at"]\nrange = { low = true, high = 2, count = 2 }', "range is {"),
        ('[axes."swapoff.at"]\nrange = { low = 0, high = "1", count = 2 }', "range is {"),
        ('[axes."swapoff.at"]\nrange = { low = 0, high = 1, cuont = 2 }', "unknown key of range 'cuont', did you mean 'count'?"),
        ('[axes."swapoff.at"]\nrange = { low = -1e308, high = 1e308, count = 3 }', "wider than the largest number, 1.8e+308"),
        ('[axes."swapoff.at"]\nrange = { low = 1e-300, high = 1e300, count = 3, log = true }', "wider than the largest number"),
        ('[axes."swapoff.at"]\nsimplex = { of = "zswap", steps = 2 }', "of is a list of backends, got 'zswap'"),
        ('[axes."swapoff.at"]\nsimplex = { of = ["zswap", "ssd"], steps = true }', "steps is a whole number, got True"),
        ('[axes."swapoff.at"]\nsimplex = { of = ["zswap", "ssd"], steps = 2.5 }', "steps is a whole number, got 2.5"),
        ('[axes."swapoff.at"]\nsimplex = { of = ["zswap", "ssd"], step = 2 }', "unknown key of simplex 'step', did you mean 'steps'?"),
        ('[axes."swapoff.at"]\nvalues = [{}]', "{} is no value of axis 'swapoff.at'"),
        ('[axes."swapoff.at"]\nvalues = [{ zswap = 1 }, { zswap = 1.0, ssd = 0 }]', "has zswap=1 twice"),
        ('[axes."swapoff.at"]\nvalues = [{ zswap = 0.5, ssd = 0.5 }, { ssd = 0.5, zswap = 0.5 }]', "has zswap=0.5,ssd=0.5 twice"),
        ('[axes."swapoff.at"]\nvalues = [nan]', "at is from 0 to 1, got nan"),
        ('[axes."swapoff.at"]\nvalues = [[1], { a = 1 }]', "[1] is no value of axis 'swapoff.at'"),
        ('[axes."swapoff.at"]\nvalues = [2026-01-01]', "is no value of axis 'swapoff.at'"),
        ('[axes.""]\nvalues = [1]', "no design of this space declares axis ''"),
    ],
)
def test_bad_axes(change: str, said: str) -> None:
    message = failing(TEXT + change)
    assert said in message
    assert message.startswith("s.toml:")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"swap_in"', '"swapin"', "unknown objective 'swapin', did you mean 'swap_in'?"),
        ('"swap_in"', '"swap_in.line"', "unknown metric of swap_in 'line', did you mean 'lines'?"),
        ("<= 1.5 * baseline", "< 3", "is not of the form"),
        ("<= 1.5 * baseline", "<= 1e999", "is not of the form"),
        ('"swap_in"', '"swap_in", "swap_in.lines"', "an objective is named twice"),
        ("[scenario]", 'baseline = "dirct"\n[scenario]', "s.toml:3: unknown design 'dirct', did you mean 'direct'?"),
        ("[scenario]", '[scenario]\nuse = "nothing"', "s.toml:3: unknown scenario 'nothing', valid: "),
        ('"direct", "swap_id"', '"direct", "swap_idd"', "unknown design 'swap_idd', did you mean 'swap_id'?"),
        ("[scenario]", "[scenari]", "unknown key 'scenari', did you mean 'scenario'?"),
        ("[scenario]", "[scenario]\nbackend = { mix = {} }", "s.toml:4: backend.mix sums to 0, not 1"),
        ("accesses", "acesses", "did you mean 'workload.accesses'?"),
        ("steps = 2", "steps = 0", "1 to 100 steps"),
        ("[axes.design]", "[axes.design", "s.toml"),
    ],
)
def test_bad_spaces(old: str, new: str, said: str) -> None:
    assert said in failing(TEXT.replace(old, new, 1))


def test_builtin_spaces_are_sound() -> None:
    assert {"default", "wide"} <= set(space.builtin())
    assert space.load("default").size >= 200
    with pytest.raises(BadInput, match="did you mean 'default'"):
        space.load("defualt")


def test_a_share_of_a_mix_that_is_no_share_is_refused() -> None:
    text = '[scenario]\nworkload = { generator = "zipf" }\n[axes."backend.mix"]\nvalues = [{ zswap = 0.5, ssd = nan }]\n'
    assert "mix.ssd is from 0 to 1, got nan" in failing(text)
