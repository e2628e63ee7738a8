"""Wrappers: reclaim, zap, fork, moves and swapoff, under the folio lock and the page-table lock."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from dse.testing.schedules.faulting import still_cached
from dse.testing.schedules.kernel import (
    FOLIO_LOCK,
    MMAP_LOCK,
    TABLE_LOCK,
    Gone,
    Kept,
    Kernel,
    Step,
    around,
    folio,
    folios_of,
    held,
    one_step,
    others_refer,
    refer,
    space,
    table,
)  # fmt: skip
from dse.testing.schedules.running import Key, Scheduler, Task
from kernels import codes
from kernels import memory as w
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import u
from kernels.memory import LOCKED, WRITEBACK
from kernels.observing.probe import CLUSTERS
from kernels.structures import cluster as cl


@around
def reclaim(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, page: Any, *more: Any) -> Any:
    """Try the lock of the folio that the PTE maps."""
    with folios_of(run, st):
        pte = st.pte[page]
        if pte & U1 != U0:
            refer(task, pte >> U1)
            if not run.take(folio(pte >> U1), FOLIO_LOCK, wait=False):
                return codes.BUSY
            if st.pte[page] != pte:
                return codes.NOT_RESIDENT
        with suppress(Kept):
            return right(st, pr, page, *more)
        return codes.BUSY


@around
def found_tried(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, entry: Any) -> Any:
    """Try the lock of a cached folio, and look again if it is still the one."""
    f = right(st, pr, entry)
    if f != U0:
        refer(task, f)
        if not run.take(folio(f), FOLIO_LOCK, wait=False) or not still_cached(run, right, st, pr, entry, f):
            return U0
    return f


@around
def unmap_all(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, f: Any, page: Any, *more: Any) -> Any:
    """Walk the PTEs under their locks; a folio that is still mapped then stays."""
    task.walk = table(page)
    run.take(task.walk, TABLE_LOCK)
    try:
        n, why = right(st, pr, f, page, *more)
    finally:
        run.drop(task.walk)
        task.walk = None
    if why == U0 and int(st.folio[int(f) * 8]) >> 32:
        why = codes.UNMAP_FAILED
    return n, why


@around
def rewrite_ptes(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, page: Any, *more: Any) -> Any:
    """Walk the PTEs under their locks."""
    task.walk = table(page)
    run.take(task.walk, TABLE_LOCK)
    try:
        return right(st, pr, page, *more)
    finally:
        run.drop(task.walk)
        task.walk = None


@around
def next_kin(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, page: Any) -> Any:
    """Go from the lock of one page table to that of the next."""
    after = right(st, pr, page)
    if task.walk is not None and table(after) != task.walk:
        run.drop(task.walk)
        task.walk = table(after)
        run.take(task.walk, TABLE_LOCK)
    return after


@around
def writeback_end(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, f: Any) -> Any:
    """Unlock at submission, and drop the folio in a later pass that tries its lock."""
    with folios_of(run, st):
        refer(task, f)
        while folio(f) in task.set:
            run.drop(folio(f))
        if not run.take(folio(f), FOLIO_LOCK, wait=False):
            w.f_clear(st, f, WRITEBACK)
            return None
        with suppress(Kept):
            return right(st, pr, f)
        return None


@around
def evict(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, f: Any) -> Any:
    """Leave a folio in the swap cache that somebody else refers to (``folio_ref_freeze``)."""
    if others_refer(run, int(f)) or int(st.folio[int(f) * 8]) >> 32:
        raise Kept
    return right(st, pr, f)


@around
def shared_mm(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, page: Any, *more: Any) -> Any:
    """Hold mmap_lock for reading and the page-table lock."""
    with held(run, space(page), MMAP_LOCK, shared=True), held(run, table(page), TABLE_LOCK):
        return right(st, pr, page, *more)


@around
def fork(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, page: Any, count: Any, child: Any) -> Any:
    """Hold mmap_lock for writing and both page-table locks."""
    into = TABLE_LOCK, int(child)
    with held(run, space(page), MMAP_LOCK), held(run, into, "page table of a child"), held(run, table(page), TABLE_LOCK):
        return right(st, pr, page, count, child)


@around
def put_at_end(run: Scheduler, task: Task, right: Step, st: Any, *args: Any) -> Any:
    """Put folios of a move or a swapoff at its end, also where its entry is gone."""
    with folios_of(run, st), suppress(Gone):
        return right(st, *args)
    return codes.NOT_SWAPPED


@around
def move(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, kind: Any, page: Any, *more: Any) -> Any:
    """Move a page that nobody else moves: the record of the model that says so is looked at and written in one step."""
    key = "move of page", int(page)
    if not run.take(key, key[0], wait=False):
        return codes.BUSY
    try:
        return put_at_end(right)(st, pr, kind, page, *more)
    finally:
        run.drop(key)


@around
def swap_out(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, f: Any, page: Any, *more: Any) -> Any:
    """Try the lock of a folio that a move swaps out again, and see that the page still maps it."""
    if folio(f) not in task.set:
        refer(task, f)
        if not run.take(folio(f), FOLIO_LOCK, wait=False) or st.pte[page] != f << U1 | U1:
            return codes.MOVED_AWAY
    return right(st, pr, f, page, *more)


@around
def fault_all(run: Scheduler, task: Task, right: Step, *args: Any) -> Any:
    """Keep a reference to what was faulted in for a move."""
    f = right(*args)
    if f != U0:
        refer(task, f)
    return f


@around
def found_by_move(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, entry: Any) -> Any:
    """Keep a reference to what a move finds in the swap cache."""
    f = right(st, pr, entry)
    if f != U0 and task.moving:
        refer(task, f)
    return f


def looked_up(right: Step) -> Step:
    """Look into the swap cache in one step."""
    return one_step(found_by_move(right))


@around
def move_step(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, t: Any, cpu: Any) -> Any:
    """Unlock, at the end of a step, folios that it has unlocked."""
    task.moving += 1
    try:
        code = right(st, pr, t, cpu)
    except Kept:
        code = codes.BUSY
    finally:
        task.moving -= 1
    for key, cls, _ in list(task.held):
        if cls == FOLIO_LOCK and not st.folio[int(key[1]) * 8] & LOCKED:  # type: ignore[call-overload]
            run.drop(key)
    return code


@around
def scan_cluster(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, d: Any, c: Any, start: Any, percpu: Any, own: Any) -> Any:
    """Look, under the lock of the cluster, if slots of the device may be given out."""
    with held(run, cluster_of(st, c), "cluster"):
        if st.dev[d * cl.DEV_WORDS + cl.D_FLAGS] & cl.DEV_ON:
            return right(st, pr, d, c, start, percpu, own)
        if not st.cluster[c * cl.CI_WORDS + cl.CI_LIST]:
            cl.relist(st, pr, d, c, cl.NONFULL_LIST if st.cluster[c * cl.CI_WORDS + cl.CI_COUNT] else cl.FREE_LIST)
        return U0


def cluster_of(st: Any, c: Any) -> Key:
    """Key of the lock of cluster `c`, as the probe has it."""
    return "cluster", "cluster", int(c * cl.CI_WORDS)


@around
def reclaim_full(run: Scheduler, task: Task, right: Step, *args: Any) -> Any:
    """Free a folio that is dropped to get a slot and that nothing maps."""
    task.scanning = True
    try:
        return right(*args)
    finally:
        task.scanning = False


@around
def move_to_end(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, d: Any, c: Any, want: Any) -> Any:
    """Leave a cluster where it is that has left its list since it was looked at."""
    if any(cls in CLUSTERS for _, cls, _ in task.held):
        return right(st, pr, d, c, want)
    with held(run, cluster_of(st, c), "cluster"):
        return right(st, pr, d, c, want) if st.cluster[c * cl.CI_WORDS + cl.CI_LIST] == want else None


@around
def turn_off(run: Scheduler, task: Task, right: Step, st: Any, d: Any) -> Any:
    """Wait for allocations under way: take and drop the lock of each cluster."""
    was_on = right(st, d)
    first, n = (int(st.dev[d * cl.DEV_WORDS + one]) for one in (cl.D_CLUSTER, cl.D_CLUSTERS))
    for c in range(first, first + n if was_on else first):
        with held(run, cluster_of(st, u(c)), "cluster"):
            pass
    return was_on


@around
def turned_off(run: Scheduler, task: Task, right: Step, st: Any, d: Any) -> Any:
    """Note that a device is gone."""
    code = right(st, d)
    if code == codes.SWAPPED_OFF:
        Kernel.gone.add(int(d))
    return code


@around
def read_device(run: Scheduler, task: Task, right: Step, st: Any, pr: Any, entry: Any, *more: Any) -> Any:
    """Note a read of a device that is gone."""
    if int(cl.device_of(entry)) in Kernel.gone:
        run.note(f"device {int(cl.device_of(entry))} is read after its swapoff")
    return right(st, pr, entry, *more)
