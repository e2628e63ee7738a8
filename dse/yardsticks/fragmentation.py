"""Yardstick of fragmentation: large folios that are split because no run of slots is to be had (:mod:`kernels.structures.orders`).

Streams are those of :mod:`dse.yardsticks.folios`. Policies are named by what was posted and what was merged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dse.yardsticks import folios
from dse.yardsticks.bench import Bench
from dse.yardsticks.folios import Mix, Stream
from kernels.life import lone
from kernels.life.config import Config
from kernels.observing import probe

Ours = dict[str, dict[str, float]]
SLOTS = 1 << 14  # the zram of 64 MiB that the selftest asks for
BUILD_SLOTS = 1 << 16  # a sixteenth of the published 4 GiB, for as much less memory
SEEDS = 30  # six builds split some 80 folios of order six, of which 2.5 to 16 % fall back by chance; thirty order the sizes
LATE = "since 6.18"
POLICIES = {"as posted": ("nonfull", False), "as merged in 6.12": ("fragmented", False), LATE: ("fragmented", True)}
JUDGED = ("as posted", "as merged in 6.12")
EMPTY = ("empty-only", False)
ROUNDS = {"aligned": 3, "aligned, small": 100, "mixed": 17, "mixed, small": 16}
"""Rounds of the published runs (20240730-swap-allocator-v5-0-cb9c148b9297@kernel.org)."""
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight")


def replies(stream: Stream, policy: tuple[str, bool], slots: int, cpus: int = 1) -> NDArray[np.uint8]:
    """Replay a stream on a fresh device."""
    state = lone.build(Config(pages=stream.pages, slots={"zram": slots}, cpus=cpus), policy[0], late=policy[1])
    return lone.replay(state, stream.rows, probe.make("off"))


def sent(stream: Stream, found: NDArray[np.uint8], order: int) -> list[tuple[int, int]]:
    """Folios of `order` that went out whole, and that were split, in each round after the first."""
    words = stream.rows[:, 0]
    asked = (words & np.uint64(0xFF) == lone.OUT) & ((words >> np.uint64(8)) & np.uint64(0xFF) == order)
    parts = [found[a:b][asked[a:b]] for a, b in zip(stream.rounds, stream.rounds[1:], strict=False)]
    return [(int((part == lone.WHOLE).sum()), int((part == lone.SPLIT).sum())) for part in parts]


def shares(counts: Sequence[tuple[int, int]]) -> list[float]:
    """Folios that were split, of those that were to go out whole [%]."""
    return [100.0 * split / max(whole + split, 1) for whole, split in counts]


def series(name: str, policy: tuple[str, bool]) -> list[float]:
    """Shares of the selftest by round, of one of :data:`ROUNDS`."""
    stream = folios.selftest(aligned="aligned" in name, small="small" in name, rounds=ROUNDS[name])
    return shares(sent(stream, replies(stream, policy, SLOTS), 4))


def selftest() -> Ours:
    """Figures of the selftest, by policy."""
    empty = min(series("aligned", EMPTY)[1:])
    out: Ours = {}
    for where in JUDGED:
        policy = POLICIES[where]
        aligned, mixed, small = (series(name, policy) for name in ("aligned", "mixed", "mixed, small"))
        most = max(series("aligned, small", policy))
        figures = {
            "empty-only from iteration 2": empty, "empty-only from iteration 2, least": empty,
            "order-affine with aligned use": most, "order-affine with aligned use, most": most,
            "order-affine, aligned use only": max(aligned), "order-affine, aligned use only, most": max(aligned),
            "mixed free, last": mixed[7], "mixed free, plateau, least": min(mixed[7:]),
            "small folios, rise beyond mixed free": min(s - m for s, m in zip(small[1:8], mixed[1:8], strict=True)),
        }  # fmt: skip
        figures |= {f"mixed free, round {n}": share for n, share in zip(NUMBERS, mixed, strict=False)}
        for quantity, value in figures.items():
            out.setdefault(quantity, {})[where] = value
    out["order-affine with aligned use, today"] = {LATE: max(series("aligned, small", POLICIES[LATE]))}
    return out


def build(mix: Mix | None = None, seeds: int = SEEDS, slots: int = BUILD_SLOTS) -> dict[str, list[float]]:
    """Shares of a build of the kernel by size, for each policy and for empty clusters only."""
    mix, policies = mix or Mix(), {**POLICIES, "empty-only": EMPTY}
    counts = {where: np.zeros((len(folios.ORDERS), 2), np.int64) for where in policies}
    for seed in range(seeds):
        stream = folios.build(mix, seed)
        for where, policy in policies.items():
            found = replies(stream, policy, slots, mix.cpus)
            counts[where] += np.array([sent(stream, found, order)[0] for order in folios.ORDERS])
    return {where: shares([(int(whole), int(split)) for whole, split in rows]) for where, rows in counts.items()}


def orders(_: Bench) -> Ours:
    """Y30: fragmentation of runs of 2^order slots."""
    out, built = selftest(), build()
    for where in JUDGED:
        for order, share, bare in zip(folios.NAMES, built[where], built["empty-only"], strict=True):
            out.setdefault(f"build, order {order}", {})[where] = share
            out.setdefault(f"build, order {order}, at most", {})[where] = share
            out.setdefault(f"build, order {order}, empty-only beyond it", {})[where] = bare - share
    return out
