"""Recorders of a program's page accesses: valgrind's lackey, a plugin for qemu-user, or page-fault tracepoints."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dse.common import sessions
from dse.errors import BadInput
from dse.secrets import words
from dse.workloads import lackey, perf
from dse.workloads.builder import Builder, Op, refusal
from dse.workloads.trace import Trace
from kernels.traces import parse

Progress = Callable[[int, int], None]
PLUGIN = Path(__file__).with_name("qemu_plugin.c")
EVENT = "exceptions:page_fault_user"
ADDRESSES = "every private page from its first write on, shared mappings left out"
KINDS = ("access", "map", "shared", "unmap", "drop", "brk", "move", "fork", "gone")  # enum kind of the plugin
MORE = 15
LONGEST_HEAD = 256  # [B] of a script's first line: BINPRM_BUF_SIZE, include/uapi/linux/binfmts.h
SLOWDOWN = {"lackey": (1600, 3000), "qemu": (15, 25), "fault": (1, 2)}
"""Factors by which a program takes longer under a recorder, from and to: measured on the shipped traces' programs (docs/formats.md)."""
KIND_SHIFT = np.uint64(60)
PAYLOAD = (1 << 60) - 1


def record(
    command: list[str],
    recorder: str = "lackey",
    *,
    filter_pages: int = 0,
    show: bool = False,
    progress: Progress | None = None,
) -> Trace:
    """Run `command` under a recorder and return its trace.

    Parameters
    ----------
    command : list of str
        Program and arguments.
    recorder : str
        lackey, qemu or fault.
    filter_pages : int
        K of the LRU filter; 0: page runs only.
    show : bool
        Let the program write to this process's standard error; else its output is dropped.
    progress : callable, optional
        Called with (bytes read, page runs).

    Raises
    ------
    BadInput
        The recorder or the program is not there, or nothing was recorded.
    """
    if recorder not in RECORDERS:
        raise BadInput(f"unknown recorder {recorder!r}; one of {', '.join(RECORDERS)}")
    check(command)
    trace = RECORDERS[recorder](command, filter_pages, show, progress)
    if not len(trace.accesses):
        ended = f"the program ended with status {trace.meta['exit_status']}"
        raise BadInput(f"nothing was recorded: {ended}; it wrote no private page, or only started another program (--show tells)")
    return trace


def check(command: list[str]) -> None:
    """Refuse a command that cannot be run.

    Raises
    ------
    BadInput
        It is empty, or there is no such program.
    """
    if not command:
        raise BadInput("no command to record")
    if shutil.which(command[0]) is None:
        raise BadInput(f"{command[0]}: no such program")


def interpreted(path: str) -> list[str]:
    """Interpreter and its argument of a script that names one (``#!``), as the kernel would start it; else an empty list."""
    with open(path, "rb") as file:
        first = file.readline(LONGEST_HEAD)
    return first[2:].decode("utf-8", "replace").strip().split(None, 1) if first.startswith(b"#!") else []


def alone(command: list[str], *, show: bool = False) -> float:
    """Run a program unrecorded, and return how long it takes.

    Returns
    -------
    float
        [s]

    Raises
    ------
    BadInput
        The program is not there.
    """
    if not command or shutil.which(command[0]) is None:
        raise BadInput(f"{command[0]}: no such program" if command else "no command to record")
    output = None if show else subprocess.DEVNULL
    began = time.monotonic()
    with sessions.started(command, stdout=2 if show else output, stderr=output) as process:
        process.wait()
    return time.monotonic() - began


def faster(recorder: str) -> str:
    """Name of a recorder that sees all accesses, takes less time, and is installed; empty if there is none."""
    there = platform.machine() == "x86_64" and shutil.which("qemu-x86_64") and shutil.which("gcc")
    return "qemu" if recorder == "lackey" and there else ""


def _tool(name: str, package: str) -> str:
    """Path of a tool; BadInput when it is not there."""
    path = shutil.which(name)
    if path is None:
        raise BadInput(f"recorder not available: {name} is not installed (Debian package {package})")
    return path


