"""Layers: whether a design is one and on which base, as it declares itself, and everyone who reads that."""

from __future__ import annotations

import itertools
import json

import pytest

from dse import naming, storing
from dse.describing import catalogue
from dse.errors import BadInput
from dse.reports import tabling
from dse.sweeps import analysing, breakeven, winning
from kernels.life.registry import BASES
from tests.sweepdata import trial

EXPECTED: dict[str, tuple[str, ...]] = {
    "direct": (), "swap_id_off": (), "swap_id": ("direct", "swap_table_p4"), "swap_desc": ("direct", "swap_table_p4"),
    "swap_table_p1": (), "swap_table_p2": (), "swap_table_p3": (), "swap_table_p4": (), "swap_table_p4_pitched": (),
    "eager_rewrite": (), "zram": (), "ghost": (), "xswap": (), "redirect": (), "oracle": (),
    "vswap_rfc1": ("direct",), "vswap_rfc2": ("direct",),
    "vswap_v3": ("swap_table_p1",), "vswap_v6": ("swap_table_p1",), "vswap_ste": ("swap_table_p4",), "vswap_all": ("swap_table_p4",),
    "swap_id_rmap": ("direct", "swap_table_p4"), "swap_id_special": ("direct", "swap_table_p4"),
}  # fmt: skip
"""Bases of every registered design, the default first; none: the PTE holds the swap entry."""


def variants(name: str) -> list[str]:
    """Every variant of a design that differs from it in one parameter, and the design itself."""
    parameters = naming.registry()[name].parameters
    return [name, *(f"{name}[{p}={value}]" for p, parameter in parameters.items() for value in parameter.values)]


@pytest.mark.parametrize("name", EXPECTED)
def test_every_variant_is_what_its_design_declares(name: str) -> None:
    for text in variants(name):
        named = naming.parse(text)
        base = next((b for b in EXPECTED[name] if f"base={b}" in text), EXPECTED[name][0] if EXPECTED[name] else None)
        assert (named.layer, named.base) == (bool(EXPECTED[name]), base), text
        assert (naming.is_layer(named.text), naming.base_of(named.text)) == (named.layer, base)
        assert (analysing.is_layer(named.text), analysing.base_of(named.text)) == (named.layer, base)
    about = catalogue.designs(name)[0]
    assert tuple(about["bases"]) == EXPECTED[name]
    assert "no layer" in catalogue.page(name) if not EXPECTED[name] else "A layer on " + " or ".join(EXPECTED[name]) in catalogue.page(name)


def test_the_table_names_every_registered_design() -> None:
    assert set(EXPECTED) == set(naming.registry())
    assert {base for bases in EXPECTED.values() for base in bases} <= set(EXPECTED)
    assert not naming.is_layer("one that was removed")


def test_layers_means_every_layer_on_every_base() -> None:
    assert tuple(BASES) == naming.STANDS_ON
    assert naming.bases() == ["direct", "swap_table_p4", "swap_table_p1"]
    found = [named.text for named in naming.parse_many("layers")]
    assert found[:3] == ["swap_table_p4", "direct", "swap_table_p1"]
    assert set(found[3:]) == {
        "swap_id", "swap_id[base=swap_table_p4]", "swap_desc", "swap_desc[base=swap_table_p4]", "vswap_v3", "vswap_v6", "vswap_ste",
        "vswap_all", "vswap_rfc1", "vswap_rfc2",
        "swap_id_rmap", "swap_id_rmap[base=swap_table_p4]", "swap_id_special", "swap_id_special[base=swap_table_p4]",
    }  # fmt: skip
    every = [named.text for named in naming.parse_many("all")]
    assert every[0] == naming.COMPARED[0] == "swap_table_p4"
    assert every[1:] == [name for name in naming.registry() if name not in ("swap_table_p4", "oracle")]


def test_comparisons_set_a_layer_against_its_base() -> None:
    designs = ["direct", "swap_table_p1", "swap_table_p4", "swap_id_off", "swap_id[base=swap_table_p4]", "vswap_v6"]
    assert naming.references(designs) == designs[:3]
    assert naming.references(["swap_id", "direct"]) == ["swap_id", "direct"]
    assert naming.rivals("vswap_v6", designs) == ["direct", "swap_table_p1", "swap_table_p4"]
    assert naming.rivals("swap_id[base=swap_table_p4]", designs) == ["direct", "swap_table_p4"]
    pairs = [(line["layer"], line["against"]) for line in tabling.headline([], designs)]
    assert pairs == [(layer, base) for layer in designs[4:] for base in naming.rivals(layer, designs)]
    assert [tabling.stands_on(d, designs) for d in designs[3:]] == ["direct", "swap_table_p4", "swap_table_p1"]


def test_a_sweep_draws_layers_apart_from_the_rest() -> None:
    """With one cost for each design, the best without a layer is never vswap, and vswap has its break-even row."""
    cost = {"direct": 10.0, "swap_table_p1": 9.0, "swap_id": 12.0, "vswap_v6": 1.0}
    trials = [
        trial(n, design, {"moves.rate": rate}, lifetime=value)
        for n, ((design, value), rate) in enumerate(itertools.product(cost.items(), (0.0, 1.0)))
    ]
    rows = {(row["design"], row["against"]): row for row in breakeven.breakeven(trials, "lifetime", "direct")}
    assert rows["any layer", "any without"]["curve"] == [[0.0, 1.0, 9.0], [1.0, 1.0, 9.0]]
    assert rows["vswap_v6", "swap_table_p1"]["status"] == "always"
    assert rows["swap_id", "direct"]["status"] == "never"
    assert all(row["layer"] for row in winning.winners(trials, "lifetime"))


def test_the_dead_words_are_refused() -> None:
    with pytest.raises(BadInput, match="unknown design"):
        naming.parse_many("layer")


@pytest.mark.parametrize(
    ("rate", "moves", "said"),
    [
        (0.2, 28, ["moves.rate=0.2 was asked for; 0.14 moves a page that went out happened, zswap's writeback included."]),
        (0.0, 24, ["Nothing was asked to move, and zswap's own writeback still moved 0.12 pages for each page that went out."]),
        (0.0, 0, []),
    ],
)
def test_what_a_comparison_says_of_moves(rate: float, moves: int, said: list[str]) -> None:
    counts = {"swap_out": 150, "clean_drop": 50, "move": moves}
    rows = [storing.figure("direct", op, "demands", "counted", "demands", n, stat="total", age="aged") for op, n in counts.items()]
    run = {"scenario_json": json.dumps({"moves": {"rate": rate}})}
    assert tabling.moved(tabling.Figures(rows), "direct", run) == said
    assert tabling.moved(tabling.Figures(rows), "direct", {}) == []
