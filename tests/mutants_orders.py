"""Negative controls of the allocator of runs: each mutant breaks one rule, and the machine of tests/test_orders.py must notice.

``python -m tests.mutants_orders`` runs all of them, with NUMBA_DISABLE_JIT=1: there a kernel is a Python function of a module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import Phase

from kernels.compiling.constants import U0, U1
from kernels.life import lone
from kernels.structures import cluster, orders, slots
from tests.test_orders import scripts, soak

EXAMPLES = 40
Wrong = Callable[..., Any]


def misaligned(st: Any, pr: Any, begin: Any, end: Any, n: Any) -> Any:
    """A run begins at any free slot."""
    for g in range(int(begin), int(end - n) + 1):
        if orders.run_free(st, pr, np.uint64(g), n):
            return np.uint64(g + 1)
    return U0


def blind_home(st: Any, c: Any, which: Any) -> Any:
    """Every cluster goes to the lists of order 0 when a slot of it is freed."""
    return which


def lose(st: Any, pr: Any, d: Any, c: Any, count: Any, size: Any) -> None:
    """A cluster that had no run is on no list any more."""


def keep_order(st: Any, c: Any, order: Any) -> None:
    """A cluster that became free keeps its order."""
    if order != U0:
        orders.give(st, c, order)


def steal_from_the_largest(st: Any, pr: Any, d: Any, at: Any) -> Any:
    """Order 0 takes slots from the largest order first."""
    for order in range(9, 0, -1):
        for kind in (cluster.FRAG_LIST, cluster.NONFULL_LIST):
            c = st.dev[orders.list_at(st, d, orders.of_order(kind, np.uint64(order)))]
            if c != U0:
                return orders.scan_run(st, pr, d, c - U1, U0, U0, at, False)
    return U0


def short_look(st: Any, pr: Any, g: Any, n: Any) -> bool:
    """The last slot of a run may be in use."""
    return bool(RIGHT["run_free"](st, pr, g, max(n - U1, U1)))


def any_cluster(st: Any, c: Any, count: Any, size: Any, order: Any) -> bool:
    """A CPU goes on in its cluster whoever has it now."""
    return True


def double_count(st: Any, pr: Any, d: Any, c: Any, n: Any, count: Any, size: Any) -> None:
    """The device counts the slots of a run twice."""
    RIGHT["slots_taken"](st, pr, d, c, n, count, size)
    st.dev[d * cluster.DEV_WORDS + cluster.D_USED] += n


def mark_the_first(st: Any, pr: Any, g: Any, used: Any) -> None:
    """Only every second slot of a run is marked as used."""
    if not used or g % 2 == 0:
        RIGHT["slot_mark"](st, pr, g, used)


def no_fragments(st: Any, pr: Any, d: Any, order: Any, at: Any) -> Any:
    """Clusters that are fragmented already are not looked through."""
    return orders.scan_list(st, pr, d, orders.of_order(cluster.NONFULL_LIST, order), order, at, U0)


def go_on_in_the_run(st: Any, pr: Any, percpu: Any, c: Any, after: Any, left: Any) -> None:
    """A CPU goes on at the last slot that it took."""
    RIGHT["place_set"](st, pr, percpu, c, max(after, U1) - U1, left)


def stay_in_a_full_cluster(st: Any, left: Any) -> bool:
    """A CPU has a place in a cluster that it filled."""
    return True


def go_on_in_an_empty_cluster(st: Any, count: Any, size: Any) -> bool:
    """A CPU goes on in its cluster though its table is gone."""
    return True


def own_of_all(st: Any, cpu: Any, d: Any, order: Any) -> Any:
    """All orders of a CPU share one current cluster."""
    return RIGHT["cpu_at"](st, cpu, d, np.uint64(1))


RIGHT: dict[str, Any] = {
    **{name: getattr(orders, name) for name in ("run_free", "slot_mark", "cpu_at")},
    **{name: getattr(cluster, name) for name in ("slots_taken", "place_set")},
}
PATCHED: dict[str, tuple[Any, Wrong]] = {
    "first_run": (orders, misaligned),
    "relocate_cluster": (orders, lose),
    "steal": (orders, steal_from_the_largest),
    "run_free": (orders, short_look),
    "is_usable": (orders, any_cluster),
    "slots_taken": (cluster, double_count),
    "slot_mark": (orders, mark_the_first),
    "partly_used": (orders, no_fragments),
    "cpu_at": (orders, own_of_all),
    "goes_on": (orders, stay_in_a_full_cluster),
    "place_set": (cluster, go_on_in_the_run),
    "cluster.is_usable": (cluster, go_on_in_an_empty_cluster),
}
STEPS: dict[str, Wrong] = {"home_list": blind_home, "dedicate": keep_order}


def caught(patch: Any) -> str:
    """Findings of the machine with a patch in place, empty if none."""
    with patch, np.errstate(over="ignore"):
        try:
            scripts()
            soak(EXAMPLES, (Phase.generate,))
        except Exception as error:  # noqa: BLE001 any failure is a finding
            return type(error).__name__
    return ""


def main() -> int:
    """Run all; return 1 if one was not caught."""
    patches = {name: mock.patch.object(module, name.split(".")[-1], wrong) for name, (module, wrong) in PATCHED.items()}
    patches |= {name: mock.patch.dict(getattr(slots, name).table, {lone.Lone: wrong}) for name, wrong in STEPS.items()}
    missed = 0
    for name, patch in patches.items():
        found = caught(patch)
        sys.stdout.write(f"{name}: {f'caught ({found})' if found else 'NOT noticed'}\n")
        sys.stdout.flush()
        missed += not found
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
