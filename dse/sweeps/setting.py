"""A space on another scenario: ``dse sweep --trace F --set section.key=value``."""

from __future__ import annotations

from collections.abc import Sequence

from dse.errors import BadInput
from dse.scenario import setting
from dse.sweeps.axes import UNCOUNTED, refuse_unused, ways
from dse.sweeps.space import Space, from_document
from dse.workloads import choosing


def on(space: Space, trace: str | None, settings: Sequence[str], timed: bool = False) -> Space:
    """Change the scenario that all configurations of a space share.

    Parameters
    ----------
    space : Space
        The space.
    trace : str, optional
        Trace that replaces the workload, as for :func:`dse.workloads.choosing.choose`.
    settings : sequence of str
        ``section.key=value``.
    timed : bool
        Designs of the front are timed afterwards.

    Raises
    ------
    BadInput
        A setting that does not fit or act, or that an axis of the space makes anyway; an axis that does not act on that scenario.
    """
    if trace is None and not settings:
        return space
    axes = {axis.name for axis in space.axes}
    for name in setting.read(settings):
        if name in axes:
            raise BadInput(f"{name} is an axis of space {space.name}: its values are those of the axis; leave it out of --set")
        if name in UNCOUNTED and not timed:
            raise BadInput(f"{name} has no effect: a sweep counts whole streams, and times nothing without --confirm")
    base = choosing.choose(space.base, trace, settings, lambda base: ways(base, space.axes))
    refuse_unused({}, base, space.axes, lambda *_: f"space {space.name}: ")
    return from_document({**space.document, "scenario": base.values})
