"""Locks and references that the life cycle leaves out, supplied around its functions: the model runs one CPU at a time and needs none.

Each wrapper stands for what the kernel does there; :data:`TABLE` names the kernel's function. Nothing is done where no scheduler runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dse.testing.schedules.running import READ, WRITE, Key, Scheduler, Task
from kernels import codes
from kernels import memory as w
from kernels.compiling.constants import U0, U1
from kernels.compiling.jit import u
from kernels.life import faults, lifecycle, moves, page_io, registry, replay, steps
from kernels.memory import BYPASS, CACHED, LOCKED, WRITEBACK
from kernels.structures import cluster as cl
from kernels.structures import slots, xarray

Step = Callable[..., Any]
FOLIO_LOCK, TABLE_LOCK, MMAP_LOCK = "folio lock", "page table", "mmap_lock"
BUSY_FLAGS = LOCKED | WRITEBACK | CACHED | BYPASS


class Kept(Exception):  # noqa: N818 - no error
    """Somebody else refers to the folio, which therefore stays."""


class Gone(Exception):  # noqa: N818 - no error
    """Nothing is behind a PTE's value any more: the PTE has changed."""


class Kernel:
    """What there is beside the state: the run under way, and the bits of a page number within a table."""

    run: Scheduler | None = None
    shift = 9
    live: set[int] = set()  # noqa: RUF012 - one kernel
    gone: set[int] = set()  # noqa: RUF012 - devices whose swapoff has succeeded


def active() -> Scheduler | None:
    """The scheduler, if a task runs."""
    run = Kernel.run
    return run if run is not None and run.current is not None else None


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
        for f in [f for f, n in task.refs.items() for _ in range(n - refs.get(f, 0))]:
            put(run, st, f)


# folios -------------------------------------------------------------------------------------------------------------------------


def f_is(right: Step) -> Step:
    def wrapper(st: Any, f: Any, flag: Any) -> Any:
        run = active()
        if run is not None:
            run.event(READ, ("folio", int(f)))
            if flag & LOCKED and not run.free(folio(f), run.current.number, False):  # type: ignore[union-attr]
                return True
        return right(st, f, flag)

    return wrapper


def f_set(right: Step) -> Step:
    def wrapper(st: Any, f: Any, flag: Any) -> Any:
        run = active()
        if run is not None:
            if flag & LOCKED:
                run.take(folio(f), FOLIO_LOCK)
            run.event(WRITE, ("folio", int(f)))
        return right(st, f, flag)

    return wrapper


def f_clear(right: Step) -> Step:
    def wrapper(st: Any, f: Any, flag: Any) -> Any:
        run = active()
        if run is not None:
            run.event(WRITE, ("folio", int(f)))
        return right(st, f, flag)

    return wrapper


def mapcount(right: Step) -> Step:
    def wrapper(st: Any, f: Any) -> Any:
        run = active()
        if run is not None:
            run.event(READ, ("folio", int(f)))
        return right(st, f)

    return wrapper


def folio_new(right: Step) -> Step:
    def wrapper(st: Any, page: Any) -> Any:
        f = right(st, page)
        Kernel.live.add(int(f))
        run = active()
        task = None if run is None else run.current
        if run is not None and task is not None and task.moving and task.page is None:
            refer(task, f)
            run.take(folio(f), FOLIO_LOCK)
        return f

    return wrapper


def folio_free(right: Step) -> Step:
    def free(st: Any, f: Any) -> Any:
        if int(f) in Kernel.live:
            Kernel.live.discard(int(f))
            right(st, f)

    def wrapper(st: Any, f: Any) -> Any:
        run = active()
        if run is None:
            right(st, f)
        elif not any(int(f) in task.refs for task in run.tasks):
            free(st, f)

    REAL["folio_free"] = free
    return wrapper


