"""The first screen of dse compare: its findings on a case worked out by hand, its size, its words."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from dse.measuring.figures import Figures
from dse.reports import answer, costs

BASE = "swap_table_p4"


def row(design: str, op: str, metric: str, value: float, **more: Any) -> dict[str, Any]:
    """One figure."""
    lo, hi = more.pop("span", (None, None))
    timed = metric in ("ns", "ratio", "tax_ns")
    of_page = op == "page"
    return {
        "design": design, "op": op, "metric": metric, "value": value, "lo": lo, "hi": hi, "stat": more.pop("stat", "mean"),
        "age": None if of_page else "aged", "baseline": more.pop("baseline", None), "status": more.pop("status", "ok"), "scenario": "hand",
        "kind": "measured" if timed else "counted", **more,
    }  # fmt: skip


def of_design(
    design: str, nbytes: float, swap_in: float, tax: tuple[float, float, float] | None = None, **more: Any
) -> list[dict[str, Any]]:
    """Figures of a design: bytes a page, ns of one swap-in, what a lifetime takes more [lo, hi]; lines and locks more; status."""
    rows = [row(design, "page", "bytes_per_page_allocated", nbytes), row(design, "swap_in", "ns", swap_in),
            row(design, "swap_out", "ns", 2 * swap_in), row(design, "swap_in", "lines", 10.0)]  # fmt: skip
    if tax is not None:
        at = {"baseline": BASE}
        rows += [
            row(design, "lifetime", "tax_ns", tax[0], span=tax[1:], status=more.get("status", "ok"), **at),
            row(design, "lifetime", "tax_lines", more.get("lines", 0.0), **at),
            row(design, "lifetime", "tax_locked_sections", more.get("locks", 0.0), **at),
            row(
                design, "swap_in", "ratio", swap_in / 400, span=(swap_in / 410, swap_in / 390), status=more.get("ratio", "slower: x"), **at
            ),
        ]
    return rows


HAND = (
    of_design(BASE, 20.0, 400.0)
    + of_design("slow", 50.0, 800.0, (600.0, 550.0, 650.0), lines=5.0, locks=2.0)
    + of_design("fast", 30.0, 300.0, (-100.0, -120.0, -80.0), ratio="faster: x", lines=9.0)
    + of_design("small", 10.0, 404.0, (3.0, -5.0, 9.0), status="no more than the noise", ratio="same: x")
    + of_design("unsure", 20.0, 410.0, (50.0, -5.0, 90.0), status="inconclusive: x", ratio="inconclusive: x")
)
"""Against swap_table_p4 (20 B, 400 ns): slow costs 600 ns and 30 B, fast saves 100 ns and costs 10 B, small saves 10 B only."""


def ranked(rows: list[dict[str, Any]]) -> list[costs.Cost]:
    designs = list(dict.fromkeys(r["design"] for r in rows))
    return costs.ranked(Figures(rows), designs, True)


def found(rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Result of dse.compare, as far as the screen reads it."""
    designs = ",".join(dict.fromkeys(r["design"] for r in rows))
    run = {
        "label": "hand", "trace": "zipf", "designs": designs, "timed": True, "aa_lo": 0.98, "aa_hi": 1.02, "run": "20260101T000000Z-0",
        "not_modelled": "large folios, contention", "stream": {"swapped_peak": 1000, "reclaims_zswap": 75, "reclaims_ssd": 25,
        "reclaims_dirty": 90}, **more,
    }  # fmt: skip
    return {"rows": rows, "provenance": {"command": "dse compare hand", "counters_hash": "0123456789abcdef" * 4, "runs": [run]}}


def test_worst_first_and_the_baseline_among_them() -> None:
    assert [r.design for r in ranked(HAND)] == ["slow", BASE, "unsure", "small", "fast"]


def test_figures_of_the_hand_case() -> None:
    cells = {r.design: r.cells() for r in ranked(HAND)}
    assert cells["slow"] == ("50.0 (+30.0)", "+600 [+550, +650]", "x 2.00 [1.95, 2.05]")
    assert cells[BASE] == ("20.0", "1,200 in all", "400")
    assert cells["small"][1] == "within the noise"
    assert cells["unsure"][1:] == ("inconclusive", "inconclusive")


