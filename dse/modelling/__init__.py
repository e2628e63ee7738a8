"""Modelled figures: counts and measurements combined with latencies of the parameter table."""
