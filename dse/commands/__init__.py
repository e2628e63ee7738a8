"""The verbs of the command line, one module each.

A module holds ``configure(parser)`` and ``run(args) -> int``, and is imported only for its own verb. Its docstring is the help of the
verb, its first line the line in ``dse --help``. A new verb is a new module, and nothing else.
"""

from __future__ import annotations

from pathlib import Path


def _first_line(path: Path) -> str:
    """Return the first line of a module behind the name of the verb, without importing the module."""
    with path.open(encoding="utf-8") as file:
        return file.readline().strip('"\n').partition(": ")[2].removesuffix(".")


VERBS: dict[str, tuple[str, str]] = {
    path.stem: (f"{__name__}.{path.stem}", _first_line(path)) for path in sorted(Path(__file__).parent.glob("[!_]*.py"))
}
"""Module and line of each verb."""
