"""Designs: one file each, or one folder whose ``design.py`` registers it. Importing this package registers them all."""

from __future__ import annotations

import importlib
import pkgutil

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}" + (".design" if _found.ispkg else ""))
