"""Mapping operations of system calls (x86-64 Linux), as valgrind's ``--trace-syscalls=yes`` prints them."""

from __future__ import annotations

import re

from dse.workloads.builder import Op

ONE_PROCESS = "a lackey text is of one process: record with --trace-children=no, or a file a process (--log-file=NAME.%p)"
PAGE_SHIFT = 12
MAP_SHARED, PROT_WRITE = 1, 2
CLONE_VM = 0x100
MADV_DONTNEED, MADV_REMOVE, MADV_DONTNEED_LOCKED = 4, 9, 24

# first words of valgrind's lines other than accesses
ALLOWED = (b"==", b"--", b"**", b"SYSCALL[", b" -->", b"[sync]", b"[async]", b"sys_", b"\n", b"clone(")
HEAD = re.compile(rb"SYSCALL\[\d+,(\d+)\]")
PROCESS = re.compile(rb"(?:==|--|\*\*|SYSCALL\[)(\d+)(?:==|--|\*\*|,)(?: Command: (?P<command>[^\r\n]*))?")
CALL = re.compile(rb"SYSCALL\[\d+,\d+\]\(\s*(\d+)\) (?:sys_)?(\w+) ?\( ?([^()]*)")
NUMBER = re.compile(rb"0x[0-9a-f]+|\d+")
RESULT = re.compile(rb"--> (?:\[pre-success\] )?Success\(0x([0-9a-f]+)\)")
CLONE = re.compile(rb"sys_clone \( ([0-9a-f]+),")
CHILD = re.compile(rb"(?:clone\()?fork\)?: process \d+ created child (\d+)")
FOLLOWED = {b"mmap", b"munmap", b"brk", b"mremap", b"madvise", b"wait4"}


def pages(address: int, length: int) -> tuple[int, int]:
    """First page and number of pages of a byte range."""
    first = address >> PAGE_SHIFT
    return first, max((address + length + (1 << PAGE_SHIFT) - 1 >> PAGE_SHIFT) - first, 0)


def operation(name: str, args: list[int], result: int) -> Op | None:
    """Mapping operation of a successful call; None when it does not matter.

    Parameters
    ----------
    name : str
        mmap, munmap, brk, mremap, madvise or wait4.
    args : list of int
        The arguments as the call takes them.
    result : int
        Return value of the call.
    """
    if name == "mmap" and len(args) >= 4:
        shared = bool(args[3] & MAP_SHARED) and args[3] & 3 != 2 and bool(args[2] & PROT_WRITE)
        return ("shared" if shared else "map", *pages(result, args[1]), 0, 0)
    if name == "munmap" and len(args) >= 2:
        return ("unmap", *pages(args[0], args[1]), 0, 0)
    if name == "brk":
        return ("brk", pages(0, result)[1], 0, 0, 0)
    if name == "mremap" and len(args) >= 3:
        return ("move", *pages(args[0], args[1]), *pages(result, args[2]))
    if name == "madvise" and len(args) >= 3 and args[2] in (MADV_DONTNEED, MADV_REMOVE, MADV_DONTNEED_LOCKED):
        return ("drop", *pages(args[0], args[1]), 0, 0)
    if name == "wait4" and result > 0:
        return ("gone", result, 0, 0, 0)
    return None


class Syscalls:
    """Reader of the lines in order; a result may stand on a later line than its call."""

    def __init__(self) -> None:
        self.open: dict[bytes, tuple[str, list[int]]] = {}  # by thread
        self.thread = b""
        self.seen = False
        self.process, self.command = b"", b""
        self.other = ""
        """Reason that the lines are not those of one address space; empty as long as they are."""

    def _one_space(self, text: bytes) -> None:
        """Note the process and the program of a line; a text of two holds the accesses of two address spaces, and says not which."""
        found = PROCESS.match(text)
        if found is None:
            return
        who = [said.decode("ascii", "replace")[:80] for said in (self.process, found[1], self.command, found["command"] or b"")]
        if self.process and found[1] != self.process:
            self.other = f"lines of process {who[1]} besides those of {who[0]}"
        elif found["command"] is not None and self.command:
            self.other = f"a second program, {who[3]!r} behind {who[2]!r}"
        if self.other:
            self.other += f"; {ONE_PROCESS}"
        self.process = found[1]
        self.command = self.command or found["command"] or b""

    def line(self, text: bytes) -> list[Op] | None:
        """Operations that the line completes; None if valgrind writes no such line."""
        if not text.startswith(ALLOWED):
            return None
        self._one_space(text)
        if text.startswith(b"SYSCALL["):
            self.seen = True
            head = HEAD.match(text)
            self.thread = head[1] if head else b""
            call = CALL.match(text)
            if call:
                self.open.pop(self.thread, None)
                if call[2] in FOLLOWED:
                    self.open[self.thread] = call[2].decode(), [int(a, 0) for a in NUMBER.findall(call[3])]
        child = CHILD.search(text)
        if child:  # flags are written in hexadecimal without a prefix
            flags = CLONE.search(text)
            shares_memory = flags is not None and bool(int(flags[1], 16) & CLONE_VM)
            return [] if shares_memory else [("fork", int(child[1]), 0, 0, 0)]
        result = RESULT.search(text)
        if not result or self.thread not in self.open:
            return []
        op = operation(*self.open.pop(self.thread), int(result[1], 16))
        return [op] if op else []
