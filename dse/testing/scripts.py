"""Demands written by hand: many sharers, what was written before a fork, full devices, moves that meet every other demand."""

from __future__ import annotations

import itertools

from dse.testing import reading, streams
from dse.testing.conformance import Mismatch, Run, explained
from kernels import demand as d

SMALL = {"zswap": 8, "ssd": 16, "hdd": 16, "zram": 16}
SHARERS = ((62, 4), (63, 4), (64, 4), (190, 4), (63 * 128 + 2, 4), (63 * 128 + 2, 1), (63 * 3, 0))
"""Sharers of a page, and continuation pages that there are for their count."""


def shared(name: str, sharers: int, pages: int) -> None:
    """Fork one page to `sharers` spaces, move it, let go of it one by one; with few continuation `pages` the fork fails part-way."""
    world = streams.World("sharers", spaces=sharers, space_shift=0, slots=SMALL, weights=streams.USUAL, continuation_pages=pages)
    run = Run.of(name, world)
    with explained(run, f"{name}, a page of {sharers} spaces, {pages} continuation pages"):
        run.both(streams.block(d.pack(d.FAULT, 0), d.pack(d.RECLAIM, 0, backend=d.SSD, payload=100)))
        run.both(streams.block(*(d.pack(d.FORK, 0, count=1, payload=s) for s in range(1, sharers))))
        run.both(streams.block(d.pack(d.MOVE, 0, backend=d.SSD, payload=d.HDD)))
        run.both(streams.block(*(d.pack(d.UNMAP if s % 2 else d.FAULT, s, count=1) for s in range(sharers))))
        run.finish()


def mapped(name: str) -> None:
    """Reclaim a folio of 128 mappings, whose count is raised one by one; without continuation pages that stops part-way."""
    world = streams.World("mappings", spaces=128, space_shift=0, slots=SMALL, weights=streams.USUAL, continuation_pages=0)
    run = Run.of(name, world)
    with explained(run, f"{name}, a folio of 128 mappings"):
        run.both(streams.block(d.pack(d.FAULT, 0), *(d.pack(d.FORK, 0, count=1, payload=s) for s in range(1, 128))))
        for backend in (d.SSD, d.ZSWAP, d.HDD):
            run.both(streams.block(d.pack(d.RECLAIM, 3, backend=backend, payload=100)))
            run.both(streams.block(*(d.pack(d.FAULT, s) for s in range(128))))
        run.finish()


def written_before_a_fork(name: str, dirty: bool) -> None:
    """Read a page back, write it if it is to be `dirty`, fork it: only a clean one is dropped, and every space reads what was written."""
    run = Run.of(name, streams.World("snapshot", spaces=4, space_shift=0, slots=SMALL, weights=streams.USUAL))
    with explained(run, f"{name}, a {'written' if dirty else 'clean'} page that is forked"):
        out = d.pack(d.RECLAIM, 0, backend=d.SSD, payload=99)
        run.both(streams.block(d.pack(d.FAULT, 0), out, d.pack(d.FAULT, 0)))
        again = d.pack(d.RECLAIM, 2, backend=d.SSD, payload=99, flags=d.DIRTY if dirty else 0)
        run.both(streams.block(*(d.pack(d.FORK, 0, count=1, payload=s) for s in (1, 2)), again))
        for code, want in ((d.SWAP_OUT, 1 + dirty), (d.CLEAN_DROP, 1 - dirty)):
            if run.replies(code) != want:
                raise Mismatch(f"{run.replies(code)} x {d.OPS[code]}, should be {want}")
        run.both(streams.block(*(d.pack(d.FAULT, s) for s in range(3))))
        run.finish()


def stored_again(name: str) -> None:
    """Store a page in zswap while zswap has an older entry of it, also when there is no room for another one."""
    world = streams.World("stored again", spaces=4, space_shift=2, slots={**SMALL, "zswap": 2}, weights=streams.USUAL)
    run = Run.of(name, world)
    with explained(run, f"{name}, a page that zswap has an older entry of"):
        kept = (d.pack(d.RECLAIM_BEGIN, 0, backend=d.ZSWAP, payload=99), d.pack(d.FAULT, 0), d.pack(d.RECLAIM_END, 0))
        again = d.pack(d.RECLAIM, 0, backend=d.ZSWAP, payload=77, flags=d.DIRTY)
        run.both(streams.block(d.pack(d.FAULT, 0), *kept, again))
        run.both(streams.block(d.pack(d.FAULT, 0), *kept, d.pack(d.FAULT, 1), d.pack(d.RECLAIM, 1, backend=d.ZSWAP, payload=99), again))
        run.both(streams.block(d.pack(d.FAULT, 0), d.pack(d.FAULT, 1)))
        run.finish()


