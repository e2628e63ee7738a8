"""Fetching of kernels for ``dse linux``: a private apt, digests, packages that are gone. No network: apt is a fake."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from dse.cli import BAD, main
from dse.errors import BadInput
from dse.linux import apt, fetching
from tests.linuxdata import bzimage

STANZA = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /keys.gpg\n"


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("a.sources", STANZA, "signed-by=/keys.gpg"),
        ("a.list", "# x\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib\n", "signed-by=/k.gpg"),
        ("a.list", "deb http://other.example/x bookworm-security main\ndeb http://mirror.example/debian bookworm main\n", ""),
    ],
)
def test_the_mirror_is_the_hosts(name: str, text: str, options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / name).write_text(text)
    monkeypatch.setattr(apt, "_codename", lambda: "bookworm")
    monkeypatch.setattr(apt.shutil, "which", lambda name: name)
    assert apt.host_source(tmp_path) == apt.Source("http://mirror.example/debian", options)


def test_a_host_without_a_source_or_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "_codename", lambda: "bookworm")
    monkeypatch.setattr(apt.shutil, "which", lambda name: name)
    with pytest.raises(BadInput, match="apt has no source of bookworm"):
        apt.host_source(tmp_path)
    monkeypatch.setattr(apt.shutil, "which", lambda name: None)
    with pytest.raises(BadInput, match="needs apt and dpkg"):
        apt.host_source(tmp_path)


class FakeApt(apt.Apt):
    """An apt that has the pinned packages and one newer kernel; each package is a file of its name."""

    gone: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def update(self) -> None:
        self.troubles = ""

    def package(self, name: str, version: str = "") -> apt.Package | None:
        if name in self.gone:
            return None
        pin = next((pin for pin in fetching.pins() if pin.package == name), None)
        digest = "0" * 64 if name in self.changed or pin is None else pin.sha256
        return apt.Package(name, version or "1", digest, "")

    def names(self, pattern: str) -> list[str]:
        return []

    def closure(self, names) -> list[tuple[str, str]]:
        return [(name, "1") for name in names]

    def download(self, packages, target: Path) -> list[Path]:
        target.mkdir(parents=True)
        files = []
        for name, version in packages:
            files.append(target / f"{name}_{version}_amd64.deb")
            files[-1].write_text(name)
        return files


@pytest.fixture
def fake_apt(monkeypatch: pytest.MonkeyPatch) -> type[FakeApt]:
    """Package manager whose packages unpack into an image."""

    def unpack(command: list[str], **given: object) -> subprocess.CompletedProcess[str]:
        root = Path(command[3])
        (root / "boot").mkdir(exist_ok=True)
        bzimage(root / "boot/vmlinuz-6.12.1-test")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(apt, "host_source", lambda: apt.Source("http://mirror.example", ""))
    monkeypatch.setattr(apt, "Apt", FakeApt)
    monkeypatch.setattr(fetching.subprocess, "run", unpack)
    monkeypatch.setattr(
        fetching, "sha256", lambda path: {p.package: p.sha256 for p in fetching.pins()}.get(path.name.split("_")[0], "f" * 64)
    )
    monkeypatch.setattr(FakeApt, "gone", ())
    monkeypatch.setattr(FakeApt, "changed", ())
    return FakeApt


def test_get_fetches_once(fake_apt: type[FakeApt], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["linux", "get", "6.12", "--folder", str(tmp_path / "f"), "--format", "json"]
    assert main(words) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["release"] == "6.12"
    assert Path(row["place"]).name == "vmlinuz-6.12.1-test"
    assert fetching.about(tmp_path / "f", "6.12")["packages"]
    assert main(words) == 0
    assert "pinned" not in capsys.readouterr().err
    assert not list((tmp_path / "f").rglob(".fetching*"))


@pytest.mark.parametrize(
    ("releases", "gone", "changed", "says"),
    [
        (["six"], (), (), "'six' is no release of the kernel"),
        (["5.99"], (), (), "no kernel 5.99 in bookworm-backports, trixie, trixie-backports"),
        (["6.12"], ("linux-image-6.12.117+deb13-amd64",), (), "is gone (trixie has replaced it); dse linux get --newest 6.12"),
        (["6.12"], (), ("linux-image-6.12.117+deb13-amd64",), "has another digest than the one pinned"),
    ],
)
def test_get_refuses(
    releases: list[str], gone: tuple[str, ...], changed: tuple[str, ...], says: str, fake_apt: type[FakeApt], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    fake_apt.gone, fake_apt.changed = gone, changed
    assert main(["linux", "get", *releases, "--folder", str(tmp_path / "f")]) == BAD
    assert says in capsys.readouterr().err
    assert fetching.fetched(tmp_path / "f") == []


def test_the_newest_kernel_that_is_whole(fake_apt: type[FakeApt], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """Suites keep images whose modules are gone."""

    def package(self: FakeApt, name: str, version: str = "") -> apt.Package | None:
        kind, _, rest = name.removeprefix("linux-").partition("-")
        number = rest.partition("+")[0]
        depends = f"kmod, linux-modules-{rest} (= 1)" if kind == "image" else ""
        return None if name in self.gone else apt.Package(name, f"{number}-1", "f" * 64, depends)

    monkeypatch.setattr(FakeApt, "package", package)
    monkeypatch.setattr(FakeApt, "names", lambda self, pattern: [f"linux-image-5.9.{minor}+deb13-amd64" for minor in (2, 10, 9)])
    fake_apt.gone = ("linux-modules-5.9.10+deb13-amd64",)
    assert main(["linux", "get", "5.9", "--folder", str(tmp_path / "f")]) == 0
    assert fetching.about(tmp_path / "f", "5.9")["package"] == "linux-image-5.9.9+deb13-amd64"
    fake_apt.gone = tuple(f"linux-modules-5.9.{minor}+deb13-amd64" for minor in (2, 10, 9))
    assert main(["linux", "get", "--newest", "5.9", "--folder", str(tmp_path / "f")]) == BAD
    assert "linux-modules-5.9.10+deb13-amd64 is gone, linux-image-5.9.10+deb13-amd64 alone does not boot here" in capsys.readouterr().err
    assert fetching.about(tmp_path / "f", "5.9")["package"] == "linux-image-5.9.9+deb13-amd64"


def test_a_download_that_differs_is_not_taken(fake_apt, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(fetching, "sha256", lambda path: "e" * 64)
    assert main(["linux", "get", "6.12", "--folder", str(tmp_path / "f")]) == BAD
    assert "has another digest than apt's list" in capsys.readouterr().err
    assert fetching.fetched(tmp_path / "f") == []


def test_the_private_apt_leaves_the_hosts_alone(tmp_path: Path) -> None:
    state = apt.Apt(tmp_path / "apt", apt.Source("http://mirror.example", "signed-by=/k.gpg"))
    assert (state.folder / "sources.list").read_text().splitlines()[
        1
    ] == "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example trixie main"
    text = (state.folder / "apt.conf").read_text()
    for setting in ("Dir::State ", "Dir::State::status", "Dir::Cache ", "Dir::Etc::sourcelist", "Dir::Etc::sourceparts"):
        assert setting in text
    assert os.fspath(state.folder) in text
