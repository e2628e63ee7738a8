"""Rules of the project's English that a program can check: width of pages, first words of docstrings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = sorted(path for part in ("dse", "kernels", "benchmarks", "tests") for path in (ROOT / part).rglob("*.py"))
WIDTH = 88
HEADLESS = re.compile(r"(What|How|There|Whether)\b")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Lines of a page with their numbers; tables, pictures, codeand generated blocks left out."""
    fence = block = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("<!--"):
            block = "end" not in line
        elif line.lstrip().startswith("```"):
            fence = not fence
        elif not (fence or block or line.startswith(("|", "![", "    "))):
            yield number, line


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Docstrings of the module, its classes, functions and attributes, with their lines."""
    for node in ast.walk(tree):
        body = node.body if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) else []
        for at, statement in enumerate(body):
            value = statement.value if isinstance(statement, ast.Expr) else None
            documents = at == 0 or isinstance(body[at - 1], (ast.Assign, ast.AnnAssign))
            if documents and isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield statement.lineno, value.value.strip()


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_prose_is_narrow(path: Path) -> None:
    wide = [f"line {number}: {len(line)}" for number, line in prose(path.read_text(encoding="utf-8")) if len(line) > WIDTH]
    assert not wide


def test_docstrings_begin_with_a_noun_or_a_verb() -> None:
    found = [
        f"{name_of(path)}:{number}: {text.splitlines()[0]}"
        for path in SOURCES
        for number, text in docstrings(ast.parse(path.read_text(encoding="utf-8")))
        if HEADLESS.match(text)
    ]
    assert not found


def test_the_rules_can_fail() -> None:
    page = f"{'x' * 89}\n\n```\n{'y' * 99}\n```\n\n| {'z' * 99} |\n"
    assert [number for number, line in prose(page) if len(line) > WIDTH] == [1]
    tree = ast.parse('"""What it is."""\nX = 1\n"""How much."""\ndef f():\n    """Whether it is."""\ndef g():\n    """Whatever."""\n')
    assert [number for number, text in docstrings(tree) if HEADLESS.match(text)] == [1, 3, 5]
