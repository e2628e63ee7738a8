"""Scenarios: every built-in loads, every mistake is named with its file and line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import documenting, scenario
from dse.errors import BadInput

NAMES = (
    "no-move",
    "fill",
    "churn",
    "exit-56g",
    "writeback",
    "swap-full",
    "tier-move",
    "swapoff",
    "fork-snapshot",
    "memcg-cap",
    "threads",
    "folios",
    "readahead",
)
HEAD = '[workload]\ngenerator = "zipf"\n'


def test_the_built_in_names() -> None:
    assert set(NAMES) == set(scenario.builtin())


@pytest.mark.parametrize("name", NAMES)
def test_built_in(name: str) -> None:
    made = scenario.load(name)
    assert made.name == name
    assert made.title
    assert made.why
    assert made.questions
    again = scenario.from_values(name, json.loads(made.canonical))
    assert again.values == made.values
    assert again.digest == made.digest


def test_digests_differ_and_ignore_text() -> None:
    assert len({scenario.load(name).digest for name in NAMES}) == len(NAMES)
    plain = scenario.parse(HEAD, "a.toml", "a")
    assert scenario.parse(f'title = "x"\nquestions = [3]\n{HEAD}', "b.toml", "b").digest == plain.digest
    assert scenario.parse(HEAD + "theta = 0.99\n", "c.toml", "c").digest == plain.digest
    assert scenario.parse(HEAD + "theta = 1\n", "d.toml", "d").digest != plain.digest


def test_frozen() -> None:
    made = scenario.load("writeback")
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.moves.rate = 3.0


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (HEAD + "[moves]\n# rte = 1\nrte = 1\n", "f.toml:5: unknown key 'moves.rte', did you mean 'moves.rate'?"),
        (HEAD + "[moves]\nmigration_rate = 1\n", "f.toml:4: unknown key 'moves.migration_rate', did you mean 'moves.rate'?"),
        (HEAD + "[moves]\nrate = 10.5\n", "f.toml:4: moves.rate is from 0 to 10, got 10.5"),
        (HEAD + "[moves]\nrate = -1\n", "f.toml:4: moves.rate is from 0 to 10, got -1"),
        (HEAD + "[moves]\nrate = nan\n", "f.toml:4: moves.rate is from 0 to 10, got nan"),
        (HEAD + '[moves]\nrate = "1"\n', "f.toml:4: moves.rate is a number, got '1'"),
        (HEAD + "[moves]\nlimit = 1\n", "f.toml:4: key 'limit' belongs in [memory], not in [moves]"),
        (HEAD + '[moves]\ntiers = ["ssd"]\n', "f.toml:4: moves.tiers are at least two different"),
        (HEAD + '[moves]\ntiers = ["ssd", "sdd"]\n', "f.toml:4: unknown moves.tiers value 'sdd', did you mean 'ssd'?"),
        (HEAD + "[moves]\ntiers = 3\n", "f.toml:4: moves.tiers is a list of names"),
        (HEAD + "[memry]\nlimit = 1\n", "f.toml:3: unknown table 'memry', did you mean 'memory'?"),
        (HEAD + "[memory]\nbatch = true\n", "f.toml:4: memory.batch is a whole number, got True"),
        (HEAD + "[memory]\nbatch = 2.0\n", "f.toml:4: memory.batch is a whole number, got 2.0"),
        (HEAD + "[memory]\nlimit = 0\n", "f.toml:4: memory.limit is above 0"),
        (HEAD + "[backend]\nwriteback = 1\n", "f.toml:4: backend.writeback is true or false"),
        (HEAD + "[backend]\nmix = {}\n", "f.toml:4: backend.mix sums to 0, not 1"),
        (HEAD + "[backend]\nmix = { zswap = 0.5 }\n", "f.toml:4: backend.mix sums to 0.5, not 1"),
        (HEAD + "[backend.mix]\nzswap = 0.5\nfloppy = 0.5\n", "f.toml:3: unknown backend.mix value 'floppy'"),
        (HEAD + "[backend]\nmix = 1\n", "f.toml:4: backend.mix is a table such as"),
        (HEAD + '[backend]\nplacement = "ssd"\nmix = { ssd = 1.0 }\n', "f.toml:5: give backend.placement or backend.mix"),
        (HEAD + "[backend]\nzero_share = 0.6\nincompressible_share = 0.6\n", "f.toml:5: backend.zero_share + backend."),
        (HEAD + '[swapoff]\ndevice = "ssd"\ntarget = "ssd"\n', "f.toml:5: swapoff.device and swapoff.target are both ssd"),
        (HEAD + 'trace = "sort"\n', "f.toml:2: give workload.trace or workload.generator, not both"),
        ("title = 3\n" + HEAD, "f.toml:1: title is text"),
        ("questions = [0]\n" + HEAD, "f.toml:1: questions is a list of numbers"),
        ("workload = 3\n", "f.toml:1: workload is a table"),
        ("[memory]\nlimit = 0.5\n", "needs trace or generator"),
        ("", "f.toml:1: [workload] needs trace or generator"),
        ("[workload\n", "f.toml:1: "),
        (HEAD + 'trace = "a\n', "f.toml:3: "),
        (HEAD + HEAD, "f.toml:3: "),
        ('why = """\n[moves]\nrte = 1\n"""\n' + HEAD + "[moves]\nrte = 2\n", "f.toml:8: unknown key 'moves.rte'"),
        ("workload.generator = 'zipf'\nmoves.rte = 2\n", "f.toml:2: unknown key 'moves.rte'"),
    ],
)
def test_mistakes_are_located(source: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        scenario.parse(source, "f.toml", "f")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=200))
def test_any_text_is_a_scenario_or_bad_input(source: str) -> None:
    with pytest.raises(BadInput) as caught:  # never a valid one: [workload] is required
        scenario.parse(source, "f.toml", "f")
    assert str(caught.value).startswith("f.toml:")


@given(st.integers(0, 30), st.integers(0, 30))
def test_line_of_a_key_below_comments(above: int, between: int) -> None:
    source = "#\n" * above + HEAD + "\n" * between + "[moves]\nx = 1\n"
    assert scenario.line_of(source, ("moves", "x")) == above + 2 + between + 2


def test_lines_end_as_toml_says() -> None:
    source = HEAD + "# a form feed is no end of line: \u2028 \x85\n[moves]\nrte = 1\n"
    with pytest.raises(BadInput, match=r"f\.toml:5: unknown key 'moves\.rte'"):
        scenario.parse(source, "f.toml", "f")
    with pytest.raises(BadInput, match=r"f\.toml:5: unknown key 'moves\.rte'"):
        scenario.parse(source.replace("\n", "\r\n"), "f.toml", "f")


def test_loading_files(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD)
    assert scenario.load(path).name == "mine"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="not UTF-8 text"):
        scenario.load(path)
    with pytest.raises(BadInput, match="no such file"):
        scenario.load(tmp_path / "none.toml")
    with pytest.raises(BadInput, match="is a folder, not a file"):
        scenario.load(f"{tmp_path}/")
    with pytest.raises(BadInput, match="unknown scenario 'writback', did you mean 'writeback'"):
        scenario.load("writback")


def test_changes() -> None:
    base = scenario.load("writeback")
    still = base.but(moves__rate=0)
    assert still.moves.rate == 0.0
    assert still.title == base.title
    assert still.digest != base.digest
    assert base.but(**{"moves.rate": base.moves.rate}).digest == base.digest
    with pytest.raises(BadInput, match=r"scenario writeback: moves\.rate is from 0 to 10"):
        base.but(moves__rate=11)
    with pytest.raises(BadInput, match=r"unknown key 'moves\.rte', did you mean 'moves\.rate'"):
        base.but(moves__rte=1)
    with pytest.raises(BadInput, match="unknown table 'moved', did you mean 'moves'"):
        base.but(moved__rate=1)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ('[workload]\ngenerator = "zipf"\ncopies = 4\n', "f.toml:3: workload.copies has no effect: it is of a trace"),
        ('[workload]\ntrace = "sort"\ntheta = 0.5\n', "f.toml:3: workload.theta has no effect: it is of a generator"),
        ('[workload]\ngenerator = "scan"\ntheta = 0.5\n', "f.toml:3: workload.theta has no effect: it is of the generators zipf"),
        ('[workload]\ngenerator = "zipf"\nworking_set = 0.3\n', "f.toml:3: workload.working_set has no effect"),
        ('[workload]\ngenerator = "zipf"\n[fork]\nchildren = 3\n', "f.toml:4: fork.children has no effect: it is of the generator fork"),
        ('[workload]\ngenerator = "zipf"\n[swapoff]\nat = 0.5\n', "f.toml:4: swapoff.at has no effect"),
        (
            '[workload]\ngenerator = "zipf"\n[backend]\nmix = { ssd = 1.0 }\nzswap_share = 0.3\n',
            "f.toml:5: backend.zswap_share has no effect",
        ),
    ],
)
def test_keys_without_effect_are_refused(source: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        scenario.parse(source, "f.toml", "f")
    assert says in str(caught.value)


def test_a_default_may_be_written_out() -> None:
    assert scenario.parse('[workload]\ngenerator = "zipf"\ncopies = 1\n', "f.toml", "f").workload.copies == 1


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("moves.rate=0.3", ("moves.rate", 0.3)),
        ("workload.trace=sort", ("workload.trace", "sort")),
        ("a.b=[1]", ("a.b", [1])),
    ],
)
def test_overrides(text: str, pair: tuple[str, object]) -> None:
    assert scenario.override(text) == pair


@pytest.mark.parametrize("text", ["moves.rate", "rate=3", ""])
def test_bad_overrides(text: str) -> None:
    with pytest.raises(BadInput, match=r"section\.key=value"):
        scenario.override(text)


def test_limits() -> None:
    base = scenario.load("no-move")
    assert base.limit_pages(1000) == 500
    assert base.but(memory__limit=123).limit_pages(1000) == 123
    assert base.but(memory__limit=1).limit_pages(1000) == 1000


def test_every_key_is_documented_and_its_default_is_valid() -> None:
    page = scenario.reference()
    values = scenario.load("no-move").values
    for info in list(scenario.keys()):
        assert info.help
        assert info.kind in ("int", "float", "str", "bool", "list", "table")
        assert f"| {info.name} | {info.kind} |" in page
        assert info.name in values[info.section]


def test_pages_are_written(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert documenting.main(str(tmp_path)) == 0
    assert "| rate | float |" in (tmp_path / "scenario-keys.md").read_text()
    assert "| ssd.read |" in (tmp_path / "parameters.md").read_text()
    assert "wrote" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0.3\nbogus=1", "0.3\n[x]", "0.3 # most", "1\nv.x = 2", "'a'\nb = 'c'"])
def test_a_setting_is_one_value(text: str) -> None:
    """Text behind the value is refused, not dropped."""
    with pytest.raises(BadInput) as said:
        scenario.load("writeback").but(**dict([scenario.override(f"memory.limit={text}")]))
    assert "memory.limit takes one value" in str(said.value) or "limit is a number" in str(said.value)


def test_settings_of_one_value() -> None:
    assert scenario.override("memory.limit=0.3\n") == ("memory.limit", 0.3)
    assert scenario.override("moves.tiers=['zswap',\n'ssd']") == ("moves.tiers", ["zswap", "ssd"])
    assert scenario.override("backend.mix={zswap=0.5,ssd=0.5}")[1] == {"zswap": 0.5, "ssd": 0.5}


def test_a_mix_of_nothing_is_no_setting() -> None:
    with pytest.raises(BadInput, match=r"scenario writeback: backend\.mix sums to 0, not 1"):
        scenario.changed(scenario.load("writeback"), {"backend.mix": {}})
    with_mix = scenario.changed(scenario.load("writeback"), {"backend.mix": {"ssd": 1.0}})
    assert scenario.changed(with_mix, {"backend.placement": "zram"}).backend.mix == {}


def test_figures_in_refusals_have_all_their_digits() -> None:
    base = scenario.load("writeback")
    with pytest.raises(BadInput, match=r"mix sums to 1\.000001, not 1"):
        base.but(**{"backend.placement": None, "backend.mix": {"zswap": 0.5, "ssd": 0.500001}})
    with pytest.raises(BadInput, match="seed is from 0 to 9,223,372,036,854,775,807, got -1"):
        base.but(**{"replay.seed": -1})


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ("[memory]\nlimit = 1.5\n", "limit 1.5 is no whole number of pages, and no share"),
        (
            '[backend]\nmix = { ssd = 1.0 }\n[swapoff]\ndevice = "hdd"\n',
            "no page is ever on hdd: backend.mix and moves.tiers",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, tables: str, says: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f'[workload]\ngenerator = "zipf"\npages = 1000\naccesses = 5000\n{tables}', encoding="utf-8")
    with pytest.raises(BadInput, match=says):
        scenario.load(path)
