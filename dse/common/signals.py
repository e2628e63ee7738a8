"""SIGTERM as an exception, so that what was begun is ended and put away."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn


@contextlib.contextmanager
def terminated(error: BaseException) -> Iterator[None]:
    """Raise `error` at SIGTERM. Threads other than the main one change nothing.

    Parameters
    ----------
    error : exception
        What is raised, wherever the main thread is.
    """

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        raise error

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
