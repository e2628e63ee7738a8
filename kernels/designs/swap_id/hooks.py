"""Two hooks for a variant of the layer that knows the ID behind a slot as well. In *swap_id* both compile to nothing.

They are steps of this layer alone, dispatched on the class of the state as those of :mod:`kernels.life.steps`.

======== ======================================================================================================================
hook     called
======== ======================================================================================================================
link     when an ID was allocated for a slot, no lock held; when a move has taken a slot of B, before the ID maps to it
unlink   under the cluster lock, before an ID is erased; by a move, no lock held, before it frees A's slot, or B's where it gives up
======== ======================================================================================================================
"""

from __future__ import annotations

from typing import Any

from kernels.compiling.functions import optional


@optional
def link(st, pr, value, entry):  # type: ignore[no-untyped-def]
    """Note that `entry` has ID `value`. Default: nothing is noted."""
    return


@optional
def unlink(st, pr, entry, n):  # type: ignore[no-untyped-def]
    """Forget the IDs of `n` entries of one cluster from `entry` on. Default: nothing was noted."""
    return


def bind(cls: type, own: dict[str, Any] | None = None) -> None:
    """Bind both hooks to a state class: those of `own` by name, else the defaults."""
    for name, hook in (("link", link), ("unlink", unlink)):
        hook.register(cls, (own or {}).get(name, hook.default))
