"""direct: PTEs hold (device, offset). All of it is in the parts that an ID layer stands on."""

from __future__ import annotations

from dse.testing.twins.swapfile import Swapfile


class Direct(Swapfile):
    """No layer."""
