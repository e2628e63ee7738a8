"""The page of a report: whole, fetching nothing, readable, drawn inside its frame, working in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import dse
from dse import naming
from dse.reports import answers, drawing, model, page, parallels, pictures, reporting
from tests import reportdata
from tests.markup import checked

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium (Debian package chromium, .ci/setup installs it)")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reportdata.store_both(tmp_path_factory.mktemp("results"))


@pytest.fixture(params=["made-up", "2"])
def html(request: pytest.FixtureRequest, results: Path) -> str:
    return Path(dse.report(request.param, results=results)).read_text(encoding="utf-8")


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
    name = reportdata.store_study(results, "evil<script>alert(1)", provenance=provenance)
    try:
        text = page.render(reporting.load("study", name, results))
        assert "<img" not in text
        assert "<script>alert" not in text
        checked(text)
    finally:
        shutil.rmtree(results / "studies" / name, ignore_errors=True)


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


def browse(path: Path, tmp_path: Path, *more: str) -> tuple[str, list[str]]:
    """Page after its script ran, and the output of the console."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
         "--virtual-time-budget=2000", *more, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


KEYS = """<script>
const figure = document.querySelectorAll("figure.cloud")[1];  // at rate 0 nothing moves
const svg = figure.querySelector("svg.cloud");
svg.focus();
svg.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
document.body.dataset.focus = document.activeElement === svg ? "cloud" : "lost";
const pick = figure.querySelectorAll("select")[1];
pick.value = "2"; pick.dispatchEvent(new Event("change"));
document.body.dataset.axis = [...svg.querySelectorAll(".axes .name")].at(-1).textContent;
figure.querySelector(".legend button").click();
document.body.dataset.left = [...svg.querySelectorAll("[data-i]")].filter((m) => m.style.display !== "none").length;
document.body.dataset.wider = document.documentElement.scrollWidth > innerWidth;
</script>"""


@needs_chromium
def test_in_a_browser(results: Path, tmp_path: Path) -> None:
    path = tmp_path / "study.html"
    text = Path(dse.report("made-up", results=results)).read_text(encoding="utf-8")
    path.write_text(text.replace("</body>", KEYS + "</body>"))
    dom, console = browse(path, tmp_path, "--window-size=500,900")
    assert not console
    assert 'data-ready="yes"' in dom
    assert 'data-focus="cloud"' in dom
    assert 'data-axis="move [lines/lifetime]"' in dom
    assert 'data-left="2"' in dom  # of 3: direct is switched off
    assert 'data-wider="false"' in dom
    said = re.findall(r'<p class="said"[^>]*>(.*?)</p>', dom)
    assert "on the front" in said[1]


