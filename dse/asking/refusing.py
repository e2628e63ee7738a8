"""Refusals of questions that do not hold together, each with its file and line."""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dse import naming
from dse.asking import casing, vocabulary
from dse.asking.studies import (
    AXES_OF_LEDGER,
    CPUS,
    LEDGER,
    LIMITED,
    MORE,
    OF_AXIS,
    PLACES,
    PREDICTED,
    RULES,
    SOURCES,
    TAX,
    Rule,
    Study,
)
from dse.errors import BadInput, unknown
from dse.scenario import keys as every_key

Where = Callable[..., str]
"""Place of a key in the file, as a message begins with it."""
DIGITS_MOST = 9


@contextmanager
def placed(where: Where, *path: str) -> Iterator[None]:
    """Say of a refusal which key of the file it is about."""
    try:
        yield
    except BadInput as error:
        raise BadInput(where(*path) + str(error)) from None


def check(study: Study, rule: Rule, given: Mapping[str, Any], where: Where) -> None:
    """Refuse what does not go together.

    Parameters
    ----------
    study, rule : Study and Rule
    given : mapping
        The table ``[verdict]``, which tells a limit of 0 from none.
    where : callable
        Place of a key, by its path.

    Raises
    ------
    BadInput
        With file and line.
    """
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
    if rule.kind == "crossing" and not all(_number(value) for value in study.values):
        raise BadInput(f"{where('study', 'values')}a crossing needs values that are numbers")
    if not (math.isfinite(study.seconds) and study.seconds > 0):
        raise BadInput(f"{where('study', 'seconds')}seconds {study.seconds} is not above 0")
    for name in ("measure", "divide", "saving"):
        if not all(math.isfinite(term.weight) for term in getattr(study, name)):
            raise BadInput(f"{where('study', name)}a weight of {name} is no number")
    _limit(rule, given, where)
    _sentence(study, rule, where)
    _held(study, rule, where)
    if rule.kind == "pays off" and not study.saving:
        raise BadInput(f"{where('verdict', 'kind')}'pays off' needs study.saving, what one event costs")
    if rule.kind == "pays off" and study.against != "difference" and not all(t.metric.startswith(TAX) for t in study.measure):
        raise BadInput(f"{where('study')}'pays off' needs what a design costs more: against = \"difference\", or a metric {TAX}...")
    if rule.kind == "share" and [(t.metric, t.weight) for t in study.measure] not in ([(MORE, 1.0)], [("tax_ns", 1.0)]):
        raise BadInput(f'{where("study", "measure")}\'share\' needs nanoseconds beyond the baseline: metric = "{MORE}" or "tax_ns" alone')
    {"ledger": _ledger, "predict": _prediction}.get(study.source, _comparison)(study, where)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _limit(rule: Rule, given: Mapping[str, Any], where: Where) -> None:
    """Refuse a limit that is missing or no number, and digits that no figure has."""
    if rule.kind in LIMITED and "limit" not in given:
        raise BadInput(f"{where('verdict', 'kind')}'{rule.kind}' needs a limit, and limit is missing in verdict")
    if not math.isfinite(rule.limit) or (rule.kind == "share" and not 0.0 < rule.limit <= 1.0):
        want = "above 0 and at most 1" if rule.kind == "share" else "a number"
        raise BadInput(f"{where('verdict', 'limit')}limit {rule.limit} is not {want}")
    if "digits" in given and not 0 <= rule.digits <= DIGITS_MOST:
        raise BadInput(f"{where('verdict', 'digits')}digits are from 0 to {DIGITS_MOST}, got {rule.digits}")


def _sentence(study: Study, rule: Rule, where: Where) -> None:
    """Refuse a placeholder that nothing fills."""
    with placed(where, "verdict", "sentence"):
        try:
            parts = list(string.Formatter().parse(rule.sentence))
        except ValueError as error:
            raise BadInput(f"a brace of the sentence is not closed or not opened ({error}); {{{{ is a brace") from None
        for _, name, form, conversion in parts:
            if name is None:
                continue
            if name not in PLACES:
                raise BadInput(unknown("placeholder of a sentence", name, PLACES))
            if form or conversion:
                raise BadInput(f"placeholder {{{name}}} takes no format; digits says how figures are written")
            if name in OF_AXIS and not study.axis:
                raise BadInput(f"placeholder {{{name}}} needs a study with an axis")


def _held(study: Study, rule: Rule, where: Where) -> None:
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


def _ledger(study: Study, where: Where) -> None:
    """Refuse what no ledger has."""
    from dse.modelling import bookkeeping

    for name in ("measure", "divide", "saving"):
        for term in getattr(study, name):
            if term.metric not in (*LEDGER, "pages"):
                raise BadInput(where("study", name) + unknown("metric of a ledger", term.metric, (*LEDGER, "pages")))
    if study.axis and study.axis not in AXES_OF_LEDGER:
        raise BadInput(where("study", "axis") + unknown("axis of a ledger", study.axis, AXES_OF_LEDGER))
    wrong = [value for value in study.values if not _number(value)]
    if wrong:
        raise BadInput(f"{where('study', 'values')}{study.axis} {wrong[0]!r} is no number")
    with placed(where, "study", "backend"):
        bookkeeping.parse_mix(study.backend)
    for name in AXES_OF_LEDGER:
        with placed(where, "study", "values" if study.axis == name else name):
            for value in study.values if study.axis == name else (getattr(study, name),):
                if name == "fill":
                    bookkeeping.check_fill(float(value))
                else:
                    bookkeeping.checked(value, study.backend, bookkeeping.COMPRESSED)


def _prediction(study: Study, where: Where) -> None:
    """Refuse what no prediction has."""
    from dse.predicting import predicting

    for name in ("divide", "saving", "set"):
        if getattr(study, name):
            raise BadInput(f"{where('study', name)}a prediction has no {name}")
    if study.timed:
        raise BadInput(f"{where('study', 'timed')}a prediction takes no times")
    for term in study.measure:
        if term.metric not in PREDICTED:
            raise BadInput(where("study", "measure") + unknown("metric of a prediction", term.metric, PREDICTED))
        if term.op:
            raise BadInput(f"{where('study', 'measure')}a metric of a prediction has no op")
        if term.stat != "mean":
            raise BadInput(f"{where('study', 'measure')}a metric of a prediction has no stat")
    if study.axis != CPUS:
        raise BadInput(where("study", "axis") + unknown("axis of a prediction", study.axis, (CPUS,)))
    with placed(where, "study", "values"):
        if any(isinstance(value, bool) or not isinstance(value, int) for value in study.values):
            raise BadInput(f"numbers of CPUs are whole numbers, got {study.values}")
        if list(predicting.numbers(list(study.values))) != list(study.values):
            raise BadInput("numbers of CPUs are in ascending order")
    with placed(where, "study", "scenario"):
        casing.chosen(study)


def _comparison(study: Study, where: Where) -> None:
    """Refuse what no comparison has: a name that is written wrong would count as an operation that never happened."""
    for name in ("measure", "divide", "saving"):
        with placed(where, "study", name):
            for term in getattr(study, name):
                for unit in study.by or ("",):
                    vocabulary.check(term, unit, study.timed)
    with placed(where, "study", "scenario"):
        casing.chosen(study if not study.set else Study(study.source, study.designs, study.measure, scenario=study.scenario))
    with placed(where, "study", "set"):
        casing.chosen(study)
    if study.axis:
        known = {f"{key.section}.{key.name}" for key in every_key()}
        with placed(where, "study", "values" if study.axis in known else "axis"):
            casing.cases(study)
