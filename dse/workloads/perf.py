"""Reader of page faults in the text of ``perf script``."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.common import output
from dse.errors import BadInput
from dse.workloads import builder, trace
from dse.workloads.lackey import CUT
from dse.workloads.numbering import Numbers
from kernels.traces import pages

TRACED, COUNTED, SPLIT = "exceptions:page_fault_user, page_fault_kernel", "page-faults", "minor-faults, major-faults"
TAKEN = (
    "taken are exceptions:page_fault_user and page_fault_kernel of x86-64 (perf script -F pid,time,event,trace), "
    "page-faults, minor-faults and major-faults (-F pid,time,event,addr)"
)
HEAD = rb"^(?P<before>\s*(?:.*?\s)??)(?P<pid>\d{1,10})(?P<thread>/\d+)?\s+(?:\[\d+\]\s+)?[\d.]+:\s+(?:\d+\s+)?"
FAULT = re.compile(
    HEAD + rb"exceptions:page_fault_(?:user|kernel):\s+address=(?:0x)?([0-9a-f]{1,16})\s+ip=\S+\s+error_code=(?:0x)?([0-9a-f]{1,16})\s*$"
)
SAMPLE = re.compile(
    HEAD + rb"(?P<event>page-faults|faults|minor-faults|major-faults):(?P<of>\w*:)?(\s+([0-9a-f]{1,16}))(\s+[0-9a-f]{1,16})?\s*$"
)
BARE = re.compile(HEAD + rb"(?:0x)?[0-9a-f]{1,16}(?:\s|$)")
"""A line that has an address where its event should be."""
EVENT = re.compile(rb"[\d.]+:\s+(?:\d+\s+)?([A-Za-z_][\w-]*(?::[A-Za-z_][\w-]*)?):")
LONGEST = 4096  # [B] of one line
ERROR_WRITE, ERROR_FETCH = 2, 16  # bits of the x86 page-fault error code
PAGE_BITS = 57 - 12
"""Bits of the number of a page. Source: Linux, Documentation/arch/x86/x86_64/5level-paging.rst: 57 bits of virtual address."""
SPACE_BIT = PAGE_BITS + 1
"""Lowest bit of the number of a space in a key, above the page and the bit of a write."""
SPACES_MOST = 1 << (64 - SPACE_BIT)
"""Most processes of a file."""
IP_WIDTH = 18
"""Characters from the event's colon to the end of an instruction address (``-F ip``); an address of ``-F addr`` takes 17. Source: Linux,
tools/perf/builtin-script.c, process_event: both are printed to 16 digits, ip behind one more blank."""


class _Line:
    """One fault: process, page, write or not, and the kind of event that says so.

    ``page`` is None for an instruction fetch and for what no user page is.
    """

    def __init__(self, line: bytes, place: str) -> None:
        found = FAULT.match(line)
        sample = None if found else SAMPLE.match(line)
        if not found and not sample:
            raise _unusable(line, place)
        match: Any = found or sample
        if match["before"].strip() and not match["thread"]:
            raise BadInput(
                f"{place}: no process column: {match['pid'].decode()} may be a part of the thread's name, or the thread's number; "
                "leave the names out (perf script -F pid,time,event,trace) or print process and thread (-F comm,pid,tid,...)"
            )
        if sample and not sample[8] and len(sample[6].rstrip()) == IP_WIDTH:
            raise BadInput(f"{place}: this is the address of an instruction (-F ip), not of the fault: perf script -F pid,time,event,addr")
        self.kind = TRACED if found else SPLIT if match["event"] in (b"minor-faults", b"major-faults") else COUNTED
        self.pid = int(match["pid"])
        code = int(match[5], 16) if found else ERROR_WRITE
        page = int(match[4] if found else match[7], 16) >> 12
        self.event = b"" if found else match["event"] + b":" + (match["of"] or b"")
        self.fetch, self.beyond = bool(code & ERROR_FETCH), bool(page >> PAGE_BITS)
        self.page = None if self.fetch or self.beyond else page
        self.write = bool(code & ERROR_WRITE)


def _unusable(line: bytes, place: str) -> BadInput:
    """Refusal of a line, with its event where that is why."""
    event = EVENT.search(line)
    name = event[1].decode("ascii", "replace") if event else ""
    text = line[:80].decode("ascii", "replace").rstrip()
    known = re.fullmatch(r"(?:exceptions:page_fault_(?:user|kernel)|(?:page-|minor-|major-)?faults)(?::\w*)?", name)
    if name and not known:
        return BadInput(f"{place}: event {name} is not taken: {TAKEN}")
    if not name and BARE.match(line):
        return BadInput(
            f"{place}: no event column, so that nothing says what this address is: {text!r}; print it (-F ...,event,...): {TAKEN}"
        )
    return BadInput(f"{place}: not a page fault with its address: {text!r}; {TAKEN}")


def faults(stream: Any, name: str, meta: dict[str, Any]) -> trace.Trace:
    """Trace of page-fault lines; each process is a space of its own.

    Instruction fetches and addresses above 57 bits (of the kernel) are left out, and a note says how many. Where the lines tell writes, a
    page counts from its first write on.

    Raises
    ------
    BadInput
        A line that is no fault with its process and address, two kinds of events that both tell of one fault, or too many processes.
    """
    spaces: dict[int, int] = {}
    keys: list[int] = []
    owners: list[int] = []
    kind, events, fetches, beyond = "", set[bytes](), 0, 0
    for number, line in enumerate(stream, 1):
        place = f"{name}:{number}"
        if not line.endswith(b"\n"):
            raise BadInput(f"{place}: {CUT}")
        if len(line) > LONGEST:
            raise BadInput(f"{place}: longer than {LONGEST} bytes: not a line of perf script")
        if not line.strip() or line.startswith(b"#"):
            continue
        fault = _Line(line, place)
        if kind and fault.kind != kind:
            raise BadInput(f"{place}: {fault.kind} besides {kind}: both tell of the same faults, which would count twice; keep one kind")
        kind = fault.kind
        if fault.event and fault.event not in events:
            events.add(fault.event)
            _no_two_alike(events, place)
        fetches, beyond = fetches + fault.fetch, beyond + (fault.beyond and not fault.fetch)
        if fault.page is not None:
            if len(spaces) == SPACES_MOST and fault.pid not in spaces:
                raise BadInput(f"{place}: more than {SPACES_MOST:,} processes")
            owners.append(spaces.setdefault(fault.pid, len(spaces)))
            keys.append(fault.page << 1 | fault.write)
    _note_left_out(name, fetches, beyond)
    told = kind in ("", TRACED)
    header = meta | {"writes_known": told, "processes": len(spaces)}
    return _of_spaces(np.array(keys, np.uint64), np.array(owners, np.uint64), header, told)


def _note_left_out(name: str, fetches: int, beyond: int) -> None:
    """Say how many lines were left out, if any were."""
    both = ((fetches, "instruction fetches"), (beyond, "addresses above 57 bits, which are no user pages"))
    if said := [f"{n:,} {what}" for n, what in both if n]:
        output.note(f"{name}: left out are {' and '.join(said)}")


def _no_two_alike(events: set[bytes], place: str) -> None:
    """Refuse one event under two spellings; those of user and kernel mode tell of different faults.

    Raises
    ------
    BadInput
        Two of the events tell of the same faults.
    """
    told: dict[tuple[bytes, bytes], bytes] = {}
    for event in sorted(events):
        name, _, modes = event.removeprefix(b"page-").partition(b":")
        for mode in (b"u", b"k"):
            if modes.strip(b":") and not set(modes) & set(mode) and set(modes) & set(b"uk"):
                continue
            other = told.setdefault((name, mode), event)
            if other != event:
                both = " and ".join(one.decode().removesuffix(":") for one in (other, event))
                raise BadInput(f"{place}: {both} tell of the same faults, which would count twice; keep one of them")


def _of_spaces(keys: NDArray[np.uint64], owners: NDArray[np.uint64], meta: dict[str, Any], first_write: bool) -> trace.Trace:
    """Trace of ``page << 1 | write`` in several spaces, pages numbered by address within each space."""
    spaced = keys | owners << np.uint64(SPACE_BIT)
    numbers = Numbers()
    if first_write:
        collected = builder.Builder()
        out = np.empty(len(keys) + 1, np.uint32)
        at = 0
        while at < len(keys):
            at = int(
                pages.translate(
                    spaced, np.uint64(at), np.uint64(len(keys)), collected.table, collected.names, collected.live,
                    collected.carry, out,
                )
            )  # fmt: skip
            if at < len(keys):
                collected.grow(1)
        pages.flush(collected.carry, out)
        accesses, names = out[: int(collected.carry[pages.OUT])], collected.names[: int(collected.carry[pages.IDS])]
    else:
        accesses = numbers.number(spaced)
        names = numbers.names[: int(numbers.count)]
    owner = (names >> np.uint64(PAGE_BITS)).astype(np.int64)
    order = np.argsort(names, kind="stable")
    used, starts, counts = np.unique(owner[order], return_index=True, return_counts=True)
    shift = int(counts.max() - 1).bit_length() if len(counts) else 0
    dense = np.empty(len(names), np.uint32)
    space = np.searchsorted(used, owner[order])
    dense[order] = (space << shift) + np.arange(len(names)) - starts[space] if len(names) else 0
    accesses = dense[accesses & trace.PAGE] | accesses & trace.WRITE if len(accesses) else accesses
    return trace.build(accesses, meta, pages=len(names), space_shift=shift, spaces=max(len(used), 1))
