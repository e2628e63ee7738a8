"""Search: each generation is asked for, evaluated by workers, and told in the order of its trials."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dse.common import output
from dse.errors import BadInput
from dse.sweeps import objectives as obj
from dse.sweeps import proposing
from dse.sweeps.analysing import Trial
from dse.sweeps.caching import key_of
from dse.sweeps.feasible import TRIED, closest
from dse.sweeps.space import Configuration, Space

DETAIL_EVERY = 2.0
BEST = 3
"""Designs that the progress line names."""
QUIET = float("inf")
Measures = dict[str, Any]


class Evaluate(Protocol):
    """Protocol of a function that evaluates a batch of configurations in its order."""

    def __call__(self, batch: Sequence[Configuration]) -> list[Measures]:
        """Evaluate."""


@dataclass
class Search:
    """A search over a space.

    Attributes
    ----------
    space, sampler, seed, wanted
        Space, sampler, seed, and most trials (None: the whole space).
    evaluate : callable
        Evaluates a batch.
    baselines : callable, optional
        Evaluates the baselines of constraints, which are no trials; default `evaluate`.
    record : callable
        Called with the trials of each completed generation.
    figure : callable
        Computes an objective from the measures.
    timeout : float, optional
        Seconds after which no further generation is begun.
    environments : int, optional
        Environments that are searched at a time, default all (:func:`dse.sweeps.proposing.places_at_a_time`).
    probing : bool
        Try some configurations of all designs first, and stop where none of them meets the constraints.
    resuming : str
        Command that tries the rest then.
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
    environments: int | None = None
    probing: bool = False
    resuming: str = "dse sweep --resume last"
    proposer: proposing.Proposing | None = None
    _next_detail: float = 0.0
    _said: str = ""
    _progress: output.Progress | None = None
    _within: int = 0
    _batch: int = 0

    def seen(self) -> int:
        """Note that one more configuration of the present generation is evaluated; return how many trials there are with those."""
        if self._within < self._batch:
            self._within += 1
            if self._progress is not None:
                self._progress.step(1, self._said)
        return len(self.trials) + self._within

    def run(self) -> list[Trial]:
        """Run until the trials wanted are done, the space is exhausted or the time is up.

        Raises
        ------
        BadInput
            No configuration of those that were tried first meets the constraints.
        """
        began = time.monotonic()
        self.proposer = proposer = proposing.make(self.space, self.sampler, self.seed, self.environments)
        known: dict[str, Measures] = {}
        total = self.space.wanted(self.wanted)
        patience = QUIET if self.quiet else output.PATIENCE
        if self.probing:
            self._probe(known, patience)
        with output.Progress(f"sweep {self.space.name}, {self.sampler}", total, patience=patience) as self._progress:
            while self.wanted is None or len(self.trials) < self.wanted:
                self.timed_out = self.timeout is not None and time.monotonic() - began >= self.timeout
                if self.timed_out:
                    break
                batch = proposer.ask(None if self.wanted is None else self.wanted - len(self.trials))
                if not batch:
                    break
                made = self._generation(batch, known)
                within, self._within, self._batch = self._within, 0, 0
                self.trials += made
                proposer.tell(made, self.trials)
                self.record(made)
                self._progress.step(len(made) - within, self._detail())
        return self.trials

    def _probe(self, known: dict[str, Measures], patience: float) -> None:
        """Stop where nothing that is tried meets the constraints."""
        if not self.space.constraints or self.space.distinct <= 2 * TRIED:
            return
        some = self.space.spread(TRIED, self.seed)
        with output.Progress(f"sweep {self.space.name}, first tries", len(some), patience=patience) as self._progress:
            tried = self._generation(some, known, self.baselines or self.evaluate)
        self._within, self._batch = 0, 0
        why = closest(tried, self.space)
        if why:
            raise BadInput(f"{why}; {len(some)} of {self.space.distinct:,} were tried, of all designs; {self.resuming} tries the rest")

    def _generation(self, batch: Sequence[Configuration], known: dict[str, Measures], evaluate: Evaluate | None = None) -> list[Trial]:
        """Evaluate a generation."""
        figures = self.space.figures
        self._within, self._batch = 0, len(batch)
        measures = (evaluate or self.evaluate)(batch)
        self._batch = self._within
        bases = self._bases(batch, known)
        made = []
        for number, (configuration, found) in enumerate(zip(batch, measures, strict=True), len(self.trials)):
            base = bases.get(configuration.place)
            values = {name: self.figure(name, found) for name in figures}
            violations = {name: obj.violation(text, found, base, self.figure) for name, text in self.space.constraints.items()}
            status, rates = str(found["status"]), obj.delivered(found)
            made.append(Trial(number, configuration, key_of(configuration), status, values, violations, *rates))
        return made

    def _bases(self, batch: Sequence[Configuration], known: dict[str, Measures]) -> dict[str, Measures]:
        """Figures of the baseline in each environment of the batch, where a constraint asks for them."""
        if not any(obj.constraint(text)[2] for text in self.space.constraints.values()):
            return known
        new = {c.place: self.space.baseline_of(c) for c in batch if c.place not in known}
        if new:
            known |= dict(zip(new, (self.baselines or self.evaluate)(list(new.values())), strict=True))
        return known

    def _detail(self) -> str:
        """The best so far, for the progress line."""
        now = time.monotonic()
        if self.quiet or now < self._next_detail:
            return self._said
        self._next_detail = now + DETAIL_EVERY
        self._said = best_so_far(self.trials, self.space.winner)
        return self._said


def best_so_far(trials: Sequence[Trial], winner: str) -> str:
    """Say which designs are the best so far, and in how many environments each.

    Parameters
    ----------
    trials : sequence of Trial
        Those that were evaluated.
    winner : str
        The objective that decides.
    """
    best: dict[str, Trial] = {}
    for trial in trials:
        figure = trial.values.get(winner)
        if trial.ok and trial.feasible and figure is not None:
            held = best.get(trial.configuration.place)
            if held is None or figure < (held.values[winner] or 0.0):
                best[trial.configuration.place] = trial
    counts = Counter(trial.design for trial in best.values()).most_common()
    said = ", ".join(f"{design} in {n}" for design, n in counts[:BEST]) + (", ..." if len(counts) > BEST else "")
    feasible = sum(trial.ok and trial.feasible for trial in trials)
    return f"feasible {feasible / max(len(trials), 1):.0%}, best so far by {winner} (of {len(best)} environments): {said or 'none'}"
