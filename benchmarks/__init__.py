"""Benchmarks: asv suites, and the side-by-side measurements of the limits."""
