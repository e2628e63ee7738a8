"""Lackey's text, the page hash, the mapping filter and the LRU filter against plain-Python twins."""

from __future__ import annotations

import io
import re
from collections import Counter, OrderedDict

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dse.errors import BadInput
from dse.workloads import lackey
from dse.workloads.builder import Builder, runs_of
from tests.tracedata import events, plain

pytestmark = pytest.mark.interpreted


class Twin:
    """Builder in dictionaries; a page is its address and the number of its shared mappings before."""

    def __init__(self, k: int = 0) -> None:
        self.k = k
        self.out: list[list] = []
        self.live: set[int] = set()
        self.seen: set[tuple[int, int]] = set()
        self.age: Counter[int] = Counter()
        self.shared: set[int] = set()
        self.lru: OrderedDict[int, bool] = OrderedDict()
        self.open = False
        self.gone: list[tuple[int, tuple[int, int]]] = []

    def access(self, page: int, write: bool) -> None:
        if page in self.shared or (page not in self.live and not write):
            return
        self.live.add(page)
        name = (page, self.age[page])
        self.seen.add(name)
        if self.open and self.out and self.out[-1][0] == name:
            self.out[-1][1] |= write
        else:
            self.out.append([name, write])
        self.open = True

    def op(self, kind: str, page: int, count: int) -> None:
        for p in range(page, page + count):
            if p in self.live:
                self.open = False
                self.live.discard(p)
                self.gone.append((len(self.out), (p, self.age[p])))
            if kind != "drop":
                self.shared.discard(p)
            if kind == "shared":
                self.shared.add(p)
                self.age[p] += 1


def filtered(steps: list[tuple], k: int) -> list[tuple[int, bool]]:
    lru: OrderedDict[int, bool] = OrderedDict()
    out = []
    for page, write in steps:
        if write is None:
            lru.pop(page, None)
            continue
        have = lru.pop(page, None)
        if have is None and len(lru) == k:
            lru.popitem(last=False)
        if have is None or write > have:
            out.append((page, write))
        lru[page] = bool(have) or write
    return out


ACCESS = st.tuples(st.sampled_from("ILSM"), st.integers(0, 1 << 47), st.sampled_from([1, 4, 8, 16, 32, 512]))
NEAR = st.tuples(st.sampled_from("ILSM"), st.integers(0x7000, 0xB100), st.sampled_from([1, 8, 16]))


def line_of(kind: str, address: int, size: int) -> str:
    return f"{'I ' if kind == 'I' else ' ' + kind} {address:08x},{size}\n"


@settings(max_examples=40, deadline=None)
@given(st.lists(ACCESS | NEAR, max_size=60))
@example([("S", 28161, 512), ("I", 32257, 512)])  # a read that crosses into a page after a write to the one before
def test_lackey_equals_its_twin(accesses):
    twin = Twin()
    for kind, address, size in accesses:
        for page in range(address >> 12, ((address + size - 1) >> 12) + 1):
            twin.access(page, kind in "SM")
    text = "==7== Lackey\n" + "".join(line_of(*a) for a in accesses)
    trace = lackey.read(io.BytesIO(text.encode()), "x")
    rank = {page: i for i, page in enumerate(sorted(twin.seen))}
    assert plain(trace) == [(rank[p], w) for p, w in twin.out]
    assert trace.pages == len(rank)
    assert trace.meta["mappings"] == "unknown"


def test_lackey_over_chunk_borders(monkeypatch):
    text = "".join(line_of("LSMI"[i % 4], 0x40000 + 977 * (i * i % 331), 1 + i % 9) for i in range(400)).encode()
    whole = lackey.read(io.BytesIO(text), "x")
    monkeypatch.setattr(lackey, "CHUNK", 64)
    assert lackey.read(io.BytesIO(text), "x").digest == whole.digest


@pytest.mark.parametrize(
    "bad",
    [" L 04025310;8", " L xyz,8", " L 04025310,", " L ,8", " L 04025310,0", " L 04025310,8 ", " X 04025310,8", "garbage",
     " L 1fff00074g,8", " L 1fff0007 4,8", " L 1fff0007\u00e94,8", " L 1fff000748;8",
     "I 04025310,8", " S 04025310,99999999", " L 11112222333344445,8", " S 0402531o,8", " S 0402`310,8", " S ,"],
)  # fmt: skip
def test_malformed_lackey_names_the_line(bad):
    text = line_of("L", 0x1000, 8) * 2 + bad + "\n" + line_of("L", 0x1000, 8)
    with pytest.raises(BadInput, match=r"^x:3: not a line of lackey"):
        lackey.read(io.BytesIO(text.encode()), "x")


