"""Threads that wait for processes side by side, and that a signal does not wait for."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence

LOOK = 0.2
"""Seconds after which the main thread looks for signals: where another library handles SIGINT, one wakes no lock that is waited for."""
SOON = 0.01
"""Seconds between two looks for threads that end."""
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
    woken: queue.SimpleQueue[None] = queue.SimpleQueue()  # a signal while the lock of an Event is taken leaves that taken: this has none
    ended: set[int] = set()  # an interrupted join takes a thread for ended that is not (Python 3.11)

    def work(number: int, task: Task) -> None:
        try:
            task(over)
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            problems.append(error)
            over.set()
        finally:
            ended.add(number)
            woken.put(None)

    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in enumerate(tasks)]
    try:
        for thread in threads:
            thread.start()
        while len(ended) < len(tasks):
            with contextlib.suppress(queue.Empty):
                woken.get(timeout=LOOK)
    except BaseException:
        over.set()
        end()
        while any(number not in ended for number, thread in enumerate(threads) if thread.ident is not None):
            time.sleep(SOON)
        raise
    if problems:
        raise problems[0]
