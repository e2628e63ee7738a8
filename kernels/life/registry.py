"""The registry of designs: what a design declares, and the refusal of one that breaks a contract."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kernels.compiling.errors import BadDesign
from kernels.life import contracts
from kernels.life.arrays import World
from kernels.life.config import Config
from kernels.life.layout import Field
from kernels.observing.functions import Seen
from kernels.own import COMMON, Own, Word

__all__ = ["BASES", "REGISTRY", "Config", "Design", "Field", "Parameter", "Seen", "World", "bind", "register", "with_defaults"]
BASES = {"direct": 0, "swap_table_p4": 1}
"""The designs that a layer may stand on (C_BASE)."""


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
    state_of : callable, optional
        The class of the state for a :class:`Config`, where parameters choose another one.
    lost_when_off : tuple of str
        Abilities that a host loses when the layer is not configured.
    function_of : callable, optional
        ``function_of(op, what, write, seen, held)``: the kernel function behind an access to region `what`, for ``dse explain``; None
        leaves it to what is known of all designs. `seen` is :class:`Seen`, `held` the locks held.
    check : callable, optional
        Invariants of its own: from a live state to findings in words, none if all hold.
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
    state_of: Callable[[Config], type] | None = None
    lost_when_off: tuple[str, ...] = ()
    function_of: Callable[[str, str, bool, Seen, set[str]], str | None] | None = None
    check: Callable[[Any], Iterable[str]] | None = None

    def class_for(self, config: Config) -> type:
        """The class of the state that ``build(config)`` returns."""
        return self.state if self.state_of is None else self.state_of(with_defaults(config, self))

    def control(self, values: dict[str, str]) -> dict[str, int]:
        """Parameters by name as :class:`Config` takes them: the name of each control word, and its value."""
        names = self.own.names(Word)
        return {names[int(self.parameters[name].word)]: self.parameters[name].values[value] for name, value in values.items()}


REGISTRY: dict[str, Design] = {}


def register(design: Design) -> Design:
    """Enter `design` into the registry under its name.

    Its ``build`` finds the names of the design and the control words of all its parameters in the :class:`Config`.

    Raises
    ------
    BadDesign
        The name is taken, or :func:`kernels.life.contracts.check_design` finds a fault.
    """
    known = REGISTRY.get(design.name)
    if known is not None and Path(known.file).resolve() != Path(design.file).resolve():
        raise BadDesign(f"{design.name}: {Path(design.file).name} registers {design.name}, a name that is taken by {known.file}")
    contracts.check_design(design)
    build = design.build

    @functools.wraps(build)
    def checked(config: Config) -> Any:
        made = _built(design, build, with_defaults(config, design))
        contracts.check_state(design, made)
        return made

    REGISTRY[design.name] = replace(design, build=checked)
    return REGISTRY[design.name]


def _built(design: Design, build: Callable[[Config], Any], config: Config) -> Any:
    """The state that `build` makes; an exception of it names the design and the line."""
    try:
        return build(config)
    except (BadDesign, MemoryError):
        raise
    except Exception as error:
        trace = sys.exc_info()[2]
        while trace is not None and trace.tb_next is not None and trace.tb_next.tb_frame.f_code.co_filename.startswith(str(design.file)):
            trace = trace.tb_next
        where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}: " if trace is not None else ""
        text = str(error).partition("\n")[0]
        raise BadDesign(f"{design.name}: build fails: {where}{type(error).__name__}: {text}") from error


def bind(cls: type, operations: dict[str, Any]) -> None:
    """Bind the steps of a design to its state class; a step that is not given has its default.

    Parameters
    ----------
    cls : type
        A subclass of :class:`World`.
    operations : dict of str to function
        Implementations, decorated by ``inner`` or ``called``, by the names of :mod:`kernels.life.steps` and
        :mod:`kernels.structures.slots`.

    Raises
    ------
    BadDesign
        A step that does not exist, has other arguments, or is missing and has no default; a class without the fields of every state.
    """
    steps = contracts.interface()
    contracts.check_class(cls)
    contracts.check_steps(cls, operations)
    for name, step in steps.items():
        if name in operations:
            step.register(cls, operations[name])
        elif step.default is not None:
            step.register(cls, step.default)


def with_defaults(config: Config, design: Design) -> Config:
    """`config` with the names of `design` and the control words of all its parameters, at their defaults where it says nothing."""
    defaults = design.control({name: parameter.default for name, parameter in design.parameters.items()})
    return replace(config, own=design.own, parameters=defaults | config.parameters)
