"""xswap: a swap device without a backing store whose cluster array grows and shrinks."""
