"""Changes between two commits, and what they mean for the exit status."""

from __future__ import annotations

import difflib
import fnmatch
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dse.benching.families import SAMPLES, SIGNIFICANT, Exit, Family, family_of
from dse.benching.results import Case, Figure, Suite, text_of

REGRESSION, BETTER, BROKEN, REMOVED, ADDED, ACCEPTED, SAME, UNJUDGED = (
    "regression", "better", "broken", "removed", "added", "accepted", "same", "unjudged",
)  # fmt: skip
STATUSES = {BROKEN: Exit.BROKEN, REMOVED: Exit.REMOVED, REGRESSION: Exit.REGRESSION}


@dataclass(frozen=True)
class Finding:
    """One benchmark, compared.

    Attributes
    ----------
    status : str
        regression, better, broken, removed, added, accepted, same or unjudged.
    case : Case
        Benchmark and parameters; no parameters where it stands for all of them.
    base, head : float or None
        The figures.
    note : str
        Why, where that is not obvious.
    """

    status: str
    case: Case
    base: float | None = None
    head: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Head over base, None where either is missing or base is 0."""
        return None if self.base is None or self.head is None or self.base == 0 else self.head / self.base

    def row(self, units: Mapping[str, str]) -> dict[str, Any]:
        """The finding as a row of a table."""
        name = self.case[0]
        return {
            "status": self.status, "benchmark": text_of(self.case), "base": self.base, "head": self.head,
            "ratio": self.ratio, "unit": units.get(name, ""), "note": self.note,
        }  # fmt: skip


def significant(base: Sequence[float], head: Sequence[float]) -> bool | None:
    """Do two sets of samples differ by the Mann-Whitney test? None where there are too few to tell."""
    if min(len(base), len(head)) < SAMPLES:
        return None
    from asv._stats import mann_whitney_u

    _, p = mann_whitney_u(list(base), list(head))
    return bool(p < SIGNIFICANT)


def floors_differ(base: Sequence[float], head: Sequence[float], factor: float, *, slower: bool) -> bool:
    """Do the fastest samples differ by `factor` as well? Load on the machine moves a median, but leaves some sample alone."""
    quick, slow = (min(base), min(head)) if slower else (min(head), min(base))
    return slow > quick * factor


def judge(case: Case, base: Figure, head: Figure) -> Finding:
    """Compare two figures of one case, both of them there."""
    assert base.value is not None  # noqa: S101 - the caller has sorted out failures
    assert head.value is not None  # noqa: S101
    family = family_of(case[0])
    found = Finding(SAME, case, base.value, head.value)
    if family.factor == 1.0:
        worse, better = head.value > base.value, head.value < base.value
        return replace(found, status=REGRESSION if worse else BETTER if better else SAME)
    return _inexact(found, family, base, head)


def _inexact(found: Finding, family: Family, base: Figure, head: Figure) -> Finding:
    """Compare figures that may differ a little."""
    a, b = float(found.base or 0.0), float(found.head or 0.0)
    if max(a, b) < family.floor:
        return replace(found, status=UNJUDGED, note=f"below {family.floor:g}")
    up, down = b > a * family.factor, a > b * family.factor
    if not up and not down:
        return found
    if family.name == "time":
        differs = significant(base.samples, head.samples)
        if differs is None:
            return replace(found, status=UNJUDGED, note=f"fewer than {SAMPLES} samples")
        if not differs:
            return replace(found, note="not significant")
        if not floors_differ(base.samples, head.samples, family.factor, slower=up):
            return replace(found, note="the fastest samples do not differ")
    return replace(found, status=REGRESSION if up else BETTER)


def compare(base: Mapping[Case, Figure], head: Mapping[Case, Figure], suite: Suite, before: Suite) -> list[Finding]:
    """Compare the figures of two commits.

    Parameters
    ----------
    base, head : mapping
        Figures of the two commits, as far as they were selected.
    suite, before : Suite
        Benchmarks that the head and the base have, as far as they were selected.

    Returns
    -------
    list of Finding
        One for each case of either suite. A benchmark that fails on the head is broken, one that only the base has, or that only the
        base does not skip, is removed; one without a figure on the base is added.
    """
    findings = _gone(suite, before)
    for case in sorted(suite.cases):
        new, old = head.get(case), base.get(case)
        if new is None or new.failed:
            note = "" if case in before.cases else "new"
            findings.append(Finding(BROKEN, case, old.value if old else None, None, note or "fails on the head"))
        elif new.skipped:
            if old is not None and not old.failed and not old.skipped:
                findings.append(Finding(REMOVED, case, old.value, None, "skipped on the head"))
        elif old is None or old.failed or old.skipped:
            note = "fails on the base" if case in before.cases and (old is None or old.failed) else ""
            findings.append(Finding(ADDED, case, None, new.value, note))
        else:
            found = judge(case, old, new)
            fresh = bool(before.cases) and case not in before.cases and found.status != REGRESSION
            findings.append(replace(found, status=ADDED) if fresh else found)
    return findings


def _gone(suite: Suite, before: Suite) -> list[Finding]:
    """Benchmarks, and parameters of benchmarks, that only the base has."""
    found = []
    lost = set(before.versions) - set(suite.versions)
    new = sorted(set(suite.versions) - set(before.versions))
    for name in sorted(lost):
        near = difflib.get_close_matches(name, new, 1, 0.6)
        found.append(Finding(REMOVED, (name, ()), note=f"renamed to {near[0]}?" if near else ""))
    found += [Finding(REMOVED, case) for case in sorted(before.cases - suite.cases) if case[0] not in lost]
    return found


def accept(findings: Sequence[Finding], patterns: Sequence[str]) -> list[Finding]:
    """Mark findings that a commit message names (``Bench-accept: PATTERN``, a shell pattern or a part of the name) as accepted.

    A broken benchmark is never accepted.
    """
    out = []
    for finding in findings:
        name = text_of(finding.case)
        named = next((p for p in patterns if fnmatch.fnmatchcase(name, p) or p in name), None)
        good = finding.status in (REGRESSION, REMOVED) and named is not None
        out.append(replace(finding, status=ACCEPTED, note=f"{finding.status}, Bench-accept: {named}") if good else finding)
    return out


def doubtful(finding: Finding) -> bool:
    """Tell whether a finding has to be confirmed: it is a difference, and of a noisy family."""
    return finding.status in (REGRESSION, BETTER) and family_of(finding.case[0]).noisy


def confirmed(first: Sequence[Finding], second: Sequence[Finding]) -> list[Finding]:
    """Keep a noisy difference, for the worse or the better, only if the second run finds it as well; its figures are shown."""
    again = {finding.case: finding for finding in second}
    out = []
    for finding in first:
        if doubtful(finding):
            later = again.get(finding.case)
            if later is None:
                finding = replace(finding, note="the confirming run has no figure")
            elif later.status == finding.status:
                finding = replace(later, note="confirmed")
            else:
                finding = replace(later, status=SAME, note="not confirmed")
        out.append(finding)
    return out


def compared(findings: Sequence[Finding]) -> int:
    """Count the cases that have a figure on both sides."""
    return sum(finding.base is not None and finding.head is not None for finding in findings)


def status_of(findings: Sequence[Finding]) -> Exit:
    """Exit status: broken before removed before nothing compared before regression."""
    counts = Counter(finding.status for finding in findings)
    for status, code in STATUSES.items():
        if status != REGRESSION and counts[status]:
            return code
    if compared(findings) == 0:
        return Exit.NO_COMPARISON
    return Exit.REGRESSION if counts[REGRESSION] else Exit.OK


def shown(findings: Sequence[Finding]) -> list[Finding]:
    """Rows of what changed, the worst first. One row stands for all parameters of an added benchmark."""
    order = (BROKEN, REMOVED, REGRESSION, ACCEPTED, BETTER, ADDED)
    added: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.status == ADDED:
            added.setdefault(finding.case[0], []).append(finding)
    rows = [finding for finding in findings if finding.status in order and finding.status != ADDED]
    for name, new in added.items():
        alone = len(new) == 1
        rows.append(new[0] if alone else Finding(ADDED, (name, ()), note=f"{len(new)} cases, the first {text_of(new[0].case)}"))
    return sorted(rows, key=lambda f: (order.index(f.status), -(f.ratio if f.ratio is not None else math.inf), f.case))
