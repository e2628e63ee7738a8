"""Proposals of what is evaluated next: all of a space, a search in each environment by itself, or one over all environments at once.

Environments are given to us. No sampler ever chooses among them: each has a search of
its own, or every choice is evaluated in all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from dse.sweeps.analysing import Trial
from dse.sweeps.overall import identity, over
from dse.sweeps.samplers import GENERATION, Proposer
from dse.sweeps.space import INFEASIBLE, Configuration, Space

PENALTY = 1e12
"""Value told of a trial that lacks an objective; in a space with constraints one more, ``evaluated``, says so, too."""
EACH = 8
"""Fewest trials of an environment where not all environments can be searched."""
SHUFFLED = 10**6
"""Most environments that are put in order; of more, some are drawn."""


class Proposing(Protocol):
    """Protocol of who proposes configurations.

    Attributes
    ----------
    searches : list of Proposer
        Searches that were begun, in their order; none where all of the space is evaluated.
    """

    searches: list[Proposer]

    def ask(self, most: int | None) -> list[Configuration]:
        """Return the next generation, of at most so many configurations; none where there are no more."""

    def tell(self, made: Sequence[Trial], every: Sequence[Trial]) -> None:
        """Report the trials of the last generation, in its order, and all trials so far."""


def make(space: Space, sampler: str, seed: int, environments: int | None = None) -> Proposing:
    """Choose who proposes: all of the space in its order, searches in `environments` at a time, or a search over all of them."""
    if sampler == "exhaustive":
        return Every(space)
    return Together(space, sampler, seed) if space.over.robust else Apart(space, sampler, seed, environments)


def places_at_a_time(space: Space, sampler: str, trials: int | None) -> int | None:
    """Environments that are searched at a time, so that each has at least :data:`EACH` trials; None where that is no question."""
    if sampler == "exhaustive" or space.over.robust:
        return None
    return max(1, min(space.places, (trials or space.distinct) // EACH))


class Every:
    """All configurations of a space, in the order of its axes."""

    def __init__(self, space: Space) -> None:
        self._every = space.every()
        self.searches: list[Proposer] = []

    def ask(self, most: int | None) -> list[Configuration]:
        """Return the next ones."""
        n = GENERATION["exhaustive"]
        return list(itertools.islice(self._every, n if most is None else min(n, most)))

    def tell(self, made: Sequence[Trial], every: Sequence[Trial]) -> None:
        """Learn nothing."""


class Apart:
    """Searches of environments, each by itself; one that is through makes room for the next environment.

    Parameters
    ----------
    space : Space
    sampler : str
    seed : int
        The order of the environments and every search follow from it.
    most : int, optional
        Environments that are searched at a time, default all.
    """

    def __init__(self, space: Space, sampler: str, seed: int, most: int | None = None) -> None:
        self.space, self.name, self.seed = space, sampler, seed
        self._most = min(most or space.places, space.places)
        self._share = max(1, GENERATION[sampler] // self._most)
        self._numbers = ordered(space.places, seed)
        self.searches: list[Proposer] = []
        self._open: list[Proposer] = []
        self._asked: list[Proposer] = []

    def ask(self, most: int | None) -> list[Configuration]:
        """Ask every open search for its share, in turn, so that a generation that is cut short is spread alike."""
        found: list[Configuration] = []
        self._asked = []
        while not found:
            self._fill()
            if not self._open:
                break
            for search in self._open * self._share:
                if len(found) == most:
                    break
                if search not in self._open:
                    continue
                got = search.ask(1)
                self._asked += [search] * len(got)
                found += got
                if not got or got[0].scenario_json.startswith(INFEASIBLE):  # through, or the same for every choice
                    self._open.remove(search)
        return found

    def _fill(self) -> None:
        """Open searches of further environments."""
        while len(self._open) < self._most:
            number = next(self._numbers, None)
            if number is None:
                return
            seed = self.seed if self.space.places == 1 else int(np.random.SeedSequence([self.seed % 2**63, number]).generate_state(1)[0])
            self.searches.append(Proposer(self.space.inside(self.space.place_at(number)), self.name, seed))
            self._open.append(self.searches[-1])

    def tell(self, made: Sequence[Trial], every: Sequence[Trial]) -> None:  # noqa: ARG002 - of the protocol
        """Tell each search its own trials."""
        for search in dict.fromkeys(self._asked):
            mine = [trial for trial, asked in zip(made, self._asked, strict=True) if asked is search]
            search.tell([told(t, self.space) for t in mine], [constraints(t, self.space) for t in mine])


class Together:
    """One search over all environments: each choice is evaluated in every one, and judged by the measure of the space."""

    def __init__(self, space: Space, sampler: str, seed: int) -> None:
        self.space, self.name = space, sampler
        self._places = [space.place_at(number) for number in range(space.places)]
        self._search = Proposer(space.inside(self._places[0]), sampler, seed)
        self.searches = [self._search]
        self._asked: list[Configuration] = []

    def ask(self, most: int | None) -> list[Configuration]:
        """Ask for choices, as many as can be evaluated everywhere."""
        n = GENERATION[self.name] if most is None else min(GENERATION[self.name], most // len(self._places))
        self._asked = self._search.ask(n)
        return [self.space.configuration({**c.choice, **place}) for c in self._asked for place in self._places]

    def tell(self, made: Sequence[Trial], every: Sequence[Trial]) -> None:
        """Tell what each choice costs over all environments."""
        judged = {identity(t): t for t in over(every, self.space.over, self.space.axes, self.space.winner)}
        mine = [judged.get(identity(t), t) for t in made[:: len(self._places)]]
        self._search.tell([told(t, self.space) for t in mine], [constraints(t, self.space) for t in mine])


def ordered(n: int, seed: int) -> Iterator[int]:
    """Numbers below `n` in an order that follows from the seed."""
    rng = np.random.default_rng([seed % 2**63, n])
    if n <= SHUFFLED:
        yield from (int(i) for i in rng.permutation(n))
        return
    seen: set[int] = set()
    while True:
        number = int(rng.integers(n))
        if number not in seen:
            seen.add(number)
            yield number


def there(trial: Trial, space: Space) -> bool:
    """Return True if every objective is there."""
    return all(trial.values[name] is not None for name in space.objectives)


def told(trial: Trial, space: Space) -> list[float]:
    """Values for the sampler."""
    known = there(trial, space)
    return [float(trial.values[name] or 0.0) if known else PENALTY for name in space.objectives]


def constraints(trial: Trial, space: Space) -> dict[str, float]:
    """Named constraints for the sampler, in a space that has any; elsewhere the penalty is enough."""
    return {"evaluated": 0.0 if there(trial, space) else 1.0, **trial.violations} if space.constraints else {}
