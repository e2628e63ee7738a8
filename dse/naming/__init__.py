"""Designs by name: which there are (:mod:`dse.naming.registered`), and how one is written with its parameters."""

from dse.naming.designs import COMPARED, STANDS_ON, Named, default_designs, layers, parse, parse_many, references, split
from dse.naming.registered import registry

__all__ = ["COMPARED", "STANDS_ON", "Named", "default_designs", "layers", "parse", "parse_many", "references", "registry", "split"]
