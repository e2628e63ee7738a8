"""``dse threads``: replay a scenario on real threads that share one state, and say which lock they wait for.

Throughput is of all threads together, from the start of the first to the end of the last; runs of all numbers of threads take turns. The
end state is held against all invariants and the content of every page: exit 1 if something is wrong with it (docs/threads.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dse.common import options, output

if TYPE_CHECKING:
    import argparse

COLUMNS = ["scenario", "design", "threads", "metric", "stat", "kind", "unit", "value", "lo", "hi", "n"]
SHOWN = ["design", "threads", "demands/s", "speed-up", "interval", "by CPU time", "waiting", "most for", "swap_in p50", "swap_in p99"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    from dse.parallel.dealing import MOST
    from dse.parallel.measuring import ROUNDS

    parser.add_argument("scenario", nargs="?", default="threads", metavar="SCENARIO", help="name or TOML file (default: %(default)s)")
    options.add_set(parser)
    parser.add_argument("--designs", default=None, metavar="A,B", help="designs: NAME[param=value,...] (default: those that threads run)")
    parser.add_argument("--threads", default=None, metavar="N,N", help="numbers of threads (default: 1 and as many as there are CPUs)")
    parser.add_argument("--demands", type=options.positive, default=MOST, metavar="N", help="most demands (default: all of the scenario)")
    parser.add_argument("--rounds", type=options.positive, default=ROUNDS, metavar="N", help="runs of each (default: %(default)s)")
    parser.add_argument("--locks", choices=("queued", "plain"), default="queued",
                        help="queued, as the kernel's, or plain, for a machine that has other work (default: %(default)s)")  # fmt: skip
    options.add_seed(parser)
    options.add_format(parser)


def _line(point: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Line of the table."""
    mine = {(row["metric"], row["stat"]): row for row in rows if (row["design"], row["threads"]) == (point.design, point.threads)}
    speed = next((row for (metric, _), row in mine.items() if metric.startswith("speed-up")), None)
    by_cpu = next((row["value"] for (metric, _), row in mine.items() if metric.startswith("by CPU time")), None)
    worst = max(point.waits, key=point.waits.__getitem__, default=None)
    return {
        "design": point.design,
        "threads": point.threads,
        "demands/s": round(mine["throughput", "median"]["value"]),
        "speed-up": None if speed is None else speed["value"],
        "interval": None if speed is None else f"{speed['lo']:.2f} to {speed['hi']:.2f}",
        "by CPU time": by_cpu,
        "waiting": f"{100 * point.waiting:.1f} %",
        "most for": None if worst is None else f"{worst} {100 * point.waits[worst]:.1f} %",
        **{f"swap_in {stat}": mine.get(("swap_in", stat), {}).get("value") for stat in ("p50", "p99")},
    }


def run(args: argparse.Namespace) -> int:
    """Measure, print, and return 1 if an end state is wrong."""
    from dse.parallel.measuring import measure
    from dse.testing import invariants

    found = measure(
        args.scenario, args.designs, args.threads, most=args.demands, rounds=args.rounds, queued=args.locks == "queued",
        settings=args.set, seed=args.seed, check=invariants.check,
    )  # fmt: skip
    for line in found["notes"]:
        output.note(line)
    if args.format == "table":
        output.emit([_line(point, found["rows"]) for point in found["points"]], "table", columns=SHOWN)
    else:
        document = {"rows": found["rows"], "findings": found["findings"], "provenance": found["provenance"]}
        output.emit(found["rows"], args.format, columns=COLUMNS, document=document)
    for line in found["findings"]:
        output.note(f"wrong: {line}")
    if not found["findings"]:
        output.note("every end state keeps all invariants, and each page its content")
    return 1 if found["findings"] else 0
