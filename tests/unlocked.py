"""Every lock of a design guards something: without it the lock rules have a finding (``python -m tests.unlocked DESIGN ...``).

Kernels are plain Python (``NUMBA_DISABLE_JIT=1``). A lock is left out for the probe: it is never held.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dse.testing import rules, subjects
from dse.testing.conformance import Mismatch
from kernels.observing import lock
from kernels.own import Lock

EXCEPT = {
    "second cluster": "held only together with the first, which guards the same",
    "ID allocator": "guards where the next search begins, a control word",
    "descriptor": "taken by moves alone, which hold the folio lock as well",
}
"""Locks that no region needs, and why."""
UNUSED = {
    ("swap_table_p4", "continuation"), ("zram", "zswap tree xa_lock"), ("vswap_ste", "continuation"), ("vswap_ste", "xswap"),
    ("redirect", "continuation"), ("vswap_all", "continuation"), ("vswap_all", "xswap"), ("vswap_all", "zswap tree xa_lock"),
}  # fmt: skip
"""Locks of a design that guard nothing in it: counts are in the words; zswap is off, its trees stay empty; there is no array."""


@contextmanager
def without(rank: int) -> Iterator[None]:
    """Never hold the lock of `rank`."""
    before = {kind: kind.table[rules.Rules] for kind in (lock.lock, lock.trylock)}

    def leave_out(right: Any) -> Any:
        return lambda pr, words, index, cls: True if int(cls) == rank else right(pr, words, index, cls)

    for kind, right in before.items():
        kind.register(rules.Rules, leave_out(right))
    try:
        yield
    finally:
        for kind, right in before.items():
            kind.register(rules.Rules, right)


def finding(name: str, rank: int) -> str:
    """The first finding about design `name` without the lock of `rank`, empty if there is none."""
    (one,) = subjects.chosen([name])
    with without(rank):
        for label, case in rules.cases(one, 0, 200):
            if label.startswith(f"{name}-"):
                try:
                    rules.run(case, tries=0)
                except Mismatch as error:
                    return error.why
    return ""


def main(names: list[str]) -> int:
    """Leave out each lock of each design; the exit status is the number of those that nobody missed."""
    missed = 0
    for name in names:
        (one,) = subjects.chosen([name])
        design = one.settings[0].design
        rules.of(design)
        for rank, lock_name in design.own.names(Lock).items():
            if lock_name in design.locks and lock_name not in EXCEPT and (name, lock_name) not in UNUSED:
                why = finding(name, rank)
                missed += "without a lock that guards it" not in why
                sys.stdout.write(f"{name} without {lock_name}: {why or 'NOTHING'}\n")
    return missed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
