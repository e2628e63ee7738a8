"""Misses of LRU and CLOCK: plain lists, and the kernels that count nothing else."""

from __future__ import annotations

import numpy as np

from kernels.reclaim import misses


def plain_lru(accesses, capacity):
    cache, missed = {}, 0
    for page in accesses:
        if page not in cache:
            missed += 1
            if len(cache) == capacity:
                del cache[next(iter(cache))]
        else:
            del cache[page]
        cache[page] = True
    return missed


def plain_clock(accesses, capacity):
    cache, missed = {}, 0
    for page in accesses:
        if page in cache:
            cache[page] = True
            continue
        missed += 1
        while len(cache) == capacity:
            first = next(iter(cache))
            if cache.pop(first):
                cache[first] = False
        cache[page] = False
    return missed


def lru_misses(accesses, capacity, pages):
    return int(misses.lru(accesses, np.uint64(capacity), np.zeros(pages, np.uint32)))


def clock_misses(accesses, capacity, pages):
    return int(misses.clock(accesses, np.uint64(capacity), np.zeros(capacity, np.uint32), np.zeros(pages, np.uint8)))
