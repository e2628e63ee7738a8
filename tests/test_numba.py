"""Numba, honestly: its private names are checked, the ordinary way gives the same counters, and what is compiled our way is ours."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numba.core import itanium_mangler

from dse.testing import streams
from kernels.compiling import ours, patches
from kernels.compiling.jit import INTERPRETED, LEAN, OUTER, PLAIN, UNCACHED
from kernels.designs import direct
from kernels.observing import probe

if not INTERPRETED:
    from numba import njit, types

    from kernels.compiling import linking
    from kernels.compiling.flat import FlatType

pytestmark = pytest.mark.skipif(INTERPRETED, reason="nothing is compiled")
ROOT = Path(__file__).resolve().parent.parent


def python(*arguments: str, folder: Path, path: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, with a cache of its own there; `path` comes before this checkout."""
    names = {name: value for name, value in os.environ.items() if name not in (patches.VARIABLE, patches.SAID, "DSE_TRACEBACK")}
    names |= {"NUMBA_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": os.pathsep.join(filter(None, [path, str(ROOT)])), **env}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=names, cwd=folder, capture_output=True, text=True, check=False, timeout=900)


# the table of names


def test_numba_is_capped_to_the_minor_that_was_tested() -> None:
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (numba,) = (need for need in needs if need.startswith("numba"))
    low, high = re.fullmatch(r"numba>=0\.(\d+),<0\.(\d+)", numba).groups()  # type: ignore[union-attr]
    (pin,) = re.findall(r"^numba==0\.(\d+)\.", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert int(high) == int(low) + 1
    assert pin == low


def test_every_name_has_its_shape_in_the_numba_that_is_installed() -> None:
    assert (PLAIN, UNCACHED) == ("", "")
    assert LEAN


def _numba_names(tree: ast.Module) -> dict[str, str]:
    """Local names of a module that stand for modules and objects of ``numba.core``."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("numba"):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _chains(tree: ast.Module, names: dict[str, str]) -> set[str]:
    """Dotted names of Numba that a module imports or asks its modules for."""
    found = {full for full in names.values() if full.rpartition(".")[2][:1].isupper() or full.endswith("register_pass")}
    for node in ast.walk(tree):
        parts: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            parts, inner = [inner.attr, *parts], inner.value
        if parts and isinstance(inner, ast.Name) and inner.id in names:
            found.add(".".join([names[inner.id], *parts]))
    return found


@pytest.mark.parametrize("name", ["pipeline", "linking", "caches"])
def test_the_table_holds_every_name_that_is_used(name: str) -> None:
    tree = ast.parse((ROOT / "kernels" / "compiling" / f"{name}.py").read_text())
    table = patches.LEAN | patches.CACHING
    dotted = {key.replace(":", ".") for key in table}
    public = {"numba.types", "numba.core.types", "numba.config"}
    used = {chain for chain in _chains(tree, _numba_names(tree)) if chain.rpartition(".")[0] not in public}
    assert {chain for chain in used if not any(f"{key}.".startswith(f"{chain}.") for key in dotted)} == set()
    words = {word for key, shape in table.items() for word in re.findall(r"\w+", f"{key} {shape}")}
    own = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    own |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    private = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and re.match(r"_[a-z]", n.attr)}
    assert private - own - words == set()


def test_a_shape_says_how_a_name_differs() -> None:
    name, other = "numba.core.transforms:canonicalize_cfg", "numba.core.transforms:find_setupwiths"
    assert patches.difference(name, "(blocks)") == ""
    assert patches.difference(name, "(blocks, more)") == f"{name} is (blocks), not (blocks, more)"
    assert patches.difference(name, "(blocks) uses nothing_known") == f"{name} no longer uses nothing_known"
    assert patches.difference(name, "class") == f"{name} is callable, not class"
    assert patches.difference(name, f"= {other}") == f"{name} is no longer {other}"
    assert patches.difference("numba.core.transforms:gone", "callable") == "numba.core.transforms:gone is missing"
    assert patches.difference("numba.gone:gone", "callable") == "numba.gone:gone is missing"


# the ordinary way

SIGNATURE = """
from numba.core.postproc import PostProcessor
old = PostProcessor.run
PostProcessor.run = lambda self, emit_dels=False, extend_lifetimes=False, more=None: old(self, emit_dels, extend_lifetimes)
"""
OBJECT = """
from numba.core import lowering
old = lowering.new_error_context
lowering.new_error_context = lambda text, *args, **kws: old(text, *args, **kws)
"""
CACHE = """
from numba.core import caching
caching._CacheLocator.subpath = caching._CacheLocator.get_suitable_cache_subpath
del caching._CacheLocator.get_suitable_cache_subpath
"""
OTHER = {
    "another signature": (SIGNATURE, "numba.core.postproc:PostProcessor.run is (self, emit_dels=, extend_lifetimes=, more=)", "False True"),
    "another object": (OBJECT, "numba.core.lowering:new_error_context is no longer numba.core.errors:new_error_context", "False True"),
    "another cache": (CACHE, "not kept (numba.core.caching:_CacheLocator.get_suitable_cache_subpath is missing)", "True False"),
    "asked for": ("import os; os.environ['DSE_PLAIN_NUMBA'] = '1'", "DSE_PLAIN_NUMBA is set", "False True"),
}
TRY = """
import numpy as np
from kernels.compiling import jit
from kernels.compiling.constants import U1
from kernels.compiling.flat import Flat, U64Array


class State(Flat):
    words: U64Array


@jit.operation
def step(st, i):
    ...


@jit.inner
def counted(st, at):
    st.words[at] += U1
    return st.words[at]


@jit.outer
def run(st, i):
    return step(st, i) + U1


step.register(State, counted)
print(jit.LEAN, not jit.UNCACHED, run(State(words=np.full(3, 40, np.uint64)), np.uint64(2)))
"""


@pytest.mark.parametrize(("fake", "says", "ways"), OTHER.values(), ids=OTHER)
def test_another_numba_is_used_the_ordinary_way_and_one_line_says_why(fake: str, says: str, ways: str, tmp_path: Path) -> None:
    (tmp_path / "tried.py").write_text(f"{fake}\n{TRY}")
    done = python("tried.py", folder=tmp_path)
    assert done.stdout == f"{ways} 42\n", done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("swapdse: ")
    assert says in line


def test_kernels_are_imported_without_the_names(tmp_path: Path) -> None:
    fake = "from numba.core import codegen, event\ndel codegen.JITCPUCodegen.set_env, event.install_timer\n"
    done = python("-c", f"{fake}import kernels.designs; print('there')", folder=tmp_path)
    assert done.stdout == "there\n", done.stderr
    assert "numba.core.event:install_timer is missing" in done.stderr


REPLAY = """
from tests.test_numba import replayed
print(replayed())
"""


def replayed() -> str:
    """Digest of the replies, the counters and the end state of a short replay of direct, counted."""
    demands = np.ascontiguousarray(streams.random_demands(streams.TINY, 600, 1))
    st, pr, replies = direct.build(streams.TINY.config()), probe.make("count"), np.zeros(len(demands), np.uint8)
    direct.run(st, pr, demands, replies)
    digest = hashlib.sha256(replies.tobytes())
    for array in (*st.arrays().values(), *pr.arrays().values()):
        digest.update(array.tobytes())
    return digest.hexdigest()


@pytest.mark.slow
def test_the_ordinary_way_counts_the_same(tmp_path: Path) -> None:
    """With NUMBA_OPT=0, which takes 20 s; with the usual optimisation it takes 26 s."""
    done = python("-W", "ignore", "-c", REPLAY, folder=tmp_path, DSE_PLAIN_NUMBA="1", NUMBA_OPT="0")
    assert done.stdout == f"{replayed()}\n", done.stderr
    assert len(done.stderr.splitlines()) == 1


# what is ours


def loaded(name: str, text: str, folder: Path) -> ModuleType:
    """A module from its text."""
    path = folder / f"{name}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_ours_is_what_went_through_our_decorators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "kernels_extra", raising=False)
    extra: Any = loaded("kernels_extra", "from numba import njit\n@njit\ndef double(x):\n    return x + x\n", tmp_path)
    text = (
        "import kernels_extra\nfrom kernels.compiling.jit import called, inner, outer\n"
        "@inner\ndef near(x):\n    return kernels_extra.double(x)\n"
        "@called\ndef far(x):\n    return near(x)\n@outer\ndef run(x):\n    return far(x) + near(x)\n"
    )
    design: Any = loaded("my_toy", text, tmp_path)
    assert int(design.run(np.uint64(3))) == 12
    for fn, mine in ((design.near, True), (design.far, True), (design.run, True), (extra.double, False)):
        assert ours.is_ours(fn.py_func.__module__, fn.py_func.__qualname__) is mine
        assert (ours.symbol_of(fn) in ours.SYMBOLS) is mine
        (result,) = fn.overloads.values()
        assert ours.prefix_of(result.fndesc.mangled_name) == ours.symbol_of(fn)
        assert result.library.helper is (mine and fn is not design.run)
    assert ours.symbol_of(design.far) in ours.APART
    assert ours.symbol_of(design.near) not in ours.APART


def test_symbols_are_those_of_numba() -> None:
    assert len(ours.FUNCTIONS) > 100
    for module, name in [*ours.FUNCTIONS, ("a.b_1", "f.<locals>.<lambda>"), ("ä.9x", "f"), ("__main__", "f")]:
        symbol = itanium_mangler.mangle(f"{module}.{name}", (types.uint64,), uid=17)
        assert symbol.startswith(ours.mangled(module, name))
        assert ours.prefix_of(symbol) == ours.mangled(module, name)
    for other in ("", "printf", "_ZN", "_ZN7kernels6memory4f_isE", "cfunc._ZN7kernels6memory4f_isB2v9E"):
        assert ours.prefix_of(other) == ""


def test_hot_and_apart_name_functions_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rename, a decorator in another order or another scheme of symbols would drop a function from INLINED or APART in silence."""
    assert ours.INLINED | ours.APART <= ours.SYMBOLS
    seen: dict[str, set[bytes]] = {}
    mark = linking.mark

    def marked(module: Any) -> None:
        mark(module)
        seen.update({fn.name: set(b" ".join(fn.attributes).split()) for fn in module.functions if not fn.is_declaration})

    monkeypatch.setattr(linking, "mark", marked)
    kind = (FlatType(direct.Direct), FlatType(probe.Off), types.Array(types.uint64, 2, "C"), types.Array(types.uint8, 1, "C"))
    njit(**{**OUTER, "cache": False})(direct.run.py_func).compile(kind)
    reached = {ours.prefix_of(name) for name in seen}
    hot, apart = reached & ours.INLINED, reached & ours.APART
    assert len(hot) > 15
    assert len(apart) > 15
    for name, attributes in seen.items():
        if name.startswith("NRT_"):
            continue  # Numba's own, linked where anything in the process needed it
        prefix = ours.prefix_of(name)  # the probe is of class Off: helpers without a probe are inlined as well
        assert (b"alwaysinline" in attributes) == (prefix in hot), name
        assert (b"noinline" in attributes) == (prefix in apart - hot), name
    for (module, name), fn in ours.FUNCTIONS.items():
        dispatcher = getattr(sys.modules.get(module), name, None)  # a design from outside may have been unloaded
        for result in getattr(dispatcher, "overloads", {}).values():
            assert ours.prefix_of(result.fndesc.mangled_name) == ours.symbol_of(fn)
