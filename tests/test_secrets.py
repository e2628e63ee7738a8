"""Passwords that a user typed, rightly or not: in no file, no output and no error."""

from __future__ import annotations

import json
import shlex
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse import scenario, secrets, storing
from dse.cli import main
from dse.common.names import checked
from dse.errors import BadInput
from dse.storing import querying, studies
from dse.sweeps import space, storages, sweep
from dse.workloads import record
from tests import reportdata
from tests.sweepdata import TEXT

MARK = "s3cr3tW0rd"
URLS = 1_000
SCHEMES = ("postgresql", "postgresql+psycopg", "postgres", "POSTGRESQL", "mysql", "mssql+pyodbc", "grpc")
rest = st.text(st.sampled_from("aZ9 /:?#&%'\"\\=+!$,;~é(*[{}"), max_size=6)
KEYS = ["password", "sslpassword", "PASSWORD", "oauth_client_secret", "scram_client_key", "token"]
passwords = st.builds(lambda before, after: before.strip() + MARK + after, rest, rest)
scheme = st.sampled_from(SCHEMES)
quoted = passwords.map(urllib.parse.quote_plus) | passwords.map(lambda text: urllib.parse.quote(text, safe=""))
either = passwords | quoted
with_at = st.builds(lambda before, text: f"{before}@{text}", st.sampled_from(["p", "p:q", "1"]), either) | either
LIBPQ = {"'": "\\'", "\\": "\\\\"}
urls = st.one_of(
    st.builds("{}://me:{}@127.0.0.1:1/db".format, scheme, with_at),
    st.builds("{}://:{}@/db".format, scheme, either),
    st.builds("{}://me%3A{}@127.0.0.1:1/db".format, scheme, quoted),
    st.builds("{}{}me:{}@127.0.0.1:1/db".format, scheme, st.sampled_from([" ://", ": //", " :/", "%3A//"]), either),
    st.builds("{}://me%253A{}@127.0.0.1:1/db".format, scheme, quoted),
    st.builds("{}%3A%2F%2Fme%3A{}%40h".format, st.sampled_from(SCHEMES[:-1]), quoted),
    st.builds("{}://me:{}".format, scheme, quoted),
    st.builds("{}://me:{}".format, st.sampled_from(SCHEMES[:-1]), passwords),
    st.builds("{}://127.0.0.1:1/db?user=me&{}={}{}".format, scheme, st.sampled_from(KEYS), either,
              st.sampled_from(["", "&connect_timeout=1"])),
    st.builds("{}://127.0.0.1:1/db?user=me&pass%77ord={}".format, scheme, quoted),
    st.builds(lambda text: f"host=127.0.0.1 port=1 password='{''.join(LIBPQ.get(c, c) for c in text)}' dbname=d", passwords),
    st.builds("host=127.0.0.1 password={} dbname=d".format, quoted),
    st.builds("password = {}".format, quoted),
    st.builds("me:{}@127.0.0.1/db".format, either.filter(lambda text: not text[0].isspace())),
    st.builds("//me:{}@127.0.0.1/db".format, either),
    st.builds("{}:{}me:{}@127.0.0.1/db".format, scheme, st.sampled_from(["", "/"]), either),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("text", [
    "note: // see file:line@host", "s3://bucket/a%3Ab", "postgresql://host%3A5432/db", "journal:///a/b%3Ac@d", "http://host/%3A/@x",
    "b%3Ac@d", "note %3Ax@y.log", "https%3A%2F%2Fexample.com%2Fa%3Ab", "https://example.com/@user/post:1@2", "file:///a/b:c@d",
    "sqlite:////srv/a:b@c.db", "journal:///a/b:c@d", "grpc://[::1]:13000", "http://[fe80::1%25eth0]/x", "postgresql://host:5432/db",
    "postgresql://h1:1,h2:2/db", "postgresql://[::1]:5432", "redis://h:6379/0", "mongodb://h1:27017,[::1]:27017/?replicaSet=x",
])  # fmt: skip
def test_what_is_no_secret_is_shown(text: str) -> None:
    assert secrets.safe(text, whole=True) == text
    assert secrets.safe(f"see {text}") == f"see {text}"


BEFORE = ("postgresql://u{}:", "snowflake://u{}:", "http://u{}:", "postgresql+psycopg://u@corp{}:")


@pytest.mark.parametrize("safe_letters", ["", "/", "/:", "@", "/@"])
@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("before", BEFORE)
def test_urls_that_are_escaped_as_a_whole(before: str, times: int, safe_letters: str) -> None:
    """URLs as ``urllib.parse.quote`` writes them, also more than once: hidden as an argument, within a text, and where they are decoded."""
    plain = f"{before.replace('{}', '')}{MARK}@127.0.0.1:1/db"
    url = plain
    for _ in range(times):
        url = urllib.parse.quote(url, safe=safe_letters)
    shown = secrets.safe(url, whole=True)
    assert MARK not in shown
    assert secrets.safe(shown, whole=True) == shown
    if "%" in url.partition("//")[0]:
        assert MARK not in secrets.safe(f"see {url} there")
    secrets.know(url)
    for text in (plain, *echoes(url)):
        assert MARK not in secrets.safe(text)


@pytest.mark.parametrize("url", [
    "http://me%3A{}@h/x", "https://%3A{}@h", "ssh://u%253A{}@h/x", "clickhouse//u:{}@h/db", "smb ://u%40corp:{}@h", "http//user name:{}@h",
    "postgresql%3A//u%3A{}%40h/db", "jdbc:postgresql://u:{}@h/db", "jdbc:mysql://u:a:{}@h1,h2/db", "duckdb://[::1]:5432/db?token=a%40{}",
])  # fmt: skip
def test_urls_of_odd_spellings(url: str) -> None:
    url = url.format(MARK)
    assert MARK not in secrets.safe(url, whole=True)
    secrets.know(url)
    for text in echoes(url):
        assert MARK not in secrets.safe(text), text


@pytest.mark.parametrize("word", ["postgresql", "postgres", "https"])
def test_a_password_that_is_a_scheme_hides_no_other(word: str) -> None:
    """It is hidden, and the URLs that begin with it are found all the same."""
    secrets.know(f"postgresql://u:{word}@h/db")
    assert MARK not in secrets.safe(f"{word}://u:{MARK}@h/db and {word}://me:a b{MARK}@h", whole=True)
    assert MARK not in secrets.safe(f"no answer of {word}://u:{MARK}@h/db")


def echoes(url: str) -> list[str]:
    """Messages that quote, encode, cut and decode what a user gave."""
    decoded = [urllib.parse.unquote(url), urllib.parse.unquote_plus(url)]
    parts = [part for text in (url, *decoded) for part in text.replace("/", "@").replace(":", "@").split("@")]
    return [
        f"no such file: {url}", f"unknown space {url!r}, valid: default", json.dumps({"command": url}), shlex.join(["dse", url]),
        f"argument --workers: {url!r} is not a whole number", *(f"failed to resolve host '{part}'" for part in parts if MARK in part),
    ]  # fmt: skip


@settings(max_examples=URLS, deadline=None, database=None)
@given(urls)
def test_urls_as_arguments_and_in_the_messages_of_others(url: str) -> None:
    """1,000 made-up URLs: neither the argument nor a message that holds it shows the password."""
    shown = secrets.safe(url, whole=True)
    assert MARK not in shown
    assert secrets.HIDDEN in shown
    assert secrets.safe(shown, whole=True) == shown
    secrets.know(url)
    for message in echoes(url):
        assert MARK not in secrets.safe(message)
        assert MARK not in str(BadInput(message))


@settings(max_examples=URLS // 2, deadline=None, database=None)
@given(urls)
def test_urls_as_storages(url: str) -> None:
    """Refusals by a storage hold no password, whatever its client said; nothing becomes a file."""
    before = sorted(Path().iterdir())

    def database(engine: str) -> None:
        raise optuna.exceptions.StorageInternalError("; ".join(echoes(engine)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storages, "_database", database)
        patch.setattr(storages, "PATIENCE", 0)
        with pytest.raises(BadInput) as said:
            storages.opened(url)
    assert MARK not in str(said.value)
    assert "\n" not in str(said.value)
    assert sorted(Path().iterdir()) == before


COMMANDS = (
    ["--secret={}"], ["--secret-key={}"], ["--pass={}"], ["--passcode", "{}"], ["--private-key", "{}"], ["--auth", "{}"], ["--bearer={}"],
    ["--credentials", "{}"], ["env", "SECRET={}"], ["DJANGO_SECRET_KEY={}"], ['{{"password": "{}"}}'], ["Authorization: Bearer {}"],
    ["sh", "-c", "mysql --password {}"], ["sh", "-c", "x --token 'a {}'"], ["--dbpassword", "{}"],
    ["--api-key={}"], ["postgresql//u:{}@h/d"], ["env", "SSHPASS={}", "X-Api-Key: {}", "true"], ["Cookie: session={}; other={}"],
    ["sh", "-c", "curl -H 'Cookie: a={}; b={}' http://h"], ["password: {}"], ["passwd:{}"], ["PW={}"], ["--pw", "{}"], ["rootpw={}"],
    ["--encryption_key", "{}"], ["X-Auth-Token: {}"], ["sshpass", "-p", "{}", "ssh", "h"], ["curl", "-u", "me:{}", "http://h"],
    ["curl", "--user=me:{}"], ["--cookie", "{}"], ["openssl", "-passin", "pass:{}"],
)  # fmt: skip
PLAIN = (["--bypass", "on"], ["--author", "me"], ["compass=north"], ["Basic metadata"], ["a token of it"], ["--passes", "3"],
         ["--pages", "5"], ["--max-tokens", "5"], ["a tokens: 5 of it"], ["docker", "-u", "1000:1000"], ["BYPASS=on"], ["x::pass::run"],
         ["--sort-key", "pages"], ["key: value"], ["--power", "5"], ["pwm=3"], ["-p", "80:80"])  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_secrets_of_recorded_commands(command: list[str]) -> None:
    words = [word.replace("{{", "{").replace("}}", "}").replace("{}", MARK) for word in command]
    assert MARK not in " ".join(secrets.words(words))
    assert MARK not in secrets.safe(" ".join(words))


@pytest.mark.parametrize("command", PLAIN)
def test_words_that_are_no_secrets(command: list[str]) -> None:
    assert secrets.words(command) == command
    assert secrets.safe(" ".join(command)) == " ".join(command)


PLACES: dict[str, Callable[[str, str], list[str]]] = {
    "storage": lambda url, results: ["sweep", "small.toml", "--trials", "1", "--storage", url, "--results", results],
    "equals": lambda url, results: ["worker", f"--storage={url}", "--study", "x", "--results", results],
    "space": lambda url, results: ["sweep", url, "--results", results],
    "results": lambda url, results: ["compare", "--results", url],
    "misspelt": lambda url, results: ["sweep", "--storag", url],
    "verb": lambda url, results: [url],
    "set": lambda url, results: ["compare", "--set", url, "--results", results],
    "output": lambda url, results: ["report", "last", "--output", url, "--results", results],
    "number": lambda url, results: ["sweep", "--workers", url, "--results", results],
    "sql": lambda url, results: ["query", f"SELECT '{url}' FROM nothing", "--results", results],
    "name": lambda url, results: ["rerun", url, "--results", results],
    "trace": lambda url, results: ["trace", "info", url],
}
SOME = (
    f"postgresql://me:my {MARK}@127.0.0.1:1/db", f"postgresql://me:a,{MARK}@127.0.0.1:1/db", f"postgresql://me:{MARK}",
    f"postgresql://127.0.0.1:1/db?user=me&password=p%40%20{MARK}", f"host=127.0.0.1 port=1 password='a {MARK}' dbname=d",
    f"me:p@{MARK}@127.0.0.1/db", f"postgresql://me:%zz{MARK}@127.0.0.1:1/db",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_urls_at_every_place_of_a_command(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small.toml").write_text(TEXT)
    for n, url in enumerate(SOME):
        assert main(PLACES[place](url, f"r{n}")) == 2
        said = capsys.readouterr()
        assert MARK not in said.out + said.err
        lines = said.err.splitlines()  # progress may come first where kernels are not compiled yet
        assert [line.startswith(("dse: error: ", "usage: ")) for line in lines] == [False] * (len(lines) - 1) + [True], said.err
    for path in tmp_path.rglob("*"):
        assert MARK not in str(path)
        assert not path.is_file() or MARK.encode() not in path.read_bytes()


def test_the_variable_of_the_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """``dse sweep`` takes it as ``dse worker`` does, and nothing shows it."""
    (tmp_path / "small.toml").write_text(TEXT)
    for url in SOME:
        monkeypatch.setenv("DSE_STORAGE", url)
        for command in (["sweep", "small.toml", "--trials", "1"], ["worker", "--study", "x"]):
            assert main(command) == 2
            said = capsys.readouterr()
            assert MARK not in said.out + said.err
            assert said.err.splitlines()[-1].startswith("dse: error: storage ")
    assert {path.name for path in tmp_path.iterdir()} <= {"small.toml", "results"}
    monkeypatch.setenv("DSE_STORAGE", str(tmp_path / "journal.log"))
    assert main(["sweep", "small.toml", "--trials", "1", "--workers", "1", "--results", str(tmp_path / "r")]) == 0
    assert (tmp_path / "journal.log").stat().st_size
    assert not list((tmp_path / "r").rglob("journal.log"))


def test_what_is_stored_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Commands in provenance, of today and of an earlier version that stored them as they were."""
    url = SOME[0]
    command = f"dse sweep --storage '{url}'"
    run = storing.write_run(
        tmp_path, [storing.figure("direct", "swap_in", "lines", "counted", "lines", 1)], (), {"command": command, "why": url}
    )
    found = sweep(space.parse(TEXT, "small.toml", "small"), trials=1, sampler="random", results=tmp_path, command=command)
    meta = record._meta(["psql", url], "lackey", "")
    assert MARK not in json.dumps(meta)
    for path in tmp_path.rglob("*.parquet"):
        assert MARK.encode() not in path.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        for module in (storing.writer, studies):
            patch.setattr(module, "safe", lambda text: text)
        old = storing.write_run(tmp_path / "old", [], (), {"command": command})
        name = reportdata.store_study(tmp_path / "old", provenance=[{"command": command, "objectives": ["move"], "winner": "move"}])
    assert any(MARK.encode() in path.read_bytes() for path in (tmp_path / "old").rglob("*.parquet"))
    for stored in (old, name):
        assert main(["report", stored, "--bundle", "--results", str(tmp_path / "old")]) == 2
    assert capsys.readouterr().err.count("was stored by an earlier version with a password in its command") == 2
    for results, names in ((tmp_path, (run, found["study"])), (tmp_path / "old", (old, name))):
        for stored in names:
            main(["report", stored, "--format", "text", "--full", "--results", str(results)])
        for form in ("table", "json", "csv"):
            for table in ("provenance", "studies", "runs"):
                assert main(["query", f"SELECT command FROM {table}", "--format", form, "--results", str(results)]) == 0
        assert secrets.HIDDEN in querying.query("SELECT command FROM provenance", results=results).item()
    said = capsys.readouterr()
    assert MARK not in said.out + said.err


def test_what_holds_no_secret() -> None:
    """Arguments and texts of every day stay as they are."""
    for text in (
        "/srv/a=b/c", "sqlite:////srv/a:b.db", "grpc://host:13000", "postgresql://me@host/db", "swap_id[base=direct]", "journal.log",
        "https://lore.kernel.org/all/20260208215839.87595-1-nphamcs@gmail.com/", "HEAD@{1}", "zswap=0.7,ssd=0.3", "a // b: c @ 2 GHz",
        "swap_cgroup_set @ zap", "http://localhost:8080/a", "--set=memory.limit=0.3", "Model: Intel(R) @ 2.20GHz", "git@host:path",
    ):  # fmt: skip
        assert not secrets.holds(text), text
        assert secrets.safe(text) == text


@pytest.mark.parametrize("password", [f"//{MARK}", f"///{MARK}", f"//{MARK}//", f"//{MARK}://", f"//a:{MARK}", f"//{MARK} //@"])
def test_a_password_that_begins_as_the_host_of_a_url_does(password: str) -> None:
    """``me://secret@host`` looks as a URL does, whose scheme is the user."""
    for before in ("", "postgresql:", "postgresql://", "//", "mysql:/"):
        url = f"{before}me:{password}@127.0.0.1/db"
        shown = secrets.safe(url, whole=True)
        assert MARK not in shown
        assert secrets.safe(shown, whole=True) == shown
        secrets.know(url)
        for message in echoes(url):
            assert MARK not in secrets.safe(message), message
    for text in (
        "svn+ssh://me@host/a",
        "ftp://me@host/a",
        "mysql+pymysql://me@h/d",
        "git+https://me@host/a",
        "rediss://me@h",
        "sqlite://a@b",
    ):
        assert not secrets.holds(text), text


def test_few_are_remembered() -> None:
    for n in range(3 * secrets.MOST):
        secrets.know(f"postgresql://me:{MARK}{n:04}@h/d")
    assert len(secrets._known) == secrets.MOST
    last: Any = f"x {MARK}{3 * secrets.MOST - 1:04} y"
    assert secrets.safe(last) == "x *** y"


FILES = {
    "constraint": '"{}" = "swap_in <= 1"\n', "axis": '[axes."{}"]\nvalues = [1, 2]\n', "title": 'title = "{}"\n',
    "why": 'why = "see {}"\n', "value": '[axes."workload.trace"]\nvalues = ["{}"]\n',
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_names_and_texts_of_a_space(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings, journal and tables hold no secret that a file gave."""
    given = FILES[kind].replace("{}", f"postgresql://me:{MARK}@h/db")
    at = "[constraints]\n"
    text = given + TEXT if kind in ("title", "why") else TEXT.replace(at, at + given) if kind == "constraint" else TEXT + given
    (tmp_path / "small.toml").write_text(text)
    assert main(["sweep", "small.toml", "--trials", "1", "--results", "r"]) == 2
    said = capsys.readouterr()
    assert MARK not in said.out + said.err
    assert "holds a password, and it would be stored" in said.err
    assert said.err.count("\n") == 1
    assert not list(tmp_path.rglob("settings.json"))
    document: dict[str, Any] = {"name": "x", "objectives": ["swap_in"], "axes": [], "constraints": {f"token={MARK}": "swap_in <= 1"}}
    with pytest.raises(BadInput, match="holds a password, and it would be stored") as refused:
        space.from_document(document)
    assert MARK not in str(refused.value)


def test_texts_of_a_scenario_and_names_of_studies(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(f'why = "password={MARK}"\n[workload]\ngenerator = "zipf"\n')
    with pytest.raises(BadInput, match="holds a password") as said:
        scenario.load(str(tmp_path / "s.toml"))
    with pytest.raises(BadInput, match="is no name of a study: it holds a password") as name:
        checked(f"password={MARK}", "study")
    assert MARK not in str(said.value) + str(name.value)
