"""``dse.check``: the checks that every design must pass, without pytest.

Each check is a list of cases, which ``pytest --pyargs dse.testing`` runs one by one and :func:`check` until the first that fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dse import naming
from dse.common import output
from dse.errors import BadInput, Ended, unknown
from dse.naming import registered
from dse.testing import bounds, conformance, integrity, invariants, ledgers, machine, reading, rules, scripts, streams, subjects, twins
from dse.testing.conformance import Mismatch, Run
from dse.testing.schedules import asking
from dse.testing.subjects import Subject
from kernels import demand as d
from kernels.compiling.jit import INTERPRETED
from kernels.observing import probe
from kernels.own import Lock

PROBES = ("count", "off", "timed", "trace")
TOUCHED = ("hot", "zspage")
"""Arrays of the common steps, which only a timed run stores to."""
SEED = 0
SCHEDULES, PREEMPTIONS = 400, 2
PLAIN = 200
"""Demands of the stream that kernels run as plain Python."""


@dataclass(frozen=True)
class Effort:
    """Amount of work that checks do.

    Attributes
    ----------
    demands : int
        Demands of each random stream; the integrity run has twice as many for each of its mixes, shared among settings.
    seed, seeds : int
        The first seed, and how many streams of each kind.
    interpreted : bool
        Leave out what takes long where kernels are not compiled.
    schedules, preemptions : int
        Most schedules of a design, and most preemptions of one where all are run.
    """

    demands: int = 400 if INTERPRETED else 4000
    seed: int = SEED
    seeds: int = 1 if INTERPRETED else 2
    interpreted: bool = INTERPRETED
    schedules: int = SCHEDULES
    preemptions: int = PREEMPTIONS


@dataclass(frozen=True)
class Case:
    """One thing to try: `run` raises a :class:`Mismatch` where it fails."""

    label: str
    run: Callable[[], object]


Cases = Iterator[Case]


def indices(one: Subject, effort: Effort) -> Cases:
    """No index is out of bounds, which compiled kernels would not notice: a short stream on the kernels as plain Python."""
    for named in one.settings:
        yield Case(named.text, partial(_indexed, named, min(effort.demands, PLAIN), effort.seed))


def _indexed(named: naming.Named, demands: int, seed: int) -> None:
    wrong = bounds.replayed(named.text, seed, demands) if INTERPRETED else bounds.finding(named, seed, demands)
    if wrong:
        raise Mismatch(wrong)


def random_streams(one: Subject, effort: Effort) -> Cases:
    """Random demands in several worlds: replies and states equal the twin's, invariants hold, nothing is left at the end."""
    seeds = range(effort.seed, effort.seed + (1 if subjects.is_repeated(one.name) else effort.seeds))
    for world in streams.WORLDS:
        for named in one.settings[:2] if world.folios else one.settings:
            parameters = subjects.control(named)
            runs = [partial(conformance.compare, one.name, world, seed, effort.demands, **parameters) for seed in seeds]
            yield Case(f"{named.text}-{world.name}", partial(_each, runs))


def _each(runs: Sequence[Callable[[], object]]) -> None:
    for run in runs:
        run()


def state_machine(one: Subject, effort: Effort) -> Cases:
    """Demands one by one, chosen by chance, with phases interleaved, in a world that is always nearly full."""
    examples, steps = (4, 30) if effort.interpreted else (12 if subjects.is_repeated(one.name) else 30, 50)
    settings = [subjects.control(named) for named in one.settings]
    yield Case(one.name, partial(machine.explore, one.name, settings, examples, steps, effort.seed))


def shared_pages(one: Subject, effort: Effort) -> Cases:
    """Counts past 62 and past what their pages hold; a folio of very many mappings."""
    for sharers, pages in dict.fromkeys((min(n, 70), pages) for n, pages in scripts.SHARERS) if effort.interpreted else scripts.SHARERS:
        yield Case(f"{one.name}-{sharers}-{pages}", partial(scripts.shared, one.name, sharers, pages))
    yield Case(f"{one.name}-mappings", partial(scripts.mapped, one.name))


def written_pages(one: Subject, effort: Effort) -> Cases:
    """A page that was read back, perhaps written, then forked, or stored again: every space reads what was written."""
    for dirty in (False, True):
        yield Case(f"{one.name}-{'dirty' if dirty else 'clean'}", partial(scripts.written_before_a_fork, one.name, dirty))
    yield Case(f"{one.name}-again", partial(scripts.stored_again, one.name))


