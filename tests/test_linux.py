"""Real kernels: fetching, reading and refusing, with fakes for apt, qemu and the guest; nothing is downloaded or booted."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dse import linux, workloads
from dse.cli import BAD, main
from dse.common import machine
from dse.errors import BadInput
from dse.linux import booting, counting, experiments, functions, histograms, initramfs, modules, records, streams, summaries, tools, tracing
from dse.linux import image as images
from tests.linuxdata import bzimage

GUEST = initramfs.GUEST
SLAB = "{name:<20} {active} {active} 584 14 2 : tunables 0 0 0 : slabdata {slabs} {slabs} 0"
SYMBOLS = ["symbol ffffffff81000000 T _text", "symbol ffffffff81000010 t __pfx_do_swap_page", "symbol ffffffff81000020 T do_swap_page",
           "symbol ffffffff81000100 T _raw_spin_lock", "symbol ffffffff81000200 t xa_load\t[x]"]  # fmt: skip
COUNTS = [
    "operation 1 10 2 500 200 9000", "group 1 1 300 90", "group 1 4 50 10", "group 1 8 340 95", "group 1 0 200 100", "group 1 7 20 20",
    "function 1 do_swap_page 1 10 3000 250 80 240 20 10 0", "function 1 xa_load 4 30 900 50 10 30 0 0 0",
    "function 1 rare 0 1 5 1 0 1 0 0 0",
    "operation 15 9 0 1 1 1",
    "operation 229 8 0 80 16 800", "group 229 8 40 8", "function 229 zap_pte_range 0 8 400 60 10 60 8 0 0",
    "operation 230 8 0 680 80 8000", "group 230 8 340 80", "function 230 swap_put 1 8 4000 340 80 340 128 0 0",
    "operation 150 1 0 900 90 70000", "group 150 8 400 80", "function 150 zswap_writeback_entry 2 100 60000 400 80 400 300 0 0",
]  # fmt: skip
TRACED = [
    "release 6.12.1-test", "version #1", "step trace-{lists}-zero-zipf-64",
    "turn 1", "trace before pgmajfault 5", "trace before pswpin 1", "trace before workingset_refault_anon 2",
    "trace after pgmajfault 25", "trace after pswpin 4", "trace after swpin_zero 17", "trace after zswpout 40", "trace after pswpout 9",
    "trace after zswpwb 6", "trace after workingset_refault_anon 12", "trace level zswap 4096", "trace level zswapped 8192",
    "turn 2", "trace before pgmajfault 25", "trace after pgmajfault 47", "trace after swpin_zero 22", "trace level oom 1",
    "end ok",
]  # fmt: skip
SAID = [
    "release 6.12.1-test", "version #1", "wrote 150 100", "step folio-zero-176", "folio before 2 anon_fault_alloc 4",
    "folio before 2 swpout 3", "folio after 2 anon_fault_alloc 8", "folio after 2 swpout 6", "end ok",
]  # fmt: skip


def slabs(stage: str, **active: int) -> list[str]:
    return [
        f"snapshot {stage} /proc/slabinfo {SLAB.format(name=name, active=count, slabs=-(-count // 14))}" for name, count in active.items()
    ]


def histograms_of(stage: str, count: int) -> list[str]:
    """Histograms of a kernel that allocated `count` nodes and as many tables of 8 KiB."""
    lines = {
        "kmem_cache_alloc": [f"{{ call_site: [ffffffff81] xas_alloc+0x1/0x2   }} hitcount:    {count}  bytes_alloc:   {count * 576}"],
        "mm_page_alloc": [
            "# trigger info: hist:keys=common_stacktrace,order",
            "{ common_stacktrace:", "       alloc_pages_noprof+0x1/0x2", "       swap_table_alloc+0x8/0x9", "       folio_alloc_swap+0x8/0x9",
            f", order:          1}} hitcount:         {count}",
            "{ common_stacktrace:", "       allocate_slab+0x1/0x2", "       xas_alloc+0x8/0x9",
            f", order:          0}} hitcount:         {count}",
        ],
    }  # fmt: skip
    return [f"snapshot {stage} /sys/kernel/tracing/events/kmem/{event}/hist {line}" for event, of in lines.items() for line in of]


def report() -> list[str]:
    """Report of a guest that filled swap once."""
    lines = ["release 6.12.1-test", "version #1", "lru_gen 0x0007", "step symbols", *SYMBOLS, "step fill-zswap"]
    for stage, nodes, pool in (("before", 10, 0), ("empty", 10, 0), ("touched", 12, 0), ("out", 26, 4096), ("unmapped", 12, 0)):
        lines += slabs(stage, radix_tree_node=nodes, dentry=1000 + nodes)
        lines.append(f"snapshot {stage} /sys/kernel/debug/zswap/pool_total_size {pool}")
        lines += histograms_of(stage, nodes)
    return [*lines, "end ok"]


FAKE_QEMU = """#!{python}
import pathlib, sys, time
if "--version" in sys.argv:
    print("QEMU emulator version {version} (fake)"); sys.exit()
