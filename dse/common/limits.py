"""Limits that the whole package keeps to."""

PAGES_MAX = 2**28
"""Most pages or slots: 1 TiB."""
SEED_MAX = 2**63 - 1
