"""Designs from outside: declarations that contradict each other are refused, and nothing that decides a kernel escapes its key or stamp."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dse import cli
from dse.errors import BadInput, Ended, refusals
from dse.measuring import warming
from dse.naming import mistakes, registered
from dse.sweeps import counting
from kernels import own
from kernels.compiling import contents, sources
from kernels.compiling.errors import BadDesign
from kernels.compiling.functions import function_of
from kernels.compiling.jit import INTERPRETED
from kernels.designs import direct
from kernels.life.registry import REGISTRY, bind
from kernels.observing.probe import Count

ROOT = Path(__file__).resolve().parent.parent
TOY = (ROOT / "tests" / "toy.py").read_text()
NUMBERS = itertools.count()
PARAMETER = '{"1": 1, "3": 3}, "1", "cache lines of a hint")}'
AGAIN = PARAMETER[:-1] + ', "more": s.Parameter(int(C_LINES), {"1": 1}, "1", "")}'
BASED = ', "base": s.Parameter(int(control.C_BASE), s.BASES, "direct", "")}'
REFUSED = {
    "a word for two parameters": (PARAMETER, AGAIN, "uses control word C_LINES, as"),
    "a parameter on a word of state": ("s.Parameter(int(C_LINES)", "s.Parameter(int(S_HINTS)", "S_HINTS, of section state"),
    "a parameter on a size": ("s.Parameter(int(C_LINES)", "s.Parameter(int(control.C_PAGES)", "C_PAGES, a size that is worked out"),
    "a value that is no number": ('"3": 3}', '"3": "x"}', "value '3' stands for 'x', no 64-bit word"),
    "a value below zero": ('"3": 3}', '"3": -3}', "value '3' stands for -3, no 64-bit word"),
    "a value with a comma": ('"3": 3}', '"3": 3, "4,5": 4}', "'4,5' cannot be written as NAME[param=value]"),
    "a name with a bracket": ('name="toy"', 'name="toy[1]"', "'toy[1]' is no name of a design"),
    "a name for several designs": ('name="toy"', 'name="all"', "registers all, a word that stands for several designs"),
    "a replay inlined": ("@outer\ndef run", "@inner\ndef run", "its replay is no function that `outer` made"),
    "a replay not compiled": ("@outer\ndef run", "def run", "its replay is no function that `outer` made"),
    "a replay of three": ("run(st, pr, demands, replies):", "run(st, pr, demands):", "replay takes (st, pr, demands, replies), "),
    "no names": ("own=OWN", "own=None", "own is of type NoneType, not Own"),
    "a lone row": ("layout=LAYOUT", "layout=LAYOUT[0]", "layout is of type Field, not tuple or list"),
    "a row that is none": ("*direct.LAYOUT,", "*direct.LAYOUT, 5,", "the layout has a int, where a Field is needed"),
    "bytes in letters": ('"a guess", 64', '"a guess", "64"', "'64' is no number of bytes"),
    "bytes below zero": ('"a guess", 64', '"a guess", -64', "-64 is no number of bytes"),
    "an allocation without a row": ('("hint",), rcu', '("hnit",), rcu', "which the layout has not, did you mean 'hint'?"),
    "steps of another design": ("s.bind(Toy, STEPS)", "s.bind(direct.Direct, STEPS)", "its steps are bound already: derive a class"),
    "a state that is no class": ("state=Toy", 'state="Toy"', "Toy: a state is a subclass of"),
    "a base that is no name": ("own=OWN", "own=OWN, base=5", "base is 5, not the name of a design"),
    "a parameter of another base": (PARAMETER, PARAMETER[:-1] + BASED, "base is None, its parameter 'base' is 'direct' by default"),
    "a layer that does not say so": ('"lookup": lookup', '"resolve": lookup, "lookup": lookup', "makes it a layer"),
    "an argument that there is not": ('name="toy"', 'titel="x", name="toy"', "argument 'titel', did you mean 'title'? (line "),
    "an argument of a declaration": ("guards=", "guard=", "argument 'guard', did you mean 'guards'? (line "),
    "a lock that is nearly one": ('guards="hint lock"', 'guards="hint lck"', "'hint lck', which is no lock, did you mean 'hint lock'?"),
    "a lock that there is not": ('guards="hint lock"', 'guards="qwx"', "'qwx', which is no lock, valid: "),
    "a name that there is not": ("OWN = Own(", "OWN = Owm(", "NameError: name 'Owm' is not defined, did you mean 'Own'? (line "),
    "an import that there is not": ("import Own", "import Owm", "did you mean 'Own'? (line "),
    "an attribute that there is not": ("s.Parameter(", "s.Paramter(", "did you mean 'Parameter'? (line "),
    "a line that is no Python": ('OWN = Own("toy")', "OWN = Own(", "SyntaxError: "),
    "an exit": ('OWN = Own("toy")', 'raise SystemExit(0)\nOWN = Own("toy")', "does not load: SystemExit: 0"),
    "an error that fails itself": (
        'OWN = Own("toy")', "class Odd(Exception):\n    def __str__(self):\n        raise RuntimeError\nraise Odd",
        "does not load: Odd: an error without a text",
    ),
}  # fmt: skip
Load = Callable[[str], ModuleType]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Load a text as a design's file under a name of its own; forget it after the test."""
    before, names = dict(REGISTRY), []

    def loaded(text: str) -> ModuleType:
        names.append(f"toy_{next(NUMBERS)}")
        path = tmp_path / f"{names[-1]}.py"
        path.write_text(text)
        registered._registering(str(path), "test")
        registered.registry.cache_clear()
        return sys.modules[names[-1]]

    yield loaded
    REGISTRY.clear()
    REGISTRY.update(before)
    registered.registry.cache_clear()
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.skipif(INTERPRETED, reason="decorators return the function itself")
@pytest.mark.parametrize("case", REFUSED)
def test_a_contradiction_is_refused_in_one_line(case: str, load: Load) -> None:
    old, new, says = REFUSED[case]
    assert old in TOY
    with pytest.raises(refusals()) as refused:
        load(TOY.replace(old, new))
    assert refused.type is BadInput
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_a_design_prints_is_no_result(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    load(
        f'print("hello")\nimport sys\nsys.stderr.write("there")\nsys.stdout = sys.stderr = None\n{TOY}'.replace(
            "from __future__ import annotations\n", ""
        )
    )
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "hello\nthere")
    sys.stdout.write("results\n")
    assert capsys.readouterr().out == "results\n"


