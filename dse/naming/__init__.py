"""Designs by name: the registered ones (:mod:`dse.naming.registered`), and the notation with parameters."""

from dse.naming.designs import (
    COMPARED,
    STANDS_ON,
    Named,
    base_of,
    bases,
    default_designs,
    is_layer,
    layers,
    parse,
    parse_many,
    proposed,
    references,
    rivals,
    shortened,
    split,
    status_of,
)
from dse.naming.registered import registry

__all__ = [
    "COMPARED",
    "STANDS_ON",
    "Named",
    "base_of",
    "bases",
    "default_designs",
    "is_layer",
    "layers",
    "parse",
    "parse_many",
    "proposed",
    "references",
    "registry",
    "rivals",
    "shortened",
    "split",
    "status_of",
]
