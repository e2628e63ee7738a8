"""Processes of ours: each imports this package, the designs and everything else from where this process has them.

A module that lies in the current directory is nobody's: the code of another checkout there would be evaluated in its name.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

from dse.common import options, repositories
from dse.naming import registered, start

LOOK, GRACE = 1.0, 5.0
"""Seconds between two looks at the parent, and that a process has to end by itself once that is gone."""


def end_with(parent: int) -> None:
    """End this process soon after its parent, however that ends: nobody waits for what an orphan finds.

    Parameters
    ----------
    parent : int
        Number of the process that started this one.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def search_path() -> list[str]:
    """Folders of modules, those that were named absolutely: an empty one is wherever a process happens to be."""
    return [folder for folder in sys.path if folder and Path(folder).is_absolute()]


def command(module: str, *arguments: str) -> list[str]:
    """Return the command of a new process that runs a module.

    Parameters
    ----------
    module : str
        Its full name.
    *arguments : str
        Its arguments.

    Examples
    --------
    >>> command("dse.cli", "doctor")[-2:]
    ['dse.cli', 'doctor']
    """
    from kernels.compiling import sources

    given = json.dumps({"home": str(sources.HERE), "path": search_path()})
    return [sys.executable, "-P", str(Path(start.__file__).resolve()), given, module, *arguments]


def environ(**more: str) -> dict[str, str]:
    """Return the environment of such a process: the same designs from outside, and no ``PYTHONPATH``, as the command says the path.

    What is named as a variable of ours and is none was told of already, and is left out.
    """
    strange = {name for name in os.environ if name not in options.VARIABLES and re.match("(?:SWAP)?DSE_", name, re.IGNORECASE)}
    kept = {name: value for name, value in repositories.environ().items() if name != "PYTHONPATH" and name not in strange}
    return {**kept, registered.VARIABLE: registered.named(), **more}
