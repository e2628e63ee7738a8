"""Commands that are hinted at: they name the folder of results where it is not the default, so that they work as they stand."""

from __future__ import annotations

import os
import shlex

from dse.common.options import RESULTS


def command(*words: str, results: str | os.PathLike[str]) -> str:
    """Write a command on stored results.

    Examples
    --------
    >>> command("dse", "report", "last", results="results"), command("dse", "report", "last", results="my r")
    ('dse report last', "dse report last --results 'my r'")
    """
    return shlex.join([*words] if os.fspath(results) == RESULTS else [*words, "--results", os.fspath(results)])


def results_of(line: str) -> str:
    """Folder of results that a command names, else the default.

    Examples
    --------
    >>> results_of("dse compare --results r2"), results_of("dse compare --results=r3"), results_of("dse compare")
    ('r2', 'r3', 'results')
    """
    try:
        words = shlex.split(line)
    except ValueError:
        return RESULTS
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word == "--results" and after:
            return after
        if word.startswith("--results="):
            return word.partition("=")[2]
    return RESULTS
