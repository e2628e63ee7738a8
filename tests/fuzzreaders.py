"""Readers of damaged inputs: what each is given (seeds and mutants of them, from a seeded generator) and how it is called."""

from __future__ import annotations

import io
import json
import random
import re
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzzseeds import COLUMNS, CSV, JUNK, LACKEY, NUMBERS, ORACLE, PERF, SAMPLES, SPACE, SPLIT, SQL, SQL_WORDS, UNITS


def mutated(content: bytes, rng: random.Random, words: list[bytes], other: bytes) -> bytes:
    """Change a content in one to four ways: bits, bytes, pieces, numbers, words of the format."""
    out = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at = rng.randrange(len(out) + 1)
        end = min(len(out), at + rng.choice([1, 1, 2, 4, 8, 32, 200]))
        what = rng.randrange(9)
        if what == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            del out[at:end]
        elif what == 2:
            out[at:at] = out[at:end] * rng.choice([1, 2, 50])
        elif what == 3:
            out[at:at] = rng.choice(words or JUNK)
        elif what == 4:
            out[at:end] = rng.choice(JUNK)
        elif what == 5:
            out[at:end] = rng.choice(NUMBERS)
        elif what == 6:
            out[at:end] = rng.randbytes(end - at)
        elif what == 7:
            from_ = rng.randrange(len(other) + 1)
            out[at:end] = other[from_ : from_ + rng.choice([4, 40, 400])]
        else:
            del out[at:]
    return bytes(out)


def number_for_number(content: bytes, rng: random.Random) -> bytes:
    """Replace one number of a text."""
    found = list(re.finditer(rb"\d+", content))
    if not found:
        return content
    one = rng.choice(found)
    return content[: one.start()] + rng.choice(NUMBERS) + content[one.end() :]


@dataclass
class Reader:
    """A reader: seeds, words of its format, and what reads a file."""

    seeds: list[bytes]
    read: Callable[[Path, random.Random], object]
    words: list[bytes] = field(default_factory=list)
    mutate: Callable[[bytes, random.Random], bytes] | None = None

    def made(self, number: int) -> tuple[bytes, random.Random]:
        """Input of a number."""
        rng = random.Random(number)
        content = rng.choice(self.seeds)
        if number < len(self.seeds):
            return self.seeds[number], rng
        if self.mutate is not None and rng.random() < 0.7:
            return self.mutate(content, rng), rng
        if rng.random() < 0.2:
            content = number_for_number(content, rng)
        return mutated(content, rng, self.words, rng.choice(self.seeds)), rng


def texts(folder: str) -> list[bytes]:
    """Built-in texts as seeds."""
    import dse

    return [path.read_bytes() for path in sorted((Path(dse.__file__).parent / folder).glob("*.toml"))]


def quoted(names: Any) -> list[bytes]:
    """Words of a format."""
    return [str(name).encode() for name in names]


def scenario_reader(_: Path) -> Reader:
    """Scenarios, and one setting of the command line."""
    from dse import scenario
    from dse.scenario import setting
    from dse.scenario.keys import SECTIONS, keys

    def read(path: Path, rng: random.Random) -> None:
        found = scenario.load(path)
        assert scenario.from_values(found.name, json.loads(found.canonical)).digest == found.digest
        if rng.random() < 0.3:
            text = path.read_text(encoding="utf-8")[:400].replace("\n", " ")
            setting.changed(
                found,
                setting.read([f"{rng.choice(SECTIONS and list(SECTIONS))}.{text.partition('=')[0]}={text.partition('=')[2]}"]),
            )

    words = [f"{info.name} = ".encode() for info in keys()] + [f"[{name}]\n".encode() for name in SECTIONS]
    return Reader(texts("scenario/files"), read, words)


def space_reader(_: Path) -> Reader:
    """Spaces."""
    from dse.sweeps import space

    def read(path: Path, rng: random.Random) -> None:
        found = space.load(path)
        assert space.from_document(json.loads(json.dumps(found.document, default=list))).axes == found.axes
        found.at([0] * len(found.axes))
        _ = found.digest, found.distinct, found.figures

    words = [
        b"[axes.design]\nvalues = ",
        b'values = ["direct"]\n',
        b"range = { low = 0, high = 1, count = 3 }\n",
        b"role = ",
        b"[constraints]\n",
    ]
    words += [
        b"simplex = { of = ['zswap', 'ssd'], steps = 3 }\n",
        b'over = { measure = "worst" }\n',
        b'[axes."moves.rate"]\n',
        b"[[1], {a = 1}]",
    ]
    return Reader(texts("sweeps/spaces"), read, words)