def races(one: Subject, effort: Effort) -> Cases:
    """A fault stops at each of its places while its page is unmapped, forked, written, moved, or read by somebody else."""
    for named in one.settings[: 1 if effort.interpreted else 2]:
        for backend, zdisk in scripts.RACES:
            run = partial(scripts.race, one.name, backend, zdisk, subjects.control(named))
            yield Case(f"{named.text}-{d.BACKENDS[backend]}-{zdisk}", run)


def full_devices(one: Subject, effort: Effort) -> Cases:
    """A full device gives up slots that only the swap cache holds."""
    for writeback in (False, True):
        yield Case(f"{one.name}{'-writeback' * writeback}", partial(scripts.full_device, one.name, writeback))


def moves(one: Subject, effort: Effort) -> Cases:
    """Every step of a move meets every other demand."""
    for named in one.settings:
        parameters = subjects.control(named)
        if named is one.settings[0] and not subjects.is_repeated(one.name):
            yield Case(f"{named.text}-home", partial(scripts.moves, one.name, d.ZSWAP, parameters, d.SSD))
        for source, target in scripts.LOSING:
            run = partial(scripts.lost_holder, one.name, source, target, parameters)
            yield Case(f"{named.text}-{d.BACKENDS[source]}-{d.BACKENDS[target]}-lost", run)
    sources = scripts.SOURCES[:1] if effort.interpreted or subjects.is_repeated(one.name) else scripts.SOURCES
    for source in sources:
        for named in one.settings[:2]:
            run = partial(scripts.moves, one.name, source, subjects.control(named))
            yield Case(f"{named.text}-{d.BACKENDS[source]}", run)


def swapoffs(one: Subject, effort: Effort) -> Cases:
    """A swapoff leaves only what is in flight, says so, and succeeds when that is over."""
    for named in one.settings[: 1 if effort.interpreted else None]:
        yield Case(named.text, partial(scripts.swapoff, one.name, subjects.control(named)))


def many_demands(one: Subject, effort: Effort) -> Cases:
    """The integrity run: many demands, no content token is lost, nothing is left."""
    for world in integrity.MIXES[: 1 if effort.interpreted else None]:
        yield Case(f"{one.name}-{world.name}", partial(_integrity, one, world, effort))