def _first_line(tool: str) -> str:
    """First line of a tool's version text."""
    done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)
    return (done.stdout.splitlines() or [""])[0]


def _meta(command: list[str], recorder: str, version: str, **more: Any) -> dict[str, Any]:
    """Header fields of a recording."""
    line = shlex.join(words(command))
    made = f"dse trace record --recorder {recorder} -- {line}"
    return {"recorder": recorder, "command": line, "made": made, "tool": version, "kept": ADDRESSES, **more}


def _piped(argv: list[str], write_end: int, read_end: int, show: bool, reader: Callable[[BinaryIO], Trace]) -> Trace:
    """Run `argv`, which writes to the pipe, and read the pipe; the exit status goes into the header."""
    output = None if show else subprocess.DEVNULL
    with os.fdopen(read_end, "rb", buffering=0) as stream, contextlib.ExitStack() as running:
        try:
            process = running.enter_context(sessions.started(argv, pass_fds=[write_end], stdout=2 if show else output, stderr=output))
        finally:
            os.close(write_end)
        trace = reader(stream)
    trace.meta["exit_status"] = process.returncode
    return trace


def with_lackey(command: list[str], filter_pages: int, show: bool, progress: Progress | None) -> Trace:
    """Record every access of one process, and its mapping calls, as text through a pipe (1,600..3,000x slower than native)."""
    tool = _tool("valgrind", "valgrind")
    meta = _meta(command, "lackey", _first_line(tool), fork_children="live until waited for; their exec is not seen")
    read_end, write_end = os.pipe()
    options = ["--tool=lackey", "--trace-mem=yes", "--trace-syscalls=yes", "--child-silent-after-fork=yes", "--vgdb=no"]
    argv = [tool, "-q", *options, f"--log-fd={write_end}", "--", *command]

    def reader(stream: BinaryIO) -> Trace:
        return lackey.read(stream, "valgrind", filter_pages=filter_pages, meta=meta, progress=progress)

    return _piped(argv, write_end, read_end, show, reader)


def with_qemu(command: list[str], filter_pages: int, show: bool, progress: Progress | None) -> Trace:
    """Record data accesses of one process, and its mapping calls, by a plugin in qemu-user (15..25x slower than native)."""
    if platform.machine() != "x86_64":
        raise BadInput(f"recorder not available: the qemu plugin knows the system calls of x86_64, not {platform.machine()}")
    tool = _tool("qemu-x86_64", "qemu-user")
    compiler = _tool("gcc", "gcc")
    version = _first_line(tool)
    meta = _meta(command, "qemu", version, fetches=False, fork_children="live until exec, exit or wait")
    with tempfile.TemporaryDirectory() as folder:
        plugin = Path(folder) / "plugin.so"
        major = int((re.search(r"version (\d+)", version) or ["", "7"])[1])
        flags = ["-O2", "-shared", "-fPIC", "-fvisibility=hidden", f"-DPLUGIN_VERSION={1 if major < 9 else 2}"]
        built = subprocess.run([compiler, *flags, "-o", str(plugin), str(PLUGIN)], capture_output=True, text=True, check=False)
        if built.returncode:
            raise BadInput(f"recorder not available: gcc could not build the plugin: {built.stderr.splitlines()[0]}")
        read_end, write_end = os.pipe()
        program = str(shutil.which(command[0]))
        argv = [tool, "-plugin", f"{plugin},fd={write_end}", *interpreted(program), program, *command[1:]]
        return _piped(argv, write_end, read_end, show, lambda s: read_plugin(s, filter_pages, meta, progress))


