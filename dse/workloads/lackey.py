"""Reader of lackey text, from a file or a pipe, in chunks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dse.errors import BadInput
from dse.workloads.builder import Builder, Op, refusal
from dse.workloads.syscalls import ONE_PROCESS, Syscalls
from dse.workloads.trace import Trace
from kernels.traces import parse

CHUNK = 1 << 21  # [B], so that the text and its runs stay in the last-level cache until they are translated
PAD = 64  # [B] of zeros behind the text, for the kernels' loads
LONGEST = 1 << 16  # [B] of one line
NOTES = 1 << 12
CUT = "the file ends within a line (no line end at the end; add one if the file is whole)"
PROCESS = re.compile(rb"(?:==|--|\*\*|SYSCALL\[)(\d+)(?===|--|\*\*|,)")
"""Number of a process as valgrind writes it, wherever in a line."""
MOST_RUNS = 64  # more than one line makes


class Chunks:
    """Whole lines of a stream, chunk after chunk, in one buffer.

    Parameters
    ----------
    stream : BinaryIO or Unix
        Read with ``readinto``.
    name : str
        For messages.
    """

    def __init__(self, stream: BinaryIO | Unix, name: str) -> None:
        self.stream, self.name = stream, name
        self.buffer = bytearray(CHUNK + LONGEST + PAD)
        self.text = np.frombuffer(self.buffer, np.uint8)
        one = np.frombuffer(self.buffer, np.uint64, 1)
        self.words = np.lib.stride_tricks.as_strided(one, (len(self.text) - 8,), (1,), writeable=False)
        self.tail = 0
        self.bytes = 0

    def next(self, lines: int) -> int:
        """Read on; return the end of the whole lines in :attr:`text` (0: the stream is over).

        Parameters
        ----------
        lines : int
            Lines taken so far, for the message about a line without an end.
        """
        while True:
            view = memoryview(self.buffer)[self.tail : self.tail + CHUNK]
            got = self.stream.readinto(view)  # type: ignore[union-attr]
            self.bytes += got
            if not got and self.tail:
                raise BadInput(f"{self.name}:{lines + 1}: {CUT}")
            end = self.tail + got
            last = self.buffer.rfind(b"\n", self.tail, end) + 1
            self.tail, self.end = end, last
            self.text[end : end + PAD] = 0
            if last or not got:
                return last
            if end > LONGEST:
                raise BadInput(f"{self.name}:{lines + 1}: no line end within {LONGEST} bytes")

    def done(self) -> None:
        """Keep the rest behind the last line end for the next chunk."""
        rest = self.tail - self.end
        if rest > LONGEST:
            raise BadInput(f"{self.name}: no line end within {LONGEST} bytes")
        self.text[:rest] = self.text[self.end : self.tail].copy()
        self.tail = rest


class Unix:
    """Stream whose lines end as those of Unix, of one whose lines end in two bytes, as on Windows.

    Parameters
    ----------
    raw : BinaryIO
        Read with ``read``.
    """

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._held = b""

    def readinto(self, view: memoryview) -> int:
        """Fill a part of the view, and return how many bytes; 0 at the end."""
        while True:
            got = self._raw.read(len(view) - 1)
            text = self._held + got
            self._held = b"\r" if got and text.endswith(b"\r") else b""
            text = text.removesuffix(self._held).replace(b"\r\n", b"\n")
            view[: len(text)] = text
            if text or not got:
                return len(text)


def read(
    stream: BinaryIO | Unix,
    name: str,
    *,
    filter_pages: int = 0,
    meta: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Trace:
    """Trace of lackey text; lines of ``--trace-syscalls=yes`` in it give the mappings.

    Parameters
    ----------
    stream : BinaryIO
        The text.
    name : str
        For messages.
    filter_pages : int
        K of the LRU filter; 0: none.
    meta : dict, optional
        Header fields.
    progress : callable, optional
        Called with (bytes read, page runs) after each chunk.

    Raises
    ------
    BadInput
        Malformed line, with its number.
    """
    chunks, builder, calls = Chunks(stream, name), Builder(filter_pages), Syscalls()
    runs = np.empty(CHUNK // 8 + MOST_RUNS, np.uint64)
    notes = np.empty((NOTES, 3), np.int64)
    state = np.zeros(8, np.int64)
    lines = 0
    while (end := chunks.next(lines)) != 0:
        at = 0
        while at < end:
            parse.lackey(chunks.text, chunks.words, np.uint64(at), np.uint64(end), runs, notes, state)
            ops = _operations(chunks.buffer, notes[: state[parse.NOTES]], calls, name, lines)
            if state[parse.ERROR]:
                raise _malformed(chunks.buffer, int(state[parse.TAKEN]), f"{name}:{lines + int(state[parse.LINES]) + 1}")
            try:
                builder.feed(runs, int(state[parse.RUNS]), ops)
            except BadInput as error:
                raise BadInput(f"{name}: {error}") from None
            lines += int(state[parse.LINES])
            at = int(state[parse.TAKEN])
        chunks.done()
        if progress:
            progress(chunks.bytes, builder.runs_seen)
    mappings = "recorded" if calls.seen else "unknown"
    return builder.finish({"recorder": "lackey", **(meta or {}), "mappings": mappings, "lines": lines})


def _malformed(text: bytearray, at: int, where: str) -> BadInput:
    line = bytes(text[at : at + 80]).split(b"\n")[0].rstrip(b"\0").decode("ascii", "replace")
    if len(PROCESS.findall(text)) > 1 and len(set(PROCESS.findall(text))) > 1:
        return BadInput(f"{where}: lines of several processes in one text, this one cut by another: {line!r}; {ONE_PROCESS}")
    return BadInput(f"{where}: not a line of lackey: {line!r}; what the program prints is kept apart by --log-file=FILE")


def _operations(text: bytearray, notes: NDArray[np.int64], calls: Syscalls, name: str, lines: int) -> list[tuple[int, Op]]:
    """Mapping operations in the lines that are no accesses, each with the index of the run that follows it."""
    ops: list[tuple[int, Op]] = []
    for offset, index, line in notes.tolist():
        found = calls.line(bytes(text[offset : text.index(b"\n", offset) + 1]))
        if found is None:
            raise _malformed(text, offset, f"{name}:{lines + line + 1}")
        if calls.other:
            raise BadInput(f"{name}:{lines + line + 1}: {calls.other}")
        for op in found:
            if why := refusal(op):
                raise BadInput(f"{name}:{lines + line + 1}: {why}")
            ops.append((index, op))
    return ops