def test_names_are_closed_once_a_design_is_built_on_them() -> None:
    base = own.Own("base")
    own.Own("design", base)
    with pytest.raises(BadDesign, match="'C_LATE' comes after the names were closed: design is built on them"):
        base.parameter("C_LATE", "")
    with pytest.raises(BadDesign, match=r"every design: control word 'C_MINE' comes after"):
        own.COMMON.parameter("C_MINE", "of a design from outside")


def test_bases_that_share_numbers_further_up_are_refused() -> None:
    one, two = own.Own("one"), own.Own("two")
    one.parameter("C_A", "")
    two.parameter("C_B", "")
    with pytest.raises(BadDesign, match="on one and on two use the same numbers"):
        own.Own("both", own.Own("on one", one), own.Own("on two", two))
    locks, regions = own.Own("locks"), own.Own("regions")
    locks.lock("mine", inside="device")
    regions.region("mine", uncounted="a test")
    assert set(own.Own("neither clashes", locks, regions).all(own.Lock)) > {"mine"}


def test_the_steps_of_a_class_are_bound_once() -> None:
    with pytest.raises(BadDesign, match="Direct: its steps are bound already"):
        bind(direct.Direct, direct.OPERATIONS)


@pytest.mark.skipif(INTERPRETED, reason="nothing is compiled")
def test_the_key_of_a_kernel_from_outside_has_its_content(load: Load) -> None:
    toy = load(TOY.replace("range(st.ctl[C_LINES])", "range(st.ctl[C_LINES] + MORE)").replace("LINE = ", "MORE = u(0)\nLINE = "))
    replay = function_of(toy.run)
    assert replay is not None
    classes = (toy.Toy, Count)
    first = contents.digest_of(replay, classes)
    assert first
    assert contents.digest_of(replay, classes) == first
    toy.MORE = np.uint64(2)  # as if it came from the environment or a data file
    second = contents.digest_of(replay, classes)
    toy.steps.publish.register(toy.Toy, toy.steps.publish.default)
    third = contents.digest_of(replay, classes)
    assert len({first, second, third}) == 3
    shared = function_of(direct.run)
    assert shared is not None
    assert contents.digest_of(shared, (direct.Direct, Count)) == ""
    assert contents.digest_of(shared, (toy.Toy, Count)) != ""


def test_the_file_of_a_design_is_stamped_whoever_builds_it(load: Load) -> None:
    toy = load(TOY.replace("build=build", "build=functools.partial(direct.build)").replace("from typing", "import functools\nfrom typing"))
    assert toy.__file__ is not None
    assert registered.files() == [Path(toy.__file__)]
    assert registered.modules() == [toy]
    assert toy.__file__ in registered.named()
    assert registered.digest()


def test_what_a_design_from_outside_imports_is_stamped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    design = (
        "import os; import after\nfrom folder.first import \\\n    x\nimport package.inside\nimport split, \\\n    on_path\nimport numpy\n"
    )
    empty = ("elsewhere/on_path", "mine/package/__init__", "mine/package/inside", "mine/folder/second", "mine/after", "mine/split")
    files = {f"{name}.py": "" for name in empty} | {"mine/design.py": design, "mine/folder/first.py": "from folder import second"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "elsewhere"), str(tmp_path / "mine")])
    assert set(sources.closure([tmp_path / "mine" / "design.py"])) == {tmp_path / name for name in files}


