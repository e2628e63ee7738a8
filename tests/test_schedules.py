"""Schedules: known races are found as mutants and nothing else is, a schedule is repeatable, lock orders, numbers, the page's table."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dse import cli
from dse.errors import BadInput
from dse.testing import bounds
from dse.testing.schedules import exploring, judging, known, situations, supplying, trying
from dse.testing.schedules.running import LOCK, READ, WRITE, Event, Scheduler

ROOT = Path(__file__).resolve().parent.parent


def interpreted(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module on kernels as plain Python."""
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    return subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)


def test_every_known_race_is_found_and_nothing_without_it() -> None:
    for arguments in ((), ("right",)):
        done = interpreted("tests.mutants_schedules", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("\n") == 11


def test_a_schedule_is_repeatable_by_its_number() -> None:
    (first, second) = (interpreted("dse.testing.schedules", "swap_id", "shared-out-unmap:9-1").stdout for _ in range(2))
    assert first == second
    shown = first.removesuffix(bounds.END).splitlines()
    assert shown[-1].startswith("PTEs that hold a freed ID")
    assert any("CPU 0" in line and "CPU 1" in line for line in shown)
    assert any(re.match(r">  10 {20,}\w+: lock mmap_lock 1", line) for line in shown)


def test_a_window_that_a_page_names_is_no_failure() -> None:
    said = json.loads(interpreted("dse.testing.schedules", "swap_id", "150", "1", "0").stdout.removesuffix(bounds.END))
    assert said["new"] == []
    assert said["schedules"] == 150
    assert known.place("swap_id", "move-unmap", "counts of slots: 1") != ""
    shown = interpreted("dse.testing.schedules", "swap_desc", "fault-unmap-new:3-1,14-0").stdout.removesuffix(bounds.END).splitlines()[-1]
    assert shown.startswith("content of present pages")
    assert known.place("swap_desc", "fault-unmap-new", shown) != ""
    assert known.place("swap_desc", "fault-write-out", "descriptors: 0 should be 1") == ""
    assert known.place("swap_id", "move-unmap", "deadlock: CPU 0") == known.place("direct", "move-unmap", "counts of slots: 1") == ""


@pytest.mark.parametrize("one", known.WINDOWS, ids=lambda one: one.designs[0])
def test_windows_are_named_in_the_pages(one: known.Window) -> None:
    for design in one.designs:
        assert "docs/schedules.md" in (ROOT / "docs" / "designs" / f"{design}.md").read_text(encoding="utf-8")
    assert any(re.fullmatch(one.situations, each.name) for each in situations.ALL)


def test_no_more_schedules_run_than_asked_for_and_a_situation_left_at_a_finding_is_not_complete() -> None:
    said = json.loads(interpreted("dse.testing.schedules", "direct", "3", "0", "0").stdout.removesuffix(bounds.END))
    assert (said["schedules"], said["situations"]) == (3, 44)
    script = (
        "from dse.testing.schedules import judging, situations as s\n"
        "one = next(one for one in s.ALL if one.name == 'shared-out-unmap')\n"
        "found = judging.explored('swap_id', one, {}, 1, 1000)\n"
        "print(len(found.findings), found.complete, found.schedules < 1000)"
    )
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.stdout == "1 False True\n", done.stderr


def test_the_check_says_what_was_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "direct", "--schedules", "60", "--preemptions", "1"]) == 0
    assert "60 schedules, all of them up to 1 preemptions in" in capsys.readouterr().out
    assert cli.main(["check", "swap_id", "--schedule", "shared-out-unmap:9-1"]) == 1
    assert cli.main(["check", "direct", "--schedule", "shared-out-unmap:9-1"]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["direct", "--schedule", "nothing:1-0"], "nothing"),
        (["direct", "--schedule", "fault-fault:x"], "12-1,30-0"),
        (["direct", "--schedule", "fault-fault:3-7"], "2 CPUs"),
        (["direct,swap_id", "--schedule", "fault-fault:3-1"], "one design"),
        (["direct", "--schedules", "0"], "at least 1"),
        (["direct", "--schedule", "fault-fault:3-1,9999-0"], "no CPU could be switched to at 9999-0"),
        (["direct", "--schedule", "fault-fault:3-1", "--format", "json"], "has no effect"),
        (["direct", "--schedule", "fault-fault:3-1", "--schedules", "9"], "has no effect"),
    ],
)
def test_what_is_no_schedule_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err


