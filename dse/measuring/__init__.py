"""Measured figures: what a ratio is worth, and on which machine it was taken."""
