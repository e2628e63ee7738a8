"""The settings that a state is built for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kernels.own import COMMON, Own


@dataclass(frozen=True)
class Config:
    """Sizes and settings of a state.

    Attributes
    ----------
    pages : int
        PTEs of all spaces [pages], at most 2^28.
    slots : dict of str to int
        Slots of each backend that is a device (``ssd``, ``hdd``, ``zram``; ``zswap`` is the most entries it may hold).
    space_shift : int
        Pages of a space are ``1 << space_shift``.
    memcg : numpy.ndarray
        ``uint16[spaces]``, memory cgroup of each space.
    folios : int
        Most folios in memory at once; 0 means one a page.
    tokens, forks : bool
        Check content tokens; keep rings of kin (needed with FORK).
    cluster_shift : int
        Slots of a cluster are ``1 << cluster_shift`` (9 with THP swap, 8 without).
    zdisk : str
        The disk behind zswap.
    cgroup_depth : int
        Page counters from a memory cgroup to the root, both included: 2 is the least with a limit of its own. A service of systemd has 3
        (root, slice, service), a program of a user's session 5 or 6.
    swap_max : int
        Most pages of a memory cgroup in swap [pages] (memory.swap.max), 0 for no limit.
    continuation_pages : int
        Most continuation pages [4 KiB].
    cpus : int
        CPUs, each with a current cluster.
    parameters : dict of str to int
        Control words of the design's parameters: names of their constants, values.
    own : Own
        Names of the design; :func:`kernels.life.registry.register` fills them in.
    """

    pages: int
    slots: dict[str, int]
    space_shift: int = 28
    memcg: NDArray[np.uint16] = field(default_factory=lambda: np.ones(1, np.uint16))
    folios: int = 0
    tokens: bool = True
    forks: bool = True
    cluster_shift: int = 9
    zdisk: str = "ssd"
    cgroup_depth: int = 2
    swap_max: int = 0
    continuation_pages: int = 64
    cpus: int = 8
    parameters: dict[str, int] = field(default_factory=dict)
    own: Own = COMMON