@settings(max_examples=300, deadline=None)
@given(NEAR | ACCESS, st.integers(3, 30), st.binary(min_size=1, max_size=2), st.booleans())
@example(("L", 0x1FFF000748, 8), 11, b"g", False)  # the ninth digit, which is not of the first word
def test_lackey_takes_a_damaged_line_only_if_it_is_one(access, at, by, inserted):
    line = line_of(*access).encode().rstrip()
    line = (line[:at] + by + line[at + (0 if inserted else len(by)) :]).split(b"\n")[0]
    text = b" S ffffffffffff0000,1\n" + line + b"\n S 0000000000000000,1\n"
    found = re.fullmatch(rb"(I  | [LSM] )([0-9a-fA-F]{1,16}),([0-9]+)", line)
    if not found or not 1 <= int(found[3]) <= 1 << 16:
        with pytest.raises(BadInput, match=r"^x:2: not a line of lackey"):
            lackey.read(io.BytesIO(text), "x")
        return
    twin = Twin()
    first, last = int(found[2], 16) >> 12, int(found[2], 16) + int(found[3]) - 1 >> 12
    for page, write in [(0xFFFFFFFFFFFF0, True), *((p, found[1][1:2] in b"SM") for p in range(first, last + 1)), (0, True)]:
        twin.access(page, write)
    rank = {page: i for i, page in enumerate(sorted(twin.seen))}
    assert plain(lackey.read(io.BytesIO(text), "x")) == [(rank[p], w) for p, w in twin.out]


def test_lackey_cut_within_a_line():
    with pytest.raises(BadInput, match=r"^x:2: the file ends within a line"):
        lackey.read(io.BytesIO((line_of("S", 0x1000, 8) + " L 0402").encode()), "x")


def test_lackey_upper_case_and_short_addresses():
    trace = lackey.read(io.BytesIO(b" S 1ABC,8\n L 1fff000748,4\n M 1FFF000748,4\n"), "x")
    assert plain(trace) == [(0, True), (1, True)]


CALLS = b"""\
SYSCALL[7,1](9) sys_mmap ( 0x0, 65536, 3, 34, 4294967295, 0 ) --> [pre-success] Success(0x10000)
 S 00010000,8
 S 00011000,8
 S 00018000,8
SYSCALL[7,1](9) sys_mmap ( 0x0, 8192, 3, 33, 4294967295, 0 ) --> [pre-success] Success(0x40000)
 S 00040000,8
SYSCALL[7,1](28) sys_madvise ( 0x10000, 4096, 4 ) --> [async] ...
SYSCALL[7,1](28) ... [async] --> Success(0x0)
 L 00010000,8
 S 00010000,8
SYSCALL[7,1](25) sys_mremap ( 0x18000, 4096, 8192, 0x1 ) --> [pre-success] Success(0x80000)
 L 00080000,8
SYSCALL[7,1](56) sys_clone ( 1200011, 0x0, 0x0, 0x4a27a10, 0x0 )   clone(fork): process 7 created child 9
 --> [pre-success] Success(0x9)
 S 00011000,8
SYSCALL[7,1](61) sys_wait4 ( 9, 0x0, 0, 0x0 ) --> [async] ...
SYSCALL[7,1](61) ... [async] --> Success(0x9)
SYSCALL[7,1](56) sys_clone ( 4111, 0x4844ff0, 0x0, 0x0, 0x0 )   clone(fork): process 7 created child 10
 --> [pre-success] Success(0xa)
SYSCALL[7,1](11) sys_munmap ( 0x10000, 8192 )[sync] --> Success(0x0)
SYSCALL[7,1](12) sys_brk ( 0x0 ) --> [pre-success] Success(0x4000)
SYSCALL[7,1](12) sys_brk ( 0x6000 ) --> [pre-success] Success(0x6000)
 S 00004000,8
 S 00005000,8
SYSCALL[7,1](12) sys_brk ( 0x5000 ) --> [pre-success] Success(0x5000)
SYSCALL[7,1](11) sys_munmap ( 0x99, 8192 )[sync] --> Failure(0x16)
"""


def test_mapping_calls():
    trace = lackey.read(io.BytesIO(CALLS), "x")
    # pages by address: 4 -> 0, 5 -> 1, 0x10 -> 2, 0x11 -> 3, 0x18 -> 4 (also where it was moved to)
    assert plain(trace) == [(2, True), (3, True), (4, True), (2, True), (4, False), (3, True), (0, True), (1, True)]
    assert events(trace) == [
        (3, "unmap", 2, 1, 0),
        (5, "fork", 0, 5, 1),
        (6, "unmap", 8, 5, 0),
        (6, "unmap", 2, 2, 0),
        (8, "unmap", 1, 1, 0),
    ]
    assert (trace.spaces, trace.space_shift, trace.meta["mappings"]) == (2, 3, "recorded")


RUN = st.tuples(st.just("run"), st.integers(0, 30), st.booleans())
OP = st.tuples(st.sampled_from(["unmap", "drop", "map", "shared"]), st.integers(0, 30), st.integers(1, 8))


