"""The registered designs: those of the package, and those that a file or an installed module from outside registers.

A design is one file (README, "Your own design"). It need not lie in ``kernels/designs``: ``DSE_DESIGNS=my_design.py dse compare --designs
direct,my_design`` loads it before a design is looked up; several are separated as in ``PATH``. An installed package announces its module as
an entry point of the group ``swapdse.designs``. In Python, importing the module before the first call is enough.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dse.common import reading, streams
from dse.errors import BadInput, refusals
from dse.naming import mistakes

if TYPE_CHECKING:
    from kernels.life.registry import Config, Design

RESERVED = ("all", "layers")
"""Words that stand for several designs (:func:`dse.naming.designs.parse_many`)."""
VARIABLE = "DSE_DESIGNS"
GROUP = "swapdse.designs"
ORDER = (
    "direct", "swap_id_off", "swap_id", "swap_desc", "swap_table_p1", "swap_table_p2", "swap_table_p3", "swap_table_p4",
    "swap_table_p4_pitched", "eager_rewrite", "zram", "ghost", "xswap", "redirect", "vswap_rfc1", "vswap_rfc2", "vswap_v3", "vswap_v6",
    "vswap_ste", "vswap_all", "oracle",
)  # fmt: skip
"""First designs of lists, the baseline first. All others follow in alphabetical order."""


@functools.cache
def registry() -> dict[str, Design]:
    """Every design by name: those of the package ``kernels.designs``, and those from outside.

    Raises
    ------
    BadInput
        A design from outside that cannot be loaded.
    """
    import kernels.designs  # noqa: F401 - registers
    from kernels.life.registry import REGISTRY

    load()
    rank = {name: i for i, name in enumerate(ORDER)}
    return {name: REGISTRY[name] for name in sorted(REGISTRY, key=lambda n: (rank.get(n, len(rank)), n))}


def load() -> None:
    """Load the modules that the environment variable and the entry points name.

    Raises
    ------
    BadInput
        A module is missing, does not load, registers nothing, or takes the name of another design.
    """
    for name in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        _registering(name, VARIABLE)
    for point in entry_points(group=GROUP):
        _registering(point.module, f"entry point {point.name}")


@contextlib.contextmanager
def also(names: Sequence[str], folder: Path) -> Iterator[None]:
    """Load further designs from outside, for this process and those that it starts, and forget them again.

    Parameters
    ----------
    names : sequence of str
        Paths of Python files, or modules in `folder`.
    folder : Path
        Where modules are looked up.

    Raises
    ------
    BadInput
        One that does not load, or takes the name of another design.
    """
    from kernels.life.registry import REGISTRY

    registry()
    before, loaded = dict(REGISTRY), set(sys.modules)
    kept = os.environ.get(VARIABLE)
    sys.path.insert(0, str(folder))
    try:
        for name in names:
            _registering(name, "bundle")
        os.environ[VARIABLE] = os.pathsep.join([*filter(None, [kept]), *names])
        registry.cache_clear()
        yield
    finally:
        sys.path.remove(str(folder))
        os.environ.pop(VARIABLE, None)
        if kept is not None:
            os.environ[VARIABLE] = kept
        _restore(before)
        for name in set(sys.modules) - loaded:
            if Path(getattr(sys.modules[name], "__file__", None) or "/").resolve().is_relative_to(folder.resolve()):
                del sys.modules[name]
        registry.cache_clear()


def _registering(name: str, why: str) -> None:
    """Load one module. It must add to the registry and leave the rest as it is."""
    from kernels.life.registry import REGISTRY, Design

    before = dict(REGISTRY)
    try:
        with streams.quiet():
            module = _from_file(Path(name)) if name.endswith(".py") else _from_name(name, why)
    except BadInput:
        raise
    except refusals() as error:
        _restore(before)
        raise BadInput(f"{why}: {Path(name).name}: {error}") from error
    except BaseException as error:  # whatever a design's file raises is said in one line; an interrupt from the keyboard is not its own
        _restore(before)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise BadInput(f"{why}: {name} does not load: {mistakes.said(error, _file_of(name))}") from error
    held: Mapping[str, object] = REGISTRY  # the module may have put anything into it
    odd = [str(key) for key, design in held.items() if not isinstance(design, Design) or design.name != key]
    if odd:
        _restore(before)
        raise BadInput(f"{why}: {name} puts something else than a design of that name into the registry: {odd[0][:40]!r}")
    reserved = sorted(set(RESERVED) & set(REGISTRY))
    if reserved:
        _restore(before)
        raise BadInput(f"{why}: {name} registers {reserved[0]}, a word that stands for several designs")
    taken = [design for design, old in before.items() if REGISTRY.get(design) is not old]
    if taken:
        _restore(before)
        raise BadInput(f"{why}: {name} registers {taken[0]}, a name that is taken")
    file = Path(module.__file__ or name).resolve()
    if not any(Path(design.file).resolve() == file for design in REGISTRY.values()):
        raise BadInput(f"{why}: {name} registers no design whose file it is")
    REGISTRY.update({design: _guarded(made) for design, made in REGISTRY.items() if design not in before})


def _file_of(name: str) -> Path:
    """File of a module that may not have loaded."""
    if name.endswith(".py"):
        return Path(name)
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    return Path((spec.origin if spec is not None else None) or name)


def _guarded(design: Design) -> Design:
    """The design with a `build` that is quiet as its file is while it loads."""
    build = design.build

    @functools.wraps(build)
    def quiet(config: Config) -> Any:
        with streams.quiet():
            return build(config)

    return dataclasses.replace(design, build=quiet)


def blamed(error: BaseException) -> str:
    """Name of the design from outside that raised an error; empty where none did."""
    known = getattr(sys.modules.get("kernels.life.registry"), "REGISTRY", {})
    names = {str(Path(design.file).resolve()): name for name, design in known.items()}
    found, trace = "", error.__traceback__
    while trace is not None:
        found, trace = names.get(str(Path(trace.tb_frame.f_code.co_filename).resolve()), found), trace.tb_next
    return found


def _restore(before: dict[str, Design]) -> None:
    """Restore the registry after a module that cannot be used."""
    from kernels.life.registry import REGISTRY

    REGISTRY.clear()
    REGISTRY.update(before)


def _from_name(name: str, why: str) -> ModuleType:
    """Import a module by its name.

    Raises
    ------
    BadInput
        It is no name of a module: a folder, a pipe, a device, another file.
    """
    path = Path(name)
    if (path.exists() and not path.is_dir()) or not all(part.isidentifier() for part in name.split(".")):
        what = "is no Python file" if path.is_file() else reading.why_not(path)
        raise BadInput(f"{why}: {name!r} {what}: give a file FILE.py, or the name of a module")
    return importlib.import_module(name)


def _from_file(path: Path) -> ModuleType:
    """Import a file as a module of its own name, so that Numba and pickle find it again."""
    path = reading.resolved(path)
    if missing := reading.why_not(path):
        raise BadInput(f"{VARIABLE}: {path}: {missing}")
    if path.stem in sys.modules and Path(sys.modules[path.stem].__file__ or "").resolve() == path:
        return sys.modules[path.stem]
    other = importlib.util.find_spec(path.stem) if path.stem.isidentifier() else None
    if not path.stem.isidentifier() or (other is not None and Path(other.origin or "").resolve() != path):
        raise BadInput(f"{VARIABLE}: {path.name} needs a file name that is no other module's and is a Python name")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"{VARIABLE}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module


def files() -> list[Path]:
    """Files of the registered designs that lie elsewhere than in ``kernels/designs``."""
    import kernels.designs

    home = Path(kernels.designs.__path__[0]).resolve()
    found = {Path(design.file).resolve() for design in registry().values()}
    return sorted(file for file in found if home not in file.parents)


def modules() -> list[ModuleType]:
    """Modules whose files are :func:`files`."""
    wanted = files()
    loaded = [(module, getattr(module, "__file__", None)) for module in sys.modules.copy().values()] if wanted else []
    known = {Path(file).resolve(): module for module, file in loaded if file}
    return [known[file] for file in wanted if file in known]


def named() -> str:
    """Return the value of the variable for a new process that needs the same designs."""
    given = [name for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]
    known = {Path(name).resolve() for name in given}
    for module in modules():
        file = Path(module.__file__ or "").resolve()
        name = str(file) if "." not in module.__name__ and file.stem != "__init__" else module.__name__
        if name not in given and Path(name) not in known:
            given.append(name)
    return os.pathsep.join(given)


def _declared(design: Design) -> str:
    """Declarations of a design, which its file may have read from another one; without the addresses of functions."""
    said = (design.name, design.base, design.status, design.locks, design.lost_when_off, design.parameters, design.layout)
    return re.sub(r" at 0x[0-9a-f]+", "", repr(said))


def digest() -> bytes:
    """Hash of the files of designs from outside, of what they import, declare and compile; empty where there are none."""
    from kernels.compiling import contents, sources
    from kernels.compiling.functions import function_of
    from kernels.observing.probe import Count

    outside = files()
    found = [sources.stamp([file]) for file in outside]
    for design in registry().values() if outside else ():
        if Path(design.file).resolve() not in outside:
            continue
        found.append(_declared(design))
        replay = function_of(design.replay)
        if replay is not None:
            found.append(contents.digest_of(replay, (design.state, Count)))
    return "".join(found).encode()
