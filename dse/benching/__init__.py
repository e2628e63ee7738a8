"""Gate on top of asv, behind ``dse bench``."""
