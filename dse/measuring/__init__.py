"""Measured figures: ratios with their intervals, and the machine they were taken on."""
