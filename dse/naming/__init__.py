"""Designs by name: the registered ones (:mod:`dse.naming.registered`), and the notation with parameters."""

from dse.naming.designs import COMPARED, STANDS_ON, Named, default_designs, layers, parse, parse_many, references, split
from dse.naming.registered import registry

__all__ = ["COMPARED", "STANDS_ON", "Named", "default_designs", "layers", "parse", "parse_many", "references", "registry", "split"]
