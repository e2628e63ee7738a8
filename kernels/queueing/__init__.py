"""Many CPUs at once, simulated: queued spinlocks, atomics and cache lines that move from CPU to CPU.

Each CPU runs a program of events (:mod:`.machine`): work, lines, locks. :mod:`.simulate` runs them in the order of time. The same
programs and costs give the same figures, bit by bit. ``dse.predicting`` makes the programs of traced operations.
"""
