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
