"""Evaluating one configuration: its environment from the cache, its figures from :mod:`dse.sweeps.counting`."""

from __future__ import annotations

import functools

from dse.errors import BadInput
from dse.sweeps import counting
from dse.sweeps.caching import Cache, stream_key
from dse.sweeps.counting import Environment, Measures
from dse.sweeps.space import Configuration

KEPT = 32


def environment(configuration: Configuration, cache: Cache) -> Environment:
    """The demands of the configuration's environment, from the cache or made now.

    Raises
    ------
    BadInput
        The scenario does not go together, or swaps nothing out.
    """
    return _environment(configuration.scenario_json, stream_key(configuration), cache)


@functools.lru_cache(KEPT)
def _environment(scenario_json: str, key: str, cache: Cache) -> Environment:
    stream = counting.stream_of(scenario_json)
    found = cache.stream(key)
    if found is not None:
        return Environment(found[0], stream, found[1])
    made = counting.environment_of(stream)
    cache.put_stream(key, made.demands, made.counters)
    return made


def prepare(configuration: Configuration, cache: Cache) -> None:
    """Make and store the demands of an environment, for those who evaluate it next; what is wrong with it is said there."""
    try:
        environment(configuration, cache)
    except BadInput:
        return


def evaluate(configuration: Configuration, cache: Cache) -> Measures:
    """Evaluate a configuration; whatever goes wrong with it is a value, never an exception.

    Returns
    -------
    dict
        As :func:`dse.sweeps.counting.count` gives it.

    Raises
    ------
    OSError
        The cache cannot be written: that says nothing of the configuration.
    """
    return counting.attempted(lambda: counting.count(configuration.design, configuration.config, environment(configuration, cache)))
