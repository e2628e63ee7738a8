"""URLs of storages: their arguments, their files, and how they are shown."""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path

from dse import secrets
from dse.errors import BadInput

OF_SQLITE = frozenset((
    "timeout", "uri", "mode", "cache", "nolock", "immutable", "psow", "vfs", "check_same_thread", "cached_statements", "isolation_level",
    "detect_types",
))  # fmt: skip
"""Arguments behind the ? of a URL that SQLAlchemy's SQLite takes (sqlalchemy.dialects.sqlite.pysqlite), and those of SQLite's own URIs."""
OF_POSTGRESQL = frozenset((
    "host", "hostaddr", "port", "dbname", "user", "password", "passfile", "require_auth", "channel_binding", "connect_timeout",
    "client_encoding", "options", "application_name", "fallback_application_name", "keepalives", "keepalives_idle", "keepalives_interval",
    "keepalives_count", "tcp_user_timeout", "replication", "gssencmode", "gssdelegation", "gsslib", "krbsrvname", "service",
    "servicefile", "sslmode", "sslnegotiation", "sslcompression", "sslcert", "sslkey", "sslkeylogfile", "sslpassword", "sslcertmode",
    "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "requirepeer", "ssl_min_protocol_version", "ssl_max_protocol_version",
    "min_protocol_version", "max_protocol_version", "target_session_attrs", "load_balance_hosts", "scram_client_key", "scram_server_key",
    "oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope",
))  # fmt: skip
"""Arguments of a URL of PostgreSQL: the connection parameters of libpq (PostgreSQL 18, section 34.1.2)."""
YES = ("1", "true", "yes", "on", "y", "t")
"""Values of an argument that SQLAlchemy takes as true (sqlalchemy.util.asbool)."""
URL = re.compile(r"(?P<scheme>[\w+.-]+)://(?P<rest>[^?]*)\?(?P<arguments>.*)", re.DOTALL)


def check(url: str) -> None:
    """Refuse a URL by what it says, before anything is opened or stored in its name.

    Raises
    ------
    BadInput
        An argument that its storage does not know, or a database of SQLite in memory.
    """
    check_arguments(url)
    if url.partition("://")[0].lower() == "sqlite":
        sqlite_file(url)


def check_arguments(url: str) -> None:
    """Refuse a URL with an argument that its storage does not know: it would have no effect, and its value may be a secret.

    Raises
    ------
    BadInput
        With the names of unknown arguments, never with a value.
    """
    found = URL.match(url)
    scheme = found["scheme"].lower().partition("+")[0] if found else ""
    if not found or scheme in ("journal", "file"):
        return
    secrets.know(url)
    known = {"sqlite": OF_SQLITE, "postgresql": OF_POSTGRESQL}.get(scheme, frozenset())
    names = [urllib.parse.unquote(part.partition("=")[0]) for part in found["arguments"].split("&") if part]
    odd = [name for name in names if name not in known]
    if odd:
        told = [repr(name) for name in dict.fromkeys(odd) if re.fullmatch(r"[A-Za-z_]{1,40}", name) and f"{name}=" in found["arguments"]]
        what = f"unknown argument {', '.join(told)}" if told else "arguments that it does not know"
        before = shown(f"{found['scheme']}://{found['rest']}")
        raise BadInput(f"storage {before!r} has {what} behind the ?: leave it out (a password stands in the URL: user:password@host)")


def shown(url: str) -> str:
    """Write a URL without its password."""
    return secrets.safe(url, whole=True)


def sqlite_file(url: str) -> Path:
    """File of a database of SQLite.

    Raises
    ------
    BadInput
        The URL names none, or one in memory: each process has a database of its own there, which is lost when it ends.
    """
    database, _, arguments = url.partition("://")[2].partition("?")
    given = {name.lower(): value.strip().lower() for name, value in urllib.parse.parse_qsl(arguments)}
    path = database.removeprefix("/")
    if given.get("uri") in YES and path.startswith("file:"):
        path = re.sub(r"^//[^/]*", "", urllib.parse.unquote(path.removeprefix("file:")))
    if not path.strip("/") or path == ":memory:" or given.get("mode") == "memory" or given.get("vfs") == "memdb":
        raise BadInput(f"storage {shown(url)!r} is in memory: no other process sees the study there, and it is lost; say sqlite:///FILE")
    return Path(path)
