"""Start of a process of ours: it imports what its parent imports, and nothing from the folder that it happens to run in.

``python -P start.py GIVEN MODULE ARGUMENT...``, where GIVEN is JSON: ``home`` (folder of the packages dse and kernels) and ``path`` (the
parent's ``sys.path``). Python's ``-m`` would look in the current directory first, and ``PYTHONPATH`` comes before the standard library.
This file imports nothing of ours before both packages are bound to their folder.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import runpy
import sys

PACKAGES = ("dse", "kernels")


def bind(home: str) -> None:
    """Import the packages from `home`, so that their modules come from there wherever else there are some of that name."""
    for name in PACKAGES:
        spec = importlib.machinery.PathFinder.find_spec(name, [home])
        if spec is None or spec.loader is None:
            sys.exit(f"{home} holds no package {name}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    sys.path[:] = given["path"]
    bind(given["home"])
    del sys.argv[:2]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
