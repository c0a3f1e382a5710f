"""The command line: every command there is. What is heavy is imported inside a command."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import typer

from triplegain import __version__
from triplegain.cli import (
    agents,
    captures,
    config,
    data,
    db,
    doctor,
    local_kraken,
    models,
    orders,
    paper,
    positions,
    record,
    report,
    risk,
    session,
    snapshot,
    steering,
)  # fmt: skip
from triplegain.domain.errors import TripleGainError

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


_COMMANDS: dict[str, Callable[..., Any]] = {
    "paper": paper.paper,
    "flat": steering.flat,
    "emergency": steering.emergency,
    "pause": steering.pause,
    "resume": steering.resume,
    "report": report.report,
    "decisions": report.decisions,
    "leaderboard": report.leaderboard,
    "record": record.record,
    "snapshot": snapshot.snapshot,
    "local-kraken": local_kraken.serve,
    "doctor": doctor.doctor,
}
#: Commands of a group, by group and what it is for.
_GROUPS: dict[tuple[str, str], dict[str, Callable[..., Any]]] = {
    ("order", "Orders of the running session."): {
        "place": orders.place, "amend": orders.amend, "cancel": orders.cancel, "list": orders.show_list,
    },
    ("position", "Positions of the running session."): {"list": positions.show_list, "close": positions.close},
    ("risk", "The risk engine of the running session."): {
        "show": risk.show, "check": risk.check, "reset": risk.reset,
    },
    ("agents", "The agents of the running session."): {"show": agents.show, "run": agents.run},
    ("session", "Paper sessions: list, show, end, reset."): {
        "list": session.list_sessions, "show": session.show, "end": session.end, "reset": session.reset,
    },
    ("models", "The language models: list, ping, cost."): {
        "list": models.show, "ping": models.ping, "cost": models.cost,
    },
    ("db", "The database: status, migrate, backup, cleanup."): {
        "status": db.status, "migrate": db.migrate, "backup": db.backup, "cleanup": db.cleanup,
    },
    ("data", "Stored history: download, import, list, verify, prune."): {
        "download": data.download, "import": data.import_paths, "list": data.list_all, "verify": data.verify,
        "prune": data.prune,
    },
    ("captures", "Recorded markets: list, verify, replay."): {
        "list": captures.list_all, "verify": captures.verify, "replay": captures.replay,
    },
    ("config", "The configuration: show, check."): {"show": config.show, "check": config.check},
}  # fmt: skip

for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
for (_name, _purpose), _commands in _GROUPS.items():
    _group = typer.Typer(name=_name, help=_purpose, no_args_is_help=True)
    for _word, _command in _commands.items():
        _group.command(_word)(_command)
    app.add_typer(_group)


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