def test_the_quick_reader_of_imports_misses_none_of_ours() -> None:
    for package in ("kernels", "dse"):
        for path in (ROOT / package).rglob("*.py"):
            quick, whole = (
                {(module, name) for module, names in read for name in names or ("",)}
                for read in (sources._names(path.read_text()), sources._all_names(path.read_bytes()))
            )
            assert whole <= quick, path


DOES = {
    "exits": ("sys.exit(0)", "", "{name}: build fails: {name}.py:{line}: SystemExit: 0"),
    "a failure of its own": ("raise GeneratorExit", "", "{name}: build fails: {name}.py:{line}: GeneratorExit"),
    "closes both streams": ("sys.stdout.close(); sys.stderr.close(); os.close(2); sys.exit(0)", "", "SystemExit: 0"),
    "closes both while it loads": ("pass", "os.close(1); os.close(2); sys.stdout.close(); sys.stderr.close()", ""),
    "goes elsewhere": ("os.chdir('/'); print('hello')", "import os\nos.chdir('/')", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", DOES)
def test_what_a_design_does_to_the_process_ends_with_it(case: str, tmp_path: Path) -> None:
    built, loaded, says = DOES[case]
    name, head = f"toy_{next(NUMBERS)}", "from __future__ import annotations\n"
    text = (
        TOY.replace(head, f"{head}import os, sys\n{loaded}\n")
        .replace("    return Toy(", f"    {built}\n    return Toy(")
        .replace('"toy"', f'"{name}"')
    )
    line = 1 + text.splitlines().index(f"    {built}")
    (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "small.toml").write_text('workload = { generator = "zipf", pages = 512, accesses = 1000 }\nmemory = { limit = 0.4 }\n')
    given = ["compare", "small.toml", "--counted-only", "--designs", f"direct,{name}", "--format", "json", "--results", "here"]
    env = {**os.environ, registered.VARIABLE: f"{name}.py", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "dse.cli", *given], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    if says:
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert done.stderr.splitlines()[-1].endswith(says.format(name=name, line=line))
        assert done.stderr.count("dse: error: ") == 1
    else:
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["rows"]
        assert (tmp_path / "here" / "runs").is_dir()


def test_an_exit_of_a_design_is_no_success(load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = load(f"{TOY}\nimport sys\n\n\ndef leave():\n    sys.exit(0)\n")
    monkeypatch.setattr("dse.commands.designs.run", lambda _: module.leave())
    assert cli.main(["designs"]) == 2
    assert capsys.readouterr().err == "dse: error: design toy ends the program: SystemExit: 0\n"
    monkeypatch.setattr("dse.commands.designs.run", lambda _: (_ for _ in ()).throw(Ended(143)))
    assert cli.main(["designs"]) == 143
    assert cli.main(["designs", "--help"]) == 0


def test_an_exit_is_the_result_of_a_configuration() -> None:
    assert counting.attempted(lambda: sys.exit(0)) == {"status": "failed: SystemExit: 0"}


def test_what_a_design_reads_from_a_file_of_its_own_is_in_the_digest(load: Load) -> None:
    module = load(TOY)
    (name,) = [name for name, design in REGISTRY.items() if design.file == module.__file__]
    design, before = REGISTRY[name], registered.digest()
    assert registered.digest() == before
    lines = {**design.parameters, "lines": dataclasses.replace(design.parameters["lines"], values={"1": 1, "3": 5})}
    for changed in ({"parameters": lines}, {"layout": design.layout[:-1]}, {"locks": ()}):
        REGISTRY[name] = dataclasses.replace(design, **changed)  # `load` takes it out; monkeypatch would put it back after that
        registered.registry.cache_clear()
        assert registered.digest() != before


@pytest.mark.skipif(INTERPRETED, reason="nothing is compiled")
def test_an_undefined_name_in_a_kernel_has_its_nearest(load: Load) -> None:
    load(TOY.replace("            touch(pr, R_HINT", "            tuch(pr, R_HINT"))
    with pytest.raises(refusals(), match=r"name 'tuch' is not defined, did you mean 'touch'\?"):
        warming.warm([("toy", "count")])


def test_advice_never_fails_itself() -> None:
    class Odd:
        def __dir__(self) -> list[str]:
            raise RuntimeError

    assert mistakes.meant(AttributeError("x", name="x", obj=Odd())) == ""
    assert mistakes.meant(TypeError("nothing.known() got an unexpected keyword argument 'a'")) == ""
    assert mistakes.meant(NameError("name 'zzqq' is not defined", name="zzqq")) == ""
    assert mistakes.line_of(ValueError("no frames"), Path("a.py")) == 0
