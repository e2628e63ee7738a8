"""Kernels that leave nothing in the caches: after each load and store the line leaves all caches.

It is done in the text of a module's intermediate representation, after LLVM has optimised it, so that every access of the machine is
seen and none that the optimiser removed. The instruction is clflush (Intel SDM volume 2, CLFLUSH; LLVM ``llvm.x86.sse2.clflush``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

NAME = r"%(?:[-\w.$]+|\"[^\"]+\")"
LOAD = re.compile(rf"\s+{NAME} = load (?:atomic |volatile )*([^,]+), ptr ({NAME})")
STORE = re.compile(rf"\s+store (?:atomic |volatile )*(<[^>]+>|[\w.]+) [^,]+, ptr ({NAME})")
CHANGE = re.compile(rf"\s+{NAME} = (?:atomicrmw|cmpxchg) (?:volatile |weak )*(?:\w+ )?ptr ({NAME})")
WIDE = re.compile(r"<(\d+) x [if](\d+)>")
FILL = re.compile(rf"\s+(?:tail )?call void @llvm\.mem(?:set|cpy|move)\.[\w.]+\(ptr [^%]*({NAME}), .*?i64 (\d+|{NAME}), i1")
LOCAL = re.compile(rf"\s+({NAME}) = (?:alloca|getelementptr [^%]*ptr ({NAME}))")
DECLARED = """
declare void @llvm.x86.sse2.clflush(ptr)

define internal void @swapdse_flush_range(ptr %from, i64 %bytes) noinline {
entry:
  %none = icmp eq i64 %bytes, 0
  br i1 %none, label %done, label %next
next:
  %at = phi i64 [ 0, %entry ], [ %after, %next ]
  %line = getelementptr i8, ptr %from, i64 %at
  call void @llvm.x86.sse2.clflush(ptr %line)
  %after = add i64 %at, 64
  %more = icmp ult i64 %after, %bytes
  br i1 %more, label %next, label %last
last:
  %final = add i64 %bytes, -1
  %end = getelementptr i8, ptr %from, i64 %final
  call void @llvm.x86.sse2.clflush(ptr %end)
  br label %done
done:
  ret void
}
"""


def flushed(text: str) -> str:
    """Add a flush behind every access to memory that is not a function's own stack.

    Parameters
    ----------
    text : str
        A module of LLVM's intermediate representation, with opaque pointers.

    Returns
    -------
    str
        The module, with what it calls declared at the end.
    """
    out: list[str] = []
    local: set[str] = set()
    for line in text.splitlines():
        if line.startswith("define "):
            local = set()
        own = LOCAL.match(line)
        if own and (own[2] is None or own[2] in local):
            local.add(own[1])
        out.append(line)
        out += _after(line, local)
    return "\n".join(out) + DECLARED


def _after(line: str, local: set[str]) -> Iterator[str]:
    """Instructions behind one."""
    found = LOAD.match(line) or STORE.match(line)
    if found:
        kind, pointer = found[1], found[2]
        wide = WIDE.match(kind)
        size = int(wide[1]) * int(wide[2]) // 8 if wide else 8
        if pointer not in local:
            yield _range(pointer, str(size)) if wide else f"  call void @llvm.x86.sse2.clflush(ptr {pointer})"
        return
    changed = CHANGE.match(line)
    if changed:
        yield f"  call void @llvm.x86.sse2.clflush(ptr {changed[1]})"
    filled = FILL.match(line)
    if filled and filled[1] not in local:
        yield _range(filled[1], filled[2])


def _range(pointer: str, size: str) -> str:
    """Flush of a range of bytes."""
    return f"  call void @swapdse_flush_range(ptr {pointer}, i64 {size})"
