"""Schedules: two or three demands at once on the kernels as plain Python, switched at locks and accesses (docs/schedules.md)."""
