"""References for the speed of the kernels: the same algorithms in C, a bare array, another simulator.

``python -m benchmarks.limits`` measures both sides alternately in one process, pinned to one core, on the same buffers.
"""
