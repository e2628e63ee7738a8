"""Loading of scenarios from a TOML file or by a built-in name. Every key is checked, and a mistake is named with file and line.

The keys, their types, ranges and defaults are the table in :mod:`dse.scenario.keys`.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dse.common import reading, texts
from dse.errors import BadInput, unknown
from dse.scenario.agreeing import Where, agree
from dse.scenario.keys import SECTIONS, TEXTS, Backend, Folio, Fork, KeyInfo, Memory, Moves, Readahead, Replay, Swapoff, Workload, keys

HERE = Path(__file__).resolve().parent / "files"


@dataclass(frozen=True)
class Scenario:
    """A checked scenario; :func:`load` makes one.

    Attributes
    ----------
    name, title, why, questions
        Its name, its purpose, and the numbered open questions that it serves. Not part of the digest.
    workload, memory, backend, moves, folio, readahead, fork, swapoff, replay
        The sections, with every default filled in.
    """

    name: str
    title: str = ""
    why: str = ""
    questions: tuple[int, ...] = ()
    workload: Workload = field(default_factory=Workload)
    memory: Memory = field(default_factory=Memory)
    backend: Backend = field(default_factory=Backend)
    moves: Moves = field(default_factory=Moves)
    folio: Folio = field(default_factory=Folio)
    readahead: Readahead = field(default_factory=Readahead)
    fork: Fork = field(default_factory=Fork)
    swapoff: Swapoff = field(default_factory=Swapoff)
    replay: Replay = field(default_factory=Replay)

    @property
    def values(self) -> dict[str, dict[str, Any]]:
        """Resolved values, defaults included, section by section."""
        return {section: dataclasses.asdict(getattr(self, section)) for section in SECTIONS}

    @property
    def canonical(self) -> str:
        """The resolved values as JSON of one form; :func:`from_values` reads it back.

        An open loop is not in it, nor that no program begins anew, that pages are single or nothing is read ahead: digests are those of the
        time before there were such keys.
        """
        values = self.values
        if not self.closed:
            del values["memory"]["loop"]
        if not self.workload.restarts:
            del values["workload"]["restarts"]
        if not self.folio.orders:
            del values["folio"]
        if not self.readahead.page_cluster:
            del values["readahead"]
        return json.dumps(values, sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """SHA-256 of the resolved values."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def label(self) -> str:
        """Name of the variant in rows and tables: the scenario and its rate of moves."""
        return f"{self.name}, moves.rate={self.moves.rate:g}"

    @property
    def closed(self) -> bool:
        """True if each design has demands of its own (memory.loop)."""
        return self.memory.loop == "closed"

    def bare_workload(self) -> Scenario:
        """Return the scenario without its workload and forks, for another one."""
        return dataclasses.replace(self, workload=Workload(exit=self.workload.exit), fork=Fork())

    def renamed(self, name: str) -> Scenario:
        """Return the same scenario under another name."""
        return dataclasses.replace(self, name=name)

    def limit_pages(self, pages: int) -> int:
        """Memory limit in pages, for a workload of `pages` pages."""
        limit = self.memory.limit
        return max(1, int(limit * pages) if limit <= 1.0 else int(limit))

    def but(self, **changes: Any) -> Scenario:
        """Return the scenario with some keys changed, named ``section__key`` or, in a ``**`` dict, ``section.key``.

        Examples
        --------
        >>> load("writeback").but(moves__rate=0.0).moves.rate
        0.0
        """
        values = self.values
        for name, value in changes.items():
            section, _, option = name.replace("__", ".").partition(".")
            if section not in SECTIONS:
                raise BadInput(unknown("table", section, SECTIONS))
            values[section][option] = value
        return from_values(self.name, values, title=self.title, why=self.why, questions=self.questions)


def builtin() -> list[str]:
    """Names of the built-in scenarios."""
    return texts.builtin(HERE)


def load(name: str | Path) -> Scenario:
    """Load a scenario.

    Parameters
    ----------
    name : str or Path
        A built-in name, or the path of a TOML file (ends in ``.toml`` or holds a slash).

    Returns
    -------
    Scenario
        Checked, defaults filled in.

    Raises
    ------
    BadInput
        A mistake in the scenario, with file and line.
    """
    if str(name).endswith(".npz"):
        raise BadInput(f"{name} is a trace, not a scenario: dse compare --trace {name} replays it")
    return parse(*texts.read(name, HERE, "scenario"))


def parse(source: str, file: str, name: str) -> Scenario:
    """Parse and check the TOML text `source`; `file` is its name in error messages."""
    document = reading.without_secrets(reading.toml(source, file), file)

    def where(path: tuple[str, ...]) -> str:
        return f"{file}:{line_of(source, path)}: "

    with reading.parsing(file, "no scenario"):
        refuse_empty_mix(document, where)
        chosen = _checked(name, document, where)
        refuse_unused([chosen], document, where)
    return chosen