@settings(max_examples=40, deadline=None)
@given(st.lists(RUN | RUN | RUN | OP, max_size=80), st.sampled_from([0, 1, 3]))
@example([("run", 0, True), ("shared", 0, 1), ("unmap", 0, 1), ("run", 0, True)], 0)
def test_builder_equals_its_twin(steps, k):
    twin, builder = Twin(), Builder(k)
    runs, ops = [], []
    for kind, a, b in steps:
        if kind == "run":
            twin.access(a, b)
            runs.append(a << 1 | b)
        else:
            twin.op(kind, a, b)
            ops.append((len(runs), (kind, a, b, 0, 0)))
    builder.feed(np.array(runs, np.uint64), len(runs), [op for op in ops if op[0] < len(runs)])
    for _, op in (op for op in ops if op[0] == len(runs)):
        builder.apply(op)
    trace = builder.finish({})
    rank = {page: i for i, page in enumerate(sorted(twin.seen))}
    merged = [(at, rank[p], None) for at, p in twin.gone]
    expected: list[tuple] = []
    for i in range(len(twin.out) + 1):
        expected += [(p, None) for at, p, _ in merged if at == i]
        expected += [(rank[twin.out[i][0]], twin.out[i][1])] if i < len(twin.out) else []
    accesses = [(p, w) for p, w in expected if w is not None]
    assert plain(trace) == (filtered(expected, k) if k else accesses)
    if not k:
        zapped = [(at, p) for at, kind, first, n, _ in events(trace) for p in range(first, first + n)]
        assert sorted(zapped) == sorted((at, p) for at, p, _ in merged)


def test_builder_grows():
    builder = Builder()
    runs = np.arange(20_000, dtype=np.uint64) << np.uint64(1) | np.uint64(1)
    builder.feed(runs[:6000], 6000, [])
    builder.feed(runs, len(runs), [(3, ("unmap", 0, 1 << 40, 0, 0))])
    trace = builder.finish({})
    assert trace.pages == 20_000
    assert events(trace) == [(6003, "unmap", 0, 6000, 0)]


def test_builder_grows_when_moves_use_up_numbers():
    builder = Builder()
    for i in range(5000):  # two pages written, then moved away: two new numbers each time
        builder.feed(np.array([3, 5], np.uint64), 2, [])
        builder.apply(("move", 1, 2, 10 + 2 * i % 64, 2))
    assert builder.finish({}).pages == 10_000


def test_children_gone_before_their_fork_is_read():
    builder = Builder()
    builder.feed(np.array([3], np.uint64), 1, [])
    for op in (("gone", 5), ("fork", 5), ("fork", 6), ("fork", 7), ("gone", 6), ("gone", 6), ("fork", 8), ("gone", 99)):
        builder.apply((*op, 0, 0, 0))
    trace = builder.finish({})
    assert [(kind, page, arg) for _, kind, page, _, arg in events(trace)] == [
        ("fork", 0, 1), ("unmap", 1, 0), ("fork", 0, 1), ("fork", 0, 2), ("unmap", 1, 0), ("fork", 0, 1),
    ]  # fmt: skip


def test_runs_of():
    assert runs_of(np.array([], np.uint32)) == []
    assert runs_of(np.array([0, 1, 9, 3, 2], np.uint32)) == [(0, 4), (9, 1)]


@pytest.mark.parametrize(
    "call",
    ["(11) sys_munmap ( 0x10000, 99999999999999999999 )[sync] --> Success(0x0)",
     "(9) sys_mmap ( 0x0, 281474976710656, 3, 33, 3, 0 ) --> [pre-success] Success(0x10000)",
     "(25) sys_mremap ( 0x18000, 281474976710656, 281474976710656, 0x1 ) --> [pre-success] Success(0x80000)"],
)  # fmt: skip
def test_impossible_mappings_name_the_line(call):
    text = line_of("S", 0x1000, 8) + "SYSCALL[7,1]" + call + "\n"
    with pytest.raises(BadInput, match=r"^x:2: (unmap of addresses|shared of \d+ pages|move of \d+ pages)"):
        lackey.read(io.BytesIO(text.encode()), "x")


def test_shared_mappings_are_bounded_in_all(monkeypatch):
    monkeypatch.setattr("dse.workloads.builder.MOST_SHARED", 4)
    call = "SYSCALL[7,1](  9) sys_mmap ( 0x0, 12288, 3, 1, 4, 0 ) --> [pre-success] Success({})\n"
    same = line_of("S", 0x1000, 8) + call.format("0x50000") * 9
    assert lackey.read(io.BytesIO(same.encode()), "x").pages == 1
    text = line_of("S", 0x1000, 8) + "".join(call.format(f"0x{n}0000") for n in (5, 6, 7))
    with pytest.raises(BadInput, match=r"^x: shared mappings of 6 pages in all, more than are followed \(4\)$"):
        lackey.read(io.BytesIO(text.encode()), "x")
