"""``dse linux get``: kernels and tools from packages of the distribution, unpacked into a private folder, nothing installed."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dse.common import reading, writing
from dse.errors import BadInput
from dse.linux import apt
from dse.linux.image import sha256

PINS = Path(__file__).with_name("pins.csv")
TOOLS = ("qemu-system-x86", "busybox-static")
RELEASE = re.compile(r"\d+\.\d+(\.\d+)?")
PARTS = r"(linux-(?:base|binary|modules)-[0-9][^ ,]*)"
Say = Callable[[str], None]


class Pin(NamedTuple):
    """A package whose digest is known.

    Attributes
    ----------
    release, suite, package, version, sha256 : str
        Kernel release (``6.12``), suite, name, version, digest.
    """

    release: str
    suite: str
    package: str
    version: str
    sha256: str


def pins() -> list[Pin]:
    """Shipped table of known packages."""
    with PINS.open(encoding="utf-8", newline="") as file:
        return [Pin(**row) for row in csv.DictReader(file)]


def _newest(state: apt.Apt, release: str) -> list[apt.Package]:
    """Packages of the newest kernel of a release, of the generic flavour.

    Raises
    ------
    BadInput
        No suite has one.
    """
    names = state.names(rf"linux-image-{re.escape(release)}(\.\d+)*\+(bpo|deb\d+)[^-]*-amd64")
    found = [package for name in names if (package := state.package(name))]
    gone = ""
    for image in sorted(found, key=lambda p: [int(part) for part in re.findall(r"\d+", p.version)], reverse=True):
        parts = {name: state.package(name) for name in re.findall(PARTS, image.depends)}
        whole = [part for part in parts.values() if part]
        if len(whole) == len(parts):
            return [image, *whole]
        gone = gone or f"{next(name for name, part in parts.items() if part is None)} is gone, {image.name} alone does not boot here"
    raise BadInput(f"no kernel {release} in {', '.join(apt.SUITES)}: {gone or state.why()}")


def _pinned(state: apt.Apt, release: str, known: list[Pin]) -> list[apt.Package]:
    """Packages of a release as they are pinned.

    Raises
    ------
    BadInput
        One is gone, or its list has another digest.
    """
    packages = []
    for pin in known:
        package = state.package(pin.package, pin.version)
        if package is None:
            why = state.why() if state.troubles else f"{pin.suite} has replaced it"
            raise BadInput(f"{pin.package} {pin.version} is gone ({why}); dse linux get --newest {release} takes what there is now")
        if package.sha256 != pin.sha256:
            raise BadInput(f"{pin.package} {pin.version} has another digest than the one pinned: it is not taken")
        packages.append(package)
    return packages


def _fetch(state: apt.Apt, packages: Sequence[tuple[str, str]], target: Path, known: dict[str, str], about: dict[str, Any]) -> None:
    """Download, check and unpack packages into `target`, by one rename.

    Raises
    ------
    BadInput
        A digest differs, or the disk is full.
    """
    hidden = target.with_name(f".fetching-{target.name}")
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        files = state.download(packages, hidden / "packages")
        digests = {file.name: sha256(file) for file in files}
        for name, digest in digests.items():
            wanted = known.get(name.partition("_")[0])
            if wanted and wanted != digest:
                raise BadInput(f"{name} has another digest than apt's list: it is not taken")
        for file in files:
            done = subprocess.run(["dpkg-deb", "-x", str(file), str(hidden)], capture_output=True, text=True, check=False)
            if done.returncode:
                lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
                raise BadInput(f"{file.name} cannot be unpacked: {lines[-1]}")
        shutil.rmtree(hidden / "packages")
        record = {**about, "packages": digests, "fetched": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        (hidden / "fetched.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        if target.exists():
            shutil.rmtree(target)
        hidden.rename(target)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _kernel(state: apt.Apt, release: str, folder: Path, newest: bool, say: Say) -> None:
    """Fetch one kernel."""
    known = [pin for pin in pins() if pin.release == release]
    packages = _pinned(state, release, known) if known and not newest else _newest(state, release)
    image = packages[0]
    say(f"{release}: {image.name} {image.version}{' (pinned)' if known and not newest else ''}")
    about = {"release": release, "package": image.name, "version": image.version, "sha256": {p.name: p.sha256 for p in packages}}
    _fetch(state, [(p.name, p.version) for p in packages], folder / "kernels" / release, {p.name: p.sha256 for p in packages}, about)


def get(releases: Sequence[str], folder: Path, *, newest: bool = False, say: Say = lambda _: None) -> list[dict[str, Any]]:
    """Fetch kernels, and qemu and busybox where they are not fetched yet.

    Parameters
    ----------
    releases : sequence of str
        Such as ``6.12``.
    folder : Path
        Folder of fetched packages.
    newest : bool
        Take the newest of a release, not the pinned one.
    say : callable
        Called with a line on what is being fetched.

    Returns
    -------
    list of dict
        What the folder holds, as :func:`fetched` lists it.

    Raises
    ------
    BadInput
        There is no apt, no suite, no such kernel, or no room. What was fetched before stays.
    """
    strange = next((release for release in releases if not RELEASE.fullmatch(release)), None)
    if strange is not None:
        raise BadInput(f"{strange!r} is no release of the kernel (such as 6.12)")
    source = apt.host_source()
    with writing.stored_under(folder):
        missing = [release for release in releases if newest or not (folder / "kernels" / release / "fetched.json").exists()]
        tools = not (folder / "tools" / "fetched.json").exists()
        if missing or tools:
            state = apt.Apt(folder / "apt", source)
            say("reading lists of packages")
            state.update()
            (folder / "kernels").mkdir(exist_ok=True)
            if tools:
                say("qemu and busybox")
                _fetch(state, state.closure(TOOLS), folder / "tools", {}, {"release": "", "package": TOOLS[0], "version": ""})
            for release in missing:
                _kernel(state, release, folder, newest, say)
    return fetched(folder)


def image_of(folder: Path, release: str) -> Path | None:
    """Image of a fetched kernel; None where there is none."""
    root = folder / "kernels" / release
    return next((p for pattern in ("boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz") for p in sorted(root.glob(pattern))), None)


def about(folder: Path, release: str) -> dict[str, Any]:
    """Origin of a fetched kernel, empty where it was not fetched."""
    try:
        found = reading.kept_json(folder / "kernels" / release / "fetched.json")
    except (OSError, ValueError):
        return {}
    whole = isinstance(found, dict) and all(isinstance(found.get(key), str) for key in ("package", "version"))
    return found if whole and isinstance(found.get("packages", {}), dict) else {}


def fetched(folder: Path) -> list[dict[str, Any]]:
    """Kernels that were fetched: release, package, version, image."""
    rows = []
    for path in sorted((folder / "kernels").glob("[0-9]*")):
        origin, image = about(folder, path.name), image_of(folder, path.name)
        if origin and image:
            rows.append(
                {"kind": "kernel", "release": path.name, "name": origin["package"], "version": origin["version"], "place": str(image)}
            )
    return rows