def full_device(name: str, writeback: bool) -> None:
    """Fill a device half of whose slots the swap cache alone holds: they are taken for other pages."""
    run = Run.of(name, streams.World("full", 4, 4, SMALL, streams.USUAL))
    with explained(run, f"{name}, a full device{' under writeback' if writeback else ''}"):
        out = [d.pack(d.RECLAIM_BEGIN if writeback and p % 2 else d.RECLAIM, p, backend=d.SSD, payload=9) for p in range(32)]
        run.both(streams.block(*(d.pack(d.FAULT, p) for p in range(32)), *out[:8], *(d.pack(d.FAULT, p) for p in range(8))))
        run.both(streams.block(*out[8:]))
        run.finish()


OTHERS = (
    d.pack(d.FAULT, 1), d.pack(d.FAULT, 17), d.pack(d.FAULT, 1, flags=d.WRITE), d.pack(d.FORK, 1, count=1, payload=2),
    d.pack(d.FORK, 17, count=1, payload=3), d.pack(d.UNMAP, 1, count=1), d.pack(d.UNMAP, 17, count=1), d.pack(d.COW, 1),
    d.pack(d.RECLAIM, 1, backend=d.SSD, payload=99), d.pack(d.RECLAIM, 17, backend=d.ZSWAP, payload=99, flags=d.DIRTY),
    d.pack(d.MOVE, 17, backend=d.SSD, payload=d.HDD), d.pack(d.MOVE, 1, backend=d.HDD, payload=d.ZRAM), d.pack(d.FAULT_BEGIN, 17),
    d.pack(d.SWAPOFF, 0, backend=d.SSD, payload=d.HDD),
)  # fmt: skip
SOURCES = (d.ZSWAP, d.SSD, d.ZRAM)
LOSING = ((d.ZSWAP, d.SSD), (d.ZSWAP, d.HDD), (d.SSD, d.HDD))
"""Moves whose page loses its last holder: the first is writeback to the page's own device."""
STEPS = streams.World("steps", slots={"zswap": 16, "ssd": 16, "hdd": 16, "zram": 16}, weights=streams.USUAL)


def moves(name: str, source: int, parameters: dict[str, int], target: int = d.HDD) -> None:
    """Move a page with two sharers from `source`; after each step comes one of the other demands, after the next step another one."""
    begin = (d.pack(d.FAULT, 1), d.pack(d.RECLAIM, 1, backend=source, payload=500), d.pack(d.FORK, 1, count=1, payload=1))
    where = f"{name}, a move from {d.BACKENDS[source]} to {d.BACKENDS[target]}, {parameters or 'default'}"
    run = Run.of(name, STEPS, **parameters)
    for step, other, then in itertools.product(range(1, 6 if target == d.HDD else 4), OTHERS, OTHERS[::5]):
        move = d.pack(d.MOVE_BEGIN, 1, backend=source, payload=target, count=step)
        with explained(run, where):
            run.both(streams.block(*begin, d.pack(d.FAULT_BEGIN, 1, count=1), move, other, d.pack(d.MOVE_STEP, 1), then))
            run.both(streams.block(d.pack(d.FAULT_END, 1), d.pack(d.MOVE_END, 1), d.pack(d.FAULT_END, 17)))
            run.both(streams.block(*(d.pack(d.FAULT, p) for p in (1, 17, 33, 49)), *(d.pack(d.UNMAP, p, count=1) for p in (1, 17, 33, 49))))
        if d.SWAPOFF in (other[0] & 255, then[0] & 255):
            run = Run.of(name, STEPS, **parameters)


def lost_holder(name: str, source: int, target: int, parameters: dict[str, int]) -> None:
    """Unmap a page everywhere after each step of its move: nothing is left, and after the first step nothing is written any more."""
    run = Run.of(name, STEPS, **parameters)
    where = f"{name}, a move from {d.BACKENDS[source]} to {d.BACKENDS[target]} whose last holder goes, {parameters or 'default'}"
    for step, sharers in itertools.product(range(1, 5), range(2)):
        begin = [d.pack(d.FAULT, 1), d.pack(d.RECLAIM, 1, backend=source, payload=500)]
        begin += [d.pack(d.FORK, 1, count=1, payload=1)] * sharers
        move = d.pack(d.MOVE_BEGIN, 1, backend=source, payload=target, count=step)
        with explained(run, where):
            run.both(streams.block(*begin, move, d.pack(d.UNMAP, 1, count=1), d.pack(d.UNMAP, 17, count=1)))
            before = run.st.token.copy()
            run.both(streams.block(d.pack(d.MOVE_END, 1)))
            if step == 1 and (run.st.token != before).any():
                raise Mismatch("a move writes the content of a page that nobody holds any more")
            run.both(streams.block(d.pack(d.FAULT, 1), d.pack(d.UNMAP, 1, count=1)))
    with explained(run, where):
        run.finish()