def read_plugin(stream: BinaryIO, filter_pages: int, meta: dict[str, Any], progress: Progress | None = None) -> Trace:
    """Build a trace from the words that the qemu plugin writes (see ``qemu_plugin.c``)."""
    builder = Builder(filter_pages)
    buffer, kept, taken = bytearray(lackey.CHUNK), 0, 0
    while got := stream.readinto(memoryview(buffer)[kept:]):  # type: ignore[attr-defined]
        taken += got
        words = np.frombuffer(buffer, np.uint64, (kept + got) // 8).copy()
        count = len(words)
        marks = np.flatnonzero(words >> KIND_SHIFT)
        if len(marks) and marks[-1] >= count - 4:  # the last operation may lack arguments
            count = _complete(words, marks)
        builder.feed(words, count, _plugin_operations(words[:count], marks[marks < count]))
        rest = bytes(buffer[count * 8 : kept + got])
        buffer[: len(rest)], kept = rest, len(rest)
        if progress:
            progress(taken, builder.runs_seen)
    if kept >= 8:
        words = np.frombuffer(buffer, np.uint64, kept // 8).copy()
        builder.feed(words, len(words), _plugin_operations(words, np.flatnonzero(words >> KIND_SHIFT)))
    return builder.finish({**meta, "mappings": "recorded"})


def _complete(words: NDArray[np.uint64], marks: NDArray[np.intp]) -> int:
    """Words up to the last operation, whose arguments may still be on their way."""
    heads = marks[(words[marks] >> KIND_SHIFT) != MORE]
    return int(heads[-1]) if len(heads) else len(words)


def _plugin_operations(words: NDArray[np.uint64], marks: NDArray[np.intp]) -> list[tuple[int, Op]]:
    """Operations among the words; they are overwritten by NO_RUN, a read of no page."""
    ops: list[tuple[int, Op]] = []
    at, values = marks.tolist(), words[marks].tolist()
    words[marks] = parse.NO_RUN
    i = 0
    while i < len(values):
        kind = values[i] >> 60
        if not 0 < kind < len(KINDS):
            raise BadInput(f"the qemu plugin wrote an unknown word {values[i]:#x}")
        args, start = [values[i] & PAYLOAD], at[i]
        i += 1
        while i < len(values) and values[i] >> 60 == MORE:
            args.append(values[i] & PAYLOAD)
            i += 1
        a, b, c, d = (*args, 0, 0, 0)[:4]
        op = (KINDS[kind], a, b, c, d)
        if why := refusal(op):
            raise BadInput(f"the qemu plugin saw a {why}")
        ops.append((start, op))
    return ops


def with_faults(command: list[str], filter_pages: int, show: bool, progress: Progress | None) -> Trace:
    """Record user page faults by tracepoint: as fast as native, but first touches and swap-ins only."""
    if filter_pages:
        raise BadInput("the fault recorder sees faults, not accesses: no LRU filter")
    tool = _tool("perf", "linux-perf")
    with tempfile.TemporaryDirectory() as folder:
        data, text = Path(folder) / "perf.data", Path(folder) / "faults.txt"
        output = None if show else subprocess.DEVNULL
        argv = [tool, "record", "-q", "-c", "1", "-e", EVENT, "-o", str(data), "--", *command]
        with sessions.started(argv, stdout=2 if show else output, stderr=subprocess.PIPE) as process:
            said = process.communicate()[1].decode("utf-8", "replace")
        if not data.exists() or not data.stat().st_size:
            why = next((line.strip() for line in said.splitlines() if line.strip()), "perf record failed")
            raise BadInput(f"recorder not available: tracepoint {EVENT}: {why}")
        with text.open("wb") as out:
            script = [tool, "script", "-i", str(data), "-F", "pid,time,event,trace"]
            subprocess.run(script, stdout=out, stderr=subprocess.DEVNULL, check=False)
        if progress:
            progress(text.stat().st_size, 0)
        meta = _meta(command, "fault", _first_line(tool), mappings="unknown", collapse="none", filter_pages=0)
        meta |= {"kept": "faults of data on pages with a write fault", "exit_status": process.returncode}
        with text.open("rb") as stream:
            return perf.faults(stream, "perf script", meta)


RECORDERS: dict[str, Callable[[list[str], int, bool, Progress | None], Trace]] = {
    "lackey": with_lackey,
    "qemu": with_qemu,
    "fault": with_faults,
}
