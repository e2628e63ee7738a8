"""The first screen of a comparison: the question, the answer, how sure it is, what is not in it, how to repeat it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dse.common import hints, reading
from dse.common.output import wrapped
from dse.common.texts import Shorter, short
from dse.measuring.figures import FULL, LIFETIME, Figures
from dse.naming import bound, shortened, split
from dse.reports import ahead, closed, costs, exits, whole

WIDTH = 80
LINES = 25
BACKENDS = ("zswap", "ssd", "hdd", "zram", "zero")
KERNELS = {"swap_table_p4": "today's kernel (Linux 7.2)", "direct": "the kernel of 2023 (Linux 6.12)"}
AA = re.compile(r"A/A (\d+\.\d+)\.\.(\d+\.\d+)")
UNDECIDED = " (?: within A/A, or few pairs)"
PATIENCE = 3600.0
"""Seconds of a budget above which a quieter machine is advised instead."""
BAR = "▏▎▍▌▋▊▉█"


SHORTENED = ("again", "buys", "doubts", "question", "missing", "answer")
"""Parts that are said in fewer words where the screen has no room, in this order."""


@dataclass(frozen=True)
class Answer:
    """The first screen.

    Attributes
    ----------
    question, answer : str
        One sentence, and the finding in words.
    rows : tuple of costs.Cost
        A row a design, worst first.
    buys, doubts, missing : tuple of str
        What a layer is good for, or what the exit of the process costs where one exits; how sure the answer is; what is not in it.
    again : tuple of str
        Next commands, and the command and hash that repeat the answer.
    cells : tuple of tuple of str
        Heads and lines of another table in place of the costs: that of a closed loop.
    """

    question: str
    answer: tuple[str, ...]
    rows: tuple[costs.Cost, ...]
    buys: tuple[str, ...]
    doubts: tuple[str, ...]
    missing: tuple[str, ...]
    again: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...] = ()

    def lines(self, *, chart: bool = False, width: int = WIDTH) -> list[str]:
        """Lay the screen out.

        Parameters
        ----------
        chart : bool
            Draw a bar for each design's cost where the names leave room.
        width : int
            Columns.

        Returns
        -------
        list of str
            At most :data:`LINES` lines of `width` columns.
        """
        table = closed.laid(self.cells, width) if self.cells else _table(self.rows, width, chart)
        for found in self._shorter():
            if found._needed(width) + len(table) <= LINES:
                break
        return found._laid(table, width)

    def _shorter(self) -> Iterator[Answer]:
        """The answer, and then the same with one part after the other in fewer words."""
        found = self
        yield found
        for name in SHORTENED:
            part = getattr(found, name)
            fewer: dict[str, Any] = {name: short(part) if isinstance(part, str) else tuple(map(short, part))}
            found = replace(found, **fewer)
            yield found

    def _needed(self, width: int) -> int:
        """Lines that all texts take."""
        texts = (self.question, *self.answer, *self.buys, *self.doubts, *self.missing, *self.again)
        return sum(len(wrapped((text,), width, LINES)) for text in texts)

    def _laid(self, table: list[str], width: int) -> list[str]:
        """Lay out texts around `table`; what has no room, as short as it is, ends in an ellipsis."""
        head = wrapped((self.question, *self.answer), width, 13)
        left = LINES - len(head) - len(table)
        tail: list[str] = []
        parts = (self.buys, self.doubts, self.missing, self.again)
        last = wrapped(parts[-1][-1:], width, 3)
        for n, part in enumerate((*parts[:-1], parts[-1][:-1])):
            after = sum(len(wrapped(p, width, 2)) for p in parts[n + 1 : -1]) + len(last)
            tail += wrapped(part, width, max(1, min(5, left - len(tail) - after)))
        tail = [*tail[: max(0, left - len(last))], *last]
        if len(tail) + 2 <= left:
            return [*head, "", *table, "", *tail]
        return [*head, *table, *tail][:LINES]

    def counted(self, width: int = WIDTH) -> list[str]:
        """Lay out what is counted, for the time until the times are there: question, answer and table."""
        return [*wrapped(("Counted, times follow. " + self.question, *self.answer), width, 6), *_table(self.rows, width, False)]


def _table(rows: Sequence[costs.Cost], width: int, chart: bool) -> list[str]:
    """The table, a row a design."""
    names = [shortened(row.design) + " (bound)" * bound(row.design) for row in rows]
    cells = [(name, *row.cells()) for name, row in zip(names, rows, strict=True)]
    heads, spans = costs.heads(rows), tuple[str, ...]()
    states = [at.state for at in next((row.states for row in rows if row.states), ())]
    if states:
        spans = ("", "memory", f"{costs.returned(rows)}, ns more", f"swap-in, x {costs.brief(rows)}")
        heads = [("design", "B a page", *states, *states)]
        shown = [i for i in range(len(heads[0])) if i < 2 + len(states) or any(line[i] != "-" for line in cells)]
        heads, cells = ([tuple(line[i] for i in shown) for line in lines] for lines in (heads, cells))
    widths = [max(len(line[i]) for line in (*heads, *cells)) for i in range(len(heads[0]))]
    gap = " " if sum(widths) + 2 * len(widths) > width else "  "
    out = [gap.join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip() for line in (*heads, *cells)]
    if spans:
        n = len(states)
        over = [*widths[:2], *(sum(widths[i : i + n]) + len(gap) * (n - 1) for i in range(2, len(widths), n))]
        out.insert(0, gap.join(text[:w].ljust(w) for text, w in zip(spans, over, strict=False)).rstrip())
    room = width - sum(widths) - len(gap) * len(widths)
    if chart and room >= 6:
        first = len(out) - len(rows)
        out = [f"{line.ljust(width - room)}{_bar(row, rows, room)}".rstrip() if row else line
               for line, row in zip(out, [None] * first + list(rows), strict=True)]  # fmt: skip
    return [line[:width] for line in out]


def _bar(row: costs.Cost, rows: Sequence[costs.Cost], room: int) -> str:
    """A bar of what the design costs more a lifetime, against the worst."""
    most = max((r.extra or 0.0 for r in rows), default=0.0)
    eighths = 0 if not row.extra or row.extra <= 0 or most <= 0 else round(8 * room * row.extra / most)
    return BAR[-1] * (eighths // 8) + (BAR[eighths % 8 - 1] if eighths % 8 else "")


def known(design: str) -> str:
    """Name of a design with the kernel that it is, if any."""
    short = " (p4)" if design == "swap_table_p4" else ""
    return f"{design}{short}, {KERNELS[design]}" if design in KERNELS else design


def named(design: str) -> tuple[str, str]:
    """Name of a design with the release of the kernel where it is one, in fewer and fewer words."""
    release = KERNELS.get(design, "").partition("(")[2].rstrip(")")
    return (f"{design} ({release})", f"{design} ({release.rpartition(' ')[2]})") if release else (shortened(design), shortened(design))


def _conditions(run: Mapping[str, Any]) -> str:
    """Say on what the question was asked."""
    stream = run.get("stream") or {}
    counts = {name: int(stream.get(f"reclaims_{name}", 0)) for name in BACKENDS}
    whole = sum(counts.values()) or 1
    mix = ", ".join(f"{name} {n / whole:.0%}" for name, n in sorted(counts.items(), key=lambda item: -item[1]) if n)
    try:
        limit = float(reading.parsed_json(run["scenario_json"])["memory"]["limit"])
    except (KeyError, TypeError, ValueError):
        limit = 0.0
    memory = f"{limit:,.0f} pages of memory, " if limit > 1.0 else ""
    return f"On {run['label']}: {run['trace']}, {memory}up to {stream.get('swapped_peak', 0):,} pages out, to {mix}."


def screen(found: Mapping[str, Any]) -> Answer:
    """Make the first screen of a comparison.

    Parameters
    ----------
    found : mapping
        What :func:`dse.compare` returns.

    Returns
    -------
    Answer
        The costs come from the variant in which nothing is moved by request, where there is one; moves from the other.
    """
    runs = found["provenance"]["runs"]
    main = runs[-1]
    rows = [row for row in found["rows"] if row["scenario"] == main["label"]]
    designs = split(str(main["designs"]))
    figures, timed = Figures(rows), bool(main["timed"])
    table = costs.ranked(figures, designs, timed)
    judged = [row for row in table if not bound(row.design)]
    moving = [row for row in found["rows"] if row["scenario"] == runs[0]["label"]] if len(runs) > 1 else rows
    host = "a host that never migrates" if len(runs) > 1 else "this host"
    asked = f"What does a design cost {host}?"
    names = [f"{asked} Against {name}:" for name in (known(designs[0]), *named(designs[0]))]
    question = Shorter(names[0], next((name for name in names if len(name) <= WIDTH), names[-1]))
    if main.get("loop") == "closed":
        words, cells = closed.words(figures, designs, main), closed.cells(figures, designs)
        question = Shorter(closed.question(known(designs[0])), closed.question(shortened(designs[0])))
        answer = (*words, *_bounds(designs), _conditions(main))
        return Answer(question, answer, tuple(table), (), _doubts(main, table, (0, 0), None), _missing(figures, main, designs),
                      _again(found, main), cells)  # fmt: skip
    leaving = exits.lines(rows, main)
    leaves = [Shorter(" ".join(leaving), " ".join(map(short, leaving)))] if leaving else []
    large = whole.words(rows, designs, whole.asked_of(main))
    said = (*leaves, *large, *ahead.words(rows, designs, main), *costs.words(judged, designs[0]))
    return Answer(
        question, (*said, *_bounds(designs), _conditions(main)), tuple(table),
        _buys(Figures(moving), [design for design in designs if not bound(design)], timed),
        _doubts(main, table, exits.undecided(rows, main), _itself(rows, main)), _missing(figures, main, designs), _again(found, main),
    )  # fmt: skip


def _bounds(designs: Sequence[str]) -> tuple[str, ...]:
    """Say which rows are lower bounds: the finding names none of them."""
    names = [shortened(design) for design in designs if bound(design)]
    return (f"A lower bound that cannot be built, and no finding names: {', '.join(names)}.",) if names else ()


def _buys(figures: Figures, designs: Sequence[str], timed: bool) -> tuple[str, ...]:
    """Say what the designs are good for: moves, swapoff, slots."""
    metric, unit = ("ns", "ns") if timed else ("lines", "lines")
    out, slots_short = [], ""
    for op, what in (("move", "A move to another backend, where pages move"), ("swapoff", "swapoff, a page")):
        found = [(figures.value(d, op, metric, stat="mean", age="aged"), d) for d in designs]
        known_ = sorted((value, d) for value, d in found if value is not None)
        if known_:
            out.append(f"{what} ({unit}): " + ", ".join(f"{shortened(d)} {value:,.0f}" for value, d in known_) + ".")
    slots = sorted((value, d) for d in designs if (value := figures.value(d, "page", "slots_tied_up")) is not None)
    if slots and slots[0][0] < slots[-1][0]:
        least = [shortened(d) for value, d in slots if value == slots[0][0]]
        most = [shortened(d) for value, d in slots if value == slots[-1][0]]
        names = "all others" if len(least) + len(most) == len(designs) and len(most) > 1 else ", ".join(most)
        span = f"{slots[0][0]:,.0f} ({', '.join(least)}) to {slots[-1][0]:,.0f} ({names})"
        out.append(f"Disk slots held at the end, by pages back in memory as well: {span}.")
        slots_short = f"Disk slots held at the end: {span}."
    if not out:
        return ("For a layer: nothing was moved here; a scenario with moves shows what it buys.",)
    brief = [*out[:-1], slots_short] if slots_short else out
    return (Shorter(f"For a layer: {' '.join(out)}", f"For a layer: {' '.join(brief)}"),)


def _itself(rows: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> tuple[float, float] | None:
    """Widest ratio of a design's times to its own, of the operations that the screen shows; of all where no status tells it."""
    if run["aa_lo"] is None:
        return None
    shown = [row for row in rows if row["metric"] == "ratio" and row["op"] in (*LIFETIME, "zap") and row["age"] == "aged"]
    spans = [(float(lo), float(hi)) for row in shown for lo, hi in AA.findall(str(row["status"]))]
    lows, highs = zip(*(spans or [(run["aa_lo"], run["aa_hi"])]), strict=True)
    return min(lows), max(highs)


