"""Reclaim and placement: page accesses become demands (docs/contracts.md), the same for every design.

============ =====================================================================================================
state        the arrays, their control words, emission of a demand
lists        rings with lazy deletion; the lists of LRU and CLOCK
views        sizes of the two lists as reclaim sees them
two_lists    reclaim from active and inactive lists
generations  lists, tiers and refaults of multi-generational LRU
walking      its walks of page tables
mglru        its reclaim
folios       large folios: blocks that become one, their split
residence    how a page comes to the lists and leaves them
placement    where a page goes: content classes, zswap's pool, its limit and its writeback
migration    moves within a swapped lifetime
eviction     one victim
reclaim      room for new pages: rounds of reclaim, the daemons' turn
sharing      pages of several address spaces: fork, copy on write, unmap
readahead    windows of readahead, pages that were read ahead
stage        loop over accesses and mapping events
misses       misses of LRU and CLOCK alone
============ =====================================================================================================

**Open loop.** The stage never reads the replies of a design. A design that refuses a
RECLAIM keeps the page resident. The replay counts the page's later FAULT as avoided,
and the excess residency as overshoot. The stage counts its own overshoot here
(``overshoot_peak``: pages that no backend takes).

**Closed loop.** A stage for each design. Between two calls of
:func:`kernels.reclaim.stage.advance` its owner sets the control word ``C_LIMIT`` to what
the design's state leaves of memory, and :func:`kernels.reclaim.stage.lower` reclaims down
to it, as a write of memory.max does. All state is in
:class:`kernels.reclaim.state.Stage`, nothing on the stack.
"""
