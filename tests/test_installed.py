"""The package as it is installed: conformance of a design elsewhere, in an empty folder, without this repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ENOUGH = 77  # the first setuptools that reads this pyproject.toml


def built(folder: Path) -> Path:
    """Build the wheel from a copy of the sources, without a network; returns it unpacked."""
    source, site = folder / "source", folder / "site"
    source.mkdir()
    for name in ("dse", "kernels"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    call = "from setuptools.build_meta import build_wheel; print(build_wheel('.'))"
    done = subprocess.run([sys.executable, "-c", call], cwd=source, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(source / done.stdout.splitlines()[-1]) as wheel:
        wheel.extractall(site)
    return site


def copied(folder: Path) -> Path:
    """Lay out what a wheel holds, by hand, for an environment whose setuptools is too old to build one."""
    site, about = folder / "site", tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = ["*.py", *about["tool"]["setuptools"]["package-data"]["*"]]
    for name in ("dse", "kernels"):
        for path in (ROOT / name).rglob("*"):
            if path.is_file() and (path.parent / "__init__.py").exists() and any(fnmatch(path.name, pattern) for pattern in patterns):
                target = site / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
    info = site / f"swapdse-{about['project']['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: swapdse\nVersion: {about['project']['version']}\n")
    groups = about["project"]["entry-points"] | {"console_scripts": about["project"]["scripts"]}
    lines = [line for group, points in groups.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in points.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return site


def can_build() -> bool:
    try:
        return int(version("setuptools").split(".")[0]) >= ENOUGH
    except PackageNotFoundError:
        return False


class Elsewhere:
    """An empty folder with a design in it, and Python that finds the installed package and not the repository."""

    def __init__(self, folder: Path) -> None:
        self.site = built(folder) if can_build() else copied(folder)
        self.folder = folder / "empty"
        self.folder.mkdir()
        shutil.copy(ROOT / "tests" / "toy.py", self.folder)
        self.env = {**os.environ, "PYTHONPATH": str(self.site), "NUMBA_DISABLE_JIT": "1"}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python, whose kernels are not compiled, so that it takes seconds."""
        return subprocess.run([sys.executable, *arguments], env=self.env, cwd=self.folder, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    return Elsewhere(tmp_path_factory.mktemp("installed"))


def test_it_is_the_installed_package_that_is_run(elsewhere: Elsewhere) -> None:
    code = "import dse, kernels, dse.testing, importlib.util as u; print(dse.__file__, kernels.__file__, dse.testing.__file__)"
    files = [Path(name) for name in elsewhere.run("-c", code).stdout.split()]
    assert len(files) == 3
    assert all(file.is_relative_to(elsewhere.site) for file in files)


def test_pytest_runs_the_suite_on_a_design_in_an_empty_folder(elsewhere: Elsewhere) -> None:
    chosen = "test_random_streams and tiny or test_ledger or test_leaks or test_lock_order or test_state_machine"
    options = ("-q", "-rA", "-p", "no:cacheprovider", "--design-demands", "100", "-k", chosen)
    done = elsewhere.run("-m", "pytest", "--pyargs", "dse.testing", "--designs", "toy.py", *options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    tests = [line for line in done.stdout.splitlines() if line.startswith("PASSED")]
    for one in ("random_streams[toy-tiny]", "ledger[toy-ssd-600-251]", "leaks[toy-tiny]", "lock_order[toy-tiny]", "state_machine[toy]"):
        assert any(line.endswith(f"test_designs.py::test_{one}") for line in tests)
    assert "warning" not in done.stdout


def test_dse_check_runs_the_suite_on_a_design_in_an_empty_folder(elsewhere: Elsewhere) -> None:
    done = elsewhere.run("-m", "dse.cli", "check", "toy.py", "--demands", "100", "--only", "random streams,many demands,ledger,leaks")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "toy against invariants and tokens: 4 checks passed, 0 failed" in done.stderr
    assert not (elsewhere.folder / "tests").exists()


def test_bad_designs_are_one_line(elsewhere: Elsewhere) -> None:
    done = elsewhere.run("-m", "pytest", "-q", "--pyargs", "dse.testing", "--designs", "not_there.py")
    assert done.returncode == 4
    assert done.stdout.strip() == ""
    assert done.stderr.strip() == f"ERROR: {elsewhere.folder / 'not_there.py'}: no such file"


def test_the_mutants_helper_and_twins_are_there(elsewhere: Elsewhere) -> None:
    code = "from dse.testing import mutants, twins; from dse.testing.twins import life, parts; print(mutants.Mutants, life.Life, parts)"
    assert "dse.testing.mutants.Mutants" in elsewhere.run("-c", code).stdout