def _doubts(
    run: Mapping[str, Any], table: Sequence[costs.Cost], more: tuple[int, int], itself: tuple[float, float] | None
) -> tuple[str, ...]:
    """Say how sure the answer is.

    `more` is how many of how many times beside the table are undecided, `itself` from :func:`_itself`.
    """
    if not run["timed"]:
        return ("Sure: every figure is counted and exact; nothing was timed.",)
    of = [row for row in table if row.asked]
    doubtful = [row.design for row in of if row.open]
    undecided, figures = (sum(row.undecided[i] for row in of) + more[i] for i in (0, 1))
    marked = any(row.states for row in table)
    text = "Sure: nothing to compare"
    if of and undecided:
        text = f"Sure: {undecided} of {figures} times are undecided" + UNDECIDED * marked
    elif of:
        text = f"Sure: all {figures} times are decided"
    whose = f", of {', '.join(map(shortened, doubtful))}" if doubtful and len(doubtful) < len(of) else ""
    needed = (run.get("measuring") or {}).get("needed_s")
    budget = math.inf if needed is None else 2.0 * float(needed)
    how = "a longer run" if needed is None else "a quieter machine" if budget > PATIENCE else f"--budget {budget:.0f} (s)"
    longer = f"; {how} may settle it" * bool(undecided)
    caches = "; caches as the workload leaves them (footprint), or cold" * marked
    noise, few = "", ""
    if itself is not None:
        noise = f" A design against itself (A/A): x {itself[0]:.2f}..{itself[1]:.2f}, the widest of these operations."
        few = f" A/A: x {itself[0]:.2f}..{itself[1]:.2f}."
    steps = ". Times: the designs' steps in user space, one thread, 95 % intervals"
    full = f"{text}{whose}{longer}{steps}{caches}. Bytes and slots: counted.{noise}"
    return (Shorter(full, f"{text}{longer}{steps}; rest counted.{few}"),)


