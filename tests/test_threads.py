"""Threads on one state: the end state, what a lock left out does to it, and the verb."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dse import cli, naming
from dse.errors import BadInput
from dse.parallel import dealing, refusing, running, teams
from dse.testing import threaded
from kernels import demand
from kernels.compiling.jit import INTERPRETED
from kernels.life.registry import Config

TWO = pytest.mark.skipif(INTERPRETED, reason="threads need compiled kernels")
DESIGN = "swap_desc"  # of those that compile quickly
ROOM = 60.0  # seconds for a process that may never end


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
    assert [refusing.reason(one) for one in naming.parse_many(",".join(refusing.RUN))] == [""] * len(refusing.SAFE)


def test_threads_have_ranges_of_their_own() -> None:
    named = naming.parse(DESIGN)
    team = teams.build(named.design, Config(pages=64, slots=dict.fromkeys(("zswap", "ssd", "hdd", "zram"), 64)), [32, 32], queued=True)
    ranges = [(int(one.own[2]), int(one.own[3])) for one in team.probes]
    assert ranges[0][1] == ranges[1][0]
    assert all(end - first == 2 * 32 + teams.SPARE for first, end in ranges)
    assert team.states[0].pte is team.states[1].pte
    assert team.states[0].ctl is not team.states[1].ctl


def test_the_page_names_what_is_refused() -> None:
    page = (Path(__file__).parent.parent / "docs" / "threads.md").read_text(encoding="utf-8")
    table = page.partition("<!-- table")[2].partition("<!-- end")[0]
    rows = [tuple(part.strip() for part in line.strip("|").split("|")) for line in table.splitlines() if line.startswith("| `")]
    settings = {f"`{name}={value}`": why for (name, value), why in refusing.SETTINGS.items()}
    assert dict(rows) == {f"`{name}`": why for name, why in refusing.REASONS.items()} | settings


def test_demands_are_dealt_by_page() -> None:
    whole = np.array([demand.pack(demand.RECLAIM, page) for page in range(10)] + [demand.pack(demand.UNMAP, 0, count=10)], np.uint64)
    parts = [demand.records(part) for part in dealing.dealt(whole, 3, 10)]
    assert [part["page"].tolist() for part in parts] == [[0, 1, 2, 3, 0], [4, 5, 6, 4], [7, 8, 9, 7]]
    assert [int(part["count"][-1]) for part in parts] == [4, 3, 3]
    assert [set(part["cpu"].tolist()) for part in parts] == [{0}, {1}, {2}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--threads", "0"], "threads are whole numbers from 1 to"),
        (["--threads", "1,1"], "a number of threads is named twice"),
        (["--designs", "oracle"], "oracle does not run on threads"),
        (["fork-snapshot", "--threads", "1"], "threads replay pages that one of them has alone"),
        (["--demands", "10", "--threads", "1", "--set", "workload.pages=1024"], "swap nothing out"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["threads", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert said in lines[-1]


@TWO
def test_the_verb_prints_rows_with_their_provenance(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--designs", DESIGN, "--threads", "1", "--rounds", "2", "--format", "json", "--set", "workload.pages=4096"]
    assert cli.main(["threads", *given, "--set", "workload.accesses=20000"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {(row["metric"], row["stat"]): row for row in found["rows"]}
    assert rows["throughput", "median"]["value"] > 0
    assert rows["waiting", "mean"]["value"] == 0
    assert found["findings"] == []
    assert found["provenance"]["threads"] == [1]
