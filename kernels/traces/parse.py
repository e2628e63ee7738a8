"""Parsers from recorded bytes to dense page accesses: text parsers, page hash, mapping filter, LRU filter.

All kernels work on one chunk at a time and carry their state in arrays that the caller owns
(``dse.workloads.builder``). Words used on the way:

run
    ``uint64``: page number << 1 | write. Consecutive accesses to one page are one run, a write if any of them was.
table
    ``uint64[2**b, 2]``: open addressing, linear probing; column 0 the key, column 1 the value + 1 (0 = free).
access
    ``uint32``: dense page number, bit 31 set for a write (docs/contracts.md).
"""

from __future__ import annotations

import numpy as np

from kernels.compiling.atomic import prefetch
from kernels.compiling.constants import BYTE, LOW16, LOW24, U0, U1, U2, U3, U4, U8, U9, U10, U16, U32
from kernels.compiling.jit import inner, outer

PAGE_SHIFT = np.uint64(12)
PAGE_MASK = np.uint64(4095)
PAGE_BYTES = np.uint64(4096)
MIX = np.uint64(0x9E37_79B9_7F4A_7C15)
SPREAD = np.uint64(29)
MOST_SIZE = np.uint64(1 << 16)  # [B], a larger access is no access
AHEAD = np.uint64(12)  # records; 8 to 16 were equal within noise at 2^20 objects
MOST_CSV = np.uint64((1 << 63) - 1)

NEWLINE, RETURN, COMMA, DIGIT0, BLANK = (np.uint64(ord(c)) for c in "\n\r,0 ")
# the first three characters of a line, the first one in the lowest byte
FETCH, LOAD, STORE, MODIFY = (np.uint64(int.from_bytes(c, "little")) for c in (b"I  ", b" L ", b" S ", b" M "))
AROUND_SIZE, COMMA_NEWLINE = np.uint64(0xFF_00FF), np.uint64(int.from_bytes(b",\0\n", "little"))
NO_RUN = np.uint64(0xFFFF_FFFF_FFFF_FFFE)  # page number that no address has
U6, U11 = np.uint64(6), np.uint64(11)
ONE_EACH = np.uint64(0x0101_0101_0101_0101)
NIBBLES, HIGH_NIBBLES = np.uint64(0x0F * 0x0101_0101_0101_0101), np.uint64(0xF0 * 0x0101_0101_0101_0101)
SIX_EACH, ZERO_EACH = np.uint64(6 * 0x0101_0101_0101_0101), np.uint64(ord("0") * 0x0101_0101_0101_0101)
LETTER_GAP = np.uint64(ord("a") - ord("0") - 10)
PAIR_MASK, QUAD_MASK = np.uint64(0x000F_000F_000F_000F), np.uint64(0x0000_00FF_0000_00FF)
NO_DIGIT = np.uint64(64)
HEX = np.full(256, NO_DIGIT, np.uint8)
HEX[48:58] = range(10)
HEX[97:103] = range(10, 16)
HEX[65:71] = range(10, 16)

# fields of the state array of the parsers (int64[8])
TAKEN, RUNS, NOTES, LINES, ERROR = range(5)
# fields of the columns array of `csv` (uint64[4])
PAGE_COLUMN, WRITE_COLUMN, FEWEST, MOST_COLUMNS = range(4)


@inner
def _hex_digit(text, i):  # type: ignore[no-untyped-def]
    """Value of the byte at `i` as a hexadecimal digit, BAD when it is none."""
    return np.uint64(HEX[text[i]])


@inner
def _address(text, i):  # type: ignore[no-untyped-def]
    """Hexadecimal number at `i`; return (value, index behind it). Without a digit the index is `i`."""
    value = U0
    d = _hex_digit(text, i)
    while d < U16:
        value = value << U4 | d
        i += U1
        d = _hex_digit(text, i)
    return value, i


