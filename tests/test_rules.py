"""Lock rules: what is written without its lock is a finding, each lock guards something, and locked sections are the golden ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dse.testing import rules
from kernels.compiling.errors import BadDesign
from kernels.life import contracts, registry
from kernels.observing import probe
from kernels.own import ATOMIC, COMMON, Lock, Own, Region

ROOT = Path(__file__).resolve().parent.parent


def interpreted(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module with kernels as plain Python."""
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    return subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)


def test_every_region_that_the_package_knows_says_what_guards_it() -> None:
    for design in registry.REGISTRY.values():
        guards, regions = design.own.guards(), design.own.names(Region)
        assert [regions[number] for number, names in guards.items() if not names] == [], design.name


def test_each_lock_left_out_is_found() -> None:
    names = (
        "direct", "swap_id", "swap_id_rmap", "swap_id_special", "swap_desc", "swap_table_p4", "vswap_v6", "vswap_ste", "zram",
        "redirect", "vswap_all", "vswap_rfc1",
    )  # fmt: skip
    done = interpreted("tests.unlocked", *names)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\n") > 20


def test_locked_sections_are_the_golden_ones() -> None:
    done = interpreted("tests.sections", "--check")
    assert done.returncode == 0, f"if that is meant: NUMBA_DISABLE_JIT=1 python -m tests.sections\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("design", ["direct", "swap_table_p4", "swap_table_p4_pitched"])
def test_a_rewrite_of_page_table_entries_keeps_the_lock_rules(design: str) -> None:
    done = interpreted("dse.cli", "check", f"{design}[move=rewrite]", "--only", "lock rules")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("guards", "atomic", "held", "says"),
    [
        (("cluster",), False, "cluster", ""),
        (("cluster",), False, "device", "without a lock that guards it (cluster)"),
        (("cluster", "device"), False, "device", ""),
        (("cluster",), True, "", "without a lock that guards it (cluster)"),
        ((ATOMIC,), True, "", ""),
        ((ATOMIC,), False, "cluster", "by a store, not an atomic"),
        (("cluster", ATOMIC), True, "", ""),
        (("cluster", ATOMIC), False, "", "without a lock that guards it (cluster)"),
        (("page table lock",), False, "", ""),
        ((), False, "cluster", "and declares no guard"),
    ],
)
def test_a_write_is_held_against_the_guards_of_its_region(guards: tuple[str, ...], atomic: bool, held: str, says: str) -> None:
    design = registry.REGISTRY["direct"]
    pr = rules.of(design)
    pr.guards[int(probe.R_MAP)] = guards
    ranks = {name: number for number, name in design.own.names(Lock).items()}
    pr.masks[int(probe.R_MAP)] = sum(1 << ranks[one] for one in guards if one in ranks)
    pr.tally[int(probe.HELD)] = 1 << ranks[held] if held else 0
    pr.look(probe.R_MAP, atomic=atomic)
    assert [says in words for words in pr.found] == ([True] if says else [])
    pr.found.clear()
    pr.alone = True
    pr.look(probe.R_MAP, atomic=atomic)
    assert not pr.found


def test_a_design_says_what_guards_a_region_of_its_base() -> None:
    below = Own("below")
    here = below.region("shared", uncounted="a test", guards="cluster")
    above = Own("above", below)
    above.guard("shared", "device")
    assert below.guards()[int(here)] == ("cluster",)
    assert above.guards()[int(here)] == ("device",)
    assert above.guards()[int(probe.R_MAP)] == COMMON.guards()[int(probe.R_MAP)]


def test_guards_of_what_is_not_there_are_refused() -> None:
    import copy

    design = copy.copy(registry.REGISTRY["direct"])
    own = Own("one")
    own.guard("swap_mop", "cluster")
    object.__setattr__(design, "own", own)
    with pytest.raises(BadDesign, match="there is no region 'swap_mop' to be guarded, did you mean 'swap_map'"):
        contracts.check_design(design)
