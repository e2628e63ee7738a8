"""A question as a record: its study, and the rule of its verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SOURCES = ("compare", "ledger", "predict")
RULES = ("number", "at most", "at least", "same", "share", "pays off", "crossing", "curve")
LIMITED = ("at most", "at least", "share")
"""Rules that are nothing without a limit."""
PLACES = ("all", "base", "base_value", "worst", "best", "high", "low", "first", "last", "limit")
"""Placeholders of a sentence."""
OF_AXIS = ("first", "last")
"""Placeholders that only a study with an axis fills."""
RATIO, MORE = "ratio", "more_ns"
"""Metrics of times against the baseline: the ratio as it is measured, and what it makes of the baseline's nanoseconds."""
STATE = "replay.state"
"""Axis of the state of the caches: times are then taken in that one alone."""
LEDGER = ("static_bytes", "dynamic_bytes", "header_bytes", "total_bytes", "allocated_bytes")
TAX = "tax_"
"""Begin of the metrics that are differences from a baseline by themselves."""
AXES_OF_LEDGER = ("fill", "slots")
PREDICTED = {
    "throughput": "thousand faults a second of all CPUs", "waiting": "% of the CPUs' time that is spent waiting for locks and atomics",
    "waiting_swap": "that part of it which is for structures of the swap layer (not LRU, memory cgroup, zswap and zsmalloc)",
    "fault_ns": "ns that a fault takes",
}  # fmt: skip
"""Metrics of a prediction for many CPUs, with their units."""
CPUS = "cpus"
"""The only axis of a prediction."""


@dataclass(frozen=True)
class Term:
    """A figure of a comparison, or of a ledger.

    Attributes
    ----------
    metric : str
        ``ns``, ``lines`` and so on (docs/questions.md); of a ledger one of :data:`LEDGER`, of a prediction one of :data:`PREDICTED`.
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
        ``compare`` (a stream replayed on all designs), ``ledger`` (bytes in closed form) or ``predict`` (many CPUs, modelled).
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
        Scenario key, or ``fill`` or ``slots`` of a ledger, or ``cpus`` of a prediction.
    values : tuple
        Values along the axis; tables and lists as the text of their items.
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
        Of ``at most`` and ``at least``; of ``same`` the largest difference that counts as none; of ``share`` the share of a read.
    digits : int
        Digits behind the point of a figure in the sentence. Below 0: as many as tell it from the figure of no difference, one at least.
    sentence : str
        Words around the figures: ``{all}`` (every design with its figure, worst first), ``{worst}``, ``{best}``, ``{low}``, ``{high}``,
        ``{base}``, ``{base_value}``, ``{first}`` and ``{last}`` (values of the axis), ``{limit}``.
    changes : str
        What would change the verdict.
    """

    kind: str
    unit: str = ""
    limit: float = 0.0
    digits: int = -1
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


def middle(study: Study) -> float:
    """Figure of no difference from the baseline: 1 of a ratio, else 0."""
    return 1.0 if study.against == "ratio" or any(term.metric == RATIO for term in study.measure) else 0.0


def relative_to_base(study: Study) -> bool:
    """True if the measure is a comparison with the baseline."""
    own = any(term.metric in (RATIO, MORE) or term.metric.startswith(TAX) for term in study.measure)
    return bool(study.against) or own
