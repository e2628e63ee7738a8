"""Plain-Python twins of the designs, for tests: the same demands, the same replies, written to be read.

A design from outside brings its twin, if it has one, in a module beside it: ``my_design_twin.py`` next to ``my_design.py`` (for a module
of an installed package likewise), which holds ``TWINS``, a twin class for each name of a design::

    from dse.testing.twins.swapfile import Swapfile
    TWINS = {"my_design": Swapfile}

A twin derives from :class:`dse.testing.twins.life.Life`, or from :class:`dse.testing.twins.swapfile.Swapfile` where the design stands on
swap devices. A design without one is held against invariants and content tokens.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from dse.errors import BadInput
from dse.testing.twins.direct import Direct
from dse.testing.twins.ghost import Ghost
from dse.testing.twins.life import Life
from dse.testing.twins.oracle import Oracle
from dse.testing.twins.redirect import Redirect
from dse.testing.twins.swap_desc import SwapDesc
from dse.testing.twins.swap_id import SwapId
from dse.testing.twins.swap_id_rmap import SwapIdRmap
from dse.testing.twins.swap_id_special import SwapIdSpecial
from dse.testing.twins.swap_table import SwapTable
from dse.testing.twins.vswap import VSwap
from dse.testing.twins.vswap_all import VSwapAll
from dse.testing.twins.vswap_rfc import VSwapRfc
from dse.testing.twins.vswap_ste import VSwapSte
from dse.testing.twins.xswap import Xswap
from dse.testing.twins.zram import Zram
from kernels.life.registry import REGISTRY, Config, with_defaults

TWINS: dict[str, type[Life]] = {"direct": Direct, "swap_id": SwapId, "swap_id_off": Direct, "swap_desc": SwapDesc}
TWINS |= {f"swap_table_{phase}": SwapTable for phase in ("p1", "p2", "p3", "p4", "p4_pitched")}
TWINS |= {"swap_id_rmap": SwapIdRmap, "swap_id_special": SwapIdSpecial}
TWINS |= {"vswap_v3": VSwap, "vswap_v6": VSwap, "vswap_ste": VSwapSte, "ghost": Ghost, "xswap": Xswap, "zram": Zram}
TWINS |= {"eager_rewrite": SwapTable, "vswap_rfc1": VSwapRfc, "vswap_rfc2": VSwapRfc}
TWINS |= {"redirect": Redirect, "vswap_all": VSwapAll, "oracle": Oracle}
BESIDE = "_twin"
"""Ending of the name of the module beside a design's that holds its twins."""


def twin(name: str, config: Config) -> Life | None:
    """The twin of design `name` for `config`, None if nobody has written one."""
    cls = twin_class(name)
    return None if cls is None else cls(with_defaults(config, REGISTRY[name]))


def twin_class(name: str) -> type[Life] | None:
    """The class of the twin of design `name`, None if nobody has written one.

    Raises
    ------
    BadInput
        The module beside the design does not load, or its ``TWINS`` is no mapping of names to classes.
    """
    if name in TWINS:
        return TWINS[name]
    module = REGISTRY[name].build.__module__ + BESIDE
    file = Path(REGISTRY[name].file).resolve()
    found = _beside(module, file.with_name(file.stem + BESIDE + file.suffix))
    if found.get(name) is not None:
        TWINS[name] = found[name]
    return found.get(name)


def _beside(module: str, path: Path) -> dict[str, type[Life]]:
    """Read ``TWINS`` of the module at `path`; empty if there is no such file."""
    if not path.is_file():
        return {}
    if module not in sys.modules or Path(sys.modules[module].__file__ or "").resolve() != path:
        spec = importlib.util.spec_from_file_location(module, path)
        if spec is None or spec.loader is None:
            raise BadInput(f"{path} is no Python file")
        sys.modules[module] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(sys.modules[module])
        except (Exception, SystemExit) as error:
            del sys.modules[module]
            raise BadInput(f"{path.name} does not load: {type(error).__name__}: {str(error).partition(chr(10))[0]}") from error
    found = getattr(sys.modules[module], "TWINS", None)
    right = isinstance(found, dict) and all(isinstance(cls, type) and issubclass(cls, Life) for cls in found.values())
    if not isinstance(found, dict) or not right:
        raise BadInput(f"{path.name} needs TWINS, a class derived from dse.testing.twins.life.Life for each name of a design")
    return found
