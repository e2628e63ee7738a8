"""The command line: finds the verb, imports its module alone, and turns every failure into one clear line.

Exit status 0 ok, 1 a check failed, 2 bad input, 130 interrupted, 143 terminated, 129 the terminal was closed, 141 the reader of our output
went away.
``DSE_TRACEBACK=1`` shows the traceback instead of the line.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, NoReturn

from dse import __version__, secrets
from dse.commands import VERBS
from dse.common import options, streams
from dse.common.output import printable
from dse.common.signals import Terminated, terminated
from dse.errors import BadInput, CheckFailed, Ended, nearest, refusal, refusals, require_kernels, unknown

SQL = re.compile(r"\s*(?:select|with|\(|--\s|/\*)", re.IGNORECASE)
"""Start of a statement of dse query."""
THREADS = {"POLARS_MAX_THREADS": 1024, "NUMBA_NUM_THREADS": 1024}
"""Variables of libraries that fail late, or panic, where one is no number of threads, with the most of each."""
UNPARSED = re.compile(r"Environment variable '(NUMBA_\w+)' is defined but its associated value (.*) could not be parsed", re.DOTALL)
"""Beginning of a warning of Numba's, which goes on with a traceback."""
OFF = ("", "0", "no", "off", "false")
"""Values of a variable that turn nothing on."""
OK, FAILED, BAD, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141


class Parser(argparse.ArgumentParser):
    """An argument parser that raises :class:`BadInput` with the nearest valid value instead of printing its usage."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} (see {self.prog} --help)")

    def parse_known_args(self, *args: Any, **kwargs: Any) -> Any:
        self._given: set[str] = set()
        return super().parse_known_args(*args, **kwargs)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Refuse an option that takes one value and is given twice, of which the last one would win, and a text that is empty."""
        if action.option_strings and action.type is None and "" in arg_strings:
            self.error(f"{action.option_strings[-1]} is empty: leave it out, or give it a value")
        if action.option_strings and action.nargs != 0 and not isinstance(action, argparse._AppendAction):
            if action.dest in self._given:
                raise argparse.ArgumentError(action, "given twice, and it takes one value")
            self._given.add(action.dest)
        return super()._get_values(action, arg_strings)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print a help text or the version; argparse would pass over a failure to write."""
        stream = sys.stderr if file is None else file
        stream.write(message)
        stream.flush()

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            message = unknown("value", str(value), [str(choice) for choice in action.choices])
            raise argparse.ArgumentError(action, message)

    def chosen(self, args: argparse.Namespace) -> Iterator[Parser]:
        """Parser of the verb, and those of the verbs within it that `args` names."""
        yield self
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from action.choices[getattr(args, action.dest)].chosen(args)

    def takers(self, option: str) -> Iterator[str]:
        """Commands that take an option: this verb, or the verbs within it."""
        if option in self._option_string_actions:
            yield self.prog
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for sub in action.choices.values():
                    yield from sub.takers(option)

    def defaults(self, args: argparse.Namespace) -> dict[str, Any]:
        """Values of options that are not given, by their attribute; `args` says which verb within a verb it is."""
        found: dict[str, Any] = {}
        for action in self._actions:
            found[action.dest] = action.default
            if isinstance(action, argparse._SubParsersAction):
                found |= action.choices[getattr(args, action.dest)].defaults(args)
        return found

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        known, extra = self.parse_known_args(args, namespace)
        if extra:
            chosen = [*self.chosen(known)]
            chosen[-1].error(self._refused(extra[0], chosen))
        return known

    def _refused(self, given: str, chosen: Sequence[Parser]) -> str:
        """Say of an argument that is not taken which commands take it as an option, or which of the options was meant, if one is near."""
        option = given.partition("=")[0]
        others = [*self.takers(option), *_takers(option, self.prog)] if option.startswith("-") else []
        if others:
            return f"{option} is an option of {', '.join(others)}, not of {chosen[-1].prog}"
        own = {name.lstrip("-"): name for parser in chosen for name in parser._option_string_actions}
        begun = [name for name in own if name.startswith(option.lstrip("-"))] if option.strip("-") else []
        near = (begun[0] if len(begun) == 1 else nearest(option.lstrip("-"), own)) if option.startswith("-") else ""
        return f"unrecognized argument {given!r}" + (f", did you mean {own[near]!r}?" if near else "")


def _takers(option: str, but: str) -> Iterator[str]:
    """Commands of other verbs that take an option."""
    for verb in VERBS:
        parser = Parser(prog=f"dse {verb}")
        if parser.prog != but:
            importlib.import_module(VERBS[verb][0]).configure(parser)
            yield from parser.takers(option)


def _overview() -> Parser:
    """Build the parser of ``dse`` itself, which knows the verbs by name and help line only."""
    width = max(len(verb) for verb in VERBS)
    verbs = "\n".join(f"  {verb:<{width}}  {text}" for verb, (_, text) in VERBS.items())
    parser = Parser(
        prog="dse",
        usage="dse VERB [options]",
        description="Benchmark and design-space exploration of swap indirection.",
        epilog=f"verbs:\n{verbs}\n\n'dse VERB --help' says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dse {__version__}")
    parser.add_argument("verb", metavar="VERB", help="one of the verbs below")
    return parser


def _described(module: ModuleType) -> str:
    """Return the help of a verb: the docstring of its module without the verb's name."""
    text = " ".join((module.__doc__ or "").split()).partition(": ")[2]
    return text if ". " in text else text.removesuffix(".")


