"""``dse worker``: evaluate trials of a sweep that runs elsewhere.

A worker may leave at any time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dse.common import options, output
from dse.errors import BadInput

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    options.add_storage(parser, "storage of the study")
    parser.add_argument("--study", required=True, metavar="NAME", help="name of the study, as printed by dse sweep")
    parser.add_argument("--once", action="store_true", help="stop as soon as no trial waits")
    options.add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Work until the study ends."""
    from dse.sweeps.distributing import work

    url = options.storage(args.storage)
    if url is None:
        raise BadInput("give --storage URL, or set DSE_STORAGE")
    done = work(url, args.study, args.results, once=args.once)
    output.note(f"evaluated {done:,} trials of {args.study}")
    return 0
