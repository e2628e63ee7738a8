"""Bundles of a design from outside: its source goes with them, and is executed elsewhere only where it is trusted."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dse import cli, naming
from dse.errors import BadInput
from dse.naming import registered
from dse.reports import bundles, enclosed

ROOT = Path(__file__).resolve().parent.parent
TOY = (ROOT / "tests" / "toy.py").read_bytes()
DIGEST = hashlib.sha256(TOY).hexdigest()
SPACE = """
objectives = ["swap_in"]
winner = "swap_in"
[scenario]
workload = { generator = "zipf", pages = 2_048, accesses = 8_192 }
memory = { limit = 0.5 }
[axes.design]
values = ["toy"]
"""


def dse(*arguments: str, designs: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, with designs from outside."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), registered.VARIABLE: designs}
    command = [sys.executable, "-c", "import sys; from dse.cli import main; sys.exit(main())", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundle of a sweep of the toy."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "toy.py").write_bytes(TOY)
    (folder / "small.toml").write_text(SPACE)
    results, out = str(folder / "r"), folder / "toy.zip"
    swept = dse("sweep", str(folder / "small.toml"), "--workers", "1", "--results", results, designs=str(folder / "toy.py"))
    assert swept.returncode == 0, swept.stderr
    without = dse("report", "last", "--bundle", "--output", str(out), "--results", results)
    assert without.returncode == cli.BAD
    assert "unknown design 'toy'" in without.stderr
    (folder / "toy.py").write_bytes(TOY + b"# edited\n")
    edited = dse("report", "last", "--bundle", "--output", str(out), "--results", results, designs=str(folder / "toy.py"))
    assert "a bundle carries the source that was run; run it again" in edited.stderr
    (folder / "toy.py").write_bytes(TOY)
    made = dse("report", "last", "--bundle", "--output", str(out), "--results", results, designs=str(folder / "toy.py"))
    assert made.returncode == 0, made.stderr
    return out


def test_the_bundle_carries_the_source_with_its_digest(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as file:
        assert file.read("designs/toy.py") == TOY
        about = json.loads(file.read(bundles.ABOUT))
    assert about["version"] == 2
    assert about["sources"] == [{"design": "toy", "load": "toy.py", "files": {"designs/toy.py": DIGEST}}]


def test_it_is_executed_only_where_it_is_trusted(bundle: Path) -> None:
    refused = dse("rerun", str(bundle))
    assert refused.returncode == cli.BAD
    assert refused.stderr.count("\n") == 1
    what = f"toy.py ({len(TOY):,} B, sha256 {DIGEST[:16]})"
    assert (
        f"carries Python that would be executed here: {what}; read it (unzip -p {bundle} designs/toy.py), then say --trust"
        in refused.stderr
    )
    trusted = dse("rerun", str(bundle), "--trust")
    assert (trusted.returncode, trusted.stdout.strip()) == (0, "yes"), trusted.stderr
    assert f"executing {what} of {bundle}" in trusted.stderr
    assert "the code has changed" not in trusted.stderr


def changed(bundle: Path, tmp_path: Path, members: dict[str, bytes], **about: object) -> Path:
    """The bundle with other members and another description."""
    with zipfile.ZipFile(bundle) as file:
        held = {name: file.read(name) for name in file.namelist()}
    held[bundles.ABOUT] = json.dumps(json.loads(held[bundles.ABOUT]) | about).encode()
    out = tmp_path / "changed.zip"
    out.write_bytes(bundles._zip(held | members))
    return out


@pytest.mark.parametrize(
    ("members", "about"),
    [
        ({"designs/toy.py": TOY + b"import os\n"}, {}), ({"designs/more.py": b""}, {}), ({}, {"sources": []}), ({}, {"sources": "x"}),
        ({}, {"sources": [{"design": "toy", "load": "../toy.py", "files": {"designs/toy.py": DIGEST}}]}),
        ({"designs/../x.py": TOY}, {"sources": [{"design": "toy", "load": "../x.py", "files": {"designs/../x.py": DIGEST}}]}),
        ({}, {"sources": [{"design": "toy", "load": "toy.py", "files": {}}]}),
    ],
)  # fmt: skip
def test_sources_that_are_not_those_named(bundle: Path, tmp_path: Path, members: dict[str, bytes], about: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="the sources of designs are not those that the bundle names"):
        bundles.rerun(changed(bundle, tmp_path, members, **about), trust=True)
    assert "toy" not in naming.registry()


def test_what_was_loaded_is_forgotten(tmp_path: Path) -> None:
    rows = [{"design": "toy", "load": "toy.py", "files": {"designs/toy.py": DIGEST}}]
    before = dict(os.environ)
    with enclosed.executing("b.zip", rows, {"designs/toy.py": TOY}, tmp_path, trust=True):
        assert "toy" in naming.registry()
        assert registered.named() == str(tmp_path / "designs" / "toy.py")
        assert enclosed.contents("toy")[1] == {"designs/toy.py": TOY}
        with enclosed.executing("b.zip", rows, {}, tmp_path, trust=False):  # registered with the same source: nothing is executed
            pass
    assert "toy" not in naming.registry()
    assert dict(os.environ) == before
    assert str(tmp_path) not in sys.path


def test_a_package_goes_whole(tmp_path: Path) -> None:
    text = TOY.replace(b'name="toy"', b'name="boxed"').replace(b'Own("toy")', b'Own("boxed")')
    files = {"designs/boxes/__init__.py": b"", "designs/boxes/boxed.py": text, "designs/boxes/more.py": b"X = 1\n"}
    rows = [{"design": "boxed", "load": "boxes.boxed", "files": {m: hashlib.sha256(c).hexdigest() for m, c in files.items()}}]
    assert enclosed.check("b.zip", rows, files) == rows
    with enclosed.executing("b.zip", rows, files, tmp_path, trust=True):
        assert enclosed.contents("boxed") == ("boxes.boxed", files)
        assert enclosed.enclosed(["boxed[lines=3]"], True) == (rows, files)
    assert enclosed.enclosed(["direct", "swap_id"], False) == ([], {})
