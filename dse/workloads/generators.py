"""Seeded generators: zipf, uniform, scan, phase change, fork-heavy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.errors import BadInput
from dse.workloads.trace import MOST_PAGES, MOST_SPACES
from dse.workloads.workload import Filler, Workload, memcgs
from kernels.traces import generate

COMMON: dict[str, Any] = {"pages": 1 << 20, "accesses": 1 << 22, "write_share": 0.3, "memcgs": 1}
SPREAD: dict[str, Any] = {**COMMON, "spaces": 1}
DEFAULTS: dict[str, dict[str, Any]] = {
    "zipf": {**SPREAD, "theta": 0.99},
    "uniform": SPREAD,
    "scan": SPREAD,
    "phase": {**SPREAD, "theta": 0.99, "phase_accesses": 1 << 20, "working_set": 0.1},
    "fork": {
        **COMMON, "theta": 0.99, "children": 4, "fork_every": 1 << 18, "child_share": 0.2, "child_write_share": 0.0,
        "sharers_theta": 0.0,
    },
}  # fmt: skip
KINDS = {"scan": generate.SCAN, "uniform": generate.UNIFORM}
SHARES = ("write_share", "working_set", "child_share", "child_write_share")
FOREVER = 1 << 63


def complete(spec: dict[str, Any], defaults: dict[str, Any], what: str) -> dict[str, Any]:
    """Specification with its defaults filled in and its values checked; BadInput otherwise."""
    unknown = [key for key in spec if key not in defaults]
    if unknown:
        raise BadInput(f"{what}: unknown key {unknown[0]!r}; known: {', '.join(defaults)}")
    full = {**defaults, **spec}
    for key, value in full.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if isinstance(defaults[key], bool):
            if not isinstance(value, bool):
                raise BadInput(f"{what}: {key} is true or false, not {value!r}")
        elif key in SHARES:
            if not number or not 0 <= value <= 1:
                raise BadInput(f"{what}: {key} is a share between 0 and 1, not {value!r}")
        elif key == "theta":
            if not number or not 0 < value <= 5:
                raise BadInput(f"{what}: theta is above 0 and at most 5, not {value!r}")
        elif key == "sharers_theta":
            if not number or not 0 <= value <= 4:
                raise BadInput(f"{what}: sharers_theta is from 0 to 4, not {value!r}")
        elif isinstance(defaults[key], int) and (not number or value != int(value) or value < 1):
            raise BadInput(f"{what}: {key} is a whole number of at least 1, not {value!r}")
        elif isinstance(defaults[key], int):
            full[key] = int(value)
    if full.get("memcgs", 1) > 0xFFFF:
        raise BadInput(f"{what}: at most {0xFFFF} memory cgroups")
    return full


def share(value: float) -> int:
    """A share 0..1 as a threshold for 32 random bits."""
    return round(value * (1 << 32))


def make(spec: dict[str, Any], seed: int) -> Workload:
    """Workload of a specification with the key ``generator``.

    Examples
    --------
    >>> make({"generator": "zipf", "pages": 1 << 20, "theta": 0.99, "write_share": 0.3}, seed=1).pages
    1048576
    """
    name = spec["generator"]
    if name not in DEFAULTS:
        raise BadInput(f"unknown generator {name!r}; one of {', '.join(DEFAULTS)}")
    full = complete({k: v for k, v in spec.items() if k != "generator"}, DEFAULTS[name], f"generator {name}")
    spaces = full["children"] + 1 if name == "fork" else full["spaces"]
    per_space = full["pages"] if name == "fork" else -(-full["pages"] // spaces)
    shift = max((per_space - 1).bit_length(), 1)
    if spaces << shift > MOST_PAGES:
        raise BadInput(f"generator {name}: {spaces << shift} page numbers are more than {MOST_PAGES}")
    if spaces > MOST_SPACES:
        raise BadInput(f"generator {name}: {spaces} address spaces are more than {MOST_SPACES}")
    touched = per_space * spaces if name == "fork" else full["pages"]
    control = _control(name, full, seed, per_space, shift)
    ranks = int(control[generate.RANKS])
    real = generate.zipf_constants(float(full.get("theta", 0.99)), ranks)
    real[generate.SHARERS] = full.get("sharers_theta", 0.0)

    def start() -> Filler:
        return _forks(control, real, seed) if name == "fork" else _plain(control, real, seed)

    return Workload(
        name, touched, shift, spaces, memcgs(spaces, full["memcgs"]), seed, full["accesses"],
        {"generator": name, **full}, start,
    )  # fmt: skip


def _control(name: str, full: dict[str, Any], seed: int, per_space: int, shift: int) -> NDArray[np.uint64]:
    """Control array of the kernels."""
    pages = full["pages"]
    control = np.zeros(16, np.uint64)
    control[generate.KIND] = KINDS.get(name, generate.ZIPF)
    control[generate.PAGES], control[generate.PER_SPACE] = pages, per_space
    control[generate.SHIFT], control[generate.BITS] = shift, max((pages - 1).bit_length(), 1)
    control[generate.KEY] = scramble(seed, 1)
    control[generate.WRITES] = share(full["write_share"])
    control[generate.PHASE] = full.get("phase_accesses", FOREVER)
    control[generate.RANKS] = max(1, round(pages * full.get("working_set", 1.0)))
    if name == "fork":
        control[generate.CHILDREN], control[generate.EVERY] = full["children"], full["fork_every"]
        control[generate.CHILD_SHARE] = share(full["child_share"])
        control[generate.CHILD_WRITES] = share(full["child_write_share"])
    return control


def scramble(seed: int, stream: int) -> np.uint64:
    """Word of 64 bits made of the seed and the number of a stream."""
    state = np.random.SeedSequence([seed & (1 << 64) - 1, stream]).generate_state(1, np.uint64)
    return np.uint64(state[0])


def _state(seed: int) -> NDArray[np.uint64]:
    state = np.zeros(8, np.uint64)
    state[generate.RANDOM] = scramble(seed, 0)
    return state


def _plain(control: NDArray[np.uint64], real: NDArray[np.float64], seed: int) -> Filler:
    state = _state(seed)

    def filler(out: NDArray[np.uint32], _: NDArray[np.uint64], __: NDArray[np.int64]) -> tuple[int, int]:
        generate.fill(control, real, state, out)
        return len(out), 0

    return filler


def _forks(control: NDArray[np.uint64], real: NDArray[np.float64], seed: int) -> Filler:
    state = _state(seed)

    def filler(out: NDArray[np.uint32], events: NDArray[np.uint64], positions: NDArray[np.int64]) -> tuple[int, int]:
        n, m = generate.forks(control, real, state, out, events, positions)
        return int(n), int(m)

    return filler
