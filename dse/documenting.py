"""Reference pages made from the tables in the code, the README's line on recorded kernels, and the shares that comparisons show.

``python -m dse.documenting docs`` writes them all. ``readme FILE`` and ``answers FILE`` write what is made of measured runs.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path

from dse import naming, scenario
from dse.describing import catalogue
from dse.grounding import common_steps, marks
from dse.grounding import page as ground_truth
from dse.modelling import latency
from dse.predicting import page as scaling
from dse.workloads import recipes

PAGES: dict[str, Callable[[], str]] = {
    "scenario-keys.md": scenario.reference, "parameters.md": latency.reference, "traces.md": recipes.reference,
    "common-steps.md": common_steps.page,
    "ground-truth.md": ground_truth.page, "scaling.md": scaling.reference,
}  # fmt: skip


def pages() -> dict[str, Callable[[], str]]:
    """Every page by its path under ``docs``."""
    return PAGES | {f"designs/{name}.md": functools.partial(catalogue.page, name) for name in naming.registry()}


BEGIN, END = "<!-- excerpt: made by python -m dse.documenting readme FILE -->", "<!-- end of excerpt -->"


def excerpt(file: str) -> str:
    """Render the first screen of a comparison, as it stands in the README.

    Parameters
    ----------
    file : str
        What ``dse compare --format json`` printed.
    """
    from dse.reports import answer

    found = json.loads(Path(file).read_text(encoding="utf-8"))
    found["provenance"]["command"] = "dse compare"
    said = f"From `dse compare` on {found['provenance']['runs'][0]['cpu']}:"
    return "\n".join([BEGIN, said, "", "```", *answer.screen(found).lines(), "```", END])


def readme(path: str, file: str) -> None:
    """Replace the excerpt in the README."""
    text = Path(path).read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    Path(path).write_text(before + excerpt(file) + rest.split(END)[1], encoding="utf-8")


def answers(folder: str, file: str) -> None:
    """Write the page of answers, and the figures that it is made of beside it.

    Parameters
    ----------
    folder : str
        Folder of the documentation.
    file : str
        ``answers.json`` that ``dse ask --all`` wrote.
    """
    from dse.common import output
    from dse.reports.answers import FIGURES, TEXT, markdown

    found = json.loads(Path(file).read_text(encoding="utf-8"))
    (Path(folder) / TEXT).write_text(markdown(found), encoding="utf-8")
    (Path(folder) / FIGURES).write_text(output.render_json(found) + "\n", encoding="utf-8")


def words(path: Path) -> None:
    """Replace the section of docs/questions.md that lists what a measure may name."""
    from dse.asking import vocabulary

    text = path.read_text(encoding="utf-8")
    before, rest = text.split(vocabulary.BEGIN)
    path.write_text(before + vocabulary.reference() + rest.split(vocabulary.END)[1], encoding="utf-8")


def kernels(path: Path) -> None:
    """Replace the README's line on recorded kernels."""
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(ground_truth.BEGIN)
    path.write_text(before + ground_truth.line() + rest.split(ground_truth.END)[1], encoding="utf-8")


def main(folder: str) -> int:
    """Write every page into `folder`; where it is the package's own, also the README's line and the shares."""
    if Path(folder).resolve() == marks.FILE.resolve().parents[2] / "docs":
        marks.write()
        kernels(Path(folder).resolve().parent / "README.md")
        words(Path(folder).resolve() / "questions.md")
    for name, make in pages().items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(make(), encoding="utf-8")
        sys.stderr.write(f"dse: wrote {path}\n")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["readme"]:
        readme("README.md", sys.argv[2])
        sys.exit(0)
    if sys.argv[1:2] == ["answers"]:
        answers("docs", sys.argv[2])
        sys.exit(0)
    sys.exit(main(*sys.argv[1:2] or ["docs"]))
