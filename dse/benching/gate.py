"""Gate: run the missing benchmarks on two commits, compare, run suspects again, report changes."""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from dse.benching import judging, launch, revisions
from dse.benching.families import COUNTED, EXACT_PATTERN, INSTRUCTIONS_PATTERN, TIMED_PATTERN, Exit
from dse.benching.results import Case, Figure, Suite, stored, text_of
from dse.common import output, reading, sessions, threads
from dse.common.writing import locked
from dse.errors import BadInput, CheckFailed

ROUNDS, CONFIRMING_ROUNDS = "2", "4"  # turns of each commit; more of them for differences, against load that comes and goes
LIMIT = {"exact": 1500.0, "instructions": 1500.0, "timed": 1500.0, "quick": 1500.0}  # [s] after which asv is stopped
SELECTED = {"exact": [EXACT_PATTERN], "instructions": [INSTRUCTIONS_PATTERN], "timed": [TIMED_PATTERN], "quick": [r"."]}


@dataclass(frozen=True)
class Options:
    """Settings of a comparison.

    Attributes
    ----------
    root : Path
        Clone of the repository.
    head, base : str
        Full hashes; no base if every benchmark is only run once.
    bench : str
        Pattern that benchmarks have to match as well, empty for all.
    timed : bool
        Timings and instructions as well.
    home, results : Path
        Folders of environments with caches, and of asv's results.
    machine : str
        Name of this machine in the results of timings.
    python : str
        Version of the environments' Python.
    """

    root: Path
    head: str
    base: str
    bench: str
    timed: bool
    home: Path
    results: Path
    machine: str
    python: str


@dataclass
class Report:
    """Findings of the gate."""

    head: str
    base: str
    status: Exit = Exit.OK
    why: str = ""
    findings: list[judging.Finding] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """Document for the report's JSON."""
        rows = [finding.row(self.units) for finding in judging.shown(self.findings)]
        return {
            "head": self.head, "base": self.base, "exit_status": int(self.status), "outcome": self.status.name.lower(), "why": self.why,
            "compared": judging.compared(self.findings), "seconds": self.seconds, "rows": rows,
        }  # fmt: skip


def matching(suite: Suite, patterns: Sequence[str], also: str) -> Suite:
    """Part of a suite that asv runs for `patterns`, and that matches `also`.

    A pattern is searched in the name, and in the name with its parameters.
    """

    def chosen(case: Case) -> bool:
        texts = (case[0], text_of(case))
        return any(re.search(p, text) for p in patterns for text in texts) and (not also or any(re.search(also, t) for t in texts))

    cases = frozenset(case for case in suite.cases if chosen(case))
    names = {name for name, _ in cases}
    return Suite({n: v for n, v in suite.versions.items() if n in names}, cases, {n: u for n, u in suite.units.items() if n in names})


def exactly(cases: Sequence[Case]) -> list[str]:
    """Patterns that select these cases and no other."""
    return [f"^{re.escape(text_of(case))}$" for case in cases]


