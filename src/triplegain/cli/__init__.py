"""The command line. Each module brings its commands with `register`; what is heavy is imported inside a command."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import traceback
from collections.abc import Sequence

import typer

from triplegain import __version__
from triplegain.domain.errors import TripleGainError

_MODULES = (
    "paper", "orders", "positions", "steering", "risk", "agents", "session", "report", "decisions", "leaderboard",
    "models", "db", "data", "captures", "record", "snapshot", "local_kraken", "config", "doctor",
)  # fmt: skip
_INTERRUPTED = 130
_RED, _PLAIN = "\x1b[31m", "\x1b[0m"

app = typer.Typer(
    name="tg",
    help="TripleGain trades crypto on paper, on an exchange that fills orders as Kraken would.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"TripleGain {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and end."
    ),
) -> None:
    pass


for _module in _MODULES:
    importlib.import_module(f"{__name__}.{_module}").register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    An expected failure is one line on stderr; with --json it is an object on stdout, where the answer would be.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        answer = app(args=words, prog_name="tg", standalone_mode=False)
    except typer.Abort:
        return _INTERRUPTED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`); nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    # The end of the program: everything becomes an exit code and a line.
    except Exception as error:
        return _failed(error, "--json" in words)
    return answer if type(answer) is int else 0


def _failed(error: Exception, as_json: bool) -> int:
    if isinstance(error, TripleGainError):
        _tell(error.code, str(error), as_json)
        return error.exit_code
    show, exit_code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if callable(show) and isinstance(exit_code, int):
        if as_json:
            _tell("usage", str(error), as_json)
        else:
            show()
        return exit_code
    if os.environ.get("TRIPLEGAIN_DEBUG") == "1":
        traceback.print_exception(error)
    _tell("internal_error", f"{type(error).__name__}: {error} (TRIPLEGAIN_DEBUG=1 shows where)", as_json)
    return 1


def _tell(code: str, message: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error_code": code, "error_message": message}, ensure_ascii=False))
        return
    line = " ".join(message.split())
    colour = False
    with contextlib.suppress(ValueError):
        colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    print(f"{_RED}{line}{_PLAIN}" if colour else line, file=sys.stderr)