def map_page(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, page: Any, f: Any) -> Any:
        run = active()
        if run is not None:
            run.event(WRITE, ("folio", int(f)))
        return right(st, pr, page, f)

    return wrapper


def unmap_page(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, page: Any, f: Any, pte: Any) -> Any:
        run = active()
        if run is not None:
            run.event(WRITE, ("folio", int(f)))
        return right(st, pr, page, f, pte)

    return wrapper


def orphan(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, f: Any) -> Any:
        run = active()
        if run is None:
            return right(st, pr, f)
        with folios_of(run, st) as task:
            refer(task, f)
            return right(st, pr, f)

    return wrapper


drop_unused = orphan


def free_swap(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, f: Any) -> Any:
        run = active()
        if run is None or run.holds(folio(f)):
            return right(st, pr, f)
        task = run.current
        assert task is not None
        refer(task, f)
        done = False
        try:
            if run.take(folio(f), FOLIO_LOCK, wait=False):
                try:
                    flags = st.folio[int(f) * 8]
                    done = bool(flags & CACHED) and not flags & WRITEBACK and bool(right(st, pr, f))
                finally:
                    run.drop(folio(f))
        finally:
            if done:
                unrefer(task, f)  # the caller frees it
            else:
                put(run, st, f)
        return done

    return wrapper


# faults -------------------------------------------------------------------------------------------------------------------------


def fault(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, page: Any, flags: Any, cut: Any) -> Any:
        run = active()
        if run is None:
            return right(st, pr, page, flags, cut)
        with held(run, space(page), MMAP_LOCK, shared=True), folios_of(run, st) as task:
            before, task.page = task.page, int(page)
            try:
                return right(st, pr, page, flags, cut)
            except Gone:
                return codes.GONE
            finally:
                task.page = before
                while table(page) in task.set:
                    run.drop(table(page))

    return wrapper


def something(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, value: Any) -> Any:
        entry = right(st, pr, value)
        if entry == U0 and active() is not None:
            raise Gone
        return entry

    return wrapper


def found_locked(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, entry: Any) -> Any:
        run = active()
        if run is None:
            return right(st, pr, entry)
        task = run.current
        assert task is not None
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

    return wrapper


def still_cached(run: Scheduler, right: Step, st: Any, pr: Any, entry: Any, f: Any) -> bool:
    """Tell, with its lock held, if folio `f` is still the one that the swap cache has for `entry`."""
    task, run.current = run.current, None
    try:
        return bool(right(st, pr, entry) == f)
    finally:
        run.current = task


def same(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, value: Any, entry: Any) -> Any:
        run = active()
        if run is None or run.current.page is None:  # type: ignore[union-attr]
            return right(st, pr, value, entry)
        key = table(run.current.page)  # type: ignore[union-attr]
        run.take(key, TABLE_LOCK)
        ok = right(st, pr, value, entry)
        if not ok:
            run.drop(key)
        return ok

    return wrapper


def read_begin(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, entry: Any, f: Any) -> Any:
        run = active()
        if run is None:
            return right(st, pr, entry, f)
        task = run.current
        assert task is not None
        run.take(folio(f), FOLIO_LOCK)
        refer(task, f)
        ok = right(st, pr, entry, f)
        if not ok:
            run.drop(folio(f))
            unrefer(task, f)
        return ok

    return wrapper


def install(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, page: Any, value: Any, *more: Any) -> Any:
        run = active()
        if run is None:
            return right(st, pr, page, value, *more)
        with held(run, table(page), TABLE_LOCK):
            if st.pte[page] != value << U1:
                return None
            return right(st, pr, page, value, *more)

    return wrapper


def under_table_lock(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, page: Any, *more: Any) -> Any:
        run = active()
        if run is None:
            return right(st, pr, page, *more)
        with held(run, table(page), TABLE_LOCK):
            return right(st, pr, page, *more)

    return wrapper


