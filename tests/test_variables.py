"""Page of the variables: it has every one that the source names, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from dse.common.options import VARIABLES

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = re.compile(r">>> .*\n.*\n")
"""A doctest and what it prints, which may name what is no variable."""
NAME = re.compile(r"\b(?:SWAP)?DSE_[A-Z][A-Z_]*[A-Z]\b")


def of_source() -> set[str]:
    """Variables that the files of the program name."""
    files = [path for folder in ("dse", "kernels", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    texts = [EXAMPLE.sub("", path.read_text(encoding="utf-8")) for path in [*files, ROOT / "Makefile"]]
    return {name for text in texts for name in NAME.findall(text)}


def test_the_page_has_every_variable_of_the_source() -> None:
    listed = set(NAME.findall((ROOT / "docs" / "variables.md").read_text(encoding="utf-8")))
    assert len(listed) > 5
    assert listed == of_source() == set(VARIABLES)
    assert "docs/variables.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_other_pages_name_no_other_variable() -> None:
    known = of_source()
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        assert set(NAME.findall(page.read_text(encoding="utf-8"))) <= known, page.name
