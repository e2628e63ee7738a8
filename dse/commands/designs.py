"""``dse designs``: list the designs, or describe one: layout, parameters, locks, life cycle, sources."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from dse.common import options, output

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("name", nargs="?", default=None, metavar="NAME", help="a design: NAME or NAME[param=value,...]")
    parser.add_argument("--steps", action="store_true", help="list the steps of a design with file and line of each implementation")
    options.add_format(parser)


def _short(about: dict[str, Any]) -> dict[str, str]:
    """One line of the overview."""
    parameters = ", ".join(f"{p['name']}={'|'.join(p['values'])}" for p in about["parameters"])
    return {
        "name": about["name"],
        "title": about["title"],
        "status": about["status"] or "-",
        "layer on": "|".join(about["bases"]) or "-",
        "parameters": parameters,
    }


def run(args: argparse.Namespace) -> int:
    """Print the overview, or one design."""
    from dse import naming
    from dse.describing import catalogue
    from dse.errors import BadInput

    if args.steps:
        if args.name is None:
            raise BadInput("--steps needs the name of a design")
        output.emit(catalogue.steps_of(args.name), args.format)
        return 0
    found = catalogue.designs(args.name)
    if args.name is None:
        rows = [_short(about) for about in found] if args.format == "table" else found
        output.emit(rows, args.format, document=found)
        return 0
    about = found[0]
    text = naming.parse(args.name).text
    if args.format == "json":
        traced = {"life_cycle": catalogue.life_cycle(text), "lookup_chain": catalogue.lookup_chain(text)}
        output.emit([], "json", document=[{**about, **traced}])
        return 0
    if args.format == "csv":
        output.emit(about["layout"], "csv")
        return 0
    _print(about)
    _print_traced(text)
    output.write("\nWhat is lost when the layer is off\n" + ("\n".join(about["lost_when_off"]) or "there is no layer"))
    output.write("\nSources\n" + "\n".join(about["sources"]))
    return 0


def _print(about: dict[str, Any]) -> None:
    """Print what one design declares as text."""
    from dse import naming
    from dse.describing import catalogue

    layer = f"A layer on {' or '.join(about['bases'])}." if about["bases"] else "The PTE holds the swap entry: no layer."
    layer = catalogue.NO_DESIGN if naming.bound(about["name"]) else layer
    status = f" Status: {about['status']}." if about["status"] else ""
    output.write(f"{about['name']}: {about['title']}\n{layer}{status}\n{about['notes']}\n\nLayout")
    output.emit(about["layout"], "table")
    output.write("\nParameters")
    output.emit(about["parameters"], "table") if about["parameters"] else output.write("none")
    output.write("\nLocks, in the order in which they may be nested\n" + " > ".join(about["locks"]))


def _print_traced(text: str) -> None:
    """Print what one design does; its kernels are compiled for that the first time, with what it declares on the screen already."""
    from dse.describing import catalogue

    sys.stdout.flush()
    steps, chain = catalogue.life_cycle(text), catalogue.lookup_chain(text)
    output.write("\nLookup chain of a swap-in, from the PTE to the data")
    output.emit([{**row, "objects": " > ".join(row["objects"])} for row in chain], "table")
    output.write("\nLife cycle, traced on a state that is 40 % full")
    output.emit(steps, "table")
