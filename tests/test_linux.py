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

import pytest

from dse import linux, workloads
from dse.cli import BAD, main
from dse.common import machine, writing
from dse.errors import BadInput
from dse.linux import booting, experiments, initramfs, modules, recording, records, streams
from dse.linux import image as images
from tests.linuxdata import COUNTS, SAID, TRACED, bzimage, report

GUEST = initramfs.GUEST
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


def test_a_record_without_its_digests(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused where it had some, marked where it is of an earlier version; the list names what it leaves out."""
    assert host.record("--experiments", "fill") == 0
    (name,) = records.stored(host.results)
    folder, words = host.results / "linux" / name, ["--results", str(host.results)]
    sums, provenance = folder / "SHA256SUMS", folder / "provenance.json"
    told = sums.read_bytes()
    for content, says in (
        (told[:70] + b"\n", "its SHA-256 differs"),
        (told.replace(b"a", b"b"), "its SHA-256 differs"),
        (None, "no SHA256SUMS"),
    ):
        sums.unlink(missing_ok=True)
        if content is not None:
            sums.write_bytes(content)
        capsys.readouterr()
        assert main(["linux", "show", name, *words]) == BAD
        said = capsys.readouterr()
        assert says in said.err
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert main(["linux", "list", "--format", "csv", *words]) == 0
        said = capsys.readouterr()
        assert f"skipped {name}: " in said.err
        assert name not in said.out
    earlier = json.loads(provenance.read_text())
    assert earlier.pop("digests") == "SHA256SUMS"
    provenance.write_text(json.dumps(earlier))
    for verb in (["show", name], ["list"]):
        assert main(["linux", *verb, *words]) == 0
        assert f"unchecked: {folder} has no SHA256SUMS" in capsys.readouterr().err
    provenance.write_text("[]")
    assert main(["linux", "show", name, *words]) == BAD
    assert "its provenance is no object" in capsys.readouterr().err


def test_experiments_are_added_to_a_record(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert host.record("--experiments", "fill") == 0
    (first,) = records.stored(host.results)
    assert host.record("--experiments", "trace", "--traces", "zipf", "--add", first, "--release", "both") == 0
    both = linux.load(next(name for name in records.stored(host.results) if name != first), host.results)
    assert set(both.tables) == {"fill", "sites", "trace"}
    assert both.tables["fill"] == linux.load(first, host.results).tables["fill"]
    assert both.provenance["experiments"] == ["fill", "trace"]
    assert both.provenance["command"].count("dse linux record") == 2
    capsys.readouterr()
    assert host.record("--experiments", "trace", "--add", first, "--pages", "1024") == BAD
    assert f"record {first} cannot be added to: its pages is 65536, now it is 1024" in capsys.readouterr().err
    assert host.record("--experiments", "trace", "--traces", "zpif") == BAD
    assert "unknown trace 'zpif', did you mean 'zipf'?" in capsys.readouterr().err


def test_a_later_guest_may_fill_anew_and_do_no_more(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The origin says which experiments were made by another program of the guest than the rest."""
    assert host.record("--experiments", "fill,trace", "--traces", "zipf") == 0
    (first,) = records.stored(host.results)
    old = linux.load(first, host.results).provenance
    assert "guests" not in old
    monkeypatch.setattr(recording, "_digest", lambda *names: old["plugin_digest"] if names == ("plugin.c",) else "later")
    assert host.record("--experiments", "trace", "--traces", "zipf", "--add", first) == BAD
    assert f"record {first} cannot be added to: its workload_digest is {old['workload_digest']}, now it is later" in capsys.readouterr().err
    assert host.record("--experiments", "fill", "--add", first, "--release", "both") == 0
    both = linux.load(next(name for name in records.stored(host.results) if name != first), host.results)
    assert (both.provenance["workload_digest"], both.provenance["guests"]) == (old["workload_digest"], {"fill": "later"})
    assert both.tables["trace"] == linux.load(first, host.results).tables["trace"]
    monkeypatch.setattr(recording, "_digest", lambda *names: old["plugin_digest" if names == ("plugin.c",) else "workload_digest"])
    assert host.record("--experiments", "fill", "--add", both.name, "--release", "again") == 0
    again = next(name for name in records.stored(host.results) if name.endswith("again"))
    assert linux.load(again, host.results).provenance["guests"] == {}


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
    def full(contents: dict[Path, bytes]) -> None:
        for path in contents:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(writing, "write_together", full)
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing(number: int, host: Host) -> None:
    host.qemu("time.sleep(60)")
    words = ["linux", "record", "--image", str(host.image), "--results", str(host.results)]
    handled = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a worker of the tests ignores it
    code = f"{handled}; import sys; from dse.cli import main; sys.exit(main({words!r}))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while len(list(host.scratch.glob("*/*/console"))) < 2 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert host.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_a_wrapper_of_qemu_started_ends_with_it(number: int, host: Host, tmp_path: Path) -> None:
    """Only the wrapper was killed, and qemu went on."""
    started = tmp_path / "pids"
    host.qemu(f"""import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(40)"])
open({str(started)!r}, "a").write(f"{{child.pid}}\\n")
child.wait()""")
    words = ["linux", "record", "--image", str(host.image), "--results", str(host.results)]
    code = f"import sys; from dse.cli import main; sys.exit(main({words!r}))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not (started.exists() and started.read_text()) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    pids = started.read_text().split()
    assert pids
    stats = [path.read_text(encoding="utf-8") for pid in pids if (path := Path(f"/proc/{pid}/stat")).exists()]
    assert [stat for stat in stats if " Z " not in stat] == []


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_the_sources_compile_without_warnings(tmp_path: Path) -> None:
    for name, flags in (("workload.c", ["-static", "-no-pie"]), ("plugin.c", ["-shared", "-fPIC"])):
        command = ["gcc", "-Wall", "-Wextra", "-Werror", "-O2", *flags, "-o", str(tmp_path / name[:-2]), str(GUEST / name)]
        assert subprocess.run(command, capture_output=True, text=True).stderr == ""


@pytest.mark.skipif(shutil.which("cpio") is None, reason="no cpio")
def test_the_archive_is_what_cpio_reads(tmp_path: Path) -> None:
    archive = initramfs.archive({"init": b"#!/bin/sh\n", "bin/busybox": b"x" * 5})
    listed = subprocess.run(["cpio", "-it", "--quiet"], input=archive, capture_output=True)
    assert listed.stdout.decode().split() == ["bin", "modules", "traces", "init", "bin/busybox"]


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
        assert made.provenance["guests"].keys() == {"fill"}
        static = {(table, row["kind"]) for table in ("fill", "sites") for row in made.tables[table] if row["stage"] == "static"}
        assert {("fill", "asked"), ("fill", "got"), ("sites", "kmalloc")} <= static  # both histograms of kmalloc were there
        assert {*experiments.EXPERIMENTS, "sites", "folios"} - set(made.tables) <= {"writeback"}
        assert len({row["repeat"] for row in made.tables["trace"]}) == 5
        digests = {name: workloads.make(spec, streams.settings()["seed"]).digest for name, spec in streams.specs().items()}
        assert made.provenance["traces"] == digests
    with pytest.raises(BadInput, match=r"unknown record '9\.9'"):
        linux.load("9.9")
