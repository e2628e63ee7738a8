"""The source files that a file depends on, found from its import statements.

A cache of a result made from sources needs their list. A list kept by hand goes stale. Here the files are read, then the modules that
they import, and so on. ``from package import name`` counts the module ``package.name`` where there is one, else the ``__init__`` of the
package. Modules of the same package are followed; for a file outside any package, files beside it. Other distributions are not.
"""

from __future__ import annotations

import functools
import hashlib
import re
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
    """Each module that `text` imports, and the names that it takes from it."""
    for module, names, plain in STATEMENT.findall(text):
        if plain:
            yield from ((part.split(" as ")[0].strip(), ()) for part in plain.split(","))
        else:
            parts = re.sub(r"#[^\n]*", "", names).strip("()").split(",")
            yield module, tuple(part.split(" as ")[0].strip() for part in parts if part.strip())


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
        Top-level packages to follow.

    Returns
    -------
    tuple of Path
        In the order of the statements, each once.
    """
    top, found = top_of(path), dict[Path, None]()
    own = path.relative_to(top).parts[0].removesuffix(".py")
    for relative, names in _names(path.read_text()):
        module = _absolute(path, relative)
        first = module.partition(".")[0]
        if first in packages:
            root = HERE
        elif first == own or (top == path.parent and top.name not in INSTALLED):
            root = top
        else:
            continue
        inside = {name: _file_of(root, f"{module}.{name}") for name in names}
        whole = _file_of(root, module)
        if whole is not None and (not names or None in inside.values()):
            found[whole.resolve()] = None
        found.update({file.resolve(): None for file in inside.values() if file is not None})
    return tuple(found)


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


def stamp(paths: Iterable[Path | str], packages: tuple[str, ...] = ("kernels",)) -> str:
    """SHA-256 over the sources of :func:`closure`."""
    digest = hashlib.sha256()
    for path in closure(paths, packages):
        digest.update(path.name.encode() + b"\0" + _digest(path))
    return digest.hexdigest()
