"""The integrity run reaches what it is to reach; every design goes through it in tests/test_conformance.py."""

from __future__ import annotations

from dse.testing import integrity, subjects


def test_demands_of_every_kind_are_made_and_lose_nothing() -> None:
    report = integrity.everything(10**5, 1, subjects.chosen("direct"))
    assert report.demands >= 10**5
    assert not report.wrong, report.wrong[:5]
    assert {"swap_in", "swap_out", "move", "fork", "full", "gone"} <= set(report.replies)
