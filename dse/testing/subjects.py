"""Designs to test and the settings to test them with, from names or from the files that register them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dse import naming
from dse.errors import BadInput
from dse.naming import registered


@dataclass(frozen=True)
class Subject:
    """A design under test.

    Attributes
    ----------
    name : str
        Its name.
    settings : tuple of Named
        Values of its parameters to test it with, the main ones first.
    """

    name: str
    settings: tuple[naming.Named, ...]


def chosen(given: str | Sequence[str] | None) -> list[Subject]:
    """Read which designs are to be tested.

    Parameters
    ----------
    given : str or sequence of str, optional
        Names, ``NAME[param=value,...]`` for one setting alone, or files such as ``my_design.py`` that register designs; default all
        that are registered.

    Returns
    -------
    list of Subject

    Raises
    ------
    BadInput
        Unknown names, files that do not load, none at all.
    """
    texts = list(naming.registry()) if given is None else naming.split(given) if isinstance(given, str) else list(given)
    files = [text for text in texts if text.endswith(".py")]
    if files:
        _load(files)
    plain = [name for text in texts for name in (_registered_by(text) if text in files else [text])]
    return [_subject(named) for named in naming.parse_many(plain)]


def sampled(subjects: Sequence[Subject], seed: str) -> list[Subject]:
    """Half of the designs, rounded up, in their order.

    Parameters
    ----------
    subjects : sequence of Subject
        The designs to choose from.
    seed : str
        What decides: another seed takes other designs, of which each is as likely. ``all`` takes every one.

    Returns
    -------
    list of Subject
    """
    if seed == "all":
        return list(subjects)
    ranked = sorted(subjects, key=lambda one: hashlib.sha256(f"{seed} {one.name}".encode()).digest())
    kept = {one.name for one in ranked[: -(-len(ranked) // 2)]}
    return [one for one in subjects if one.name in kept]


def _load(files: list[str]) -> None:
    """Load designs from files, as if ``DSE_DESIGNS`` named them too."""
    before = os.environ.get(registered.VARIABLE)
    os.environ[registered.VARIABLE] = os.pathsep.join([*filter(None, [before]), *files])
    try:
        naming.registry.cache_clear()
        naming.registry()
    except BadInput as error:
        raise BadInput(str(error).removeprefix(f"{registered.VARIABLE}: ")) from error
    finally:
        if before is None:
            del os.environ[registered.VARIABLE]
        else:
            os.environ[registered.VARIABLE] = before


def _registered_by(file: str) -> list[str]:
    """Names of the designs whose file it is."""
    path = Path(file).resolve()
    return [name for name, design in naming.registry().items() if Path(design.file).resolve() == path]


def _subject(named: naming.Named) -> Subject:
    """A design with the settings to test it with; where one is given, that one alone."""
    if named.text != named.design.name:
        return Subject(named.design.name, (named,))
    return Subject(named.design.name, tuple(settings(named.design.name)))


def is_repeated(name: str) -> bool:
    """Registrations of one family run the same code: all but the last are tested with fewer demands."""
    designs = naming.registry()
    return name != [other for other in sorted(designs) if designs[other].replay is designs[name].replay][-1]


def settings(name: str) -> list[naming.Named]:
    """Settings to test design `name` with: the defaults, then each value of each parameter once, the others varied along.

    Of a family only the last one varies parameters, and the phase of swap tables is part of the name.
    """
    plain = naming.parse(name)
    parameters = [] if is_repeated(name) else [key for key in plain.values if key != "phase"]
    values = {key: list(plain.design.parameters[key].values) for key in parameters}
    most = max((len(each) for each in values.values()), default=0)
    mixed = [{key: each[(i + j) % len(each)] for j, (key, each) in enumerate(values.items())} for i in range(most)]
    return [plain, *(naming.Named(plain.design, plain.values | one) for one in mixed)]


def control(named: naming.Named) -> dict[str, int]:
    """Control words of `named` by name, those at the design's defaults left out."""
    usual = naming.parse(named.design.name).control
    return {word: value for word, value in named.control.items() if value != usual[word]}
