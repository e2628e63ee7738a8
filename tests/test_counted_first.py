"""Counted figures are shown before times are taken, and compilation by several processes at once loses nothing."""

from __future__ import annotations

import concurrent.futures
import itertools
import time
from pathlib import Path
from typing import Any

import pytest

import dse
from dse.commands import compare as command
from dse.measuring import cold, timing, warming
from kernels.compiling import caches

PAIR = ["direct", "swap_id"]


@pytest.fixture(scope="module")
def both(small: Path, quick: dict[str, float]) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
    """The first that was told, the result, and the order of events."""
    told: list[dict[str, Any]] = []
    order: list[str] = []
    warm, measure = warming.warm, timing.measure

    def warmed(pairs: list[warming.Pair]) -> int:
        order.extend(kind for _, kind in pairs)
        return warm(pairs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warming, "warm", warmed)
        patch.setattr(timing, "measure", lambda *given: order.append("measure") or measure(*given))
        found = dse.compare(str(small), PAIR, counted=lambda one: told.append(one) or order.append("told"), **quick)
    return told, found, list(dict.fromkeys(order))


def test_the_counted_answer_comes_before_the_times(both: tuple[list[dict[str, Any]], dict[str, Any], list[str]]) -> None:
    assert both[2] == ["off", "count", "told", *cold.probes(["cold"]), "measure"]


def test_what_is_told_first_is_a_part_of_the_result(both: tuple[list[dict[str, Any]], dict[str, Any], list[str]]) -> None:
    (first,), found, _ = both
    main = found["provenance"]["runs"][-1]
    (run,) = first["provenance"]["runs"]
    assert (run["label"], run["counters_hash"], run["timed"]) == (main["label"], main["counters_hash"], False)
    assert {row["kind"] for row in first["rows"]} <= {"counted", "modelled"}
    rows = [row for row in found["rows"] if row["scenario"] == main["label"]]
    assert all(row in rows for row in first["rows"])
    assert len(rows) > len(first["rows"])


def test_nothing_is_told_first_where_nothing_is_timed(small: Path) -> None:
    told: list[dict[str, Any]] = []
    dse.compare(str(small), PAIR, counted_only=True, counted=told.append)
    assert told == []


def test_the_command_shows_it_on_stderr(
    both: tuple[list[dict[str, Any]], dict[str, Any], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    command._counted(both[0][0])
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0].startswith("Counted, times follow. What does a design cost")
    assert {line.split()[0] for line in lines} >= set(PAIR)
    assert len(lines) <= 15
    assert max(map(len, lines)) <= 80


def test_processes_that_save_at_once_lose_no_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each writer has its own object, as a process has. Between reading and writing the index all others get their turn."""
    plain = caches.CacheFile._load_index
    monkeypatch.setattr(caches.CacheFile, "_load_index", lambda self: (plain(self), time.sleep(0.002))[0])
    files = [caches.CacheFile(str(tmp_path), "kernel", "stamp") for _ in range(4)]
    keys = [[f"{n}.{i}" for i in range(5)] for n in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda file, mine: [file.save(key, key.encode()) for key in mine], files, keys))
    index = plain(files[0])
    assert set(index) == set(itertools.chain(*keys))
    assert len(set(index.values())) == 20
    assert all(files[0].load(key) == key.encode() for key in index)


def test_cold_pairs_are_compiled_by_whoever_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    pairs = [("direct", "off"), ("direct", "count")]
    monkeypatch.setattr(warming, "is_compiled", lambda *_: False)
    monkeypatch.setattr(warming.machine, "cores", lambda: 2)
    assert warming.warm(pairs) == 2
    (index,) = tmp_path.rglob("direct.run-*.nbi")
    assert len(list(index.parent.glob("direct.run-*.nbc"))) == 2


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_a_flipped_bit_in_a_compiled_kernel_is_seen(suffix: str, tmp_path: Path) -> None:
    """Machine code with one bit flipped may load and count something else. Every place of a small file is tried."""
    file = caches.CacheFile(str(tmp_path), "kernel", "stamp")
    file.save("key", ("code", list(range(20))))
    assert file.load("key") == ("code", list(range(20)))
    (path,) = tmp_path.glob(f"*.{suffix}")
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        assert file.load("key") in (None, ("code", list(range(20)))), place
        assert file.load("key") is None or place < 20, "the release of Numba alone has no digest"
    path.write_bytes(whole[:-40])
    assert file.load("key") is None
    file.save("key", 1)
    assert file.load("key") == 1
