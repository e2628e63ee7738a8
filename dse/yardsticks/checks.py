"""Plan of each yardstick: the source of its figures, its needs, and the reason if it cannot be reproduced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dse.yardsticks import effects, exact, fragmentation, posted
from dse.yardsticks.bench import Bench, has
from kernels import demand

Read = Callable[[Bench], Mapping[str, Mapping[str, float]]]
THREADS = "needs several threads, replay has one"
BUILT = frozenset(demand.OPS)
"""Operations that are built; a yardstick that needs others names them."""


@dataclass(frozen=True)
class Plan:
    """Plan of a yardstick.

    Attributes
    ----------
    read : callable
        Reader of our figures, as far as they are built.
    needs : tuple of str
        Designs and operations without which the verdict is "design missing".
    curves : tuple of (str, str)
        Designs and backends whose curve it reads.
    cannot : str
        Reason why it cannot be reproduced; figures are then printed, and nothing is asked of them.
    timed : tuple of str
        Quantities that need a clock.
    """

    read: Read = exact.without_a_design
    needs: tuple[str, ...] = ()
    curves: tuple[tuple[str, str], ...] = ()
    cannot: str = ""
    timed: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Designs and operations of :attr:`needs` that are not built."""
        return [name for name in self.needs if not has(name) and name not in BUILT]


def _curves(*designs: str, backends: tuple[str, ...] = ("zswap",)) -> tuple[tuple[str, str], ...]:
    return tuple((design, backend) for design in designs for backend in backends)


LOST = ("part of the loss recovered (lower)", "part of the loss recovered (upper)")
"""Of the system time that one lock for all virtual slots costs."""
OLD, VSS, BOTH = exact.OLD, exact.VSS, ("zswap", "ssd")
PLANS: dict[str, Plan] = {
    "Y01": Plan(exact.static, (OLD,), _curves(OLD)),
    "Y02": Plan(exact.on_zswap, (OLD, *VSS), _curves(OLD, *VSS)),
    "Y03": Plan(exact.on_disk, (OLD, *VSS), _curves(OLD, *VSS, backends=("ssd",))),
    "Y04": Plan(exact.break_even, (OLD, *VSS), _curves(OLD, *VSS, backends=BOTH)),
    "Y05": Plan(exact.phases, tuple(exact.PHASES.values()), _curves(*exact.PHASES.values(), backends=("ssd",))),
    "Y06": Plan(exact.tebibyte, ("swap_table_p2", "swap_table_p3", "swap_table_p4")),
    "Y07": Plan(exact.granularity, ("swap_table_p4",)),
    "Y08": Plan(exact.descriptors, ("vswap_rfc1", "vswap_rfc2", *VSS)),
    "Y09": Plan(exact.edition, ("vswap_ste",)),
    "Y11": Plan(exact.nodes, ("swap_id", OLD), _curves(OLD)),
    "Y12": Plan(exact.widths, (OLD, "swap_table_p3")),
    "Y13": Plan(exact.reach, ("vswap_ste",)),
    "Y15": Plan(effects.freeing, VSS, timed=effects.FREED),
    "Y16": Plan(effects.free_by_backend, VSS, timed=effects.FREED_BY_BACKEND),
    "Y17": Plan(effects.lookup_cache, ("vswap_v6",), timed=("part of the layer's time removed by the cache",)),
    "Y18": Plan(cannot=f"52 processes and their reclaim: {THREADS}"),
    "Y19": Plan(cannot="a kernel build is dominated by compiling and reclaim, which are not modelled; the file asks for a bound only"),
    "Y20": Plan(effects.swap_out, cannot=f"31 and 32 writers: {THREADS}; one thread's swap-out is printed"),
    "Y21": Plan(effects.shared_swap_in, cannot="throughput of a server, with large folios; counted lines of a swap-in are printed"),
    "Y22": Plan(posted.partition, ("vswap_rfc1",), timed=LOST),
    "Y23": Plan(
        posted.swapoff,
        cannot="counted, a line of eight PTEs is what the walk of page tables costs a swapped page, and walks of the virtual layer cost "
        "more: the 13 % of system time are in what lines do not weigh, the visit of each PTE and the faults of the old one",
    ),
    "Y24": Plan(cannot="an input: compression and I/O are parameters of the model, not results"),
    "Y26": Plan(effects.zero_pages, ("vswap_v3", OLD)),
    "Y27": Plan(cannot=f"a lock under 6 to 96 jobs: {THREADS}"),
    "Y30": Plan(fragmentation.orders),
}
"""Plans by the yardstick's id."""
