"""Stored runs: ``results/runs/<run>/{ops,ledger,provenance}.parquet``, written whole or not at all."""

from dse.storing.identity import combined_hash, counters_hash, exact, identity, new_run_id
from dse.storing.reader import Run, copied, find_run, load_run, run_names, scan
from dse.storing.schema import IDENTITY, KINDS, LEDGER, OPS, PROVENANCE, TABLES, VERSION, Figure, More, Structure, figure
from dse.storing.writer import check_writable, write_run

__all__ = [
    "IDENTITY", "KINDS", "LEDGER", "OPS", "PROVENANCE", "TABLES", "VERSION", "Figure", "More", "Run", "Structure", "check_writable",
    "combined_hash", "copied", "counters_hash", "exact", "figure", "find_run", "identity", "load_run", "new_run_id", "run_names", "scan",
    "write_run",
]  # fmt: skip