def first_touch(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, page: Any) -> Any:
        run = active()
        if run is None:
            return right(st, pr, page)
        with held(run, table(page), TABLE_LOCK):
            return right(st, pr, page) if st.pte[page] == U0 else codes.GONE

    return wrapper


# reclaim ------------------------------------------------------------------------------------------------------------------------


def reclaim(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, page: Any, *more: Any) -> Any:
        run = active()
        if run is None:
            return right(st, pr, page, *more)
        with folios_of(run, st) as task:
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

    return wrapper


def found_tried(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, entry: Any) -> Any:
        f = right(st, pr, entry)
        run = active()
        if run is None or f == U0:
            return f
        task = run.current
        assert task is not None
        refer(task, f)
        if not run.take(folio(f), FOLIO_LOCK, wait=False) or not still_cached(run, right, st, pr, entry, f):
            return U0
        return f

    return wrapper


def unmap_all(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, f: Any, page: Any, *more: Any) -> Any:
        run = active()
        if run is None:
            return right(st, pr, f, page, *more)
        task = run.current
        assert task is not None
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

    return wrapper


def rewrite_ptes(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, page: Any, *more: Any) -> Any:
        run = active()
        if run is None:
            return right(st, pr, page, *more)
        task = run.current
        assert task is not None
        task.walk = table(page)
        run.take(task.walk, TABLE_LOCK)
        try:
            return right(st, pr, page, *more)
        finally:
            run.drop(task.walk)
            task.walk = None

    return wrapper


def next_kin(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, page: Any) -> Any:
        after = right(st, pr, page)
        run = active()
        if run is not None and run.current.walk is not None and table(after) != run.current.walk:  # type: ignore[union-attr]
            task = run.current
            assert task is not None and task.walk is not None
            run.drop(task.walk)
            task.walk = table(after)
            run.take(task.walk, TABLE_LOCK)
        return after

    return wrapper


def writeback_end(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, f: Any) -> Any:
        run = active()
        if run is None:
            return right(st, pr, f)
        with folios_of(run, st) as task:
            refer(task, f)
            while folio(f) in task.set:
                run.drop(folio(f))
            if not run.take(folio(f), FOLIO_LOCK, wait=False):
                w.f_clear(st, f, WRITEBACK)
                return None
            with suppress(Kept):
                return right(st, pr, f)
            return None

    return wrapper


def evict(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, f: Any) -> Any:
        run = active()
        if run is not None and (others_refer(run, int(f)) or int(st.folio[int(f) * 8]) >> 32):
            raise Kept
        return right(st, pr, f)

    return wrapper


# the rest -----------------------------------------------------------------------------------------------------------------------


def shared_mm(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, page: Any, *more: Any) -> Any:
        run = active()
        if run is None:
            return right(st, pr, page, *more)
        with held(run, space(page), MMAP_LOCK, shared=True), held(run, table(page), TABLE_LOCK):
            return right(st, pr, page, *more)

    return wrapper


def fork(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, page: Any, count: Any, child: Any) -> Any:
        run = active()
        if run is None:
            return right(st, pr, page, count, child)
        into = TABLE_LOCK, int(child)
        with held(run, space(page), MMAP_LOCK), held(run, into, "page table of a child"), held(run, table(page), TABLE_LOCK):
            return right(st, pr, page, count, child)

    return wrapper


def move(right: Step) -> Step:
    def wrapper(st: Any, *args: Any) -> Any:
        run = active()
        if run is None:
            return right(st, *args)
        with folios_of(run, st), suppress(Gone):
            return right(st, *args)
        return codes.NOT_SWAPPED

    return wrapper


def swap_out(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, f: Any, page: Any, *more: Any) -> Any:
        run = active()
        if run is None or folio(f) in run.current.set:  # type: ignore[union-attr]
            return right(st, pr, f, page, *more)
        task = run.current
        assert task is not None
        refer(task, f)
        if not run.take(folio(f), FOLIO_LOCK, wait=False) or st.pte[page] != f << U1 | U1:
            return codes.MOVED_AWAY
        return right(st, pr, f, page, *more)

    return wrapper


