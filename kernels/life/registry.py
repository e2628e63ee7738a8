"""The registry of designs, which refuses one that breaks a contract."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kernels.compiling.errors import BadDesign
from kernels.life import contracts
from kernels.life.arrays import World
from kernels.life.config import Config
from kernels.life.design import BASES, Design, Parameter, with_defaults
from kernels.life.layout import Field

__all__ = ["BASES", "REGISTRY", "Config", "Design", "Field", "Parameter", "World", "bind", "register", "with_defaults"]


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
    except (BadDesign, MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:  # sys.exit in a design ends no program of ours
        trace = sys.exc_info()[2]
        while trace is not None and trace.tb_next is not None and trace.tb_next.tb_frame.f_code.co_filename.startswith(str(design.file)):
            trace = trace.tb_next
        where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}: " if trace is not None else ""
        text = str(error).partition("\n")[0]
        raise BadDesign(f"{design.name}: build fails: {where}{type(error).__name__}{f': {text}' if text else ''}") from error


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
        A step that does not exist, has other arguments, or is missing and has no default; a class without the fields of every state, or
        one whose steps are bound: its compiled kernels are kept.
    """
    steps = contracts.interface()
    contracts.check_class(cls)
    contracts.check_steps(cls, operations)
    if any(cls in step.table for step in steps.values()):
        raise BadDesign(f"{cls.__name__}: its steps are bound already: derive a class from it and bind that")
    for name, step in steps.items():
        if name in operations:
            step.register(cls, operations[name])
        elif step.default is not None:
            step.register(cls, step.default)
