"""``dse.ask``: run the study of a question once, keep its answer, tell it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dse.asking import declaring
from dse.asking.casing import cases
from dse.asking.measuring import measure
from dse.asking.points import Measured
from dse.asking.studies import Question, Study
from dse.asking.verdicts import judge
from dse.common import output, reading
from dse.common.writing import stored_under, write_atomically
from dse.errors import BadInput
from dse.measuring.provenance import code_digest, origin

FOLDER = "answers"
UNPUBLISHED = "no figure"
"""Claim beside a question of the package for which nothing is published."""
WAITS = "needs"
"""Status of a question that waits for a capability."""


def catalogue(results: str | Path | None = None) -> list[dict[str, Any]]:
    """List the questions, each with its last answer under `results`.

    Parameters
    ----------
    results : path, optional
        Folder of stored answers.

    Returns
    -------
    list of dict
        ``id``, ``question``, ``asked_by``, ``status``, ``answer``, ``needs``. The status is ``not asked`` without an answer of this
        code.
    """
    out = []
    for name in declaring.names():
        question = declaring.load(name)
        kept = None if results is None or question.needs else _kept(question, results)
        out.append({
            "id": question.id, "question": question.question, "asked_by": ", ".join(question.asked_by),
            "status": WAITS if question.needs else kept["status"] if kept else "not asked",
            "answer": kept["answer"] if kept else "", "needs": question.needs,
        })  # fmt: skip
    return out


def ask(which: str | Iterable[str] | None = None, *, results: str | Path | None = None, again: bool = False) -> list[dict[str, Any]]:
    """Answer questions.

    Parameters
    ----------
    which : str or iterable of str, optional
        Identifiers such as ``Q9``, or TOML files. Default: all that ship with the package.
    results : path, optional
        Folder in which answers are kept; an answer of the same code and question is not made again.
    again : bool
        Make it again all the same.

    Returns
    -------
    list of dict
        ``id``, ``question``, ``status`` (yes, no, number, curve, inconclusive, needs), ``answer``, ``certainty``, ``needs``,
        ``command``, ``counters_hash``; ``line`` (the answer in one), ``unit``, ``claim``, ``source``, ``points``, ``table``,
        ``caption``, ``axis``; ``open`` and ``asked`` (figures that decide nothing, and all), ``noise``, ``delivered``;
        ``made`` (time and machine) and ``kept`` (true: it was not made now).

    Raises
    ------
    BadInput
        No such question, or a mistake in it.
    """
    given = declaring.names() if which is None else [which] if isinstance(which, str) else list(which)
    questions = [(name, declaring.load(name)) for name in given]
    out = []
    for n, (name, question) in enumerate(questions, 1):
        if len(questions) > 1 and not question.needs:
            output.note(f"{question.id} ({n} of {len(questions)}): {question.question}")
        out.append(_answer(name, question, results, again))
    return out


def _answer(name: str, question: Question, results: str | Path | None, again: bool) -> dict[str, Any]:
    """Answer one question, or take the answer that is kept."""
    said = {
        "id": question.id, "question": question.question, "status": WAITS, "answer": f"Waits for: {question.needs}.", "certainty": "",
        "needs": question.needs, "command": f"dse ask {name}", "counters_hash": "", "unit": "", "points": [], "table": [],
        "claim": question.claim or UNPUBLISHED * (name in declaring.names() and not question.needs), "source": question.source,
        "axis": question.study.axis if question.study else "", "line": "", "caption": "", "open": 0, "asked": 0, "noise": None,
        "delivered": None, "made": {}, "kept": False,
    }  # fmt: skip
    if question.needs or question.study is None or question.rule is None:
        return said
    kept = None if results is None or again else _kept(question, results)
    if kept is not None:
        return said | kept | {"kept": True}
    found = _measured(name, question.study)
    verdict = judge(question, found)
    made = {
        "status": verdict.status, "answer": verdict.answer, "certainty": verdict.certainty, "counters_hash": found.counters_hash,
        "unit": question.study.unit or question.rule.unit, "points": [asdict(point) for point in found.points],
        "table": list(verdict.table), "line": verdict.line, "caption": verdict.caption, "open": verdict.open, "asked": verdict.asked,
        "noise": None if found.noise is None else list(found.noise), "delivered": found.delivered, "made": _made(),
    }  # fmt: skip
    if results is not None:
        _keep(question, results, made)
    return said | made


def _measured(name: str, study: Study) -> Measured:
    """Run a study. A refusal says of which question it is."""
    try:
        return measure(study)
    except BadInput as error:
        raise BadInput(f"{name}: {error}") from None


def _made() -> dict[str, Any]:
    """Time, machine and code of an answer."""
    about = origin()
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return {"at": at, **{name: about[name] for name in ("cpu", "cores", "kernel", "commit", "version")}}


def _file(question: Question, results: str | Path) -> Path:
    """File of a kept answer."""
    return Path(results) / FOLDER / f"{_safe(question.id)}-{question.digest[:16]}.json"


def _safe(name: str) -> str:
    """Name of a question as a part of a file's name."""
    kept = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
    return kept[:60] or "question"


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read(question: Question) -> str:
    """Digest of all that an answer follows from but the code: the question, and the scenarios and traces that it names, as they are now."""
    from dse.workloads import trace

    if question.study is None or question.study.source != "compare":
        return _digest([question.digest])
    scenarios = [case for _, case in cases(question.study)]
    named = {str(case.workload.trace) for case in scenarios if case.workload.trace is not None} - set(trace.shipped())
    return _digest([question.digest, [case.canonical for case in scenarios], {name: trace.load(name).digest for name in sorted(named)}])


def _kept(question: Question, results: str | Path) -> dict[str, Any] | None:
    """The kept answer of this question by this code, None where there is none or it was damaged."""
    try:
        stored = reading.kept_json(_file(question, results))
        content, digest, code = stored["answer"], stored["sha256"], stored["code"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(content, dict) or code != code_digest() or digest != _digest([_read(question), content]):
        return None
    return content


def _keep(question: Question, results: str | Path, made: dict[str, Any]) -> None:
    """Keep an answer, with the digest that is checked when it is read: of the answer and of what it follows from."""
    made = json.loads(output.render_json(made))
    with stored_under(results):
        path = _file(question, results)
        path.parent.mkdir(parents=True, exist_ok=True)
        sealed = {"code": code_digest(), "sha256": _digest([_read(question), made]), "answer": made}
        write_atomically(path, output.render_json(sealed).encode())
