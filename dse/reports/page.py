"""The page around the charts: one file, no network, light and dark, phone and keyboard."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dse.output import cell, plain
from dse.reports.charts import escape

LIGHT = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#3b8fc4", "#5b4fa0", "#555555")
DARK = ("#56b4e9", "#e69f00", "#2bc79a", "#e39ac4", "#f0e442", "#8fc8ee", "#a79cf0", "#bbbbbb")
"""After Okabe and Ito, darkened or lightened until they stand out from the background by 3 to 1 or more."""


def _colours(palette: Sequence[str]) -> str:
    return "".join(f"--c{i}:{colour};" for i, colour in enumerate(palette))


SHARED = (
    ".chart{width:100%;height:auto;display:block;font:12px system-ui,sans-serif}.chart text{fill:var(--fg)}.chart .t{font-size:11.5px}"
    ".chart .a{font-size:12.5px;fill:var(--soft)}.chart .n{font-size:11.5px}.g{stroke:var(--line);stroke-width:1}"
    ".v{stroke:var(--fg);stroke-width:1.5;stroke-dasharray:5 4}.l{fill:none;stroke:var(--c);stroke-width:2}"
    ".i{stroke:var(--c);stroke-width:2.5}.m{fill:var(--c);stroke:var(--c)}.cross,.plus{fill:none;stroke-width:2.5}"
    ".ring{fill:none;stroke-width:2.5}.b{fill:var(--c);stroke:var(--bg);stroke-width:1}.w{fill:var(--c);fill-opacity:.16;stroke:var(--c)}"
    + "".join(f".s{i}{{--c:var(--c{i})}}" for i in range(len(LIGHT)))
)
ROOT = (
    f":root{{--bg:#ffffff;--fg:#1b1f24;--soft:#4a525c;--line:#dde1e6;--panel:#f5f7f9;{_colours(LIGHT)}color-scheme:light dark}}"
    f"@media(prefers-color-scheme:dark){{:root{{--bg:#14171b;--fg:#e8eaed;--soft:#b4bbc4;--line:#353b43;--panel:#1d2127;"
    f"{_colours(DARK)}}}}}"
)
CSS = (
    ROOT + "*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}"
    "main{max-width:980px;margin:0 auto;padding:16px}h1{font-size:1.5rem;line-height:1.25;margin:.4em 0}h2{font-size:1.15rem;"
    "margin:1.8em 0 .4em}p{margin:.5em 0}.answer{background:var(--panel);border-left:4px solid var(--c0);padding:10px 14px;border-radius:4px}"
    ".kind{font-size:.78rem;border:1px solid var(--soft);color:var(--soft);border-radius:9px;padding:1px 8px;margin-left:8px;"
    "white-space:nowrap;font-weight:400;vertical-align:2px}.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 16px;margin:6px 0;"
    "padding:0;font-size:.88rem}.legend li{display:flex;align-items:center;gap:5px}.key{width:16px;height:16px;flex:none}"
    ".scroll{overflow-x:auto}.scroll>.chart{min-width:560px}table{border-collapse:collapse;font-size:.86rem;min-width:100%}"
    "th,td{padding:4px 10px;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}td.r,th.r{text-align:right;"
    "font-variant-numeric:tabular-nums}summary{cursor:pointer;color:var(--soft);margin:.5em 0}.note{color:var(--soft);font-size:.88rem}"
    "a:focus-visible,summary:focus-visible,select:focus-visible,button:focus-visible,.scroll:focus-visible{outline:3px solid var(--c0);"
    "outline-offset:2px}.p:focus{outline:none}.p:focus .m,.p:focus .b,.p:focus .w{stroke:var(--fg);stroke-width:3}"
    "select{font:inherit;color:inherit;background:var(--panel);border:1px solid var(--soft);border-radius:4px;padding:4px 6px;max-width:100%}"
    "label{margin-right:14px;display:inline-block}#tip{position:fixed;pointer-events:none;background:var(--fg);color:var(--bg);"
    "font-size:.82rem;padding:4px 8px;border-radius:4px;max-width:min(340px,90vw);display:none;z-index:2}nav{font-size:.9rem}"
    "nav a{color:var(--c0);margin-right:12px}code{overflow-wrap:anywhere}" + SHARED
)
TIP = """
const tip=document.getElementById('tip');
function say(e){const g=e.target.closest('.p');if(!g){tip.style.display='none';return}
 tip.textContent=g.getAttribute('aria-label');tip.style.display='block';const r=g.getBoundingClientRect();
 const w=tip.offsetWidth,h=tip.offsetHeight;
 tip.style.left=Math.max(4,Math.min(innerWidth-w-4,r.left+r.width/2-w/2))+'px';
 tip.style.top=(r.top-h-8<4?r.bottom+8:r.top-h-8)+'px'}
