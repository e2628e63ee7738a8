"""Environment of git: a command that names its folder asks the repository of that folder, whatever git calls us from."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

LOCAL = frozenset((
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_OBJECT_DIRECTORY", "GIT_DIR",
    "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_GRAFT_FILE", "GIT_INDEX_FILE", "GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX", "GIT_SHALLOW_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE",
))  # fmt: skip
"""Variables that belong to one repository (``git rev-parse --local-env-vars``); a hook of another one has them set."""


def environ() -> dict[str, str]:
    """Return the environment without what names another repository."""
    return {name: value for name, value in os.environ.items() if name not in LOCAL}


def git(root: Path, *args: str, **more: Any) -> subprocess.CompletedProcess[Any]:
    """Run a git command in the repository at `root`, with its output captured; `more` goes to :func:`subprocess.run`."""
    return subprocess.run(["git", "-C", str(root), *args], env=environ(), capture_output=True, **more)  # noqa: PLW1510 - callers say check
