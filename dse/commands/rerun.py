"""``dse rerun``: repeat the counted part of a stored run; exit 0 if the counters are equal, else 1."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dse.common import hints, options, output
from dse.errors import BadInput

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("name", metavar="RUN", help="a run's name, a part of it that only one has, last, or a bundle's file")
    parser.add_argument("--trust", action="store_true", help="execute the source of a design from outside that a bundle carries")
    options.add_format(parser)
    options.add_results(parser)


def _refuse_folder(name: str) -> None:
    """Refuse the folder of a run, with the command that repeats what is stored there."""
    place = Path(name)
    if os.sep in name and place.is_dir():
        hint = hints.command("dse", "rerun", place.name, results=place.parent.parent) if place.parent.name == "runs" else ""
        raise BadInput(f"{name} is a folder, neither a run's name nor a bundle" + (f": {hint}" if hint else ""))


def run(args: argparse.Namespace) -> int:
    """Print yes or no."""
    from dse.measuring.comparing import rerun
    from dse.reports import bundles

    _refuse_folder(args.name)
    if bundles.is_bundle(args.name):
        bundles.check_file(args.name)
        options.refuse(args, "results", "a bundle holds what was stored")
    else:
        options.refuse(args, "trust", "a stored run carries no source")
    found = bundles.rerun(args.name, trust=args.trust) if bundles.is_bundle(args.name) else rerun(args.name, args.results)
    if args.format == "table":
        output.write("yes" if found["equal"] else "no")
    else:
        output.emit([found], args.format, document=found)
    whole = f"; with the other runs of its answer {found['answer'][:16]}" if found.get("answer") else ""
    output.note(f"{found['run']}: counters {'equal' if found['equal'] else 'NOT equal'} ({found['again'][:16]}{whole})")
    if not found["same_code"]:
        output.note("the code has changed since that run")
    return 0 if found["equal"] else 1