def refuse_empty_mix(document: Mapping[str, Any], where: Where) -> None:
    """Refuse a mix of no backend: a scenario has one whose shares sum to 1, or none. Resolved values have it where there is none."""
    backend = document.get("backend")
    if isinstance(backend, Mapping) and backend.get("mix") == {}:
        raise BadInput(f"{where(('backend', 'mix'))}backend.mix sums to 0, not 1")


def from_values(name: str, values: Mapping[str, Any], **said: Any) -> Scenario:
    """Build a scenario from the nested values that :attr:`Scenario.values` gives."""
    cleaned = {section: {option: value for option, value in options.items() if value is not None} for section, options in values.items()}
    said = {option: list(value) if isinstance(value, tuple) else value for option, value in said.items()}
    return _checked(name, {**said, **cleaned}, lambda _path: f"scenario {name}: ")


def line_of(source: str, path: tuple[str, ...]) -> int:
    """Line (from 1) where the statement that defines `path` starts; the last line where none does."""
    return _lines(source).get(path, max(1, source.rstrip("\n").count("\n") + 1)) if path else 1


@functools.lru_cache(8)
def _lines(source: str) -> dict[tuple[str, ...], int]:
    return reading.lines(source)


@functools.cache
def _table() -> dict[str, dict[str, KeyInfo]]:
    """The table of keys by section and name."""
    table: dict[str, dict[str, KeyInfo]] = {section: {} for section in SECTIONS}
    for info in keys():
        table[info.section][info.name] = info
    return table


def _checked(name: str, document: Mapping[str, Any], where: Where) -> Scenario:
    """Check a parsed document and fill in the defaults."""
    sections: dict[str, Any] = {}
    texts: dict[str, Any] = {}
    for option, value in document.items():
        if option in TEXTS:
            texts[option] = _text(option, value, where)
        elif option not in SECTIONS:
            what = "table" if isinstance(value, dict) else "key"
            raise BadInput(where((option,)) + unknown(what, option, [*SECTIONS, *TEXTS]))
        elif not isinstance(value, dict):
            raise BadInput(f"{where((option,))}{option} is a table: [{option}]")
    for section, cls in SECTIONS.items():
        given = document.get(section, {})
        known = _table()[section]
        for option in given:
            if option not in known:
                raise BadInput(where((section, option)) + _unknown_key(option, section))
        values = {option: _value(known[option], value, where((section, option))) for option, value in given.items()}
        sections[section] = cls(**values)
    agree(sections, where)
    return Scenario(name=name, **texts, **sections)


def _unknown_key(option: str, section: str) -> str:
    """Say that `section` has no key `option`, and give its section or the nearest key."""
    homes = [f"[{other}]" for other, known in _table().items() if option in known]
    if homes:
        return f"key {option!r} belongs in {' or '.join(homes)}, not in [{section}]"
    return unknown("key", option, _table()[section], f"{section}.")


def _text(option: str, value: Any, where: Where) -> Any:
    """Check ``title``, ``why`` and ``questions``."""
    if option == "questions":
        if not isinstance(value, list) or not all(type(item) is int and 1 <= item <= 999 for item in value):
            raise BadInput(f"{where((option,))}questions is a list of numbers from 1")
        return tuple(value)
    if not isinstance(value, str):
        raise BadInput(f"{where((option,))}{option} is text, got {reading.short(value)}")
    return value


def _value(info: KeyInfo, value: Any, at: str) -> Any:
    """Check one value against its row of the table."""
    if info.kind == "bool":
        if not isinstance(value, bool):
            raise BadInput(f"{at}{info.full} is true or false, got {reading.short(value)}")
        return value
    if info.kind in ("int", "float"):
        return _number(info, value, f"{at}{info.full}")
    if info.kind == "str":
        if not isinstance(value, str):
            raise BadInput(f"{at}{info.full} is text, got {reading.short(value)}")
        _among(info, value, at)
        return value
    if info.kind == "list":
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            raise BadInput(f"{at}{info.full} is a list of names, got {reading.short(value)}")
        for item in value:
            _among(info, item, at)
        return tuple(value)
    if not isinstance(value, Mapping):
        raise BadInput(f"{at}{info.full} is a table such as {{ {(info.choices or ('name',))[0]} = 1.0 }}, got {reading.short(value)}")
    for item in value:
        _among(info, item, at)
    return {item: _number(info, share, f"{at}{info.full}.{item}", "float") for item, share in value.items()}


def _number(info: KeyInfo, value: Any, what: str, kind: str = "") -> float | int:
    """Check a number's type and range."""
    kind = kind or info.kind
    if isinstance(value, bool) or not isinstance(value, int if kind == "int" else (int, float)):
        raise BadInput(f"{what} is {'a whole number' if kind == 'int' else 'a number'}, got {reading.short(value)}")
    low, high = info.bounds or (-math.inf, math.inf)
    if not low <= value <= high:
        raise BadInput(f"{what} is from {_bound(low)} to {_bound(high)}, got {value}")
    return value if kind == "int" else float(value) + 0.0  # -0.0 is 0.0


