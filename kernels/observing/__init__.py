"""Observation of a replay: probes, locks, the allocation log."""
