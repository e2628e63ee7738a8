"""The integrity run: ``python -m dse.testing.integrity --demands 1e8`` over all designs, mixes and seeds.

Prints what was replayed and how each demand ended; fails on a lost content token, a broken invariant, or anything left at the end.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dse.common import output
from dse.errors import BadInput
from dse.testing import conformance, invariants, reading, streams, subjects
from dse.testing.reading import ctl
from kernels import control
from kernels.observing import probe

BLOCK = 1 << 18  # demands between two looks at the state
LARGE = {"zswap": 2048, "ssd": 8192, "hdd": 4096, "zram": 2048}
MIXES = (
    *streams.WORLDS,
    streams.World("large", 16, 10, LARGE, streams.USUAL, cluster_shift=9),
    streams.World("large and full", 16, 10, {k: v // 4 for k, v in LARGE.items()}, streams.USUAL, cluster_shift=8),
    streams.World("large and moving", 16, 10, LARGE, {**streams.USUAL, "move": 1.0, "unmap": 0.4}, 0.7, cluster_shift=9, homing=0.4),
    streams.World("large and forked", 512, 4, {k: v // 2 for k, v in LARGE.items()}, {**streams.USUAL, "fork": 4.0}, 0.3, 9, 4, run=8),
)


@dataclass
class Report:
    """Demands of a run, how they ended, and findings."""

    demands: int = 0
    seconds: float = 0.0
    replies: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def run(name: str, world: streams.World, demands: int, seed: int, **parameters: int) -> Report:
    """Replay `demands` random demands of `world` on design `name`, then end all phases, unmap everything and look for leaks."""
    report, began = Report(), time.perf_counter()
    at = f"{name} in {world.name!r}, seed {seed}, {parameters or 'default'}"
    here = conformance.Run.of(name, world, **parameters)
    here.twin, here.probe = None, probe.make("off")
    total = np.zeros(256, np.int64)

    def replay(block: streams.Block) -> None:
        nonlocal total
        if len(block):
            total += np.bincount(here.replay(block), minlength=256)
            report.demands += len(block)

    while report.demands < demands and not report.wrong:
        replay(streams.random_demands(world, min(BLOCK, demands - report.demands), seed * 1000 + report.demands // BLOCK))
        report.wrong += [f"{at}: {x}" for x in invariants.check(name, here.st)]
    for made in (reading.finishing, reading.emptying, reading.draining):
        if block := made(here.st):
            replay(streams.block(*block))
    report.wrong += [f"{at}, at the end: {x}" for x in invariants.check(name, here.st) + invariants.check_empty(here.st, name)]
    if ctl(here.st, control.S_LOST):
        report.wrong.append(f"{at}: {ctl(here.st, control.S_LOST)} content tokens lost")
    report.replies.update({conformance.reply(code): int(n) for code, n in enumerate(total) if n})
    report.seconds = time.perf_counter() - began
    return report


def everything(demands: int, seeds: int, designs: list[subjects.Subject]) -> Report:
    """Share `demands` among designs, mixes, settings and seeds."""
    cases = [(one.name, world, seed, named) for one in designs for world in MIXES for named in one.settings for seed in range(seeds)]
    total = Report()
    share = -(-demands // len(cases))
    with output.Progress("integrity", len(cases)) as progress:
        for name, world, seed, named in cases:
            one = run(name, world, share, seed, **subjects.control(named))
            total.demands, total.seconds = total.demands + one.demands, total.seconds + one.seconds
            total.replies += one.replies
            total.wrong += one.wrong
            progress.step(detail=f"{total.demands:,} demands, {len(total.wrong)} findings")
    return total


def told(run: str, replies: Counter[str], wrong: Sequence[str]) -> int:
    """Print what was run, the replies and the first findings; return the exit status."""
    output.write(f"{run}, findings {len(wrong)}")
    for what, n in replies.most_common():
        output.write(f"  {what:14} {n}")
    for line in wrong[:20]:
        output.write(f"WRONG {line}")
    return 1 if wrong else 0


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m dse.testing.integrity", description=__doc__)
    parser.add_argument("--demands", type=float, default=1e6, help="demands in all (default 1e6)")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of each mix (default 1)")
    parser.add_argument("--designs", default=None, help="names or files of designs (default: all that are registered)")
    args = parser.parse_args(argv)
    try:
        designs = subjects.chosen(args.designs)
    except BadInput as error:
        output.note(f"error: {error}")
        return 2
    report = everything(int(args.demands), args.seeds, designs)
    named = ", ".join(one.name for one in designs)
    return told(f"demands {report.demands}, seconds {report.seconds:.1f}, designs {named}", report.replies, report.wrong)


if __name__ == "__main__":
    sys.exit(main())
