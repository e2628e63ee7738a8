"""``dse.chart``: bytes over fill as a picture (PNG, SVG) or as text."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dse import naming
from dse.common.writing import check_target, save
from dse.errors import BadInput, unknown
from dse.modelling.bookkeeping import checked
from dse.modelling.fills import COMPRESSED, SLOTS, Curve, curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BACKEND = "MPLBACKEND"
"""Variable of Matplotlib that names what shows its windows."""
CLIP = re.compile(r'(?<=url\(#)p[0-9a-f]{10}(?=\))|(?<=id=")p[0-9a-f]{10}(?=")')
"""Name of a clip path in an SVG of Matplotlib."""
SUFFIXES = (".png", ".svg")
MARKS = "o+x*#@%&"
MOST = len(MARKS)
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#999999")
"""Okabe and Ito's colours, which people with a colour vision deficiency tell apart (https://jfly.uni-koeln.de/color/)."""
SHAPES = "osD^vPX*"
POINTS = 65
WIDTH, HEIGHT = 65, 20  # characters of a text chart
MIB = 1 << 20


def _fills(one: Curve, points: int) -> list[int]:
    """Pages at equal steps from idle to full."""
    return [one.slots * i // (points - 1) for i in range(points)]


def _size(slots: int) -> str:
    """Slots as a size.

    Examples
    --------
    >>> _size(1 << 23), _size(1000)
    ('32 GiB', '3.90625 MiB')
    """
    nbytes = slots * 4096
    return f"{nbytes / (1 << 30):g} GiB" if nbytes >= 1 << 30 else f"{nbytes / MIB:g} MiB"


def target(path: str | Path) -> Path:
    """Refuse another suffix than those of pictures, and a folder that is not there.

    Raises
    ------
    BadInput
        As it says.
    """
    found = Path(path)
    if not found.suffix and found.name.lower() in SUFFIXES:
        raise BadInput(f"{path} is a suffix without a name: such as ledger{found.name}")
    if found.suffix.lower() not in SUFFIXES:
        raise BadInput(unknown("kind of picture", found.suffix or found.name, SUFFIXES))
    check_target(found)
    return found


def matplotlib() -> None:
    """Import Matplotlib whatever MPLBACKEND says: our pictures are files, and a name that is wrong would end the import."""
    if "matplotlib" in sys.modules:
        return
    logging.getLogger("matplotlib").addHandler(logging.NullHandler())  # else it warns on stderr of a home that holds no cache
    given = os.environ.pop(BACKEND, None)
    try:
        import matplotlib as mpl
    finally:
        if given is not None:
            os.environ[BACKEND] = given
    with contextlib.suppress(ValueError):
        mpl.rcParams.update({"backend": given} if given else {})


def picture(curves: Sequence[Curve], backend: str, path: Path) -> str:
    """Write a chart: counted bytes dashed, allocated bytes solid, one colour and one marker for each design."""
    target(path)
    matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 5.0), dpi=150, layout="constrained")
    axes = figure.subplots()
    for i, one in enumerate(curves):
        pages = _fills(one, POINTS)
        fill = [100.0 * n / one.slots for n in pages]
        for measure, style, label in (("allocated", "-", one.name), ("counted", "--", "_")):
            axes.plot(
                fill, [one.bytes(measure, n) / MIB for n in pages], style, color=COLOURS[i], marker=SHAPES[i], markevery=(4 * i % 16, 16),
                markersize=5, linewidth=1.6, label=label,
            )  # fmt: skip
    axes.plot([], [], "-", color="#555555", label="allocated, with headers")
    axes.plot([], [], "--", color="#555555", label="counted as the mails do")
    axes.set(xlabel="slots in use [%]", ylabel="metadata [MiB]", xlim=(0, 100))
    axes.set_ylim(bottom=0)
    axes.set_title(f"Metadata of {_size(curves[0].slots)} of swap, {backend}")
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.legend(frameon=False)
    return saved(figure, path)


def saved(figure: Figure, path: Path) -> str:
    """Write a picture in the form that its suffix names; return the path."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "dse"}):
        return save(path, content(figure, path.suffix[1:].lower()))


def content(figure: Figure, form: str) -> bytes:
    """Content of the file of a picture: the same picture is the same file.

    It has no date, and its clip paths are numbered: Matplotlib makes their names of where objects lie in memory.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, metadata={"Date": None} if form == "svg" else {"Software": None} if form == "png" else None)
    if form != "svg":
        return buffer.getvalue()
    names: dict[str, str] = {}
    return CLIP.sub(lambda found: names.setdefault(found[0], f"clip{len(names) + 1}"), buffer.getvalue().decode()).encode()


def text(curves: Sequence[Curve], backend: str, measure: str = "allocated") -> str:
    """A chart of characters: one mark for each design, the later one on top where two meet."""
    values = [[one.bytes(measure, n) / MIB for n in _fills(one, WIDTH)] for one in curves]
    top = max(max(row) for row in values) or 1.0
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]
    for mark, row in zip(MARKS, values, strict=False):
        for x, value in enumerate(row):
            grid[HEIGHT - 1 - round(value / top * (HEIGHT - 1))][x] = mark
    lines = [f"{measure} MiB, {_size(curves[0].slots)} of swap, {backend}"]
    for y, cells in enumerate(grid):
        label = f"{top * (HEIGHT - 1 - y) / (HEIGHT - 1):8.1f}" if y % 5 == 0 or y == HEIGHT - 1 else " " * 8
        lines.append(f"{label} |{''.join(cells)}".rstrip())
    lines.append(" " * 9 + "+" + "-" * WIDTH)
    lines.append(" " * 10 + "0" + "50".rjust(WIDTH // 2) + "100 %".rjust(WIDTH // 2 + 2))
    lines += [f"{' ' * 10}{mark} {one.name}" for mark, one in zip(MARKS, curves, strict=False)]
    return "\n".join(lines)


def chart(
    designs: str | Sequence[str], path: str | Path | None = None, slots: int = SLOTS, backend: str | Mapping[str, float] = "zswap"
) -> str:
    """Draw bytes over fill.

    Parameters
    ----------
    designs : str or sequence of str
        ``NAME[param=value,...]``, at most eight.
    path : str or Path, optional
        Where to write a PNG or an SVG, by its suffix; without it the chart is text.
    slots, backend
        As for :func:`dse.ledger`.

    Returns
    -------
    str
        The text chart, or the path written.

    Raises
    ------
    BadInput
        Another suffix, too many designs, or bad sizes.
    """
    chosen = naming.parse_many(designs)
    if len(chosen) > MOST:
        raise BadInput(f"a chart shows at most {MOST} designs, got {len(chosen)}")
    mix = checked(slots, backend, COMPRESSED)[1]
    curves = [curve(named.text, slots, backend) for named in chosen]
    return text(curves, mix) if path is None else picture(curves, mix, Path(path))
