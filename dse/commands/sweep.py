"""``dse sweep``: search designs and parameters in each environment: Pareto fronts, winners, break-even."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from dse.common import hints, machine, options, output
from dse.errors import BadInput

WIDTH, LINES = 80, 25
"""Columns and lines of the answer."""
MOST = 40
"""Most rows of fronts that are printed."""


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
    parser.add_argument("--resume", nargs="?", const="", metavar="STUDY", help="resume a stored study: its name, a part of it, or last")
    options.add_storage(parser, "Optuna storage to share with dse worker: journal file, sqlite, postgresql, grpc")
    parser.add_argument("--trace", type=options.trace, metavar="F", help="trace file or shipped trace instead of the workload of the space")
    options.add_set(parser)
    parser.add_argument("--confirm", type=options.whole, default=0, metavar="N", help="time N designs of the front against the baseline")
    options.add_parameters(parser)
    parser.add_argument("--full", action="store_true", help="all tables after the answer: fronts, winners, break-even, sensitivity, regret")
    parser.add_argument(
        "--seed", type=options.seed, metavar="N", help="seed of the sampler (default: 1); that of the scenario is --set replay.seed=N"
    )
    options.add_format(parser)
    options.add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Sweep, store, print."""
    from dse.reports.results import sweep
    from dse.storing.studies import resuming

    _check_resume(args)
    if args.space == "":
        raise BadInput("SPACE is empty")
    if args.format != "table":
        options.refuse(args, "full", f"it is for tables; --format json has everything, csv the front, {args.format} was asked for")
    found = sweep(
        args.space or "default", trials=args.trials, sampler=args.sampler, seed=args.seed,
        workers=machine.cores() if args.workers is None else args.workers, timeout=args.timeout, results=args.results,
        storage=options.storage(args.storage),
        objectives_=args.objectives.split(",") if args.objectives else None, resume=args.resume or None, confirm=args.confirm,
        trace=args.trace, settings=args.set, parameters=args.parameters, command=args.command_line,
    )  # fmt: skip
    if args.format == "json":
        output.emit([], "json", document=found.document())
    elif args.format == "csv":
        output.emit(_front(found), "csv")
    else:
        _head(found, resuming(args.results, found["study"]), _report(found, args))
        if args.full:
            _show(found)
    if found["timed_out"]:
        output.note(f"the time was up after {found['trials']:,} trials: {resuming(args.results, found['study'])}")
    output.note(f"stored as {found['study']} under {args.results}/studies; {_report(found, args)} shows it")
    return 0


def _check_resume(args: argparse.Namespace) -> None:
    """Refuse ``--resume`` that names no study, or that names a space or settings too: the study has them."""
    from dse.storing import studies

    if args.resume is None:
        return
    if not args.resume:
        known = studies.names(args.results)
        there = f"last, or one of {len(known):,}, the newest is {known[-1]}" if known else f"there are none under {args.results}"
        raise BadInput(f"--resume needs the name of a study: {there}")
    given = {"SPACE": args.space, "--sampler": args.sampler, "--objectives": args.objectives, "--seed": args.seed,
             "--trace": args.trace, "--set": args.set or None}  # fmt: skip
    for name, value in given.items():
        if value is not None:
            raise BadInput(f"--resume {args.resume} goes on with the settings of that study; leave {name} out")