@inner
def _decimal(text, i):  # type: ignore[no-untyped-def]
    """Decimal number at `i`, held at MOST_CSV; return (value, index behind it)."""
    value = U0
    d = np.uint64(text[i]) - DIGIT0
    while d < U10:
        value = min(value * U10 + d, MOST_CSV) if value < MOST_CSV // U10 else MOST_CSV
        i += U1
        d = np.uint64(text[i]) - DIGIT0
    return value, i


@inner
def _next_line(text, i):  # type: ignore[no-untyped-def]
    """Index behind the newline that ends the line at `i`."""
    while np.uint64(text[i]) != NEWLINE:
        i += U1
    return i + U1


@inner
def _eight(x):  # type: ignore[no-untyped-def]
    """Eight characters, the first in the lowest byte, as a hexadecimal number; return (value, 0 if all were 0-9a-f)."""
    digit = (x & NIBBLES) + (x >> U6 & ONE_EACH) * U9
    letter = digit + SIX_EACH >> U4 & ONE_EACH
    bad = (digit + ZERO_EACH + letter * LETTER_GAP ^ x) | digit & HIGH_NIBBLES
    pairs = (digit & PAIR_MASK) << U4 | digit >> U8 & PAIR_MASK
    quads = (pairs & QUAD_MASK) << U8 | pairs >> U16 & QUAD_MASK
    return (quads & LOW16) << U16 | quads >> U32, bad


@inner
def _lackey_line(text, words, i):  # type: ignore[no-untyped-def]
    """Read ``ADDRESS,SIZE`` of an access line at `i`; return (address, size, index behind the newline or 0)."""
    address, bad = _eight(words[i])
    rest = words[i + U8]
    after = i + U11
    if rest & BYTE != COMMA:  # ten digits, as of a stack; such lines recur in a pattern, so a guess is cheaper than to wait
        ninth, tenth = np.uint64(HEX[rest & BYTE]), np.uint64(HEX[rest >> U8 & BYTE])
        address = (address << U4 | ninth) << U4 | tenth
        bad |= (ninth | tenth) & NO_DIGIT
        rest >>= U16
        after += U2
    size = rest >> U8 & BYTE ^ DIGIT0
    bad |= rest & AROUND_SIZE ^ COMMA_NEWLINE
    if bad == U0 and size - U1 < U9:
        return address, size, after
    address, j = _address(text, i)
    size, k = _decimal(text, j + U1)
    right = j > i and j <= i + U16 and np.uint64(text[j]) == COMMA and np.uint64(text[k]) == NEWLINE
    return address, size, k + U1 if right and size - U1 < MOST_SIZE else U0


@inner
def _crossing(runs, n, run, write, address, size):  # type: ignore[no-untyped-def]
    """Append the further pages of an access that crosses a page border; return (runs before the open one, open run)."""
    for page in range((address >> PAGE_SHIFT) + U1, (address + size - U1 >> PAGE_SHIFT) + U1):
        runs[n] = run
        n += U1
        run = page << U1 | write  # of this access: the open run may be older
    return n, run