def swapoff(name: str, parameters: dict[str, int]) -> None:
    """Swap a device off while something of it is in flight, end that, and swap it off again: then nothing is left."""
    for device, target in ((d.SSD, d.MEMORY), (d.SSD, d.HDD), (d.ZRAM, d.MEMORY), (d.HDD, d.SSD)):
        off = d.pack(d.SWAPOFF, 0, backend=device, payload=target)
        out = [d.pack(d.RECLAIM, p, backend=device, payload=99) for p in range(4)]
        again = d.pack(d.RECLAIM_BEGIN, 4, backend=device, payload=99)
        shared = [d.pack(d.FORK, 0, count=2, payload=1), d.pack(d.FAULT, 1)]
        in_flight = (
            [],
            [d.pack(d.FAULT_BEGIN, 2, count=1)],
            [d.pack(d.FAULT_BEGIN, 2)],
            [d.pack(d.FAULT_BEGIN, 2, count=2)],
            [d.pack(d.FAULT_BEGIN, 2), d.pack(d.UNMAP, 2, count=1)],
            [again],
            [again, d.pack(d.UNMAP, 4, count=1)],
            [again, d.pack(d.FAULT, 4)],
            *([d.pack(d.MOVE_BEGIN, 2, backend=device, payload=1 + device % 3, count=n)] for n in range(1, 4)),
            [d.pack(d.RECLAIM, 4, backend=d.ZSWAP, payload=99), d.pack(d.MOVE_BEGIN, 4, backend=d.ZSWAP, payload=d.SSD, count=1)],
        )
        for begun in in_flight:
            run = Run.of(name, STEPS, **parameters)
            with explained(run, f"{name}, a swapoff of {d.BACKENDS[device]} with something in flight, {parameters or 'default'}"):
                run.both(streams.block(*(d.pack(d.FAULT, p) for p in range(5)), *out, *shared, *begun, off))
                run.both(streams.block(*reading.finishing(run.st), off, *(d.pack(d.FAULT, p) for p in range(20))))
                run.finish()


RACES = ((d.SSD, "ssd"), (d.ZSWAP, "ssd"), (d.ZRAM, "ssd"), (d.ZSWAP, "zram"))
"""Backends of the page that is faulted, and the device behind zswap."""


def race(name: str, backend: int, zdisk: str, parameters: dict[str, int]) -> None:
    """Stop a fault at each place, change the page meanwhile, go on; slots are few, so that freed ones are soon in use again."""
    out = d.pack(d.RECLAIM, 1, backend=backend, payload=500)
    fork, unmap, fault = d.pack(d.FORK, 1, count=1, payload=1), d.pack(d.UNMAP, 1, count=1), d.pack(d.FAULT, 1)
    written = d.pack(d.FAULT, 1, flags=d.WRITE)
    changes = (
        (fork, unmap, fault), (fork, unmap, fault, out), (fork, unmap), (unmap,), (unmap, fault), (unmap, fault, out), (fault,),
        (written, out), (fork, d.pack(d.FAULT, 17), d.pack(d.COW, 17)), (out, fork),
        (d.pack(d.MOVE, 1, backend=backend, payload=d.HDD), fault, out),
    )  # fmt: skip
    world = streams.World("races", slots={"zswap": 4, "ssd": 2, "hdd": 2, "zram": 2}, weights=streams.USUAL, zdisk=zdisk)
    run = Run.of(name, world, **parameters)
    where = f"{name}, a fault on a page in {d.BACKENDS[backend]} (zswap in front of {zdisk}) that changes, {parameters or 'default'}"
    for stop, before, change in itertools.product((1, 0, 2), ((), (fork,)), changes):
        with explained(run, where):
            run.both(streams.block(fault, out, *before, d.pack(d.FAULT_BEGIN, 1, count=stop), *change))
            run.both(streams.block(d.pack(d.FAULT_END, 1), fault, d.pack(d.FAULT, 17)))
            run.both(streams.block(unmap, d.pack(d.UNMAP, 17, count=1)))
    with explained(run, where):
        run.finish()
