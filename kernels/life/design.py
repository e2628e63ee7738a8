"""The declaration of a design."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kernels.life.config import Config
from kernels.life.layout import Field
from kernels.observing.functions import Seen
from kernels.own import COMMON, Own, Word

BASES = {"direct": 0, "swap_table_p4": 1}
"""The designs that a layer may stand on (C_BASE)."""
STATUSES = ("merged", "posted", "proposed", "lower bound")
"""First words of a design's status: in a released kernel; as patches, which can be run; in words only, without patches; or nothing that
could be built, and so never a winner.
"""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a design: its control word, its values by name, its default, its meaning."""

    word: int
    values: dict[str, int]
    default: str
    help: str


@dataclass(frozen=True)
class Design:
    """A registered design.

    Attributes
    ----------
    name, title : str
        Its name in the registry, and a phrase for tables.
    state : type
        Class that `build` returns with default parameters.
    build : callable
        From a :class:`Config` to a fresh state.
    replay : callable
        Its cached entry, ``replay(state, probe, demands, replies)``.
    layout : tuple of Field
        Its bytes.
    parameters : dict of str to Parameter
        Settings by name; they are read at run time.
    locks : tuple of str
        Lock classes that it takes, outermost first.
    sources : tuple of str
        Where it is described.
    notes : str
        Sentences for its page.
    file : str
        The file that registers it.
    own : Own
        Its own control words, regions, locks, allocation classes and announced functions.
    base : str, optional
        The design that it is a layer on: the PTE holds something other than the swap entry, and that design, or what is left of it, is
        underneath. A parameter `base` names others by its values; this one is its default. None: the PTE holds the swap entry.
    state_of : callable, optional
        The class of the state for a :class:`Config`, where parameters choose another one.
    lost_when_off : tuple of str
        Abilities that a host loses when the layer is not configured.
    function_of : callable, optional
        ``function_of(op, what, write, seen, held)``: the kernel function behind an access to region `what`, for ``dse explain``; None
        leaves it to what is known of all designs. `seen` is :class:`Seen`, `held` the locks held.
    status : str, optional
        How far it got, a phrase that begins with one of :data:`STATUSES`: ``merged in 7.2``, ``posted, v6 (May 2026)``, ``proposed in
        mails of 2023``, ``lower bound, cannot be built``; empty where nothing is declared. Comparisons show it beside the name.
    check : callable, optional
        Invariants of its own: from a live state to findings in words, none if all hold.
    sizes : callable, optional
        Slots of each device that its `build` makes, from those that it is given by name and the disk behind zswap; None: as given.
    """

    name: str
    title: str
    state: type
    build: Callable[[Config], Any]
    replay: Callable[..., Any]
    layout: tuple[Field, ...]
    parameters: dict[str, Parameter]
    locks: tuple[str, ...]
    sources: tuple[str, ...]
    notes: str
    file: str
    own: Own = COMMON
    base: str | None = None
    state_of: Callable[[Config], type] | None = None
    lost_when_off: tuple[str, ...] = ()
    function_of: Callable[[str, str, bool, Seen, set[str]], str | None] | None = None
    check: Callable[[Any], Iterable[str]] | None = None
    sizes: Callable[[Mapping[str, int], str], dict[str, int]] | None = None
    status: str = ""

    def class_for(self, config: Config) -> type:
        """The class of the state that ``build(config)`` returns."""
        return self.state if self.state_of is None else self.state_of(with_defaults(config, self))

    @property
    def proposed(self) -> bool:
        """True if no patches of the design were posted: its steps are those that its description names."""
        return self.status.startswith("proposed")

    @property
    def bound(self) -> bool:
        """True if it is a lower bound, which cannot be built: it is shown beside designs and named as the best nowhere."""
        return self.status.startswith("lower bound")

    @property
    def bases(self) -> tuple[str, ...]:
        """Designs that the layer may stand on, its default first; none for a design that is no layer."""
        if self.base is None:
            return ()
        others = self.parameters["base"].values if "base" in self.parameters else ()
        return tuple(dict.fromkeys((self.base, *others)))

    @property
    def live(self) -> dict[str, np.uint64]:
        """Control words that count the live objects of each structure whose objects are allocated one by one."""
        return {row.structure: row.objects.live for row in self.layout if row.objects}

    def control(self, values: dict[str, str]) -> dict[str, int]:
        """Parameters by name as :class:`Config` takes them: the name of each control word, and its value."""
        names = self.own.names(Word)
        return {names[int(self.parameters[name].word)]: self.parameters[name].values[value] for name, value in values.items()}


def with_defaults(config: Config, design: Design) -> Config:
    """`config` with the names of `design` and the control words of all its parameters, at their defaults where it says nothing."""
    defaults = design.control({name: parameter.default for name, parameter in design.parameters.items()})
    return replace(config, own=design.own, parameters=defaults | config.parameters)
