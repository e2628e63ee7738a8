"""``dse.ledger``: the bytes of a design at any size and fill."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dse import naming
from dse.common.limits import PAGES_MAX
from dse.errors import BadInput, unknown
from dse.scenario.keys import Backend

BACKENDS = ("zswap", "ssd", "hdd", "zram", "zero")
COMPRESSED = round(4096 / Backend().compression_ratio)


def parse_mix(text: str) -> dict[str, float]:
    """Read ``zswap``, or shares such as ``zswap=0.7,ssd=0.2,zero=0.1``.

    Raises
    ------
    BadInput
        Unknown backend, a share that is no number from 0 to 1, or shares that do not sum to 1.

    Examples
    --------
    >>> parse_mix("ssd"), parse_mix("mix(zswap=0.7,ssd=0.3)")
    ({'ssd': 1.0}, {'zswap': 0.7, 'ssd': 0.3})
    """
    body = text[4:-1] if text.startswith("mix(") and text.endswith(")") else text
    shares: dict[str, float] = {}
    for item in body.split(","):
        name, sign, value = (part.strip() for part in item.partition("="))
        if name not in BACKENDS:
            raise BadInput(unknown("backend", name, BACKENDS))
        if name in shares:
            raise BadInput(f"backend {name} is given twice in {text!r}")
        try:
            share = float(value) if sign else 1.0
        except ValueError:
            raise BadInput(f"share {value!r} of {name} is not a number from 0 to 1") from None
        if not 0.0 <= share <= 1.0:
            raise BadInput(f"share {value} of {name} is not from 0 to 1")
        shares[name] = share
    if abs(math.fsum(shares.values()) - 1.0) > 1e-6:
        raise BadInput(f"the shares of {text!r} sum to {math.fsum(shares.values()):g}, not 1")
    return shares


def document(design: str, backend: str, slots: int, fill: float, ledger: Any) -> dict[str, Any]:
    """The ledger in the form of the contract for scripts, after the arguments that asked for it."""
    sums = ("static_bytes", "dynamic_bytes", "header_bytes", "total_bytes", "allocated_bytes")
    return {
        "design": design, "backend": backend, "slots": slots, "fill": fill, "kind": "counted",
        "rows": [asdict(row) for row in ledger.rows],
        **{name: getattr(ledger, name) for name in sums},
    }  # fmt: skip


def ledger(
    design: str = "direct",
    slots: int = 8_388_608,
    fill: float = 1.0,
    backend: str | Mapping[str, float] = "zswap",
    compressed: int = COMPRESSED,
) -> dict[str, Any]:
    """Exact bytes of every structure of a design, in closed form.

    Parameters
    ----------
    design : str
        ``NAME[param=value,...]``.
    slots : int
        Slots (4 KiB) of the devices, 1 to 2^28.
    fill : float
        Share of the slots in use, 0 to 1; they are filled densely from 0.
    backend : str or mapping
        ``zswap``, ``ssd``, ``hdd``, ``zram``, or shares such as ``zswap=0.7,ssd=0.2,zero=0.1``.
    compressed : int
        Bytes of a compressed page in zswap, 1 to 4096 (only the row of zsmalloc depends on it).

    Returns
    -------
    dict
        ``rows`` (structure, static_bytes, dynamic_bytes, allocated_bytes, ...), and the sums static_bytes, dynamic_bytes, header_bytes,
        total_bytes (static + dynamic) and allocated_bytes (headers included). Rows of the backend (zswap_entry, zsmalloc) are in no sum.

    Raises
    ------
    BadInput
        A value is out of range or unknown. The message gives the nearest valid one.

    Examples
    --------
    >>> ledger("direct", slots=8_388_608, fill=0.5, backend="zswap")["total_bytes"] / 2**20
    89.0
    """
    named = naming.parse(design)
    mix, text = checked(slots, backend, compressed)
    check_fill(fill)
    from dse.modelling.ledger import closed

    return document(named.text, text, slots, fill, closed(named.design, named.values, slots, fill, mix, compressed))


def check_fill(fill: float) -> None:
    """BadInput where `fill` is no share."""
    if not 0.0 <= fill <= 1.0:
        raise BadInput(f"fill is from 0 to 1, got {fill}")


def checked(slots: int, backend: str | Mapping[str, float], compressed: int) -> tuple[dict[str, float], str]:
    """The mix of backends and its text. BadInput where a size is out of range."""
    text = backend if isinstance(backend, str) else ",".join(f"{name}={share:g}" for name, share in backend.items())
    mix = parse_mix(text)
    if slots != int(slots) or not 1 <= slots <= PAGES_MAX:
        raise BadInput(f"slots are a whole number from 1 to 2^28, got {slots}")
    if not 1 <= compressed <= 4096:
        raise BadInput(f"compressed is from 1 to 4096 bytes, got {compressed}")
    return mix, text
