"""Questions as TOML files: the question, who asks it, what was published, the study that answers it, the verdict's rule."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from dse import naming, scenario
from dse.asking import refusing
from dse.asking.studies import Question, Rule, Study, Term
from dse.common import reading, texts
from dse.errors import BadInput, unknown
from dse.scenario import setting

HERE = Path(__file__).resolve().parent / "questions"


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
    document = reading.without_secrets(reading.toml(source, file), file)

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
        refusing.check(study, rule, document["verdict"], where)
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
    with refusing.placed(where, "study", "designs"):
        designs = tuple(named.text for named in naming.parse_many([str(d) for d in given["designs"]]))
        for text in designs:
            naming.refuse_bound(text)
    if not isinstance(given.get("set", {}), dict):
        raise BadInput(f'{where("study", "set")}set is a table: set = {{ "memory.limit" = 0.3 }}')
    rivals = given.get("rivals", {})
    if not isinstance(rivals, dict):
        raise BadInput(f'{where("study", "rivals")}rivals is a table: rivals = {{ reswap = "swap_table_p4" }}')
    with refusing.placed(where, "study", "rivals"):
        held = {str(word): naming.parse(str(design)).text for word, design in rivals.items()}
        for text in held.values():
            naming.refuse_bound(text)
    tuples = {"values": tuple(map(setting.written, given.get("values", ()))), "by": tuple(map(str, given.get("by", ())))}
    return Study(**{**made.__dict__, **lists, **tuples, "designs": designs, "rivals": held})
