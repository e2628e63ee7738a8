"""Test if a probe counts: what is worked out for a counter alone is left out of every other run."""

from __future__ import annotations

from kernels.compiling.jit import inner, operation
from kernels.observing.probe import Count, Off, Timed, Trace


@operation
def counts(pr):  # type: ignore[no-untyped-def]
    """Tell if the probe counts what an operation touches."""


@inner
def _no(pr):  # type: ignore[no-untyped-def]
    return False


@inner
def _yes(pr):  # type: ignore[no-untyped-def]
    return True


_cls: type
for _cls in (Off, Timed):
    counts.register(_cls, _no)
for _cls in (Count, Trace):
    counts.register(_cls, _yes)
