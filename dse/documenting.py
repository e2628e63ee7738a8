"""Reference pages made from the tables in the code: ``python -m dse.documenting docs``."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path

from dse import naming, scenario
from dse.describing import catalogue, common_steps
from dse.modelling import latency
from dse.workloads import recipes

PAGES: dict[str, Callable[[], str]] = {
    "scenario-keys.md": scenario.reference, "parameters.md": latency.reference, "traces.md": recipes.reference,
    "common-steps.md": common_steps.page,
}  # fmt: skip


def pages() -> dict[str, Callable[[], str]]:
    """Every page by its path under ``docs``."""
    return PAGES | {f"designs/{name}.md": functools.partial(catalogue.page, name) for name in naming.registry()}


BEGIN, END = "<!-- excerpt: made by python -m dse.documenting readme RESULTS RUN -->", "<!-- end of excerpt -->"


def excerpt(results: str, name: str) -> str:
    """Render the aged operations, allocations and pages of a stored comparison, as they stand in the README."""
    from dse import storing
    from dse.common import output
    from dse.reports import tabling

    run = storing.load_run(results, name)
    designs = naming.split(run.provenance["designs"])
    table = [row for row in tabling.operations(run.ops, designs, "aged") if row["operation"] in ("swap_out", "swap_in", "move")]
    facts = run.provenance
    noise = f"A/A {facts['aa_lo']:.2f}..{facts['aa_hi']:.2f}"
    said = f"{facts['scenario']}, {facts['trace']}, on {facts['cpu']}, counters {facts['counters_hash'][:16]}, {noise}"
    tables = (table, tabling.allocated(run.ops, designs, "aged"), tabling.pages(run.ops, designs))
    parts = ["\n\n".join(output.render_table(each) for each in tables)]
    return "\n".join([BEGIN, f"From `{facts['command']}` ({said}):", "", "```", *parts, "```", END])


def readme(path: str, results: str, name: str) -> None:
    """Replace the excerpt in the README."""
    text = Path(path).read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    Path(path).write_text(before + excerpt(results, name) + rest.split(END)[1], encoding="utf-8")


def main(folder: str) -> int:
    """Write every page into `folder`."""
    for name, make in pages().items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(make(), encoding="utf-8")
        sys.stderr.write(f"dse: wrote {path}\n")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["readme"]:
        readme("README.md", *sys.argv[2:4])
        sys.exit(0)
    sys.exit(main(*sys.argv[1:2] or ["docs"]))
