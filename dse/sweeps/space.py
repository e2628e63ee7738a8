"""Spaces of configurations, as a TOML file or a built-in name."""

from __future__ import annotations

import functools
import hashlib
import heapq
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dse import naming, scenario
from dse.common import names, reading, texts
from dse.errors import BadInput, unknown
from dse.scenario import parsing
from dse.scenario.keys import SECTIONS
from dse.sweeps import objectives as obj
from dse.sweeps.axes import CONFIG, Axis, Value, fits, holding, reason, refuse_unused
from dse.sweeps.axes import checked as checked_axis
from dse.sweeps.measure import Over, parsed

HERE = Path(__file__).resolve().parent / "spaces"
DEFAULT = "default"
KEYS = ("title", "why", "objectives", "baseline", "winner", "scenario", "axes", "constraints", "over")
INFEASIBLE = "infeasible: "
"""Beginning of a scenario that does not go together."""
PLACES_MOST = 10_000
"""Most environments over which a choice is judged at once."""
COUNTABLE = 10**6
"""Most configurations that a sweep goes through one by one; a larger space is searched, with a given number of trials."""


@dataclass(frozen=True)
class Configuration:
    """Point of a space in canonical form.

    Attributes
    ----------
    design : str
        ``NAME[param=value,...]``.
    environment, choice : dict
        Values of the axes by role, without parameters that the design does not have.
    scenario_json : str
        The resolved scenario.
    config : dict
        Keys of :class:`kernels.life.registry.Config`.
    """

    design: str
    choice: dict[str, Value]
    environment: dict[str, Value]
    scenario_json: str
    config: dict[str, int] = field(default_factory=dict)

    @functools.cached_property
    def identity(self) -> str:
        """Key that tells configurations apart."""
        return json.dumps([self.design, self.scenario_json, self.config], sort_keys=True)

    @property
    def params(self) -> dict[str, Value]:
        """Values of all axes that hold."""
        return {**self.choice, **self.environment}

    @property
    def place(self) -> str:
        """Environment as text."""
        return json.dumps(self.environment, sort_keys=True)


