"""Threads on one state: the end state, what a lock left out does to it, and the verb."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dse import naming
from dse.errors import BadInput
from dse.parallel import refusing, running, teams
from dse.testing import threaded
from kernels.compiling.jit import INTERPRETED
from kernels.life.registry import Config

TWO = pytest.mark.skipif(INTERPRETED, reason="threads need compiled kernels")
DESIGN = "swap_desc"  # of those that compile quickly
ROOM = 180.0  # seconds for a process that may never end


@TWO
@pytest.mark.parametrize("queued", [False, True])
@pytest.mark.parametrize("mix", threaded.MIXES, ids=lambda mix: mix.name)
def test_end_state_is_sound(mix: threaded.Mix, queued: bool) -> None:
    found = threaded.run(DESIGN, mix, 2, 20_000, queued=queued)
    assert found.wrong == []
    assert found.demands == 20_000 == sum(found.replies.values())
    assert found.replies["swap_in"] > 0


@TWO
def test_one_thread_replies_as_a_replay_alone() -> None:
    named, mix = naming.parse(DESIGN), threaded.MIXES[0]
    demands = threaded.demands_of(mix, 0, 20_000, 3)
    team = teams.build(named.design, threaded.config_of(named, mix, 1), [mix.pages], queued=True)
    replies = [np.zeros(len(demands), np.uint8)]
    running.run(named.design, team, [demands], replies)
    st, alone = named.design.build(threaded.config_of(named, mix, 1)), np.zeros(len(demands), np.uint8)
    from kernels.observing import probe

    named.design.replay(st, probe.make("off"), demands, alone)
    assert replies[0].tolist() == alone.tolist()
    assert team.settle() == []


@TWO
def test_a_lock_that_is_left_out_is_found(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "dse.testing.threaded",
        "--designs",
        DESIGN,
        "--demands",
        "1e6",
        "--without",
        "descriptor tree xa_lock",
    ]
    try:
        done = subprocess.run(
            command, env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}, capture_output=True, text=True, timeout=ROOM, check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return  # a tree that threads have torn may lead round in a circle
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 1 or done.returncode < 0, done.stdout


def test_designs_are_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"^oracle does not run on threads: "):
        refusing.refuse(naming.parse("oracle"))
    with pytest.raises(BadInput, match=r"^direct\[frees=cache\] does not run on threads: "):
        refusing.refuse(naming.parse("direct[frees=cache]"))
    assert {*refusing.SAFE, *refusing.REASONS} == {*naming.registry()}
    assert not {*refusing.SAFE} & {*refusing.REASONS}


def test_threads_have_ranges_of_their_own() -> None:
    named = naming.parse(DESIGN)
    team = teams.build(named.design, Config(pages=64, slots=dict.fromkeys(("zswap", "ssd", "hdd", "zram"), 64)), [32, 32], queued=True)
    ranges = [(int(one.own[2]), int(one.own[3])) for one in team.probes]
    assert ranges[0][1] == ranges[1][0]
    assert all(end - first == 2 * 32 + teams.SPARE for first, end in ranges)
    assert team.states[0].pte is team.states[1].pte
    assert team.states[0].ctl is not team.states[1].ctl
