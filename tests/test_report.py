"""Reports: a page that needs no network, pictures, text for mails, bundles that rerun checks elsewhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import dse
from dse import cli, storing
from dse.errors import BadInput
from dse.reports import bundles, drawing, model, page, pictures, reporting, runs, studies, textual
from tests import reportdata

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium (Debian package chromium, .ci/setup installs it)")
VOID = {"meta", "link", "br", "input"}
SVG = {"path", "line"}


class Checked(HTMLParser):
    """Elements that are opened and closed in order, and the addresses that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.names: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        self.links += [str(v) for k, v in attrs if k in ("href", "src", "action", "data", "poster", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def checked(text: str) -> Checked:
    parser = Checked()
    parser.feed(text)
    parser.close()
    assert not parser.wrong
    assert not parser.open
    return parser


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    reportdata.store_run(folder)
    reportdata.store_study(folder)
    return folder


@pytest.fixture(params=["made-up", "2"])
def html(request: pytest.FixtureRequest, results: Path) -> str:
    return Path(dse.report(request.param, results=results)).read_text()


def run_name(results: Path) -> str:
    return storing.run_names(results)[-1]


def test_the_page_is_whole_and_fetches_nothing(html: str) -> None:
    seen = checked(html)
    assert all(link.startswith(("#", "data:")) for link in seen.links)
    assert {link[1:] for link in seen.links if link.startswith("#")} <= set(seen.ids)
    assert len(seen.ids) == len(set(seen.ids))
    assert "default-src 'none'" in html
    assert not re.findall(r"(?:https?:)?//(?!www\.w3\.org/2000/svg)\w", re.sub(r"<dd>.*?</dd>", "", html))
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


def test_the_check_of_the_page_can_fail() -> None:
    with pytest.raises(AssertionError):
        checked("<p><b></p>")


def test_what_is_stored_cannot_become_markup(results: Path) -> None:
    provenance = [{"space": "<img src=x onerror=alert(1)>", "winner": "lifetime"}]
    name = reportdata.store_study(results, "evil</script><script>alert(1)", provenance=provenance)
    try:
        text = page.render(reporting.load("study", name, results))
        assert "<img" not in text
        assert "<script>alert" not in text
        checked(text)
    finally:
        shutil.rmtree(results / "studies" / name, ignore_errors=True)
        shutil.rmtree(results / "studies" / "evil<", ignore_errors=True)


def test_labels_in_embedded_data_cannot_end_the_script() -> None:
    point = {"name": "x", "group": 0, "values": [1.0, 2.0], "front": True, "label": "</script><b>"}
    cloud = model.Cloud("t", "counted", ["a", "b"], [point])
    text = page.part(cloud)
    assert "</script><b>" not in text
    found = re.search(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    assert found
    assert json.loads(found[1])["points"][0]["label"] == "</script><b>"


def test_every_figure_says_its_kind(html: str) -> None:
    titles = re.findall(r"<h3>(.*?)</h3>", html)
    assert len(titles) >= 5
    assert all(re.search(r'class="kind (counted|measured|modelled)"', title) for title in titles)


def test_alone_nobody_wins() -> None:
    rows = [{"design": "direct", "layer": False, "margin": 0.1}, {"design": "swap_id", "layer": True, "margin": None}]
    tables = {"trials": [], "winners": rows}
    study = studies.Study.__new__(studies.Study)
    study.tables, study.winner = tables, "lifetime"
    assert studies.winning(study) == (
        "By lifetime, the cheapest in 1 environment: direct in 1. A layer of indirection wins in 0 of 1 "
        "(1 more with one design each are left out)."
    )
    tables["winners"] = rows[1:]
    assert studies.winning(study) == "In none of 1 environment was more than one design evaluated, so that none wins."


def test_the_answer_of_a_study(results: Path) -> None:
    said = " ".join(reporting.load("study", "made-up-s1", results).answer)
    assert "18 configurations of 3 designs; 6 are on the Pareto front" in said
    assert "direct in 5, swap_id in 1. A layer of indirection wins in 1 of 6" in said
    assert "pays from 0.5 moves per swapped lifetime on in 1, never pays in 1" in said
    assert "least regret is swap_id: 5.0% above the best of each environment on average, 15.0% at worst (moves.rate 0)" in said


def test_the_answer_of_a_run(results: Path) -> None:
    said = " ".join(reporting.load("run", run_name(results), results).answer)
    assert "swap_id: +2.0 lines a lifetime against direct; a swap-in takes 1.50 [1.15, 1.65] times as long (slower)" in said
    assert "A/A" in said


def test_the_winners_map_shows_each_environment(results: Path) -> None:
    document = reporting.load("study", "made-up-s1", results)
    (found,) = [part for section in document.sections for part in section.parts if isinstance(part, model.Map)]
    assert found.columns == ["0", "0.5", "1"]
    assert [name for name, _ in found.rows] == ["backend.mix ssd=0.5,zswap=0.5", "backend.mix zswap=1"]
    texts = [[cell.text for cell in cells if cell] for _, cells in found.rows]
    assert texts == [["direct", "direct", "swap_id"], ["direct"] * 3]
    assert found.rows[0][1][1].detail == "even with swap_id"  # type: ignore[union-attr]


def test_figures_of_another_host_are_apart(results: Path) -> None:
    rows = [
        {"design": "swap_id", "op": "swap_in", "unit": "x", "value": v, "lo": v, "hi": v, "status": "ok", "host": host, "environment": {}}
        for host, v in (("a", 1.0), ("b", 2.0), ("c", None))
    ]  # fmt: skip
    name = reportdata.store_study(results, "two-hosts", confirmed=rows)
    parts = [p for s in reporting.load("study", name, results).sections for p in s.parts if p.title.startswith("Timed")]
    shutil.rmtree(results / "studies" / name)
    assert [p.title for p in parts] == ["Timed on a", "Timed on b", "Timed without a figure"]


def test_a_study_of_failures_only(results: Path) -> None:
    trials = [{"number": 0, "design": "direct", "environment": {}, "params": {}, "status": "lost token", "feasible": False, "front": False,
               "objective": "lifetime", "kind": "counted", "unit": "u", "value": None, "key": "k"}]  # fmt: skip
    empty: dict[str, list[object]] = {table: [] for table in ("winners", "breakeven", "sensitivity", "regret", "confirmed")}
    name = reportdata.store_study(results, "failures", trials=trials, **empty)
    document = reporting.load("study", name, results)
    shutil.rmtree(results / "studies" / name)
    assert "1 of them infeasible or failed" in document.answer[0]
    checked(page.render(document))
    assert textual.render(document)


def test_counted_only_run(tmp_path: Path) -> None:
    name = reportdata.store_run(tmp_path, timed=False)
    document = reporting.load("run", name, tmp_path)
    assert document.provenance["A/A noise of the session"] == "nothing was timed"
    assert not any(part.kind == "measured" for section in document.sections for part in section.parts)
    checked(page.render(document))


def test_a_design_that_is_gone_is_left_out_of_the_curves() -> None:
    found = runs.fill_curves(["gone", "direct"], {"zswap": 1.0})
    assert found
    assert [s.name for s in found.series] == ["direct"]
    assert runs.fill_curves(["gone"], {"zswap": 1.0}) is None


def test_fill_curves_are_the_ledger() -> None:
    found = runs.fill_curves(["direct"], {"ssd": 1.0})
    assert found
    book = dse.ledger("direct", runs.SLOTS, 1.0, "ssd")
    assert found.series[0].ys[-1] * runs.MIB == book["allocated_bytes"]


@pytest.mark.parametrize("name", ["made-up", "last"])
def test_text_fits_into_a_mail(results: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", name, "--format", "text", "--results", str(results)]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= textual.WIDTH
    assert "counted" in out


def test_wide_tables_lose_columns_at_the_right() -> None:
    rows = [{"design": "x" * 40, "a": 1, "b": "y" * 50}]
    assert textual.fitted(rows).splitlines()[0].split() == ["design", "a"]


@pytest.mark.parametrize(("form", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_pictures(results: Path, form: str, magic: bytes, tmp_path: Path) -> None:
    paths = [Path(dse.report("made-up", form, tmp_path / f"{i}.{form}", results=results)) for i in range(2)]
    assert paths[0].read_bytes().startswith(magic)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(("form", "code"), [("svg", 0), ("html", 0), ("png", cli.BAD)])
def test_to_stdout(results: Path, form: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", "made-up", "--format", form, "--output", "-", "--results", str(results)]) == code
    captured = capsys.readouterr()
    assert captured.out.rstrip().endswith({"svg": "</svg>", "html": "</html>", "png": ""}[form])


def test_one_figure(results: Path) -> None:
    document = reporting.load("study", "made-up-s1", results)
    assert [part.title for part in pictures.chosen(document, "pareto")] == ["Configurations and the Pareto front"]
    assert len(pictures.chosen(document, None)) == pictures.MOST
    with pytest.raises(BadInput, match="unknown figure 'paretto'"):
        pictures.chosen(document, "paretto")


def test_drawings_are_well_formed_and_inside(results: Path) -> None:
    document = reporting.load("study", "made-up-s1", results)
    drawn = {model.Plot: drawing.plot, model.Cloud: drawing.cloud, model.Ranges: drawing.ranges}
    seen = set()
    for section in document.sections:
        for part in section.parts:
            if type(part) in drawn:
                seen.add(type(part))
                root = ET.fromstring(drawn[type(part)](part))  # type: ignore[operator]
                _, _, width, height = map(float, root.attrib["viewBox"].split())
                for mark in root.iter("path"):
                    if "transform" in mark.attrib:
                        x, y = map(float, re.findall(r"translate\(([-\d.]+) ([-\d.]+)\)", mark.attrib["transform"])[0])
                        assert 0 <= x <= width
                        assert 0 <= y <= height
    assert seen == set(drawn)


def test_groups_are_told_apart_without_colour() -> None:
    looks = [(drawing.shape(g), drawing.colour(g)) for g in range(drawing.COLOURS * drawing.SHAPES)]
    assert len(set(looks)) == len(looks)
    assert len({drawing.shape(g) for g in range(drawing.SHAPES)}) == drawing.SHAPES


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_pictures_have_the_colours_of_the_page() -> None:
    light = (page.HERE / "page.css").read_text().partition("@media")[0]
    assert tuple(c.upper() for c in re.findall(r"--c\d: (#\w{6})", light)) == pictures.PALETTE


def test_text_and_marks_have_contrast_in_light_and_dark() -> None:
    css = (page.HERE / "page.css").read_text()
    for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL):
        colours = dict(re.findall(r"--(\w+): (#\w{6})", block))
        marks = {f"c{i}": 3.0 for i in range(drawing.COLOURS)}
        for name, least in {"ink": 4.5, "soft": 4.5, "focus": 4.5, **marks}.items():  # WCAG 2 AA: text, and other parts
            low, high = sorted((luminance(colours[name]), luminance(colours["paper"])))
            assert (high + 0.05) / (low + 0.05) >= least, name


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.3, 9.2), (-5.0, 5.0), (1e-9, 2e-9), (7.0, 7.0), (1e6, 1e9)])
def test_ticks_enclose(low: float, high: float) -> None:
    found = model.ticks(low, high)
    assert found[0] <= low + 1e-12
    assert found[-1] >= high - 1e-12
    assert 2 <= len(found) <= 8
    assert np.allclose(np.diff(found), found[1] - found[0], rtol=1e-6)


def test_last_is_what_was_stored_last(tmp_path: Path) -> None:
    run = reportdata.store_run(tmp_path)
    assert reporting.resolve("last", tmp_path) == ("run", run)
    study = reportdata.store_study(tmp_path)
    later = (tmp_path / "runs" / run).stat().st_mtime_ns + 10**9
    __import__("os").utime(tmp_path / "studies" / study, ns=(later, later))
    assert reporting.resolve("last", tmp_path) == ("study", study)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["made-upp"], "unknown run or study 'made-upp'"),
        (["made-up", "--format", "htm"], "did you mean 'html'"),
        (["", "--format", "text"], "unknown run or study ''"),
        (["made-up", "--output", "."], "is a folder"),
    ],
)
def test_bad_input_is_one_line(results: Path, argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", *argv, "--results", str(results)]) == cli.BAD
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out


def test_nothing_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", "--results", str(tmp_path / "none")]) == cli.BAD
    assert "no runs or studies stored" in capsys.readouterr().err


def test_a_damaged_study_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = reportdata.store_study(tmp_path)
    path = tmp_path / "studies" / name / "winners.parquet"
    path.write_bytes(path.read_bytes()[:100])
    assert cli.main(["report", name, "--results", str(tmp_path)]) == cli.BAD
    assert "winners.parquet: not a readable Parquet file" in capsys.readouterr().err


def test_axes_without_a_rate() -> None:
    assert studies._columns([{"a": 1}, {"a": 2, "b": 1}]) == "a"
    assert studies._columns([]) == ""
    assert studies.parsed("[1]") == studies.parsed("{") == studies.parsed(None) == {}
    assert studies.parsed_list("{}") == studies.parsed_list("[") == []


# ---- bundles


@pytest.mark.parametrize("kind", ["run", "study"])
def test_bundles_are_alike_and_whole(results: Path, kind: str, tmp_path: Path) -> None:
    name = run_name(results) if kind == "run" else "made-up-s1"
    first = Path(dse.report(name, path=tmp_path / "a.zip", bundle=True, results=results))
    second = Path(dse.report(name, path=tmp_path / "b.zip", bundle=True, results=results))
    assert first.read_bytes() == second.read_bytes()
    about = bundles.unpack(first, tmp_path / "out")
    assert about["name"] == name
    assert {"command", "counters_hash"} <= about.keys()
    assert reporting.resolve("last", tmp_path / "out") == (kind, name)


def test_a_bundle_of_a_run_says_yes_and_no(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = dse.report(run_name(results), path=tmp_path / "a.zip", bundle=True, results=results)
    kept = storing.counters_hash(storing.load_run(results, "last").ops)

    def again(name: str, where: Path) -> dict[str, object]:
        stored = storing.counters_hash(storing.load_run(where, name).ops)
        return {"run": name, "equal": outcome == stored, "stored": stored, "again": outcome, "same_code": True}

    monkeypatch.setattr("dse.measuring.comparing.rerun", again)
    for result, code, said in ((kept, 0, "yes"), ("other", 1, "no")):
        outcome = result
        assert cli.main(["rerun", path]) == code
        assert capsys.readouterr().out.strip() == said


def changed(path: Path, edit: dict[str, object], drop: str = "") -> Path:
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist() if name != drop}
    if bundles.ABOUT in members:
        members[bundles.ABOUT] = json.dumps(json.loads(members[bundles.ABOUT]) | edit).encode()
    out = path.with_name("changed.zip")
    out.write_bytes(bundles._zip(members))
    return out


@pytest.mark.parametrize(
    ("edit", "drop", "said"),
    [
        ({"name": "../../evil"}, "", "is no name"),
        ({"counters_hash": 3}, "", "bundle.json is damaged"),
        ({"kind": "study"}, "", "bundle.json is damaged"),
        ({"kind": "study", "settings": {"space": {}}}, "", "bundle.json is damaged"),
        ({"version": 99}, "", "bundle version 99"),
        ({"kind": "virus"}, "", "does not say run or study"),
        ({}, bundles.ABOUT, "not a bundle"),
    ],
)
def test_foreign_bundles(results: Path, tmp_path: Path, edit: dict[str, object], drop: str, said: str) -> None:
    path = Path(dse.report(run_name(results), path=tmp_path / "a.zip", bundle=True, results=results))
    with pytest.raises(BadInput, match=said):
        bundles.unpack(changed(path, edit, drop), tmp_path / "x")


@pytest.mark.parametrize(
    ("name", "said"), [("missing.zip", "no such bundle"), ("/no/where", "no such bundle"), (__file__, "not a bundle (")]
)
def test_what_is_no_bundle(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rerun", name]) == cli.BAD
    output = capsys.readouterr()
    assert said in output.err
    assert output.err.count("\n") == 1


def test_a_bundle_whose_tables_were_changed(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(dse.report(run_name(results), path=tmp_path / "a.zip", bundle=True, results=results))
    monkeypatch.setattr("dse.measuring.comparing.rerun", lambda name, _: {"run": name, "equal": True, "stored": "0", "again": "0"})
    with pytest.raises(BadInput, match="not those that were bundled"):
        bundles.rerun(path)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 nonsense"])
def test_no_bundle_at_all(tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.zip"
    if content is not None:
        path.write_bytes(content)
    assert cli.main(["rerun", str(path)]) == cli.BAD
    assert capsys.readouterr().err.count("\n") == 1


SPACE = """
objectives = ["swap_in"]
[scenario]
workload = { generator = "zipf", pages = 2_048, accesses = 8_192 }
memory = { limit = 0.5 }
[axes."moves.rate"]
values = [0.0, 1.0]
"""


def test_a_bundle_of_a_study_is_swept_again(tmp_path: Path) -> None:
    space = tmp_path / "small.toml"
    space.write_text(SPACE)
    study = dse.sweep(space, results=tmp_path)["study"]
    path = Path(dse.report(study, path=tmp_path / "a.zip", bundle=True, results=tmp_path))
    assert bundles.rerun(path)["equal"]
    with zipfile.ZipFile(path) as file:
        settings = json.loads(file.read(bundles.ABOUT))["settings"]
    settings["space"]["scenario"]["memory"]["limit"] = 0.6
    assert not bundles.rerun(changed(path, {"settings": settings}))["equal"]


# ---- in a browser


def browse(path: Path, tmp_path: Path, *more: str) -> tuple[str, list[str]]:
    """Page after its script ran, and the output of the console."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
         "--virtual-time-budget=2000", *more, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


KEYS = """<script>
const svg = document.querySelector("svg.cloud");
svg.focus();
svg.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
document.body.dataset.focus = document.activeElement === svg ? "cloud" : "lost";
const pick = document.querySelectorAll("figure.cloud select")[1];
pick.value = "2"; pick.dispatchEvent(new Event("change"));
document.body.dataset.axis = [...svg.querySelectorAll(".axes .name")].at(-1).textContent;
document.querySelector("figure.cloud .legend button").click();
document.body.dataset.left = [...svg.querySelectorAll("[data-i]")].filter((m) => m.style.display !== "none").length;
document.body.dataset.wider = document.documentElement.scrollWidth > innerWidth;
</script>"""


@needs_chromium
def test_in_a_browser(results: Path, tmp_path: Path) -> None:
    path = tmp_path / "study.html"
    text = Path(dse.report("made-up", results=results)).read_text()
    path.write_text(text.replace("</body>", KEYS + "</body>"))
    dom, console = browse(path, tmp_path, "--window-size=500,900")
    assert not console
    assert 'data-ready="yes"' in dom
    assert 'data-focus="cloud"' in dom
    assert 'data-axis="move [lines/lifetime]"' in dom
    assert 'data-left="8"' in dom  # of 18: six of direct are switched off, four of the others have no move
    assert 'data-wider="false"' in dom
    said = re.search(r'<p class="said"[^>]*>(.*?)</p>', dom)
    assert said
    assert "on the front" in said[1]


@needs_chromium
def test_the_console_is_watched(tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text("<!doctype html><script>throw new Error('seeded')</script>")
    assert any("seeded" in line for line in browse(path, tmp_path)[1])
