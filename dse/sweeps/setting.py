"""A space on another scenario: ``dse sweep --trace F --set section.key=value``."""

from __future__ import annotations

from collections.abc import Sequence

from dse.errors import BadInput
from dse.scenario import setting
from dse.sweeps.space import Space, from_document
from dse.workloads import choosing


def on(space: Space, trace: str | None, settings: Sequence[str]) -> Space:
    """Change the scenario that all configurations of a space share.

    Parameters
    ----------
    space : Space
        The space.
    trace : str, optional
        Trace that replaces the workload, as for :func:`dse.workloads.choosing.choose`.
    settings : sequence of str
        ``section.key=value``.

    Raises
    ------
    BadInput
        A setting that does not fit, or that an axis of the space makes anyway.
    """
    if trace is None and not settings:
        return space
    axes = {axis.name for axis in space.axes}
    for name in setting.read(settings):
        if name in axes:
            raise BadInput(f"{name} is an axis of space {space.name}: its values are those of the axis; leave it out of --set")
    base = choosing.choose(space.base, trace, settings)
    return from_document({**space.document, "scenario": base.values})