@outer
def lackey(text, words, first, last, runs, notes, state):  # type: ignore[no-untyped-def]
    """Parse lines of valgrind's lackey (``--trace-mem=yes``) into runs.

    Source of the format: valgrind 3.19, lackey/lk_main.c, ``trace_instr/load/store/modify``.

    Parameters
    ----------
    text : uint8[n]
        Whole lines in ``[first, last)`` and at least 64 bytes of zeros behind them.
    words : uint64[n - 8]
        The same memory, word `i` at byte `i` (a view with a stride of one byte).
    first, last : uint64
        Byte range.
    runs : uint64[r]
        Filled from 0; parsing stops when fewer than 32 are left. May hold NO_RUN, a read of a page that does not exist.
    notes : int64[k, 3]
        Lines that are no accesses: byte offset, number of runs before it, line number from 0 in this range.
    state : int64[8]
        Out: TAKEN bytes up to (index), RUNS, NOTES, LINES taken, ERROR 1 if the line at TAKEN is malformed.
    """
    i, n, m, lines, error = first, U0, U0, U0, 0
    run = NO_RUN
    room, places = np.uint64(runs.size) - U32, np.uint64(notes.shape[0])
    while i < last and n < room:
        head = words[i] & LOW24
        write = np.uint64(head == STORE) | np.uint64(head == MODIFY)
        if write | np.uint64(head == FETCH) | np.uint64(head == LOAD):
            address, size, after = _lackey_line(text, words, i + U3)
            if after == U0:
                error = 1
                break
            page = address >> PAGE_SHIFT
            runs[n] = run
            fresh = run >> U1 != page
            n += np.uint64(fresh)
            run = (page << U1 if fresh else run) | write
            if (address & PAGE_MASK) + size > PAGE_BYTES:
                n, run = _crossing(runs, n, run, write, address, size)
            i = after
        else:
            if m == places:
                break
            if run != NO_RUN:  # later runs must not fold into earlier ones
                runs[n] = run
                n, run = n + U1, NO_RUN
            notes[m, 0], notes[m, 1], notes[m, 2] = i, n, lines
            m += U1
            i = _next_line(text, i)
        lines += U1
    runs[n] = run
    state[TAKEN], state[RUNS], state[NOTES], state[LINES], state[ERROR] = i, n + U1, m, lines, error


@inner
def _behind_blanks(text, i):  # type: ignore[no-untyped-def]
    """Index of the first byte from `i` on that is no blank."""
    while np.uint64(text[i]) == BLANK:
        i += U1
    return i


@inner
def _csv_line(text, i, columns):  # type: ignore[no-untyped-def]
    """Parse the line at `i`; return (page, write, index behind the newline, or 0 if the line is malformed)."""
    page, write, column, right = U0, U0, U1, True
    while True:
        j = i
        if column == columns[PAGE_COLUMN]:
            i = _behind_blanks(text, i)
            page, j = _decimal(text, i)
            right = j > i and page < MOST_CSV
        elif column == columns[WRITE_COLUMN]:
            i = _behind_blanks(text, i)
            write = np.uint64(text[i]) - DIGIT0
            right = bool(write <= U1)
            j = i + np.uint64(right)
        else:
            while np.uint64(text[j]) != COMMA and np.uint64(text[j]) != NEWLINE:
                j += U1
        if not right or np.uint64(text[j]) != COMMA:
            break
        i, column = j + U1, column + U1
    j += np.uint64(np.uint64(text[j]) == RETURN)
    over = np.uint64(text[j]) == NEWLINE and column >= columns[FEWEST] and column <= columns[MOST_COLUMNS]
    return page, write, j + U1 if right and over else U0


@outer
def csv(text, first, last, columns, runs, state):  # type: ignore[no-untyped-def]
    """Parse comma-separated lines into ``page << 1 | write``, nothing folded.

    Parameters
    ----------
    columns : uint64[4]
        PAGE_COLUMN (decimal) and WRITE_COLUMN (0 or 1; column 0: every access is a read), counted from 1; the FEWEST
        and the MOST columns of a line.
    text, first, last, runs, state
        As in :func:`lackey`, without notes.
    """
    i, n = first, U0
    room = np.uint64(runs.size)
    state[ERROR] = 0
    while i < last and n < room:
        page, write, after = _csv_line(text, i, columns)
        if after == U0:
            state[ERROR] = 1
            break
        runs[n] = page << U1 | write
        n += U1
        i = after
    state[TAKEN], state[RUNS], state[LINES] = i, n, n


@inner
def _home(key, mask):  # type: ignore[no-untyped-def]
    """Slot at which the search for `key` begins in a table of `mask` + 1 slots."""
    mixed = key * MIX
    return (mixed ^ mixed >> SPREAD ^ mixed >> U32) & mask


