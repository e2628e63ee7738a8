"""Repeats of a stored study: nothing is replaced by less, what was measured stays, and a changed trace begins another study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dse
from dse.errors import BadInput
from dse.storing import studies
from dse.workloads import imports, trace

SPACE = """
objectives = ["swap_in"]
[scenario]
workload = {{ {workload} }}
memory = {{ limit = 0.5 }}
[axes."moves.rate"]
values = [0.0, 1.0]
role = "environment"
[axes.design]
values = ["direct", "swap_table_p4"]
"""


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "sp.toml"
    path.write_text(SPACE.format(workload='generator = "zipf", pages = 2_048, accesses = 8_192'))
    return path


def trials(results: Path, study: str) -> int:
    """Number of stored trials."""
    return len({row["number"] for row in studies.read_tables(results, study)["trials"]})


def test_a_repeat_stores_no_fewer_trials(space: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    study = dse.sweep(space, results=results)["study"]
    assert trials(results, study) == 4
    repeats: list[tuple[dict[str, Any], str]] = [
        ({"resume": study, "timeout": 1e-9}, "the time was up after"),
        ({"name": space, "timeout": 1e-9}, "the time was up after"),
        ({"resume": study, "trials": 1}, "has 4 trials already"),
        ({"name": space, "trials": 2, "sampler": "exhaustive"}, "has 4 trials already"),
    ]
    for asked, says in repeats:
        with pytest.raises(BadInput, match=says):
            dse.sweep(**asked, results=results)
        assert trials(results, study) == 4
        assert studies.read_settings(results, study)["trials"] is None
    assert dse.sweep(resume=study, results=results)["trials"] == 4


def test_what_was_measured_stays(space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times of --confirm are in no cache."""
    from dse.sweeps import confirming

    rows = [
        {"design": "direct", "baseline": "swap_table_p4", "environment": {"moves.rate": rate}, "op": confirming.OP, "unit": "ns",
         "value": 40.0, "lo": 30.0, "hi": 50.0, "status": "ok"}
        for rate in (0.0, 1.0)
    ]  # fmt: skip
    monkeypatch.setattr(confirming, "confirmed", lambda *_: rows)
    results = tmp_path / "results"
    first = dse.sweep(space, results=results, confirm=1)
    assert len(studies.read_tables(results, first["study"])["confirmed"]) == 2
    for asked in ({"resume": first["study"]}, {"name": space}):
        again = dse.sweep(**asked, results=results)  # type: ignore[arg-type]
        assert len(studies.read_tables(results, first["study"])["confirmed"]) == 2
        assert again["winners"] == first["winners"]


def test_a_changed_trace_is_another_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space = tmp_path / "sp.toml"
    space.write_text(SPACE.format(workload='trace = "my.npz"'))

    def recorded(step: int) -> None:
        Path("my.csv").write_text("".join(f"{i * step % 512},{i % 2}\n" for i in range(6000)), encoding="utf-8")
        trace.save(imports.load("my.csv", "csv"), Path("my.npz"))

    recorded(7)
    first = dse.sweep(space, results="results")["study"]
    recorded(11)
    with pytest.raises(BadInput, match=r"was begun with another my\.npz"):
        dse.sweep(resume=first, results="results")
    assert dse.sweep(space, results="results")["study"] != first
    recorded(7)
    assert dse.sweep(resume=first, results="results")["trials"] == 4
