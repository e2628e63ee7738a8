"""The integrity run in small (10^6 demands); ``python -m tests.integrity --demands 1e8`` is the full run."""

from __future__ import annotations

import pytest

from tests import conformance, integrity, streams


def test_a_million_demands_lose_nothing() -> None:
    report = integrity.everything(10**6, 1, conformance.names())
    assert report.demands >= 10**6
    assert not report.wrong, report.wrong[:5]
    assert {"swap_in", "swap_out", "move", "fork", "full", "gone"} <= set(report.replies)


@pytest.mark.interpreted
@pytest.mark.parametrize("name", conformance.names())
def test_integrity_run(name: str) -> None:
    report = integrity.run(name, streams.TINY, 300, 1)
    assert not report.wrong, report.wrong[:5]
