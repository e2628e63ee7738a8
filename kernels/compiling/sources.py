"""The source files that a file depends on, found from its import statements.

A cache of something that was made from sources needs to know which. A list kept by hand goes stale; here the files are read, and the
modules that they import, and so on. ``from package import name`` counts the module ``package.name`` where there is one, else the
``__init__`` of the package. A file that lies elsewhere than in this distribution is followed to modules of its own package, beside it, and
wherever else Python looks for modules; to installed distributions and to Python itself it is not.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

STATEMENT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n#;]+)|import[ \t]+([\w., \t]+))",
    re.MULTILINE,
)
HERE = Path(__file__).resolve().parent.parent.parent
"""The folder that holds this package, and with it its neighbours."""
INSTALLED = ("site-packages", "dist-packages")


@functools.cache
def top_of(path: Path) -> Path:
    """The folder from which the modules of the file at `path` are named: the first one above it that is not a package."""
    folder = path.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _names(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each module that `text` imports, and the names that it takes from it: as this project writes statements, which is quick to read."""
    for module, names, plain in STATEMENT.findall(text):
        if plain:
            yield from ((part.split(" as ")[0].strip(), ()) for part in plain.split(","))
        else:
            parts = re.sub(r"#[^\n]*", "", names).strip("()").split(",")
            yield module, tuple(part.split(" as ")[0].strip() for part in parts if part.strip())


def _all_names(text: bytes) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The same, however statements are written."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), tuple(alias.name for alias in node.names)


def _file_of(top: Path, dotted: str) -> Path | None:
    """The file of a module named from `top`, None if it has none there."""
    base = top.joinpath(*dotted.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _absolute(path: Path, module: str) -> str:
    """A module name that may be relative to the file at `path`, named from its top."""
    if not module.startswith("."):
        return module
    level = len(module) - len(module.lstrip("."))
    package = path.parent.relative_to(top_of(path)).parts
    parts = (*package[: len(package) - level + 1], *filter(None, module.lstrip(".").split(".")))
    return ".".join(parts)


@functools.cache
def imported(path: Path, packages: tuple[str, ...]) -> tuple[Path, ...]:
    """Files that the file at `path` imports: of `packages` beside this one, and of its own package or folder.

    Parameters
    ----------
    path : Path
        A Python file, resolved.
    packages : tuple of str
        Packages of this distribution to follow.

    Returns
    -------
    tuple of Path
        In the order of the statements, each once.
    """
    top, found = top_of(path), dict[Path, None]()
    ours = top == HERE and path.relative_to(top).parts[0] in packages
    for relative, names in _names(path.read_text(encoding="utf-8")) if ours else _all_names(path.read_bytes()):
        module = _absolute(path, relative)
        root = HERE if module.partition(".")[0] in packages else None if ours else _root(path, module, names)
        if root is None:
            continue
        inside = {name: _file_of(root, f"{module}.{name}") for name in names}
        whole = _file_of(root, module)
        if whole is not None and (not names or None in inside.values()):
            found[whole.resolve()] = None
        found.update({file.resolve(): None for file in inside.values() if file is not None})
        if module.partition(".")[0] not in packages:
            found.update(_packages(root, module))
    if not ours:
        found.update(_packages(top, ".".join(path.relative_to(top).with_suffix("").parts)))
    return tuple(found)


def _root(path: Path, module: str, names: tuple[str, ...]) -> Path | None:
    """The folder from which the file at `path`, which is not of this distribution, imports `module`; None where it is installed."""
    top = top_of(path)
    first = module.partition(".")[0]
    if first == path.relative_to(top).parts[0].removesuffix(".py"):
        return top
    for folder in dict.fromkeys((path.parent, top, *(Path(entry or ".").resolve() for entry in sys.path))):
        installed = not {*INSTALLED, f"python{sys.version_info[0]}.{sys.version_info[1]}"}.isdisjoint(folder.parts)
        if installed and not (folder == path.parent and (folder / f"{first}.py").is_file()):
            continue
        if any(_file_of(folder, name) for name in (module, *(f"{module}.{name}" for name in names))):
            return folder
    return None


def _packages(root: Path, module: str) -> dict[Path, None]:
    """The ``__init__`` of each package above a module named from `root`: they are run before it."""
    parts = module.split(".")[:-1]
    files = (root.joinpath(*parts[: n + 1], "__init__.py") for n in range(len(parts)))
    return {file.resolve(): None for file in files if file.is_file()}


def closure(paths: Iterable[Path | str], packages: tuple[str, ...] = ("kernels",)) -> tuple[Path, ...]:
    """The files at `paths` and all that they import, directly or not, sorted."""
    open_ = [Path(path).resolve() for path in paths]
    seen: set[Path] = set()
    while open_:
        path = open_.pop()
        if path not in seen:
            seen.add(path)
            open_ += imported(path, packages)
    return tuple(sorted(seen))


@functools.cache
def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def above(paths: Iterable[Path]) -> set[Path]:
    """The ``__init__`` of each package of this distribution in which some files lie: they are run before them."""
    found: set[Path] = set()
    for path in paths:
        if path.is_relative_to(HERE):
            found.update(_packages(HERE, ".".join(path.relative_to(HERE).with_suffix("").parts)))
    return found


def stamp(paths: Iterable[Path | str], packages: tuple[str, ...] = ("kernels",), *, run_before: bool = False) -> str:
    """SHA-256 over the sources of :func:`closure`; with `run_before` those of :func:`above`, too.

    A kernel is compiled from the sources of the closure alone. What is run before them may change what they do.
    """
    digest = hashlib.sha256()
    found = closure(paths, packages)
    for path in sorted({*found, *above(found)}) if run_before else found:
        digest.update(path.name.encode() + b"\0" + _digest(path))
    return digest.hexdigest()
