"""Heads of reports and sweeps, zap by PTE, footnotes: findings on cases worked out by hand, sizes, words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dse import cli, naming
from dse.reports import answer, environments, exits, footnotes, heads, page
from dse.reports.model import Bar, Head
from tests import reportdata
from tests.markup import checked
from tests.test_answer import BASE, HAND, found, of_design, row

GIB_OF_PTES = 262_144  # 1 GiB / 4 KiB
PLACES = [{"moves.rate": rate, "disk": disk} for rate in (0.0, 1.0) for disk in ("ssd", "hdd")]


def won(design: str, place: Mapping[str, Any], value: float, **more: Any) -> dict[str, Any]:
    """Row of a winner."""
    return {
        "environment": place, "design": design, "value": value, "bytes": 20.0, "runner_up": "direct", "margin": 0.25, "certain": True,
        "tied": [], "kind": "modelled", "by_lines": design, "by_locks": design, "by_bytes": design, **more,
    }  # fmt: skip


def study(winners: list[dict[str, Any]], patched: list[dict[str, Any]] | None = None) -> Head:
    tables = {"winners": winners, "patched": winners if patched is None else patched, "breakeven": []}
    about = {"space": "hand", "command": "dse sweep hand", "space_digest": "f" * 64, "code_digest": "e" * 64}
    made = environments.head(tables, about, "lifetime.ns", more=["dse sweep hand --full"])
    assert made is not None
    return made


def test_environments_with_the_same_verdict_are_one_row() -> None:
    """vswap_v6 wins where moves.rate is 1, swap_table_p4 at 0: two groups, which one axis tells apart."""
    winners = [won("vswap_v6" if p["moves.rate"] else BASE, p, 100.0 + n) for n, p in enumerate(PLACES)]
    made = study(winners)
    assert "swap_table_p4 where moves.rate 0 (2 of 4, for certain before direct); vswap_v6 where moves.rate 1 (2 of 4, " in made.finding[0]
    assert [r[:4] for r in made.rows] == [("swap_table_p4", "2/4", "merged", "yes"), ("vswap_v6", "2/4", "posted", "yes")]
    assert [r[4] for r in made.rows] == ["100..101", "102..103"]
    assert made.rows[0][6] == "+25 %"
    assert len(made.finding) == 1, "nothing that was only proposed"


def test_one_environment_apart_is_told_from_the_others() -> None:
    winners = [won("vswap_v6" if n == 3 else BASE, p, 100.0) for n, p in enumerate(PLACES)]
    groups = environments.grouped(winners)
    assert environments.where(groups[1], winners) == "where moves.rate 1, disk hdd"
    assert environments.where(groups[0], winners) == "in some, which no axis tells apart"
    diagonal = [won("vswap_v6" if p["moves.rate"] == (p["disk"] == "hdd") else BASE, p, 1.0) for p in PLACES]
    assert environments.where(environments.grouped(diagonal)[0], diagonal) == "in some, which no axis tells apart"


def test_uncertain_winners_are_apart_and_name_their_rivals() -> None:
    winners = [won(BASE, p, 100.0, certain=n > 1, tied=[] if n > 1 else ["direct[move=rewrite]"]) for n, p in enumerate(PLACES)]
    made = study(winners)
    assert {r[3] for r in made.rows} == {"yes", "no"}
    assert "(2 of 4, undecided: direct may be cheaper)" in made.finding[0]
    assert "2 of 4 undecided" in made.doubts[0]


def test_a_design_that_was_only_proposed_is_no_verdict() -> None:
    winners = [won("swap_desc", p, 50.0) for p in PLACES]
    patched = [won("vswap_v6" if p["moves.rate"] else BASE, p, 100.0) for p in PLACES]
    made = study(winners, patched)
    assert "No verdict on swap_desc, cheapest in 4: only proposed in mails of 2023, modelled with the few steps" in made.finding[1]
    assert made.finding[2] == "With patches, cheapest: swap_table_p4 2, vswap_v6 2 (for certain)."
    assert [r[0] + r[1] for r in made.rows] == ["swap_desc4/4", "swap_table_p42/4*", "vswap_v62/4*"]
    assert environments.caution(patched, patched) == []


def test_break_evens_are_those_of_layers_with_patches() -> None:
    def even(design: str, status: str, rate: float | None = None, against: str = BASE) -> dict[str, Any]:
        return {"design": design, "against": against, "objective": "lifetime.ns", "status": status, "rate": rate}

    rows = [
        even("vswap_v3", "never"),
        even("vswap_v6", "never"),
        even("vswap_v6", "above", 0.25),
        even("vswap_v6", "above", 0.5),
        even("swap_desc on direct", "always"),
        even("any layer", "always", against="any without"),
        even("vswap_v3", "always", against="x"),
    ]
    (said,) = environments.moving(rows, "lifetime.ns")
    assert said == (
        "If pages move while out, against swap_table_p4: vswap_v3 never pays (in 1); vswap_v6 pays above 0.25..0.5 moves a page in 2 of 3, "
        "never in 1."
    )
    assert environments.moving(rows[4:], "lifetime.ns") == []


def test_what_would_change_it_and_how_to_repeat() -> None:
    made = study([won(BASE, p, 100.0, by_lines="vswap_v3") for p in PLACES])
    assert made.missing[0] == "What would change it: by lines vswap_v3 4."
    assert made.again == ("Next: dse sweep hand --full", f"Repeat: dse sweep hand (space {'f' * 16}, code {'e' * 16})")
    assert environments.head({"winners": [won(BASE, {}, 1.0, runner_up=None)], "breakeven": []}, {}, "lifetime.ns") is None


@pytest.mark.parametrize("groups", [1, 2, 7, 30])
@pytest.mark.parametrize(("width", "most"), [(80, 25), (72, 15)])
def test_a_head_keeps_to_its_lines_and_columns(groups: int, width: int, most: int) -> None:
    name = "swap_desc[base=swap_table_p4,stride=24,x={}]"
    winners = [won(name.format(n % groups), {"moves.rate": n, "backend.mix": {"zswap": 0.5, "ssd": 0.5}}, 1234.5 + n) for n in range(30)]
    made = study(winners, [won("vswap_v6", r["environment"], 2000.0) for r in winners])
    lines = heads.text(made, width, most)
    assert len(lines) <= most
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for part in (
        "Which design",
        "No verdict on swap_desc",
        "With patches, cheapest: vswap_v6 30",
        "Sure:",
        "Lines, locks and bytes",
        f"Repeat: dse sweep hand (space {'f' * 16}",
    ):
        assert part in text, part
    assert lines[-1].endswith(f"{'e' * 16})")


@pytest.mark.parametrize("designs", [2, 5, 11])
def test_a_mail_has_15_lines_of_72_columns_and_ends_in_the_command(designs: int) -> None:
    rows = of_design(BASE, 20.0, 400.0)
    for n in range(1, designs):
        rows += of_design(f"swap_id[base=swap_table_p4,batch=leaf,id={n}]", 50.0 + n, 800.0, (600.0 + n, 550.0, 650.0))
    lines = heads.mail(heads.of_answer(answer.screen(found(rows))))
    assert len(lines) <= heads.MAIL_LINES
    assert max(map(len, lines)) <= heads.MAIL
    assert lines[-1] == "Repeat: dse compare hand (counters 0123456789abcdef)"
    text = "\n".join(lines)
    for part in ("What does a design cost", "Most time: swap_id", "Sure:", "Not in it:"):
        assert part in text
    assert ("more" in lines[-4]) or designs < 11


def test_what_has_no_room_is_counted() -> None:
    head = Head("Q?", ("F.",), (("design", ""), ("x", "ns")), tuple((f"d{n}", "1 [0, 2]") for n in range(9)), again=("Repeat: c",))
    assert heads.table(head, 72, 6)[2:] == ["d0      1 [0, 2]", "d1      1 [0, 2]", "d2      1 [0, 2]", "... and 6 more"]
    assert heads.table(head, 10, 99)[2] == "d0      1", "intervals go first"


def zapped(design: str, ns: float | None, ptes: float, locks: float, **more: Any) -> list[dict[str, Any]]:
    """Figures of zap, by call."""
    rows = [row(design, "zap", "ptes", ptes), row(design, "zap", "locked_sections", locks), row(design, "zap", "lines", 4 * locks)]
    if ns is not None:
        rows.append(row(design, "zap", "ns", ns))
    if "ratio" in more:
        value, lo, hi = more["ratio"]
        rows.append(row(design, "zap", "ratio", value, span=(lo, hi), status=more.get("status", "slower: x"), baseline=BASE))
    return rows


EXITS = (
    zapped(BASE, 51_200.0, 512.0, 256.0)
    + zapped("slow", 102_400.0, 512.0, 128.0, ratio=(2.0, 1.9, 2.1))
    + zapped("same", 52_000.0, 512.0, 512.0, ratio=(1.01, 0.99, 1.03), status="same: x")
)
"""A call clears 512 PTEs: swap_table_p4 takes 100 ns and half a locked section a PTE, slow 200 ns and a quarter."""
RUN = {"scenario_json": json.dumps({"workload": {"exit": True}}), "stream": {"first_touches": 56 * GIB_OF_PTES},
       "designs": f"{BASE},slow,same"}  # fmt: skip


def test_zap_by_pte_and_the_seconds_of_a_process() -> None:
    first, slow, same = exits.found(EXITS, [BASE, "slow", "same"])
    assert (first.ns, first.locks, first.lines, slow.ns, slow.locks) == (100.0, 0.5, 2.0, 200.0, 0.25)
    assert first.seconds(56.0) == pytest.approx(1.4680064)  # 14,680,064 PTEs of 100 ns
    assert (slow.times, slow.lo, slow.hi, same.finding) == (2.0, 1.9, 2.1, "same")


def test_the_exit_in_words() -> None:
    one, two = exits.lines(EXITS, RUN)
    assert one == (
        "Exit of a process of 56 GiB if all is swapped out (times swap_table_p4's; locks a PTE): slow 2.94 s (x 1.90..2.10; 0.25), "
        "same 1.49 s (x 0.99..1.03; 1.00), swap_table_p4 1.47 s (100 ns a PTE; 0.50)."
    )
    assert two == "By locks they change places (slow takes 0.25 locked sections a PTE, swap_table_p4 0.50); the order here is by time."


def test_the_first_screen_of_a_process_that_exits_says_how_long() -> None:
    """No page is out any more at the end, so bytes are not known, and no sentence says anything of them."""
    rows = [r for r in HAND if r["design"] in (BASE, "slow") and r["op"] != "page"] + [r for r in EXITS if r["design"] != "same"]
    text = " ".join("\n".join(answer.screen(found(rows, **{**RUN, "designs": f"{BASE},slow"})).lines()).split())
    assert (
        "Exit of a process of 56 GiB if all is swapped out (times swap_table_p4's; locks a PTE): slow 2.94 s (x 1.90..2.10; 0.25)," in text
    )
    assert text.index("Exit of a process") < text.index("Most time")
    assert "Most time: slow, +550..+650 ns a swap-out and return. Less time than swap_table_p4: none; no page is out at the end" in text
    assert "B a page," not in text
    assert "memory." not in text


def test_an_exit_that_cold_caches_leave_open_says_so() -> None:
    status = "inconclusive: not settled in cold: footprint slower, 2.0; cold inconclusive, 14 pairs"
    rows = zapped(BASE, 100.0, 1.0, 1.0) + zapped("a", 200.0, 1.0, 1.0, ratio=(2.0, 1.9, 2.1), status=status)
    cold = [{**r, "state": "cold"} for r in rows if r["metric"] in ("ns", "ratio")]
    rows = [{**r, "state": "footprint" if r["metric"] in ("ns", "ratio") else None} for r in rows]
    assert exits.found(rows, [BASE, "a"])[1].finding == "slower"
    assert exits.found(rows + cold, [BASE, "a"], state="cold")[1].finding == "inconclusive"
    one, two = exits.lines(rows + cold, RUN | {"designs": f"{BASE},a"})
    assert one.startswith("Exit of a process of 56 GiB if all is swapped out (footprint; times swap_table_p4's; locks a PTE): a 2.94 s ")
    assert exits.undecided(rows + cold, RUN | {"designs": f"{BASE},a"}) == (1, 2)
    assert two == "From cold caches it is not settled."
    neither = zapped("a", 200.0, 1.0, 1.0, ratio=(2.0, 1.9, 2.1), status="inconclusive: the interval holds 1")
    assert exits.found([*rows[:4], *neither], [BASE, "a"])[1].finding == "inconclusive"
    undecided = exits.found([*rows[:4], *neither], [BASE, "a"])
    assert "a 0.00294 s (x 1.90..2.10?; 1.00)" in exits.words(undecided, 0.056, BASE)[0]


def test_an_exit_that_was_not_timed_says_locks_alone() -> None:
    counted = [r for r in EXITS if r["metric"] not in ("ns", "ratio")]
    (said,) = exits.lines(counted, RUN)
    assert said.startswith("Exit of a process of 56 GiB: locked sections a PTE: same 1.00, swap_table_p4 0.50, slow 0.25. No time: ")


def test_no_exit_no_words() -> None:
    assert exits.lines(EXITS, RUN | {"scenario_json": json.dumps({"workload": {"exit": False}})}) == []
    assert exits.lines(HAND, RUN) == [], "nothing was zapped"
    assert exits.leaving({"scenario_json": "broken"}) is None


def test_the_table_of_zap() -> None:
    first, slow, _ = exits.table(EXITS, [BASE, "slow", "same"], 56.0)
    assert (first["ns a PTE"], first["s for 56 GiB"], first["locks a PTE"], first["ratio"]) == ("100.0", "1.47", "0.50", "1 (baseline)")
    assert (slow["PTEs a call"], slow["ratio"]) == ("512.0", "2.00 [1.90, 2.10]")
    assert exits.table(EXITS, [BASE], None)[0]["s for 1 GiB"] == "0.0262"


def test_a_median_that_contradicts_a_mean_is_explained() -> None:
    def timed(design: str, p50: float, p99: float) -> list[dict[str, Any]]:
        return [row(design, "swap_in", "ns", p50, stat="p50"), row(design, "swap_in", "ns", p99, stat="p99")]

    def ratio(design: str, value: float, status: str) -> dict[str, Any]:
        return row(design, "swap_in", "ratio", value, span=(value, value), status=status, baseline=BASE)

    rows = timed(BASE, 400.0, 900.0) + timed("tail", 380.0, 2000.0) + timed("fair", 500.0, 1000.0) + timed("open", 300.0, 900.0)
    rows += [ratio("tail", 1.2, "slower: x"), ratio("fair", 1.2, "slower: x"), ratio("open", 1.1, "inconclusive: x")]
    (said,) = footnotes.tails(rows, [BASE, "tail", "fair", "open"], ("swap_in",), "aged")
    assert said == (
        "Median and mean disagree (aged), as the mean has the tail: swap_in of tail is slower by the mean (x 1.20), p50 380 against 400, "
        "p99 2,000 against 900 ns. The finding is that of the mean."
    )


def test_every_design_of_the_package_says_how_far_it_got() -> None:
    assert all(naming.status_of(name) for name in naming.registry())
    assert {name for name in naming.registry() if naming.proposed(name)} == {
        "swap_id", "swap_id_off", "swap_id_rmap", "swap_id_special", "swap_desc", "swap_table_p4_pitched", "eager_rewrite",
        "redirect", "vswap_all",
    }  # fmt: skip


def test_bars_share_a_scale_with_zero_in_it() -> None:
    bars = [Bar(100.0, 90.0, 110.0), Bar(-50.0, -60.0, -40.0), None]
    drawn = [page._drawn(bar, bars) for bar in bars]
    width = [float(text.partition('width="')[2].partition('"')[0]) if "<rect" in text else 0.0 for text in drawn]
    assert width[0] == pytest.approx(2 * width[1], abs=0.2)
    assert width[2] == 0.0


def test_a_page_opens_on_the_answer(tmp_path: Path) -> None:
    reportdata.store_both(tmp_path)
    for name, said in (
        ("made-up-s1", "Which design is the cheapest"),
        (reportdata.run_name(tmp_path), "What does a design cost this host?"),
    ):
        target = tmp_path / f"{name}.html"
        assert cli.main(["report", name, "--output", str(target), "--results", str(tmp_path)]) == 0
        text = target.read_text()
        checked(text)
        assert text.index(said) < text.index("<details>") < text.index("<nav")
        assert text.index('class="bar"') < text.index("<nav")
        assert "Repeat: dse" in text


def test_a_report_as_text_is_a_mail_and_full_has_the_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reportdata.store_both(tmp_path)
    for name in ("made-up-s1", reportdata.run_name(tmp_path)):
        assert cli.main(["report", name, "--format", "text", "--results", str(tmp_path)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) <= heads.MAIL_LINES
        assert max(map(len, lines)) <= heads.MAIL
        assert "Repeat: dse" in " ".join(lines[-2:])
        assert cli.main(["report", name, "--format", "text", "--full", "--results", str(tmp_path)]) == 0
        assert len(capsys.readouterr().out.splitlines()) > 2 * heads.MAIL_LINES
    assert cli.main(["report", "made-up-s1", "--full", "--results", str(tmp_path)]) == cli.BAD
    assert "--full needs --format text" in capsys.readouterr().err
