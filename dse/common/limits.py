"""Limits that the whole package keeps to."""

PAGES_MAX = 2**28
"""Most pages or slots: 1 TiB."""
SEED_MAX = 2**63 - 1
COLUMNS_MAX = 4096
"""Most columns of a line of a CSV file."""
