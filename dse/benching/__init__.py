"""The gate on top of asv: what ``dse bench`` does."""
