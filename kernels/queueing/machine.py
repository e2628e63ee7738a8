"""State of the simulated machine, and the events of its programs.

An event is a word: its kind in the top four bits, whether the operation touched the line before in the next, its argument below.

========== ======================= =====================================================
event      argument                meaning
========== ======================= =====================================================
WORK       picoseconds             nothing that another CPU sees
READ       line                    load of a line that several CPUs use
WRITE      line                    store to one
ATOMIC     line                    read-modify-write: one CPU after the other
LOCK       lock                    take a queued spinlock; who waits is served in order
UNLOCK     lock                    release it; nothing where a TRYLOCK failed
TRYLOCK    lock                    take a lock if nobody has it, else go on without
END        kind of operation       the operation is over
========== ======================= =====================================================
"""

from __future__ import annotations

from kernels.compiling.flat import Flat, U8Array, U64Array
from kernels.compiling.jit import u

WORK, READ, WRITE, ATOMIC, LOCK, UNLOCK, END, TRYLOCK = range(8)
KIND_SHIFT, AGAIN_SHIFT = u(60), u(59)
LOW59 = u((1 << 59) - 1)

# words of ctl
C_LINE, C_AGAIN, C_ATOMIC, C_NEAR, C_FAR, C_HANDOVER = (u(i) for i in range(6))
"""Costs [ps]: a line, a line again, an atomic alone, a line of another CPU of the socket, of another socket;
transfers until who waits has the lock."""
S_DONE, S_LEAVES, S_NOW = u(8), u(9), u(10)
"""Operations that ended; leaves of the tree, a power of two; time of the last event [ps]."""
CTL_WORDS = 16

# words of a CPU
(T_TIME, T_PC, T_BEGUN, T_ASKED, T_NEXT, T_SOCKET) = (u(i) for i in range(6))
"""Time [ps], next event, start of the operation [ps], time at which it began to wait [ps], who waits behind it (CPU + 1), its socket."""
CPU_SHIFT = u(3)

# words of a lock
(L_HOLDER, L_HEAD, L_TAIL, L_SINCE, L_TAKEN, L_CONTENDED, L_WAITED, L_HELD) = (u(i) for i in range(8))
"""Holder, first and last that wait (CPU + 1); since when it is held [ps]; how often it was taken, and waited for; waits and holds [ps]."""
LOCK_SHIFT = u(4)

# words of a line
(N_SHARERS, N_WRITER, N_FREE, N_TAKEN, N_WAITED, N_HELD, N_MOVED) = (u(i) for i in (0, 4, 5, 6, 7, 8, 9))
"""Bits of the CPUs that hold it; who wrote it last (CPU + 1); when the last atomic ends [ps]; atomics; their waits and times [ps]; how
often it came from another CPU."""
LINE_SHIFT = u(4)

KINDS, BINS, FRACTION = 16, 1024, u(4)
"""Kinds of operations; bins of latencies: 16 for each power of two [ps]."""


class Machine(Flat):
    """CPUs, their programs, locks and lines.

    Attributes
    ----------
    ctl : uint64[16]
        Costs, and the state of the run.
    code : uint64[events]
        Programs of all CPUs, one after the other.
    first : uint64[cpus + 1]
        Where the program of each CPU begins; it is run over and over.
    cpus : uint64[cpus * 8]
    locks : uint64[locks * 16]
    open : uint8[locks]
        1: the lock excludes nobody, as if it were gone.
    lines : uint64[lines * 16]
    tree : uint64[2 * leaves]
        When each CPU goes on, and which is the earliest (kernels/queueing/tree.py).
    ended : uint64[16]
        Operations by kind.
    spent : uint64[16]
        Time of them [ps].
    hist : uint64[16 * 1024]
        Their latencies, in bins.
    """

    ctl: U64Array
    code: U64Array
    first: U64Array
    cpus: U64Array
    locks: U64Array
    open: U8Array
    lines: U64Array
    tree: U64Array
    ended: U64Array
    spent: U64Array
    hist: U64Array
