"""Reference figures for ``make reference``: keep the figures of two commits that ``dse bench`` just stored in the repository.

``python -m dse.benching.reference BASE`` adds the result files of HEAD and BASE to git.
It drops those of other commits that were made by another version of the benchmarks,
which asv does not show.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dse.benching import gate, revisions
from dse.benching.families import COUNTED
from dse.benching.results import read_results
from dse.common import output
from dse.errors import BadInput

ARGUMENTS = 1


def tracked(root: Path, folder: Path) -> list[Path]:
    """Result files in `folder` that exist and that git tracks."""
    listed = revisions.git(root, "ls-files", "--", str(folder)).split()
    return [root / name for name in listed if (root / name).exists() and Path(name).name != "machine.json"]


def current(path: Path, newest: Path) -> bool:
    """Return True if all figures in `path` were made by benchmarks as those in `newest` were."""
    versions = {case: figure.version for case, figure in read_results(newest).items()}
    old = read_results(path)
    return bool(old) and all(versions.get(case) == figure.version for case, figure in old.items())


def keep(root: Path, commits: Sequence[str], machines: Sequence[str]) -> list[str]:
    """Stage the result files of `commits` on `machines`, drop outdated ones; return the paths that are kept in the repository.

    Raises
    ------
    BadInput
        One of the commits has no figures on one of the machines.
    """
    results = root / "results" / "asv"
    kept = []
    for machine in machines:
        for commit in commits:
            found = sorted((results / machine).glob(f"{commit[:8]}-*.json"))
            if not found:
                raise BadInput(f"{results / machine}: no figures of {commit[:8]}: run dse bench --against {commits[-1][:8]} first")
            kept += found
        kept += [path for path in tracked(root, results / machine) if path not in kept and current(path, kept[-1])]
        kept.append(results / machine / "machine.json")
    paths = [str(path.relative_to(root)) for path in kept]
    revisions.git(root, "rm", "-r", "--quiet", "--cached", "--ignore-unmatch", "results/asv")
    revisions.git(root, "add", "--force", "--", *paths)
    return paths


def main(argv: Sequence[str]) -> int:
    """Keep the figures of HEAD and of the commit named in `argv`, and older ones that are comparable."""
    try:
        if len(argv) != ARGUMENTS:
            raise BadInput("one commit is wanted, the one that dse bench compared HEAD with")
        root = revisions.root_of(Path.cwd())
        commits = [revisions.commit_of(root, revision) for revision in ("HEAD", argv[0])]
        for path in keep(root, commits, (COUNTED, gate.machine_name())):
            output.write(path)
    except BadInput as error:
        output.note(f"error: {error}")
        return 2
    output.note("staged; commit them")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