def _integrity(one: Subject, world: streams.World, effort: Effort) -> None:
    share = -(-effort.demands * (1 if effort.interpreted else 2) // len(one.settings))
    for named in one.settings:
        wrong = integrity.run(one.name, world, share, effort.seed, **subjects.control(named)).wrong
        if wrong:
            raise Mismatch("; ".join(wrong[:3]))


def leaks(one: Subject, effort: Effort) -> Cases:
    """After everything has ended, was unmapped and swapped off, no folio, slot, entry, node or table is left."""
    for world in streams.WORLDS[: 2 if effort.interpreted else None]:
        yield Case(f"{one.name}-{world.name}", partial(_left, one.name, world, effort))


def _left(name: str, world: streams.World, effort: Effort) -> None:
    run = Run.of(name, world)
    run.replay(streams.random_demands(world, effort.demands, effort.seed))
    for demands in (reading.finishing(run.st), reading.emptying(run.st)):
        run.replay(streams.block(*demands))
    off = [d.pack(d.SWAPOFF, 0, backend=backend, payload=d.MEMORY) for backend in range(4)]
    wrong = invariants.check_empty(run.st, run.design.name)
    busy = [d.BACKENDS[i] for i, code in enumerate(run.replay(streams.block(*off)).tolist()) if code == d.BUSY]
    if busy:
        wrong.append(f"devices that cannot be swapped off: {', '.join(busy)}")
    if wrong:
        raise Mismatch("left at the end: " + "; ".join(wrong[:6]), f"{name} in world {world.name!r}")


def lock_order(one: Subject, effort: Effort) -> Cases:
    """Locks are taken in their declared order, and none is held when a demand has ended."""
    for world in streams.WORLDS[: 2 if effort.interpreted else None]:
        yield Case(f"{one.name}-{world.name}", partial(_locks, one.name, world, effort))


def _locks(name: str, world: streams.World, effort: Effort) -> None:
    run = Run.of(name, world)
    run.replay(streams.random_demands(world, effort.demands, effort.seed))
    rows = run.probe.tally[: probe.CODES * probe.COLUMNS].reshape(probe.CODES, probe.COLUMNS)
    out_of_order = rows[:, int(probe.LOCK_ORDER)]
    wrong = [f"{out_of_order[code]} x {conformance.reply(code)}" for code in np.flatnonzero(out_of_order).tolist()]
    if wrong:
        raise Mismatch(f"locks out of order: {', '.join(wrong)}", f"{name} in world {world.name!r}")
    if run.probe.tally[int(probe.HELD)]:
        ranks = run.design.own.names(Lock).items()
        held = [lock for rank, lock in ranks if int(run.probe.tally[int(probe.HELD)]) >> rank & 1]
        raise Mismatch(f"still held after the last demand: {', '.join(held)}", f"{name} in world {world.name!r}")


def lock_rules(one: Subject, effort: Effort) -> Cases:
    """Nothing is written without the lock that guards it: short streams on the kernels as plain Python."""
    demands = min(effort.demands, PLAIN)
    if INTERPRETED:
        for label, case in rules.cases(one, effort.seed, demands):
            yield Case(label, partial(rules.run, case))
    else:
        yield Case(one.name, partial(_ruled, one, effort.seed, demands))


def _ruled(one: Subject, seed: int, demands: int) -> None:
    wrong = bounds.plain_python("dse.testing.rules", *[named.text for named in one.settings], str(seed), str(demands))
    if wrong:
        raise Mismatch(wrong)


def schedules(one: Subject, effort: Effort) -> Cases:
    """Two or three demands at once, under all schedules up to so many preemptions (docs/schedules.md): invariants, locks, nothing left."""
    yield Case(one.settings[0].text, partial(_scheduled, one.settings[0], effort))


def _scheduled(named: naming.Named, effort: Effort) -> str:
    """Say what was run; what the design's page names is no failure."""
    made = asking.judged(named.text, effort.schedules, effort.preemptions, effort.seed)
    if isinstance(made, str):
        raise Mismatch(made)
    if made.new:
        raise Mismatch("; ".join(made.new[:3]))
    of = (
        f"{made.schedules} schedules, all of them up to {effort.preemptions} preemptions in {made.complete} of {made.situations} situations"
    )
    return "; ".join([of, *made.named])


def same_counters(one: Subject, effort: Effort) -> Cases:
    """The same demands give the same counters and arrays."""
    yield Case(one.name, partial(_repeated, one.name, effort))


def _repeated(name: str, effort: Effort) -> None:
    stream = streams.random_demands(streams.TINY, effort.demands, effort.seed)
    runs = [Run.of(name, streams.TINY) for _ in range(2)]
    for run in runs:
        run.replay(stream)
    if not np.array_equal(runs[0].probe.tally, runs[1].probe.tally):
        raise Mismatch("counters differ from one replay to the next", name)
    first, second = (run.st.arrays() for run in runs)
    other = [field for field in first if not np.array_equal(first[field], second[field])]
    if other:
        raise Mismatch(f"arrays differ from one replay to the next: {', '.join(other)}", name)


def every_probe(one: Subject, effort: Effort) -> Cases:
    """Probes only watch: replies and arrays are the same under each, but for those of the common steps."""
    yield Case(one.name, partial(_probed, one.name, effort))


def _probed(name: str, effort: Effort) -> None:
    stream = streams.random_demands(streams.TINY, min(effort.demands, 1000), effort.seed)
    seen: dict[str, tuple[list[int], Any]] = {}
    for kind in PROBES:
        run = Run.of(name, streams.TINY)
        run.probe = probe.make(kind)
        replies = run.replay(stream).tolist()
        arrays = {field: array for field, array in run.st.arrays().items() if field not in TOUCHED}
        seen[kind] = replies, {"replies": run.probe.tally[: probe.CODES * probe.COLUMNS : probe.COLUMNS], **arrays}
        for what, array in seen[kind][1].items():
            if seen[kind][0] != seen[PROBES[0]][0] or not np.array_equal(array, seen[PROBES[0]][1][what]):
                raise Mismatch(f"{what} under the probe {kind!r} differs from that under {PROBES[0]!r}", name)


def ledger(one: Subject, effort: Effort) -> Cases:
    """The ledger in closed form equals that of live arrays.

    Settings that are not the defaults fill a single disk: the closed form packs the IDs of several more densely than a policy does that
    takes the numbers of slots.
    """
    for named in one.settings:
        first = named is one.settings[0]
        for slots, pages in ((600, 251),) if effort.interpreted else ledgers.SIZES if first else ledgers.SIZES[:1]:
            for mix in ledgers.MIXES if first else ledgers.MIXES[:4]:
                yield Case(f"{named.text}-{'+'.join(mix)}-{slots}-{pages}", partial(ledgers.agree, named, mix, slots, pages))


CHECKS: dict[str, Callable[[Subject, Effort], Cases]] = {
    check.__name__.replace("_", " "): check
    for check in (
        indices, random_streams, state_machine, shared_pages, written_pages, races, full_devices, moves, swapoffs,
        many_demands, leaks, lock_order,
        lock_rules, schedules, same_counters, every_probe, ledger,
    )
}  # fmt: skip
"""Every check by name: its cases for a design."""


def check(
    designs: str | Sequence[str],
    *,
    seed: int = SEED,
    demands: int | None = None,
    only: str | Sequence[str] | None = None,
    schedules: int = SCHEDULES,
    preemptions: int = PREEMPTIONS,
) -> dict[str, Any]:
    """Run the checks that every design must pass.

    A design with a twin (:mod:`dse.testing.twins`) is held against it, one without against invariants and content tokens.

    Parameters
    ----------
    designs : str or sequence of str
        Names, ``NAME[param=value,...]`` for one setting alone, or files such as ``my_design.py`` that register designs.
    seed : int
        First seed of random demands.
    demands : int, optional
        Demands of each random stream.
    only : str or sequence of str, optional
        Names of checks, default all.
    schedules, preemptions : int
        For the check ``schedules``: most of them for a design, and most preemptions of those that are run exhaustively.

    Returns
    -------
    dict
        ``rows``: for each design and check its verdict (passed, failed), how many cases were tried, the finding in one line (of schedules
        also what was run), and the shortest demand list found that shows it.

    Raises
    ------
    BadInput
        Unknown designs or checks, files that do not load.

    Examples
    --------
    >>> [row["verdict"] for row in check("direct", demands=100, only="lock order")["rows"]]
    ['passed']
    """
    names = [part.strip() for part in only.split(",")] if isinstance(only, str) else list(CHECKS if only is None else only)
    for name in names:
        if name not in CHECKS:
            raise BadInput(unknown("check", name, CHECKS))
    if demands is not None and demands < 1:
        raise BadInput(f"demands {demands} is not at least 1")
    if schedules < 1 or preemptions < 0:
        raise BadInput(f"schedules {schedules} is not at least 1" if schedules < 1 else f"preemptions {preemptions} is below 0")
    effort = Effort(seed=seed, schedules=schedules, preemptions=preemptions)
    effort = effort if demands is None else replace(effort, demands=demands)
    chosen = subjects.chosen(designs)
    rows = []
    outside, first = registered.files(), indices.__name__
    with output.Progress("checks", len(chosen) * len(names)) as progress:
        for one in chosen:
            ahead = [first] if Path(one.settings[0].design.file).resolve() in outside else []
            for name in dict.fromkeys([*ahead, *names]):
                row = _row(one, name, effort)
                failed = row["verdict"] == "failed"
                if failed or name in names:
                    rows.append(row)
                    progress.step(detail=f"{one.name}: {name}")
                if failed and name == first:
                    break  # compiled, such a design may bring this process down
    return {"rows": rows}


def _row(one: Subject, name: str, effort: Effort) -> dict[str, Any]:
    """Run the cases of a check until one fails."""
    row: dict[str, Any] = {"design": one.name, "check": name, "verdict": "passed", "cases": 0, "finding": "", "demands": []}
    row["against"] = "invariants and tokens" if twins.twin_class(one.name) is None else "twin"
    for case in CHECKS[name](one, effort):
        row["cases"] += 1
        try:
            said = case.run()
            row["finding"] = said if isinstance(said, str) else row["finding"]
        except (BadInput, Ended, KeyboardInterrupt):
            raise
        except Mismatch as error:
            return row | {"verdict": "failed", "finding": f"{error.where or case.label}: {error.why}", "demands": error.demands}
        except BaseException as error:  # noqa: BLE001 - a broken design may trip over anything, or end the program
            return row | {"verdict": "failed", "finding": f"{case.label}: {conformance.said(error)}"}
    return row
