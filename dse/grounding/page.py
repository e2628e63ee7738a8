"""Reference page docs/ground-truth.md: what agrees with recorded kernels, what does not, why, and how to repeat it."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dse import linux
from dse.common import output
from dse.grounding import beside, declared, judging

WIDTH = 88
SHOWN = (("swap_in_read", "zswap"), ("swap_out", "zswap"))
"""Operations whose functions the page lists."""
FEWEST = 1.0
"""Lines, first touched, below which a function is not listed."""
BEGIN, END = "<!-- kernels: made by python -m dse.documenting docs -->", "<!-- end of kernels -->"
INTRO = """
`dse linux record` boots an unmodified kernel and counts what its swap code does
([linux.md](linux.md)). `dse validate K` repeats every experiment in the model and holds
the two against each other. This page is made from that by
`python -m dse.documenting docs`. A figure outside of its tolerance is listed with its
cause, never left out.
"""
METHOD = """
- **Kernels** are those of a distribution, not rebuilt. A design stands for the release
  that merged it. The tolerances were fixed before the first comparison
  (`dse/grounding/rows.toml`).
- **fill**: the model swaps out as many pages as the guest, from an empty state, and its
  ledger is read. The device has one slot more, as the kernel's has a header. The bytes
  of a compressed page are not predicted: they come from the size class that the record
  shows. Which of its arrays swapon allocated for clusters is told by the size: 257
  clusters, a prime number, and whole words for each. K11 is about the bytes asked for,
  which tell the size of `struct swap_cluster_info`, K12 about those that kmalloc gave.
- **trace**: reclaim of the model replays the accesses that the guest replayed. Its
  limit is that of the memory cgroup without the kernel memory that was charged to it,
  and the compressed size is that of the record. Statistics are never flushed, as the
  guest's clock counts instructions and no replay lasts two seconds of it. Generations
  of 6.12 have no policy of their own, that of 6.18 is the nearest. The kernel's figure
  is the mean of its repeats. Where the repeats spread by more than the tolerance (the
  largest less the smallest by the mean), the spread is the tolerance.
- **operation**: the model does what the guest's program does, in the same order, with
  the same number of other pages in swap, so that trees are as high. Each operation is
  traced, and its steps are counted by function. `dse/grounding/joins.toml` says which
  functions stand in one row because a compiler or a release joined or renamed them.
- **folio**: the model maps a folio of 4, 16 and 512 pages four times, swaps it out as
  one, reads its pages and unmaps them, as the guest's program does. Only its way out is
  compared, to zswap and of zeros: a write to the disk ends at another time in the
  guest. A size that the kernel's own counters do not know as swapped out whole is left
  out (zswap of 6.12 refuses large folios).
- **locks** are those of the core groups: of the design, and of the common steps
  ([common steps](common-steps.md)), each against the same group of the kernel's
  functions. Common locks were set from these records, so they agree by construction;
  those of swap, zswap and the trees were not.
- **lines** are distinct 64-byte lines. A line belongs to the function that touches it
  first, so that the lines of functions add up. Core groups are all but data copy,
  compression and code that is not about swap; the stack is left out. What swap code
  reads of a page's content is data too: 64 lines where it looks for a page of zeros,
  and up to 6.14 the copy of an object that lies in two pages (`CONTENT` in
  `dse/grounding/beside.py`).
- **modelled share**: a group of the model counts for no more lines than the kernel has
  there, so that one group does not make up for another.
- **changes** are ratios between one recorded release and the next, in the kernels and
  in the model. They need the same sign, unless the kernels differ by less than two
  records of the same kernel do, and 15 %.
"""
VERDICTS = """
| verdict | when |
| --- | --- |
| holds | every figure is within its tolerance |
| outside | some figures are not, and each has a declared cause |
| falls short | a figure outside has no declared cause; `dse validate` exits with status 1 |
| cause gone | no figure needs a declared cause any more; status 1 as well |
| not recorded | no shipped record has the experiment |
"""
REPEAT = """
```
dse linux get 7.2                # fetches, installs nothing
dse linux record --release 7.2   # boots, counts, one to ten minutes
dse explain swap_in --linux 7.2  # functions side by side
dse validate K                   # all rows; K31: one
```

