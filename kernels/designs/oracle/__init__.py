"""Oracle: a lower bound, which nobody can build."""