document.addEventListener('focusin',say);document.addEventListener('pointerover',say);
document.addEventListener('keydown',e=>{if(e.key==='Escape')tip.style.display='none';
 const g=e.target.closest&&e.target.closest('.p');if(!g)return;
 const step={ArrowRight:1,ArrowDown:1,ArrowLeft:-1,ArrowUp:-1}[e.key];if(!step)return;e.preventDefault();
 const all=[...g.closest('svg').querySelectorAll('.p')];
 const to=all[(all.indexOf(g)+step+all.length)%all.length];to.focus()});
"""


@dataclass
class Section:
    """A part of a report.

    Attributes
    ----------
    title, kind : str
        What it shows, and whether it is counted, measured or modelled.
    words : str
        What it says.
    chart, legend : str
        SVG and HTML.
    rows : sequence of mappings
        The same as a table, for those who cannot see charts and for copying.
    extra : str
        Further HTML behind the chart (controls).
    """

    title: str
    kind: str = ""
    words: str = ""
    chart: str = ""
    legend: str = ""
    rows: Sequence[Mapping[str, Any]] = ()
    extra: str = ""
    columns: Sequence[str] | None = None


@dataclass
class Report:
    """A whole report."""

    title: str
    answer: list[str]
    sections: list[Section]
    provenance: list[tuple[str, str]]
    data: dict[str, Any] = field(default_factory=dict)
    script: str = ""


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    """Rows as an HTML table."""
    names = list(columns) if columns is not None else list(dict.fromkeys(key for row in rows for key in row))
    right = {n for n in names if all(isinstance(row.get(n), (int, float, type(None))) for row in rows)}
    head = "".join(f'<th scope="col"{" class=r" if n in right else ""}>{escape(n)}</th>' for n in names)
    body = "".join(
        "<tr>" + "".join(f"<td{' class=r' if n in right else ''}>{escape(cell(row.get(n)))}</td>" for n in names) + "</tr>" for row in rows
    )
    return f'<div class="scroll" tabindex="0" role="group" aria-label="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def section(part: Section, number: int) -> str:
    """One part as HTML."""
    kind = f'<span class="kind">{escape(part.kind)}</span>' if part.kind else ""
    out = [f'<section aria-labelledby="h{number}"><h2 id="h{number}">{escape(part.title)}{kind}</h2>']
    if part.words:
        out.append(f"<p>{escape(part.words)}</p>")
    if part.extra:
        out.append(part.extra)
    if part.chart:
        out.append(f'{part.legend}<div class="scroll">{part.chart}</div>')
    if part.rows and part.chart:
        out.append(f"<details><summary>The same as a table ({len(part.rows)} rows)</summary>{table(part.rows, part.columns)}</details>")
    elif part.rows:
        out.append(table(part.rows, part.columns))
    out.append("</section>")
    return "".join(out)


def render(report: Report) -> str:
    """The report as one HTML file."""
    data = json.dumps(plain(report.data), separators=(",", ":")).replace("</", "<\\/") if report.data else "null"
    nav = "".join(f'<a href="#h{i}">{escape(s.title)}</a>' for i, s in enumerate(report.sections))
    rows = "".join(f'<tr><th scope="row">{escape(k)}</th><td style="white-space:normal"><code>{escape(v)}</code></td></tr>'
                   for k, v in report.provenance)  # fmt: skip
    script = f"const DATA={data};{TIP}{report.script}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';style-src \'unsafe-inline\';script-src \'unsafe-inline\';'
        'img-src data:"><link rel="icon" href="data:,">'
        f"<title>{escape(report.title)}</title><style>{CSS}</style></head><body><main><h1>{escape(report.title)}</h1>"
        f'<div class="answer">{"".join(f"<p>{escape(a)}</p>" for a in report.answer)}</div><nav aria-label="sections">{nav}</nav>'
        f"{''.join(section(s, i) for i, s in enumerate(report.sections))}"
        f'<section><h2 id="provenance">Provenance</h2><div class="scroll" tabindex="0" role="group" aria-label="provenance"><table><tbody>{rows}'
        f'</tbody></table></div></section></main><div id="tip" role="status"></div><script>{script}</script></body></html>\n'
    )
