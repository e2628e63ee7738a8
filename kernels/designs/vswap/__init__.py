"""Virtual swap space, as posted in 2026."""
