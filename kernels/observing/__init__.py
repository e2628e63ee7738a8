"""What a replay observes besides doing the work: probes, locks, the allocation log."""