def _front(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The front as flat rows."""
    from dse.sweeps.axes import text_of

    return [
        {"number": row["number"], **{k: text_of(v) for k, v in row["params"].items()}, **row["values"]} for row in found["front"]
    ]  # fmt: skip


def _report(found: dict[str, Any], args: argparse.Namespace) -> str:
    """Command that shows the study."""
    return hints.command("dse", "report", found["study"], results=args.results)


def _head(found: dict[str, Any], resuming: str, report: str) -> None:
    """Print the answer on one screen; `resuming` is the command that goes on with the study, `report` the one that shows it."""
    from dse.reports import environments, heads
    from dse.sweeps import wording

    about = found["provenance"]
    more = [resuming] if found["timed_out"] else []
    more += [] if "--full" in shlex.split(about["command"]) else [f"{about['command']} --full"]
    over = about["over"]["measure"]
    head = environments.head(found, about, about["winner"], over, [*more, report])
    nothing = [*wording.partial(about, found, over), wording.nobody(found["winners"]), *wording.without(found["missing"], about["places"])]
    for line in nothing if head is None else heads.text(head, WIDTH, LINES):
        output.write(line)


def _show(found: dict[str, Any]) -> None:
    """Print the tables."""
    from dse.sweeps.wording import among_tried, first_lines

    about = found["provenance"]
    tried = among_tried(about)
    for line in first_lines(found, about, about["winner"], about["over"]["measure"]):
        output.write(line)
    at_a_time = about["environments"]
    searched = f"; {at_a_time:,} of {about['places']:,} environments searched at a time" if at_a_time else ""
    evaluated = f"{found['trials']:,} trials, {about['evaluated']:,} evaluated now, {about['seconds']:.1f} s"
    output.write(f"\n{found['study']}: {evaluated}{searched}\n")
    _fronts(found)
    _winners(found["winners"], about["winner"])
    _breakeven(found["breakeven"], tried)
    _sensitivity(found["sensitivity"], about["winner"], tried)
    output.write(f"\nRegret of a fixed choice over the environments{tried}")
    output.emit([
        {"design": row["design"], "environments": f"{row['environments']} of {row['of']}", "mean": f"{row['mean']:.1%}",
         "worst": f"{row['worst']:.1%}"}
        for row in found["regret"][:10]
    ], "table")  # fmt: skip


def _fronts(found: dict[str, Any]) -> None:
    """Print the Pareto fronts, an environment after the other."""
    from dse.sweeps.axes import text_of

    about, rows = found["provenance"], []
    places = len({str(row["environment"]) for row in found["front"]})
    kind = f"{places} fronts, one for each environment" if about["over"]["measure"] == "each" else "one front over all environments"
    output.write(f"Pareto: {kind}, of {', '.join(about['objectives'])} (all minimised)")
    for row in found["front"][:MOST]:
        choices = {k: text_of(v) for k, v in row["params"].items() if "." in k and k not in row["environment"]}
        place = {k: text_of(v) for k, v in row["environment"].items()}
        rows.append({**place, "design": row["design"], **choices, **{name: row["values"][name] for name in about["objectives"]}})
    output.emit(rows, "table")
    if len(found["front"]) > MOST:
        output.write(f"... and {len(found['front']) - MOST} more (--format csv)")


def _winners(winners: list[dict[str, Any]], winner: str) -> None:
    """Print the winner of each environment, and who wins by other yardsticks."""
    from dse.sweeps.axes import text_of
    from dse.sweeps.objectives import unit
    from dse.sweeps.wording import sure

    output.write(f"\nWinners by {winner} (margin: what the best of another design costs more; gap: the same in {unit(winner)})")
    rows = []
    for row in winners:
        places = {k: text_of(v) for k, v in row["environment"].items()}
        margin = "-" if row["margin"] is None else f"{row['margin']:.1%}"
        gap = "-" if row["gap"] is None else f"{row['gap']:.4g} [{row['lo']:.4g}, {row['hi']:.4g}]"
        rows.append({
            **places, "winner": row["design"], winner: row["value"], "B/page": row["bytes"], "margin": margin, "gap": gap,
            "certain": sure(row), "before": row["runner_up"],
            "by lines": row["by_lines"], "by locks": row["by_locks"], "by bytes": row["by_bytes"],
        })  # fmt: skip
    output.emit(rows, "table")


def _breakeven(breakeven: list[dict[str, Any]], tried: str) -> None:
    """Print from which rate of moves on a layer pays; `tried` is the caution of a partial sweep."""
    from dse.sweeps.axes import text_of

    if not breakeven:
        return
    output.write(f"\nBreak-even{tried}: a layer pays from this rate of moves on (delivered: moves for each page that goes out)")
    known = {(row["objective"], str(row["environment"]), row["design"], row["against"]): row for row in breakeven}

    def told(row: dict[str, Any]) -> bool:
        """Return True if a way to move has another break-even than the best way, whose row is printed anyway."""
        best = known.get((row["objective"], str(row["environment"]), row["design"], row["against"].partition(", move=")[0]), row)
        return best is row or (best["status"], best["rate"]) != (row["status"], row["rate"])

    output.emit([
        {"by": row["objective"], **{k: text_of(v) for k, v in row["environment"].items()}, "layer": row["design"],
         "against": row["against"],
         "rate": {"above": f"> {row['rate'] or 0:.3g}", "below": f"< {row['rate'] or 0:.3g}"}.get(row["status"], row["status"])}
        for row in breakeven if told(row)
    ], "table")  # fmt: skip


def _sensitivity(rows: list[dict[str, Any]], winner: str, tried: str) -> None:
    """Print the importance of each choice, from the least to the most of any environment, and the flips of each axis."""
    output.write(f"\nSensitivity{tried}: share of an environment's variance that a choice alone makes; flips of the verdict on layers")
    names = list(dict.fromkeys(row["objective"] for row in rows))
    table = []
    for axis in dict.fromkeys(row["axis"] for row in rows):
        mine = [row for row in rows if row["axis"] == axis]
        known = {n: [row["importance"] for row in mine if row["objective"] == n and row["importance"] is not None] for n in names}
        shares = {n: f"{min(found):.2f}..{max(found):.2f}" if found else "-" for n, found in known.items()}
        flips = sum(row["flips"] for row in mine if row["objective"] == winner)
        table.append({"axis": axis, "role": mine[0]["role"], **shares, "flips": flips})
    output.emit(table, "table")
