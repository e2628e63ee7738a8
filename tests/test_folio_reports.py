"""Reports of large folios: all that the stream sends out, also those that stayed, and a design whose folios are all split."""

from __future__ import annotations

from dse.asking import measuring
from dse.asking.studies import Term
from dse.measuring.figures import Figures
from dse.reports import whole
from dse.storing import Figure, figure

DESIGNS = ("swap_table_p4", "direct", "vswap_v6")


def rows() -> list[Figure]:
    """Of ten folios one design splits six, one all, one keeps four; the aged window has one that left whole of two designs."""
    found = []
    for design, code, n in (
        ("swap_table_p4", "folio_out", 4), ("swap_table_p4", "folio_split", 6), ("direct", "folio_split", 10), ("vswap_v6", "folio_out", 6),
        ("vswap_v6", "reactivated", 9),
    ):  # fmt: skip
        found.append(figure(design, code, "demands", "counted", "demands", n, stat="total", n=n))
    for design in ("swap_table_p4", "vswap_v6"):
        found.append(figure(design, "folio_out", "demands", "counted", "demands", 1, stat="total", age="aged", n=1))
        for metric, value in (("lines", 32.0), ("locked_sections", 48.0), ("ptes", 16.0)):
            found.append(figure(design, "folio_out", metric, "counted", metric, value, stat="mean", age="aged", n=1, count=None))
    return found


def test_a_folio_that_stayed_did_not_leave_whole() -> None:
    found = {mine.design: mine for mine in whole.read(rows(), DESIGNS, 10)}
    assert {name: (mine.share, mine.stayed) for name, mine in found.items()} == {
        "swap_table_p4": (0.4, 0), "direct": (0.0, 0), "vswap_v6": (0.6, 4),
    }  # fmt: skip
    said = whole.words(rows(), DESIGNS, 10)[0]
    assert "vswap_v6 2.0 lines, 3.0 locks (60% whole, 40% stayed), direct none aged (0% whole)." in said
    assert "vswap_v6 2.0, 3.0 (60%, 40% stay), direct none aged (0%)." in said.short
    table = whole.table(rows(), DESIGNS, 10)
    assert [(line["design"], line["a page of a"], line["folios"], line["whole"]) for line in table] == [
        ("swap_table_p4", "whole folio", "4", "40.0%"), ("swap_table_p4", "split folio", "6", "-"), ("direct", "whole folio", "0", "0.0%"),
        ("direct", "split folio", "10", "-"), ("vswap_v6", "whole folio", "6", "60.0%"), ("vswap_v6", "folio that stayed", "4", "-"),
    ]  # fmt: skip


def test_a_run_without_large_folios_says_nothing_of_them() -> None:
    assert (whole.asked_of({}), whole.asked_of({"stream": {"folio_reclaims": 7}})) == (0, 7)
    assert (whole.table([], DESIGNS, 0), whole.words([], DESIGNS, 0)) == ([], ())


def test_a_total_is_that_of_the_run() -> None:
    """Reasons have no total of the aged window: a share of totals must not set the run against the window."""
    kept, out = (Term("demands", op, stat="total") for op in ("reactivated", "folio_out"))
    assert measuring._sum(Figures(rows()), (kept,), "vswap_v6", (kept, out)) == 9 / (9 + 6)
