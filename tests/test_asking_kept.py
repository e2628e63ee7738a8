"""Kept answers of dse ask: taken only for the question, the scenarios and the traces that they follow from."""

from __future__ import annotations

from pathlib import Path

import pytest

import dse
from dse.workloads import imports, trace
from tests.test_asking import OWN


def test_an_answer_of_another_question_or_of_a_changed_file_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer copied under the name of another question, a scenario file that was edited, a trace that was recorded anew."""
    monkeypatch.chdir(tmp_path)
    Path("one.toml").write_text(OWN, encoding="utf-8")
    Path("two.toml").write_text(OWN.replace('"swap_desc"', '"direct"'), encoding="utf-8")
    first, second = (dse.ask(name, results="results")[0] for name in ("one.toml", "two.toml"))
    one, two = (next(Path("results/answers").glob(f"{name}-*.json")) for name in ("one", "two"))
    two.write_bytes(one.read_bytes())
    assert dse.ask("two.toml", results="results")[0]["answer"] == second["answer"] != first["answer"]

    counted = OWN.replace('source = "ledger"', 'source = "compare"\nscenario = "mine.toml"').replace("slots = 65_536\n", "")
    counted = counted.replace('backend = "ssd"\n', "").replace('metric = "total_bytes"', 'op = "swap_in", metric = "lines"')
    counted = counted.replace('divide = [{ metric = "pages" }]\n', "")
    mine = '[workload]\ntrace = "my.npz"\n[memory]\nlimit = {limit}\n[backend]\nmix = {{ ssd = 1.0 }}\n'

    def given(step: int, limit: float) -> list[bool]:
        Path("my.csv").write_text("".join(f"{i * step % 512},{i % 2}\n" for i in range(20_000)), encoding="utf-8")
        trace.save(imports.load("my.csv", "csv"), Path("my.npz"))
        Path("mine.toml").write_text(mine.format(limit=limit), encoding="utf-8")
        return [dse.ask("own.toml", results="results")[0]["kept"] for _ in range(2)]

    Path("own.toml").write_text(counted, encoding="utf-8")
    assert [given(7, 0.5), given(7, 0.4), given(11, 0.4), given(11, 0.4)] == [[False, True], [False, True], [False, True], [True, True]]
