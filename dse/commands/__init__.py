"""The verbs of the command line, one module each.

A module holds ``NAME``, ``HELP``, ``configure(parser)`` and ``run(args) -> int``, and is imported only when its verb is
asked for. A new verb is its module plus one line here.
"""

from __future__ import annotations

VERBS: dict[str, tuple[str, str]] = {
    "bench": ("dse.commands.bench", "the performance gate: what this commit costs against another"),
    "check": ("dse.commands.check", "checks that every design must pass: state machine, integrity, leaks, locks, ledger"),
    "compare": ("dse.commands.compare", "what each design costs per operation and per page, on a real program's trace"),
    "designs": ("dse.commands.designs", "the designs, or one design's layout, parameters, locks, life cycle and sources"),
    "diff": ("dse.commands.diff", "what differs between two stored runs"),
    "doctor": ("dse.commands.doctor", "what this machine offers, and what is missing"),
    "explain": ("dse.commands.explain", "one operation step by step, designs side by side"),
    "ledger": ("dse.commands.ledger", "exact bytes of a design's structures at any size and fill"),
    "prune": ("dse.commands.prune", "remove old runs, studies and cache entries; says what before it does"),
    "query": ("dse.commands.query", "ask stored runs, sweeps and benchmarks: one SELECT, or a preset"),
    "report": ("dse.commands.report", "a stored run or study as one HTML page, a picture, text for a mail, or a bundle"),
    "rerun": ("dse.commands.rerun", "repeat the counted part of a stored run: same counters, yes (0) or no (1)"),
    "sweep": ("dse.commands.sweep", "search designs, parameters and environments: Pareto front, winners, break-even"),
    "trace": ("dse.commands.trace", "record the page accesses of a program, import or look at traces"),
    "validate": ("dse.commands.validate", "the models against published figures: one row a yardstick, 1 if one falls short"),
    "worker": ("dse.commands.worker", "evaluate trials of a sweep that runs elsewhere"),
}
