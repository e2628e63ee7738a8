"""``dse worker``: evaluate trials of a sweep that runs elsewhere.

A worker may leave at any time.
"""

from __future__ import annotations

import argparse

from dse.common import options, output
from dse.common.signals import Terminated
from dse.errors import BadInput


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    options.add_storage(parser, "storage of the study")
    parser.add_argument("--study", required=True, metavar="NAME", help="name of the study, as printed by dse sweep")
    parser.add_argument("--once", action="store_true", help="stop as soon as no trial waits")
    parser.add_argument("--of", type=options.positive, metavar="PID", help=argparse.SUPPRESS)
    options.add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Work until the study ends, or the sweep that started this worker does."""
    try:
        return _run(args)
    except Terminated as error:
        if args.of is None:
            raise
        return 128 + error.number  # the sweep says it


def _run(args: argparse.Namespace) -> int:
    from dse.naming import processes
    from dse.sweeps.distributing import work

    if args.of is not None:
        processes.end_with(args.of)
    url = options.storage(args.storage)
    if url is None:
        raise BadInput("give --storage URL, or set DSE_STORAGE")
    done = work(url, args.study, args.results, once=args.once)
    output.note(f"evaluated {done:,} trials of {args.study}")
    return 0