def question_reader(_: Path) -> Reader:
    """Questions."""
    from dse.asking import declaring

    return Reader(
        texts("asking/questions"), lambda path, _: declaring.load(str(path)), [b"[study]\n", b"[verdict]\n", b"designs = ", b"measure = "]
    )


def example_trace() -> Any:
    """A small trace with events."""
    from dse.workloads import trace
    from kernels import demand

    accesses = np.array([1, 0, 2 | 1 << 31, 1], np.uint32)
    events = np.array([demand.pack(demand.UNMAP, 1, count=2)], np.uint64)
    return trace.build(accesses, {"recorder": "test", "command": "x"}, pages=3, events=events, positions=np.array([4], np.int64))


def repacked(content: bytes, rng: random.Random, words: list[bytes]) -> bytes:
    """Damage members of a ZIP, and pack them again so that their checksums hold."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(out, "w", rng.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])) as new,
    ):
        names = old.namelist()
        hit = rng.choice(names)
        for name in names:
            data = old.read(name)
            if name == hit:
                data = number_for_number(data, rng) if rng.random() < 0.4 else mutated(data, rng, words, data)
            if name != hit or rng.random() < 0.9:
                new.writestr(zipfile.ZipInfo(rng.choice([name, name, name, "../x", "/x", "x" * 300]) if name == hit else name), data)
    return out.getvalue()


def npz_reader(folder: Path) -> Reader:
    """Trace files."""
    from dse.common import output
    from dse.workloads import trace

    def read(path: Path, _: random.Random) -> None:
        found = trace.load(path)
        output.render_table([{key: output.cell(value) for key, value in trace.info(found).items()}])
        output.render_json(trace.info(found))
        _ = found.writes, found.pages

    seed = trace.save(example_trace(), folder / "seed").read_bytes()
    words = [b'"space_shift": ', b"{'descr': '<u4', ", b"(1000000000000,)", b"null"]

    def mutate(content: bytes, rng: random.Random) -> bytes:
        return repacked(content, rng, words) if rng.random() < 0.5 else consistent(folder, rng)

    return Reader([seed], read, words, mutate)


def consistent(folder: Path, rng: random.Random) -> bytes:
    """Trace file whose digest is right and whose fields and arrays are anything."""
    from dataclasses import replace

    from dse.workloads import trace

    large = [0, 1, 2, 3, 4, 1 << 28, (1 << 31) - 1, (1 << 32) - 1, (1 << 64) - 1]
    found = example_trace()
    accesses = (
        np.array([rng.choice(large) & 0xFFFFFFFF for _ in range(rng.randrange(5))], np.uint32) if rng.random() < 0.3 else found.accesses
    )
    events = np.array([[rng.choice([*large, 11, 12]) for _ in range(2)]], np.uint64) if rng.random() < 0.5 else found.events
    positions = np.array([rng.choice([-1, 0, 4, 5, 1 << 62])], np.int64)
    shift, spaces = rng.choice([2, 2, 2, -1, 28, 63, 64, 1 << 70]), rng.choice([1, 1, 1, 2, 0, -1, 1 << 28, 1 << 64])
    made = replace(found, accesses=accesses, events=events, positions=positions, space_shift=shift, spaces=spaces)
    odd = [None, True, 1.0, -1, 1 << 64, "x", "\x1b", [1], {"a": 1}, float("nan")]
    meta = {**found.meta, "space_shift": shift, "spaces": spaces, "digest": trace.digest_of(made)}
    if rng.random() < 0.4:
        meta[rng.choice(list(meta))] = rng.choice(odd)
    return trace.save(replace(made, meta=meta), folder / "consistent.npz").read_bytes()


def import_reader(form: str, seeds: list[bytes], words: list[bytes], choices: list[dict[str, Any]]) -> Callable[[Path], Reader]:
    """Importer of a format."""

    def made(_: Path) -> Reader:
        from dse.workloads import imports

        return Reader(seeds, lambda path, rng: imports.load(path, form, **rng.choice(choices)), words)

    return made


def journal_reader(folder: Path) -> Reader:
    """Journals of Optuna: that of a sweep, read by a worker and by a sweep that goes on."""
    import optuna

    from dse.sweeps import recording, space, storages

    searched = space.parse(SPACE, "x.toml", "x")
    seed = folder / "seed.log"
    storage = storages.opened(str(seed))
    study = recording.open_study(storage, "x", searched)
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL, user_attrs={"index": 0}))
    study.add_trial(optuna.trial.create_trial(values=[1.0] * len(searched.objectives), user_attrs={"index": 1, "measures": "{}"}))
    trial = study.ask()
    trial.set_user_attr("a", 1)
    storages.close(storage)

    def read(path: Path, rng: random.Random) -> None:
        if rng.random() < 0.5:
            with recording.Recorder(path, "x", searched) as recorder:
                recorder.record([])
            return
        found = storages.opened(str(path))
        try:
            with storages.reported(str(path)):
                for one in found.get_all_studies():
                    found.get_all_trials(one._study_id)
        finally:
            storages.close(found)

    words = [
        b'{"op_code": ',
        b'"worker_id": "x"',
        b'"study_id": 0',
        b'"trial_id": 0',
        b'"state": ',
        b"{}\n",
        b"[]\n",
        b"1\n",
        b'"x"\n',
        b"null\n",
    ]
    return Reader([seed.read_bytes()], read, words)


def bundle_reader(folder: Path) -> Reader:
    """Bundles of runs and studies, up to where what they hold would be run."""
    from dse import storing
    from dse.reports import bundles, enclosed
    from dse.storing import studies
    from dse.sweeps import space

    results = folder / "results"
    row = storing.figure("direct", "swap_in", "lines", "counted", "lines", 1, stat="total")
    run = storing.write_run(results, [row], [], {"scenario_json": "{}", "seed": 1, "designs": "direct", "created": "2026-01-01"})
    searched = space.parse(SPACE, "x.toml", "x")
    settings = {
        "version": 1, "study": "s", "space": searched.document,
        "sampler": "random", "seed": 1, "trials": 2, "code_digest": "x", "environments": None,
    }  # fmt: skip
    studies.write_settings(results, "s", settings)
    trial = {"study": "s", "number": 1, "design": "direct", "objective": "swap_in", "kind": "counted", "value": 2.0, "front": True}
    studies.write_tables(results, "s", {"trials": [trial], "provenance": [{"study": "s"}]})
    seeds = [bundles.pack("run", str(run), results), bundles.pack("study", "s", results)]

    def read(path: Path, _: random.Random) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            about = bundles.unpack(path, Path(scratch))
            with enclosed.executing(path, about["sources"], about["members"], Path(scratch), trust=False):
                if about["kind"] == "run":
                    storing.load_run(scratch, str(about["name"]))
                else:
                    studies.read_tables(scratch, str(about["name"]))

    words = [b'"name": "', b'"kind": "run"', b'"version": ', b'"settings": {}', b'"sources": [', b"PAR1", b"../../x"]
    return Reader(seeds, read, words, lambda content, rng: repacked(content, rng, words))


def sql_reader(folder: Path) -> Reader:
    """Queries over a few stored rows; the tables are opened once."""
    from dse import storing
    from dse.storing import querying

    for n in (1, 2):
        rows = [storing.figure(d, "swap_in", "lines", "counted", "lines", 10 * n, stat="total") for d in ("direct", "swap_id")]
        storing.write_run(folder, rows, [], {"scenario_digest": "x", "seed": 1, "trace_digest": "t", "created": f"2026-01-0{n}"})
    tables = querying.scan(folder)

    def read(path: Path, _: random.Random) -> None:
        querying.asked(path.read_bytes().decode("utf-8", "replace"), tables)

    def mutate(content: bytes, rng: random.Random) -> bytes:
        parts = content.split(b" ")
        for _ in range(rng.choice([1, 1, 1, 2, 5])):
            at = rng.randrange(len(parts) + 1)
            parts[at : at + rng.choice([0, 1, 1, 2])] = rng.choices(SQL_WORDS, k=rng.choice([0, 1, 1, 1, 3]))
        return b" ".join(parts)

    return Reader(SQL, read, [b" " + word + b" " for word in SQL_WORDS], mutate)


READERS: dict[str, Callable[[Path], Reader]] = {
    "scenario": scenario_reader,
    "space": space_reader,
    "question": question_reader,
    "npz": npz_reader,
    "lackey": import_reader(
        "lackey", [LACKEY], [b"==8==", b"SYSCALL[7,1](", b" S ", b"I  ", b",8\n", b"--> Success(0x"], [{}, {"filter_pages": 2}]
    ),
    "perf": import_reader(
        "perf", [PERF, SAMPLES, SPLIT], [b"page-faults: ", b" 7 1.0: ", b"exceptions:page_fault_user: ", b"address=0x"], [{}]
    ),
    "csv": import_reader("csv", CSV, [b",", b"\n", b" ", b"-1,", b"page"], COLUMNS),
    "oracleGeneral": import_reader("oracleGeneral", [ORACLE], [ORACLE[:24], b"\xff" * 8, b"\0" * 8], UNITS),
    "journal": journal_reader,
    "bundle": bundle_reader,
    "sql": sql_reader,
}
