"""Refusals in one line: another package called kernels, and designs that do not compile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.naming import registered
from dse.testing import streams
from kernels.compiling.errors import BadDesign
from kernels.compiling.jit import INTERPRETED
from kernels.designs import direct
from kernels.observing import probe
from tests.test_numba import loaded, python

pytestmark = pytest.mark.skipif(INTERPRETED, reason="nothing is compiled")

# another package called kernels

HIDES = {"other": "VERSION = 1", "failing": "raise ImportError('needs something heavy')"}


@pytest.mark.parametrize("text", HIDES.values(), ids=HIDES)
def test_another_package_called_kernels_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "first" / "kernels" / "__init__.py"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    says = f"{file} is another package called kernels and hides that of swapdse: uninstall the other one or take its folder from PYTHONPATH"
    done = python("-m", "dse.cli", "ledger", "direct", folder=tmp_path, path=str(file.parent.parent))
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert line.startswith(f"dse: error: {says}")
    called = python("-c", "import dse; dse.ledger('direct')", folder=tmp_path, path=str(file.parent.parent))
    assert called.stderr.splitlines()[-1].startswith(f"dse.errors.BadInput: {says}")
    assert python("-m", "dse.cli", "--help", folder=tmp_path, path=str(file.parent.parent)).returncode == 0


def test_help_does_not_import_numba(tmp_path: Path) -> None:
    script = "import sys, dse.cli; dse.cli.main(['--help']); print('numba' in sys.modules, file=sys.stderr)"
    assert python("-c", script, folder=tmp_path).stderr == "False\n"


# kernels that do not compile

DESIGN = '''"""A design with a step that does not compile."""
from kernels.compiling.jit import inner, outer, u
from kernels.designs import direct
from kernels.life import registry as s
from kernels.life import replay


class Wrong(direct.Direct):
    """State."""


@inner
def lookup(st, pr, entry):
    """The step."""
    {step}
    return u(0)


def build(config):
    """Build a state."""
    return Wrong(**direct.build(config).arrays())


s.bind(Wrong, direct.OPERATIONS | {{"lookup": lookup}})


@outer
def run(st, pr, demands, replies):
    """Replay."""
    replay.run(st, pr, demands, replies)


s.register(
    s.Design(
        name="wrong", title="wrong", state=Wrong, build=build, replay=run, layout=direct.LAYOUT, parameters=direct.PARAMETERS,
        locks=direct.LOCKS, sources=("wrong.py",), notes="", file=__file__,
    )
)
'''
STEP_AT = DESIGN.splitlines().index("    {step}") + 1
STEPS = {
    "raises": ("raise ValueError(entry)", "a kernel replies with a code; it raises nothing"),
    "type error": ("entry = entry + None", "no implementation of add(uint64, none)"),
    "misspelt": ("entry = lokup(st, entry)", "name 'lokup' is not defined"),
    "no such field": ("entry = st.smapp[entry]", "Unknown attribute 'smapp' of type Direct"),
    "other arguments": ("entry = swapfile.lookup(st, entry)", "missing a required argument"),
    "comprehension": ("entry = [x for x in range(3)]", "a kernel defines no function and has no comprehension"),
}


SMALL = """
from kernels.compiling.jit import inner, operation, outer, u
from kernels.designs import direct
from kernels.life import swapfile
@operation
def lookup(st, pr, entry):
    ...
@inner
def wrong_lookup(st, pr, entry):
    {step}
    return u(0)
@inner
def between(st, pr, entry):
    return lookup(st, pr, entry)
lookup.register(direct.Direct, wrong_lookup)
@outer
def run(st, pr, entry):
    return between(st, pr, entry)
"""


@pytest.mark.parametrize(("number", "step", "says"), [(i, *step) for i, step in enumerate(STEPS.values())], ids=STEPS)
def test_what_is_wrong_with_a_step_is_said_in_one_line(number: int, step: str, says: str, tmp_path: Path) -> None:
    module: Any = loaded(f"small_{number}", SMALL.format(step=step), tmp_path)
    with pytest.raises(BadDesign) as found:
        module.run(direct.build(streams.TINY.config()), probe.make("off"), np.uint64(1))
    place, _, what = str(found.value).partition(": ")
    line = SMALL.splitlines().index("    {step}") + 1
    assert place == f"{tmp_path.resolve()}/small_{number}.py:{line}"
    assert says in what
    assert "\n" not in what


@pytest.mark.parametrize("name", ["raises", "type error"])
def test_a_step_that_does_not_compile_is_a_line_of_the_command(name: str, tmp_path: Path) -> None:
    step, says = STEPS[name]
    (tmp_path / "wrong.py").write_text(DESIGN.format(step=step))
    done = python("-m", "dse.cli", "explain", "swap_in", "--designs", "wrong", folder=tmp_path, **{registered.VARIABLE: "wrong.py"})
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("dse: compiling ")]
    assert line == f"dse: error: wrong.py:{STEP_AT}: {says}"


def test_the_ordinary_way_refuses_what_raises(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(DESIGN.format(step=STEPS["raises"][0]))
    env = {registered.VARIABLE: "wrong.py", "DSE_PLAIN_NUMBA": "1"}
    done = python("-m", "dse.cli", "explain", "swap_in", "--designs", "wrong", folder=tmp_path, **env)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].endswith(f"wrong.py:{STEP_AT}: {STEPS['raises'][1]}")
    assert "Traceback" not in done.stderr


def test_a_process_that_compiles_ahead_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(DESIGN.format(step=STEPS["raises"][0]))
    done = python("-m", "dse.measuring.warming", "wrong:off", folder=tmp_path, **{registered.VARIABLE: "wrong.py"})
    assert done.returncode == 2
    assert done.stderr == f"wrong.py:{STEP_AT}: {STEPS['raises'][1]}\n"
