"""Plain-Python twins of the designs, for tests: the same demands, the same replies, written to be read."""

from __future__ import annotations

from kernels.life.registry import REGISTRY, Config, with_defaults
from tests.twins.direct import Direct
from tests.twins.life import Life
from tests.twins.swap_desc import SwapDesc
from tests.twins.swap_id import SwapId
from tests.twins.swap_table import SwapTable
from tests.twins.vswap import VSwap

TWINS: dict[str, type[Life]] = {"direct": Direct, "swap_id": SwapId, "swap_id_off": Direct, "swap_desc": SwapDesc}
TWINS |= {f"swap_table_{phase}": SwapTable for phase in ("p1", "p2", "p3", "p4", "p4_pitched")}
TWINS |= {"vswap_v3": VSwap, "vswap_v6": VSwap}


def twin(name: str, config: Config) -> Life | None:
    """The twin of design `name`, None if nobody has written one."""
    cls = TWINS.get(name)
    return None if cls is None else cls(with_defaults(config, REGISTRY[name]))
