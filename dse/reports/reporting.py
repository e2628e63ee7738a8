"""``dse.report``: a run or a study as HTML, text, SVG, PNG, or as a bundle that can be checked elsewhere."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import textwrap
from pathlib import Path

from dse import output, storing
from dse.errors import BadInput
from dse.reports import charts
from dse.reports.page import ROOT, SHARED, Report, render
from dse.sweeps import studies
from dse.sweeps.caching import write_atomically

FORMATS = ("html", "text", "svg", "png")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TEXT_ROWS, TEXT_WIDTH = 12, 76
PATIENCE = 60


def make(name: str, results: str | Path) -> Report:
    """Make the report of a study or a run, whichever has the name.

    Raises
    ------
    BadInput
        Neither has it, or both.
    """
    from dse.reports import running, studying

    found = []
    for kind, find in (("study", studies.find), ("run", storing.find_run)):
        try:
            found.append((kind, find(results, name)))
        except BadInput as error:
            if "fits" in str(error):
                raise
    if not found:
        raise BadInput(f"no run or study {name!r} under {results}")
    if len(found) == 2:
        if name != "last":
            raise BadInput(f"{name!r} fits a study ({found[0][1]}) and a run ({found[1][1]})")
        times = [studies.folder(results, found[0][1]).stat().st_mtime, (Path(results) / "runs" / found[1][1]).stat().st_mtime]
        found = [found[times.index(max(times))]]
    kind, full = found[0]
    return studying.report(results, full) if kind == "study" else running.report(results, full)


def text(report: Report) -> str:
    """A summary fit for a mailing list: plain text, no line longer than 76 characters but in tables and the command."""
    out = [report.title, "=" * min(len(report.title), TEXT_WIDTH), ""]
    for said in report.answer:
        out += textwrap.wrap(said, TEXT_WIDTH, break_on_hyphens=False, break_long_words=False)
    for part in report.sections:
        rows = list(part.rows)
        if not rows:
            continue
        kind = f" ({part.kind})" if part.kind else ""
        out += ["", f"{part.title}{kind}", "-" * min(len(part.title) + len(kind), TEXT_WIDTH)]
        out.append(output.render_table(rows[:TEXT_ROWS], part.columns))
        if len(rows) > TEXT_ROWS:
            out.append(f"... and {len(rows) - TEXT_ROWS} more")
    out += ["", "Provenance", "----------"]
    out += [f"{k}: {v}" for k, v in report.provenance if k not in ("packages",) and v != "None"]
    return "\n".join(out) + "\n"


def svg(report: Report) -> str:
    """All charts of a report one below the other, as one SVG file."""
    y, parts, width = 46, [], charts.WIDTH
    for part in report.sections:
        if not part.chart:
            continue
        opening = part.chart[: part.chart.index(">")]
        w, h = (int(v) for v in opening.partition('viewBox="0 0 ')[2].partition('"')[0].split())
        kind = f" ({part.kind})" if part.kind else ""
        parts.append(f'<text class="h" x="12" y="{y}">{charts.escape(part.title + kind)}</text>')
        names = [line.partition("</svg>")[2].partition("</li>")[0] for line in part.legend.split("<li>")[1:]]
        x = 12.0
        y += 20
        for i, name in enumerate(names):
            step = 30 + 7.2 * len(name)
            if x + step > width:
                x, y = 12.0, y + 18
            parts.append(f'<g class="{charts.style_of(i)}">{charts.marker(charts.shape_of(i), x + 6, y - 4)}</g>')
            parts.append(f'<text class="t" x="{x + 16:.0f}" y="{y}">{name}</text>')
            x += step
        y += 8
        parts.append(part.chart.replace("<svg", f'<svg x="0" y="{y}" width="{w}" height="{h}"', 1))
        width = max(width, w)
        y += h + 34
    title = f'<text class="h" x="12" y="22">{charts.escape(report.title)}</text>'
    style = f"{ROOT}{SHARED}.h{{font:600 15px system-ui,sans-serif;fill:var(--fg)}}text{{font:12px system-ui,sans-serif;fill:var(--fg)}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" height="{y}"><style>{style}</style>'
        f'<rect width="{width}" height="{y}" style="fill:var(--bg)"/>{title}{"".join(parts)}</svg>\n'
    )


def png(report: Report) -> bytes:
    """The charts as an image, drawn by a headless browser.

    Raises
    ------
    BadInput
        None is installed, or it failed.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise BadInput("--format png needs chromium (Debian package chromium); --format svg does not")
    with tempfile.TemporaryDirectory() as folder:
        drawing, image = Path(folder) / "report.svg", Path(folder) / "report.png"
        content = svg(report)
        drawing.write_text(content, encoding="utf-8")
        width, height = (int(content.partition(f'" {side}="')[2].partition('"')[0]) for side in ("width", "height"))
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/profile",
            f"--screenshot={image}", f"--window-size={width},{height}", drawing.as_uri(),
        ]  # fmt: skip
        try:
            subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
            return image.read_bytes()
        except (OSError, subprocess.TimeoutExpired):
            raise BadInput(f"{browser} did not draw the report; --format svg needs no browser") from None


def report(name: str = "last", *, results: str | Path = "results", form: str = "html", path: str | Path | None = None) -> str:
    """Write the report of a run or a study.

    Parameters
    ----------
    name : str
        A run or a study: its name, a part of it, or ``last``.
    results : path
        Folder of stored results.
    form : {"html", "text", "svg", "png"}
        What to write.
    path : path, optional
        Where, default ``<results>/reports/<name>.<form>``; ``-`` returns the text and writes nothing.

    Returns
    -------
    str
        Where it was written; the text itself where `path` is ``-``.

    Raises
    ------
    BadInput
        No such run or study, a damaged file, a folder that cannot be written.
    """
    made = make(name, results)
    if form not in FORMATS:
        raise BadInput(f"form is one of {', '.join(FORMATS)}, got {form!r}")
    content = png(made) if form == "png" else {"html": render, "text": text, "svg": svg}[form](made).encode()
    if str(path) == "-":
        if form == "png":
            raise BadInput("an image is not for stdout: give --output FILE")
        return content.decode()
    stem = made.title.split(":")[0].split(" ")[1]
    target = Path(path) if path is not None else Path(results) / "reports" / f"{stem}.{'txt' if form == 'text' else form}"
    write_atomically(target, content)
    return str(target)
