"""The integrity run: ``python -m tests.integrity --demands 1e8`` over all designs, mixes and seeds.

Prints what was replayed and how each demand ended; fails on a lost content token, a broken invariant, or anything left at the end.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kernels import control
from tests import conformance, invariants, reading, streams
from tests.reading import ctl

BLOCK = 1 << 18  # demands between two looks at the state
LARGE = {"zswap": 2048, "ssd": 8192, "hdd": 4096, "zram": 2048}
MIXES = (
    *streams.WORLDS,
    streams.World("large", 16, 10, LARGE, streams.USUAL, cluster_shift=9),
    streams.World("large and full", 16, 10, {k: v // 4 for k, v in LARGE.items()}, streams.USUAL, cluster_shift=8),
    streams.World("large and moving", 16, 10, LARGE, {**streams.USUAL, "move": 1.0}, 0.7, cluster_shift=9),
    streams.World("large and forked", 512, 4, {k: v // 2 for k, v in LARGE.items()}, {**streams.USUAL, "fork": 4.0}, 0.3, 9, 4, run=8),
)


@dataclass
class Report:
    """What a run did."""

    demands: int = 0
    seconds: float = 0.0
    replies: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def run(name: str, world: streams.World, demands: int, seed: int, **parameters: int) -> Report:
    """Replay `demands` random demands of `world` on design `name`, then end all phases, unmap everything and look for leaks."""
    report, began = Report(), time.perf_counter()
    at = f"{name} in {world.name!r}, seed {seed}, {parameters or 'default'}"
    here = conformance.Run.of(name, world, count=False, **parameters)
    here.twin = None
    total = np.zeros(256, np.int64)

    def replay(block: streams.Block) -> None:
        nonlocal total
        if len(block):
            total += np.bincount(here.replay(block), minlength=256)
            report.demands += len(block)

    while report.demands < demands and not report.wrong:
        replay(streams.random_demands(world, min(BLOCK, demands - report.demands), seed * 1000 + report.demands // BLOCK))
        report.wrong += [f"{at}: {x}" for x in invariants.check(name, here.st)]
    for block in (reading.finishing(here.st), reading.emptying(here.st)):
        replay(streams.block(*block))
    report.wrong += [f"{at}, at the end: {x}" for x in invariants.check(name, here.st) + invariants.check_empty(here.st)]
    if ctl(here.st, control.S_LOST):
        report.wrong.append(f"{at}: {ctl(here.st, control.S_LOST)} content tokens lost")
    report.replies.update({conformance.reply(code): int(n) for code, n in enumerate(total) if n})
    report.seconds = time.perf_counter() - began
    return report


def everything(demands: int, seeds: int, designs: list[str], progress: Any = None) -> Report:
    """Share `demands` among designs, mixes, settings and seeds."""
    from tests.test_conformance import variants

    cases = [(n, world, seed, v) for n in designs for world in MIXES for v in variants(n) for seed in range(seeds)]
    total = Report()
    share = -(-demands // len(cases))
    for i, (name, world, seed, settings) in enumerate(cases):
        one = run(name, world, share, seed, **settings)
        total.demands, total.seconds = total.demands + one.demands, total.seconds + one.seconds
        total.replies += one.replies
        total.wrong += one.wrong
        if progress and (i + 1) % 10 == 0:
            print(f"integrity: {i + 1} of {len(cases)} runs, {total.demands:,} demands, {len(total.wrong)} findings", file=progress)
    return total


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.integrity", description=__doc__)
    parser.add_argument("--demands", type=float, default=1e6, help="demands in all (default 1e6)")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--designs", default=",".join(conformance.names()))
    args = parser.parse_args(argv)
    report = everything(int(args.demands), args.seeds, args.designs.split(","), sys.stderr)
    say = sys.stdout.write
    say(f"demands {report.demands}, seconds {report.seconds:.1f}, designs {args.designs}, findings {len(report.wrong)}\n")
    for what, n in report.replies.most_common():
        say(f"  {what:14} {n}\n")
    for line in report.wrong[:20]:
        say(f"WRONG {line}\n")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
