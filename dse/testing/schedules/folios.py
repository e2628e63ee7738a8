"""Wrappers: flags, map counts, references and locks of folios."""

from __future__ import annotations

from typing import Any

from dse.testing.schedules.kernel import (
    FOLIO_LOCK,
    REAL,
    Kernel,
    Step,
    around,
    folio,
    folios_of,
    put,
    refer,
    unrefer,
)  # fmt: skip
from dse.testing.schedules.running import READ, WRITE, Scheduler, Task
from kernels.memory import CACHED, LOCKED, WRITEBACK


@around
def f_is(run: Scheduler, task: Task, right: Step, st: Any, f: Any, flag: Any) -> Any:
    """Read a flag: a folio that another task has locked is locked."""
    run.event(READ, ("folio", int(f)))
    return bool(flag & LOCKED and not run.free(folio(f), task.number, False)) or right(st, f, flag)


@around
def f_set(run: Scheduler, task: Task, right: Step, st: Any, f: Any, flag: Any) -> Any:
    """Set a flag; LOCKED waits for the lock."""
    if flag & LOCKED:
        run.take(folio(f), FOLIO_LOCK)
    run.event(WRITE, ("folio", int(f)))
    return right(st, f, flag)


@around
def f_clear(run: Scheduler, task: Task, right: Step, st: Any, f: Any, flag: Any) -> Any:
    """Clear a flag. The lock stays until the demand, or the step of a move, is over."""
    run.event(WRITE, ("folio", int(f)))
    return right(st, f, flag)


@around
def mapcount(run: Scheduler, task: Task, right: Step, st: Any, f: Any) -> Any:
    """Read a map count."""
    run.event(READ, ("folio", int(f)))
    return right(st, f)


@around
def map_page(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, page: Any, f: Any) -> Any:
    """Raise a map count."""
    run.event(WRITE, ("folio", int(f)))
    return right(st, pr, page, f)


@around
def unmap_page(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, page: Any, f: Any, pte: Any) -> Any:
    """Lower a map count."""
    run.event(WRITE, ("folio", int(f)))
    return right(st, pr, page, f, pte)


def folio_new(right: Step) -> Step:
    """Note which folios are in use; a move has its own locked, with a reference, before anybody sees it."""

    def wrapper(st: Any, page: Any) -> Any:
        f = right(st, page)
        Kernel.live.add(int(f))
        run = Kernel.run
        task = None if run is None else run.current
        if run is not None and task is not None and task.moving and task.page is None:
            refer(task, f)
            run.take(folio(f), FOLIO_LOCK)
        return f

    return wrapper


def folio_free(right: Step) -> Step:
    """Free a folio once, and not while somebody has a reference."""

    def free(st: Any, f: Any) -> Any:
        if int(f) in Kernel.live:
            Kernel.live.discard(int(f))
            right(st, f)

    def wrapper(st: Any, f: Any) -> Any:
        run = Kernel.run
        if run is None or run.current is None:
            right(st, f)
        elif not any(int(f) in task.refs for task in run.tasks):
            free(st, f)

    REAL["folio_free"] = free
    return wrapper


@around
def with_reference(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, f: Any) -> Any:
    """Hold a reference; the last one frees what nothing maps and no cache has."""
    with folios_of(run, st):
        refer(task, f)
        return right(st, pr, f)


@around
def free_swap(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, f: Any) -> Any:
    """Try the lock of a folio that is not locked, and see if it still is in the swap cache and not under writeback."""
    if folio(f) in task.set:
        return right(st, pr, f)
    refer(task, f)
    done = False
    try:
        if run.take(folio(f), FOLIO_LOCK, wait=False):
            flags = st.folio[int(f) * 8]
            done = bool(flags & CACHED) and not flags & WRITEBACK and bool(right(st, pr, f))
            run.drop(folio(f))
    finally:
        if done and not task.scanning:
            unrefer(task, f)  # the caller frees it
        else:
            put(run, st, f)
    return done
