"""Reclaim and placement: page accesses become demands (docs/contracts.md), the same for every design.

============ =====================================================================================================
state        the arrays, their control words, emission of a demand
lists        LRU, CLOCK and active/inactive lists on logs with lazy deletion
placement    where a page goes: content classes, zswap's pool, its limit and its writeback
migration    moves within a swapped lifetime
reclaim      making room: batches, victims, the daemons' turn
sharing      pages of several address spaces: fork, copy on write, unmap
stage        the loop over accesses and mapping events
misses       nothing but misses of LRU and CLOCK
============ =====================================================================================================

**Open loop.** The stage never looks at what a design made of its demands. A design that refuses a RECLAIM keeps the page resident: its
later FAULT is counted by the replay as avoided, the excess residency as overshoot. The stage's own overshoot (pages that nothing may
take, ``overshoot_peak``) is counted here. A closed loop would call :func:`kernels.reclaim.stage.advance` for one access at a time and
correct ``state`` and the resident count by the replies: all state is in :class:`kernels.reclaim.state.Stage`, nothing on the stack.
"""
