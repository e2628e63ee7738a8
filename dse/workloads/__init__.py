"""Sources of accesses: recorded programs, imported traces, seeded generators, interleaved copies of a trace.

:func:`make` turns a specification into a :class:`Workload`; :func:`load` reads a trace.
"""

from __future__ import annotations

from typing import Any

from dse.errors import BadInput
from dse.workloads import generators, interleave
from dse.workloads.trace import Trace, info, load, save, shipped
from dse.workloads.workload import Block, Workload

__all__ = ["Block", "Trace", "Workload", "info", "load", "make", "save", "shipped"]


def make(spec: dict[str, Any], seed: int) -> Workload:
    """Workload of a specification.

    Parameters
    ----------
    spec : dict
        With ``generator`` (zipf, uniform, scan, phase, fork) or ``trace`` (shipped name or path), and the keys of
        :data:`generators.DEFAULTS` or :func:`interleave.make`.
    seed : int
        Same specification and seed, same stream.

    Raises
    ------
    BadInput
        Unknown name or key, or a value out of its range.
    """
    if ("generator" in spec) == ("trace" in spec):
        raise BadInput("a workload names either a generator or a trace")
    return generators.make(spec, seed) if "generator" in spec else interleave.make(spec, seed)