def test_the_finding_in_words() -> None:
    text = " ".join(costs.words(ranked(HAND), BASE))
    assert "Most time: slow, +550..+650 ns a swap-out and return. Most memory: slow, +30.0 B a page out at the end." in text
    assert f"None is cheaper than {BASE} in both time and memory (less time: fast; less memory: small)." in text
    assert "Ranked by lines, 2 pairs of designs change places (such as slow and fast); the order here is by time." in text
    better = of_design(BASE, 20.0, 400.0) + of_design("fast", 10.0, 300.0, (-100.0, -120.0, -80.0))
    assert costs.words(ranked(better), BASE) == [f"Cheaper than {BASE} in time and memory: fast."]
    worse = of_design(BASE, 20.0, 400.0) + of_design("slow", 50.0, 800.0, (600.0, 550.0, 650.0))
    assert costs.words(ranked(worse), BASE)[0].endswith(f"None is cheaper than {BASE} in both time and memory.")


def test_what_is_not_sure_decides_nothing() -> None:
    """A difference within the noise is neither faster nor slower, and overlapping intervals contradict nothing."""
    near = of_design(BASE, 20.0, 400.0) + of_design("a", 20.0, 500.0, (60.0, 40.0, 90.0), lines=1.0)
    near += of_design("b", 20.0, 480.0, (50.0, 30.0, 80.0), lines=4.0)
    assert costs.contradictions(ranked(near)) == []
    noise = of_design(BASE, 20.0, 400.0) + of_design("a", 20.0, 500.0, (-60.0, -90.0, 20.0), status="no more than the noise")
    assert "less time" not in costs.words(ranked(noise), BASE)[0]


def test_the_screen_says_how_sure_what_is_missing_and_how_to_repeat() -> None:
    text = " ".join("\n".join(answer.screen(found(HAND)).lines()).split())
    assert "What does a design cost this host? Against swap_table_p4 (p4), today's kernel (Linux 7.2):" in text
    assert "2 of 8 times are undecided, of unsure; a longer run may settle it" in text
    assert "A design against itself (A/A): x 0.98..1.02" in text
    assert "Not in it: large folios, contention." in text
    assert "Repeat: dse compare hand (counters 0123456789abcdef)" in text
    assert "zswap 75%, ssd 25%" in text


def test_a_comparison_with_moves_answers_for_a_host_that_never_migrates() -> None:
    both = found(HAND)
    moving = [{**r, "scenario": "moving"} for r in HAND] + [{**row(BASE, "move", "ns", 700.0), "scenario": "moving"}]
    both["rows"] = moving + both["rows"]
    both["provenance"]["runs"] = [both["provenance"]["runs"][0] | {"label": "moving"}, *both["provenance"]["runs"]]
    text = " ".join("\n".join(answer.screen(both).lines()).split())
    assert "cost a host that never migrates?" in text
    assert "A move to another backend, where pages move (ns): swap_table_p4 700." in text


@pytest.mark.parametrize(("designs", "chart"), list(itertools.product(range(2, 12), (False, True))))
def test_it_fits_on_a_screen(designs: int, chart: bool) -> None:
    rows = of_design(BASE, 20.0, 400.0)
    for n in range(1, designs):
        name = f"swap_id[base=swap_table_p4,batch=leaf,id={n}]"
        rows += of_design(name, 50.0 + n, 800.0, (600.0 + n, 550.0, 650.0), status="inconclusive: x" if n % 2 else "ok")
        rows += [row(name, "move", "ns", 1234.0 + n), row(name, "page", "slots_tied_up", 1e6 + n, stat="")]
    lines = answer.screen(found(rows)).lines(chart=chart)
    assert len(lines) <= answer.LINES
    assert max(map(len, lines)) <= answer.WIDTH
    text = " ".join(" ".join(lines).split())
    for part in ("What does", "For a layer:", "Sure:", "Not in it:", "Repeat:", "swap_id[", "--full"):
        assert part in text


def test_bars_are_as_long_as_the_costs() -> None:
    lines = answer.screen(found(HAND)).lines(chart=True)
    bars = {line.split()[0]: line.count("█") for line in lines if line.split() and line.split()[0] in ("slow", "fast", "small")}
    assert bars["slow"] > 5
    assert bars["fast"] == bars["small"] == 0


def test_counted_figures_alone() -> None:
    rows = of_design(BASE, 20.0, 400.0) + of_design("slow", 50.0, 800.0, (600.0, 550.0, 650.0), lines=5.0, locks=2.0)
    counted = [r for r in rows if r["kind"] == "counted"]
    text = "\n".join(answer.screen(found(counted, timed=False)).lines())
    assert "+5.0, locks +2.0" in text
    assert "every figure is counted and exact" in text
    assert " ns" not in text


