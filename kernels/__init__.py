"""Compiled models of swap designs, and what they replay."""

PROJECT = "swapdse"
"""The project that this package belongs to: other distributions are called kernels as well."""
