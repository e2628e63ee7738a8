"""A private apt beside the host's: its own lists, cache and sources, made from the host's mirror by swapping the suite."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dse.errors import BadInput

ETC = Path("/etc/apt")
OS_RELEASE = Path("/etc/os-release")
SUITES = ("bookworm-backports", "trixie", "trixie-backports")
"""Suites that kernels and qemu come from."""
ALIASES = ("oldoldstable", "oldstable", "stable", "testing", "unstable", "sid")
SECTION = "main"


class Source(NamedTuple):
    """A mirror of the distribution as the host's apt has it.

    Attributes
    ----------
    address : str
        Where it is.
    options : str
        Options of a one-line source, such as ``signed-by=FILE``.
    """

    address: str
    options: str


class Package(NamedTuple):
    """A package that apt knows.

    Attributes
    ----------
    name, version, sha256 : str
        Its name, version, and the digest that the signed list of packages has.
    depends : str
        Its field Depends.
    """

    name: str
    version: str
    sha256: str
    depends: str


def _codename() -> str:
    """Code name of the host's release, empty where it says none."""
    try:
        found = re.search(r'^VERSION_CODENAME="?(\w+)', OS_RELEASE.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return ""
    return found[1] if found else ""


def _stanzas(text: str) -> Iterator[tuple[str, list[str], list[str], str]]:
    """(address, suites, components, keyring) of a file of stanzas (deb822)."""
    for stanza in re.split(r"\n\s*\n", "\n".join(line for line in text.splitlines() if not line.startswith("#"))):
        fields = {
            name.lower(): " ".join(value.split()) for name, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes") != "no":
            for address in fields.get("uris", "").split():
                key = fields.get("signed-by", "")
                yield address, fields.get("suites", "").split(), fields.get("components", "").split(), key if key.startswith("/") else ""


def _lines(text: str) -> Iterator[tuple[str, list[str], list[str], str]]:
    """(address, suites, components, keyring) of a file of lines."""
    for match in re.finditer(r"^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.*)$", text, re.MULTILINE):
        key = re.search(r"signed-by=(\S+)", match[1] or "")
        yield match[2], [match[3]], match[4].split(), key[1] if key else ""


def host_source(etc: Path = ETC) -> Source:
    """Mirror of the host's own release.

    Raises
    ------
    BadInput
        The host has no apt, or none of its sources is its own release.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise BadInput("dse linux get needs apt and dpkg (Debian); elsewhere give a kernel with dse linux record --image")
    codename = _codename()
    found = []
    for path in sorted([etc / "sources.list", *etc.glob("sources.list.d/*")]):
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += list(_stanzas(text) if path.suffix == ".sources" else _lines(text))
    for address, suites, components, key in found:
        if SECTION in components and set(suites) & {codename, *ALIASES}:
            return Source(address, f"signed-by={key}" if key else "")
    raise BadInput(f"apt has no source of {codename or 'this release'} with component {SECTION}, whose mirror could be used")


class Apt:
    """A private apt state in a folder of its own.

    Parameters
    ----------
    folder : Path
        Folder of the state.
    source : Source
        Mirror.
    suites : sequence of str
        Suites to read.
    """

    def __init__(self, folder: Path, source: Source, suites: Sequence[str] = SUITES) -> None:
        self.folder, self.troubles = folder.absolute(), ""
        for part in ("lists/partial", "cache/archives/partial"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        options = f"[arch=amd64 {source.options}]".replace(" ]", "]")
        (self.folder / "sources.list").write_text("".join(f"deb {options} {source.address} {suite} {SECTION}\n" for suite in suites))
        (self.folder / "status").touch()
        (self.folder / "preferences").touch()
        (self.folder / "apt.conf").write_text(self._configuration())

    def _configuration(self) -> str:
        """Settings that turn apt from the host's state to this one; the host's proxies and keys stay in force."""
        here = self.folder
        user = 'APT::Sandbox::User "root";\n' if os.geteuid() == 0 else ""
        return (
            f'Dir::State "{here}";\nDir::State::lists "lists";\nDir::State::status "{here}/status";\nDir::Cache "{here}/cache";\n'
            f'Dir::Etc::sourcelist "{here}/sources.list";\nDir::Etc::sourceparts "-";\nDir::Etc::preferences "{here}/preferences";\n'
            f'Dir::Etc::preferencesparts "-";\nAcquire::Languages "none";\nAPT::Architecture "amd64";\nAPT::Architectures {{ "amd64"; }};\n'
            f'APT::Install-Recommends "false";\nAPT::Update::Post-Invoke "";\n{user}'
        )

    def _run(self, *words: str, where: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program of apt with these settings."""
        environment = {**os.environ, "APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C.UTF-8"}
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, cwd=where)

    def update(self) -> None:
        """Read the lists of packages; a suite that the mirror lacks is remembered, not refused."""
        done = self._run("apt-get", "update")
        self.troubles = next((line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))), "")

    def package(self, name: str, version: str = "") -> Package | None:
        """Look a package up; None where no suite has it."""
        done = self._run("apt-cache", "show", f"{name}={version}" if version else name)
        fields = dict(re.findall(r"^(Package|Version|SHA256|Depends): (.*)$", done.stdout.split("\n\n")[0], re.MULTILINE))
        if done.returncode or "SHA256" not in fields:
            return None
        return Package(fields["Package"], fields["Version"], fields["SHA256"], fields.get("Depends", ""))

    def names(self, pattern: str) -> list[str]:
        """Names of packages that match a regular expression."""
        done = self._run("apt-cache", "pkgnames")
        return sorted(name for name in done.stdout.split() if re.fullmatch(pattern, name))

    def closure(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """(name, version) of packages and all that they need, on a system that has nothing.

        Raises
        ------
        BadInput
            They cannot be resolved.
        """
        done = self._run("apt-get", "install", "--simulate", *names)
        if done.returncode:
            raise BadInput(f"{' and '.join(names)} cannot be had: {self.why(done.stderr)}")
        return re.findall(r"^Inst (\S+) \((\S+) ", done.stdout, re.MULTILINE)

    def download(self, packages: Sequence[tuple[str, str]], target: Path) -> list[Path]:
        """Download packages into a folder; apt checks them against its signed lists.

        Raises
        ------
        BadInput
            One of them cannot be had.
        """
        target.mkdir(parents=True, exist_ok=True)
        done = self._run("apt-get", "download", *(f"{name}={version}" for name, version in packages), where=target)
        found = sorted(target.glob("*.deb"))
        if done.returncode or len(found) < len(packages):
            raise BadInput(f"apt cannot download {packages[0][0]}: {self.why(done.stderr)}")
        return found

    def why(self, errors: str = "") -> str:
        """Reason that apt gave, in one line."""
        lines = [line for line in errors.splitlines() if line.startswith("E:")]
        return (lines[0] if lines else self.troubles or "no suite has it").removeprefix("E: ")