counts = [a for a in sys.argv if a.startswith("file=./plugin.so")]
{deed}
"""
WELL = """
steps = next(a for a in sys.argv if "dse.steps=" in a)
text = {traced!r} if "trace-" in steps else {said!r} if counts else {report!r}
text = text.replace("{{lists}}", "mglru" if "mglru" in steps else "two")
pathlib.Path("report").write_bytes(text.encode() + b"\\0" * 100)
if counts: pathlib.Path("counts").write_text({counts!r})
print("dse: guest 6.12.1-test\\ndse: step fill-zswap\\ndse: end ok")
"""


def well_done(counts: list[str]) -> str:
    """Deed of a qemu whose guests end well."""
    texts = {"report": report(), "counts": counts, "traced": TRACED, "said": SAID}
    return WELL.format(**{name: "\n".join(lines) for name, lines in texts.items()})


class Host:
    """A host with fakes of qemu, busybox and gcc as its only programs."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin, self.results, self.image = root / "bin", root / "results", bzimage(root / "vmlinuz")
        self.bin.mkdir()
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.setenv("TMPDIR", str(root / "scratch"))
        monkeypatch.setattr(booting, "POLL", 0.01)
        monkeypatch.setattr(streams, "specs", lambda: {"zipf": {"generator": "zipf", "pages": 64, "accesses": 100}})
        monkeypatch.setattr(streams, "settings", lambda: {"seed": 1, "limit": 64, "backends": {"zero": ["zipf"]}})
        (root / "scratch").mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(root / "scratch"))
        self.scratch = root / "scratch"
        self.program("busybox", "")
        self.program("gcc", "import pathlib, sys\npathlib.Path(sys.argv[sys.argv.index('-o') + 1]).write_bytes(b'x')")
        self.qemu()

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text if text.startswith("#!") else f"#!{sys.executable}\n{text}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def qemu(self, deed: str = "", version: str = "10.0.1") -> None:
        well = well_done(COUNTS)
        self.program("qemu-system-x86_64", FAKE_QEMU.format(python=sys.executable, version=version, deed=deed or well))

    def record(self, *more: str) -> int:
        return main(["linux", "record", "--image", str(self.image), "--results", str(self.results), *more])

    def left(self) -> list[Path]:
        """Everything that is stored or left in the folder for temporary files."""
        return [*self.results.rglob("*.csv"), *self.results.rglob(".*"), *self.scratch.iterdir()]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_a_record_is_stored_whole(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert host.record("--format", "json") == 0
    printed = json.loads(capsys.readouterr().out)
    (name,) = records.stored(host.results)
    made = linux.load(name, host.results)
    assert printed["record"] == name
    assert made.tables["fill"] == printed["fill"]
    nodes = next(row for row in made.tables["fill"] if row["stage"] == "filled" and row["structure"] == "radix_tree_node")
    assert (nodes["objects"], nodes["bytes"]) == (14, 8192)
    assert made.provenance["release"] == "6.12.1-test"
    assert made.provenance["image_digest"] == images.sha256(host.image)
    assert made.provenance["qemu"] == "QEMU emulator version 10.0.1 (fake)"
    assert made.provenance["command"].startswith("dse linux record --image ")
    assert list(host.scratch.iterdir()) == []
    assert main(["linux", "list", "--results", str(host.results), "--format", "csv"]) == 0
    assert f"record,6.12.1-test,{name}," in capsys.readouterr().out


def test_a_record_is_shown(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert host.record() == 0
    (name,) = records.stored(host.results)
    capsys.readouterr()
    words = ["linux", "show", name, "--results", str(host.results)]
    assert main(words) == 0
    assert "radix_tree_node (slab)" in capsys.readouterr().out
    assert main([*words, "--operation", "swap_out", "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "group,function,calls,instructions,lines,written,locks,allocations"
    assert "swap,do_swap_page,1.0,300.0,25.0,8.0,2.0,1.0" in lines
    assert main([*words, "--operation", "swap_uot"]) == BAD
    assert "unknown operation 'swap_uot', did you mean 'swap_out'?" in capsys.readouterr().err
    assert main(["linux", "show", "nine", "--results", str(host.results)]) == BAD
    assert "unknown record 'nine'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        ("print('[ 1.0] Kernel panic - not syncing: VFS: Unable to mount root fs')", "the guest panics: VFS: Unable to mount root fs"),
        ("print('dse: guest 6.12', flush=True); time.sleep(60)", "the guest did not end within 1 s"),
        ("print('dse: end no-zswap')", "this kernel cannot be recorded: it has no zswap"),
        ("print('dse: end no-disk')", "no virtio disk"),
        ("print('dse: end ok')", "the guest's report is incomplete"),
        ("print('hello')", "the guest ended without a report; its last line: hello"),
        ("sys.stderr.write('qemu: no such machine'); sys.exit(1)", "qemu ended with status 1: qemu: no such machine"),
    ],
)
def test_a_guest_that_fails_is_one_line_and_leaves_nothing(deed: str, says: str, host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.qemu(deed)
    assert host.record("--timeout", "1" if "sleep" in deed else "60") == BAD
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("dse: guest: ")]
    assert len(lines) == 1
    assert says in lines[0]
    assert host.left() == []


def test_a_plugin_that_counts_nothing_is_said(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.qemu(well_done([]))
    assert host.record() == BAD
    assert "the plugin counted no operation" in capsys.readouterr().err
    assert host.left() == []


@pytest.mark.parametrize("content", [b"", b"\x7fELF" + b"\0" * 4096])
def test_what_is_no_image_is_refused(content: bytes, host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.image.write_bytes(content)
    assert host.record() == BAD
    assert "is no bzImage" in capsys.readouterr().err
    assert not host.results.exists()


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("qemu-system-x86_64", "qemu-system-x86_64 is not installed: dse linux get"),
        ("busybox", "busybox is not installed (Debian package busybox-static)"),
        ("gcc", "gcc is not installed"),
    ],
)
def test_missing_programs_are_named(missing: str, says: str, host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    (host.bin / missing).unlink()
    assert host.record() == BAD
    assert says in capsys.readouterr().err
    assert host.left() == []
    assert main(["doctor", "--format", "json", "--results", str(host.results)]) == 0
    rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows[missing]["status"] == "missing"


def test_an_old_qemu_is_refused(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.qemu(version="7.2.22")
    assert host.record() == BAD
    assert "version 7.2.22 (fake) is too old, 10 or newer is needed" in capsys.readouterr().err
    assert main(["doctor", "--format", "json", "--results", str(host.results)]) == 0
    rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["qemu-system-x86_64"]["status"] == "missing"


def test_a_full_disk_is_said_before_the_boot(host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(machine, "disk_available", lambda folder: 1 << 20)
    assert host.record() == BAD
    assert "no space left on the disk" in capsys.readouterr().err
    assert host.left() == []


def test_a_full_disk_when_the_record_is_stored(host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    real = Path.write_text

    def write(self: Path, *given: object, **more: object) -> int:
        if self.name == "provenance.json":
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return real(self, *given, **more)

    monkeypatch.setattr(Path, "write_text", write)
    assert host.record() == BAD
    assert "no space left on the disk" in capsys.readouterr().err
    assert host.left() == []
    assert not host.results.exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--experiments", "fil"], "unknown experiment 'fil', did you mean 'fill'?"),
        (["--operations", "500"], "takes a power of two"),
        (["--pages", "2^24"], "do not fit a guest of 1024 MiB"),
        (["--modules", "nowhere"], "nowhere is no folder of modules"),
    ],
)
def test_options_that_cannot_be_met(more: list[str], says: str, host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert host.record(*more) == BAD
    assert says in capsys.readouterr().err


def test_a_kernel_that_is_not_fetched(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["linux", "record", "--release", "6.1", "--results", str(host.results)]) == BAD
    assert "kernel 6.1 is not fetched: dse linux get 6.1" in capsys.readouterr().err
    assert main(["linux", "record", "--results", str(host.results)]) == BAD
    assert "say --image FILE or --release R" in capsys.readouterr().err


def test_operation_rows_are_exact() -> None:
    rows = counting.counted_rows(COUNTS, experiments.marks(1024))["operation"]
    found = {(row["operation"], row["function"], row["group"]): row for row in rows}
    assert found["swap_out", "*", "core"] | {"first": 0} == {
        "backend": "zswap", "operation": "swap_out", "function": "*", "group": "core", "operations": 10, "dropped": 2, "calls": 40,
        "instructions": 3900, "lines": 340, "written": 95, "first": 0, "locks": 20, "allocations": 10, "frees": 0,
    }  # fmt: skip
    assert found["swap_out", "*", "all"]["instructions"] == 3905
    assert found["swap_out", "do_swap_page", "swap"]["locks"] == 20
    assert ("swap_out", "rare", "other") not in found
    assert found["zap", "*", "all"]["operations"] == 9


def test_small_changes_of_foreign_caches_are_noise() -> None:
    rows = counting.fill_rows(report(), 1 << 20)
    assert {row["structure"] for row in rows} == {"radix_tree_node", "zsmalloc"}


def test_functions_are_read_from_symbols() -> None:
    found = functions.read(SYMBOLS)
    assert [(f.name, functions.GROUPS[f.group], f.role) for f in found] == [
        ("do_swap_page", "swap", "-"), ("_raw_spin_lock", "other", "l"), ("xa_load", "xarray", "-"),
    ]  # fmt: skip
    assert functions.table(found).splitlines()[0] == "ffffffff81000020 do_swap_page 1 -"
    with pytest.raises(BadInput, match="do_swap_page"):
        functions.read([])


def test_the_groups_of_the_plugin_are_ours() -> None:
    text, common = (GUEST / "plugin.c").read_text(), (GUEST / "common.h").read_text()
    data, core = functions.GROUPS.index("data"), functions.GROUPS.index("core")
    assert f"OTHER = 0, DATA = {data}, CORE = {core}, GROUPS = {len(functions.GROUPS)}," in text
    assert f"marks = {tools.MARKS:#x};" in text
    assert f"#define MARKS {tools.MARKS:#x}" in common
    assert "MARKS = 256, ARM = 255, LONG = 128," in text
    assert "enum { ARM = 255 };" in common
    assert ".rept 256" in common


def test_marks_are_those_of_the_guest() -> None:
    marks = experiments.marks(1024)
    steps = sum(len(experiments.SINGLE) for _ in experiments.BACKENDS) + 3 * 9 + 3 * 2 + 1 + 3 * 16
    assert len(marks) == steps  # no two steps share one
    assert max(marks) < 255
    assert f"ENTRIES[] = {{{', '.join(map(str, experiments.FORKED))}}};" in (GUEST / "range.h").read_text()
    assert f"SMALLEST = {experiments.ORDERS[0]}, LARGEST = {experiments.ORDERS[-1]}," in (GUEST / "folio.h").read_text()
    exact = {mark.experiment for number, mark in marks.items() if number < 128}
    assert exact == {"operation"}


def test_operations_on_many_pages_are_exact() -> None:
    tables = counting.counted_rows(COUNTS, experiments.marks(1024), SAID)
    zaps = {(row["pages"], row["function"], row["group"]): row for row in tables["zap"]}
    assert zaps[16, "swap_put", "swap"]["locks"] == 128
    assert zaps[16, "*", "core"]["lines"] == 340
    assert {row["pages"] for row in tables["writeback"]} == {100}
    shown = {(row["pages"], row["group"]): row for row in summaries.many(tables["zap"])}
    assert shown[1, "core"]["locks"] == 0
    assert shown[16, "core"]["locks"] == 16
    assert shown[16, "core"]["lines_a_page"] == (340 - 40) / 8 / 15
    assert counting.folio_rows(SAID) == [
        {"backend": "zero", "pages": 4, "folios": 4, "swpout": 3, "swpout_fallback": 0, "zswpout": 0, "swpin": 0}
    ]


def test_traces_are_exact() -> None:
    rows = tracing.trace_rows([line.replace("{lists}", "two") for line in TRACED], {"zipf": 100}, 1 << 26)
    assert [row["repeat"] for row in rows] == [1, 2]
    first = {key: value for key, value in rows[0].items() if value}
    assert first == {
        "trace": "zipf", "backend": "zero", "lists": "two", "repeat": 1, "accesses": 100, "limit": 1 << 26, "pgmajfault": 20, "pswpin": 3,
        "swpin_zero": 17, "swap_ins": 20, "pswpout": 9, "zswpout": 40, "zswpwb": 6, "swap_outs": 43, "refaults": 10, "zswap": 4096,
        "zswapped": 8192,
    }  # fmt: skip
    (shown,) = summaries.trace(rows)
    assert (shown["swap_ins"], shown["swap_ins_spread"], shown["compressed"]) == (21, "20..22", 0.5)


def test_allocations_have_an_owner() -> None:
    rows = histograms.site_rows(report())
    assert rows == [
        {"backend": "zswap", "stage": "filled", "kind": "pages", "site": "swap_table_alloc", "objects": 14, "bytes": 14 * 8192},
        {"backend": "zswap", "stage": "filled", "kind": "slab", "site": "xas_alloc", "objects": 14, "bytes": 14 * 576},
    ]
    assert [row["structure"] for row in histograms.page_rows(rows)] == ["swap_table_alloc"]


def test_streams_are_those_of_the_model() -> None:
    spec = {"generator": "uniform", "pages": 50, "accesses": 300, "write_share": 0.5}
    stream = streams.Stream(*_stream(spec))
    wanted = np.concatenate([accesses for accesses, _, _ in workloads.make(spec, 1).blocks()])
    assert (stream.words & ~streams.FRESH).tolist() == wanted.tolist()
    fresh = stream.words[(stream.words & streams.FRESH) > 0] & streams.NUMBER
    assert sorted(fresh.tolist()) == sorted(set((wanted & streams.NUMBER).tolist()))


def _stream(spec: dict[str, object]) -> tuple[np.ndarray, int, int, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "specs", lambda: {"one": spec})
        return tuple(streams.make("one"))  # type: ignore[return-value]


def test_all_traces_can_be_made() -> None:
    names = streams.specs()
    used = {name for of in streams.settings()["backends"].values() for name in of}
    assert used == set(names)
    sort = streams.make("sort")
    ranges = (sort.words & (streams.RANGE | streams.WRITE)) == streams.RANGE
    assert len(sort.words) > sort.accesses
    assert ranges.any()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing(number: int, host: Host) -> None:
    host.qemu("time.sleep(60)")
    words = ["linux", "record", "--image", str(host.image), "--results", str(host.results)]
    code = f"import sys; from dse.cli import main; sys.exit(main({words!r}))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while len(list(host.scratch.glob("*/*/console"))) < 2 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert host.left() == []


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_the_sources_compile_without_warnings(tmp_path: Path) -> None:
    for name, flags in (("workload.c", ["-static", "-no-pie"]), ("plugin.c", ["-shared", "-fPIC"])):
        command = ["gcc", "-Wall", "-Wextra", "-Werror", "-O2", *flags, "-o", str(tmp_path / name[:-2]), str(GUEST / name)]
        assert subprocess.run(command, capture_output=True, text=True).stderr == ""


@pytest.mark.skipif(shutil.which("cpio") is None, reason="no cpio")
def test_the_archive_is_what_cpio_reads(tmp_path: Path) -> None:
    archive = initramfs.archive({"init": b"#!/bin/sh\n", "bin/busybox": b"x" * 5})
    listed = subprocess.run(["cpio", "-it", "--quiet"], input=archive, capture_output=True)
    assert listed.stdout.decode().split() == ["bin", "modules", "init", "bin/busybox"]


def test_modules_come_behind_those_they_need(tmp_path: Path) -> None:
    (tmp_path / "kernel").mkdir()
    for name, depends in (("virtio_blk", "virtio,virtio-ring"), ("virtio-ring", "virtio"), ("virtio", "")):
        (tmp_path / "kernel" / f"{name}.ko").write_bytes(b"\0depends=" + depends.encode() + b"\0")
    assert list(modules.needed(tmp_path, ("virtio_blk", "zsmalloc"))) == ["virtio", "virtio_ring", "virtio_blk"]
    assert modules.needed(None, ("virtio_blk",)) == {}


def test_modules_and_configuration_beside_an_image(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    (tmp_path / "usr/lib/modules/6.12.1-test/kernel").mkdir(parents=True)
    (tmp_path / "boot/config-6.12.1-test").write_text("CONFIG_ZSWAP=y\n")
    found = images.examine(bzimage(tmp_path / "boot" / "vmlinuz-6.12.1-test"))
    assert found.modules == tmp_path / "usr/lib/modules/6.12.1-test"
    assert found.config == images.sha256(tmp_path / "boot/config-6.12.1-test")


def test_shipped_records_have_their_origin() -> None:
    for release in linux.shipped():
        made = linux.load(release)
        assert made.provenance["release"].startswith(f"{release}.")
        assert made.provenance["package"]
        assert set(experiments.EXPERIMENTS) | {"sites", "folios"} == set(made.tables)
        assert len({row["repeat"] for row in made.tables["trace"]}) == 5
    with pytest.raises(BadInput, match=r"unknown record '9\.9'"):
        linux.load("9.9")


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("do_swap_page", "swap"), ("__swap_cache_del_folio", "swap"), ("swap_cgroup_record", "memcg"), ("zs_malloc.cold", "zsmalloc"),
        ("zswap_store", "zswap"), ("xas_load", "xarray"), ("list_lru_add", "lru"), ("lzo1x_decompress_safe", "data"),
        ("do_madvise", "other"),
    ],
)  # fmt: skip
def test_groups_of_functions(name: str, group: str) -> None:
    assert functions.GROUPS[functions.group_of(name)] == group
