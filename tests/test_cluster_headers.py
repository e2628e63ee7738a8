"""Cluster headers: what swapon of recorded kernels asked for, beside the ledger."""

from __future__ import annotations

import dataclasses

import pytest

from dse import linux, naming
from dse.grounding import judging, reading


def test_cluster_headers_are_those_that_swapon_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header of another size falls short; a record whose arrays have no words for each cluster has no figure."""
    [row] = judging.rows(["K11"])
    assert (row["verdict"], [f["published"] for f in row["figures"]]) == ("holds", [257 * nbytes for nbytes in (24, 32, 48)])
    old = linux.load("6.12")
    zeromap = [one for one in old.tables["fill"] if one["kind"] != "asked" or one["structure"].endswith(":16392")]
    assert len(zeromap) < len(old.tables["fill"])
    [bare] = judging.rows(["K11"], {"6.12": old._replace(tables={"fill": zeromap})})
    assert (bare["verdict"], bare["reason"]) == ("not recorded", "no array of swapon in the record has words for each cluster")
    design = naming.registry()["direct"]
    layout = tuple(dataclasses.replace(one, nbytes=32) if one.structure == "cluster headers" else one for one in design.layout)
    monkeypatch.setitem(naming.registry(), "direct", dataclasses.replace(design, layout=layout))
    reading.filled.cache_clear()
    try:
        assert judging.rows(["K11"], {"6.12": old})[0]["verdict"] == "falls short"
    finally:
        reading.filled.cache_clear()
