"""Exact mean-value analysis of the closed network with one queue: the check of the simulation where theory has an answer."""

from __future__ import annotations


def throughput(cpus: int, think: float, service: float) -> float:
    """Operations in a unit of time of `cpus` customers who think, then are served one at a time, both for exponential times.

    The machine repairman's problem, by the recursion of Reiser and Lavenberg (J. ACM 27 (2), 1980).

    Parameters
    ----------
    cpus : int
        Customers.
    think, service : float
        Mean times.

    Examples
    --------
    >>> round(throughput(1, 9, 1), 3), round(throughput(2, 9, 1), 4), round(throughput(1000, 9, 1), 3)
    (0.1, 0.198, 1.0)
    """
    waiting = rate = 0.0
    for n in range(1, cpus + 1):
        response = service * (1 + waiting)
        rate = n / (think + response)
        waiting = rate * response
    return rate
