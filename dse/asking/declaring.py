"""Questions as TOML files: the question, who asks it, what was published, the study that answers it, the verdict's rule."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from dse import naming, scenario
from dse.common import reading, texts
from dse.errors import BadInput, unknown

HERE = Path(__file__).resolve().parent / "questions"
SOURCES = ("compare", "ledger")
RULES = ("number", "at most", "at least", "same", "pays off", "crossing", "curve")
LEDGER = ("static_bytes", "dynamic_bytes", "header_bytes", "total_bytes", "allocated_bytes")
TAX = "tax_"
"""Begin of the metrics that are differences from a baseline by themselves."""
AXES_OF_LEDGER = ("fill", "slots")


@dataclass(frozen=True)
class Term:
    """A figure of a comparison, or of a ledger.

    Attributes
    ----------
    metric : str
        ``ns``, ``lines`` and so on (docs/formats.md); of a ledger one of :data:`LEDGER`.
    op, stat : str
        Operation and statistic of a comparison.
    weight : float
        Factor. The terms of a measure are summed.
    """

    metric: str
    op: str = ""
    stat: str = "mean"
    weight: float = 1.0


@dataclass(frozen=True)
class Study:
    """Runs of a question, and the figure that is read off them.

    Attributes
    ----------
    source : str
        ``compare`` (a stream replayed on all designs) or ``ledger`` (bytes in closed form).
    designs : tuple of str
        The first is the baseline.
    measure : tuple of Term
        Summed.
    divide : tuple of Term
        The measure is divided by their sum, if given. A ledger divides by the pages in swap with ``metric = "pages"``.
    saving : tuple of Term
        For the rule ``pays off``: what one event costs. The saving of a design is what it costs less than the baseline.
    rivals : dict of str to str
        For the rule ``pays off``: designs that the others are held against, by what they are called. Default: the baseline.
    by : tuple of str
        Units; each in turn stands for ``*`` in the metrics of `measure` and `saving`.
    against : str
        ``difference`` (less the baseline's measure), ``ratio`` (over it), or nothing: the measure itself.
    timed : bool
        Take times.
    seconds : float
        Budget of the timing of a point.
    scenario : str or dict
        Built-in name, or the tables of a scenario.
    set : dict
        Scenario keys by name, ``section.key``.
    axis : str
        Scenario key, or ``fill`` or ``slots`` of a ledger.
    values : tuple
        Values along the axis.
    slots, fill, backend
        Of a ledger.
    unit : str
        Unit of the measure, where it is not that of the verdict.
    """

    source: str
    designs: tuple[str, ...]
    measure: tuple[Term, ...]
    divide: tuple[Term, ...] = ()
    saving: tuple[Term, ...] = ()
    rivals: dict[str, str] = field(default_factory=dict)
    by: tuple[str, ...] = ()
    against: str = ""
    timed: bool = False
    seconds: float = 20.0
    scenario: Any = "no-move"
    set: dict[str, Any] = field(default_factory=dict)
    axis: str = ""
    values: tuple[Any, ...] = ()
    slots: int = 1 << 23
    fill: float = 1.0
    backend: str = "zswap"
    unit: str = ""


@dataclass(frozen=True)
class Rule:
    """Rule that turns points into a verdict.

    Attributes
    ----------
    kind : str
        One of :data:`RULES`.
    unit : str
        Unit of the figures of the sentence.
    limit : float
        Of ``at most`` and ``at least``; of ``same`` the largest difference that counts as none.
    digits : int
        Digits behind the point of a figure in the sentence.
    sentence : str
        Words around the figures: ``{all}`` (every design with its figure, worst first), ``{worst}``, ``{best}``, ``{low}``, ``{high}``,
        ``{base}``, ``{base_value}``, ``{first}`` and ``{last}`` (values of the axis), ``{limit}``.
    changes : str
        What would change the verdict.
    """

    kind: str
    unit: str = ""
    limit: float = 0.0
    digits: int = 1
    sentence: str = "{all}"
    changes: str = ""


@dataclass(frozen=True)
class Question:
    """An open question.

    Attributes
    ----------
    id, question : str
        Its number, such as Q9, and one sentence.
    asked_by : tuple of str
        Who needs the answer.
    claim, source : str
        What was published, and where.
    needs : str
        The capability that is missing, empty where the study can be run.
    study, rule : Study and Rule, or None
    digest : str
        SHA-256 of the declaration.
    """

    id: str
    question: str
    asked_by: tuple[str, ...]
    claim: str
    source: str
    needs: str
    study: Study | None
    rule: Rule | None
    digest: str


def names() -> list[str]:
    """Identifiers of the questions that ship with the package, in order."""
    return sorted(texts.builtin(HERE), key=lambda name: int(name[1:]))


def load(name: str) -> Question:
    """Load a question.

    Parameters
    ----------
    name : str
        An identifier such as ``Q9``, or a TOML file.

    Raises
    ------
    BadInput
        No such question, or a mistake in it, with file and line.
    """
    known = {have.lower(): have for have in names()}
    if name.lower() not in known and not name.endswith(".toml") and "/" not in name:
        raise BadInput(unknown("question", name, known.values()) + " (or give a .toml file)")
    return parse(*texts.read(known.get(name.lower(), name), HERE, "question"))


def parse(source: str, file: str, name: str) -> Question:
    """Parse and check the TOML text `source`; `file` is its name in messages."""
    document = reading.toml(source, file)

    def where(*path: str) -> str:
        return f"{file}:{scenario.line_of(source, path)}: "

    known = {"id", "question", "asked_by", "claim", "source", "needs", "study", "verdict"}
    for key in document:
        if key not in known:
            raise BadInput(where(key) + unknown("key", key, known))
    if not str(document.get("question", "")).strip():
        raise BadInput(f"{file}: question is missing: one sentence")
    needs = str(document.get("needs", ""))
    study = rule = None
    if not needs:
        for table in ("study", "verdict"):
            if not isinstance(document.get(table), dict):
                raise BadInput(f'{file}: [{table}] is missing (or say with needs = "..." what the question waits for)')
        study, rule = _study(document["study"], where), _record(Rule, document["verdict"], "verdict", where)
        _agree(study, rule, where)
    asked = document.get("asked_by", [])
    text = json.dumps(document, sort_keys=True, default=str)
    return Question(
        str(document.get("id", name)), str(document["question"]), tuple(map(str, asked if isinstance(asked, list) else [asked])),
        str(document.get("claim", "")), str(document.get("source", "")), needs, study, rule, hashlib.sha256(text.encode()).hexdigest(),
    )  # fmt: skip


def _record(cls: Any, given: Mapping[str, Any], path: str, where: Any) -> Any:
    """Build a record of `cls` from a table, its keys and types checked."""
    hints, parts = get_type_hints(cls), path.split(".")
    required = {f.name for f in fields(cls)} & {"metric", "kind", "source"}
    for key, value in given.items():
        if key not in hints:
            raise BadInput(where(*parts, key) + unknown("key", key, hints))
        want = get_args(hints[key]) or (hints[key],)
        if hints[key] is float and isinstance(value, int) and not isinstance(value, bool):
            continue
        if hints[key] in (str, float, int, bool) and type(value) is not want[0]:
            raise BadInput(f"{where(*parts, key)}{key} = {reading.short(value)} is not of type {want[0].__name__}")
    for key in sorted(required - set(given)):
        raise BadInput(f"{where(*parts)}{key} is missing in {path}")
    return cls(**given)


def _terms(given: Any, name: str, where: Any) -> tuple[Term, ...]:
    """Read a list of terms."""
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise BadInput(f'{where("study", name)}{name} is a list of tables: {name} = [{{ op = "swap_in", metric = "lines" }}]')
    return tuple(_record(Term, one, f"study.{name}", where) for one in given)


def _study(given: Mapping[str, Any], where: Any) -> Study:
    """Read the table ``[study]``."""
    lists = {name: _terms(given[name], name, where) for name in ("measure", "divide", "saving") if name in given}
    plain = {key: value for key, value in given.items() if key not in ("measure", "divide", "saving", "designs", "values", "by", "rivals")}
    for name in ("designs", "values", "by"):
        if name in given and not isinstance(given[name], list):
            raise BadInput(f"{where('study', name)}{name} is a list")
    for key in plain:
        if key not in get_type_hints(Study):
            raise BadInput(where("study", key) + unknown("key", key, get_type_hints(Study)))
    if "measure" not in lists or not given.get("designs"):
        raise BadInput(f"{where('study')}a study has designs and a measure")
    made: Study = _record(Study, {"designs": (), "measure": (), **plain}, "study", where)
    designs = tuple(named.text for named in naming.parse_many([str(d) for d in given["designs"]]))
    rivals = given.get("rivals", {})
    if not isinstance(rivals, dict):
        raise BadInput(f'{where("study", "rivals")}rivals is a table: rivals = {{ reswap = "swap_table_p4" }}')
    held = {str(word): naming.parse(str(design)).text for word, design in rivals.items()}
    tuples = {name: tuple(given.get(name, ())) for name in ("values", "by")}
    return Study(**{**made.__dict__, **lists, **tuples, "designs": designs, "rivals": held})


def _agree(study: Study, rule: Rule, where: Any) -> None:
    """Refuse what does not go together."""
    if study.source not in SOURCES:
        raise BadInput(where("study", "source") + unknown("source", study.source, SOURCES))
    if rule.kind not in RULES:
        raise BadInput(where("verdict", "kind") + unknown("kind of verdict", rule.kind, RULES))
    if study.against not in ("", "difference", "ratio"):
        raise BadInput(where("study", "against") + unknown("comparison", study.against, ("difference", "ratio")))
    if rule.kind in ("curve", "crossing") and len(study.values) < 2:
        raise BadInput(f"{where('verdict', 'kind')}a {rule.kind} needs an axis with two values or more")
    if bool(study.axis) != bool(study.values):
        raise BadInput(f"{where('study')}axis and values belong together")
    _held(study, rule, where)
    if rule.kind == "pays off" and not study.saving:
        raise BadInput(f"{where('verdict', 'kind')}'pays off' needs study.saving, what one event costs")
    if rule.kind == "pays off" and study.against != "difference" and not all(t.metric.startswith(TAX) for t in study.measure):
        raise BadInput(f"{where('study')}'pays off' needs what a design costs more: against = \"difference\", or a metric {TAX}...")
    if study.source == "ledger":
        for term in (*study.measure, *study.divide, *study.saving):
            if term.metric not in (*LEDGER, "pages"):
                raise BadInput(where("study", "measure") + unknown("metric of a ledger", term.metric, (*LEDGER, "pages")))
        if study.axis and study.axis not in AXES_OF_LEDGER:
            raise BadInput(where("study", "axis") + unknown("axis of a ledger", study.axis, AXES_OF_LEDGER))


def _held(study: Study, rule: Rule, where: Any) -> None:
    """Refuse rivals that a comparison does not hold its designs against."""
    if not study.rivals and not study.by:
        return
    if rule.kind != "pays off" or study.source != "compare" or study.axis:
        raise BadInput(f"{where('study')}rivals and by belong to a comparison with the verdict 'pays off' and without an axis")
    known = naming.references(study.designs)
    for design in study.rivals.values():
        if design not in known:
            raise BadInput(where("study", "rivals") + unknown("rival (the first design, or a base of layers)", design, known))
    starred = any("*" in term.metric for term in (*study.measure, *study.saving))
    if bool(study.by) != starred or not study.rivals:
        raise BadInput(f'{where("study", "by")}by = ["ns", "lines"] needs rivals, and a metric with * for the unit')
