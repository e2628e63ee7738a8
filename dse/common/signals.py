"""SIGTERM and SIGHUP as an exception, so that what was begun is ended and put away."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

AGAIN = 2.0
"""Seconds in which a further signal is the same one: timeout(1) and service managers send it to a process and to its group."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: all that lets Ctrl-C through lets it through.

    Attributes
    ----------
    number : int
        Number of the signal.
    """

    number: int = signal.SIGTERM


SILENT = ("_raw_object_cache_notify", "_raw_object_cache_getbuffer", "__del__")
"""Functions that no exception leaves: callbacks of LLVM, whose compilation would then fail for another reason, and finalizers."""
SOON = 0.02
"""Seconds after which a signal that came in one of them comes again."""


def _silent(frame: FrameType | None) -> bool:
    """Return True where what is raised would be lost."""
    while frame is not None and frame.f_code.co_name not in SILENT:
        frame = frame.f_back
    return frame is not None


@contextlib.contextmanager
def terminated(error: BaseException) -> Iterator[None]:
    """Raise `error` at SIGTERM and SIGHUP, and KeyboardInterrupt at SIGINT, but nowhere where it would be lost.

    Threads other than the main one change nothing. A signal that is ignored is left alone, as SIGHUP is under nohup(1), and SIGINT where
    somebody else handles it. An exception that Python ignores, as in the callback of a weak reference, comes again as a signal.

    Parameters
    ----------
    error : exception
        What is raised, wherever the main thread is.
    """
    last = [float("-inf")]

    def end(number: int, frame: FrameType | None) -> None:
        if _silent(frame):
            threading.Timer(SOON, os.kill, (os.getpid(), number)).start()
            return
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        before, last[0] = last[0], time.monotonic()
        if last[0] - before > AGAIN:
            if isinstance(error, Terminated):
                error.number = number
            raise error

    def lost(given: Any) -> None:
        if isinstance(given.exc_value, KeyboardInterrupt):
            last[0] = float("-inf")
            threading.Timer(SOON, os.kill, (os.getpid(), getattr(given.exc_value, "number", signal.SIGINT))).start()
        else:
            shown(given)

    ours = {number: signal.getsignal(number) not in (signal.SIG_IGN, None) for number in (signal.SIGTERM, signal.SIGHUP)}
    ours[signal.SIGINT] = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if threading.current_thread() is not threading.main_thread():
        ours = {}
    before = {number: signal.signal(number, end) for number, handled in ours.items() if handled}
    shown = sys.unraisablehook
    if before:
        sys.unraisablehook = lost
    try:
        yield
    finally:
        sys.unraisablehook = shown
        for number, handler in before.items():
            signal.signal(number, handler)
