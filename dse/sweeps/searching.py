"""The search: generation after generation is asked for, evaluated by workers, and told in the order of its trials."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dse.common import output
from dse.sweeps import objectives as obj
from dse.sweeps.analysing import Trial, front
from dse.sweeps.caching import key_of
from dse.sweeps.samplers import GENERATION, Proposer
from dse.sweeps.space import Configuration, Space

PENALTY = 1e12
"""Value that a search is told for a trial without an objective. In a space with constraints another one, ``evaluated``, says so, too."""
DETAIL_EVERY = 2.0
QUIET = float("inf")
Measures = dict[str, Any]


class Evaluate(Protocol):
    """Evaluates a batch of configurations in its order."""

    def __call__(self, batch: Sequence[Configuration]) -> list[Measures]:
        """Evaluate."""


@dataclass
class Search:
    """A search over a space.

    Attributes
    ----------
    space, sampler, seed, wanted
        What is searched, how, and for how many trials at most (None: the whole space).
    evaluate : callable
        Evaluates a batch.
    baselines : callable, optional
        Evaluates what constraints are relative to, which is no trial; default `evaluate`.
    record : callable
        Called with the trials of each completed generation.
    figure : callable
        Computes an objective from what was observed.
    timeout : float, optional
        Seconds after which no further generation is begun.
    proposer : Proposer, optional
        What was asked, once it ran.
    """

    space: Space
    sampler: str
    seed: int
    wanted: int | None
    evaluate: Evaluate
    record: Callable[[list[Trial]], None] = lambda _: None
    timeout: float | None = None
    baselines: Evaluate | None = None
    quiet: bool = False
    figure: Callable[[str, Any], float | None] = obj.value
    trials: list[Trial] = field(default_factory=list)
    timed_out: bool = False
    proposer: Proposer | None = None
    _next_detail: float = 0.0
    _said: str = ""

    def run(self) -> list[Trial]:
        """Run until the trials wanted are done, the space is exhausted or the time is up."""
        began = time.monotonic()
        self.proposer = proposer = Proposer(self.space, self.sampler, self.seed)
        figures = list(dict.fromkeys([*self.space.objectives, self.space.winner]))
        known: dict[str, Measures] = {}
        total = min(self.wanted or self.space.distinct, self.space.size if self.space.countable else self.space.distinct)
        with output.Progress(f"sweep {self.space.name}, {self.sampler}", total, patience=QUIET if self.quiet else 2.0) as progress:
            while self.wanted is None or len(self.trials) < self.wanted:
                self.timed_out = self.timeout is not None and time.monotonic() - began >= self.timeout
                if self.timed_out:
                    break
                n = GENERATION[self.sampler]
                batch = proposer.ask(n if self.wanted is None else min(n, self.wanted - len(self.trials)))
                if not batch:
                    break
                made = self._generation(batch, figures, known)
                proposer.tell([self._told(t) for t in made], [self._constraints(t) for t in made])
                self.trials += made
                self.record(made)
                progress.step(len(made), self._detail(began, total))
        return self.trials

    def _generation(self, batch: Sequence[Configuration], figures: Sequence[str], known: dict[str, Measures]) -> list[Trial]:
        """Evaluate a generation."""
        measures = self.evaluate(batch)
        bases = self._bases(batch, known)
        made = []
        for number, (configuration, found) in enumerate(zip(batch, measures, strict=True), len(self.trials)):
            base = bases.get(configuration.place)
            values = {name: self.figure(name, found) for name in figures}
            violations = {name: obj.violation(text, found, base, self.figure) for name, text in self.space.constraints.items()}
            made.append(Trial(number, configuration, key_of(configuration), str(found["status"]), values, violations))
        return made

    def _bases(self, batch: Sequence[Configuration], known: dict[str, Measures]) -> dict[str, Measures]:
        """The baseline's figures in each environment of the batch, where a constraint asks for them."""
        if not any(obj.constraint(text)[2] for text in self.space.constraints.values()):
            return known
        new = {c.place: self.space.baseline_of(c) for c in batch if c.place not in known}
        if new:
            known |= dict(zip(new, (self.baselines or self.evaluate)(list(new.values())), strict=True))
        return known

    def _there(self, trial: Trial) -> bool:
        """Is every objective there?"""
        return all(trial.values[name] is not None for name in self.space.objectives)

    def _told(self, trial: Trial) -> list[float]:
        """Values for the sampler."""
        there = self._there(trial)
        return [float(trial.values[name] or 0.0) if there else PENALTY for name in self.space.objectives]

    def _constraints(self, trial: Trial) -> dict[str, float]:
        """Named constraints for the sampler, in a space that has any; elsewhere the penalty says enough."""
        return {"evaluated": 0.0 if self._there(trial) else 1.0, **trial.violations} if self.space.constraints else {}

    def _detail(self, began: float, total: int) -> str:
        """Time left and the current front, for the progress line."""
        now = time.monotonic()
        if self.quiet or now < self._next_detail:
            return self._said
        self._next_detail = now + DETAIL_EVERY
        spent = now - began
        left = spent / max(len(self.trials), 1) * max(total - len(self.trials), 0)
        best = front(self.trials, self.space.objectives)
        designs = ", ".join(dict.fromkeys(t.design for t in best))
        self._said = f"{left:.0f} s left, front of {len(best)}: {designs}"
        return self._said
