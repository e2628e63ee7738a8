"""Wrappers: faults, under mmap_lock, the folio lock and the page-table lock."""

from __future__ import annotations

from typing import Any

from dse.testing.schedules.kernel import (
    FOLIO_LOCK,
    MMAP_LOCK,
    TABLE_LOCK,
    Gone,
    Step,
    around,
    folio,
    folios_of,
    held,
    put,
    refer,
    space,
    table,
    unrefer,
)  # fmt: skip
from dse.testing.schedules.running import Scheduler, Task
from kernels import codes
from kernels.compiling.constants import U0, U1


@around
def fault(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, page: Any, flags: Any, cut: Any) -> Any:
    """Hold mmap_lock for reading; at the end folios are unlocked and put."""
    with held(run, space(page), MMAP_LOCK, shared=True), folios_of(run, st):
        before, task.page = task.page, int(page)
        try:
            return right(st, pr, page, flags, cut)
        except Gone:
            return codes.GONE
        finally:
            task.page = before
            while table(page) in task.set:
                run.drop(table(page))


@around
def something(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, value: Any) -> Any:
    """End a fault whose entry is gone: by now the PTE has changed."""
    entry = right(st, pr, value)
    if entry == U0:
        raise Gone
    return entry


@around
def found_locked(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, entry: Any) -> Any:
    """Wait for the lock of a cached folio, and look again if it is still the one."""
    while True:
        f = right(st, pr, entry)
        if f == U0:
            return f
        refer(task, f)
        run.take(folio(f), FOLIO_LOCK)
        if still_cached(run, right, st, pr, entry, f):
            return f
        run.drop(folio(f))
        put(run, st, f)


def still_cached(run: Scheduler, right: Step, st: Any, pr: Any, entry: Any, f: Any) -> bool:
    """Tell, with its lock held, if folio `f` is still the one that the swap cache has for `entry`."""
    task, run.current = run.current, None
    try:
        return bool(right(st, pr, entry) == f)
    finally:
        run.current = task


@around
def same(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, value: Any, entry: Any) -> Any:
    """Take the page-table lock for the question, and keep it where the answer is yes."""
    if task.page is None:
        return right(st, pr, value, entry)
    run.take(table(task.page), TABLE_LOCK)
    ok = right(st, pr, value, entry)
    if not ok:
        run.drop(table(task.page))
    return ok


@around
def read_begin(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, entry: Any, f: Any) -> Any:
    """Lock a folio before it is in the swap cache."""
    run.take(folio(f), FOLIO_LOCK)
    refer(task, f)
    ok = right(st, pr, entry, f)
    if not ok:
        run.drop(folio(f))
        unrefer(task, f)
    return ok


@around
def read_abort(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, entry: Any, f: Any) -> Any:
    """Unlock a folio that was read for nothing; the caller frees it."""
    right(st, pr, entry, f)
    run.drop(folio(f))
    unrefer(task, f)


@around
def install(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, page: Any, value: Any, *more: Any) -> Any:
    """Take the page-table lock and compare the PTE (``pte_same``)."""
    with held(run, table(page), TABLE_LOCK):
        if st.pte[page] != value << U1:
            return None
        return right(st, pr, page, value, *more)


@around
def under_table_lock(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, page: Any, *more: Any) -> Any:
    """Take the page-table lock."""
    with held(run, table(page), TABLE_LOCK):
        return right(st, pr, page, *more)


@around
def first_touch(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, page: Any) -> Any:
    """Take the page-table lock and see that there is no PTE yet."""
    with held(run, table(page), TABLE_LOCK):
        return right(st, pr, page) if st.pte[page] == U0 else codes.GONE
