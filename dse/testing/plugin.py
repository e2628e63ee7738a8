"""The pytest plugin behind ``pytest --pyargs dse.testing --designs my_design.py``: its options and its marker."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the conformance suite."""
    group = parser.getgroup("swapdse", "designs of swapdse (pytest --pyargs dse.testing)")
    group.addoption(
        "--designs", default=None, metavar="A,B.py", help="designs to test, or files that register them (default: all that are registered)"
    )
    group.addoption("--design-demands", type=int, default=None, metavar="N", help="demands of each random stream (default: 4000)")
    group.addoption("--sample", default="all", metavar="SEED", help="test half of the designs, which SEED chooses (default: all of them)")
    group.addoption("--design-seed", type=int, default=None, metavar="N", help="first seed of random demands (default: 0)")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, for folders without a configuration of their own, and load the designs asked for."""
    config.addinivalue_line("markers", "interpreted: also run with NUMBA_DISABLE_JIT=1, for branch coverage of the kernels")
    if config.getoption("--designs"):
        from dse.errors import BadInput
        from dse.testing import subjects

        try:
            subjects.chosen(config.getoption("--designs"))
        except BadInput as error:
            raise pytest.UsageError(str(error)) from None


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which designs were chosen by ``--sample``."""
    seed = config.getoption("--sample")
    if seed == "all":
        return []
    from dse.testing import subjects

    names = [one.name for one in subjects.chosen(config.getoption("--designs"))]
    taken = [one.name for one in subjects.sampled(subjects.chosen(config.getoption("--designs")), seed)]
    return [f"conformance of {len(taken)} of {len(names)} designs, the sample of {seed} (--sample all for the others): {', '.join(taken)}"]
