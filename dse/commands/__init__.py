"""The verbs of the command line, one module each.

A module holds ``NAME``, ``HELP``, ``configure(parser)`` and ``run(args) -> int``, and is imported only when its verb is
asked for. A new verb is its module plus one line here.
"""

from __future__ import annotations

VERBS: dict[str, tuple[str, str]] = {
    "diff": ("dse.commands.diff", "what differs between two stored runs"),
    "doctor": ("dse.commands.doctor", "what this machine offers, and what is missing"),
    "ledger": ("dse.commands.ledger", "exact bytes of a design's structures at any size and fill"),
}
