"""Threads that wait for processes side by side, and that a signal does not wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

LOOK = 0.2
"""Seconds after which the main thread looks for signals: where another library handles SIGINT, one wakes no lock that is waited for."""
Task = Callable[[threading.Event], None]
"""Work of a thread. It begins nothing more once the event is set."""


def together(tasks: Sequence[Task], end: Callable[[], object]) -> None:
    """Do every task in a thread of its own until all are done.

    Parameters
    ----------
    tasks : sequence of callable
        The work. Once one of them fails, the others begin nothing more, and what it raised is raised here.
    end : callable
        Ends what the threads wait for, where Ctrl-C or SIGTERM comes: nobody waits for it any more.
    """
    over = threading.Event()
    problems: list[BaseException] = []

    def work(task: Task, done: threading.Event) -> None:
        try:
            task(over)
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            problems.append(error)
            over.set()
        finally:
            done.set()

    ends = [threading.Event() for _ in tasks]  # an interrupted join takes a thread for ended that is not (Python 3.11)
    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in zip(tasks, ends, strict=True)]
    try:
        for thread in threads:
            thread.start()
        for done in ends:
            while not done.wait(LOOK):
                pass
    except BaseException:
        over.set()
        end()
        for thread, done in zip(threads, ends, strict=True):
            if thread.ident is not None:
                done.wait()
        raise
    if problems:
        raise problems[0]