def fault_all(right: Step) -> Step:
    def wrapper(st: Any, *args: Any) -> Any:
        f = right(st, *args)
        run = active()
        if run is not None and f != U0:
            refer(run.current, f)  # type: ignore[arg-type]
        return f

    return wrapper


def looked_up(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, entry: Any) -> Any:
        f = right(st, pr, entry)
        run = active()
        if run is not None and f != U0 and run.current.moving:  # type: ignore[union-attr]
            refer(run.current, f)  # type: ignore[arg-type]
        return f

    return one_step(wrapper)


def move_step(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, t: Any, cpu: Any) -> Any:
        run = active()
        if run is None:
            return right(st, pr, t, cpu)
        task = run.current
        assert task is not None
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

    return wrapper


def scan_cluster(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, d: Any, c: Any, start: Any, percpu: Any, own: Any) -> Any:
        run = active()
        if run is None:
            return right(st, pr, d, c, start, percpu, own)
        with held(run, cluster_of(st, c), "cluster"):
            if st.dev[d * cl.DEV_WORDS + cl.D_FLAGS] & cl.DEV_ON:
                return right(st, pr, d, c, start, percpu, own)
            if not st.cluster[c * cl.CI_WORDS + cl.CI_LIST]:
                cl.relist(st, pr, d, c, cl.NONFULL_LIST if st.cluster[c * cl.CI_WORDS + cl.CI_COUNT] else cl.FREE_LIST)
            return U0

    return wrapper


def cluster_of(st: Any, c: Any) -> Key:
    """Key of the lock of cluster `c`, as the probe has it."""
    return "cluster", st.cluster.ctypes.data, int(c * cl.CI_WORDS)


def turn_off(right: Step) -> Step:
    def wrapper(st: Any, d: Any) -> Any:
        was_on = right(st, d)
        run = active()
        first, n = (int(st.dev[d * cl.DEV_WORDS + one]) for one in (cl.D_CLUSTER, cl.D_CLUSTERS))
        for c in range(first, first + n if run is not None and was_on else first):
            with held(run, cluster_of(st, u(c)), "cluster"):  # type: ignore[arg-type]
                pass
        return was_on

    return wrapper


def turned_off(right: Step) -> Step:
    def wrapper(st: Any, d: Any) -> Any:
        code = right(st, d)
        if active() is not None and code == codes.SWAPPED_OFF:
            Kernel.gone.add(int(d))
        return code

    return wrapper


def read_device(right: Step) -> Step:
    def wrapper(st: Any, pr: Any, entry: Any, *more: Any) -> Any:
        run = active()
        if run is not None and int(cl.device_of(entry)) in Kernel.gone:
            run.note(f"device {int(cl.device_of(entry))} is read after its swapoff")
        return right(st, pr, entry, *more)

    return wrapper


def one_step(right: Step) -> Step:
    return _piece(right, step=True)


def merged(right: Step) -> Step:
    return _piece(right, step=False)


def _piece(right: Step, *, step: bool) -> Step:
    def wrapper(*args: Any) -> Any:
        run = active()
        if run is None:
            return right(*args)
        task = run.enter(step=step)
        try:
            return right(*args)
        finally:
            if task is not None:
                task.quiet -= 1

    return wrapper


