"""Fixtures that all tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

SMALL = """
[workload]
generator = "zipf"
pages = 16384
accesses = 200000
[memory]
limit = 0.4
[backend]
placement = "zswap"
disk = "ssd"
zswap_share = 0.2
slots = 2.0
[moves]
rate = 0.3
"""


@pytest.fixture(autouse=True)
def wrap_around() -> Iterator[None]:
    """Unsigned arithmetic wraps in compiled kernels; interpreted ones must not warn of it."""
    with np.errstate(over="ignore"):
        yield


@pytest.fixture(autouse=True)
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no thread tell of progress: on a busy machine its lines would come between those that a test looks for."""
    monkeypatch.setattr("dse.common.output.LOOK", 3600.0)


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the secrets that other tests typed: parts of them would be hidden in what this one reads."""
    monkeypatch.setattr("dse.secrets._known", {})


@pytest.fixture
def heeded() -> Iterator[None]:
    """Heed SIGINT: the tests may run in a process that ignores it, as one does that a script started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario that takes seconds: compare and what is made of its rows."""
    path = tmp_path_factory.mktemp("scenario") / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def quick() -> Iterator[dict[str, float]]:
    """Options of a comparison that ends when every ratio has its fewest pairs, whatever the machine does; cold reads 1 MiB."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dse.common.machine.last_level_cache", lambda: 1 << 19)
        yield {"budget": 120.0, "width": 1.0}
