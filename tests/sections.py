"""Golden locked sections: how often each operation of each design takes each lock, on one short stream.

``python -m tests.sections`` writes tests/stored/sections.json, ``python -m tests.sections --check`` compares with it and exits 1 where it
differs. Kernels are plain Python (``NUMBA_DISABLE_JIT=1``), as the probe is.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from dse.testing import conformance, rules, scripts, streams
from kernels.compiling.jit import INTERPRETED
from kernels.observing import lock, probe
from kernels.own import Lock

FILE = Path(__file__).resolve().parent / "stored" / "sections.json"
DEMANDS = 400
Sections = dict[str, dict[str, dict[str, int]]]


class Taken(rules.Rules):
    """A probe that counts the locks that each operation takes."""

    names: dict[int, str]
    now: Counter[str]
    all: dict[str, Counter[str]]


def _locked(kind: Any) -> Any:
    right = kind.table[rules.Rules]

    def taken(pr: Taken, words: Any, index: Any, cls: Any) -> Any:
        pr.now[pr.names[int(cls)]] += 1
        return right(pr, words, index, cls)

    return taken


def _finished(pr: Taken, code: Any) -> None:
    probe.finish.table[rules.Rules](pr, code)
    pr.all.setdefault(conformance.reply(code), Counter({"n": 0})).update({**pr.now, "n": 1})
    pr.now.clear()


def of(design: Any) -> Taken:
    """Build a probe for `design`."""
    plain = rules.of(design)
    if Taken not in probe.wrote.table:
        for one in rules.operations():
            one.register(Taken, one.table[rules.Rules])
        for kind in (lock.lock, lock.trylock):
            kind.register(Taken, _locked(kind))
        probe.finish.register(Taken, _finished)
    made = Taken(**plain.arrays())
    made.guarded_by(design)
    made.names, made.now, made.all = design.own.names(Lock), Counter(), {}
    return made


def sections(name: str) -> dict[str, dict[str, int]]:
    """Locks by operation: demands that ended so (``n``), and how often they took each lock."""
    with conformance.using(probe=of, twins=False):
        runs = [conformance.Run.of(name, world) for world in (streams.TINY, scripts.STEPS)]
        for run in runs:
            run.replay(streams.random_demands(run.world, DEMANDS, 1))
    found: dict[str, Counter[str]] = {}
    for run in runs:
        for op, locks in run.probe.all.items():
            found.setdefault(op, Counter()).update(locks)
    return {op: dict(sorted(locks.items())) for op, locks in sorted(found.items())}


def differences(have: Sections, want: Sections) -> list[str]:
    """Differences, in words."""
    out = []
    for name in {**want, **have}:
        ours, theirs = have.get(name, {}), want.get(name, {})
        ops = [op for op in {**theirs, **ours} if ours.get(op) != theirs.get(op)]
        out += [f"{name}, {op}: {ours.get(op)} should be {theirs.get(op)}" for op in ops]
    return out


def main(argv: list[str]) -> int:
    """Command line."""
    if not INTERPRETED:
        sys.exit("set NUMBA_DISABLE_JIT=1")
    found = {name: sections(name) for name in conformance.names()}
    if "--check" not in argv:
        lines = [
            f'"{name}": {{\n ' + ",\n ".join(f'"{op}": {json.dumps(row)}' for op, row in ops.items()) + "}" for name, ops in found.items()
        ]
        FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        return 0
    wrong = differences(found, json.loads(FILE.read_text(encoding="utf-8")))
    sys.stdout.write("".join(f"{line}\n" for line in wrong[:20]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
