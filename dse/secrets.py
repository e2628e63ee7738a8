"""Texts without the secrets in them: passwords in the URL of a database, in libpq's form, or wherever else they were typed.

:func:`safe` is applied to whatever is stored or shown: command lines, errors, notes, provenance. What a user gave is remembered by
:func:`know`, so that it is found again in the messages of others, who quote, cut and decode it.
"""

from __future__ import annotations

import bisect
import json
import re
import shlex
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

HIDDEN = "***"
PLACEHOLDERS = ("", "password", "port", HIDDEN)
"""Words that stand for a secret in our own messages, or for none."""
FILES, PAGES = ("journal", "sqlite", "file"), ("http", "https", "git", "ssh")
"""Schemes whose paths may hold a colon, and an at sign."""
PORT = re.compile(r"(?:\[[^\]@]*\]|[^:/]*)(?::\d{1,5})?(?:/.*)?", re.DOTALL)
PORTS = re.compile(r"(?:\[[^\]@]*\]|[^:/@,]+)(?::\d{1,5})?(?:,(?:\[[^\]@]*\]|[^:/@,]*):\d{1,5})*[/?].*|\[[^\]@]*\](?::\d{1,5})?", re.DOTALL)
"""Hosts of a database, each with its port, and a path behind them; without a path a number may be a password."""
DATABASES = r"(?:postgres|postgresql|mysql|mariadb|oracle|mssql|cockroachdb|redis|rediss|mongodb|amqp)(?:\+\w+)?"
KNOWN = re.compile(rf"(?<![a-z])(?:{DATABASES}|{'|'.join((*FILES, *PAGES))}|grpc|svn|sftp|ftps?|wss?|s3|gs)(?![a-z])", re.IGNORECASE)
"""Schemes whose user may stand without a password: ``NAME://x@host`` of another name is a user and a password that begins with ``//``."""
OF_KEYS = (
    r"client|server|api|access|secret|private|encrypt(?:ion)?|decrypt(?:ion)?|signing|shared|master|account|storage|session|security|auth|"
    r"deploy|license|hmac|jwt|aes|ssl|tls|ssh|gpg|webhook|app"
)
"""Words before a key that is a secret; other keys are those of tables and sorts."""
ORDINARY = ("by", "com", "sur", "tres", "over", "under")
"""Beginnings of words that end in pass and mean no secret."""
LONG = (
    rf"password|passwd|passphrase|passcode|passfile|passkey|pwd|(?:{OF_KEYS})[_-]?(?:secret|key)|token|"
    rf"{''.join(f'(?<!{word})' for word in ORDINARY)}(?<=[a-z])pass|(?<=db|my)pw|(?<=user|root|bind)pw|(?<=admin)pw"
)
"""Words that mean a secret wherever they end a name."""
WORD = r"(?<![A-Za-z])(?:pass|pw|secret|auth|bearer|credentials?|cookie)"
"""Words that mean one as a part of their own of a name."""
NAMES = rf"(?:{LONG}|{WORD})"
KEY = re.compile(rf"{NAMES}(?:\s*=\s*|[\"']\s*:\s*(?=[\"'])|\s*:(?![:/])\s*(?=\S))", re.IGNORECASE)
ASKING = re.compile(rf"(?<!\S)--?[\w-]*{NAMES}", re.IGNORECASE)
"""Option whose value is the word behind it."""
LOGIN = re.compile(r"(?<!\S)(?:-u|--user|--proxy-user)[\s=]+[^\s:'\"]+:(?=[^\s\d/:])")
"""Option of a user with the password behind a colon; numbers are those of a user and a group."""
BEHIND = re.compile(
    rf"{ASKING.pattern}\s+(?=[^\s-])|\bAuthorization\s*:\s*(?:[A-Za-z]+\s+)?(?=\S)|\bsshpass\s+-p\s*(?=\S)|{LOGIN.pattern}",
    re.IGNORECASE,
)
"""The same within a text, and the header of a request."""
LINE = re.compile(r"[^'\"\n]+")
"""Value of a header that has several parts."""
VALUE = re.compile(r"'(?:\\.|[^'\\])*(?:'|$)|\"(?:\\.|[^\"\\])*\"|(?:\\.|[^\s&'\"\\])+", re.DOTALL)
SCHEME = re.compile(rf"(?<![\w+.-])[\w+.-]+://+|(?<![\w:/])//|\b{DATABASES}(?::/*|//+)", re.IGNORECASE)
"""Beginning of a URL. It begins where its word does, so that a long word is read once and not from each of its letters."""
SPACED = re.compile(rf"\s*(?:{DATABASES}|grpc)\s*(?::|%3a)\s*/+\s*", re.IGNORECASE)
"""The same of a database with blanks, as one argument."""
LOOSE = re.compile(r"\s*[A-Za-z][\w+.-]*(?:\s*:)?//+(?=[^\s/:@][^/:@]*:.*@)", re.DOTALL)
"""The same of any URL, without its colon or with a blank before it, where a user, a password and a host follow."""
COLON, ESCAPED = re.compile(":"), re.compile(":|%(?:25)*3a", re.IGNORECASE)
"""Colon before a password; behind a user of a database it may be escaped."""
AT = re.compile("@|%(?:25)*40", re.IGNORECASE)
CODED = re.compile(r"[^\s'\"`<>]*%(?:25)*3a(?:/|%(?:25)*2f)[^\s'\"`<>]*", re.IGNORECASE)
"""Word with the :/ of a URL that is escaped."""
BLANK = re.compile(r"[\s'\"`<>]")
OPTION = re.compile(r"--?[\w-]+=")
BARE = re.compile(r"[^:@/\s]*:(?=\S)(.+)@(?=\S)", re.DOTALL)
SHORTEST, MOST = 4, 64
_known: dict[str, tuple[str, tuple[str, ...]]] = {}