@inner
def _find(table, key):  # type: ignore[no-untyped-def]
    """Slot of `key` in the table, or the free slot where it belongs."""
    mask = np.uint64(table.shape[0]) - U1
    slot = _home(key, mask)
    while table[slot, U1] != U0 and table[slot, U0] != key:
        slot = (slot + U1) & mask
    return slot


@outer
def rehash(old, new):  # type: ignore[no-untyped-def]
    """Enter all entries of table `old` into the larger, zeroed table `new`."""
    for slot in range(np.uint64(old.shape[0])):
        if old[slot, U1] != U0:
            to = _find(new, old[slot, U0])
            new[to, U0], new[to, U1] = old[slot, U0], old[slot, U1]


@outer
def densify(keys, first, table, names, out, count):  # type: ignore[no-untyped-def]
    """Number keys ``page << 1 | write`` by first appearance, from `first` on.

    Parameters
    ----------
    keys : uint64[n]
    first : uint64
    table : uint64[2**b, 2]
    names : uint64[2**b]
        Out: the page of each number.
    out : uint32[n]
        Out: accesses.
    count : uint64
        Numbers given so far.

    Returns
    -------
    (uint64, uint64)
        Index of the first key not done (the table is half full: grow it and go on), and the numbers given.
    """
    most = np.uint64(table.shape[0]) >> U1
    for i in range(first, np.uint64(keys.size)):
        page = keys[i] >> U1
        slot = _find(table, page)
        if table[slot, U1] == U0:
            if count == most:
                return i, count
            names[count] = page
            count += U1
            table[slot, U0], table[slot, U1] = page, count
        out[i] = table[slot, U1] - U1 | (keys[i] & U1) << (U32 - U1)
    return np.uint64(keys.size), count


@inner
def _object(words, record):  # type: ignore[no-untyped-def]
    """Object of a record of oracleGeneral."""
    at = record * U3
    return words[at] >> U32 | words[at + U1] << U32


@outer
def oracle(words, first, table, flat, out, done, count):  # type: ignore[no-untyped-def]
    """Number the objects of libCacheSim's oracleGeneral records by first appearance.

    A record has 24 bytes, packed, little-endian: u32 time, u64 object, u32 size, i64 index of the next request for the
    object (source: libCacheSim, traceReader/customizedReader/oracle). Requests of size 0 are skipped, as its reader does.

    Parameters
    ----------
    words : uint64[3 * n]
    first : uint64
        Record to start from.
    table : uint64[2**b, 2]
    flat : uint64[2**(b + 1)]
        The same memory.
    out : uint32[n]
        Out: accesses, filled from `done` on.
    done, count : uint64
        Accesses written and numbers given so far.

    Returns
    -------
    (uint64, uint64, uint64)
        Record not done yet (n: all done; else the table is half full), accesses written, numbers given.
    """
    most = np.uint64(table.shape[0]) >> U1
    n = np.uint64(words.size) // U3
    mask = np.uint64(table.shape[0]) - U1
    for i in range(first, n):
        if i + AHEAD < n:  # ids come in any order: prefetch the table's lines before they are needed
            prefetch(flat, _home(_object(words, i + AHEAD), mask) << U1)
        if words[i * U3 + U1] >> U32 == U0:
            continue
        key = _object(words, i)
        slot = _find(table, key)
        if table[slot, U1] == U0:
            if count == most:
                return i, done, count
            count += U1
            table[slot, U0], table[slot, U1] = key, count
        out[done] = table[slot, U1] - U1
        done += U1
    return n, done, count


@outer
def worst_next(words):  # type: ignore[no-untyped-def]
    """First record whose next request does not lie behind it; n if all do. -1, -2 and 0 mean that there is no next request."""
    n = np.uint64(words.size) // U3
    for i in range(n):
        after = np.int64(words[i * U3 + U2])
        if after < -2 or (after > 0 and np.uint64(after) <= i):
            return i
    return n
