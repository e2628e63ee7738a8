"""``dse sweep``: search designs, parameters and environments: Pareto front, winners, break-even."""

from __future__ import annotations

import argparse
from typing import Any

from dse.common import machine, options, output

LAST = "last"


def seconds(text: str) -> float:
    """Read a positive number of seconds."""
    value = options.finite(text, "seconds")
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return value


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("space", nargs="?", default=None, metavar="SPACE", help="built-in space or TOML file (default: default)")
    parser.add_argument("--trials", type=options.positive, metavar="N", help="configurations to evaluate (default: all of the space)")
    parser.add_argument("--sampler", metavar="NAME", help="exhaustive, random, tpe, nsga2, nsga3; with extras sobol, halton, gp")
    parser.add_argument(
        "--objectives", metavar="A,B", help="objectives (default: the space's): swap_in, swap_out, free, bytes_per_page, move"
    )
    parser.add_argument("--workers", type=options.whole, default=None, metavar="N", help="processes (default: one a core)")
    parser.add_argument("--timeout", type=seconds, metavar="SECONDS", help="begin no generation after SECONDS; continue with --resume")
    parser.add_argument("--resume", nargs="?", const="", metavar="STUDY", help="resume a stored study (default: that of these settings)")
    parser.add_argument("--storage", metavar="URL", help="Optuna storage to share with dse worker: journal file, sqlite, postgresql, grpc")
    parser.add_argument("--confirm", type=options.whole, default=0, metavar="N", help="time N designs of the front against the baseline")
    options.add_seed(parser)
    options.add_format(parser)
    options.add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Sweep, store, print."""
    from dse.sweeps import sweep
    from dse.sweeps.storages import shown

    found = sweep(
        args.space or "default", trials=args.trials, sampler=args.sampler, seed=1 if args.seed is None else args.seed,
        workers=machine.cores() if args.workers is None else args.workers, timeout=args.timeout, results=args.results, storage=args.storage,
        objectives_=args.objectives.split(",") if args.objectives else None, resume=args.resume or None, confirm=args.confirm,
        command=" ".join(shown(part) for part in args.command_line.split(" ")),
    )  # fmt: skip
    if args.format == "json":
        output.emit([], "json", document={name: value for name, value in found.items() if name != "provenance"} | _brief(found))
    elif args.format == "csv":
        output.emit(_front(found), "csv")
    else:
        _show(found)
    if found["timed_out"]:
        output.note(f"the time was up after {found['trials']:,} trials: dse sweep --resume {found['study']}")
    output.note(f"stored as {found['study']} under {args.results}/studies; dse report {found['study']} shows it")
    return 0


def _brief(found: dict[str, Any]) -> dict[str, Any]:
    """Provenance without the long fields."""
    return {"provenance": {k: v for k, v in found["provenance"].items() if k not in ("document", "packages")}}


def _front(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The front as flat rows."""
    from dse.sweeps.axes import text_of

    return [
        {"number": row["number"], **{k: text_of(v) for k, v in row["params"].items()}, **row["values"]} for row in found["front"]
    ]  # fmt: skip


def _show(found: dict[str, Any]) -> None:
    """Print the tables."""
    from dse.sweeps.axes import text_of

    about = found["provenance"]
    output.write(f"{found['study']}: {found['trials']:,} trials, {about['evaluated']:,} evaluated now, {about['seconds']:.1f} s\n")
    output.write(f"Pareto front of {', '.join(about['objectives'])} (counted, all minimised)")
    front = sorted(found["front"], key=lambda row: [row["values"][name] for name in about["objectives"]])
    rows = []
    for row in front[:24]:
        places = {k: text_of(v) for k, v in row["params"].items() if "." in k}
        rows.append({"design": row["design"], **places, **{name: row["values"][name] for name in about["objectives"]}})
    output.emit(rows, "table")
    if len(front) > len(rows):
        output.write(f"... and {len(front) - len(rows)} more (--format csv)")
    output.write(f"\nWinners by {about['winner']} (margin: what the best of another design costs more)")
    winners = []
    for row in found["winners"]:
        places = {k: text_of(v) for k, v in row["environment"].items()}
        margin = "-" if row["margin"] is None else f"{row['margin']:.1%}"
        winners.append({**places, "winner": row["design"], about["winner"]: row["value"], "margin": margin, "before": row["runner_up"]})
    output.emit(winners, "table")
    if found["breakeven"]:
        output.write("\nBreak-even: a layer pays from this migration rate on (moves per swapped lifetime)")
        output.emit([
            {**{k: text_of(v) for k, v in row["environment"].items()}, "layer": row["design"], "against": row["against"],
             "rate": {"above": f"> {row['rate'] or 0:.3g}", "below": f"< {row['rate'] or 0:.3g}"}.get(row["status"], row["status"])}
            for row in found["breakeven"]
        ], "table")  # fmt: skip
    output.write("\nSensitivity: share of the variance that an axis alone makes (total effect); flips of the verdict on layers")
    axes = dict.fromkeys(row["axis"] for row in found["sensitivity"])
    by = {(row["axis"], row["objective"]): row for row in found["sensitivity"]}
    names = list(dict.fromkeys(row["objective"] for row in found["sensitivity"]))
    output.emit([
        {"axis": axis, **{n: by[axis, n]["importance"] if (axis, n) in by else None for n in names},
         "flips": by[axis, about["winner"]]["flips"] if (axis, about["winner"]) in by else None}
        for axis in axes
    ], "table")  # fmt: skip
    output.write("\nRegret of a fixed choice over the environments")
    output.emit([
        {"design": row["design"], "environments": f"{row['environments']} of {row['of']}", "mean": f"{row['mean']:.1%}",
         "worst": f"{row['worst']:.1%}"}
        for row in found["regret"][:10]
    ], "table")  # fmt: skip