def _dispatch(argv: Sequence[str]) -> int:
    """Parse `argv` and run its verb."""
    if not argv or argv[0].startswith("-"):
        _overview().parse_args(list(argv) or ["--help"])
    verb, rest = argv[0], list(argv[1:])
    if verb not in VERBS:
        raise BadInput(unknown("verb", verb, VERBS) + " (see dse --help)")
    _refuse_secrets(verb, rest)
    for name, most in THREADS.items():
        options.variable(name, 1, 1, most)
    for line in options.without_effect(os.environ):
        _say(f"dse: {line}")
    require_kernels()
    module = importlib.import_module(VERBS[verb][0])
    parser = Parser(prog=f"dse {verb}", description=_described(module))
    module.configure(parser)
    args = parser.parse_args(rest)
    args.defaults = parser.defaults(args)
    args.command_line = streams.command_line(secrets.words(argv))
    status = _finished(module, args)
    sys.stdout.flush()
    return status


def _finished(module: ModuleType, args: argparse.Namespace) -> int:
    """Run a verb. What a design ends by ``sys.exit`` has not succeeded.

    Raises
    ------
    BadInput
        It was ended so.
    """
    try:
        return int(module.run(args))
    except Ended:
        raise
    except SystemExit as error:
        from dse.naming import registered

        who = registered.blamed(error)
        said = "SystemExit" if error.code is None else f"SystemExit: {error.code}"
        raise BadInput(f"{f'design {who}' if who else 'code that is not of dse'} ends the program: {said}") from error


def _refuse_secrets(verb: str, rest: Sequence[str]) -> None:
    """Refuse an argument with a password where it would become the name of a file, a part of a message, or anything but a storage.

    Raises
    ------
    BadInput
        With the argument, without its secret.
    """
    for before, part in zip(["", *rest], rest, strict=False):
        if before == "--" and verb == "trace":
            return  # a program and its arguments
        storage = verb in ("sweep", "worker") and (before == "--storage" or part.startswith("--storage="))
        if storage or (verb == "query" and SQL.match(part)) or not secrets.holds(part):
            continue
        where = "behind --storage of dse sweep and dse worker, and in DSE_STORAGE"
        raise BadInput(f"{secrets.safe(part, whole=True)!r} holds a password, which stands {where} only")


def _say(text: str) -> None:
    """Print one line on stderr, whatever it contains, without secrets."""
    text = secrets.safe(text)
    streams.say(printable(" ".join(text.split("\n"))) + "\n")


def _drop_output() -> None:
    """Point stdout at nothing, so that the interpreter's own flush at exit cannot fail a second time."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


@contextlib.contextmanager
def _told_shortly() -> Iterator[None]:
    """Say in one line, and once for all processes, which variable Numba cannot read; it would add a traceback."""
    before = warnings.showwarning

    def show(message: Warning | str, *rest: Any, **more: Any) -> None:
        found = UNPARSED.match(str(message))
        if not found:
            before(message, *rest, **more)
        elif os.environ.pop(found[1], None) is not None:
            _say(f"dse: variable {found[1]} of the environment has no effect: Numba cannot read {found[2][: options.DIGITS_MAX]}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _guarded(work: Callable[[], int]) -> int:
    """Run `work` and turn what it raises into a line and an exit status."""
    try:
        return work()
    except refusals() as error:
        _say(f"dse: error: {error}")
        return BAD
    except CheckFailed as error:
        _say(f"dse: failed: {error}")
        return FAILED
    except KeyboardInterrupt as error:
        _say(f"dse: {str(error) or 'interrupted'}")
        if getattr(error, "number", 0) == signal.SIGHUP:
            _drop_output()  # the terminal is gone
        return 128 + error.number if isinstance(error, Terminated) else INTERRUPTED
    except MemoryError as error:
        _say(f"dse: error: not enough memory{f' ({error})' if str(error) else ''}: take fewer pages or accesses")
        return BAD
    except BrokenPipeError:
        _drop_output()
        return BROKEN_PIPE
    except OSError as error:
        _drop_output()
        _say(f"dse: error: {refusal(error)}" + (f": {error.filename}" if error.filename else ""))
        return BAD
    except UnicodeError as error:
        what = getattr(error, "object", "")
        how = "read" if isinstance(error, UnicodeDecodeError) else "written"
        _say(f"dse: error: {str(what)[:80]!r} cannot be {how} as {getattr(error, 'encoding', 'UTF-8')}")
        return BAD
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else OK if error.code is None else FAILED


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``dse`` with `argv` (default: the arguments of the process).

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name.

    Returns
    -------
    int
        Exit status: 0 ok, 1 a check failed, 2 bad input.
    """
    given = sys.argv[1:] if argv is None else argv
    for part in (*given, os.environ.get("DSE_STORAGE", "")):
        secrets.know(part)

    def work() -> int:
        streams.prepare()
        return _dispatch(given)

    def ended() -> int:
        with terminated(Terminated("terminated")), _told_shortly():
            return work()

    return ended() if os.environ.get("DSE_TRACEBACK", "").lower() not in OFF else _guarded(ended)


if __name__ == "__main__":
    sys.exit(main())