def test_both_states_of_the_caches_have_their_intervals() -> None:
    """Footprint +600 [550, 650] and x 2.00, cold +900 [700, 1,100] and x 1.20; a finding that the states do not share is marked."""
    at = {"baseline": BASE, "state": "cold"}
    warm = [{**r, "state": "footprint" if r["kind"] == "measured" else None} for r in HAND[:12]]
    cold = [
        row(BASE, "swap_in", "ns", 4000.0, state="cold"), row(BASE, "swap_out", "ns", 6000.0, state="cold"),
        row("slow", "lifetime", "tax_ns", 900.0, span=(700.0, 1100.0), **at),
        row("slow", "swap_in", "ratio", 1.2, span=(1.1, 1.3), status="inconclusive: footprint and cold do not agree", **at),
    ]  # fmt: skip
    apart, noise = (
        "inconclusive: footprint and cold do not agree: footprint slower, 2.0; cold same, 1.2",
        "no more than the noise: x (cold)",
    )
    both = {"ratio": apart, "tax_ns": noise}
    warm, cold = ([{**r, "status": both.get(r["metric"], r["status"])} for r in some] for some in (warm, cold))
    rows = costs.ranked(Figures(warm + cold), [BASE, "slow"], True)
    cells = {r.design: r.cells() for r in rows}
    assert cells["slow"] == ("+30.0", "+550..+650", "+700..+1,100?", "1.95..2.05", "1.10..1.30")
    assert cells[BASE] == ("=20.0", "=1,200", "=10,000", "=400 ns", "=4,000 ns")
    assert costs.heads(rows) == [
        ("design", "memory", "out+return", "cold", "swap-in", "cold"),
        ("", "B a page", "ns more", "ns more", "x p4", "x p4"),
    ]
    text = "\n".join(answer.screen(found(warm + cold)).lines())
    said = " ".join(text.split())
    assert "Most time: slow, +550..+650 ns a swap-out and return (footprint). Most memory: slow, +30.0 B a page out at the end." in said
    assert "From cold caches no out+return is settled." in said
    assert "are undecided (?: within A/A, or few pairs)" in said
    assert lines_of(text, "out+return, ns more") == ["memory out+return, ns more swap-in, x p4"]
    assert lines_of(text, "footprint cold") == ["design B a page footprint cold footprint cold"]


def lines_of(text: str, part: str) -> list[str]:
    """Lines that hold `part`, with single blanks."""
    return [line for line in (" ".join(one.split()) for one in text.splitlines()) if part in line]


def test_cold_caches_may_name_another_design() -> None:
    """From warm caches a costs most, 100 ns against 50; from cold ones b, [900, 1,100] against [300, 400]."""
    rows = of_design(BASE, 20.0, 400.0)
    for design, warm in (("a", 100.0), ("b", 50.0)):
        rows += of_design(design, 20.0, 400.0 + warm, (warm, warm - 5.0, warm + 5.0))
    rows = [{**r, "state": "footprint" if r["kind"] == "measured" else None} for r in rows]
    rows += [row(BASE, op, "ns", 4000.0, state="cold") for op in ("swap_in", "swap_out")]
    for design, lo, hi in (("a", 300.0, 400.0), ("b", 900.0, 1100.0)):
        rows.append(row(design, "lifetime", "tax_ns", (lo + hi) / 2, span=(lo, hi), state="cold", baseline=BASE))
    (said,) = costs.words(costs.ranked(Figures(rows), [BASE, "a", "b"], True), BASE)
    assert said.startswith(
        "Most time: a, +95..+105 ns a swap-out and return (footprint), +300..+400 (cold). From cold caches b does: +900..+1,100 ns."
    )
    near = [{**r, "hi": 950.0} if (r["design"], r["state"]) == ("a", "cold") else r for r in rows]
    assert "From cold caches b does" not in costs.words(costs.ranked(Figures(near), [BASE, "a", "b"], True), BASE)[0]


def test_figures_that_are_not_there_are_not_counted() -> None:
    """Nothing is swapped in: two states of one figure, not of two."""
    at = (
        costs.At("footprint", lo=1.0, hi=2.0, swap_in_decided=False),
        costs.At("cold", lo=-1.0, hi=2.0, decided=False, swap_in_decided=False),
    )
    assert costs.Cost("a", states=at).undecided == (1, 2)
    assert costs.Cost("a", states=at).open


def test_a_run_without_a_twin_and_a_long_command_keep_their_last_line() -> None:
    one = found(HAND, aa_lo=None, aa_hi=None)
    one["provenance"]["command"] = "dse compare " + "--set workload.pages=1000 " * 6
    lines = answer.screen(one).lines()
    assert len(lines) <= answer.LINES
    assert " ".join(" ".join(lines).split()).endswith("(counters 0123456789abcdef)")
    assert "A/A" not in "\n".join(lines)