A kernel of your own: `dse linux record --image bzImage --release my-v7`, then
`dse explain swap_in --designs vswap_v6 --linux NAME` with the name that
`dse linux list` shows.
"""


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown table."""
    names = output.columns_of(rows)
    lines = [names, ["---"] * len(names), *([output.cell(row.get(name)).replace("|", "/") for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@functools.cache
def found() -> tuple[dict[str, Any], ...]:
    """Every K row, read once."""
    return tuple(judging.rows())


def summary(rows: Iterable[Mapping[str, Any]]) -> str:
    """Line that sums the rows up."""
    made = judging.tally(rows)
    share, bare = 100.0 * made["figures_within"] / max(1, made["figures"]), made["unrecorded"]
    said = f"{made['rows_within']} of {made['rows']} rows and {made['figures_within']} of {made['figures']} figures ({share:.0f} %) are "
    return f"{said}within their tolerance{f'; {bare} row' + (' is' if bare == 1 else 's are') + ' not recorded yet' if bare else ''}."


def _overview(rows: Iterable[Mapping[str, Any]]) -> str:
    """Table of all rows."""
    return table([
        {"row": row["id"], "compared": row["check"], "tolerance": row["tolerance"], "within": _within(row["figures"]),
         "verdict": row["verdict"]}
        for row in rows
    ])  # fmt: skip


def _within(figures: Sequence[Mapping[str, Any]]) -> str:
    return f"{sum(f['holds'] for f in figures)} of {len(figures)}" if figures else "-"


def _number(value: float | None) -> str:
    return "-" if value is None else output.number(float(f"{value:.4g}") if abs(value) < 1000 else round(value))


def _figures(row: Mapping[str, Any], holds: bool) -> list[dict[str, Any]]:
    """Figures of a row that are within, or outside."""
    return [
        {"row": row["id"], "compared": row["check"], "where": f["where"], "kernel": _number(f["published"]), "model": _number(f["ours"]),
         "unit": f["unit"]} | ({} if holds else {"by group": f["said"]})
        for f in row["figures"] if f["holds"] is holds
    ]  # fmt: skip


def _outside(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Section of each row with figures outside: causes, then the figures."""
    for row in rows:
        outside = _figures(row, False)
        if outside:
            yield f"### {row['id']}: {row['check']} ({row['tolerance']})\n"
            for text in dict.fromkeys(text for figure in row["figures"] for text in figure["causes"]) or ["**No cause is declared.**"]:
                yield textwrap.fill(f"- {text}", WIDTH, subsequent_indent="  ")
            yield ""
            yield table([{name: value for name, value in figure.items() if name not in ("row", "compared")} for figure in outside]) + "\n"


def _functions(operation: str, backend: str) -> Iterator[str]:
    """Functions of one operation of the youngest recorded kernel that has a design."""
    release = [name for name in declared.kernels() if name in linux.shipped()][-1]
    record, design = linux.load(release), declared.design_of(release)
    whole = beside.sums(design, record, operation, backend)
    yield f"### {operation} on {backend}: Linux {release} and {design}\n"
    said = (
        f"{whole.share * 100:.0f} % of {whole.real['core']['first']:.1f} lines are modelled. Listed are functions that are the first to "
        f"touch at least {FEWEST:g} line, or that lock. Means of an operation."
    )
    yield textwrap.fill(said, WIDTH) + "\n"
    rows = []
    for row in beside.rows(design, record, operation, backend):
        model, real = row["model"] or {}, row["real"] or {}
        if row["group"] in beside.CORE and max(side.get(figure, 0.0) for side in (model, real) for figure in ("first", "locks")) >= FEWEST:
            cells = {
                f"{figure} {name}": _number(side.get(key)) if side else "-"
                for figure, key in (("first lines", "first"), ("locks", "locks")) for name, side in (("kernel", real), ("model", model))
            }  # fmt: skip
            rows.append({"group": row["group"], "function": f"`{row['function']}`", **cells})
    yield table(rows) + "\n"


def _lists(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Sections of figures that agree, of those that do not, and of what is not recorded."""
    yield "## What agrees\n"
    yield table([figure for row in rows for figure in _figures(row, True)]) + "\n"
    yield "## What does not, and why\n"
    yield from _outside(rows)
    missing = [row for row in rows if row["verdict"] == judging.UNRECORDED]
    if missing:
        yield "## Not recorded\n"
        yield table([{"row": row["id"], "compared": row["check"], "why": row["reason"]} for row in missing]) + "\n"


def page() -> str:
    """Text of docs/ground-truth.md."""
    rows = found()
    designs = [
        {"release": release, "design": design, "record": "shipped" if release in linux.shipped() else "none"}
        for release, design in declared.kernels().items()
    ]  # fmt: skip
    parts = [
        "# Ground truth: real kernels beside the model\n", INTRO.lstrip(), textwrap.fill(f"**{summary(rows)}**", WIDTH) + "\n",
        table(designs) + "\n", _overview(rows) + "\n", "## Method\n", METHOD.lstrip(), VERDICTS.lstrip(), *_lists(rows),
        "## Function by function\n",
        *(text for operation, backend in SHOWN for text in _functions(operation, backend)), "## How to repeat it\n", REPEAT.strip(),
    ]  # fmt: skip
    return "\n".join(parts).rstrip() + "\n"


def line() -> str:
    """Lines of the README between :data:`BEGIN` and :data:`END`."""
    listed = "[docs/ground-truth.md](docs/ground-truth.md) lists each with its cause."
    said = f"Against recorded kernels (6.12 to 7.2), {summary(found())} {listed}"
    return "\n".join([BEGIN, textwrap.fill(said, WIDTH, break_long_words=False, break_on_hyphens=False), END])