def _bound(value: float) -> str:
    """Write a bound with all its digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.15g}"


def _among(info: KeyInfo, value: str, at: str) -> None:
    """Check a name against the valid ones."""
    if info.choices and value not in info.choices:
        raise BadInput(at + unknown(f"{info.full} value", value, info.choices))


OF_PLACEMENT = ("shrink_to", "incompressible_share", "reject_above", "writeback")
"""Keys of a pool that fills up, shrinks and rejects: with a mix it has no limit and takes what the mix says."""


def _compressing(chosen: Scenario) -> set[str]:
    """Backends that pages go to and that compress them."""
    backend, moves = chosen.backend, chosen.moves
    used = {name for name, share in backend.mix.items() if share > 0} if backend.mix else {backend.placement or "zswap"}
    return (used | set(moves.tiers if moves.rate else ())) & {"zswap", "zram"}


def unused(chosen: Scenario) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Keys that cannot act in a scenario: section, names, and the reason."""
    workload, backend = chosen.workload, chosen.backend
    if workload.generator is not None:
        yield "workload", ("copies", "quantum", "filter_pages", "pages_at_least"), "of a trace, and there is a generator"
    else:
        yield "workload", ("pages", "theta", "write_share", "working_set", "phase_accesses"), "of a generator, and there is a trace"
    if workload.generator not in ("zipf", "phase", "fork"):
        yield "workload", ("theta",), "of the generators zipf, phase and fork"
    if workload.generator != "phase":
        yield "workload", ("working_set", "phase_accesses"), "of the generator phase"
    if workload.generator != "fork":
        yield "fork", tuple(_table()["fork"]), "of the generator fork"
    if chosen.swapoff.device is None:
        yield "swapoff", ("target", "at"), "of a device that is switched off, and none is"
    if backend.mix:
        yield "backend", ("zswap_share", "zero_share", *OF_PLACEMENT), "not used where mix gives the shares"
        yield "memory", ("charge_zswap",), "not used where mix gives the shares"
    yield from _unused_states(chosen)


def _unused_states(chosen: Scenario) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Keys that cannot act as no page compresses or moves, or in the policy and the state of the caches."""
    compressing, moves = _compressing(chosen), chosen.moves
    if "zswap" not in compressing:
        yield "backend", ("zswap_share", "shrink_to", "reject_above", "writeback"), "of zswap, to which no page goes"
        yield "memory", ("charge_zswap",), "of zswap, to which no page goes"
    if not compressing:
        yield "backend", ("compression_ratio", "incompressible_share"), "of zswap and zram, to which no page goes"
    if chosen.backend.disk == "hdd":
        yield "backend", ("hdd_slots",), "of a further hard disk, and the disk is one"
    if not moves.rate:
        yield "moves", ("tiers", "in_window"), "of pages that move, and moves.rate is 0"
        if chosen.backend.mix or "zswap" not in compressing or not chosen.backend.writeback:
            yield "moves", ("batch",), "of pages that move, and moves.rate is 0"
    if chosen.closed:
        yield "memory", ("charge_zswap",), "of an open loop, and in a closed one zsmalloc's pages always count"
    if chosen.memory.policy != "active-inactive":
        yield "memory", ("flush",), "of the policy active-inactive"
    if chosen.replay.state != "footprint":
        yield "replay", ("footprint_kib",), "of the state footprint"


def idle(ways: Iterable[Scenario], names: Iterable[str]) -> dict[str, str]:
    """Keys of some that act in none of a few scenarios, with the reason; none where there are no scenarios.

    Parameters
    ----------
    ways : iterable of Scenario
        The scenarios. No further one is made once every key acts.
    names : iterable of str
        Keys, ``section.key``.
    """
    left, any_way = dict.fromkeys(names, ""), False
    for way in ways:
        any_way = True
        here: dict[str, str] = {}
        for section, options, why in unused(way):
            here = {f"{section}.{option}": why for option in options} | here
        left = {name: here[name] for name in left if name in here}
        if not left:
            break
    return left if any_way else {}


def refuse_unused(ways: Iterable[Scenario], document: Mapping[str, Any], where: Where) -> None:
    """Refuse a key that differs from its default and acts in none of a few scenarios."""
    given = {section: keys for section, keys in document.items() if section in SECTIONS and isinstance(keys, Mapping)}
    changed = [
        f"{section}.{option}"
        for section, keys in given.items()
        for option, value in keys.items()
        if (tuple(value) if isinstance(value, list) else value) != _table()[section][option].default
    ]
    for name, why in idle(ways, changed).items():
        section, _, option = name.partition(".")
        raise BadInput(f"{where((section, option))}{name} has no effect: it is {why}")
