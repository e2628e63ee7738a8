"""Every check of :mod:`dse.testing.checking` as a test for each case: ``pytest --pyargs dse.testing --designs my_design.py``."""

from __future__ import annotations

import pytest

from dse.testing import checking, subjects
from dse.testing.checking import Case


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test the cases of the check that it is named after, for the designs asked for."""
    name = metafunc.function.__name__.removeprefix("test_").replace("_", " ")
    if "case" not in metafunc.fixturenames or name not in checking.CHECKS:
        return
    option = metafunc.config.getoption
    given = {"demands": option("--design-demands"), "seed": option("--design-seed")}
    effort = checking.Effort(**{key: value for key, value in given.items() if value is not None})
    tested = subjects.sampled(subjects.chosen(option("--designs")), option("--sample"))
    cases = [case for one in tested for case in checking.CHECKS[name](one, effort)]
    metafunc.parametrize("case", cases, ids=[case.label for case in cases])


def test_indices(case: Case) -> None:
    """No index is out of bounds."""
    case.run()


@pytest.mark.interpreted
def test_random_streams(case: Case) -> None:
    """Replies and states equal the twin's, invariants hold, nothing is left."""
    case.run()


@pytest.mark.interpreted
def test_state_machine(case: Case) -> None:
    """Demands one by one, chosen by chance."""
    case.run()


@pytest.mark.interpreted
def test_shared_pages(case: Case) -> None:
    """Counts past 62, folios of many mappings."""
    case.run()


@pytest.mark.interpreted
def test_written_pages(case: Case) -> None:
    """Every space reads what was written before a fork."""
    case.run()


@pytest.mark.interpreted
def test_races(case: Case) -> None:
    """A fault stops at each of its places while its page changes."""
    case.run()


@pytest.mark.interpreted
def test_full_devices(case: Case) -> None:
    """Slots that only the swap cache holds are given up."""
    case.run()


def test_moves(case: Case) -> None:
    """Every step of a move meets every other demand."""
    case.run()


@pytest.mark.interpreted
def test_swapoffs(case: Case) -> None:
    """A swapoff leaves only what is in flight."""
    case.run()


@pytest.mark.interpreted
def test_many_demands(case: Case) -> None:
    """No content token is lost."""
    case.run()


def test_leaks(case: Case) -> None:
    """Nothing is left after everything has ended."""
    case.run()


def test_lock_order(case: Case) -> None:
    """Locks are taken in their declared order."""
    case.run()


def test_lock_rules(case: Case) -> None:
    """Nothing is written without the lock that guards it."""
    case.run()


def test_schedules(case: Case) -> None:
    """Two or three demands at once, under many schedules."""
    case.run()


def test_same_counters(case: Case) -> None:
    """The same demands give the same counters."""
    case.run()


@pytest.mark.interpreted
def test_every_probe(case: Case) -> None:
    """Probes only watch."""
    case.run()


def test_ledger(case: Case) -> None:
    """The closed form equals live arrays."""
    case.run()
