"""Stamps of compiled kernels: an edit recompiles the kernels that depend on the file, and no others."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kernels.compiling import sources
from kernels.life.registry import REGISTRY

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "kernels"
ENTRIES = {
    **{name: KERNELS / "designs" / name / "design.py" for name in ("swap_id", "swap_desc", "swap_table", "vswap")},
    "direct": KERNELS / "designs" / "direct.py",
    "stage": KERNELS / "reclaim" / "stage.py",
    "parse": KERNELS / "traces" / "parse.py",
    "pages": KERNELS / "traces" / "pages.py",
}
DESIGNS = {"direct", "swap_id", "swap_desc", "swap_table", "vswap"}
EDITS = {
    "traces/parse.py": {"parse", "pages"},
    "traces/pages.py": {"pages"},
    "reclaim/lists.py": {"stage"},
    "designs/vswap/steps.py": {"vswap"},
    "designs/swap_desc/descriptor.py": {"swap_desc"},
    "designs/swap_id/layer.py": {"swap_id"},
    "designs/swap_table/table.py": {"swap_table", "swap_id", "swap_desc", "vswap"},
    "designs/direct.py": DESIGNS - {"vswap"},
    "life/lifecycle.py": DESIGNS,
    "structures/cluster.py": DESIGNS,
    "observing/lock.py": DESIGNS,
    "memory.py": DESIGNS,
    "own.py": {*DESIGNS, "stage"},
    "compiling/flat.py": {*ENTRIES},
    "compiling/jit.py": {*ENTRIES},
    "designs/__init__.py": set(),
}
SCRIPT = """
import sys
from pathlib import Path
from kernels.compiling import sources
for line in sys.stdin.read().split():
    print(line, sources.stamp([Path(line)]))
"""


def stamps(root: Path) -> dict[str, str]:
    """Stamps of the entries in a copy of the package, as a fresh process computes them."""
    names = {name: root / path.relative_to(ROOT) for name, path in ENTRIES.items()}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input="\n".join(map(str, names.values())), capture_output=True, text=True, cwd=root, check=True,
        env={"PYTHONPATH": str(root)},
    )  # fmt: skip
    found = dict(line.split() for line in done.stdout.splitlines())
    return {name: found[str(path)] for name, path in names.items()}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(KERNELS, root / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    return root, stamps(root)


@pytest.mark.parametrize("edited", EDITS)
def test_an_edit_changes_the_stamps_that_it_should(edited: str, copy: tuple[Path, dict[str, str]]) -> None:
    root, before = copy
    file = root / "kernels" / edited
    text = file.read_text()
    file.write_text(text + "\n# edited\n")
    try:
        after = stamps(root)
    finally:
        file.write_text(text)
    assert {name for name in before if before[name] != after[name]} == EDITS[edited]


def test_every_design_depends_on_its_whole_folder_and_the_floors_below() -> None:
    for design in REGISTRY.values():
        found = sources.closure([design.file])
        home = Path(design.file).resolve().parent
        if home.parent.name == "designs":
            assert {path for path in home.glob("*.py") if path.name != "__init__.py"} <= set(found)
        for room in ("compiling/jit.py", "observing/probe.py", "structures/cluster.py", "life/lifecycle.py", "memory.py", "control.py"):
            assert KERNELS / room in found
        assert not [path for path in found if path.parts[-2] in ("traces", "reclaim")]


def test_statements_of_all_shapes_are_found(tmp_path: Path) -> None:
    package = tmp_path / "mine"
    package.mkdir()
    for name in ("__init__", "a", "b", "c", "d", "unused"):
        (package / f"{name}.py").write_text("")
    (package / "start.py").write_text(
        "from mine import (\n    a,  # first\n    b as other,\n)\nfrom .c import x\n"
        "import numpy, mine.d\n\n\ndef f():\n    from mine import name\n"
    )
    found = {path.name for path in sources.closure([package / "start.py"])}
    assert found == {"start.py", "a.py", "b.py", "c.py", "d.py", "__init__.py"}


def test_a_file_beside_a_design_from_outside_counts(tmp_path: Path) -> None:
    (tmp_path / "my_design.py").write_text("import numpy\nimport my_helpers\nfrom kernels.designs import direct\n")
    (tmp_path / "my_helpers.py").write_text("")
    found = sources.closure([tmp_path / "my_design.py"])
    assert tmp_path / "my_helpers.py" in found
    assert KERNELS / "designs" / "direct.py" in found
    assert KERNELS / "designs" / "__init__.py" not in found
