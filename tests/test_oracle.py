"""oracle: what the lower bound costs, and that nothing names it as the best: it cannot be built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dse
from dse import cli, naming
from dse.describing import catalogue
from dse.errors import BadInput
from dse.reports import answer
from dse.sweeps import space
from dse.testing import invariants
from kernels import control
from kernels import demand as d
from kernels.designs.oracle import own
from kernels.observing import probe
from tests.test_answer import HAND, found, of_design
from tests.test_asking import OWN
from tests.test_ghost import Live

PLACES = {"zswap": 64, "ssd": 64, "hdd": 64}
OPERATIONS = ("swap_out", "swap_in", "zap", "fork", "cache_hit", "writeback_end", "move")


def live(**more: Any) -> Live:
    return Live("oracle", **{"slots": PLACES} | more)


def sound(one: Live) -> None:
    assert invariants.check("oracle", one.st, one.probe) == []


# -- what it costs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("op", OPERATIONS)
@pytest.mark.parametrize("backend", ["zswap", "ssd"])
def test_no_design_goes_below_it(op: str, backend: str) -> None:
    """Lines, locks, allocations and chain of every step, beside today's kernel and a layer."""
    names = ("oracle", "swap_table_p4", "vswap_ste", "redirect")
    bound, *designs = (dse.explain(op, name, slots=2048, backend=backend)["designs"][0]["totals"] for name in names)
    for other in designs:
        for what in ("lines", "chain", "locked_sections", "allocations"):
            assert bound[what] <= other[what], (what, bound[what], other[what])
    assert bound["locked_sections"] == 0


def test_it_keeps_eight_bytes_a_page_and_nothing_else() -> None:
    for backend in ("zswap", "ssd", "zero"):
        found = dse.ledger("oracle", 1 << 20, 0.5, backend)
        assert (found["total_bytes"], found["static_bytes"]) == (8 << 19, 0)
        assert sum(row["header_bytes"] for row in found["rows"]) == 0


@pytest.mark.interpreted
def test_data_moves_and_neither_pte_nor_count_is_looked_at() -> None:
    one = live()
    assert one.out(0) + one.run(d.pack(d.FORK, 0, count=1, payload=1)) == ["swap_out", "fork"]
    before = one.st.pte.copy()
    moves = d.pack(d.MOVE, 0, backend=d.ZSWAP, payload=d.SSD), d.pack(d.MOVE, 0, backend=d.SSD, payload=d.HDD)
    assert one.run(*moves) == ["move"] * 2
    assert (one.st.pte == before).all()
    assert [one.used(d.SSD), one.used(d.HDD), *one.word(control.S_ZE_LIVE, own.S_WORDS)] == [0, 1, 0, 1]
    row = one.probe.tally[d.MOVED * probe.COLUMNS :][: probe.COLUMNS]
    assert [int(row[int(what)]) for what in (probe.PTES, probe.LOCKS)] == [0, 0]
    assert one.run(d.pack(d.FAULT, 0), d.pack(d.FAULT, 32)) == ["swap_in", "cache_hit"]
    assert one.word(control.S_LOST) == [0]
    sound(one)


@pytest.mark.interpreted
def test_a_swapoff_visits_the_pages_of_its_device_alone() -> None:
    one = live()
    for page in range(4):
        one.out(page, d.SSD if page < 3 else d.HDD)
    assert one.run(d.pack(d.SWAPOFF, 0, backend=d.SSD, payload=d.MEMORY)) == ["swapoff"]
    assert one.word(control.S_SCANNED) == [3]
    assert one.run(*(d.pack(d.FAULT, page) for page in range(4))) == ["cache_hit"] * 3 + ["swap_in"]
    assert one.word(control.S_LOST) == [0]
    sound(one)


# -- it is no proposal ------------------------------------------------------------------------------


def test_no_word_for_several_designs_includes_it() -> None:
    assert "oracle" in naming.registry()
    assert [name for name in naming.registry() if naming.bound(name)] == ["oracle"]
    assert "oracle" not in naming.buildable()
    for word in ("all", "layers"):
        assert "oracle" not in [named.text for named in naming.parse_many(word)]
    assert "oracle" not in [named.text for named in naming.default_designs()]
    assert "oracle" not in space.load("default").designs
    assert not naming.proposed("oracle")


def test_its_page_and_its_status_say_so() -> None:
    design = naming.parse("oracle").design
    for text in (design.title, design.status, design.notes, catalogue.page("oracle").partition("Status")[0]):
        assert "cannot be built" in text
    assert "never a winner" in (Path(__file__).resolve().parent.parent / "README.md").read_text()


def test_a_sweep_and_a_question_refuse_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "oracle is a lower bound, which cannot be built, and no verdict may name it"
    wide = tmp_path / "wide.toml"
    text = (Path(space.__file__).parent / "spaces" / "default.toml").read_text()
    wide.write_text(text.replace('[axes.design]\nvalues = "all"', '[axes.design]\nvalues = ["swap_table_p4", "oracle"]'))
    assert cli.main(["sweep", str(wide), "--trials", "2"]) == cli.BAD
    assert said in capsys.readouterr().err
    wide.write_text(text.replace('baseline = "direct"', 'baseline = "oracle"'))
    assert cli.main(["sweep", str(wide), "--trials", "2"]) == cli.BAD
    assert said in capsys.readouterr().err
    mine = tmp_path / "mine.toml"
    mine.write_text(OWN.replace("swap_desc", "oracle"))
    assert cli.main(["ask", str(mine)]) == cli.BAD
    assert said in capsys.readouterr().err
    with pytest.raises(BadInput, match=said):
        naming.refuse_bound("oracle")
    naming.refuse_bound("swap_desc")


def test_a_comparison_shows_it_and_names_it_in_no_finding() -> None:
    """Made cheaper than everything in the table, it is a row, and the words are about the others."""
    made = answer.screen(found([*HAND, *of_design("oracle", 8.0, 100.0, (-900.0, -910.0, -890.0), ratio="faster: x", lines=-9.0)]))
    assert "oracle" in [row.design for row in made.rows]
    assert "oracle (bound)" in "\n".join(made.lines())
    bound, *rest = [text for text in made.answer if "oracle" in text] or [""]
    assert bound == "A lower bound that cannot be built, and no finding names: oracle."
    assert not rest
    assert not [text for text in made.buys if "oracle" in text]
