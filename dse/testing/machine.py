"""The state machine: demands one by one in a small world with full devices and few continuation pages, driven by chance.

Hypothesis drives it where it is installed, else a seeded random walk. Both know the same rules, and of both what fails is shrunk by
dropping demands: shrinking by Hypothesis takes minutes here and leaves more of them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dse.testing import reading, streams
from dse.testing.conformance import Run, explained
from dse.testing.reading import ctl
from kernels import control
from kernels import demand as d

WORLD = streams.World("machine", 4, 2, {"zswap": 4, "ssd": 8, "hdd": 8, "zram": 4}, streams.USUAL, cluster_shift=2, continuation_pages=1)
PAGES, BACKENDS, SPACES = range(16), range(4), range(4)
Choices = dict[str, Sequence[int]]
RULES: dict[str, Choices] = {
    "fault": {"kind": (d.FAULT, d.FAULT_BEGIN), "page": PAGES, "count": (0, 1, 2), "flags": (0, d.WRITE)},
    "reclaim": {
        "kind": (d.RECLAIM, d.RECLAIM_BEGIN), "page": PAGES, "backend": BACKENDS, "count": (0, 0, 0, 1, 2),
        "flags": (0, d.DIRTY, d.ZERO), "payload": range(1, 4097), "order": (0, 0, 0, 1, 2),
    },
    "fresh": {"kind": (d.FAULT,), "page": PAGES, "order": (1, 2)},
    "move": {"kind": (d.MOVE, d.MOVE_BEGIN), "page": PAGES, "backend": BACKENDS, "payload": BACKENDS, "count": range(6)},
    "go_on": {"which": range(64), "step": (0, 1)},
    "fork": {"kind": (d.FORK,), "page": PAGES, "payload": SPACES, "count": range(1, 5)},
    "unmap_or_copy": {"kind": (d.UNMAP, d.COW), "page": PAGES, "count": (1,)},
    "swapoff": {"kind": (d.SWAPOFF,), "page": (0,), "backend": BACKENDS, "payload": (1, 2, 3, d.MEMORY), "often": range(10)},
}  # fmt: skip
"""Rules by name: the values that each part of a demand may have."""


def apply(run: Run, rule: str, chosen: dict[str, int]) -> None:
    """Run the demand of `rule` with the values `chosen`, if it can be made now."""
    before: list[tuple[int, int]] = []
    if rule == "fresh":
        first, n = chosen["page"] >> chosen["order"] << chosen["order"], 1 << chosen["order"]
        before = [d.pack(d.UNMAP, first, count=n), *(d.pack(d.FAULT, first + i) for i in range(n - 1))]
        chosen = {"kind": d.FAULT, "page": first + n - 1}
    elif rule == "go_on":
        begun = reading.phases(run.st)
        if not begun:
            return
        cls, page, _ = begun[chosen["which"] % len(begun)]
        chosen = {"kind": d.MOVE_STEP if chosen["step"] and cls == 3 else reading.END_OF[cls], "page": page}
    elif rule == "fork":
        chosen = {**chosen, "count": min(chosen["count"], 4 - chosen["page"] % 4)}
    elif rule == "swapoff":
        if chosen["often"]:
            return
        chosen = {key: value for key, value in chosen.items() if key != "often"}
    more = {key: value for key, value in chosen.items() if key not in ("kind", "page")}
    run.both(streams.block(*before, d.pack(chosen["kind"], chosen["page"], **more)))


def has_hypothesis() -> bool:
    """Tell if Hypothesis is installed (``pip install 'swapdse[testing]'``)."""
    return importlib.util.find_spec("hypothesis") is not None


def explore(name: str, settings: Sequence[dict[str, int]], examples: int, steps: int, seed: int) -> None:
    """Drive the state machine of design `name`.

    Parameters
    ----------
    name : str
        A registered design.
    settings : sequence of dict
        Control words by name; each example takes one of them.
    examples, steps : int
        How many examples, and how many demands in each.
    seed : int
        What chance starts from.

    Raises
    ------
    Mismatch
        With the shortest demand list found.
    """
    (hypothetical if has_hypothesis() else walk)(name, settings, examples, steps, seed)


def walk(name: str, settings: Sequence[dict[str, int]], examples: int, steps: int, seed: int) -> None:
    """Drive the machine by a seeded random walk; parameters as for :func:`explore`."""
    rng = np.random.default_rng(seed)
    rules = list(RULES)
    for example in range(examples):
        run = Run.of(name, WORLD, **settings[example % len(settings)])
        with explained(run, f"{name}, random walk {example} of seed {seed}, {run.parameters or 'default'}"):
            for _ in range(steps):
                rule = rules[int(rng.integers(len(rules)))]
                apply(run, rule, {key: values[int(rng.integers(len(values)))] for key, values in RULES[rule].items()})
            run.finish()


def hypothetical(name: str, settings: Sequence[dict[str, int]], examples: int, steps: int, seed: int) -> None:
    """Drive the machine by Hypothesis; parameters as for :func:`explore`."""
    import hypothesis as hy
    from hypothesis import stateful
    from hypothesis import strategies as st

    last: list[Run] = []

    class Machine(stateful.RuleBasedStateMachine):
        """Rules are the demands."""

        @stateful.initialize(which=st.integers(0, len(settings) - 1))
        def build(self, which: int) -> None:
            """Start in a fresh state."""
            last[:] = [Run.of(name, WORLD, **settings[which])]

        def teardown(self) -> None:
            """Look for what is left."""
            if last and last[0].seen:
                last[0].finish()

    ruled: Any = stateful.rule  # typed for rules that are written out
    conditional: Any = stateful.precondition
    for rule, choices in RULES.items():
        strategies: dict[str, Any] = {key: st.sampled_from(list(values)) for key, values in choices.items()}
        bound = ruled(**strategies)(_demand(last, rule))
        if rule == "go_on":
            bound = conditional(lambda _: bool(last) and ctl(last[0].st, control.S_PHASES) > 0)(bound)
        setattr(Machine, rule, bound)
    effort = hy.settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, report_multiple_bugs=False,
        verbosity=hy.Verbosity.quiet, phases=[hy.Phase.generate], suppress_health_check=list(hy.HealthCheck),
    )  # fmt: skip
    try:
        stateful.run_state_machine_as_test(hy.seed(seed)(Machine), settings=effort)
    except Exception as error:
        if not last:
            raise
        with explained(last[0], f"{name}, state machine of seed {seed}, {last[0].parameters or 'default'}"):
            raise error from None


def _demand(last: list[Run], rule: str) -> Callable[..., None]:
    """Method of a machine that runs a demand of `rule` on the last run."""

    def method(_: Any, **chosen: int) -> None:
        apply(last[0], rule, chosen)

    method.__name__ = rule
    return method