@dataclass(frozen=True)
class Space:
    """Checked space; :func:`load` makes one."""

    name: str
    axes: tuple[Axis, ...]
    objectives: tuple[str, ...]
    base: scenario.Scenario
    baseline: str = "direct"
    winner: str = "lifetime.ns"
    constraints: dict[str, str] = field(default_factory=dict)
    title: str = ""
    why: str = ""
    over: Over = field(default_factory=Over)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}  # values computed from them are left out

    @property
    def points(self) -> int:
        """Number of points of the grid, before parameters that do not apply are left out."""
        return math.prod(len(axis.values) for axis in self.axes)

    @functools.cached_property
    def document(self) -> dict[str, Any]:
        """Document of all keys that an evaluation depends on, for storing and for the digest; [folio] and [readahead] only if on."""
        said = {at: v for at, v in self.base.values.items() if at not in ("folio", "readahead") or any(v.values())}
        return {
            "name": self.name, "objectives": list(self.objectives), "baseline": self.baseline, "winner": self.winner,
            "constraints": self.constraints, "scenario": said,
            "axes": [{"name": a.name, "role": a.role, "values": list(a.values)} for a in self.axes],
        } | ({"over": self.over.document} if self.over.robust else {})  # fmt: skip

    @property
    def digest(self) -> str:
        """SHA-256 of :attr:`document`."""
        return hashlib.sha256(json.dumps(self.document, default=list).encode()).hexdigest()

    def at(self, picks: Sequence[int]) -> Configuration:
        """Configuration at the given point of each axis."""
        return self.configuration({axis.name: axis.values[i] for axis, i in zip(self.axes, picks, strict=True)})

    def again(self, picks: tuple[int, ...]) -> Configuration:
        """Same as :meth:`at`, remembered: samplers come back to a point, and searches of a stored study to all of them."""
        if picks not in self._known:
            self._known[picks] = self.at(picks)
        return self._known[picks]

    @functools.cached_property
    def _known(self) -> dict[tuple[int, ...], Configuration]:
        return {}

    def configuration(self, given: Mapping[str, Value]) -> Configuration:
        """Canonical configuration of `given` values of all axes."""
        roles, design = self._roles, self._named(str(given.get("design", self.baseline)))
        values, changes, config = dict(design.values), {}, {}
        held: dict[str, dict[str, Value]] = {"choice": {}, "environment": {}}
        for name, value in given.items():
            if name in CONFIG:
                config[name.partition(".")[2]] = int(value)
            elif "." in name:
                changes[name] = value
            elif name != "design":
                if name not in values or value not in design.design.parameters[name].values:
                    continue
                values[name] = value
            held[roles[name]][name] = value
        text = naming.Named(design.design, values).text
        return Configuration(text, held["choice"], held["environment"], self._scenario(json.dumps(changes)), config)

    @functools.cached_property
    def _roles(self) -> dict[str, str]:
        return {axis.name: axis.role for axis in self.axes}

    @functools.cached_property
    def _parsed(self) -> dict[str, naming.Named]:
        return {}

    def _named(self, design: str) -> naming.Named:
        if design not in self._parsed:
            self._parsed[design] = naming.parse(design)
        return self._parsed[design]

    @functools.cached_property
    def _scenarios(self) -> dict[str, str]:
        return {}

    def _scenario(self, changes: str) -> str:
        """Resolved scenario under `changes`; if they do not go together, the changes themselves with the reason in front."""
        known = self._scenarios
        if changes not in known:
            try:
                known[changes] = self.base.but(**json.loads(changes)).canonical
            except BadInput as error:
                known[changes] = f"{INFEASIBLE}{reason(error, self.base.name)}; {changes}"
        return known[changes]

    @functools.cached_property
    def _by_design(self) -> list[list[list[int]]]:
        designs = next((axis.values for axis in self.axes if axis.name == "design"), (self.baseline,))
        return [holding(self.axes, design) for design in designs]

    @functools.cached_property
    def distinct(self) -> int:
        """Upper bound of the number of configurations, computed without making them."""
        return sum(math.prod(map(len, held)) for held in self._by_design)

    @functools.cached_property
    def designs(self) -> list[str]:
        """Every design of the space with its parameters."""
        of_design = [axis.name == "design" or (axis.name not in CONFIG and "." not in axis.name) for axis in self.axes]
        found: dict[str, None] = {}
        for held in self._by_design:
            for picks in itertools.product(*(points if own else points[:1] for points, own in zip(held, of_design, strict=True))):
                found[self.at(picks).design] = None
        return list(found)

    @property
    def countable(self) -> bool:
        """True if there are few enough configurations to make them all."""
        return self.distinct <= COUNTABLE

    def grid(self) -> Iterator[tuple[int, ...]]:
        """Points of the axes, in their order, without those that differ in parameters that do not apply."""
        return heapq.merge(*(itertools.product(*held) for held in self._by_design))

    def every(self) -> Iterator[Configuration]:
        """Iterate over every configuration once, in the order of the axes."""
        seen: set[str] = set()
        for picks in self.grid():
            found = self.at(picks)
            if found.identity not in seen:
                seen.add(found.identity)
                yield found

    def spread(self, most: int, seed: int) -> list[Configuration]:
        """Some different configurations, at random and of all designs alike."""
        import numpy as np

        rng = np.random.default_rng([seed % 2**63, most])
        found: dict[str, Configuration] = {}
        for n in range(4 * most):
            held = self._by_design[n % len(self._by_design)]
            one = self.at([points[int(rng.integers(len(points)))] for points in held])
            found.setdefault(one.identity, one)
            if len(found) == most:
                break
        return list(found.values())

    @functools.cached_property
    def size(self) -> int:
        """Number of different configurations."""
        return sum(1 for _ in self.every())

    @property
    def most(self) -> int:
        """Number of different configurations; an upper bound where there are too many to make them all."""
        return self.size if self.countable else self.distinct

    def wanted(self, trials: int | None) -> int:
        """Trials of a sweep that asks for so many, or for all."""
        return min(trials or self.distinct, self.most)

    @functools.cached_property
    def figures(self) -> list[str]:
        """Objectives that a trial has: those of the space, the deciding one and what is shown beside it, those of constraints."""
        limits = [obj.constraint(text)[0] for text in self.constraints.values()]
        return list(dict.fromkeys([*self.objectives, self.winner, *obj.beside(self.winner), *limits]))

    @functools.cached_property
    def given(self) -> tuple[Axis, ...]:
        """Axes that are given to us, whose points are the environments."""
        return tuple(axis for axis in self.axes if axis.role == "environment")

    @property
    def places(self) -> int:
        """Number of environments."""
        return math.prod(len(axis.values) for axis in self.given)

    def place_at(self, number: int) -> dict[str, Value]:
        """Environment of a number from 0 on."""
        found = {}
        for axis in reversed(self.given):
            number, pick = divmod(number, len(axis.values))
            found[axis.name] = axis.values[pick]
        return {axis.name: found[axis.name] for axis in self.given}

    def inside(self, environment: Mapping[str, Value]) -> Space:
        """The same space in one environment: what is left to search are choices."""
        axes = [Axis(a.name, a.role, (environment[a.name],)) if a.name in environment else a for a in self.axes]
        return replace(self, axes=tuple(axes))

    def baseline_of(self, configuration: Configuration) -> Configuration:
        """Baseline in the same environment."""
        named = naming.parse(self.baseline).text
        return Configuration(named, {"design": named}, configuration.environment, configuration.scenario_json, configuration.config)


def builtin() -> list[str]:
    """Names of the built-in spaces."""
    return texts.builtin(HERE)


def load(name: str | Path = DEFAULT) -> Space:
    """Load a space.

    Parameters
    ----------
    name : str or Path
        A built-in name, or the path of a TOML file.

    Raises
    ------
    BadInput
        Error with its file and line.
    """
    if str(name).endswith(".npz"):
        raise BadInput(f"{name} is a trace, not a space: dse sweep --trace {name} searches the default space on it")
    if str(name) in scenario.builtin() and str(name) not in builtin():
        raise BadInput(f"{name} is a scenario, not a space: dse compare {name}")
    return parse(*texts.read(name, HERE, "space"))


