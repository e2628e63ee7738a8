"""Redirect: swap tables of phase IV, and an array for each cluster whose data has moved."""
