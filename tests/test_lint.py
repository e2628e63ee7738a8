"""The project's own rules, read off the sources."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path for part in ("kernels", "dse") for path in (ROOT / part).rglob("*.py"))
CHECKS = sorted(path for part in ("tests", "benchmarks") for path in (ROOT / part).rglob("*.py"))
TEXTS = sorted(
    path
    for pattern in ("*.toml", "*.txt", "*.md", "*.json", "Makefile", "docs/**/*.md", ".ci/*", "benchmarks/**/*.py",
                    "tests/**/*.py", "dse/**/*.toml", "dse/**/*.md", "kernels/**/*.md")
    for path in ROOT.glob(pattern)
    if path.is_file() and path != Path(__file__).resolve()
)  # fmt: skip
FUNCTION_MOST, KERNEL_MOST, MODULE_MOST = 60, 40, 400
MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(?:work|home|root|tmp|mnt|Users|opt)/")
REGISTRY = re.compile(r"(?:pypi\.org|pythonhosted\.org|--(?:extra-)?index-url|--find-links|://[^\s/]*/simple\b)")
OUTSIDE = re.compile(r"\.\./shared|/work/shared")


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from its def on, docstring apart."""
    docstring = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
    inside = 0 if docstring is None else docstring.end_lineno - docstring.lineno + 1
    return node.end_lineno - node.lineno + 1 - inside


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", [*SOURCES, *CHECKS], ids=ids)
def test_functions_and_modules_are_short(path: Path) -> None:
    most = KERNEL_MOST if path.is_relative_to(ROOT / "kernels") else FUNCTION_MOST
    long = [f"{n.name} at line {n.lineno}: {body_lines(n)}" for n in functions(parsed(path)) if body_lines(n) > most]
    assert not long, f"functions above {most} lines"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_MOST


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(ROOT / "kernels")], ids=ids)
def test_kernels_print_nothing_and_import_little(path: Path) -> None:
    tree = parsed(path)
    calls = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "print"]
    assert not calls
    allowed = {"numpy", "numba", "kernels", *sys.stdlib_module_names}
    if path.name in ("atomic.py", "flat.py", "linking.py"):
        allowed.add("llvmlite")
    assert {name.split(".")[0] for name in imports(tree)} <= allowed


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module or ""


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(ROOT / "dse")], ids=ids)
def test_orchestration_compiles_nothing(path: Path) -> None:
    names = {n.id for n in ast.walk(parsed(path)) if isinstance(n, ast.Name)}
    assert not names & {"njit", "jit", "guvectorize", "vectorize"}


@pytest.mark.parametrize("path", [*SOURCES, *TEXTS], ids=ids)
def test_nothing_refers_to_one_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for rule in (MACHINE_PATH, REGISTRY, OUTSIDE):
        found = [f"line {text[: m.start()].count(chr(10)) + 1}: {m[0]}" for m in rule.finditer(text)]
        assert not found


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_modules_say_what_they_are(path: Path) -> None:
    tree = parsed(path)
    assert not tree.body or ast.get_docstring(tree)


def test_pins_are_bare() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+!]+", line) for line in pins)


@pytest.mark.parametrize("text", ['open("/tmp/x")', "cd /work/main", "see /home/me/x"])
def test_the_lint_can_fail(text: str) -> None:
    assert MACHINE_PATH.search(text)


@pytest.mark.parametrize("text", ["https://pypi.org/simple", "--index-url x", "https://mirror.example/simple/"])
def test_the_registry_lint_can_fail(text: str) -> None:
    assert REGISTRY.search(text)


def test_the_length_lint_can_fail() -> None:
    tree = ast.parse("def f():\n    '''a\n    b'''\n" + "    x = 1\n" * 50)
    assert [body_lines(n) for n in functions(tree)] == [51]
