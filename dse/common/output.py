"""Printing rows as a table, JSON or CSV on stdout, and progress on stderr."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import re
import sys
import textwrap
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, TextIO

from dse.secrets import safe

Row = Mapping[str, Any]
PATIENCE, LOOK, EVERY = 2.0, 1.0, 10.0
"""Seconds before the first line of progress, between two on a terminal while a step is long, and between two elsewhere."""


def number(value: float, digits: int = 4) -> str:
    """Format a figure for a table: exact where whole, else with `digits` significant digits.

    Examples
    --------
    >>> number(1234567), number(0.123456), number(25.0), number(1234.56)
    ('1,234,567', '0.1235', '25', '1,235')
    """
    if isinstance(value, int):
        return f"{value:,}"
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -digits:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(digits - 1 - magnitude, 0)}f}"


def printable(text: str) -> str:
    """Escape newlines and other control characters, so that a text stays on its line.

    Examples
    --------
    >>> printable("a" + chr(10) + "b") == "a" + chr(92) + "nb"
    True
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def cell(value: Any) -> str:
    """Format one cell of a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(item) for item in value)
    return printable(str(value))


def columns_of(rows: Sequence[Row]) -> list[str]:
    """Columns of `rows` in the order of their first appearance."""
    return list(dict.fromkeys(key for row in rows for key in row))


def render_table(rows: Sequence[Row], columns: Sequence[str] | None = None) -> str:
    """Lay `rows` out under their column names; numbers are right-aligned."""
    names = list(columns) if columns is not None else columns_of(rows)
    if not names:
        return ""
    body = [[cell(row.get(name)) for name in names] for row in rows]
    shown = [printable(name) for name in names]
    widths = [max(len(line[i]) for line in [shown, *body]) for i in range(len(names))]
    right = [all(isinstance(row.get(name), (int, float, type(None))) for row in rows) for name in names]
    lines = []
    for line in [shown, ["-" * width for width in widths], *body]:
        cells = [text.rjust(w) if r else text.ljust(w) for text, w, r in zip(line, widths, right, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def wrapped(texts: Sequence[str], width: int, most: int) -> list[str]:
    """Break texts into at most `most` lines in all. Each text has a line if there are enough.

    What has no room ends in an ellipsis, behind a whole sentence where one has room.

    Examples
    --------
    >>> wrapped(["One has room. The other one has none."], 20, 1), wrapped(["None of it has room here."], 20, 1)
    (['One has room. ...'], ['None of it has ...'])
    """
    out: list[str] = []
    for n, text in enumerate(texts):
        room = most - len(out)
        if room > 0:
            room = max(1, room - (len(texts) - n - 1))
            out += _broken(text, width, room)
    return out


def _broken(text: str, width: int, most: int) -> list[str]:
    """Break one text; drop sentences at its end, or else words, where it has no room."""
    sentences = re.split(r"(?<=\.) (?=[A-Z])", text)
    for n in range(len(sentences), 0, -1):
        kept = " ".join(sentences[:n]) + " ..." * (n < len(sentences))
        lines = textwrap.wrap(kept, width, subsequent_indent="  ", break_on_hyphens=False)
        if len(lines) <= most:
            return lines
    return textwrap.wrap(text, width, subsequent_indent="  ", max_lines=most, placeholder=" ...", break_on_hyphens=False)


def plain(value: Any) -> Any:
    """Reduce `value` to values of JSON: NumPy scalars to Python numbers, NaN and infinity to null."""
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item() if getattr(value, "ndim", 0) == 0 else value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return value


def render_json(value: Any) -> str:
    """Render `value` as JSON of one stable form."""
    text = json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def render_csv(rows: Sequence[Row], columns: Sequence[str] | None = None) -> str:
    """Render `rows` as CSV with a header line."""
    names = list(columns) if columns is not None else columns_of(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow(["" if (item := plain(row.get(name))) is None else item for name in names])
    return text.getvalue().rstrip("\n")


def emit(rows: Sequence[Row], form: str, *, columns: Sequence[str] | None = None, document: Any = None) -> None:
    """Print `rows` on stdout.

    Parameters
    ----------
    rows : sequence of mappings
        The data.
    form : {"table", "json", "csv"}
        Form of the output.
    columns : sequence of str, optional
        Columns of the table and of the CSV, default all.
    document : object, optional
        Printed as JSON instead of the bare rows.
    """
    if form == "json":
        text = render_json(rows if document is None else document)
    elif form == "csv":
        text = render_csv(rows, columns)
    else:
        text = render_table(rows, columns)
    write(text)


def write(text: str) -> None:
    """Print `text` and a newline on stdout; on a terminal control characters are escaped, so that no stored text steers it."""
    if sys.stdout.isatty() and not text.replace("\n", "").isprintable():
        text = "\n".join(printable(line.replace("\t", "    ")) for line in text.split("\n"))
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Print a message on stderr, without secrets. Stdout carries data only."""
    say(f"dse: {printable(safe(text))}\n")


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a text on stderr; where it is closed or full, the text is lost and the work goes on."""
    where = sys.stderr if stream is None else stream
    with contextlib.suppress(OSError, ValueError):
        where.write(text)
        where.flush()


FEW = 100_000
"""Steps up to which progress is told as k/n, above in percent."""


def left(done: int, total: int, spent: float) -> str:
    """Say how long the rest takes if it goes on as before.

    Examples
    --------
    >>> left(3, 12, 10.0), left(1, 100, 60.0), left(0, 5, 3.0), left(4, 4, 3.0), left(1, 0, 9.0)
    ('about 30 s left', 'about 99 min left', '', '', '')
    """
    if not 0 < done < total:
        return ""
    rest = spent * (total - done) / done
    return f"about {rest:.0f} s left" if rest < 600 else f"about {rest / 60:.0f} min left"


class Progress:
    """Progress on stderr of work that takes longer than two seconds; silent before.

    On a terminal one line is rewritten, elsewhere a line appears every ten seconds. A line also appears while a single step is long: a
    thread looks after it. The line holds the steps done of all, or their percentage, and how long the rest takes.

    Parameters
    ----------
    what : str
        Name of the work.
    total : int
        Number of steps, 0 if unknown.
    stream : text stream, optional
        Default: stderr.
    patience : float
        Seconds of silence before the first line.
    watched : bool
        Let a thread look after long steps. False where times are measured: it would disturb them.

    Examples
    --------
    >>> with Progress("replay", 3) as progress:
    ...     for _ in range(3):
    ...         progress.step()
    """

    def __init__(
        self, what: str, total: int = 0, stream: TextIO | None = None, *, patience: float = PATIENCE, watched: bool = True
    ) -> None:
        self.what, self.total, self.done = what, total, 0
        self.stream = stream if stream is not None else sys.stderr
        self._live = self.stream.isatty()
        self._began = time.monotonic()
        self._next = self._began + patience
        self._shown, self._detail = 0, ""
        self._lock, self._over = threading.Lock(), threading.Event()
        self._watched = watched and math.isfinite(patience)
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._watched:
            self._thread = threading.Thread(target=self._watch, daemon=True, name="progress")
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if self._live and self._shown:
            say("\r" + " " * self._shown + "\r", self.stream)

    def _watch(self) -> None:
        """Show the line when it is due, also within a step."""
        while not self._over.wait(max(self._next - time.monotonic(), LOOK)):
            with self._lock:
                self._show(LOOK if self._live else EVERY)

    def step(self, count: int = 1, detail: str = "") -> None:
        """Note that `count` more steps are done."""
        with self._lock:
            self.done += count
            self._detail = detail
            self._show(0.2 if self._live else EVERY)

    def _show(self, pause: float) -> None:
        """Show the line if it is due."""
        now = time.monotonic()
        if now < self._next or self._over.is_set():
            return
        self._next = now + pause
        few = f" {self.done:,}/{self.total:,}"
        part = few if 0 < self.total <= FEW else f" {100 * self.done // self.total} %" if self.total else f" {self.done:,}"
        spent = now - self._began
        more = [text for text in (left(self.done, self.total, spent), self._detail) if text]
        line = f"dse: {', '.join([f'{self.what}{part}, {spent:.0f} s', *more])}"
        say(f"\r{line.ljust(self._shown)}" if self._live else f"{line}\n", self.stream)
        self._shown = len(line)

    def over(self, items: Iterable[Any]) -> Iterable[Any]:
        """Yield from `items`, one step each."""
        for item in items:
            yield item
            self.step()
