"""The cache of sweeps is void when a module that a figure depends on is edited, and only then."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from dse import scenario
from dse.sweeps import caching, space
from dse.workloads import trace
from kernels.compiling import sources

ROOT = Path(__file__).resolve().parent.parent
COUNTED = """
import json, sys
from dse import scenario
from dse.sweeps import counting
given = scenario.from_values("small", {"workload": {"generator": "zipf", "pages": 512, "accesses": 2048}, "moves": {"rate": 0.3}})
env = counting.environment_of(counting.stream_of(given.canonical))
found = counting.count("direct", {}, env)
assert found["status"] == "ok" and found["ops"]["move"]["n"], found
print(*sorted(m.__file__ for name, m in sys.modules.items() if name.partition(".")[0] in ("dse", "kernels") and m.__file__))
"""
ELSEWHERE = (
    "dse/cli.py", "dse/reports/page.py", "dse/reports/tabling.py", "dse/commands/sweep.py", "dse/common/output.py",
    "dse/common/machine.py", "dse/sweeps/samplers.py", "dse/sweeps/space.py", "dse/sweeps/caching.py", "dse/measuring/rows.py",
    "dse/modelling/latency.py", "dse/storing/writer.py", "dse/workloads/record.py",
)  # fmt: skip


@cache
def loaded() -> tuple[Path, ...]:
    """Modules that an interpreter has loaded once it has counted something; of packages those whose ``__init__`` holds code."""
    done = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, text=True, cwd=ROOT, check=True)
    paths = [Path(name) for name in done.stdout.split()]
    return tuple(path for path in paths if path != ROOT / "dse" / "__init__.py" and not only_said(path))


def only_said(path: Path) -> bool:
    """Does a file hold no more than its docstring, or names that are looked up when they are asked for?"""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr) for node in body) or path == ROOT / "dse" / "sweeps" / "__init__.py"


@pytest.fixture
def after_edit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], str]]:
    """The key of a configuration after a line was appended to a file, as the reader of sources sees it."""
    chosen = next(space.load("default").every())

    def key(edited: Path) -> str:
        monkeypatch.setattr(sources, "_digest", lambda path: path.read_bytes() + (b"\n" if path == edited else b""))
        caching.code_digest.cache_clear()
        return caching.key_of(chosen)

    yield key
    caching.code_digest.cache_clear()


def test_every_module_that_counting_loads(after_edit: Callable[[Path], str]) -> None:
    unchanged = after_edit(ROOT / "none")
    assert ROOT / "dse" / "modelling" / "objects.py" in loaded()
    assert ROOT / "kernels" / "designs" / "vswap" / "steps.py" in loaded()
    assert [path.relative_to(ROOT).as_posix() for path in loaded() if after_edit(path) == unchanged] == []


@pytest.mark.parametrize("name", ELSEWHERE)
def test_an_edit_elsewhere_is_a_hit(name: str, after_edit: Callable[[Path], str]) -> None:
    assert (ROOT / name).is_file()
    assert after_edit(ROOT / name) == after_edit(ROOT / "none")


def test_an_edit_is_a_miss_in_the_cache(tmp_path: Path, after_edit: Callable[[Path], str]) -> None:
    cache = caching.Cache(tmp_path)
    cache.put(after_edit(ROOT / "none"), {"status": "ok"})
    assert caching.Cache(tmp_path).get(after_edit(ROOT / "dse" / "reports" / "page.py"))
    assert caching.Cache(tmp_path).get(after_edit(ROOT / "dse" / "modelling" / "objects.py")) is None


def test_a_trace_that_was_recorded_again_is_a_miss(tmp_path: Path) -> None:
    file = tmp_path / "mine.npz"
    shutil.copy(trace.find("sort"), file)
    configuration = space.Configuration("direct", {}, {}, scenario.load("writeback").but(workload__trace=str(file)).canonical)
    before = caching.key_of(configuration), caching.stream_key(configuration)
    assert before == (caching.key_of(configuration), caching.stream_key(configuration))
    shutil.copy(trace.find("python"), file)
    after = caching.key_of(configuration), caching.stream_key(configuration)
    assert before[0] != after[0]
    assert before[1] != after[1]
