"""Notation of designs: ``NAME[param=value,...]``, bare when every parameter has its default."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dse.errors import BadInput, unknown
from dse.naming.registered import VARIABLE, registry

if TYPE_CHECKING:
    from kernels.life.registry import Design

STANDS_ON = ("direct", "swap_table_p4")
"""Bases that a layer may choose (:data:`kernels.life.registry.BASES`). Comparisons set every layer against them."""
COMPARED = ("swap_table_p4", "direct", "swap_id[base=swap_table_p4]", "swap_desc[base=swap_table_p4]", "vswap_v6")
"""Default designs of ``dse compare``: today's kernel, the kernel of 2023, and each layer on today's kernel."""


@dataclass(frozen=True)
class Named:
    """A design with values for its parameters.

    Attributes
    ----------
    design : Design
        The registered design.
    values : dict of str to str
        Every parameter of the design by name, defaults included.
    """

    design: Design
    values: dict[str, str]

    @property
    def text(self) -> str:
        """Canonical string: parameters that differ from their defaults, in the order in which the design declares them."""
        changed = [f"{name}={value}" for name, value in self.values.items() if value != self.design.parameters[name].default]
        return self.design.name + (f"[{','.join(changed)}]" if changed else "")

    @property
    def base(self) -> str | None:
        """Design that this layer stands on; None for a design whose PTE holds the swap entry."""
        return self.values.get("base", self.design.base) if self.design.base is not None else None

    @property
    def layer(self) -> bool:
        """True if the design is a layer between page tables and slots."""
        return self.design.base is not None

    @property
    def control(self) -> dict[str, int]:
        """Parameters as :class:`kernels.life.registry.Config` takes them: name of the control word, value."""
        return self.design.control(self.values)

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> Named:
    """Read a design's name with its parameters.

    Parameters
    ----------
    text : str
        ``NAME`` or ``NAME[param=value,...]``.

    Returns
    -------
    Named
        The design, with every parameter's value.

    Raises
    ------
    BadInput
        Unknown design, parameter or value, with the nearest valid one.

    Examples
    --------
    >>> parse("direct[move=reswap]").text, parse("direct[move=rewrite]").text
    ('direct', 'direct[move=rewrite]')
    """
    found = re.fullmatch(r"\s*([^\[\]\s]+)\s*(?:\[([^\[\]]*)\])?\s*", text)
    if not found:
        raise BadInput(f"design {text!r} is not of the form NAME[param=value,...]")
    designs = registry()
    if found[1] not in designs:
        hint = "" if os.environ.get(VARIABLE) else f" ({VARIABLE} names files with designs of your own)"
        raise BadInput(unknown("design", found[1], designs) + hint)
    design = designs[found[1]]
    values = {name: parameter.default for name, parameter in design.parameters.items()}
    given: set[str] = set()
    for item in found[2].split(",") if found[2] else ():
        name, sign, value = (part.strip() for part in item.partition("="))
        if not sign:
            raise BadInput(f"design {text!r}: {item.strip()!r} is not of the form param=value")
        if name not in values:
            raise BadInput(unknown(f"parameter of {design.name}", name, values))
        if value not in design.parameters[name].values:
            raise BadInput(unknown(f"value of {design.name}'s {name}", value, design.parameters[name].values))
        if name in given:
            raise BadInput(f"design {text!r}: {name} is given twice")
        given.add(name)
        values[name] = value
    return Named(design, values)


def split(text: str) -> list[str]:
    """Split a list of designs at the commas outside brackets.

    Examples
    --------
    >>> split("direct,swap_id[zswap=native,upkeep=apart]")
    ['direct', 'swap_id[zswap=native,upkeep=apart]']
    """
    return [part.strip() for part in re.split(r",(?![^\[]*\])", text) if part.strip()]


def parse_many(given: str | Sequence[str]) -> list[Named]:
    """Read several designs, the baseline first; each may be named once.

    ``all`` are all registered ones but lower bounds, ``layers`` every layer on every base after the bases; today's kernel comes first.

    Raises
    ------
    BadInput
        The list is empty, or names a design twice.
    """
    texts = split(given) if isinstance(given, str) else list(given)
    if texts == ["all"]:
        texts = sorted(buildable(), key=lambda name: name != COMPARED[0])
    elif texts == ["layers"]:
        texts = [*sorted(bases(), key=lambda name: name != COMPARED[0]), *layers()]
    found = [parse(text) for text in texts]
    names = [named.text for named in found]
    if not found:
        raise BadInput("no design is named")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise BadInput(f"design {twice[0]} is named twice")
    return found


def buildable() -> list[str]:
    """Every registered design that is no lower bound."""
    return [name for name, design in registry().items() if not design.bound]


def layers() -> list[str]:
    """Every layer, on each base that it may stand on (:attr:`kernels.life.design.Design.bases`)."""
    found = []
    for name, design in registry().items():
        choice = "base" in design.parameters
        found += [parse(f"{name}[base={base}]" if choice else name).text for base in design.bases]
    return found


def bases() -> list[str]:
    """Designs that layers stand on: those that a layer may choose, then those of layers without the choice."""
    return list(dict.fromkeys([*STANDS_ON, *(base for design in registry().values() for base in design.bases)]))


def is_layer(text: str) -> bool:
    """Tell whether a design is a layer between page tables and slots.

    Examples
    --------
    >>> is_layer("vswap_v6"), is_layer("swap_id[base=swap_table_p4]"), is_layer("swap_id_off"), is_layer("direct")
    (True, True, False, False)
    """
    return base_of(text) is not None


def base_of(text: str) -> str | None:
    """Design that a layer stands on, None for a design that is no layer or that is not registered any more.

    Examples
    --------
    >>> base_of("swap_id[base=swap_table_p4]"), base_of("vswap_v6"), base_of("direct")
    ('swap_table_p4', 'swap_table_p1', None)
    """
    try:
        return parse(text).base
    except BadInput:
        return None


def status_of(text: str) -> str:
    """Status that a design declares; empty where it declares none, or is not registered any more.

    Examples
    --------
    >>> status_of("swap_table_p4"), status_of("swap_desc[base=swap_table_p4]"), status_of("gone")
    ('merged in 7.2', 'proposed in mails of 2023', '')
    """
    try:
        return parse(text).design.status
    except BadInput:
        return ""


def proposed(text: str) -> bool:
    """Tell whether a design was described in words only, so that no patches say what its steps are.

    Examples
    --------
    >>> proposed("swap_desc"), proposed("vswap_v6"), proposed("gone")
    (True, False, False)
    """
    try:
        return parse(text).design.proposed
    except BadInput:
        return False


def bound(text: str) -> bool:
    """Tell whether what is named is a lower bound, which cannot be built and is never the best.

    Examples
    --------
    >>> bound("oracle"), bound("swap_desc"), bound("gone")
    (True, False, False)
    """
    try:
        return parse(text).design.bound
    except BadInput:
        return False


def refuse_bound(text: str) -> None:
    """Refuse a lower bound where a verdict would name the best.

    Raises
    ------
    BadInput
        `text` names one.
    """
    if bound(text):
        raise BadInput(f"{text} is a lower bound, which cannot be built, and no verdict may name it: see it beside designs in dse compare")


def default_designs() -> list[Named]:
    """The designs that ``dse compare`` compares by default, the baseline first."""
    return [parse(name) for name in COMPARED if name.partition("[")[0] in registry()]


def references(designs: Sequence[str]) -> list[str]:
    """Designs that the others are compared with: the first one, and the bases of layers.

    Examples
    --------
    >>> references(["direct", "swap_id", "swap_table_p4"])
    ['direct', 'swap_table_p4']
    """
    return [design for n, design in enumerate(designs) if n == 0 or design in bases()]


def rivals(layer: str, designs: Sequence[str]) -> list[str]:
    """Designs that a layer is set against: the first one, the bases that layers may choose, and its own.

    Examples
    --------
    >>> rivals("swap_id", ["direct", "swap_table_p1", "vswap_v6", "swap_id"])
    ['direct']
    >>> rivals("vswap_v6", ["direct", "swap_table_p1", "vswap_v6", "swap_id"])
    ['direct', 'swap_table_p1']
    """
    own = {designs[0], base_of(layer), *STANDS_ON}
    return [design for design in references(designs) if design in own and design != layer]


NAMES = 21
"""Columns of a design's name. A longer one is cut in its parameters."""
ON_P4 = "base=swap_table_p4"


def shortened(design: str) -> str:
    """Shorten a name: its base as "on p4", and a long name cut in the middle of its parameters.

    Examples
    --------
    >>> shortened("swap_id[base=swap_table_p4]"), shortened("swap_id[base=swap_table_p4,batch=leaf,policy=reuse]")
    ('swap_id on p4', 'swap_id[ba..se] on p4')
    """
    name, _, rest = design.partition("[")
    parameters = rest.removesuffix("]").split(",") if rest else []
    on = " on p4" if ON_P4 in parameters else ""
    inside = ",".join(p for p in parameters if p != ON_P4)
    text = f"{name}[{inside}]" if inside else name
    room = NAMES - len(on)
    if len(text) > room:
        left = room - len(name) - 4
        text = f"{name}[{inside[: left // 2]}..{inside[len(inside) - (left - left // 2) :]}]"
    return text + on