def _end(text: str, scheme: re.Match[str], blanks: list[int]) -> int:
    """End of a URL within a text: the quote that closes it, else a blank or a quote."""
    quote = text[scheme.start() - 1 : scheme.start()]
    closed = text.find(quote, scheme.end()) if quote in ("'", '"', "`") else -1
    return closed if closed >= 0 else blanks[bisect.bisect_left(blanks, scheme.end())]


def _of_url(text: str, start: int, scheme: str, end: int) -> tuple[int, int] | None:
    """Place of the password of a URL whose scheme ends at `start`; None where it has none."""
    name = re.split(":|%3a", scheme, maxsplit=1, flags=re.IGNORECASE)[0].strip().lower().lstrip("+-._0123456789")
    rest = text[start:end]
    if rest.startswith(HIDDEN):
        return None
    user, at, _ = rest.rpartition("@")
    if not at and name not in (*PAGES, *FILES):
        user, at = _coded_user(rest)
    port = name in PAGES and re.match(r"[^:@]*:\d{1,5}/", rest) if at else name in FILES or PORT.fullmatch(rest)
    if not at and KNOWN.fullmatch(name.partition("+")[0]) and PORTS.fullmatch(rest.partition("?")[0] + "?"):
        return None
    if at and name in (*PAGES, *FILES) and "/" in user.partition(":")[0]:
        return None  # of a path: the name of a user has no slash
    if name in (*PAGES, *FILES, "grpc") and port:
        return None
    user = user if at else rest if name else ""
    if at and name and not KNOWN.search(name):
        return None if user in PLACEHOLDERS else (start, start + len(user))  # the name of a user, and a password that begins with //
    colon = (COLON if not at or (name in (*PAGES, *FILES) and "/" in user) else ESCAPED).search(user)
    if colon is None:
        return None
    return None if user[colon.end() :] in PLACEHOLDERS else (start + colon.end(), start + len(user))


def _coded_user(rest: str) -> tuple[str, str]:
    """Split the user from a URL whose at sign is escaped, as the colon before it is."""
    coded = list(AT.finditer(rest))
    user = rest[: coded[-1].start()] if coded else ""
    return (user, coded[-1][0]) if ESCAPED.search(user) else ("", "")


def places(text: str, whole: bool = False) -> list[tuple[int, int]]:
    """Places of secrets in a text.

    Parameters
    ----------
    text : str
        The text.
    whole : bool
        True if it is one argument: a secret may then hold blanks and quotes, and ends where the argument does.
    """
    found: list[tuple[int, int]] = []
    first = OPTION.match(text) if whole else None
    begin = first.end() if first else 0
    for key in sorted((*KEY.finditer(text), *BEHIND.finditer(text)), key=lambda key: key.end()):
        if found and key.start() < found[-1][1]:
            continue  # within the value of another
        value = (LINE if key[0].lower().startswith("cookie") and ":" in key[0] else VALUE).match(text, key.end())
        ends = key[0].rstrip().endswith(("=", ":")) and not set(key[0]) & set("'\"")
        end = len(text) if whole and ends else value.end() if value else key.end()
        if end > key.end():
            found.append((key.end(), end))
    scheme = SPACED.match(text, begin) or SCHEME.match(text, begin) or LOOSE.match(text, begin) if whole else None
    if scheme is not None:
        limit = min([start for start, _ in found], default=len(text))
        place = _of_url(text, scheme.end(), scheme[0], limit)
        found += [place] if place else []
    elif whole and not found and (bare := BARE.match(text, begin)):
        found.append(bare.span(1))
    blanks = [*(blank.start() for blank in BLANK.finditer(text)), len(text)]
    unnamed, behind = scheme is None, scheme.end() if scheme else 0
    for scheme in () if whole and found else SCHEME.finditer(text, behind):
        place = _of_url(text, scheme.end(), scheme[0], _end(text, scheme, blanks))
        found += [place] if place else []
    if whole and not found and "%" in text and _is_escaped(text[begin:], unnamed):
        found.append((begin, len(text)))
    if "%" in text:
        inside = [word.span() for word in CODED.finditer(text) if _is_escaped(word[0], True)]
        found += [span for span in inside if not any(start < span[1] and span[0] < end for start, end in found)]
    return found


