"""Random demands on threads, and the state held against all invariants: ``python -m dse.testing.threaded --demands 1e8``.

Each thread has an address space of its own. ``--without CLASS`` leaves out a lock, to show that the check finds what comes of it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse import naming
from dse.common import output
from dse.errors import BadInput
from dse.parallel import refusing, running, teams
from dse.testing import conformance, integrity, invariants, reading, streams
from kernels import demand
from kernels.life.registry import Config
from kernels.observing import lock, probe
from kernels.observing import shared as sh
from kernels.own import Lock

KINDS = (demand.FAULT, demand.RECLAIM, demand.COW, demand.UNMAP)
BACKENDS = len(demand.BACKENDS)
LONGEST = 64
"""Most pages of an unmap."""


@dataclass(frozen=True)
class Mix:
    """A world of threads: pages of each, slots of each device for a page, shares of :data:`KINDS`, slots of a cluster as a power of two."""

    name: str
    pages: int
    slots: float
    shares: tuple[float, ...]
    cluster_shift: int = 9


MIXES = (  # clusters of at least 64 slots: a word of a bitmap, and a line of a table, is under one lock
    Mix("usual", 1 << 12, 2.0, (0.45, 0.50, 0.045, 0.005)),
    Mix("small clusters", 1 << 10, 1.0, (0.45, 0.50, 0.03, 0.02), 6),
    Mix("full", 1 << 10, 0.2, (0.45, 0.50, 0.045, 0.005), 6),
    Mix("few pages", 1 << 6, 4.0, (0.40, 0.40, 0.1, 0.1), 6),
)


@dataclass
class Report:
    """Demands of a run, how they ended, and findings."""

    demands: int = 0
    seconds: float = 0.0
    replies: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def demands_of(mix: Mix, thread: int, n: int, seed: int) -> NDArray[np.uint64]:
    """Random demands of a thread for its own pages."""
    rng = np.random.default_rng([seed, thread])
    made = np.zeros(n, demand.DTYPE)
    kind = rng.choice(KINDS, n, p=mix.shares)
    page = rng.integers(0, mix.pages, n)
    made["kind"], made["page"], made["cpu"] = kind, page + thread * mix.pages, thread
    made["backend"] = rng.integers(0, BACKENDS, n)
    made["count"] = np.where(kind == demand.UNMAP, np.minimum(rng.integers(1, LONGEST, n), mix.pages - page), 0)
    out = rng.integers(0, 2, n) * demand.DIRTY | (rng.random(n) < 0.1) * demand.ZERO
    flags = np.where(kind == demand.FAULT, rng.integers(0, 2, n) * demand.WRITE, np.where(kind == demand.RECLAIM, out, 0))
    size = np.where(kind == demand.RECLAIM, rng.integers(1, 4097, n), 0)
    made["arg"] = size.astype(np.uint32) | flags.astype(np.uint32) << np.uint32(24)
    return demand.words(made).copy()


def config_of(named: naming.Named, mix: Mix, threads: int) -> Config:
    """A world with an address space for each thread."""
    shift = mix.pages.bit_length() - 1
    slots = max(int(mix.pages * threads * mix.slots), 1 << mix.cluster_shift)
    memcg = np.arange(1, threads + 1, dtype=np.uint16)
    return Config(
        pages=mix.pages * threads, slots=dict.fromkeys(demand.BACKENDS, slots), space_shift=shift, memcg=memcg, forks=False,
        cluster_shift=mix.cluster_shift, cpus=threads, parameters=named.control,
    )  # fmt: skip


def emptied(named: naming.Named, st: Any) -> None:
    """Unmap everything, and reclaim what only the swap cache holds."""
    for made in (reading.finishing, reading.emptying, reading.draining):
        if block := made(st):
            demands = streams.block(*block)
            named.design.replay(st, probe.make("off"), demands, np.zeros(len(demands), np.uint8))


def run(text: str, mix: Mix, threads: int, demands: int, seed: int = 0, *, queued: bool = False) -> Report:
    """Replay `demands` random demands on so many threads, and look at the state: at once, and after everything was unmapped."""
    named = naming.parse(text)
    refusing.refuse(named)
    at = f"{named.text} in {mix.name!r} on {threads} threads, seed {seed}"
    team = teams.build(named.design, config_of(named, mix, threads), [mix.pages] * threads, queued=queued)
    work = [demands_of(mix, t, demands // threads, seed) for t in range(threads)]
    replies = [np.zeros(len(one), np.uint8) for one in work]
    report = Report(sum(map(len, work)))
    report.seconds = running.run(named.design, team, work, replies).wall
    wrong = team.settle()
    wrong += invariants.check(named.design.name, team.st)
    if not wrong:
        emptied(named, team.st)
        wrong = [
            f"at the end: {x}" for x in invariants.check(named.design.name, team.st) + invariants.check_empty(team.st, named.design.name)
        ]
    report.wrong = [f"{at}: {x}" for x in wrong]
    total = np.bincount(np.concatenate(replies), minlength=256)
    report.replies.update({conformance.reply(code): int(n) for code, n in enumerate(total) if n})
    return report


def without(name: str) -> None:
    """Never take locks of class `name`, in this process, whose compiled kernels must not be kept.

    Raises
    ------
    BadInput
        No class has that name.
    """
    ranks = {one.name: one.number for design in naming.registry().values() for one in design.own.all(Lock).values()}
    if name not in ranks:
        raise BadInput(f"no class of locks is called {name!r}: {', '.join(ranks)}")
    rank = np.uint64(ranks[name])
    from kernels.compiling.jit import inner

    taken, dropped = lock.lock.table[sh.Shared], lock.unlock.table[sh.Shared]

    @inner
    def take(pr, words, index, cls):  # type: ignore[no-untyped-def]
        if cls != rank:
            taken(pr, words, index, cls)

    @inner
    def drop(pr, words, index, cls):  # type: ignore[no-untyped-def]
        if cls != rank:
            dropped(pr, words, index, cls)

    lock.lock.register(sh.Shared, take)
    lock.unlock.register(sh.Shared, drop)


def everything(texts: list[str], threads: int, demands: int, seed: int) -> Iterator[tuple[str, Report]]:
    """Share `demands` among designs and mixes."""
    share = -(-demands // (len(texts) * len(MIXES)))
    for text in texts:
        for mix in MIXES:
            yield f"{text}, {mix.name}", run(text, mix, threads, share, seed)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m dse.testing.threaded", description=__doc__)
    parser.add_argument("--demands", type=float, default=1e6, help="demands in all (default 1e6)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default 2)")
    parser.add_argument("--designs", default=",".join(refusing.RUN), help="designs (default: all that threads run)")
    parser.add_argument("--seed", type=int, default=0, help="seed (default 0)")
    parser.add_argument(
        "--without", default="", metavar="CLASS", help="a class of locks that is not taken; set NUMBA_CACHE_DIR to a new folder"
    )
    args = parser.parse_args(argv)
    total, began = Report(), time.perf_counter()
    try:
        if args.without:
            without(args.without)
        texts = [one.text for one in naming.parse_many(args.designs)]
        for what, one in everything(texts, args.threads, int(args.demands), args.seed):
            output.note(f"{what}: {one.demands:,} demands in {one.seconds:.2f} s, {len(one.wrong)} findings")
            total = replace(total, demands=total.demands + one.demands, wrong=total.wrong + one.wrong, replies=total.replies + one.replies)
    except BadInput as error:
        output.note(f"error: {error}")
        return 2
    run = f"demands {total.demands}, threads {args.threads}, seconds {time.perf_counter() - began:.0f}"
    return integrity.told(run, total.replies, total.wrong)


if __name__ == "__main__":
    sys.exit(main())