class Stop(Exception):
    """End of the gate with a status of its own."""

    def __init__(self, status: Exit, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


def start(options: Options, commits: list[str], patterns: list[str], machine: str, kind: str, **more: Any) -> None:
    """Let asv run `patterns` on `commits`.

    Raises
    ------
    Stop
        There is no environment, or a commit cannot be built.
    """
    request = launch.Request(
        str(options.root), commits, patterns, str(options.home), str(more.pop("results", options.results)), machine, options.python, **more
    )
    output.note(f"asv runs {kind} benchmarks on {', '.join(commit[:8] for commit in commits)}, see {launch.log_of(request)}")
    try:
        answer = launch.launch(request, LIMIT[kind])
    except CheckFailed as error:  # which is no regression
        raise Stop(Exit.BROKEN, str(error)) from None
    if answer.outcome in (launch.NO_ENVIRONMENT, launch.NOT_BUILT):
        raise Stop(Exit.NO_ENVIRONMENT, answer.message or "asv has no environment")
    if answer.outcome == launch.FAILED:
        output.note(f"asv: {answer.message}")


def restricted(suite: Suite) -> list[str]:
    """Patterns that select exactly `suite`, shorter where whole benchmarks are meant."""
    return exactly(sorted(suite.cases))


def figures(options: Options, machine: str, commit: str, suite: Suite) -> dict[Case, Figure]:
    """Stored figures of a commit from the present versions of the benchmarks of `suite`."""
    found = stored(options.results, machine, commit)
    return {case: figure for case, figure in found.items() if figure.version == suite.versions.get(case[0], figure.version)}


def tracked(options: Options, suite: Suite, before: Suite, kind: str, machine: str) -> list[judging.Finding]:
    """Run the exact benchmarks, or those of instructions, that are not stored, and compare."""
    ours, theirs = matching(suite, SELECTED[kind], options.bench), matching(before, SELECTED[kind], options.bench)
    commits = (options.head, options.base)
    missing = [commit for commit in commits if ours.cases - set(_good(figures(options, machine, commit, ours)))]
    if missing and ours.cases:
        start(options, missing, restricted(ours) if options.bench else SELECTED[kind], machine, kind)
    head, base = (figures(options, machine, commit, ours) for commit in commits)
    return judging.compare(base, head, ours, theirs)


def _good(found: dict[Case, Figure]) -> dict[Case, Figure]:
    """Figures that need not be taken again."""
    return {case: figure for case, figure in found.items() if not figure.failed}


def timed(options: Options, suite: Suite, before: Suite) -> list[judging.Finding]:
    """Time the gated set on both commits in turn; time differences once more."""
    ours, theirs = matching(suite, SELECTED["timed"], options.bench), matching(before, SELECTED["timed"], options.bench)
    findings = _timed_once(options, ours, theirs, ROUNDS)
    suspects = [f.case for f in findings if judging.doubtful(f)]
    if suspects:
        output.note(f"{len(suspects)} timings differ; they are taken again")
        chosen = frozenset(suspects)
        part = Suite(ours.versions, chosen, ours.units)
        findings = judging.confirmed(findings, _timed_once(options, part, Suite(ours.versions, chosen), CONFIRMING_ROUNDS))
    return findings


def _timed_once(options: Options, ours: Suite, theirs: Suite, rounds: str) -> list[judging.Finding]:
    """Run both commits once, interleaved."""
    if not ours.cases:
        return judging.compare({}, {}, ours, theirs)
    start(
        options, [options.head, options.base], restricted(ours), options.machine, "timed",
        interleave=True, attributes={"rounds": rounds},
    )  # fmt: skip
    head, base = (figures(options, options.machine, commit, ours) for commit in (options.head, options.base))
    return judging.compare(base, head, ours, theirs)


def suites(options: Options) -> tuple[Suite, Suite]:
    """Benchmarks of the head and of the base.

    Raises
    ------
    Stop
        The benchmarks of the head cannot be imported.
    """
    found: dict[str, tuple[Suite, str]] = {}
    begun: list[int] = []

    def look(commit: str, _: Any) -> None:
        found[commit] = revisions.suite_at(options.root, commit, begun.append)

    threads.together([partial(look, commit) for commit in (options.head, options.base)], lambda: [*map(sessions.kill, begun)])
    (ours, error), (theirs, error_of_base) = found[options.head], found[options.base]
    if error:
        raise Stop(Exit.BROKEN, f"the benchmarks of {options.head[:8]} cannot be imported: {error}")
    if error_of_base:
        output.note(f"the benchmarks of {options.base[:8]} cannot be imported, so none counts as removed: {error_of_base}")
    return ours, theirs


def check(options: Options) -> Report:
    """Compare two commits.

    Parameters
    ----------
    options : Options
        Commits and options.

    Returns
    -------
    Report
        Findings, exit status, seconds of each part.
    """
    report = Report(options.head, options.base)
    try:
        began = time.monotonic()
        ours, theirs = suites(options)
        report.units = {**theirs.units, **ours.units}
        report.findings = tracked(options, ours, theirs, "exact", COUNTED)
        report.seconds["exact"] = time.monotonic() - began
        if options.timed:
            began = time.monotonic()
            report.findings += tracked(options, ours, theirs, "instructions", options.machine)
            report.seconds["instructions"] = time.monotonic() - began
            began = time.monotonic()
            report.findings += timed(options, ours, theirs)
            report.seconds["timed"] = time.monotonic() - began
    except Stop as stop:
        report.status, report.why = stop.status, stop.why
        return report
    report.findings = judging.accept(report.findings, revisions.accepted(options.root, options.base, options.head))
    report.status = judging.status_of(report.findings)
    if report.status == Exit.NO_COMPARISON:
        report.why = "no benchmark has a figure on both commits"
    return report


def smallest(cases: Iterable[Case]) -> frozenset[Case]:
    """Smallest of the cases that differ in numbers only: every benchmark with every name, but no large fixture."""

    def number(text: str) -> float:
        return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else math.nan

    best: dict[tuple[str, ...], tuple[list[float], Case]] = {}
    for case in sorted(cases):
        sizes = [number(value) for value in case[1]]
        names = (case[0], *(value for value, size in zip(case[1], sizes, strict=True) if math.isnan(size)))
        key = [size for size in sizes if not math.isnan(size)]
        if names not in best or key < best[names][0]:
            best[names] = (key, case)
    return frozenset(case for _, case in best.values())


def quick(options: Options) -> Report:
    """Run every benchmark of the head once, with its smallest sizes, to prove that it runs; keep nothing.

    Exact benchmarks whose figures of this commit are stored have been proven to run.
    """
    import tempfile

    report = Report(options.head, "")
    began = time.monotonic()
    try:
        ours, error = revisions.suite_at(options.root, options.head)
        if error:
            raise Stop(Exit.BROKEN, f"the benchmarks of {options.head[:8]} cannot be imported: {error}")
        ours = matching(ours, SELECTED["quick"], options.bench)
        if not ours.cases:
            raise Stop(Exit.NO_COMPARISON, "no benchmark is selected")
        head = _good(figures(options, COUNTED, options.head, ours))
        ours = Suite(ours.versions, smallest(ours.cases), ours.units)
        left = ours.cases - set(head)
        with tempfile.TemporaryDirectory(prefix="swapdse-bench-") as folder:
            if left:
                start(options, [options.head], exactly(sorted(left)), options.machine, "quick", quick=True, results=folder)
            head |= stored(Path(folder), options.machine, options.head)
        report.units = ours.units
        failed = [case for case in sorted(ours.cases) if case not in head or head[case].failed]
        report.findings = [judging.Finding(judging.BROKEN, case, note="fails on the head") for case in failed]
        if len(failed) == len(ours.cases):
            report.why = "every benchmark fails"
        report.status = Exit.BROKEN if failed else Exit.OK
    except Stop as stop:
        report.status, report.why = stop.status, stop.why
    report.seconds["quick"] = time.monotonic() - began
    return report


def machine_name() -> str:
    """Name of this kind of machine: the processor and its number of cores, not a host name."""
    from dse.common import machine

    words = re.sub(r"[^a-z0-9]+", "-", machine.cpu_model().lower()).strip("-")
    return f"{words[:40]}-{machine.cores()}c"


def options_of(
    against: str | None, *, head: str = "HEAD", bench: str = "", timed: bool = True, results: str | None = None, python: str | None = None
) -> Options:
    """Resolve the user's options.

    Raises
    ------
    BadInput
        Not inside a clone, no such commit, or a pattern that is no regular expression.
    """
    root = revisions.root_of(Path.cwd())
    commit = revisions.commit_of(root, head)
    base = revisions.commit_of(root, against) if against else ""
    try:
        re.compile(bench)
    except re.error as error:
        raise BadInput(f"--bench {bench!r} is not a regular expression: {error}") from None
    home = reading.resolved(reading.folder(os.environ.get("SWAPDSE_BENCH_HOME") or root / ".asv"))
    store = reading.resolved(results) if results else root / "results" / "asv"
    wanted = python or f"{sys.version_info.major}.{sys.version_info.minor}"
    if not re.fullmatch(r"\d+\.\d+", wanted):
        raise BadInput(f"--python {wanted!r} is not a version such as 3.11")
    return Options(root, commit, base, bench, timed, home, store, machine_name(), wanted)


def bench(
    against: str | None = None,
    *,
    head: str = "HEAD",
    bench: str = "",
    timed: bool = True,
    quick_only: bool = False,
    results: str | None = None,
    python: str | None = None,
) -> dict[str, Any]:
    """Compare the benchmarks of two commits of the repository in the working directory.

    Parameters
    ----------
    against : str, optional
        Commit to compare with; default where HEAD left main, or its parent.
    head : str
        Commit that is judged.
    bench : str
        Regular expression that benchmarks must match.
    timed : bool
        Timings and instructions as well as exact figures.
    quick_only : bool
        Only prove that every benchmark of the head runs.
    results : str, optional
        Folder of asv's results; default ``results/asv``.
    python : str, optional
        Version of the Python of the environments; default this one's.

    Returns
    -------
    dict
        ``exit_status``, ``outcome``, ``compared``, ``rows`` of changes, ``seconds``.

    Raises
    ------
    BadInput
        An argument cannot be used.
    """
    return run(against, head=head, bench=bench, timed=timed, quick_only=quick_only, results=results, python=python).document


def run(against: str | None, *, quick_only: bool = False, **given: Any) -> Report:
    """Do the work of :func:`bench` and return the report itself."""
    options = options_of(against, **given)
    if not options.base and not quick_only:
        options = replace(options, base=revisions.base_of(options.root, options.head))
    if revisions.differs(options.root, options.head, "benchmarks"):
        raise BadInput(f"benchmarks/ differs from {options.head[:8]}, and asv runs the working tree's: commit or stash the changes")
    if revisions.differs(options.root, options.head, *revisions.PARTS):
        output.note(f"commits are measured: changes of the working tree that are not in {options.head[:8]} are not")
    if options.base == options.head:
        raise BadInput(f"{options.head[:8]} is compared with itself: name another commit with --against or --head")
    with alone(options.home):
        return quick(options) if quick_only else check(options)


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Keep other gates out of the environments.

    Raises
    ------
    BadInput
        Another gate is at work with them.
    """
    with locked(home / "lock", f"another dse bench is at work in {home}"):
        yield
