"""Parts of the kernel beside the state of a design: locks of folios, page tables and spaces, references, and how wrappers are made."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dse.testing.schedules.running import Key, Scheduler, Task
from kernels.compiling.jit import u
from kernels.memory import BYPASS, CACHED, LOCKED, WRITEBACK

Step = Callable[..., Any]
FOLIO_LOCK, TABLE_LOCK, MMAP_LOCK = "folio lock", "page table", "mmap_lock"
BUSY_FLAGS = LOCKED | WRITEBACK | CACHED | BYPASS


class Kept(Exception):
    """Somebody else refers to the folio, which therefore stays."""


class Gone(Exception):
    """Nothing is behind a PTE's value any more: the PTE has changed."""


class Kernel:
    """State of the wrappers: the run under way, and the bits of a page number within a table."""

    run: Scheduler | None = None
    shift = 9
    live: set[int] = set()  # noqa: RUF012 - one kernel
    gone: set[int] = set()  # noqa: RUF012 - devices whose swapoff has succeeded


def folio(f: Any) -> Key:
    """Key of a folio's lock."""
    return FOLIO_LOCK, int(f)


def table(page: Any) -> Key:
    """Key of the lock of the page table that has the PTE of `page`."""
    return TABLE_LOCK, int(page) >> Kernel.shift


def space(page: Any) -> Key:
    """Key of the mmap_lock of the space of `page`."""
    return MMAP_LOCK, int(page) >> Kernel.shift


def others_refer(run: Scheduler, f: int) -> bool:
    """Tell if another task has a reference to folio `f`."""
    return any(f in task.refs for task in run.tasks if task is not run.current)


def refer(task: Task, f: Any) -> None:
    """Take a reference to folio `f` (``folio_get``)."""
    task.refs[int(f)] = task.refs.get(int(f), 0) + 1


def unrefer(task: Task, f: Any) -> None:
    """Drop a reference, and nothing more."""
    n = int(f)
    task.refs[n] -= 1
    if not task.refs[n]:
        del task.refs[n]


def put(run: Scheduler, st: Any, f: Any) -> None:
    """Drop a reference; the last one frees a folio that nothing maps and no cache has (``folio_put``)."""
    task = run.current
    if task is None or int(f) not in task.refs:
        return
    unrefer(task, f)
    state = st.folio[int(f) * 8]
    if int(state) >> 32 == 0 and not state & BUSY_FLAGS and not any(int(f) in one.refs for one in run.tasks):
        REAL["folio_free"](st, u(f))


REAL: dict[str, Step] = {}
"""The functions behind the wrappers that other wrappers need."""


Made = Callable[[Step], Step]


def around(does: Callable[..., Any]) -> Made:
    """Make of `does` a maker of wrappers: it gets the run, the task, the function that is wrapped, and its arguments."""

    @functools.wraps(does)
    def make(right: Step) -> Step:
        def wrapper(*args: Any) -> Any:
            run = Kernel.run
            if run is None or run.current is None:
                return right(*args)
            return does(run, run.current, right, *args)

        return wrapper

    return make


def _piece(run: Scheduler, task: Task, right: Step, *args: Any, step: bool) -> Any:
    run.enter(step=step)
    try:
        return right(*args)
    finally:
        task.quiet -= 1


@around
def one_step(run: Scheduler, task: Task, right: Step, *args: Any) -> Any:
    """Make one step of all that a function reads and writes."""
    return _piece(run, task, right, *args, step=True)


@around
def merged(run: Scheduler, task: Task, right: Step, *args: Any) -> Any:
    """Make what a function reads and writes part of the step before it."""
    return _piece(run, task, right, *args, step=False)


@contextmanager
def held(run: Scheduler, key: Key, cls: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock."""
    run.take(key, cls, shared=shared)
    try:
        yield
    finally:
        run.drop(key)


@contextmanager
def folios_of(run: Scheduler, st: Any) -> Iterator[Task]:
    """Let go, at the end, of folio locks and references that are taken inside."""
    task = run.current
    assert task is not None
    locks, refs = len([k for k, cls, _ in task.held if cls == FOLIO_LOCK]), dict(task.refs)
    try:
        yield task
    finally:
        mine = [k for k, cls, _ in task.held if cls == FOLIO_LOCK]
        for key in reversed(mine[locks:]):
            run.drop(key)
        for f in [n for n, times in task.refs.items() for _ in range(times - refs.get(n, 0))]:
            put(run, st, f)