def _missing(figures: Figures, run: Mapping[str, Any], designs: Sequence[str]) -> tuple[str, ...]:
    """Say what is not in the answer, and what would change it."""
    full = [d for d in designs if (figures.value(d, "swap_in", FULL, stat="mean", age="aged") or 0) > 0.5]
    text = f"Not in it: {run['not_modelled']}."
    if full:
        names = ", ".join(map(shortened, full))
        whole = f"{text} Swap was more than half full, so that swap-ins free slots: {names}."
        return (Shorter(whole, f"{text} Swap over half full (vm_swap_full): {names}."),)
    return (text,)


def _again(found: Mapping[str, Any], run: Mapping[str, Any]) -> tuple[str, ...]:
    """Next commands, and how to repeat the answer."""
    command = str(found["provenance"]["command"])
    full = command.startswith("dse compare") and "--full" not in command.split()
    more = [f"{command} --full"] if full else []
    asked = (("report", "last"), ("rerun", str(run.get("run"))))
    report, rerun = (hints.command("dse", *words, results=hints.results_of(command)) for words in asked)
    more += [report, rerun] if run.get("run") else []
    again = f"Repeat: {command} (counters {str(found['provenance']['counters_hash'])[:16]})"
    if not more:
        return (again,)
    few = "--full" if full else report
    return (Shorter(f"Next: {', '.join(more)}", ""), Shorter(again, f"{again}. More: {few}"))
