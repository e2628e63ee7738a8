"""Questions on capacity (Q27, Q28), on a scan whose figures are worked out by hand; an axis whose values are tables."""

from __future__ import annotations

from typing import Any

import pytest

from dse import asking
from dse.asking import casing, declaring, measuring
from dse.errors import BadInput

SCAN = 'workload = { generator = "scan", pages = 256, accesses = 256, write_share = 1.0 }, memory = { limit = 0.5%s }'
FULL = '{ op = "full", metric = "demands", stat = "total" }'


def question(designs: list[str], scenario: str, measure: str, more: str = "", kind: str = "number") -> Any:
    """Question that compares `designs` in `scenario`."""
    source = (
        f'question = "?"\n[study]\nsource = "compare"\ndesigns = {designs}\nscenario = {{ {scenario} }}\nmeasure = [{measure}]\n{more}\n'
        f'[verdict]\nkind = "{kind}"\nsentence = "{{all}}"\nunit = "x"\n'
    ).replace("'", '"')
    return declaring.parse(source, "own.toml", "Q0")


def values(asked: Any) -> dict[tuple[Any, str], float | None]:
    """Measure by value of the axis and design."""
    return {(point.at, point.design): point.value for point in measuring.measure(asked.study).points}


def test_a_cap_refuses_what_is_charged_beyond_it() -> None:
    """256 pages, 128 frames: 128 pages leave for zswap. A cap of 64 pages (0.25 of 256) lets 64 of them out where entries are charged."""
    backend = 'backend = { placement = "zswap", disk = "ssd", zswap_share = 1.0, zero_share = 0.0, slots = 1.0 }'
    designs = ["swap_table_p4", "vswap_v6", "vswap_v6[charge=early]"]
    found = values(question(designs, f"{SCAN % ', swap_max = 0.25'}, {backend}", FULL))
    assert found[None, "vswap_v6"] == 0  # nothing takes a slot, so nothing is charged
    refused = found[None, "swap_table_p4"]
    assert refused is not None
    assert refused > 0
    assert found[None, "vswap_v6[charge=early]"] == refused
    free = values(question(designs, f"{SCAN % ''}, {backend}", FULL))
    assert set(free.values()) == {0}


def test_slots_are_tied_up_by_pages_that_need_one() -> None:
    """A scan that writes: no page comes back, so what is out ties up a slot a page, in zswap with vswap none."""
    measure = '{ op = "page", metric = "slots_tied_up" }]\ndivide = [{ op = "page", metric = "swapped_pages" }'
    axis = "axis = 'backend.mix'\nvalues = [{ ssd = 1.0 }, { zswap = 1.0 }]"
    backend = "backend = { mix = { ssd = 1.0 }, slots = 1.0 }"
    found = values(question(["swap_table_p4", "vswap_v6"], f"{SCAN % ''}, {backend}", measure, axis, "curve"))
    assert found == {
        ("ssd=1", "swap_table_p4"): 1.0, ("ssd=1", "vswap_v6"): 1.0,
        ("zswap=1", "swap_table_p4"): 1.0, ("zswap=1", "vswap_v6"): 0.0,
    }  # fmt: skip


def test_values_of_an_axis_may_be_tables() -> None:
    asked = asking.load("Q28").study
    assert asked is not None
    assert asked.values == ("ssd=1", "zswap=0.3,ssd=0.7", "zswap=0.7,ssd=0.3", "zswap=0.9,ssd=0.1", "zswap=1")
    assert [case.backend.mix for _, case in casing.cases(asked)][1] == {"zswap": 0.3, "ssd": 0.7}


@pytest.mark.parametrize("value", ["{ tape = 1.0 }", "{}", "[1]", '"ssd"'])
def test_a_value_that_is_no_mix_is_refused_before_anything_runs(value: str) -> None:
    axis = f"axis = 'backend.mix'\nvalues = [{value}]"
    with pytest.raises(BadInput, match=r"own.toml:\d+: "):
        question(["direct"], f"{SCAN % ''}, backend = {{ mix = {{ ssd = 1.0 }} }}", FULL, axis)
