"""Mutants of the cache of freed slots, for tests/mutants.py."""

from __future__ import annotations

from dse.testing.mutants import Mutants, Step, edited
from kernels.life import slot_cache

MUTANTS = Mutants()
mutant = MUTANTS.enter


@mutant("direct", slot_cache, "give_back", parameters={"C_FREES": 1})
def keep_the_shadow_of_a_freed_slot(right: Step) -> Step:
    """The swap cache still has a shadow of it."""
    return edited("    cache_clear(st, pr, g)\n", "")(right)


@mutant("direct", slot_cache, "give_back", parameters={"C_FREES": 1})
def keep_the_owner_of_a_freed_slot(right: Step) -> Step:
    """Its memory cgroup stays charged."""
    return edited("    charging.uncharge_slots(st, pr, memcg, U1, g)\n", "")(right)


@mutant("direct", slot_cache, "collect", parameters={"C_FREES": 1})
def forget_a_collected_slot(right: Step) -> Step:
    """It is never given back."""
    return lambda st, pr, entry, g: None