def parse(source: str, file: str, name: str) -> Space:
    """Parse and check the TOML text of a space; `file` is its name in messages."""
    document = reading.without_secrets(reading.toml(source, file), file)

    def where(*path: str) -> str:
        return f"{file}:{scenario.line_of(source, path)}: "

    if not document.keys() & {"axes", "scenario"} and document.keys() & set(SECTIONS):
        raise BadInput(f"{file}: this is a scenario, not a space: dse compare {file}")
    with reading.parsing(file, "no space"):
        if isinstance(document.get("scenario"), Mapping):
            parsing.refuse_empty_mix(document["scenario"], lambda path: where("scenario", *path))
        found = checked(name, document, where)
        refuse_unused(document.get("scenario", {}), found.base, found.axes, where)
    return found


def from_document(document: Mapping[str, Any]) -> Space:
    """Build a space from :attr:`Space.document`."""
    given = {k: v for k, v in document.items() if k != "name"}
    given["axes"] = {axis["name"]: {"role": axis["role"], "values": axis["values"]} for axis in document["axes"]}
    return checked(str(document["name"]), given, lambda *_: f"space {document['name']}: ")


def checked(name: str, document: Mapping[str, Any], where: Any) -> Space:
    """Check a parsed space."""
    for key in document:
        if key not in KEYS:
            raise BadInput(where(key) + unknown("key", key, KEYS))
    for key in ("axes", "scenario", "constraints"):
        if not isinstance(document.get(key, {}), Mapping):
            raise BadInput(f"{where(key)}{key} is a table: [{key}]")
    reading.without_secrets(document, where().rstrip(": "))
    _named(names.checked, name, where(), "space")
    axes_given = document.get("axes", {})
    if not axes_given:
        raise BadInput(f"{where()}a space needs at least one axis: [axes.design]")
    base = _base(name, document.get("scenario", {}), where)
    if base.closed or "memory.loop" in axes_given:
        raise BadInput(f"{where('scenario')}a sweep has one stream for all designs (memory.loop=open); dse compare closes the loop")
    baseline = _design(_text(document, "baseline", "direct", where), where("baseline")).text
    design = checked_axis("design", axes_given["design"], where) if "design" in axes_given else Axis("design", "choice", (baseline,))
    designs = [_design(str(value), where("axes", "design")) for value in design.values]
    axes = [checked_axis(axis, given, where) for axis, given in axes_given.items()]
    for axis in axes:
        fits(axis, designs, base, where("axes", axis.name))
    if math.prod(len(axis.values) for axis in axes) > 10**9:
        raise BadInput(f"{where('axes')}the space has more than 10^9 points")
    objectives = document.get("objectives", list(obj.DEFAULT))
    if not isinstance(objectives, list) or not objectives or not all(isinstance(text, str) for text in objectives):
        raise BadInput(f"{where('objectives')}objectives is a list of names")
    for text in objectives:
        _named(obj.check, text, where("objectives"))
    if len({text.removesuffix(".lines") for text in objectives}) != len(objectives):
        raise BadInput(f"{where('objectives')}an objective is named twice")
    winner = _text(document, "winner", "lifetime.ns", where)
    _named(obj.check, winner, where("winner"))
    constraints = {str(key): str(text) for key, text in document.get("constraints", {}).items()}
    for key, text in constraints.items():
        _named(obj.constraint, text, where("constraints", key))
    return Space(
        name, tuple(axes), tuple(objectives), base, baseline, winner, constraints,
        _text(document, "title", "", where), _text(document, "why", "", where), parsed(document.get("over", {}), axes, where("over")),
    )  # fmt: skip


def _named(check: Any, text: Any, at: str, *more: Any) -> None:
    """Run a check that raises, with the place in front."""
    try:
        check(str(text), *more)
    except BadInput as error:
        raise BadInput(f"{at}{error}") from None


def _design(text: str, at: str) -> naming.Named:
    """Read a design that may win: no lower bound."""
    try:
        found = naming.parse(text)
        naming.refuse_bound(found.text)
    except BadInput as error:
        raise BadInput(f"{at}{error}") from None
    return found


def _text(document: Mapping[str, Any], key: str, default: str, where: Any) -> str:
    value = document.get(key, default)
    if not isinstance(value, str):
        raise BadInput(f"{where(key)}{key} is text, got {reading.short(value)}")
    return value


def _base(name: str, given: Mapping[str, Any], where: Any) -> scenario.Scenario:
    """Scenario that all configurations share."""
    try:
        if "use" in given:
            found = scenario.load(str(given["use"]))
            changes = {f"{s}.{k}": v for s, keys in given.items() if s != "use" for k, v in keys.items()}
            return found.but(**changes)
        return scenario.from_values(name, given)
    except BadInput as error:
        raise BadInput(f"{where('scenario')}{reason(error, name)}") from None
    except (AttributeError, TypeError):
        raise BadInput(f'{where("scenario")}[scenario] holds tables such as workload = {{ generator = "zipf" }}') from None
