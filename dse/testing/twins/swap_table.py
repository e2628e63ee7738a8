"""swap_table_*: PTEs hold (device, offset). What differs from *direct*: where a count finds room, and no way around the cache."""

from __future__ import annotations

from typing import Any

from dse.testing.twins.swapfile import Swapfile


class SwapTable(Swapfile):
    """Every phase."""

    def phase(self) -> int:
        return self.config.parameters["C_PHASE"]

    def more(self) -> dict[str, Any]:
        return {"tables": sum(device.used(c) > 0 for device in self.devices.values() for c in device.all_clusters)}
