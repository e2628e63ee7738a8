"""Run asv in a process of its own: ``python -m dse.benching.launch REQUEST ANSWER``, both JSON files.

asv prints on stdout, changes the working directory and raises exceptions that do not
derive from Exception. None of that reaches the caller.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dse.benching.families import COUNTED
from dse.common import sessions
from dse.errors import CheckFailed
from dse.naming import processes

DONE, NO_ENVIRONMENT, NOT_BUILT, FAILED = "done", "no environment", "not built", "failed"
ARGUMENTS = 3
ANY = "any"
DESIGNS = "SWAPDSE_BENCH_DESIGNS"
LOG_BYTES = 1 << 22
KEPT = 8


@dataclass(frozen=True)
class Request:
    """A request to asv.

    Attributes
    ----------
    root : str
        Clone of the repository, with asv.conf.json.
    commits : list of str
        Full hashes; the benchmarks are discovered on the first that has any.
    patterns : list of str
        Patterns of the benchmarks.
    home : str
        Folder of environments and caches.
    results : str
        Folder of asv's results.
    machine : str
        Name under which they are stored.
    python : str
        Version of the environment's Python.
    interleave, quick, skip : bool
        Alternate between the commits; run everything once; leave out stored figures.
    attributes : dict of str to str
        Attributes of benchmarks that are overridden.
    launch : str
        Method by which asv starts benchmarks, spawn or forkserver.
    """

    root: str
    commits: list[str]
    patterns: list[str]
    home: str
    results: str
    machine: str
    python: str
    interleave: bool = False
    quick: bool = False
    skip: bool = False
    attributes: dict[str, str] = field(default_factory=dict)
    launch: str = "forkserver"


@dataclass(frozen=True)
class Answer:
    """Outcome: done (figures, failures included, are in the results), no environment, not built, or failed."""

    outcome: str
    message: str = ""


def log_of(request: Request) -> Path:
    """Path of the file that collects asv's own output."""
    return Path(request.home) / "asv.log"


def prune(caches: Path) -> None:
    """Remove the compiled kernels of all but the last few contents of the sources."""
    folders = sorted((path for path in caches.glob("*") if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in folders[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)


def launch(request: Request, timeout: float) -> Answer:
    """Run asv for `request`; its output goes to a log. Whatever ends the wait ends all that asv started.

    Raises
    ------
    CheckFailed
        asv did not end in time, or ended without an answer.
    """
    with tempfile.TemporaryDirectory(prefix="swapdse-bench-") as folder:
        asked, given = Path(folder) / "request.json", Path(folder) / "answer.json"
        asked.write_text(json.dumps(asdict(request)), encoding="utf-8")
        command = processes.command("dse.benching.launch", str(asked), str(given))
        cache = str(Path(request.home) / "numba")
        environ = processes.environ(SWAPDSE_BENCH_CACHE=cache, TMPDIR=folder)  # an asv that is ended leaves files
        if request.quick:
            environ["SWAPDSE_BENCH_QUICK"] = "1"
        log = log_of(request)
        log.parent.mkdir(parents=True, exist_ok=True)
        prune(Path(request.home) / "numba")
        try:
            with log.open("ab" if log.exists() and log.stat().st_size < LOG_BYTES else "wb") as sink:
                status = sessions.run(command, timeout, env=environ, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        except subprocess.TimeoutExpired:
            raise CheckFailed(f"asv was stopped after {timeout:.0f} s, see {log}") from None
        if not given.exists():
            raise CheckFailed(f"asv ended with status {status} and no answer, see {log}")
        return Answer(**json.loads(given.read_text(encoding="utf-8")))


def configured(request: Request) -> Any:
    """Asv's configuration of the repository, with the folders and the Python of the request."""
    from asv.config import Config

    conf = Config.load("asv.conf.json")
    conf.env_dir, conf.results_dir = str(Path(request.home) / "env"), request.results
    conf.pythons = [request.python]
    return conf


def machine_file(request: Request) -> str:
    """File that describes the machine to asv: its name is ours, not a host name that changes with every virtual machine.

    Exact figures name no machine, so that their files are the same everywhere.
    """
    from asv.machine import Machine

    found = Machine.get_defaults()
    defaults = dict.fromkeys(found, ANY) if request.machine == COUNTED else found
    path = Path(request.home) / "machine.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": 1, request.machine: {**defaults, "machine": request.machine}}), encoding="utf-8")
    return str(path)


def perform(request: Request) -> Answer:
    """Set up the environment, run the benchmarks, and make sure that both commits could be built."""
    from asv import environment, util
    from asv.commands.run import Run
    from asv.commands.setup import Setup
    from asv.console import log

    os.chdir(request.root)
    importlib.import_module("asv.plugin_manager")  # registers the kinds of environments
    log.enable()
    conf = configured(request)
    try:
        environments = list(environment.get_environments(conf, None))
        Setup.perform_setup(environments, parallel=1)
    except (environment.EnvironmentUnavailable, util.ProcessError, util.UserError, OSError) as error:
        return Answer(NO_ENVIRONMENT, str(error))
    if not environments:
        return Answer(NO_ENVIRONMENT, f"asv finds no environment for Python {request.python}")
    try:
        os.environ.setdefault(DESIGNS, designs_of(request, conf, environments[0]))
        Run.run(
            conf, range_spec=list(request.commits), bench=list(request.patterns), attribute=dict(request.attributes),
            show_stderr=True, quick=request.quick, machine=request.machine, _machine_file=machine_file(request),
            skip_successful=request.skip, record_samples=True, pull=False, interleave_rounds=request.interleave,
            launch_method=request.launch,
        )  # fmt: skip
        return _built(request, conf, environments)
    except (util.ProcessError, util.UserError) as error:
        return _built(request, conf, environments, str(error))


def designs_of(request: Request, conf: Any, env: Any) -> str:
    """Designs of the first commit, for :data:`DESIGNS`: the others number them alike. Nothing if it cannot be built."""
    from asv import repo, util

    try:
        env.install_project(conf, repo.get_repo(conf), request.commits[0])
        return str(env.run(["-c", "from dse import naming; print(','.join(naming.registry()))"])).strip()
    except (util.ProcessError, util.UserError):
        return ""


def _built(request: Request, conf: Any, environments: list[Any], message: str = "") -> Answer:
    """Tell a commit that cannot be built from one whose benchmarks fail."""
    from asv import repo, util

    from dse.benching.results import stored

    for commit in request.commits:
        figures = stored(Path(request.results), request.machine, commit)
        if any(not figure.failed for figure in figures.values()):
            continue
        for env in environments:
            try:
                env.install_project(conf, repo.get_repo(conf), commit)
            except (util.ProcessError, util.UserError) as error:
                return Answer(NOT_BUILT, f"{commit[:8]} cannot be built: {str(error).splitlines()[0]}")
    return Answer(FAILED, message) if message else Answer(DONE)


if __name__ == "__main__":
    if len(sys.argv) != ARGUMENTS:
        sys.exit("usage: python -m dse.benching.launch REQUEST ANSWER")
    answer = perform(Request(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
    Path(sys.argv[2]).write_text(json.dumps(asdict(answer)), encoding="utf-8")
