"""docs/scaling.md: the method of predictions for many CPUs, with the tables that the code holds."""

from __future__ import annotations

import textwrap

from dse.predicting import assembling, logs, predicting, running, sampling
from dse.predicting.costs import COSTS
from dse.scenario import load

TEXT = """# Many CPUs, predicted

Made by `python -m dse.documenting docs` from dse/predicting.

`dse compare threads --cpus 1,2,8,32,128` says which lock stops each design, and at how
many CPUs. Add `--chart FILE.svg` for throughput over CPUs, `--format json` for all
figures. Any scenario with swap-ins will do. All of it is modelled: no figure was
measured on so many CPUs, and nothing is stored.

## How

1. **Demands.** The stream of the scenario is that of all comparisons. Each CPU runs a
   program of its own: an address space, or its part of the only one. A fault runs on
   the CPU of its page. A batch of reclaim runs on the CPU that has had the most faults
   for the pages that it has reclaimed, so that all CPUs have the same mix.
2. **Trace.** All demands are replayed on the design, one after the other. The last
   {traced:,} are traced: which lock, which line, in which order. Locks and lines have
   the places that the design's own state gives them. How many clusters or trees share
   the load is not assumed.
3. **Programs.** Around its trace, an operation has the rest of a fault or of a page's
   reclaim, and its backend. Locks of the common steps
   ([common-steps.md](common-steps.md)) are taken as the kernel takes them: that of the
   lruvec {batches}. The
   lock of zsmalloc's pool is a read-write lock of which all are readers: two atomics on
   its line.
4. **Simulation.** The CPUs run their programs over and over, {operations:,} operations in
   all after a quarter as many to warm up. A spinlock is queued: who waits is served in
   order, and the hand-over takes a transfer, as does the lock's own line. A trylock
   does not wait. An atomic has its line alone. A store takes the copies of other CPUs
   away, a load makes one. A socket has {socket} CPUs.

The same command gives the same figures, bit by bit.

## What is said

- **faults/s**: of all CPUs together.
- **128 do as**: so many CPUs that share nothing do as much as the largest number: their
  faults a second over those of the same programs when no lock is waited for and no line
  moves.
- **stopped by**: the class of locks, or of atomics, that most of the CPUs' time is lost
  to, with that share. Less than {felt:.0f} % is nothing.
- **full at**: the least number of CPUs at which the busiest lock of that class is held
  {held:.0f} % of the time. More CPUs then wait, and do not work.
- **without it**: the throughput when nobody waits for that class, and what stops the
  design then.
- Each prediction is made again with the low and with the high costs. The screen says if
  the order of the designs, or the lock that stops one, depends on them. Of designs
  within 5 % no order is said: another seed moves as much.

## Costs

| cost | low | typical | high | of | source |
|---|---|---|---|---|---|
{costs}

Backends and the rest of a fault come from the [parameter table](parameters.md), or from
`--parameters`.

## The scenario *threads*

{why}

## Checks

- One lock, exponential times: within 1 % of exact mean-value analysis of the machine
  repairman's problem, for 1 to 32 CPUs (tests/test_predicting.py).
- Queues, trylocks, transfers within and between sockets, atomics: cases worked out by
  hand.
- One global lock against shards (yardstick Y22): the order is that of the cover letter.
  The part of the loss that shards recover is larger here than there.

## What is not in it

- Page-table locks, `mmap_lock`, `kswapd`, interrupts of TLB flushes, queues of a disk,
  bandwidth of memory, preemption, grace periods.
- Caches have room for everything: a line stays where it was used until another CPU
  writes it. What does not fit any more is in the cost of a line.
- A line that a traced operation shares with an operation that was not traced counts by
  its structure: where lines of the structure go from CPU to CPU, another CPU had it
  last.
- An operation whose log is full is left out: the exit of a program, in some designs. An
  allocation takes no time. Adding a folio to the LRU takes no lock, as the table of
  common steps has none there.
- How a contended lock is handed over decides between locks that are equally full: with
  the low costs the lock and its line come at once.
- The order of operations is that of each CPU's program; a trace of operations one after
  the other has no retries.
- Real threads: nothing of this was held against a machine of many CPUs.
"""


def reference() -> str:
    """Return the page."""
    said = [f"once for {pages} pages at `{hook}`" for (hook, _), pages in logs.BATCHES.items()]
    why = textwrap.fill(" ".join(load("threads").why.split()), 88)
    rows = [f"| {p.name} | {p.low:g} | {p.typical:g} | {p.high:g} | {p.note} | {p.source} |" for p in COSTS.values()]
    return TEXT.format(
        traced=sampling.TRACED, batches=" and ".join(said), operations=running.OPERATIONS, socket=assembling.SOCKET,
        felt=100 * running.FELT, held=100 * predicting.HELD, costs="\n".join(rows), why=why,
    )  # fmt: skip