@needs_chromium
def test_the_console_is_watched(tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text("<!doctype html><script>throw new Error('seeded')</script>")
    assert any("seeded" in line for line in browse(path, tmp_path)[1])


LAYOUT = """<script>
const boxes = [...document.querySelectorAll(".wide")].filter((box) => box.querySelector("table"));
for (const folded of document.querySelectorAll("details")) folded.open = true;
const scrolled = boxes.filter((box) => box.scrollWidth > box.clientWidth + 1).length;
for (const folded of document.querySelectorAll("details")) folded.open = false;
const answer = document.querySelector(".answer .costs") || document.querySelector(".answer");
const wider = document.documentElement.scrollWidth > innerWidth, bottom = Math.round(answer.getBoundingClientRect().bottom);
parent.postMessage(`scrolled="${scrolled}" wider="${wider}" inner="${innerWidth}" bottom="${bottom}"`, "*");
</script>"""
FRAME = """<!doctype html><p id="said"></p><script>
window.addEventListener("message", (event) => { document.getElementById("said").textContent = event.data; });
</script><iframe width="{width}" height="900" style="border: 0" src="page.html"></iframe>"""


def answered(results: Path) -> Path:
    """The state of the argument, of a question with a table of points, one with a long question, and one that waits."""
    return answers.write(dse.ask(["Q1", "Q2", "Q4", "Q25"]), results)[0]


def eleven() -> model.Document:
    """The head of a comparison of all designs, timed."""
    names = naming.registry()
    rows = [(name, "+19.6", "-1,012..-531?", "+340..+2,208?", "0.80..0.82?", "1.03..1.39?") for name in names]
    columns = (
        ("design", ""),
        ("memory", "B a page"),
        ("out+return", "footprint"),
        ("ns more", "cold"),
        ("swap-in", "footprint"),
        ("times", "cold"),
    )
    words = "swap_id costs most: +835 ns a swap-out and return (footprint), +9.3 B a page. From cold caches none is settled."
    finding = (f"{words} Cheaper than direct in time and memory: vswap_v3, vswap_v6.",)
    head = model.Head("What does a design cost this host? Against direct:", finding, columns, tuple(rows),
                      tuple(model.Bar(float(i), i - 0.5, i + 0.5) for i in range(len(rows))), 2, "Bars: ns.")  # fmt: skip
    return model.Document("all", "writeback, moves.rate=0.2: what each design costs", ["Words."], list(names), [], {}, head)


@needs_chromium
@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("which", ["made-up", "2", "answers", "eleven"])
def test_nothing_is_clipped_and_the_answer_is_on_the_first_screen(which: str, width: int, results: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    if which == "eleven":
        text = page.render(eleven())
    else:
        text = (answered(tmp_path / "asked") if which == "answers" else Path(dse.report(which, results=results))).read_text()
    path.write_text(text.replace("</body>", LAYOUT + "</body>"))
    frame = tmp_path / "frame.html"  # no window of Chromium is narrower than 500 pixels
    frame.write_text(FRAME.replace("{width}", str(width)))
    dom, console = browse(frame, tmp_path, "--window-size=1500,1000")
    assert not console
    said = dict(re.findall(r'(scrolled|wider|inner|bottom)="([^"]*)"', dom))
    assert said["inner"] == str(width)
    assert (said["scrolled"], said["wider"]) == ("0", "false")
    assert int(said["bottom"]) <= (720 if which == "eleven" and width == 400 else 600)  # 23 designs on a telephone, 850 pixels high


def test_parallel_coordinates_place_values_and_leave_out_what_is_not_there() -> None:
    """Values a and b at 0 and 1; figures 10, 20 and 40 at 0, 1/3 and 1; a line without two places is not drawn."""
    lines = [
        {"name": "x", "group": 0, "values": ["a", 10.0, None], "front": True, "label": "x"},
        {"name": "y", "group": 8, "values": ["b", 20.0, 5.0], "front": False, "label": "y[p=1]"},
        {"name": "y", "group": 8, "values": ["b", 40.0, 5.0], "front": False, "label": "y"},
        {"name": "z", "group": 2, "values": ["b", None, None], "front": False, "label": "z"},
    ]
    chart = model.Parallel("across", "counted", [("design", ["a", "b"]), ("lines", []), ("bytes", [])], lines)
    assert [(line["label"], places) for line, places in chart.routes()] == [
        ("y[p=1]", [(0, 1.0), (1, pytest.approx(1 / 3)), (2, 0.5)]), ("y", [(0, 1.0), (1, 1.0), (2, 0.5)]), ("x", [(0, 0.0), (1, 0.0)]),
    ]  # fmt: skip
    assert [chart.marks(i) for i in range(3)] == [[(0.0, "a"), (1.0, "b")], [(0.0, "10"), (1.0, "40")], [(0.5, "5")]]
    svg = drawing.parallel(chart)
    root = ET.fromstring(svg)
    assert [element.get("data-series") for element in root.iter("path")] == ["y", "y", "x"]
    assert "weak" in svg
    assert svg.count("d1") == 2  # the colour of group 8 is that of group 1, dashed


def test_parallel_coordinates_of_a_study_have_the_choices_in_which_the_front_differs() -> None:
    place, other = '{"moves.rate": 0.0}', '{"moves.rate": 1.0}'
    made = [
        ("direct", '{"design": "direct"}', True), ("swap_id[policy=lowest]", '{"design": "swap_id", "policy": "lowest", "same": 1}', True),
        ("swap_id[policy=cyclic]", '{"design": "swap_id", "policy": "cyclic", "same": 1}', False),
    ]  # fmt: skip
    trials = [
        {"number": n, "objective": objective, "value": float(10 * n + k), "status": "ok", "front": front and where == place,
         "environment": where, "design": design, "params": params}
        for where in (place, other) for n, (design, params, front) in enumerate(made) for k, objective in enumerate(("swap_in", "bytes"))
    ]  # fmt: skip
    (found,) = parallels.parallels(trials, {"swap_in": "swap_in [lines]", "bytes": "bytes [B]"}, "counted", lambda d: (d, 0), lambda p: p)
    assert isinstance(found, model.Parallel)
    assert [name for name, _ in found.axes] == ["design", "policy", "same", "swap_in [lines]", "bytes [B]"]
    assert dict(found.axes)["policy"] == ["(none)", "cyclic", "lowest"]
    assert [(line["front"], line["values"]) for line in found.lines] == [
        (False, ["swap_id", "cyclic", "1", 20.0, 21.0]), (True, ["direct", "(none)", "(none)", 0.0, 1.0]),
        (True, ["swap_id", "lowest", "1", 10.0, 11.0]),
    ]  # fmt: skip