EVERYWHERE: tuple[tuple[Any, str, Callable[[Step], Step]], ...] = (
    (w, "f_is", f_is), (w, "f_set", f_set), (w, "f_clear", f_clear), (w, "mapcount", mapcount), (w, "folio_new", folio_new),
    (w, "folio_free", folio_free), (w, "map_page", map_page), (w, "unmap_page", unmap_page), (w, "next_kin", next_kin),
    (steps, "drop_unused", drop_unused), (lifecycle, "orphan", orphan), (lifecycle, "reclaim", reclaim),
    (lifecycle, "unmap_all", unmap_all), (lifecycle, "writeback_end", writeback_end), (lifecycle, "zap", shared_mm),
    (lifecycle, "cow", shared_mm), (lifecycle, "fork", fork), (faults, "fault", fault), (faults, "install", install),
    (lifecycle, "swap_out", swap_out), (moves, "fault_all", fault_all), (moves, "rewrite_ptes", rewrite_ptes), (faults, "complete", under_table_lock), (faults, "first_touch", first_touch), (xarray, "load", one_step),
    (cl, "scan_cluster", scan_cluster), (cl, "turn_off", turn_off), (cl, "turned_off", turned_off),
    (page_io, "read_device", read_device),
)  # fmt: skip
"""Functions that are replaced wherever they are used."""
HERE: tuple[tuple[Any, str, Callable[[Step], Step]], ...] = (
    (faults, "lookup", found_locked), (faults, "same", same), (faults, "read_begin", read_begin), (lifecycle, "lookup", found_tried),
    (lifecycle, "evict", evict), (faults, "resolve", something), (replay, "resolve", something), (replay, "move", move),
)  # fmt: skip
"""Steps that are replaced where these modules use them."""
STEPS: tuple[tuple[Any, str, Callable[[Step], Step]], ...] = (
    (steps, "free_swap", free_swap), (steps, "move_step", move_step), (steps, "resolve", one_step), (steps, "lookup", looked_up), (steps, "swapoff", move),
    (slots, "cache_find", one_step), (slots, "owner_of", one_step), (slots, "zero_of", one_step),
)  # fmt: skip
"""Steps that are replaced wherever a design's own is used."""


MERGED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("kernels.designs.swap_desc.descriptor", ("cache_word",)),
    ("kernels.designs.vswap_rfc.space", ("cache_pin", "cache_unpin", "count_up", "count_down")),
    ("kernels.designs.oracle.words", ("dup", "put", "read_begin", "read_abort", "read_end", "free_swap", "evict", "claim", "writeout")),
)
"""Functions that with the look before them are one step: a compare-and-swap, a count that is lowered and tested; all of a lower bound."""


@contextmanager
def supplied(cls: type) -> Iterator[None]:
    """Put the wrappers in place, for states of class `cls`."""
    undo: list[Callable[[], None]] = []

    def put_in(holder: Any, name: str, value: Any) -> None:
        before = getattr(holder, name)
        setattr(holder, name, value)
        undo.append(lambda: setattr(holder, name, before))

    def put_in_table(op: Any, value: Any) -> None:
        before = op.table[cls]
        op.table[cls] = value
        undo.append(lambda: op.table.__setitem__(cls, before))

    def replace(right: Any, wrong: Any) -> None:
        for name, module in list(sys.modules.items()):
            if name.startswith("kernels"):
                for known in [k for k, v in vars(module).items() if v is right]:
                    put_in(module, known, wrong)

    try:
        for module, name, make in HERE:
            put_in(module, name, make(getattr(module, name)))
        for module, name, make in STEPS:
            op = getattr(module, name)
            if cls in op.table:
                right = op.table[cls]
                wrong = make(right)
                replace(right, wrong)
                put_in_table(op, wrong)
        for module, name, make in (*EVERYWHERE, *_merged()):
            right = getattr(module, name)
            wrong = make(right)
            replace(right, wrong)
            for step in registry.contracts.interface().values():
                if step.table.get(cls) is right:
                    put_in_table(step, wrong)
        yield
    finally:
        for one in reversed(undo):
            one()


def _merged() -> Iterator[tuple[Any, str, Callable[[Step], Step]]]:
    """The rows of :data:`MERGED` whose modules are loaded."""
    for name, functions in MERGED:
        for function in functions if name in sys.modules else ():
            yield sys.modules[name], function, merged
