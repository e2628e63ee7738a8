"""Python call ``dse.report``: one run or study as a page, a picture, a mail or a bundle."""

from __future__ import annotations

from pathlib import Path

from dse import storing
from dse.common import writing
from dse.common.writing import check_target, save
from dse.errors import BadInput, unknown
from dse.reports import bundles
from dse.reports.model import Document
from dse.storing.finding import newest, pick

FORMS = ("html", "png", "svg", "text")
SUFFIX = {"html": ".html", "png": ".png", "svg": ".svg", "text": ".txt"}


def resolve(name: str, results: str | Path) -> tuple[str, str]:
    """Find a run or a study.

    Parameters
    ----------
    name : str
        Its name, a part of it that only one has, or ``last``: the one of either kind with the latest start.
    results : path
        Folder of stored results.

    Returns
    -------
    tuple of str
        ``run`` or ``study``, and its name.

    Raises
    ------
    BadInput
        None fits, or more than one.
    """
    from dse.storing import studies

    known = {"run": storing.run_names(results), "study": studies.names(results)}
    copied = {"run": lambda one: storing.copied(results, one), "study": lambda one: studies.copied(results, one)}
    if not any(known.values()):
        raise BadInput(f"no runs or studies stored under {results}: dse compare and dse sweep store some")
    if name == "last":
        last = {kind: newest(names, copied[kind]) for kind, names in known.items() if names}
        places = {"run": Path(results) / "runs", "study": Path(results) / "studies"}
        kind = max(last, key=lambda kind: _age(places[kind] / last[kind]))
        return kind, last[kind]
    alike = [*known["study"], *known["run"]]
    found = pick(alike, name, "run or study", "runs and studies", lambda one: copied["run" if one in known["run"] else "study"](one))
    return "run" if found in known["run"] else "study", found


def _age(path: Path) -> int:
    """Time of the last write to a folder [ns], 0 where it is gone."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def load(kind: str, name: str, results: str | Path) -> Document:
    """Read a run or study and make its report."""
    if kind == "run":
        from dse.reports import runs

        return runs.document(storing.load_run(results, name), results)
    from dse.reports import studies
    from dse.storing import studies as stored

    return studies.document(name, stored.read_tables(results, name), results)


def form_of(form: str | None, path: str | Path | None, bundle: bool) -> str:
    """Form of a report: the one that was asked for, else that of the ending of its file, else a page, where it has no ending.

    Raises
    ------
    BadInput
        An unknown one, or a file whose ending says another one, or none.
    """
    if form is not None and form not in FORMS:
        raise BadInput(unknown("format", form, FORMS))
    asked = "a bundle" if bundle else form
    ending = writing.form_of(path, SUFFIX, asked)
    suffix = "" if path is None else Path(path).suffix
    if suffix and ending is None and asked is None:
        raise BadInput(f"{path}: {unknown('kind of report', suffix, SUFFIX.values())} (or say --format)")
    return form or ending or "html"


def report(
    name: str = "last",
    form: str | None = None,
    path: str | Path | None = None,
    *,
    figure: str | None = None,
    full: bool = False,
    bundle: bool = False,
    results: str | Path = "results",
) -> str:
    """Write the report of a run or a study.

    Parameters
    ----------
    name : str
        The run or study, a part of its name, or ``last``.
    form : {"html", "png", "svg", "text"}, optional
        A page that opens without network, a picture, or text for a mail. Default: by the ending of `path`, else a page.
    path : path, optional
        Path to write to, default ``results/reports/<name>`` with the suffix of the form; text is returned instead, and so is any form
        but png with ``-``.
    figure : str, optional
        Part of the title of the figure that a picture shows.
    full : bool
        All tables as text; without, a mail of 15 lines.
    bundle : bool
        Write a bundle instead, which ``dse rerun`` checks elsewhere.
    results : path
        Folder of stored results.

    Returns
    -------
    str
        The path written, or the text.

    Raises
    ------
    BadInput
        Nothing fits the name, a damaged file, a folder that cannot be written.
    """
    form = form_of(form, path, bundle)
    stdout = str(path) == "-"
    if stdout and (bundle or form == "png"):
        raise BadInput(f"a {'bundle' if bundle else 'PNG'} is not for stdout: give --output FILE")
    kind, found = resolve(name, results)
    suffix = bundles.SUFFIX if bundle else SUFFIX[form]
    target = Path(path) if path is not None else Path(results) / "reports" / f"{found}{suffix}"
    if path is None and (form != "text" or bundle):
        target.parent.mkdir(parents=True, exist_ok=True)
    elif path is not None and not stdout:
        check_target(target, results)
    if bundle:
        return save(target, bundles.pack(kind, found, results))
    document = load(kind, found, results)
    if form == "text":
        from dse.reports import textual

        text = textual.render(document, full=full)
        return text if path is None or stdout else save(target, f"{text}\n".encode())
    if form == "html":
        from dse.reports import page

        content = page.render(document).encode()
    else:
        from dse.reports import pictures

        content = pictures.render(document, form, figure)
    return content.decode().rstrip("\n") if stdout else save(target, content)