def test_a_number_is_read_as_it_is_written() -> None:
    for situation in situations.ALL:
        plan = ((3, 1), (9, 0))
        assert judging.parse(judging.number(situation, plan)) == (situation, dict(plan))
    with pytest.raises(BadInput):
        judging.parse("")


def test_a_state_that_cannot_be_read_is_a_finding() -> None:
    def broken() -> list[str]:
        raise IndexError("index 9 is out of bounds")

    trial: Any = SimpleNamespace(_wrong=broken)
    assert trying.Trial._looked(trial) == ["the state cannot be read: IndexError: index 9 is out of bounds"]


def test_circles_of_locks_are_found() -> None:
    order = {("a", "b"): "one", ("b", "c"): "two", ("c", "a"): "three", ("b", "d"): "four"}
    (found,) = judging.circles(order)
    assert found == "b while a is held (schedule one); c while b is held (schedule two); a while c is held (schedule three)"
    assert judging.circles({("a", "b"): "one", ("b", "c"): "two", ("a", "c"): "three"}) == []
    assert judging.circles({("a", "a"): "one"}) == ["a while a is held (schedule one)"]


def test_only_what_tasks_share_is_switched_at() -> None:
    def event(task: int, what: str, word: str, *held: str) -> Event:
        return Event(0, task, what, (word,), frozenset((one,) for one in held), ())

    shared = exploring.Shared()
    assert (
        shared.learn([event(0, WRITE, "mine"), event(0, READ, "read"), event(0, LOCK, "lock"), event(0, WRITE, "kept", "l", "m")]) == set()
    )
    assert shared.learn([event(1, READ, "read"), event(1, WRITE, "kept", "l")]) == set()
    assert shared.learn([event(1, LOCK, "lock"), event(1, WRITE, "read")]) == {("lock",), ("read",)}
    assert shared.learn([event(1, READ, "kept", "m")]) == {("kept",)}


def ran(works: list[Any], plan: dict[int, int] | None = None) -> Scheduler:
    """Run tasks that use the scheduler itself."""
    run = Scheduler(plan or {})
    run.run([lambda work=work: work(run) for work in works])
    return run


def test_tasks_wait_for_locks_and_a_deadlock_is_a_finding() -> None:
    seen: list[str] = []

    def both(first: str, second: str) -> Any:
        def work(run: Scheduler) -> None:
            run.take((first,), first)
            run.take((second,), second)
            seen.append(first)
            run.drop((second,))
            run.drop((first,))

        return work

    assert ran([both("a", "b"), both("a", "b")], {2: 1}).wrong == ""
    assert seen == ["a", "a"]
    run = ran([both("a", "b"), both("b", "a")], {2: 1})
    assert run.wrong.startswith("deadlock: CPU 0 waits for b and holds a; CPU 1 waits for a and holds b")
    assert ran([both("a", "b"), both("b", "a")]).order == {("a", "b"): 3, ("b", "a"): 8}


def test_errors_and_locks_left_behind_are_findings() -> None:
    def fails(run: Scheduler) -> None:
        run.take(("a",), "a")
        raise ValueError("this")

    assert ran([fails, lambda run: run.take(("a",), "a")]).wrong == "ValueError: this"
    assert list(ran([lambda run: run.take(("a",), "a")]).found) == ["a demand ends with a held"]


def test_the_page_has_the_table_of_what_is_supplied() -> None:
    page = (ROOT / "docs" / "schedules.md").read_text(encoding="utf-8")
    for one in (*supplying.EVERYWHERE, *supplying.HERE, *supplying.STEPS):
        assert f"| `{one.module.__name__.removeprefix('kernels.')}.{one.name}` | {one.kernel} |" in page
    assert all(f"*{design}*" in page for design in situations.WALKED)