def _is_escaped(text: str, bare: bool) -> bool:
    """Return True for a word that shows its secret only where it is decoded: its key was escaped, or the scheme of a URL (`bare`)."""
    for decoded in _decoded(text)[1:]:
        if KEY.search(decoded) or (bare and (SPACED.match(decoded) or SCHEME.match(decoded)) and places(decoded, whole=True)):
            return True
    return False


def _decoded(text: str) -> list[str]:
    """A text, and what it is decoded once, twice and three times, as far as that changes it."""
    found = [text]
    for _ in range(3):
        found.append(urllib.parse.unquote(found[-1]))
    return list(dict.fromkeys(found))


def _hidden(text: str, found: list[tuple[int, int]]) -> str:
    """Text with some of its places hidden, the last one first; what overlaps is one place."""
    start = len(text) + 1
    for begin, end in sorted(found, reverse=True):
        text = f"{text[:begin]}{HIDDEN}{text[min(end, start) :].removeprefix(HIDDEN)}"
        start = begin
    return text


def know(text: str) -> None:
    """Remember an argument that may hold a secret: :func:`safe` finds it, whole or in parts, in every later text."""
    found = places(text, whole=True)
    if not found or text in _known:
        return
    parts: set[str] = set()
    for begin, end in found:
        secret = text[begin:end].strip("'")
        for form in (*_decoded(secret), urllib.parse.unquote_plus(secret), re.sub(r"\\(.)", r"\1", secret)):
            parts |= {form, *re.split(r"[@/:?#&=\s]+", form)}
    kept = {form for part in parts for form in _forms(part) if len(form) >= SHORTEST and form != HIDDEN}
    if len(_known) >= MOST:
        del _known[next(iter(_known))]
    _known[text] = (_hidden(text, found), tuple(kept))


def _forms(text: str) -> dict[str, None]:
    """A text as messages quote it."""
    jsons = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    return dict.fromkeys((text, repr(text)[1:-1], *jsons, shlex.quote(text), " ".join(text.split())))


def safe(text: str, whole: bool = False) -> str:
    """Return a text without the secrets in it.

    Parameters
    ----------
    text : str
        Any text.
    whole : bool
        True if it is one argument of a command line.

    Examples
    --------
    >>> safe("storage postgresql://me:secret@host/db?password=x: no answer")
    'storage postgresql://me:***@host/db?password=*** no answer'
    >>> safe("postgresql://me:my secret@host/db", whole=True), safe("host=h password='a b' user=u"), safe("grpc://host:13000")
    ('postgresql://me:***@host/db', 'host=h password=*** user=u', 'grpc://host:13000')
    """
    if whole:
        return _hidden(text, places(text, whole=True))
    for given, (shown, _) in _known.items():
        for form in _forms(given):
            text = text.replace(form, shown)
    parts = {part for _, parts in _known.values() for part in parts}
    found = [(at, at + len(part)) for part in parts for at in _everywhere(part, text)]
    text = _hidden(text, [*found, *places(text)])  # together, as a part may be the scheme by which the rest is found
    return _hidden(text, places(text))


def _everywhere(part: str, text: str) -> Iterator[int]:
    """Places at which a part of a text begins."""
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def words(argv: Sequence[str]) -> list[str]:
    """Words of a command line without the secrets in them.

    Examples
    --------
    >>> words(["mysql", "--password", "my secret", "--token=abc", "db"])
    ['mysql', '--password', '***', '--token=***', 'db']
    """
    return [_word(first, before, word) for first, before, word in zip(["", "", *argv], ["", *argv], argv, strict=False)]


def _word(first: str, before: str, word: str) -> str:
    """Word of a command line as the two before it make it: a secret, a user with one, or what it is by itself."""
    if ASKING.fullmatch(before) or (before == "-p" and first.rpartition("/")[2] == "sshpass"):
        return HIDDEN
    if login := LOGIN.match(f"{before} {word}"):
        return f"{login[0][len(before) + 1 :]}{HIDDEN}"
    return safe(word, whole=True)


def within(document: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Keys and texts of a document that hold a secret, each with the path to it, and without what it holds.

    Examples
    --------
    >>> list(within({"title": "fine", "constraints": {"postgresql://me:secret@h/db": "swap_in <= 1"}}))
    [(('constraints',), 'postgresql://me:***@h/db')]
    """
    todo: list[tuple[tuple[str, ...], Any]] = [((), document)]
    while todo:
        path, value = todo.pop()
        if isinstance(value, Mapping):
            for name, inner in value.items():
                hidden = name if not isinstance(name, str) else safe(name, whole=True)
                if hidden != name:
                    yield path, hidden
                else:
                    todo.append(((*path, name), inner))
        elif isinstance(value, (list, tuple)):
            todo += [(path, inner) for inner in value]
        elif isinstance(value, str) and (hidden := _hidden(value, places(value))) != value:
            yield path, hidden


def holds(text: str) -> bool:
    """Return True if an argument holds a secret."""
    return bool(places(text, whole=True))
